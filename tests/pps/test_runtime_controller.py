"""The controller: it wakes by itself, shows what goes wrong, backs off, and goes on."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest

from dassie.base.clock import ManualClock
from dassie.errors import DataLoss, Unavailable
from dassie.pps import jobs
from dassie.pps.executors.api import WorkerState, WorkerStatus
from dassie.pps.model import JobKey, LogQuery, PipelineKey
from dassie.pps.states import JobState, PipelineState
from tests.pps.world import World


@contextmanager
def running(world: World) -> Iterator[None]:
    """The controller's own thread, and a thread that plays the workers."""
    stop = threading.Event()

    def play() -> None:
        while not stop.wait(0.005):
            world.work()

    player = threading.Thread(target=play)
    world.pps.start()
    player.start()
    try:
        yield
    finally:
        stop.set()
        player.join()
        world.pps.controller.close()


def wait_for(world: World, key: PipelineKey, count: int) -> None:
    """Until the pipeline has so many jobs and all have ended."""
    with world.db.notifier.subscribe("jobs") as changes:
        for _ in range(200):
            found = list(world.pps.list_jobs(pipeline=key))
            if len(found) == count and all(job.terminal for job in found):
                return
            changes.wait(0.2)
    raise AssertionError([job.state for job in found])


def test_it_wakes_by_itself(world: World) -> None:
    world.repo("in")
    with running(world):
        one = world.pipeline("one", "in")
        two = world.pipeline("two", "one")
        wait_for(world, two, 1)
        for number in range(3):
            world.put("in", {f"/{number}": b"x"})
        wait_for(world, one, 4)
        wait_for(world, two, 4)
        assert len(world.read("two")) == 3
        world.pps.delete_pipelines()
    assert world.pps.list_pipelines() == []


