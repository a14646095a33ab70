"""The same for pipelines: every call of the store and of the database fails once while new data
goes through two pipelines; the jobs complete by themselves, and nothing is written twice or lost.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import pytest

from dassie.errors import DassieError
from dassie.pps.states import JobState
from tests.crash.machine import Died, Fault, Kind, Machine, Saved
from tests.crash.test_faults import INJECTORS, THOROUGH, Injector, noted

BEFORE = {"/a": b"a", "/b": b"b"}
CHANGE = {"/b": b"new", "/c": b"c", "/a": None}
AFTER = {"/b": b"new", "/c": b"c"}
SHOUTED = {path: data.upper() for path, data in AFTER.items()}
PIPELINES = ("one", "two") if THOROUGH else ("one",)
TURNS = 60
PAUSE_S = 20
"""Longer than the pauses that the controller makes after failures."""


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    machine = Machine(tmp_path)
    yield machine
    machine.close()


def built(machine: Machine) -> Saved:
    """Pipelines in a row that have run once."""
    machine.repo("in")
    machine.put("in", BEFORE)
    for above, name in zip(("in", *PIPELINES), PIPELINES, strict=False):
        machine.pipeline(name, above)
    machine.settle()
    return machine.save()


@pytest.mark.slow
@pytest.mark.parametrize("what", INJECTORS)
def test_every_call_fails_once(what: str, machine: Machine) -> None:
    inject = INJECTORS[what]
    start = built(machine)
    calls = Fault()
    with inject(machine, calls):
        machine.put("in", CHANGE)
        machine.settle()
    total = 0
    for n in range(1, calls.count + 1):
        for kind in kinds(n, n in calls.commits):
            total += 1
            machine.restore(start)
            with noted(f"call {n} of {calls.count} of the {what}, {kind.value}"):
                survive(machine, inject, Fault(n, kind))
    print(f"{total} faults")


def kinds(n: int, commits: bool) -> Sequence[Kind]:
    if THOROUGH:
        return tuple(Kind)
    if commits:
        return (Kind.AFTER, Kind.DIES) if n % 2 else (Kind.BEFORE, Kind.AFTER)
    return (Kind.DIES,) if n % 2 else (Kind.DEAD,)


def survive(machine: Machine, inject: Injector, fault: Fault) -> None:
    try:
        with inject(machine, fault):
            machine.put("in", CHANGE)
            for _ in range(6):
                step(machine)
    except Died:
        machine.restore(machine.save())
    except DassieError:
        pass
    if machine.read("in") == BEFORE:
        machine.put("in", CHANGE)
    complete(machine)
    check(machine)


def complete(machine: Machine) -> None:
    """Only time passes, and workers work."""
    for _ in range(TURNS):
        step(machine)
        if not machine.unfinished():
            return
        machine.clock.advance(PAUSE_S)
    trouble = {key: found.reason for key, found in machine.pps.controller._troubles.items()}
    raise AssertionError(f"jobs do not finish: {machine.unfinished()} {trouble}")


def step(machine: Machine) -> None:
    # The controller's thread and workers live on when a turn fails.
    with suppress(DassieError):
        machine.turn()
    with suppress(DassieError):
        machine.work()


def check(machine: Machine) -> None:
    assert machine.read("in") == AFTER
    for name in PIPELINES:
        assert machine.read(name) == SHOUTED
        jobs = machine.jobs(name)
        assert [job.state for job in jobs] == [JobState.SUCCESS] * 2
        assert (jobs[-1].data_total, jobs[-1].data_processed) == (2, 2)
        assert len(list(machine.pps.list_datums(jobs[-1].key))) == 2
    assert machine.problems() == []
