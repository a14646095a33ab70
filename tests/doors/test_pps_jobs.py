"""pps_v2.API over a real port: jobs, job sets, datums, logs; and the explain service."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from dassie._proto.dassie import explain_pb2
from dassie._proto.pfs import pfs_pb2
from dassie._proto.pps import pps_pb2
from tests.doors.pipelines import Runtime, job, named, runtime
from tests.doors.test_pps import create, refused, spec

FILES = {"/a": b"1", "/b": b"22", "/d/x": b"333"}


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runtime]:
    """`edges` and `copies` below it, after two commits. For tests that only look."""
    with runtime(tmp_path_factory.mktemp("runtime")) as made:
        made.create_repo("images")
        create(made, spec())
        create(made, spec("copies", input={"pfs": {"repo": "edges", "glob": "/"}}))
        made.ids = [made.commit("images", FILES), made.commit("images", {"/b": b"!", "/c": b"4"})]
        for id_ in made.ids:
            made.finished("edges", id_)
            made.finished("copies", id_)
        yield made


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Runtime]:
    with runtime(tmp_path) as made:
        made.create_repo("images")
        yield made


def listed(server: Runtime, **fields: Any) -> list[pps_pb2.JobInfo]:
    return list(server.api.ListJob(pps_pb2.ListJobRequest(history=-1, **fields)))


class TestInspect:
    def test_details(self, done: Runtime) -> None:
        info = done.finished("edges", done.ids[1])
        assert info.state == pps_pb2.JOB_SUCCESS
        assert (info.data_total, info.data_processed, info.data_skipped) == (4, 2, 2)
        assert info.pipeline_version == 1
        assert info.output_commit.id == done.ids[1]
        assert info.output_commit.repo.name == "edges"
        assert info.created.ToDatetime() <= info.started.ToDatetime() <= info.finished.ToDatetime()
        assert info.details.input.pfs.commit == done.ids[1]
        assert info.details.transform.cmd == ["copy"]
        assert done.files("copies") == ["/a", "/b", "/c", "/d/x"]

    def test_details_are_unset_unless_asked_for(self, done: Runtime) -> None:
        bare = done.api.InspectJob(pps_pb2.InspectJobRequest(job=job("edges", done.ids[0])))
        assert not bare.HasField("details")
        assert not any(info.HasField("details") for info in listed(done))
        assert all(info.HasField("details") for info in listed(done, details=True))

    def test_absent(self, done: Runtime) -> None:
        with refused(grpc.StatusCode.NOT_FOUND):
            done.finished("edges", "0" * 32)
        with refused(grpc.StatusCode.INVALID_ARGUMENT):
            done.api.InspectJob(pps_pb2.InspectJobRequest(job=pps_pb2.Job(id=done.ids[0])))

    def test_set(self, done: Runtime) -> None:
        request = pps_pb2.InspectJobSetRequest(
            job_set=pps_pb2.JobSet(id=done.ids[0]), wait=True, details=True
        )
        infos = list(done.api.InspectJobSet(request, timeout=20))
        assert [info.job.pipeline.name for info in infos] == ["edges", "copies"]
        assert infos[1].details.input.pfs.commit == done.ids[0]
        with refused(grpc.StatusCode.NOT_FOUND) as caught:
            list(
                done.api.InspectJobSet(
                    pps_pb2.InspectJobSetRequest(job_set=pps_pb2.JobSet(id="0" * 32))
                )
            )
        assert "no commits found for commitset" in caught.value.details()


class TestList:
    def test_newest_first(self, done: Runtime) -> None:
        ids = [info.job.id for info in listed(done, pipeline=named("edges"))]
        assert ids[:2] == done.ids[::-1]
        assert len(ids) == 3, "one for the empty commit at creation, one for each commit"
        backwards = listed(done, pipeline=named("edges"), reverse=True)
        assert [info.job.id for info in backwards] == ids[::-1]
        assert len(listed(done)) == 6

    def test_filters(self, done: Runtime) -> None:
        commit = pfs_pb2.Commit(repo=pfs_pb2.Repo(name="images", type="user"), id=done.ids[0])
        (info,) = listed(done, input_commit=[commit])
        assert (info.job.pipeline.name, info.job.id) == ("edges", done.ids[0])
        assert listed(done, projects=[pfs_pb2.Project(name="other")]) == []
        with refused(grpc.StatusCode.NOT_FOUND):
            listed(done, pipeline=named("nothing"))

    def test_by_state(self, done: Runtime) -> None:
        one, two = '.state == "JOB_SUCCESS"', '.state=="JOB_KILLED" or (.state == "JOB_SUCCESS")'
        assert listed(done, jqFilter=one) == listed(done, jqFilter=two) == listed(done)
        assert listed(done, jqFilter='.state == "JOB_KILLED"') == []
        assert len(listed(done, jqFilter=one, number=2)) == 2
        request = pps_pb2.ListJobSetRequest(jqFilter=one)
        assert list(done.api.ListJobSet(request)) == list(
            done.api.ListJobSet(pps_pb2.ListJobSetRequest())
        )
        request.jqFilter = '.state == "JOB_FAILURE"'
        assert list(done.api.ListJobSet(request)) == []
        for other in (".state", f"{one} and {one}", f"{one} or", f"{one} {one}", "error"):
            with refused(grpc.StatusCode.UNIMPLEMENTED) as caught:
                listed(done, jqFilter=other)
            assert other in caught.value.details()

    def test_pages(self, done: Runtime) -> None:
        every = listed(done)
        seen: list[pps_pb2.JobInfo] = []
        marker: Timestamp | None = None
        while batch := listed(done, number=2, paginationMarker=marker):
            seen += batch
            marker = batch[-1].created
        # Jobs of one instant stand on one page at most: the marker is a time.
        assert {info.job.id for info in seen} == {info.job.id for info in every}
        with refused(grpc.StatusCode.INVALID_ARGUMENT):
            listed(done, number=-1)

    def test_sets(self, done: Runtime) -> None:
        sets = list(done.api.ListJobSet(pps_pb2.ListJobSetRequest(number=2)))
        assert [info.job_set.id for info in sets] == done.ids[::-1]
        assert [len(info.jobs) for info in sets] == [2, 2]


class TestDatums:
    def datums(self, server: Runtime, **fields: Any) -> list[pps_pb2.DatumInfo]:
        return list(server.api.ListDatum(pps_pb2.ListDatumRequest(**fields)))

    def test_of_a_job(self, done: Runtime) -> None:
        infos = self.datums(done, job=job("edges", done.ids[1]))
        by_path = {info.data[0].file.path: info for info in infos}
        states = {path: pps_pb2.DatumState.Name(info.state) for path, info in by_path.items()}
        assert states == {"/a": "SKIPPED", "/b": "SUCCESS", "/c": "SUCCESS", "/d/": "SKIPPED"}
        info = by_path["/d/"]
        assert info.datum.job.id == done.ids[0], "a kept datum names the job that made it"
        assert info.data[0].file_type == pfs_pb2.DIR
        assert info.data[0].size_bytes == 3
        assert info.data[0].file.commit.repo.name == "images"
        assert info.pfs_state.path == f"/pfs/{info.datum.id}"
        assert info.pfs_state.commit.repo.type == "meta"

    def test_filter_and_pages(self, done: Runtime) -> None:
        of = job("edges", done.ids[1])
        everything = [info.datum.id for info in self.datums(done, job=of)]
        assert everything == sorted(everything)
        skipped = pps_pb2.ListDatumRequest.Filter(state=[pps_pb2.SKIPPED])
        assert len(self.datums(done, job=of, filter=skipped)) == 2
        first = [info.datum.id for info in self.datums(done, job=of, number=3)]
        rest = [info.datum.id for info in self.datums(done, job=of, paginationMarker=first[-1])]
        assert first + rest == everything
        assert [i.datum.id for i in self.datums(done, job=of, reverse=True)] == everything[::-1]

    def test_inspect(self, done: Runtime) -> None:
        info = self.datums(done, job=job("edges", done.ids[1]))[0]
        asked = pps_pb2.Datum(job=job("edges", done.ids[1]), id=info.datum.id)
        assert done.api.InspectDatum(pps_pb2.InspectDatumRequest(datum=asked)) == info
        asked.id = "0" * 64
        with pytest.raises(grpc.RpcError) as caught:
            done.api.InspectDatum(pps_pb2.InspectDatumRequest(datum=asked))
        assert f"datum {'0' * 64} not found in job" in caught.value.details()

    def test_preview(self, done: Runtime) -> None:
        images = pps_pb2.Input(pfs=pps_pb2.PFSInput(repo="images", glob="/*"))
        infos = self.datums(done, input=images)
        assert [info.data[0].file.path for info in infos] == ["/a", "/b", "/c", "/d/"]
        assert not infos[0].datum.HasField("job")
        assert infos[0].datum.id in {
            info.datum.id for info in self.datums(done, job=job("edges", done.ids[1]))
        }
        assert len(self.datums(done, input=images, number=2)) == 2

    def test_bad_requests(self, done: Runtime) -> None:
        images = pps_pb2.Input(pfs=pps_pb2.PFSInput(repo="images", glob="/*"))
        cron = pps_pb2.Input(cross=[images, pps_pb2.Input(cron=pps_pb2.CronInput(name="t"))])
        for fields, said in (
            ({}, "needs a job or an input"),
            ({"job": job("edges", done.ids[0]), "input": images}, "not both"),
            ({"input": cron}, "can't list datums with a cron input"),
            ({"input": pps_pb2.Input()}, "no input set"),
            ({"input": images, "number": -1}, "must be non-negative"),
        ):
            with pytest.raises(grpc.RpcError) as caught:
                self.datums(done, **fields)
            assert said in caught.value.details()

    def test_create_in_batches(self, done: Runtime) -> None:
        def start(number: int) -> pps_pb2.CreateDatumRequest:
            images = pps_pb2.Input(pfs=pps_pb2.PFSInput(repo="images", glob="/*"))
            return pps_pb2.CreateDatumRequest(
                start=pps_pb2.StartCreateDatumRequest(input=images, number=number)
            )

        asking = threading.Semaphore(1)

        def requests() -> Iterator[pps_pb2.CreateDatumRequest]:
            asking.acquire()
            yield start(3)
            while asking.acquire(timeout=20):
                following = pps_pb2.ContinueCreateDatumRequest(number=3)
                yield pps_pb2.CreateDatumRequest(**{"continue": following})

        answers = done.api.CreateDatum(requests(), timeout=20)
        paths = [next(answers).data[0].file.path for _ in range(3)]
        asking.release()
        paths += [info.data[0].file.path for info in answers]
        assert paths == ["/a", "/b", "/c", "/d/"]

    def test_create_must_start(self, done: Runtime) -> None:
        following = pps_pb2.CreateDatumRequest(
            **{"continue": pps_pb2.ContinueCreateDatumRequest(number=3)}
        )
        with refused(grpc.StatusCode.INVALID_ARGUMENT):
            list(done.api.CreateDatum(iter([following])))


class TestWhy:
    def reasons(self, server: Runtime, id_: str) -> dict[str, explain_pb2.DatumReason]:
        request = explain_pb2.WhyRequest(job=job("edges", id_))
        return {reason.paths[0]: reason for reason in server.explain.Why(request)}

    def test_reasons(self, done: Runtime) -> None:
        reasons = self.reasons(done, done.ids[1])
        said = {path: (reason.decision, reason.reason) for path, reason in reasons.items()}
        kept = ("skipped", f"nothing changed since job {done.ids[0]}")
        assert said == {
            "images:/a": kept,
            "images:/b": ("ran", "images:/b changed"),
            "images:/c": ("ran", "new datum"),
            "images:/d/": kept,
        }
        assert reasons["images:/b"].changed == ["images:/b changed"]
        assert reasons["images:/b"].previous_job.id == done.ids[0]

    def test_one_datum(self, done: Runtime) -> None:
        reason = self.reasons(done, done.ids[0])["images:/a"]
        request = explain_pb2.WhyRequest(job=job("edges", done.ids[0]), datum_id=reason.datum.id)
        assert list(done.explain.Why(request)) == [reason]


class TestLogs:
    def logs(self, server: Runtime, **fields: Any) -> list[pps_pb2.LogMessage]:
        return list(server.api.GetLogs(pps_pb2.GetLogsRequest(**fields), timeout=20))

    def test_queries(self, done: Runtime) -> None:
        every = [line for line in self.logs(done, pipeline=named("edges")) if line.user]
        assert len(every) == 5
        assert every[0].pipeline_name == "edges"
        assert every[0].project_name == "default"
        assert every[0].worker_id
        read = {
            (info.datum.job.id, info.datum.id): [(each.file.path, each.hash) for each in info.data]
            for id_ in done.ids
            for info in done.api.ListDatum(pps_pb2.ListDatumRequest(job=job("edges", id_)))
        }
        for line in every:
            data = [(each.path, each.hash) for each in line.data]
            assert data == read[line.job_id, line.datum_id] != []
        assert all(not line.data for line in self.logs(done, pipeline=named("edges"), master=True))
        of_job = self.logs(done, job=job("edges", done.ids[1]))
        assert len([line for line in of_job if line.user]) == 2
        assert len(self.logs(done, pipeline=named("edges"), tail=2)) == 2
        datum = pps_pb2.Datum(job=job("edges", done.ids[0]), id=every[0].datum_id)
        assert {line.datum_id for line in self.logs(done, datum=datum)} == {every[0].datum_id}
        by_path = self.logs(done, job=job("edges", done.ids[1]), data_filters=["/b"])
        assert len(by_path) == 1
        for path in ("/a", "/b"):
            last = self.logs(done, job=job("edges", done.ids[0]), data_filters=[path], tail=1)
            assert [each.path for line in last for each in line.data] == [path]
        assert self.logs(done, pipeline=named("edges"), since=Duration(nanos=1)) == []

    def test_bad_requests(self, done: Runtime) -> None:
        with refused(grpc.StatusCode.INVALID_ARGUMENT) as caught:
            self.logs(done, data_filters=["/a"])
        assert "must specify a pipeline or a job" in caught.value.details()
        with refused(grpc.StatusCode.INVALID_ARGUMENT):
            self.logs(done, tail=-1)
        with refused(grpc.StatusCode.NOT_FOUND):
            self.logs(done, pipeline=named("typo"))
        with refused(grpc.StatusCode.NOT_FOUND):
            self.logs(done, job=job("edges", "0" * 32))

    def test_follow(self, server: Runtime) -> None:
        create(server, spec())
        server.finished("edges", server.commit("images", {"/a": b"1"}))
        request = pps_pb2.GetLogsRequest(pipeline=named("edges"), follow=True)
        stream = server.api.GetLogs(request, timeout=20)
        lines = (line for line in stream if line.user)
        first = next(lines)
        assert first.message.startswith("copy")
        assert [each.path for each in first.data] == ["/a"]
        server.commit("images", {"/b": b"2"})
        assert next(lines).message.startswith("copy")
        server.api.DeletePipeline(pps_pb2.DeletePipelineRequest(pipeline=named("edges")))
        with refused(grpc.StatusCode.NOT_FOUND):
            list(stream)


class TestRunning:
    def test_wait_stop_and_delete(self, server: Runtime) -> None:
        create(server, spec(transform={"cmd": ["gate"]}))
        id_ = server.commit("images", {"/a": b"1"})
        waiting = server.api.InspectJob.future(
            pps_pb2.InspectJobRequest(job=job("edges", id_), wait=True), timeout=20
        )
        server.api.StopJob(pps_pb2.StopJobRequest(job=job("edges", id_), reason="enough"))
        info = waiting.result()
        assert (info.state, info.reason) == (pps_pb2.JOB_KILLED, "enough")
        with pytest.raises(grpc.RpcError) as caught:
            server.api.StopJob(pps_pb2.StopJobRequest(job=job("edges", id_)))
        assert "has already finished" in caught.value.details()
        server.api.DeleteJob(pps_pb2.DeleteJobRequest(job=job("edges", id_)))
        with refused(grpc.StatusCode.NOT_FOUND):
            server.api.InspectJob(pps_pb2.InspectJobRequest(job=job("edges", id_)))

    def test_a_job_that_is_deleted_while_one_waits(self, server: Runtime) -> None:
        create(server, spec(transform={"cmd": ["gate"]}))
        id_ = server.commit("images", {"/a": b"1"})
        waiting = server.api.InspectJobSet(
            pps_pb2.InspectJobSetRequest(job_set=pps_pb2.JobSet(id=id_), wait=True), timeout=20
        )
        deletion = threading.Timer(0.3, self._delete, (server, id_))
        deletion.start()
        with refused(grpc.StatusCode.NOT_FOUND) as caught:
            list(waiting)
        deletion.join()
        assert "was deleted" in caught.value.details()

    def _delete(self, server: Runtime, id_: str) -> None:
        server.api.DeleteJob(pps_pb2.DeleteJobRequest(job=job("edges", id_)))

    def test_subscribe(self, server: Runtime) -> None:
        create(server, spec(transform={"cmd": ["gate"]}))
        first = server.commit("images", {"/a": b"1"})
        server.until(lambda: len(listed(server, pipeline=named("edges"))) == 2)
        stream = server.api.SubscribeJob(
            pps_pb2.SubscribeJobRequest(pipeline=named("edges")), timeout=20
        )
        ids: list[str] = []
        for info in stream:
            ids.append(info.job.id)
            if info.job.id == first:
                break
        second = server.commit("images", {"/b": b"1"})
        assert next(stream).job.id == second
        server.gate.set()
        stream.cancel()
        with refused(grpc.StatusCode.NOT_FOUND):
            next(server.api.SubscribeJob(pps_pb2.SubscribeJobRequest(pipeline=named("x"))))

    def test_restart_needs_a_running_datum(self, server: Runtime) -> None:
        create(server, spec(transform={"cmd": ["gate"]}))
        id_ = server.commit("images", {"/a": b"1"})
        request = pps_pb2.RestartDatumRequest(job=job("edges", id_), data_filters=["/a"])

        def restarted() -> bool:
            try:
                server.api.RestartDatum(request)
            except grpc.RpcError:
                return False
            return True

        server.until(restarted)
        server.gate.set()
        server.finished("edges", id_)
        with pytest.raises(grpc.RpcError, match="has already finished"):
            server.api.RestartDatum(request)

    def test_datums_that_wait(self, server: Runtime) -> None:
        create(server, spec(transform={"cmd": ["gate"]}))
        id_ = server.commit("images", {"/a": b"1"})
        of = job("edges", id_)

        def datums() -> list[pps_pb2.DatumInfo]:
            return list(server.api.ListDatum(pps_pb2.ListDatumRequest(job=of)))

        (info,) = server.until(datums)
        assert info.state in {pps_pb2.UNKNOWN, pps_pb2.STARTING}
        assert info.datum.job.id == id_
        (reason,) = server.explain.Why(explain_pb2.WhyRequest(job=of))
        assert (reason.decision, reason.reason) == ("waiting", "new datum")
        server.gate.set()

    def test_workers_are_shown(self, server: Runtime) -> None:
        create(server, spec(transform={"cmd": ["gate"]}, parallelism_spec={"constant": 2}))

        def workers() -> tuple[int, int]:
            (info,) = server.api.ListPipeline(pps_pb2.ListPipelineRequest())
            return info.details.workers_requested, info.details.workers_available

        server.until(lambda: workers() == (2, 2))
