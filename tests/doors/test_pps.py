"""pps_v2.API over a real port: pipelines, defaults, templates, summaries."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from dassie._proto.pfs import pfs_pb2
from dassie._proto.pps import pps_pb2
from tests.doors.pipelines import Runtime, job, named, runtime


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Runtime]:
    with runtime(tmp_path) as made:
        made.create_repo("images")
        yield made


def spec(name: str = "edges", **fields: Any) -> dict[str, Any]:
    return {
        "pipeline": {"name": name},
        "transform": {"cmd": ["copy"]},
        "input": {"pfs": {"repo": "images", "glob": "/*"}},
        **fields,
    }


def create(server: Runtime, document: dict[str, Any], **orders: bool) -> dict[str, Any]:
    answer = server.api.CreatePipelineV2(
        pps_pb2.CreatePipelineV2Request(create_pipeline_request_json=json.dumps(document), **orders)
    )
    effective: dict[str, Any] = json.loads(answer.effective_create_pipeline_request_json)
    return effective


def inspect(server: Runtime, name: str = "edges") -> pps_pb2.PipelineInfo:
    info: pps_pb2.PipelineInfo = server.api.InspectPipeline(
        pps_pb2.InspectPipelineRequest(pipeline=named(name), details=True)
    )
    return info


def refused(code: grpc.StatusCode) -> Any:
    return pytest.raises(grpc.RpcError, check=lambda error: error.code() == code)


class TestCreate:
    def test_json(self, server: Runtime) -> None:
        effective = create(server, spec(datum_tries=2, description="finds edges"))
        assert effective["datumTries"] == "2"
        assert effective["transform"]["image"] == "ubuntu:20.04"
        info = inspect(server)
        assert (info.pipeline.name, info.pipeline.project.name) == ("edges", "default")
        assert info.version == 1
        assert info.type == pps_pb2.PipelineInfo.PIPELINE_TYPE_TRANSFORM
        assert info.parallelism == 1
        assert json.loads(info.user_spec_json) == spec(datum_tries=2, description="finds edges")
        assert json.loads(info.effective_spec_json) == effective
        assert info.spec_commit.repo.type == "spec"
        details = info.details
        assert details.transform.cmd == ["copy"]
        assert (details.datum_tries, details.output_branch) == (2, "master")
        assert details.input.pfs.name == "images"
        assert details.input.pfs.branch == "master"
        assert details.description == "finds edges"
        assert details.salt
        assert details.created_at.seconds

    def test_yaml(self, server: Runtime) -> None:
        text = (
            "pipeline: {name: edges}\ntransform: {cmd: [copy]}\n"
            "input: {pfs: {repo: images, glob: /}}"
        )
        server.api.CreatePipelineV2(
            pps_pb2.CreatePipelineV2Request(create_pipeline_request_json=text)
        )
        assert inspect(server).details.input.pfs.glob == "/"

    def test_message(self, server: Runtime) -> None:
        request = pps_pb2.CreatePipelineRequest(
            pipeline=pps_pb2.Pipeline(name="edges"),
            transform=pps_pb2.Transform(cmd=["copy"], env={"A": "b"}),
            input=pps_pb2.Input(pfs=pps_pb2.PFSInput(repo="images", glob="/*")),
            datum_set_spec=pps_pb2.DatumSetSpec(),
            parallelism_spec=pps_pb2.ParallelismSpec(constant=2),
        )
        request.datum_timeout.FromSeconds(90)
        server.api.CreatePipeline(request)
        info = inspect(server)
        assert info.parallelism == 2
        assert info.details.datum_timeout.seconds == 90
        assert info.details.transform.env == {"A": "b"}
        assert info.details.HasField("datum_set_spec")
        request.update = True
        server.api.CreatePipeline(request)
        assert inspect(server).version == 2

    def test_dry_run(self, server: Runtime) -> None:
        assert create(server, spec(), dry_run=True)["outputBranch"] == "master"
        with refused(grpc.StatusCode.NOT_FOUND):
            inspect(server)

    def test_again(self, server: Runtime) -> None:
        create(server, spec())
        with refused(grpc.StatusCode.ALREADY_EXISTS) as caught:
            create(server, spec())
        assert 'pipeline "default/edges" already exists' in caught.value.details()

    def test_update_and_reprocess(self, server: Runtime) -> None:
        create(server, spec())
        before = inspect(server)
        create(server, spec(description="new"), update=True)
        updated = inspect(server)
        assert (updated.version, updated.details.description) == (2, "new")
        assert updated.details.salt == before.details.salt
        create(server, spec(reprocess=True, update=True))
        assert inspect(server).details.salt != before.details.salt
        assert inspect(server, "edges^2").version == 1

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("{", "malformed pipeline spec"),
            ("[{}, {}]", "one pipeline spec is expected, not 2"),
            ('{"pipeline": {"name": "p"}, "tranform": {}}', 'did you mean "transform"?'),
            ('{"pipeline": {"name": "p"}}', "pipeline must specify a transform"),
        ],
    )
    def test_bad_specs(self, server: Runtime, text: str, said: str) -> None:
        with refused(grpc.StatusCode.INVALID_ARGUMENT) as caught:
            server.api.CreatePipelineV2(
                pps_pb2.CreatePipelineV2Request(create_pipeline_request_json=text)
            )
        assert said in caught.value.details()

    def test_a_missing_repo(self, server: Runtime) -> None:
        with refused(grpc.StatusCode.NOT_FOUND) as caught:
            create(server, spec(input={"pfs": {"repo": "nothing", "glob": "/"}}))
        assert "repo default/nothing not found" in caught.value.details()

    def test_what_is_not_built(self, server: Runtime) -> None:
        with refused(grpc.StatusCode.UNIMPLEMENTED) as caught:
            create(server, spec(spout={}))
        assert '"spout" is not implemented in Dassie yet' in caught.value.details()


class TestLife:
    def test_stop_start_delete(self, server: Runtime) -> None:
        create(server, spec())
        server.api.StopPipeline(pps_pb2.StopPipelineRequest(pipeline=named("edges")))
        info = inspect(server)
        assert info.stopped
        assert info.state == pps_pb2.PIPELINE_PAUSED
        server.api.StartPipeline(pps_pb2.StartPipelineRequest(pipeline=named("edges")))
        assert not inspect(server).stopped
        server.api.DeletePipeline(pps_pb2.DeletePipelineRequest(pipeline=named("edges")))
        with refused(grpc.StatusCode.NOT_FOUND) as caught:
            inspect(server)
        assert 'pipeline "default/edges" not found' in caught.value.details()

    def test_absent_ones(self, server: Runtime) -> None:
        gone = named("gone")
        server.api.DeletePipeline(pps_pb2.DeletePipelineRequest(pipeline=gone, force=True))
        server.api.DeletePipeline(pps_pb2.DeletePipelineRequest(pipeline=gone))
        server.api.StopPipeline(pps_pb2.StopPipelineRequest(pipeline=gone))
        with refused(grpc.StatusCode.NOT_FOUND):
            server.api.DeletePipeline(pps_pb2.DeletePipelineRequest(pipeline=gone, must_exist=True))
        with refused(grpc.StatusCode.NOT_FOUND):
            server.api.StartPipeline(pps_pb2.StartPipelineRequest(pipeline=gone))
        with refused(grpc.StatusCode.INVALID_ARGUMENT):
            server.api.StopPipeline(pps_pb2.StopPipelineRequest())

    def test_list(self, server: Runtime) -> None:
        for name in ("a", "b", "c"):
            create(server, spec(name))
        create(server, spec("a", description="2"), update=True)

        def listed(**fields: Any) -> list[tuple[str, int]]:
            request = pps_pb2.ListPipelineRequest(**fields)
            return [(i.pipeline.name, i.version) for i in server.api.ListPipeline(request)]

        assert listed() == [("c", 1), ("b", 1), ("a", 2)]
        assert listed(history=-1) == [("c", 1), ("b", 1), ("a", 2), ("a", 1)]
        assert listed(pipeline=named("b")) == [("b", 1)]
        assert listed(projects=[pfs_pb2.Project(name="other")]) == []
        assert listed(page=pps_pb2.PipelinePage(page_size=2, page_index=1)) == [("a", 2)]
        assert listed(jqFilter='.state == "PIPELINE_PAUSED"') == []
        server.api.StopPipeline(pps_pb2.StopPipelineRequest(pipeline=named("b")))
        paused = '.state == "PIPELINE_FAILURE" or .state == "PIPELINE_PAUSED"'
        assert listed(jqFilter=paused) == [("b", 1)]
        with refused(grpc.StatusCode.UNIMPLEMENTED):
            listed(jqFilter=".")

    def test_delete_all(self, server: Runtime) -> None:
        create(server, spec("a"))
        create(server, spec("b", input={"pfs": {"repo": "a", "glob": "/"}}))
        with refused(grpc.StatusCode.INVALID_ARGUMENT):
            server.api.DeletePipelines(pps_pb2.DeletePipelinesRequest())
        gone = server.api.DeletePipelines(pps_pb2.DeletePipelinesRequest(all=True))
        assert {p.name for p in gone.pipelines} == {"a", "b"}
        create(server, spec("a"))
        server.api.DeleteAll(pps_pb2.google_dot_protobuf_dot_empty__pb2.Empty())
        assert list(server.api.ListPipeline(pps_pb2.ListPipelineRequest())) == []

    def test_rerun_and_run_cron(self, server: Runtime) -> None:
        create(server, spec())
        id_ = server.commit("images", {"/a": b"1"})
        assert server.finished("edges", id_).data_processed == 1
        server.api.RerunPipeline(
            pps_pb2.RerunPipelineRequest(pipeline=named("edges"), reprocess=True)
        )
        jobs = server.until(
            lambda: [
                i
                for i in server.api.ListJob(pps_pb2.ListJobRequest(pipeline=named("edges")))
                if i.state == pps_pb2.JOB_SUCCESS and i.job.id != id_ and i.data_processed
            ]
        )
        assert jobs[0].data_processed == 1
        with refused(grpc.StatusCode.FAILED_PRECONDITION) as caught:
            server.api.RunCron(pps_pb2.RunCronRequest(pipeline=named("edges")))
        assert "pipeline doesn't have a cron input" in caught.value.details()


class TestAround:
    def test_defaults(self, server: Runtime) -> None:
        def cluster() -> str:
            answer = server.api.GetClusterDefaults(pps_pb2.GetClusterDefaultsRequest())
            return str(answer.cluster_defaults_json)

        create(server, spec())
        assert json.loads(cluster()) == {}
        text = '{"create_pipeline_request": {"datum_tries": 9}}'
        request = pps_pb2.SetClusterDefaultsRequest(
            cluster_defaults_json=text, regenerate=True, dry_run=True
        )
        answer = server.api.SetClusterDefaults(request)
        assert [p.name for p in answer.affected_pipelines] == ["edges"]
        assert json.loads(cluster()) == {}
        request.dry_run = False
        server.api.SetClusterDefaults(request)
        assert json.loads(cluster()) == json.loads(text)
        assert inspect(server).details.datum_tries == 9
        project = pps_pb2.SetProjectDefaultsRequest(
            project_defaults_json=text.replace("9", "8"), regenerate=False
        )
        assert not server.api.SetProjectDefaults(project).affected_pipelines
        stored = server.api.GetProjectDefaults(pps_pb2.GetProjectDefaultsRequest())
        assert json.loads(stored.project_defaults_json)["create_pipeline_request"] == {
            "datum_tries": 8
        }
        assert inspect(server).details.datum_tries == 9
        create(server, spec("late"))
        assert inspect(server, "late").details.datum_tries == 8
        with refused(grpc.StatusCode.INVALID_ARGUMENT):
            server.api.SetClusterDefaults(
                pps_pb2.SetClusterDefaultsRequest(cluster_defaults_json='{"datum_tries": 1}')
            )

    def test_template(self, server: Runtime) -> None:
        template = "function(name) [{pipeline: {name: name}, datum_tries: 2}]"
        answer = server.api.RenderTemplate(
            pps_pb2.RenderTemplateRequest(template=template, args={"name": "p"})
        )
        assert json.loads(answer.json)[0]["pipeline"] == {"name": "p"}
        assert answer.specs[0].datum_tries == 2

    def test_summary_and_status(self, server: Runtime) -> None:
        create(server, spec("good"))
        create(server, spec("bad", transform={"cmd": ["fail"]}))
        create(server, spec("still"))
        server.api.StopPipeline(pps_pb2.StopPipelineRequest(pipeline=named("still")))
        id_ = server.commit("images", {"/a": b"1"})
        assert server.finished("bad", id_).state == pps_pb2.JOB_FAILURE
        answer = server.api.PipelinesSummary(pps_pb2.PipelinesSummaryRequest())
        (summary,) = answer.summaries
        assert (summary.active_pipelines, summary.paused_pipelines) == (2, 1)
        assert summary.unhealthy_pipelines == 1
        (status,) = server.api.CheckStatus(pps_pb2.CheckStatusRequest(all=True))
        assert status.pipeline.name == "bad"
        assert list(status.alerts) == ["last job ended in FAILURE"]

    def test_the_rest_says_so(self, server: Runtime) -> None:
        with refused(grpc.StatusCode.UNIMPLEMENTED) as caught:
            server.api.RunPipeline(pps_pb2.RunPipelineRequest(pipeline=named("edges")))
        assert "not implemented in Dassie yet" in caught.value.details()
        with refused(grpc.StatusCode.NOT_FOUND):
            server.api.InspectJob(pps_pb2.InspectJobRequest(job=job("edges", "0" * 32)))
