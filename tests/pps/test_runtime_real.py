"""The runtime with real workers: one pachd, its executor, user code in sandboxes."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from google.protobuf.empty_pb2 import Empty

from dassie._proto.pfs import pfs_pb2
from dassie._proto.pps import pps_pb2
from tests.crash.pachd import Pachd, commit, repo

PROJECT = pfs_pb2.Project(name="default")


@pytest.fixture(scope="module")
def pachd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pachd]:
    server = Pachd(tmp_path_factory.mktemp("pachd"))
    server.start()
    yield server
    server.stop()


def create(pachd: Pachd, name: str, shell: str, *, update: bool = False, **fields: Any) -> None:
    """A pipeline `name` over a repo `in-name`, running a shell script."""
    source = f"in-{name}"
    if not update:
        pachd.pfs.CreateRepo(pfs_pb2.CreateRepoRequest(repo=repo(source)))
    transform = {"cmd": ["sh", "-e"], "stdin": [shell], **fields.pop("transform", {})}
    spec = {
        "pipeline": {"name": name},
        "transform": transform,
        "input": {"pfs": {"name": "in", "repo": source, "glob": "/*"}},
        **fields,
    }
    pachd.pps.CreatePipelineV2(
        pps_pb2.CreatePipelineV2Request(
            create_pipeline_request_json=json.dumps(spec), update=update, reprocess=update
        )
    )
    if not update:
        pachd.wait_idle(name)


def pipeline(name: str) -> pps_pb2.Pipeline:
    return pps_pb2.Pipeline(name=name, project=PROJECT)


def running(pachd: Pachd, name: str, user_code: int = 1) -> pps_pb2.JobInfo:
    """Wait until so many workers run user code of the newest job."""
    for _ in range(600):
        ask = pps_pb2.ListJobRequest(pipeline=pipeline(name), number=1, details=True)
        job: pps_pb2.JobInfo = next(iter(pachd.pps.ListJob(ask)))
        if len(job.details.worker_status) >= user_code:
            return job
        time.sleep(0.05)
    raise AssertionError(f"no user code runs: {job}")


def datums(pachd: Pachd, job: pps_pb2.Job) -> dict[str, pps_pb2.DatumInfo]:
    found = pachd.pps.ListDatum(pps_pb2.ListDatumRequest(job=job))
    return {info.data[0].file.path: info for info in found}


def test_outputs_logs_and_counters(pachd: Pachd) -> None:
    create(
        pachd,
        "shout",
        "for f in /pfs/in/*; do echo working on $f; tr a-z A-Z < $f > /pfs/out/${f##*/}; done",
        parallelism_spec={"constant": 2},
    )
    files = {f"/f{number:02d}": b"text %d" % number for number in range(20)}
    pachd.put("in-shout", files)
    job = pachd.wait_idle("shout")
    assert (job.state, job.reason) == (pps_pb2.JOB_SUCCESS, "")
    assert (job.data_total, job.data_processed) == (20, 20)
    assert job.stats.upload_bytes == sum(map(len, files.values()))
    assert pachd.contents(commit("shout")) == {p: d.upper() for p, d in files.items()}
    chosen = datums(pachd, job.job)["/f07"].datum
    by_datum = pachd.pps.GetLogs(pps_pb2.GetLogsRequest(datum=chosen))
    assert [line.message for line in by_datum if line.user] == ["working on /pfs/in/f07"]
    by_job = [line for line in pachd.pps.GetLogs(pps_pb2.GetLogsRequest(job=job.job)) if line.user]
    assert len(by_job) == 20
    assert {line.pipeline_name for line in by_job} == {"shout"}

    pachd.put("in-shout", {"/new": b"new"})
    job = pachd.wait_idle("shout")
    assert (job.data_total, job.data_processed, job.data_skipped) == (21, 1, 20)
    assert pachd.contents(commit("shout"))["/new"] == b"NEW"


def test_failures_and_err_cmd(pachd: Pachd) -> None:
    script = "test ! -e /pfs/in/bad; cp /pfs/in/* /pfs/out/"
    create(pachd, "picky", script, datum_tries=2)
    pachd.put("in-picky", {"/good": b"1", "/bad": b"2"})
    job = pachd.wait_idle("picky")
    bad = datums(pachd, job.job)["/bad"]
    assert job.state == pps_pb2.JOB_FAILURE
    assert job.reason.startswith(f"datum {bad.datum.id} failed")
    assert bad.state == pps_pb2.FAILED
    create(pachd, "picky", script, update=True, datum_tries=2, transform={"err_cmd": ["true"]})
    job = pachd.wait_idle("picky")
    assert (job.state, job.data_recovered) == (pps_pb2.JOB_SUCCESS, 1)
    assert pachd.contents(commit("picky")) == {"/good": b"1"}


def test_stopping_a_job_stops_its_code(pachd: Pachd) -> None:
    create(pachd, "slow", "test ! -e /pfs/in/wait || sleep 600; cp /pfs/in/* /pfs/out/")
    pachd.put("in-slow", {"/wait": b"x"})
    job = running(pachd, "slow")
    assert job.state == pps_pb2.JOB_RUNNING
    pachd.pps.StopJob(pps_pb2.StopJobRequest(job=job.job, reason="enough"))
    stopped = pachd.pps.InspectJob(pps_pb2.InspectJobRequest(job=job.job))
    assert (stopped.state, stopped.reason) == (pps_pb2.JOB_KILLED, "enough")
    pachd.pfs.ModifyFile(
        iter(
            [
                pfs_pb2.ModifyFileRequest(set_commit=commit("in-slow")),
                pfs_pb2.ModifyFileRequest(delete_file=pfs_pb2.DeleteFile(path="/wait")),
            ]
        )
    )
    pachd.put("in-slow", {"/go": b"y"})
    job = pachd.wait_idle("slow", 30)
    assert job.state == pps_pb2.JOB_SUCCESS
    assert pachd.contents(commit("slow")) == {"/go": b"y"}


def test_restarting_a_datum(pachd: Pachd) -> None:
    """The first try waits for ever; the second finds the mark that the first has left."""
    create(
        pachd,
        "again",
        "if test ! -e /tmp/mark; then touch /tmp/mark; sleep 600; fi; cp /pfs/in/* /pfs/out/",
    )
    pachd.put("in-again", {"/a": b"a"})
    job = running(pachd, "again")
    pachd.pps.RestartDatum(pps_pb2.RestartDatumRequest(job=job.job, data_filters=["/a"]))
    job = pachd.wait_idle("again", 30)
    assert job.state == pps_pb2.JOB_SUCCESS
    assert pachd.contents(commit("again")) == {"/a": b"a"}


def test_a_killed_worker_costs_its_datums_only(pachd: Pachd) -> None:
    create(pachd, "frail", "sleep 0.2; cp /pfs/in/* /pfs/out/")
    before = set(pachd.workers())
    pachd.put("in-frail", {f"/{number}": b"x" for number in range(12)})
    running(pachd, "frail")
    assert len(before) == len(pachd.workers())
    for which in range(len(before)):
        pachd.kill_worker(which)
    job = pachd.wait_idle("frail", 60)
    assert (job.state, job.data_processed) == (pps_pb2.JOB_SUCCESS, 12)
    assert len(pachd.contents(commit("frail"))) == 12
    info = pachd.pps.InspectPipeline(pps_pb2.InspectPipelineRequest(pipeline=pipeline("frail")))
    assert info.state in {pps_pb2.PIPELINE_RUNNING, pps_pb2.PIPELINE_RESTARTING}


def test_restart_of_pachd_goes_on(pachd: Pachd) -> None:
    create(pachd, "long", "sleep 0.1; cp /pfs/in/* /pfs/out/; echo did /pfs/in/*")
    pachd.put("in-long", {f"/{number}": b"x" for number in range(30)})
    running(pachd, "long")
    time.sleep(0.5)
    pachd.kill()
    pachd.start()
    job = pachd.wait_idle("long", 60)
    assert (job.state, job.data_processed) == (pps_pb2.JOB_SUCCESS, 30)
    assert len(pachd.contents(commit("long"))) == 30
    assert pachd.fsck() == []


def test_deleting_everything_ends_the_workers(pachd: Pachd) -> None:
    pachd.pps.DeleteAll(Empty())
    for _ in range(300):
        if not pachd.workers():
            return
        time.sleep(0.1)
    raise AssertionError("workers are left")