def test_trouble_is_shown_and_ends(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    world.repo("in")
    world.put("in", {"/a": b"a"})
    key = world.pipeline("p", "in")
    clock = ManualClock()
    controller = world.pps.controller
    controller._clock = clock
    planner = world.pps.runner._planner
    working = planner.plan

    def broken(*_: object) -> None:
        raise Unavailable("the store is away")

    monkeypatch.setattr(planner, "plan", broken)
    seen = []
    for _ in range(4):
        world.turn()
        world.turn()
        info = world.pps.inspect_pipeline(key)
        seen.append((info.state, info.reason))
        clock.advance(61)
    assert [state for state, _ in seen] == [
        PipelineState.RESTARTING,
        PipelineState.RESTARTING,
        PipelineState.CRASHING,
        PipelineState.CRASHING,
    ]
    assert seen[0][1] == "the store is away (failed once, next try in 1s)"
    assert seen[3][1].endswith("next try in 8s)")
    logged = [record for record in caplog.records if "the store is away" in record.getMessage()]
    assert [record.exc_info for record in logged] == [None] * 4  # an outage, not a bug of ours
    monkeypatch.setattr(planner, "plan", working)
    world.settle()
    world.turn()
    info = world.pps.inspect_pipeline(key)
    assert (info.state, info.reason) == (PipelineState.RUNNING, "")
    assert world.read("p") == {"/a": b"A"}
    lines = [line.message for line in world.pps.logs(LogQuery(pipeline=key, master=True))]
    assert any("pipeline cannot be advanced: the store is away" in line for line in lines)


def test_trouble_waits_before_it_tries_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.repo("in")
    key = world.pipeline("p", "in")
    clock = ManualClock()
    controller = world.pps.controller
    controller._clock = clock
    tried = []
    monkeypatch.setattr(controller._threads, "submit", lambda _f, which: tried.append(which))
    controller._failed(key, Unavailable("x"))
    controller.turn()
    assert tried == []
    clock.advance(1)
    controller.turn()
    assert tried == [key]


def test_damage_fails_the_job(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.repo("in")
    world.put("in", {"/a": b"a"})
    world.pipeline("p", "in")

    def damaged(*_: object) -> None:
        raise DataLoss("chunk 00 in pack x is damaged")

    monkeypatch.setattr(world.pps.runner._planner, "plan", damaged)
    world.settle()
    job = world.jobs("p")[0]
    assert (job.state, job.reason) == (JobState.FAILURE, "chunk 00 in pack x is damaged")


def test_a_base_that_is_gone(world: World) -> None:
    """The job is planned again, from what is left."""
    world.repo("in")
    world.put("in", {"/a": b"a"})
    world.pipeline("p", "in")
    world.settle()
    world.put("in", {"/b": b"b"})
    world.turn()
    job = world.jobs("p")[-1]
    with world.db.write() as tx:
        tx.execute(jobs.jobs.update().where(jobs.jobs.c.seq == job.seq).values(base_id="0" * 32))
    world.settle()
    job = world.pps.inspect_job(job.key)
    assert (job.state, job.restart, job.data_total) == (JobState.SUCCESS, 1, 2)
    assert world.read("p") == {"/a": b"A", "/b": b"B"}


def test_deleted_job_is_no_base(world: World) -> None:
    world.repo("in")
    world.put("in", {"/a": b"a"})
    world.pipeline("p", "in")
    world.settle()
    world.pps.delete_job(world.jobs("p")[0].key)
    world.put("in", {"/b": b"b"})
    world.settle()
    [job] = world.jobs("p")
    assert (job.data_processed, job.data_skipped) == (2, 0)
    assert world.read("p") == {"/a": b"A", "/b": b"B"}


def status(pool: str, state: WorkerState, worker: str, restarts: int = 0) -> WorkerStatus:
    return WorkerStatus(
        worker, pool, state, 1, datetime.now(UTC), restarts, "no sandbox can be made here"
    )


def test_worker_health_is_the_pipelines(world: World) -> None:
    world.repo("in")
    key = world.pipeline("p", "in")
    world.turn()
    [pool] = world.executor.pools.values()
    expected = {
        1: PipelineState.RESTARTING,
        5: PipelineState.CRASHING,
    }
    for restarts, state in expected.items():
        world.executor.workers = [
            status(pool.name, WorkerState.BACKING_OFF, "w", restarts=restarts)
        ]
        world.turn()
        info = world.pps.inspect_pipeline(key)
        assert info.state == state
        assert info.reason == "workers do not stay alive: no sandbox can be made here"
    world.executor.workers.append(status(pool.name, WorkerState.RUNNING, "v"))
    world.turn()
    assert world.pps.inspect_pipeline(key).state == PipelineState.RUNNING


def test_the_dead_lose_their_datums_at_once(world: World) -> None:
    world.repo("in")
    world.put("in", {"/a": b"a"})
    world.pipeline("p", "in")
    world.turn()
    [pool] = world.executor.pools.values()
    world.pps.dispatcher.register(pool.token, "w")
    assert len(world.pps.dispatcher.lease(pool.token, "w", 1)) == 1
    world.executor.workers = [status(pool.name, WorkerState.RUNNING, "w")]
    world.turn()
    assert world.pps.dispatcher.unclaimed(pool.name) == 0
    world.executor.workers = [status(pool.name, WorkerState.BACKING_OFF, "w", 1)]
    world.turn()
    assert world.pps.dispatcher.unclaimed(pool.name) == 1


def test_idle_workers_are_limited(world: World) -> None:
    """Those of the pipelines that were busy last stay; a job brings them back."""
    world.repo("in")
    for name in ("a", "b", "c"):
        world.pipeline(name, "in", parallelismSpec={"constant": "7"})
        world.settle()
    world.turn()
    kept = {name.partition("@")[0]: count for name, count in world.executor.counts.items()}
    assert kept == {"default/a": 0, "default/b": 7, "default/c": 7}
    assert world.pps.inspect_pipeline(PipelineKey("default", "a")).state == PipelineState.RUNNING
    world.put("in", {"/x": b"x"})
    world.turn()
    assert list(world.executor.counts.values()) == [7, 7, 7]


def test_a_pipeline_made_anew_has_new_workers(world: World) -> None:
    world.repo("in")
    key = world.pipeline("p", "in")
    world.turn()
    [old] = world.executor.pools.values()
    world.pps.delete_pipeline(key)
    world.pipeline("p", "in")
    world.settle()
    [new] = world.executor.pools.values()
    assert new.name != old.name
    assert not world.pps.dispatcher.wanted(old.token, "w")


def test_commits_of_users_make_no_jobs(world: World) -> None:
    world.repo("in")
    world.put("in", {"/a": b"a"})
    world.turn()
    with world.db.read() as tx:
        assert jobs.find(tx, JobKey(PipelineKey("default", "in"), "0" * 32)) is None
        assert jobs.unfinished(tx) == []
