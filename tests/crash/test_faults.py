"""Every call of the object store and every statement and commit of the database fails, one at a
time: what was acknowledged is intact, what was not has happened fully or not at all, and when
things work again everything works."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from dassie.errors import DassieError
from dassie.pfs import branches, commits, repos
from dassie.pfs.model import CommitKey, CommitRef, CommitState, RepoKey
from dassie.storage.types import Dir
from tests.crash.machine import Died, Fault, Kind, Machine
from tests.pps.world import master

Files = dict[str, bytes]
BIG = random.Random(1).randbytes(700_000)
"""Several chunks."""
THOROUGH = bool(os.environ.get("DASSIE_THOROUGH"))


@dataclass
class Model:
    """What must be there: the heads of `master`, and finished commits by id."""

    heads: dict[str, Files] = field(default_factory=dict)
    open: set[str] = field(default_factory=set)
    """Repos whose head is an open commit."""
    finished: dict[CommitKey, Dir] = field(default_factory=dict, compare=False)


@dataclass(frozen=True)
class Step:
    """One operation of a client, and what it does to the model."""

    run: Callable[[Machine], object]
    effect: Callable[[Model], object]


def create(name: str) -> Step:
    def run(machine: Machine) -> None:
        with machine.graph.transaction() as gtx:
            repos.create(gtx, RepoKey("default", name))
            branches.create(gtx, master(name))

    return Step(run, lambda model: model.heads.setdefault(name, {}))


def remove(name: str) -> Step:
    def run(machine: Machine) -> None:
        with machine.graph.transaction() as gtx:
            repos.delete(gtx, RepoKey("default", name))

    def effect(model: Model) -> None:
        del model.heads[name]
        model.finished = {k: v for k, v in model.finished.items() if k.repo.name != name}

    return Step(run, effect)


def put(name: str, files: dict[str, bytes | None]) -> Step:
    """Write and delete files: a commit of its own, or part of the open one."""

    def effect(model: Model) -> None:
        head = model.heads[name]
        for path, data in files.items():
            if data is None:
                head.pop(path, None)
            else:
                head[path] = data

    return Step(lambda machine: machine.put(name, files), effect)


def append(name: str, path: str, data: bytes) -> Step:
    def run(machine: Machine) -> None:
        with machine.files.modify(head(name)) as change:
            change.add(path, data)

    def effect(model: Model) -> None:
        model.heads[name][path] = model.heads[name].get(path, b"") + data

    return Step(run, effect)


def duplicate(name: str, path: str, to: str) -> Step:
    def run(machine: Machine) -> None:
        with machine.files.modify(head(name)) as change:
            change.copy(to, head(name), path)

    def effect(model: Model) -> None:
        model.heads[name][to] = model.heads[name][path]

    return Step(run, effect)


def start(name: str) -> Step:
    def run(machine: Machine) -> None:
        with machine.graph.transaction() as gtx:
            commits.start(gtx, master(name))

    return Step(run, lambda model: model.open.add(name))


def finish(name: str) -> Step:
    def run(machine: Machine) -> None:
        with machine.graph.transaction() as gtx:
            commits.finish(gtx, head(name))

    return Step(run, lambda model: model.open.discard(name))


def read(name: str) -> Step:
    return Step(lambda machine: machine.read(name), lambda _: None)


def collect() -> Step:
    """A run of the collector, when all that was garbage may go."""

    def run(machine: Machine) -> None:
        machine.clock.advance(7200)
        machine.sessions.renew()
        machine.collect()

    return Step(run, lambda _: None)


def head(name: str) -> CommitRef:
    return CommitRef(RepoKey("default", name), branch="master")


STEPS = [
    create("in"),
    put("in", {"/a": b"a", "/d/b": b"b" * 1000, "/big": BIG}),
    start("in"),
    put("in", {"/c": b"c" * 500}),
    append("in", "/big", b"more"),
    finish("in"),
    read("in"),
    create("gone"),
    put("gone", {"/x": bytes(reversed(BIG)), "/same": b"a"}),
    remove("gone"),
    put("in", {"/d/b": None, "/a": b"again"}),
    collect(),
    duplicate("in", "/big", "/d/copy"),
    collect(),
    put("in", {"/x": bytes(reversed(BIG))}),
    collect(),
    collect(),
    read("in"),
]


def observe(machine: Machine) -> Model:
    """What is there."""
    seen = Model()
    with machine.graph.snapshot() as tx:
        names = [info.key.name for info in repos.list_(tx)]
        for name in names:
            if commits.inspect(tx, head(name)).state < CommitState.FINISHING:
                seen.open.add(name)
    for name in names:
        seen.heads[name] = machine.read(name)
    return seen


def note_finished(machine: Machine, model: Model) -> None:
    """Remember the roots of finished heads. What a root reaches is what its hash says, or fsck
    would complain."""
    with machine.graph.snapshot() as tx:
        for name in model.heads.keys() - model.open:
            key, root = commits.content(tx, head(name))
            model.finished[key] = root


Injector = Callable[[Machine, Fault], AbstractContextManager[None]]

INJECTORS: dict[str, Injector] = {
    "store": Machine.store_fails,
    "database": Machine.database_fails,
}
GO_ON_EVERY = 25
"""After so many faults each, the steps that follow are carried out too."""


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    machine = Machine(tmp_path)
    yield machine
    machine.close()


@pytest.mark.slow
@pytest.mark.parametrize("what", INJECTORS)
def test_every_call_fails_once(what: str, machine: Machine) -> None:
    """Call by call: back to before the step, the step with the fault, look, again without."""
    inject = INJECTORS[what]
    model, total = Model(), 0
    for number, step in enumerate(STEPS):
        before = machine.save()
        calls = Fault()
        with inject(machine, calls):
            step.run(machine)
        after = machine.save()
        for n in range(1, calls.count + 1):
            for kind in kinds(what, n, calls.commits):
                total += 1
                machine.restore(before)
                with noted(f"step {number}, call {n} of {calls.count} of the {what}, {kind.value}"):
                    now = survive(machine, step, inject, Fault(n, kind), model)
                    if total % GO_ON_EVERY == 0:
                        go_on(machine, STEPS[number + 1 :], now)
        machine.restore(after)
        step.effect(model)
        note_finished(machine, model)
    print(f"{total} faults")


def kinds(what: str, n: int, commits_: set[int]) -> Sequence[Kind]:
    """All that may differ. A statement that failed is undone, so it does not matter whether it had
    happened."""
    if THOROUGH or what == "store":
        return tuple(Kind)
    if n in commits_:
        return (Kind.BEFORE, Kind.AFTER, Kind.DIES)
    return (Kind.DEAD,) if n % 2 else (Kind.DIES,)


def survive(machine: Machine, step: Step, inject: Injector, fault: Fault, model: Model) -> Model:
    """One step with a fault: the verdict. Gives what must be there now."""
    after = deepcopy(model)
    step.effect(after)
    acknowledged = carried_out(machine, step, inject, fault)
    seen = observe(machine)
    if not acknowledged and seen == model != after:
        step.run(machine)
        seen = observe(machine)
    assert seen == after
    check_rest(machine, after)
    return after


def carried_out(machine: Machine, step: Step, inject: Injector, fault: Fault) -> bool:
    """Whether the step was acknowledged."""
    try:
        with inject(machine, fault):
            step.run(machine)
    except DassieError:
        return False
    except Died:
        machine.restore(machine.save())
        return False
    return True


def go_on(machine: Machine, steps: Sequence[Step], model: Model) -> None:
    for step in steps:
        step.run(machine)
        step.effect(model)
        note_finished(machine, model)
    machine.collect_all()
    check_intact(machine, model)


def check_intact(machine: Machine, model: Model) -> None:
    assert observe(machine) == model
    check_rest(machine, model)


def check_rest(machine: Machine, model: Model) -> None:
    with machine.graph.snapshot() as tx:
        for key, root in model.finished.items():
            assert commits.content(tx, CommitRef(key.repo, id=key.id))[1] == root
    assert machine.problems() == []


@contextmanager
def noted(what: str) -> Iterator[None]:
    try:
        yield
    except BaseException as error:
        error.add_note(what)
        raise
