"""The database is lost: what was finished is back, from the journal and the packs, and goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dassie._proto.pfs import pfs_pb2
from dassie._proto.pps import pps_pb2
from tests.crash.machine import Died, Fault, Kind, Machine
from tests.crash.pachd import Pachd, branch, commit, pipeline, repo
from tests.crash.test_kill import SPEC

BIG = bytes(range(256)) * 5000
FIRST = {"/a": b"one\n", "/b": b"two\n"}
SECOND = {"/a": b"one\n", "/b": b"2\n", "/c": BIG.hex().encode()}


def shouted(files: dict[str, bytes]) -> dict[str, bytes]:
    return {path: data.upper() for path, data in files.items()}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Pachd]:
    pachd = Pachd(tmp_path)
    pachd.start()
    yield pachd
    pachd.kill()


def lose_database(server: Pachd) -> None:
    for file in server.data.glob("metadata.db*"):
        file.unlink()


def history(server: Pachd, name: str, kind: str = "user") -> list[tuple[str, ...]]:
    """What there is to know of the finished commits of a repo, newest first."""
    ask = pfs_pb2.ListCommitRequest(repo=repo(name, kind), all=True)
    return [
        (
            info.commit.id,
            info.parent_commit.id,
            str(pfs_pb2.OriginKind.Name(info.origin.kind)),
            info.description,
            info.error,
            str(info.details.size_bytes),
            info.finished.ToJsonString(),
            *sorted(f"{c.repo.name}.{c.repo.type}@{c.id}" for c in info.direct_provenance),
        )
        for info in server.pfs.ListCommit(ask)
        if info.HasField("finished")
    ]


def inspected(server: Pachd, name: str) -> pps_pb2.PipelineInfo:
    ask = pps_pb2.InspectPipelineRequest(pipeline=pipeline(name), details=True)
    return server.pps.InspectPipeline(ask)


REPOS = [("in", "user"), ("shout", "user"), ("shout", "meta"), ("shout", "spec"), ("slow", "user")]


@pytest.mark.slow
@pytest.mark.parametrize("end", [Pachd.stop, Pachd.kill])
def test_everything_finished_comes_back(server: Pachd, end: Callable[[Pachd], None]) -> None:
    server.create_repo("in")
    server.put("in", FIRST)
    server.create_pipeline(SPEC)
    server.wait_idle("shout")
    server.put("in", SECOND)
    server.wait_idle("shout")
    server.create_repo("slow")
    server.put("slow", {"/x": b"x"})
    server.start_commit("slow")
    server.put("slow", {"/never": b"finished"})
    before = {where: history(server, *where) for where in REPOS}
    heads = [commit(name, before[name, "user"][0][0]) for name in ("in", "shout", "slow")]
    contents = [server.contents(head) for head in heads]
    spec = inspected(server, "shout")

    end(server)
    lose_database(server)
    server.start()

    assert {where: history(server, *where) for where in REPOS} == before
    assert [server.contents(head) for head in heads] == contents
    old = before["in", "user"][1][0]
    assert server.contents(commit("in", old)) == FIRST
    found = server.pfs.InspectBranch(pfs_pb2.InspectBranchRequest(branch=branch("shout")))
    assert [b.repo.name for b in found.direct_provenance] == ["in", "shout"]
    again = inspected(server, "shout")
    assert (again.version, again.user_spec_json) == (spec.version, spec.user_spec_json)
    assert server.fsck() == []

    server.put("in", {"/b": b"three\n", "/a": None})
    job = server.wait_idle("shout")
    assert (job.state, job.reason) == (pps_pb2.JOB_SUCCESS, "")
    assert (job.data_processed, job.data_skipped) == (1, 1)
    assert server.contents(commit("shout")) == shouted({"/b": b"three\n", "/c": SECOND["/c"]})
    assert server.fsck() == []


@pytest.mark.slow
def test_jobs_that_ran_start_again(server: Pachd) -> None:
    server.create_repo("in")
    server.put("in", FIRST)
    server.create_pipeline(SPEC)
    server.wait_idle("shout")
    for round_ in range(5):
        server.put("in", {"/a": b"round %d\n" % round_})
    server.kill()
    lose_database(server)
    server.start()
    job = server.wait_idle("shout")
    assert (job.state, job.reason) == (pps_pb2.JOB_SUCCESS, "")
    assert server.contents(commit("shout")) == shouted({**FIRST, "/a": b"round 4\n"})
    assert {job.state for job in server.jobs("shout")} == {pps_pb2.JOB_SUCCESS}
    assert server.fsck() == []


def test_a_rebuild_that_dies_is_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each time a call later."""
    monkeypatch.setattr("dassie.meta.rebuild._PER_TRANSACTION", 2)
    monkeypatch.setattr("dassie.storage.recover._RECORD_CHUNKS", 1)
    machine = Machine(tmp_path)
    machine.repo("in")
    for number in range(5):
        machine.put("in", {f"/{number}": b"%d" % number})
        if number == 2:
            machine.journal.checkpoint()
    expected = machine.read("in")
    machine.close()
    for file in tmp_path.glob("meta.db*"):
        file.unlink()
    deaths = 0
    while not opens(machine, Fault(deaths + 1, Kind.DIES)):
        deaths += 1
    assert deaths > 10
    assert machine.read("in") == expected
    assert machine.problems() == []
    machine.put("in", {"/new": b"new"})
    machine.close()


def opens(machine: Machine, fault: Fault) -> bool:
    try:
        machine.open(fault)
    except Died:
        machine.db.close()
        return False
    return True
