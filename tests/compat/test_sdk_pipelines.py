"""Pipelines from creation to deletion through the SDK, and the jobs between."""

from __future__ import annotations

import json
import time

import grpc
import pytest
from pachyderm_sdk.api import pfs, pps

from tests.compat.driving import SHELL, Driver, head, refused, repo

COPY = "cp -r /pfs/in/* /pfs/out/"


def test_create_by_messages(driver: Driver) -> None:
    driver.put("in", {"/f": b"data"})
    pipeline = pps.Pipeline(name=driver.named("p"))
    driver.client.pps.create_pipeline(
        pipeline=pipeline,
        input=pps.Input(pfs=pps.PfsInput(repo=driver.named("in"), glob="/*", name="in")),
        transform=pps.Transform(cmd=["sh"], image="alpine", stdin=[COPY]),
        parallelism_spec=pps.ParallelismSpec(constant=1),
        description="copies",
    )
    driver.made.append(pipeline)
    assert driver.job("p").state == pps.JobState.JOB_SUCCESS
    info = driver.client.pps.inspect_pipeline(pipeline=pipeline, details=True)
    assert info.pipeline.name == driver.named("p")
    assert info.pipeline.project.name == "default"
    assert info.version == 1
    assert info.type == pps.PipelineInfoPipelineType.PIPELINE_TYPE_TRANSFORM
    assert info.details.description == "copies"
    assert info.details.transform.stdin == [COPY]
    assert info.details.output_branch == "master"
    assert info.details.datum_tries == 3
    assert info.details.input.pfs.branch == "master"
    assert info.last_job_state == pps.JobState.JOB_SUCCESS
    assert json.loads(info.effective_spec_json)["transform"]["image"] == "alpine"
    branch = driver.client.pfs.inspect_branch(
        branch=pfs.Branch(repo=repo(driver.named("p")), name="master")
    )
    names = {(each.repo.name, each.repo.type) for each in branch.direct_provenance}
    assert names == {(driver.named("in"), "user"), (driver.named("p"), "spec")}
    repos = {
        each.repo.type
        for each in driver.client.pfs.list_repo()
        if each.repo.name == driver.named("p")
    }
    assert repos == {"user", "meta", "spec"}


def test_two_jobs_newest_first(driver: Driver) -> None:
    where = repo(driver.named("in"))
    driver.client.pfs.create_repo(repo=where)
    driver.create("p", driver.input("in"), COPY)
    first = driver.job("p")
    assert (first.state, first.data_total) == (pps.JobState.JOB_SUCCESS, 0)
    commit = driver.put("in", {"/f": b"x"})
    second = driver.job("p")
    assert second.job.id == commit.id
    listed = list(driver.client.pps.list_job(pipeline=driver.pipeline("p")))
    assert [each.job.id for each in listed] == [second.job.id, first.job.id]
    assert not listed[0].details
    (job_set,) = [e for e in driver.client.pps.list_job_set() if e.job_set.id == commit.id]
    assert [each.job.pipeline.name for each in job_set.jobs] == [driver.named("p")]
    inspected = driver.client.pps.inspect_job_set(job_set=pps.JobSet(id=commit.id), wait=True)
    assert [each.state for each in inspected] == [pps.JobState.JOB_SUCCESS]
    assert len(driver.client.pfs.wait_commit(commit).commit.id) == 32
    done = driver.client.pfs.wait_commit_set(pfs.CommitSet(id=commit.id))
    members = {(each.commit.repo.name, each.commit.repo.type) for each in done}
    assert {
        (driver.named("in"), "user"),
        (driver.named("p"), "user"),
        (driver.named("p"), "meta"),
    } <= members


