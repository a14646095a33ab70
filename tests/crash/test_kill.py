"""SIGKILL at random points, over ingest, commits, a pipeline and the collector: nothing that was
finished is lost or changed, fsck is clean, unfinished jobs complete by themselves, no datum's
output is doubled.

DASSIE_SEED repeats a run as far as that is possible; DASSIE_KILLS sets how many.
"""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import pytest

from dassie._proto.pps import pps_pb2
from tests.crash.pachd import ForkedPachd, Pachd, commit

KILLS = int(os.environ.get("DASSIE_KILLS", "200"))
CHECK_EVERY = 25
"""Rounds."""
GC = ("--gc-period", "0.3", "--gc-grace", "1")
NAMES = [f"/f{number:02d}" for number in range(20)]
SIZES = [10, 10, 10, 3000, 3000, 400_000]
SPEC = """{"pipeline": {"name": "shout"}, "input": {"pfs": {"repo": "in", "glob": "/*"}},
"parallelism_spec": {"constant": 2},
"transform": {"cmd": ["sh"], "stdin": ["for f in /pfs/in/*; do",
 "tr a-z A-Z < $f >> /pfs/out/$(basename $f); done"]}}"""
UNLUCKY = "its worker died"
"""Why a datum fails that was in the hands of three workers when they were killed."""

WASTE = [random.Random(number).randbytes(100_000 * number) for number in range(1, 8)]
DEAD = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED}
"""How calls end whose server is killed."""

Files = dict[str, bytes]


@dataclass
class Branch:
    """What the server has acknowledged of one branch."""

    files: Files = field(default_factory=dict)
    open: bool = False


@dataclass
class Client:
    """One client with a repo of its own. It works until the server dies.

    known: what was acknowledged.  maybe: what is there if the call that was not answered happened.
    finished: content of finished commits by id.
    failure: what went wrong while the server lived.
    """

    repo: str
    random: random.Random
    known: Branch = field(default_factory=Branch)
    maybe: Branch | None = None
    finished: dict[str, Files] = field(default_factory=dict)
    failure: Exception | None = None

    def work(self, server: Pachd) -> None:
        try:
            while True:
                self.act(server)
                time.sleep(self.random.uniform(0, 0.2))
        except ValueError:  # the channel was closed
            return
        except Exception as error:  # noqa: BLE001 - shown by the test
            code = error.code() if isinstance(error, grpc.RpcError) else None
            if code not in DEAD:
                self.failure = error

    def act(self, server: Pachd) -> None:
        """A commit in one stream."""
        self.put(server)

    def put(self, server: Pachd) -> None:
        names = self.random.sample(NAMES, self.random.randint(1, 4))
        batch = {name: self.content() for name in names}

        def effect(branch: Branch) -> None:
            branch.files.update(batch)

        self.call(lambda: server.put(self.repo, batch), effect)

    def content(self) -> bytes:
        size = self.random.choice(SIZES)
        return self.random.randbytes(size // 2).hex().encode() + b"\n"

    def call(self, do: Callable[[], object], effect: Callable[[Branch], None]) -> None:
        after = deepcopy(self.known)
        effect(after)
        self.maybe = after
        do()
        self.known, self.maybe = after, None

    def settle(self, server: Pachd) -> None:
        """After a restart: find out whether the unanswered call happened; remember the head."""
        head = server.head(self.repo)
        found = Branch(server.contents(head.commit), not head.HasField("finished"))
        assert found in (self.known, self.maybe)
        self.known, self.maybe = found, None
        if not found.open:
            self.finished[head.commit.id] = dict(found.files)

    def check_history(self, server: Pachd, count: int) -> None:
        chosen = self.random.sample(sorted(self.finished), min(count, len(self.finished)))
        for id_ in chosen:
            assert server.contents(commit(self.repo, id_)) == self.finished[id_]


class Patient(Client):
    """Fills commits in several calls."""

    def act(self, server: Pachd) -> None:
        if not self.known.open:
            self.call(
                lambda: server.start_commit(self.repo), lambda branch: setattr(branch, "open", True)
            )
        elif self.random.random() < 0.6:
            self.put(server)
        else:
            self.call(
                lambda: server.finish_commit(self.repo),
                lambda branch: setattr(branch, "open", False),
            )


class Wasteful(Client):
    """Makes garbage: a repo that comes and goes. Its contents come again and again: what is found
    stored may be on its way out."""

    def act(self, server: Pachd) -> None:
        files = {f"/{i}": WASTE[i] for i in self.random.sample(range(len(WASTE)), 3)}
        server.create_repo(self.repo)
        server.put(self.repo, files)
        assert server.contents(commit(self.repo)) == files
        server.delete_repo(self.repo)

    def settle(self, server: Pachd) -> None:
        server.delete_repo(self.repo)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ForkedPachd]:
    pachd = ForkedPachd(tmp_path, *GC)
    pachd.start()
    yield pachd
    pachd.kill()
    pachd.close()


@pytest.mark.slow
def test_kill_at_random_points(server: Pachd) -> None:
    seed = int(os.environ.get("DASSIE_SEED", str(random.randrange(1 << 30))))
    print(f"DASSIE_SEED={seed}")
    random_ = random.Random(seed)
    kinds = (Client, "in"), (Patient, "slow"), (Wasteful, "waste")
    clients = [kind(name, random.Random(f"{seed} {name}")) for kind, name in kinds]
    for name in ("in", "slow"):
        server.create_repo(name)
        server.put(name, {})
    server.create_pipeline(SPEC)
    kills = rounds = 0
    while kills < KILLS:
        rounds += 1
        kills += one_life(server, clients, random_)
        server.start()
        for client in clients:
            client.settle(server)
        if rounds % CHECK_EVERY == 0:
            check_everything(server, clients)
    check_everything(server, clients)
    commits = sum(len(client.finished) for client in clients)
    print(f"{kills} kills in {rounds} lives; {commits} commits; {jobs_by_state(server)}")
    assert commits > rounds / 4
    assert server.said(" deleted (") > 0, "the collector had nothing to do"


def one_life(server: Pachd, clients: list[Client], random_: random.Random) -> int:
    """Clients work, workers die, and then the server does. How many were killed."""
    threads = [threading.Thread(target=client.work, args=(server,)) for client in clients]
    for thread in threads:
        thread.start()
    kills = 0
    for _ in range(random_.randint(0, 5)):
        time.sleep(random_.uniform(0.05, 0.3))
        kills += server.kill_worker(random_.randrange(2))
    time.sleep(random_.uniform(0.0, 0.5))
    server.kill()
    for thread in threads:
        thread.join()
    for client in clients:
        if client.failure is not None:
            raise client.failure
    return kills + 1


def check_everything(server: Pachd, clients: list[Client]) -> None:
    """Jobs end, output equals input, history is intact, fsck is clean."""
    client = clients[0]
    job = server.wait_idle("shout")
    while job.state != pps_pb2.JOB_SUCCESS:
        assert UNLUCKY in job.reason
        client.put(server)
        job = server.wait_idle("shout")
    for job in server.jobs("shout"):
        assert job.state == pps_pb2.JOB_SUCCESS or UNLUCKY in job.reason, job.reason
    output = server.contents(commit("shout"))
    assert output == {name: data.upper() for name, data in client.known.files.items()}
    for client in clients:
        client.check_history(server, 5)
    assert server.fsck() == []


def jobs_by_state(server: Pachd) -> dict[str, int]:
    states = [pps_pb2.JobState.Name(job.state) for job in server.jobs("shout")]
    return {state: states.count(state) for state in sorted(set(states))}
