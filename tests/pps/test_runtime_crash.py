"""Losing everything in memory, at every point: work goes on, nothing is done or written twice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from dassie.pps.states import JobState
from tests.pps.world import World, copy


class Crash(BaseException):
    """Not an `Exception`: no handler of the code under test may catch it."""


def crash_after(world: World, commits: int) -> Callable[[], int]:
    """Let the database die at a commit: before the `commits`-th one (negative: right after it)."""
    engine = world.db.engines[0]
    original = engine.dialect.do_commit
    done = 0

    def do_commit(connection: Any) -> None:
        nonlocal done
        done += 1
        if done == commits:
            raise Crash
        original(connection)
        if done == -commits:
            raise Crash

    engine.dialect.do_commit = do_commit  # type: ignore[method-assign]

    def restore() -> int:
        engine.dialect.do_commit = original  # type: ignore[method-assign]
        return done

    return restore


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)  # the crash is not the database's
@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("point", range(1, 13))
def test_crash_at_every_commit(world: World, point: int, after: bool) -> None:
    world.repo("in")
    world.put("in", {"/a": b"a", "/b": b"b"})
    world.pipeline("one", "in")
    world.pipeline("two", "one")
    world.settle()
    world.took()

    restore = crash_after(world, -point if after else point)
    try:
        world.put("in", {"/b": b"new", "/c": b"c", "/a": None})
        world.settle()
    except Crash:
        pass
    finally:
        restore()
    world.restart()
    if b"c" not in world.read("in").values():
        world.put("in", {"/b": b"new", "/c": b"c", "/a": None})
    world.settle()

    assert world.read("one") == {"/b": b"NEW", "/c": b"C"}
    assert world.read("two") == {"/b": b"NEW", "/c": b"C"}
    for name in ("one", "two"):
        job = world.jobs(name)[-1]
        assert (job.state, job.data_total, job.data_processed) == (JobState.SUCCESS, 2, 2)
        assert len(list(world.pps.list_datums(job.key))) == 2
    # A datum is done again only when its result was not durable: at most one report was lost.
    assert len(world.took()) <= 4 + 2


def test_finished_datums_are_not_redone(world: World) -> None:
    world.repo("in")
    world.put("in", {f"/{i}": b"x" for i in range(20)})
    world.pipeline("p", "in")
    world.turn()
    [pool] = world.executor.pools.values()
    world.pps.dispatcher.register(pool.token, "w")
    done = []
    for _ in range(3):
        [datum] = world.pps.dispatcher.lease(pool.token, "w", 1)
        world.pps.dispatcher.report(pool.token, "w", [(datum.token, world.process(datum, copy))])
        done.append(datum.datum_id)
    world.restart()
    world.took()
    world.settle()
    assert len(world.took()) == 17
    assert not set(done) & set(world.runs[3:])
    job = world.jobs("p")[0]
    assert (job.state, job.data_processed, job.stats.process_us) == (JobState.SUCCESS, 20, 40)
    assert len(world.read("p")) == 20