def test_skipping_and_replacing(driver: Driver) -> None:
    driver.put("in", {"/a": b"1", "/b": b"2"})
    driver.create("p", driver.input("in"), 'n=$(basename $in); cp $in "/pfs/out/$n-$(cat $in)"')
    driver.job("p")
    changed = driver.put("in", {"/b": b"3", "/c": b"4"})
    job = driver.job("p")
    assert (job.data_processed, job.data_skipped, job.data_total) == (2, 1, 3)
    assert driver.paths("p") == ["/a-1", "/b-3", "/c-4"]
    states = {e.data[0].file.path: (e.state, e.datum.job.id) for e in driver.datums("p")}
    assert states["/a"][0] == pps.DatumState.SKIPPED
    assert states["/b"] == (pps.DatumState.SUCCESS, changed.id)
    driver.put("in", {"/a": None})
    assert driver.job("p").state == pps.JobState.JOB_SUCCESS
    assert driver.paths("p") == ["/b-3", "/c-4"]
    only = pps.ListDatumRequestFilter(state=[pps.DatumState.SKIPPED])
    found = driver.client.pps.list_datum(job=driver.job("p").job, filter=only)
    assert len(list(found)) == 2


def test_every_job_reprocesses(driver: Driver) -> None:
    driver.put("in", {"/a": b"1"})
    driver.create("p", driver.input("in"), COPY, reprocess_spec="every_job")
    driver.job("p")
    driver.put("in", {"/b": b"2"})
    job = driver.job("p")
    assert (job.data_processed, job.data_skipped) == (2, 0)


def test_failure_spreads_and_is_recovered_from(driver: Driver) -> None:
    driver.put("in", {"/good": b"1"})
    script = '[ "$(cat $in)" != bad ] && cp $in /pfs/out/'
    driver.create("first", driver.input("in"), script, datum_tries=1)
    driver.create("second", driver.input("first"), "cp /pfs/first/* /pfs/out/")
    driver.create("third", driver.input("second"), "cp /pfs/second/* /pfs/out/")
    assert driver.job("third").state == pps.JobState.JOB_SUCCESS
    bad = driver.put("in", {"/broken": b"bad", "/more": b"2"})
    assert driver.job("first", bad.id).state == pps.JobState.JOB_FAILURE
    second, third = driver.job("second", bad.id), driver.job("third", bad.id)
    assert second.state == third.state == pps.JobState.JOB_UNRUNNABLE
    assert "unrunnable because the following upstream pipelines failed: first" in second.reason
    assert "upstream pipelines failed: second" in third.reason
    output = pfs.Commit(repo=repo(driver.named("second")), id=bad.id)
    assert driver.client.pfs.inspect_commit(commit=output).error
    fixed = driver.put("in", {"/broken": b"fine"})
    assert driver.job("third", fixed.id).state == pps.JobState.JOB_SUCCESS
    job = driver.job("first", fixed.id)
    assert (job.data_processed, job.data_skipped) == (2, 1)
    assert driver.paths("third") == ["/broken", "/good", "/more"]


def test_two_datums_one_path(driver: Driver) -> None:
    driver.put("in", {"/a": b"1", "/b": b"2"})
    driver.create("same", driver.input("in"), "cp $in /pfs/out/same")
    driver.create(
        "kinds",
        driver.input("in"),
        "[ $in = /pfs/in/a ] && cp $in /pfs/out/x || { mkdir /pfs/out/x; cp $in /pfs/out/x/y; }",
    )
    job = driver.job("same")
    assert job.state == pps.JobState.JOB_FAILURE
    assert "duplicate path output by different datums" in job.reason
    assert "/same" in job.reason
    assert all(each.datum.id in job.reason for each in driver.datums("same"))
    job = driver.job("kinds")
    assert job.state == pps.JobState.JOB_FAILURE
    assert "file / directory path collision" in job.reason
    assert "/x" in job.reason


def test_stop_start(driver: Driver) -> None:
    driver.put("in", {"/a": b"1"})
    driver.create("p", driver.input("in"), COPY)
    driver.job("p")
    pipeline = driver.pipeline("p")
    driver.client.pps.stop_pipeline(pipeline=pipeline)
    info = driver.client.pps.inspect_pipeline(pipeline=pipeline)
    assert (info.stopped, info.state) == (True, pps.PipelineState.PIPELINE_PAUSED)
    for path in ("/b", "/c"):
        driver.put("in", {path: b"2"})
    before = len(list(driver.client.pps.list_job(pipeline=pipeline)))
    driver.client.pps.start_pipeline(pipeline=pipeline)
    job = driver.job("p")
    assert (job.state, job.data_processed, job.data_skipped) == (pps.JobState.JOB_SUCCESS, 2, 1)
    assert len(list(driver.client.pps.list_job(pipeline=pipeline))) == before + 1
    driver.client.pps.start_pipeline(pipeline=pipeline)
    assert len(list(driver.client.pps.list_job(pipeline=pipeline))) == before + 1
    assert not driver.client.pps.inspect_pipeline(pipeline=pipeline).stopped


