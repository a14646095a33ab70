"""Leases: batches, expiry, blame, fencing; first the book alone, then over rows."""

from __future__ import annotations

import pytest

from dassie.base.clock import ManualClock
from dassie.errors import PermissionDenied
from dassie.pps.dispatch import LOST_WORKERS, Dispatcher
from dassie.pps.executors.api import Pool
from dassie.pps.leases import LARGEST_BATCH, LeaseBook, SetSize
from dassie.pps.states import DatumState, JobState
from tests.pps.world import World, copy

MEASURED = SetSize()


def book(
    total: int, set_size: SetSize = MEASURED, *, parallelism: int = 1, mean_bytes: int = 0
) -> LeaseBook:
    leases = LeaseBook(10.0)
    leases.open_pool("p", parallelism, set_size)
    leases.open_job("p", 1, total=total, mean_bytes=mean_bytes, pending=[range(total)])
    leases.register("w", "p", 0.0)
    return leases


def take(leases: LeaseBook, worker: str = "w", now: float = 0.0, limit: int = 10_000) -> list[int]:
    batch = leases.take(worker, limit, now)
    return [lease.ordinal for lease in batch.leases] if batch else []


def test_batches_grow_with_what_was_measured() -> None:
    leases = book(10_000)
    batch = leases.take("w", 1000, 0.0)
    assert batch is not None
    assert len(batch.leases) == 1
    leases.settle([batch.leases[0].token], 0.05)
    assert len(take(leases)) == 15
    batch = leases.take("w", 1, 0.0)
    assert batch is not None
    for _ in range(20):
        leases.settle([batch.leases[0].token], 0.0001)
        batch = leases.take("w", 1, 0.0)
        assert batch is not None
    assert len(take(leases)) == LARGEST_BATCH
    assert len(take(leases, limit=7)) == 7


@pytest.mark.parametrize(
    ("sets", "expected"),
    [
        (SetSize(number=3), 3),
        (SetSize(per_worker=5), 10),
        (SetSize(size_bytes=1000), 10),
        (SetSize(size_bytes=1), 1),
    ],
)
def test_datum_set_spec_decides(sets: SetSize, expected: int) -> None:
    assert len(take(book(100, sets, parallelism=2, mean_bytes=100))) == expected


def test_every_datum_is_leased_once_and_the_job_ends_idle() -> None:
    leases = book(50, SetSize(number=7))
    leases.register("v", "p", 0.0)
    seen: list[int] = []
    while leases.waiting("p"):
        for worker in ("w", "v"):
            batch = leases.take(worker, 100, 0.0)
            if batch is not None:
                seen += [lease.ordinal for lease in batch.leases]
                assert not leases.idle(1)
                leases.settle([lease.token for lease in batch.leases], 0.1)
    assert sorted(seen) == list(range(50))
    assert leases.idle(1)


def test_silence_ends_a_lease_and_a_heartbeat_keeps_it() -> None:
    leases = book(2, SetSize(number=1))
    first, second = leases.take("w", 1, 0.0), leases.take("w", 1, 0.0)
    assert first is not None
    assert second is not None
    kept, lost = first.leases[0], second.leases[0]
    leases.renew("w", [kept.token], kept.token, 9.0)
    assert leases.expire(9.9) == []
    assert leases.expire(10.0) == [lost]
    assert leases.claim("w", lost.token) is None
    leases.requeue(lost, suspect=False)
    assert take(leases, now=11.0) == [lost.ordinal]
    assert leases.renew("w", [lost.token], "", 12.0) == {lost.token}
    claimed = leases.claim("w", kept.token)
    assert claimed is kept
    assert leases.claim("w", kept.token) is None
    assert leases.expire(99.0) != [kept], "a result that is being written cannot expire"


