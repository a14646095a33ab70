"""SIGKILL at random points, over ingest, commits, a pipeline and the collector: nothing that was
finished is lost
or changed, fsck is clean, unfinished jobs complete by themselves, no datum's output is doubled."""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from dassie._proto.pfs import pfs_pb2
from dassie._proto.pps import pps_pb2
from tests.crash.pachd import Pachd, commit, repo

KILLS = int(os.environ.get("DASSIE_KILLS", "200"))
CHECK_EVERY = 40
NAMES = [f"/f{number:02d}" for number in range(30)]
SPEC = """{"pipeline": {"name": "shout"}, "input": {"pfs": {"repo": "in", "glob": "/*"}},
"parallelism_spec": {"constant": 2},
"transform": {"cmd": ["sh"], "stdin": ["for f in /pfs/in/*; do",
 "tr a-z A-Z < $f >> /pfs/out/$(basename $f); done"]}}"""


class Model:
    """What the server has acknowledged: the head's files, and every finished commit that was
    seen."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.head: dict[str, bytes] = {}
        self.maybe: dict[str, bytes] | None = None
        """A write that was sent and not answered: it has happened or it has not."""
        self.commits: dict[str, dict[str, bytes]] = {}


def writer(server: Pachd, model: Model, random_: random.Random) -> None:
    """Put small batches until the server dies, and record what was acknowledged."""
    while True:
        names = random_.sample(NAMES, random_.randint(1, 4))
        size = random_.choice([10, 3000, 400_000])
        batch = {name: random_.randbytes(size // 2).hex().encode()[:size] + b"\n" for name in names}
        with model.lock:
            model.maybe = {**model.head, **batch}
        try:
            server.put("in", batch)
        except (grpc.RpcError, ValueError):
            return
        with model.lock:
            model.head, model.maybe = model.maybe, None


def settle(server: Pachd, model: Model) -> None:
    """After a restart: find out whether the unanswered write happened, and remember the head
    commit."""
    found = server.contents(commit("in"))
    if model.maybe is not None and found == model.maybe:
        model.head = model.maybe
    model.maybe = None
    assert found == model.head
    head = server.pfs.InspectCommit(pfs_pb2.InspectCommitRequest(commit=commit("in")))
    model.commits[head.commit.id] = dict(model.head)


def check_everything(server: Pachd, model: Model) -> None:
    """The full verdict: jobs end, output equals input, history is intact, fsck is clean."""
    job = server.wait_idle("shout")
    assert job.state == pps_pb2.JOB_SUCCESS, job.reason
    output = server.contents(commit("shout"))
    assert output == {name: data.upper() for name, data in model.head.items()}
    for identity, files in random.Random(0).sample(
        sorted(model.commits.items()), min(5, len(model.commits))
    ):
        assert server.contents(commit("in", identity)) == files
    assert server.fsck() == []


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Pachd]:
    pachd = Pachd(tmp_path, "--gc-period", "1", "--gc-grace", "2")
    pachd.start()
    yield pachd
    pachd.kill()


@pytest.mark.slow
def test_kill_at_random_points(server: Pachd) -> None:
    seed = int(os.environ.get("DASSIE_SEED", str(random.randrange(1 << 30))))
    print(f"DASSIE_SEED={seed}")
    random_ = random.Random(seed)
    model = Model()
    server.pfs.CreateRepo(pfs_pb2.CreateRepoRequest(repo=repo("in")))
    server.pps.CreatePipelineV2(pps_pb2.CreatePipelineV2Request(create_pipeline_request_json=SPEC))
    server.put("in", {"/f00": b"first\n"})
    model.head = {"/f00": b"first\n"}
    kills = rounds = 0
    while kills < KILLS:
        rounds += 1
        thread = threading.Thread(target=writer, args=(server, model, random_))
        thread.start()
        for _ in range(random_.randint(0, 3)):
            time.sleep(random_.uniform(0.02, 0.15))
            kills += server.kill_worker(random_.randrange(2))
        time.sleep(random_.uniform(0.0, 0.4))
        server.kill()
        kills += 1
        thread.join()
        server.start()
        settle(server, model)
        if rounds % CHECK_EVERY == 0:
            check_everything(server, model)
    check_everything(server, model)
    print(f"{kills} kills in {rounds} restarts; {len(model.commits)} commits checked")