def test_update_and_history(driver: Driver) -> None:
    driver.put("in", {"/a": b"1"})
    source = driver.input("in")
    driver.create("p", source, "echo one > /pfs/out/o")
    driver.job("p")
    with refused("ALREADY_EXISTS", "already exists"):
        driver.create("p", source, "echo two > /pfs/out/o")
    driver.create("p", source, "echo two > /pfs/out/o", update=True)
    job = driver.job("p")
    assert (job.data_skipped, job.pipeline_version) == (1, 2)
    assert driver.text("p", "/o") == "one\n"
    driver.create("p", source, "echo three > /pfs/out/o", update=True, reprocess=True)
    assert driver.job("p").data_processed == 1
    assert driver.text("p", "/o") == "three\n"
    pipeline = driver.pipeline("p")
    versions = [e.version for e in driver.client.pps.list_pipeline(pipeline=pipeline, history=-1)]
    assert versions == [3, 2, 1]
    assert driver.client.pps.inspect_pipeline(pipeline=pipeline, history=1).version == 3
    for suffix, version in (("^", 2), ("^2", 1), (".1", 1)):
        old = pps.Pipeline(name=driver.named("p") + suffix)
        info = driver.client.pps.inspect_pipeline(pipeline=old, details=True)
        assert info.version == version
    assert info.details.transform.stdin == ["echo one > /pfs/out/o"]
    far = pps.Pipeline(name=driver.named("p") + "^9")
    with pytest.raises(grpc.RpcError, match="has only 3 versions"):
        driver.client.pps.inspect_pipeline(pipeline=far)
    driver.client.pps.rerun_pipeline(pipeline=pipeline, reprocess=True)
    assert driver.job("p").data_processed == 1


def test_update_changes_inputs(driver: Driver) -> None:
    driver.put("one", {"/a": b"1"})
    driver.put("two", {"/b": b"2"})
    driver.create("p", driver.input("one"), "cp /pfs/*/* /pfs/out/")
    assert driver.job("p").state == pps.JobState.JOB_SUCCESS
    driver.create("p", driver.input("two"), "cp /pfs/*/* /pfs/out/", update=True)
    driver.job("p")
    assert driver.paths("p") == ["/b"]
    before = len(list(driver.client.pps.list_job(pipeline=driver.pipeline("p"))))
    driver.put("one", {"/c": b"3"})
    assert len(list(driver.client.pps.list_job(pipeline=driver.pipeline("p")))) == before


def test_delete(driver: Driver) -> None:
    driver.put("in", {"/a": b"1"})
    driver.create("p", driver.input("in"), COPY)
    driver.create("q", driver.input("p"), "cp /pfs/p/* /pfs/out/")
    driver.job("q")
    pipeline, client = driver.pipeline("p"), driver.client
    with pytest.raises(grpc.RpcError, match="provenance"):
        client.pps.delete_pipeline(pipeline=pipeline)
    with pytest.raises(grpc.RpcError, match="delete the pipeline instead"):
        client.pfs.delete_repo(repo=repo(driver.named("q")))
    client.pps.delete_pipeline(pipeline=driver.pipeline("q"))
    client.pps.delete_pipeline(pipeline=driver.pipeline("q"))
    client.pps.delete_pipeline(pipeline=pipeline, keep_repo=True)
    assert not client.pps.pipeline_exists(pipeline=pipeline)
    assert not client.pfs.repo_exists(repo=repo(driver.named("q")))
    assert driver.paths("p") == ["/a"]
    for kind in ("meta", "spec"):
        assert not client.pfs.repo_exists(repo=repo(driver.named("p"), kind=kind))
    assert not [e for e in client.pps.list_job() if e.job.pipeline.name == pipeline.name]
    with pytest.raises(grpc.RpcError, match="repo with the same name already exists"):
        driver.create("p", driver.input("in"), COPY)
    client.pfs.delete_repo(repo=repo(driver.named("p")))
    driver.create("p", driver.input("in"), COPY)
    assert driver.job("p").data_processed == 1
    with refused("NOT_FOUND", "not found"):
        client.pps.delete_pipeline(pipeline=pps.Pipeline(name="no-such"), must_exist=True)