def test_a_closed_job_is_killed_and_its_late_results_refused() -> None:
    leases = book(3, SetSize(number=2))
    batch = leases.take("w", 2, 0.0)
    assert batch is not None
    tokens = {lease.token for lease in batch.leases}
    leases.close_job(1)
    assert take(leases) == []
    assert leases.claim("w", batch.leases[0].token) is None
    assert leases.renew("w", [], "", 1.0) == tokens


def test_work_and_its_absence_wake_who_waits() -> None:
    leases = book(0)
    woken: list[str] = []
    undo = leases.on_work("w", lambda: woken.append("w"))
    leases.open_job("p", 2, total=1, mean_bytes=0, pending=[range(1)])
    undo()
    leases.on_work("w", lambda: woken.append("again"))
    leases.close_pool("p")
    assert woken == ["w", "again"]
    assert not leases.wanted("w")
    leases.on_work("w", lambda: woken.append("at once"))
    assert woken[-1] == "at once"


# -- over rows -------------------------------------------------------------------------------------


class Bench:
    """A running job of `count` datums and the dispatcher in front of it, with a clock by hand."""

    def __init__(self, world: World, count: int, **fields: object) -> None:
        self.world = world
        world.repo("in")
        world.put("in", {f"/{i}": b"x" for i in range(count)})
        world.pipeline("p", "in", **fields)
        self.clock = ManualClock()
        world.pps.dispatcher._clock = self.clock
        world.turn()
        [self.pool] = world.executor.pools.values()
        self.job = world.jobs("p")[0]

    @property
    def dispatcher(self) -> Dispatcher:
        return self.world.pps.dispatcher

    def worker(self, name: str) -> Pool:
        self.dispatcher.register(self.pool.token, name)
        return self.pool


def test_a_datum_that_kills_its_workers_fails_alone(world: World) -> None:
    bench = Bench(world, 5, datumSetSpec={"number": 5})
    bad = ""
    deaths = 0
    for number in range(20):
        name = f"w{number}"
        bench.worker(name)
        leased = bench.dispatcher.lease(bench.pool.token, name, 10)
        if not leased:
            break
        bad = bad or leased[2].datum_id
        done = []
        for datum in leased:
            if datum.datum_id == bad:
                deaths += 1
                break
            done.append((datum.token, world.process(datum, copy)))
        if deaths and len(leased) > 1:
            done = []  # it died before it could report any of its batch
        bench.dispatcher.report(bench.pool.token, name, done)
        bench.clock.advance(10)
        bench.dispatcher.expire()
    assert deaths == LOST_WORKERS
    world.turn()
    job = world.pps.inspect_job(bench.job.key)
    assert job.state == JobState.FAILURE
    assert (job.data_processed, job.data_failed) == (4, 1)
    assert job.reason == f"datum {bad} failed: its worker died 3 times while processing it"


def test_only_the_running_datum_is_blamed(world: World) -> None:
    bench = Bench(world, 3, datumSetSpec={"number": 3})
    bench.worker("w")
    leased = bench.dispatcher.lease(bench.pool.token, "w", 10)
    tokens = [datum.token for datum in leased]
    bench.dispatcher.heartbeat(bench.pool.token, "w", tokens, tokens[1], 5)
    [running] = world.pps.job_workers(bench.job.key)
    assert running.datum_id == leased[1].datum_id
    bench.dispatcher.vanish("w")
    bench.worker("v")
    attempts = {}
    while leased := bench.dispatcher.lease(bench.pool.token, "v", 10):
        attempts |= {datum.datum_id: datum.attempt for datum in leased}
        results = [(datum.token, world.process(datum, copy)) for datum in leased]
        bench.dispatcher.report(bench.pool.token, "v", results)
    assert attempts[running.datum_id] == 1
    assert sum(attempts.values()) == 1
    world.settle()
    assert world.jobs("p")[0].state == JobState.SUCCESS


