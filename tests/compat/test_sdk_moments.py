"""What happens to those who wait, and to jobs that are in the way."""

from __future__ import annotations

import json
import threading

import grpc
import pytest
from pachyderm_sdk import Client
from pachyderm_sdk.api import pfs, pps

from tests.compat.driving import Driver, repo


def newest(driver: Driver, short: str) -> pps.Job:
    job: pps.Job = next(driver.client.pps.list_job(pipeline=driver.pipeline(short))).job
    return job


def test_jobs_in_the_way_are_killed(driver: Driver) -> None:
    driver.put("in", {"/a": b""})
    driver.create("p", driver.input("in"), "sleep 60")
    first = newest(driver, "p")
    driver.create("p", driver.input("in"), "sleep 60", update=True)
    second = newest(driver, "p")
    driver.client.pps.stop_pipeline(pipeline=driver.pipeline("p"))
    for job, why in ((first, "pipeline was updated"), (second, "pipeline was stopped")):
        info = driver.job("p", job.id)
        assert info.state == pps.JobState.JOB_KILLED
        assert f"all jobs killed because {why}" in info.reason
    driver.create("p", driver.input("in"), "true", update=True)
    info = driver.client.pps.inspect_pipeline(pipeline=driver.pipeline("p"))
    assert (info.version, info.stopped) == (3, True)


def test_waiting_for_a_job_that_is_deleted(driver: Driver) -> None:
    driver.put("in", {"/a": b""})
    driver.create("p", driver.input("in"), "sleep 60")
    job = newest(driver, "p")
    said: list[str] = []

    def wait() -> None:
        try:
            info = driver.client.pps.inspect_job(job=job, wait=True)
            said.append(pps.JobState(info.state).name)
        except grpc.RpcError as error:
            said.append(error.details())

    waiter = threading.Thread(target=wait)
    waiter.start()
    driver.client.pps.delete_job(job=job)
    waiter.join(20)
    assert said
    assert said[0] == "JOB_KILLED" or "was deleted" in said[0] or "not found" in said[0]


def test_following_logs(driver: Driver) -> None:
    driver.put("in", {"/a": b""})
    driver.create("p", driver.input("in"), "echo begun; sleep 0.5; echo ended")
    logs = driver.client.pps.get_logs(pipeline=driver.pipeline("p"), follow=True)
    seen = []
    for line in logs:
        if line.user:
            seen.append(line.message.strip())
        if len(seen) == 2:
            break
    assert seen == ["begun", "ended"]


def test_waiting_for_a_repo_that_is_deleted(client: Client, branch: pfs.Branch) -> None:
    commit = client.pfs.start_commit(branch=branch)
    timer = threading.Timer(0.2, lambda: client.pfs.delete_repo(repo=branch.repo))
    timer.start()
    with pytest.raises(grpc.RpcError, match=r"deleted|not found"):
        client.pfs.wait_commit(commit)
    timer.join()


def test_defaults(driver: Driver) -> None:
    client = driver.client
    before = client.pps.get_cluster_defaults().cluster_defaults_json
    wanted = {"create_pipeline_request": {"datum_tries": 7, "transform": {"image": "ours:1"}}}
    try:
        client.pps.set_cluster_defaults(cluster_defaults_json=json.dumps(wanted))
        driver.put("in", {"/a": b""})
        driver.create("p", driver.input("in"), "true")
        info = client.pps.inspect_pipeline(pipeline=driver.pipeline("p"), details=True)
        assert (info.details.datum_tries, info.details.transform.image) == (7, "ours:1")
        assert "ours:1" not in info.user_spec_json
        assert "ours:1" in info.effective_spec_json
    finally:
        client.pps.set_cluster_defaults(cluster_defaults_json=before)


def test_a_job_set_across_pipelines(driver: Driver) -> None:
    driver.put("in", {"/a": b"1"})
    driver.create("p", driver.input("in"), "cp $in /pfs/out/")
    driver.create("q", driver.input("p"), "cp $p /pfs/out/")
    commit = driver.put("in", {"/b": b"2"})
    done = list(driver.client.pps.inspect_job_set(job_set=pps.JobSet(id=commit.id), wait=True))
    assert [each.job.pipeline.name for each in done] == [driver.named("p"), driver.named("q")]
    assert {each.state for each in done} == {pps.JobState.JOB_SUCCESS}
    through = pfs.Commit(repo=repo(driver.named("q")), id=commit.id)
    assert driver.client.pfs.wait_commit(through).finished
    jobs = driver.client.pps.list_job(
        pipeline=driver.pipeline("p"), input_commit=[pfs.Commit(repo=commit.repo, id=commit.id)]
    )
    assert [each.job.id for each in jobs] == [commit.id]
    found = driver.client.pfs.walk_commit_provenance(
        start=[
            pfs.CommitPicker(
                id=pfs.CommitPickerCommitByGlobalId(
                    id=commit.id,
                    repo=pfs.RepoPicker(
                        name=pfs.RepoPickerRepoName(name=driver.named("q"), type="user")
                    ),
                )
            )
        ]
    )
    assert driver.named("in") in {each.commit.repo.name for each in found}