def test_stopping_and_deleting_jobs(driver: Driver) -> None:
    commit = driver.put("in", {"/a": b"1"})
    driver.create("p", driver.input("in"), "sleep 60")
    driver.create("q", driver.input("p"), "true")
    job = pps.Job(
        pipeline=driver.pipeline("p"),
        id=next(driver.client.pps.list_job(pipeline=driver.pipeline("p"))).job.id,
    )
    driver.client.pps.stop_job(job=job, reason="enough of it")
    info = driver.job("p", job.id)
    assert (info.state, info.reason) == (pps.JobState.JOB_KILLED, "enough of it")
    with pytest.raises(grpc.RpcError, match="already finished"):
        driver.client.pps.stop_job(job=job)
    assert driver.job("q").state == pps.JobState.JOB_UNRUNNABLE
    driver.client.pps.delete_job(job=job)
    assert not driver.client.pps.job_exists(job=job)
    assert driver.client.pfs.commit_exists(commit=commit)


def test_restart_datum(driver: Driver) -> None:
    driver.put("in", {"/a": b"1"})
    mark = "/tmp/mark-$PPS_PIPELINE_NAME"
    driver.create(
        "p",
        driver.input("in"),
        f"[ -e {mark} ] || {{ touch {mark}; echo slow; sleep 60; }}; echo done > /pfs/out/o",
    )
    id_ = next(driver.client.pps.list_job(pipeline=driver.pipeline("p"))).job.id
    job = pps.Job(pipeline=driver.pipeline("p"), id=id_)
    filters, text = ["/nothing"], f"datum matching filter .* could not be found for job ID {id_}"
    with pytest.raises(grpc.RpcError, match=text):
        driver.client.pps.restart_datum(job=job, data_filters=filters)
    for _ in range(400):
        logs = driver.client.pps.get_logs(job=job)
        if any(line.message.strip() == "slow" for line in logs if line.user):
            break
        time.sleep(0.05)
    driver.client.pps.restart_datum(job=job, data_filters=["/a"])
    assert driver.job("p", id_).state == pps.JobState.JOB_SUCCESS
    assert driver.text("p", "/o") == "done\n"
    with pytest.raises(grpc.RpcError, match=text):
        driver.client.pps.restart_datum(job=job)


def test_generated_datums(driver: Driver) -> None:
    driver.put("in", {f"/{n:02}": b"" for n in range(50)})
    source = pps.Input(pfs=pps.PfsInput(repo=driver.named("in"), glob="/*"))
    stream = driver.client.pps.generate_datums(source, 10)
    seen = [*next(stream), *stream.send(5), *next(stream)]
    assert len(seen) == 25
    seen += [each for batch in stream for each in batch]
    assert len({each.datum.id for each in seen}) == 50
    listed = list(driver.client.pps.list_datum(input=source))
    assert len(listed) == 50
    assert listed[0].data[0].file.path == "/00"
    missing = pps.Input(pfs=pps.PfsInput(repo="no-such-repo", glob="/*"))
    with refused("NOT_FOUND", "repo .* not found"):
        list(driver.client.pps.list_datum(input=missing))


def test_logs(driver: Driver) -> None:
    driver.put("in", {"/a": b"1", "/b": b"2"})
    driver.create("p", driver.input("in"), 'echo "out $in"; echo "err $in" >&2')
    job = driver.job("p").job
    logs = list(driver.client.pps.get_logs(pipeline=driver.pipeline("p")))
    lines = {line.message.strip() for line in logs if line.user}
    assert {"out /pfs/in/a", "err /pfs/in/a", "out /pfs/in/b", "err /pfs/in/b"} <= lines
    datum = next(each for each in driver.datums("p") if each.data[0].file.path == "/a")
    some = list(driver.client.pps.get_logs(job=job, datum=datum.datum))
    assert {line.message.strip() for line in some if line.user} == {
        "out /pfs/in/a",
        "err /pfs/in/a",
    }
    assert {line.datum_id for line in some} == {datum.datum.id}
    assert {line.job_id for line in some} == {job.id}
    filtered = driver.client.pps.get_logs(job=job, data_filters=["/b"])
    assert {line.message.strip() for line in filtered if line.user} == {
        "out /pfs/in/b",
        "err /pfs/in/b",
    }
    assert len(list(driver.client.pps.get_logs(job=job, tail=1))) == 1
    with refused("NOT_FOUND", "not found"):
        list(driver.client.pps.get_logs(pipeline=pps.Pipeline(name="no-such-pipeline")))