def test_results_count_once(world: World) -> None:
    bench = Bench(world, 2, datumSetSpec={"number": 2})
    bench.worker("w")
    leased = bench.dispatcher.lease(bench.pool.token, "w", 2)
    results = [(datum.token, world.process(datum, copy)) for datum in leased]
    assert bench.dispatcher.report(bench.pool.token, "w", results) == []
    assert bench.dispatcher.report(bench.pool.token, "w", results) == [], "sent twice"
    assert world.pps.inspect_job(bench.job.key).data_processed == 2
    bench.dispatcher.register(bench.pool.token, "other")
    assert bench.dispatcher.report(bench.pool.token, "other", [("made.1.up", results[0][1])])
    with pytest.raises(PermissionDenied):
        bench.dispatcher.lease("not the token", "w", 1)


def test_a_late_result_is_refused(world: World) -> None:
    bench = Bench(world, 1)
    bench.worker("slow")
    [late] = bench.dispatcher.lease(bench.pool.token, "slow", 1)
    bench.clock.advance(10)
    bench.dispatcher.expire()
    bench.worker("quick")
    [again] = bench.dispatcher.lease(bench.pool.token, "quick", 1)
    assert again.datum_id == late.datum_id
    result = world.process(late, copy)
    assert bench.dispatcher.report(bench.pool.token, "slow", [(late.token, result)]) == [late.token]
    assert bench.dispatcher.report(bench.pool.token, "quick", [(again.token, result)]) == []
    assert world.pps.inspect_job(bench.job.key).data_processed == 1


def test_restart_datum_picks_by_path_and_hash(world: World) -> None:
    bench = Bench(world, 3, datumSetSpec={"number": 3})
    bench.worker("w")
    leased = {
        datum.inputs[0].path: datum for datum in bench.dispatcher.lease(bench.pool.token, "w", 3)
    }
    world.pps.restart_datum(bench.job.key, ["/1"])
    tokens = [datum.token for datum in leased.values()]
    _, restart = bench.dispatcher.heartbeat(bench.pool.token, "w", tokens, "")
    assert restart == {leased["/1"].token}
    with pytest.raises(
        Exception, match=r"datum matching filter \[/none\] could not be found for job ID"
    ):
        world.pps.restart_datum(bench.job.key, ["/none"])
    file = leased["/2"].inputs[0]
    world.pps.restart_datum(bench.job.key, ["/2", file.node.hash.hex()])


def test_an_expired_session_makes_the_work_be_done_again(world: World) -> None:
    """What was stored under it may have been collected."""
    bench = Bench(world, 1)
    bench.worker("w")
    [datum] = bench.dispatcher.lease(bench.pool.token, "w", 1)
    result = world.process(datum, copy)
    world.sessions.close()
    assert bench.dispatcher.report(bench.pool.token, "w", [(datum.token, result)]) == [datum.token]
    assert not bench.dispatcher.wanted(bench.pool.token, "w")
    world.settle()
    assert len(world.took()) == 2
    assert world.jobs("p")[0].state == JobState.SUCCESS


def test_datum_states_while_a_job_runs(world: World) -> None:
    bench = Bench(world, 3, datumSetSpec={"number": 1})
    bench.worker("w")
    [first] = bench.dispatcher.lease(bench.pool.token, "w", 1)
    bench.dispatcher.report(bench.pool.token, "w", [(first.token, world.process(first, copy))])
    [second] = bench.dispatcher.lease(bench.pool.token, "w", 1)
    states = {info.record.id: info.state for info in world.pps.list_datums(bench.job.key)}
    assert states.pop(first.datum_id) == DatumState.SUCCESS
    assert states.pop(second.datum_id) == DatumState.STARTING
    assert list(states.values()) == [DatumState.UNKNOWN]
    info = world.pps.inspect_datum(bench.job.key, second.datum_id)
    assert info.record.why.decision == "new datum"
    with pytest.raises(Exception, match="datum none not found in job default/p@"):
        world.pps.inspect_datum(bench.job.key, "none")