def test_subscriptions(driver: Driver) -> None:
    driver.put("in", {"/a": b"1"})
    driver.create("p", driver.input("in"), COPY)
    driver.job("p")
    commits = driver.client.pfs.subscribe_commit(
        repo=repo(driver.named("p")), branch="master", state=pfs.CommitState.FINISHED
    )
    assert next(commits).finished
    later = driver.put("in", {"/b": b"2"})
    assert next(commits).commit.id == later.id
    jobs = driver.client.pps.subscribe_job(pipeline=driver.pipeline("p"), details=True)
    third = driver.put("in", {"/c": b"2"})
    assert next(info.job.id for info in jobs if info.job.id == third.id)


def test_deferred_processing_and_other_branches(driver: Driver) -> None:
    where = repo(driver.named("in"))
    first = driver.put("in", {"/a": b"1"})
    prod = pfs.Branch(repo=where, name="prod")
    driver.client.pfs.create_branch(branch=prod, head=pfs.Commit(repo=where, id=first.id))
    driver.create("p", driver.input("in", branch="prod"), COPY, output_branch="results")
    driver.job("p")
    second = driver.put("in", {"/b": b"2"})
    before = len(list(driver.client.pps.list_job(pipeline=driver.pipeline("p"))))
    assert before == 1
    driver.client.pfs.create_branch(branch=prod, head=pfs.Commit(repo=where, id=second.id))
    assert driver.job("p").data_total == 2
    out = driver.client.pfs.list_file(file=pfs.File(head(driver.named("p"), "results"), "/"))
    assert [each.file.path for each in out] == ["/a", "/b"]


def test_projects_of_pipelines(driver: Driver) -> None:
    project, client = driver.named("project").replace("_", "-"), driver.client
    client.pfs.create_project(project=pfs.Project(name=project), description="ours")
    driver.put("in", {"/a": b"1"})
    spec = {
        "pipeline": {"name": "p", "project": {"name": project}},
        "transform": {"cmd": SHELL, "stdin": [COPY]},
        "input": {
            "pfs": {"project": "default", "repo": driver.named("in"), "glob": "/*", "name": "in"}
        },
    }
    client.pps.create_pipeline_v2(create_pipeline_request_json=json.dumps(spec))
    pipeline = pps.Pipeline(name="p", project=pfs.Project(name=project))
    driver.made.append(pipeline)
    job = next(client.pps.list_job(pipeline=pipeline)).job
    assert client.pps.inspect_job(job=job, wait=True).state == pps.JobState.JOB_SUCCESS
    found = client.pps.list_pipeline(projects=[pfs.Project(name=project)])
    assert [each.pipeline.name for each in found] == ["p"]
    with refused("FAILED_PRECONDITION", f"cannot delete project.*{project}"):
        client.pfs.delete_project(project=pfs.Project(name=project))


def test_writing_to_outputs_is_refused(driver: Driver) -> None:
    driver.put("in", {"/a": b"1"})
    driver.create("p", driver.input("in"), COPY)
    driver.job("p")
    out = pfs.Branch(repo=repo(driver.named("p")), name="master")
    text = "cannot start a commit on an output branch"
    with pytest.raises(grpc.RpcError, match=text):
        driver.client.pfs.start_commit(branch=out)
    with pytest.raises(grpc.RpcError, match=text):
        driver.client.pfs.put_file_from_bytes(commit=head(driver.named("p")), path="/x", data=b"")
    driver.client.pfs.delete_repo(repo=repo("nobody-has-this"), force=True)
    with pytest.raises(grpc.RpcError, match="provenance"):
        driver.client.pfs.delete_repo(repo=repo(driver.named("in")))
