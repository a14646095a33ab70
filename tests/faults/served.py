"""A pachd on a real object store behind a proxy, and a client that remembers what was acknowledged.

`Bench` is what the tests of this folder use. A put that was answered must be there for ever; one
that failed may have happened or not, and the next look decides.
"""

from __future__ import annotations

import os
import random
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from dassie._proto.pps import pps_pb2
from tests.crash.pachd import BIN, Pachd, commit
from tests.stores import RunningStore
from tests.stores.proxy import Proxy

SPEC = """{"pipeline": {"name": "shout"}, "input": {"pfs": {"repo": "in", "glob": "/*"}},
"datum_tries": 3, "transform": {"cmd": ["sh"], "stdin": ["for f in /pfs/in/*; do",
 "tr a-z A-Z < $f > /pfs/out/$(basename $f); done"]}}"""
QUICK = (
    *("--storage-connect-timeout", "1", "--storage-request-timeout", "3"),
    *("--storage-stall-timeout", "1", "--storage-concurrency", "8"),
    *("--storage-cache-memory-size", "0", "--storage-cache-disk-size", "0"),
    *("--gc-period", "0.5", "--gc-grace", "1"),
)
"""Short patience, so that tests are short; no cache that would hide faults; and a collector that
works all the time."""
DEADLINE_S = 60.0
SMALL, LARGE = 3_000, 800_000

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


class Served(Pachd):
    """A server whose storage is `store`."""

    def __init__(self, folder: Path, store: RunningStore, *flags: str) -> None:
        super().__init__(folder, *flags)
        self._environment = {**os.environ, **store.environment}

    def _launch(self, arguments: list[str]) -> str:
        with (self.folder / "stderr").open("a") as log:
            self.process = subprocess.Popen(
                [BIN / "pachd", *arguments],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env=self._environment,
            )
        assert self.process.stdout is not None
        return self.process.stdout.readline()

    def health(self) -> int:
        stub = health_pb2_grpc.HealthStub(self.channel)
        return int(stub.Check(health_pb2.HealthCheckRequest()).status)

    def log(self) -> str:
        return (self.data / "pachd.log").read_text(errors="replace")


class Bench:
    """One server, one repo, one pipeline over it."""

    def __init__(self, folder: Path, store: RunningStore, *flags: str) -> None:
        self.store = store
        self.proxy = Proxy(store.endpoint)
        reached = store.behind(self.proxy.endpoint)
        self.server = Served(folder, store, "--storage", reached.url(folder.name), *QUICK, *flags)
        self.known: dict[str, bytes] = {}
        self.unsure: dict[str, bytes] = {}
        """What failed puts may have left."""
        self._random = random.Random(folder.name)
        self.server.start()
        self.server.create_repo("in")
        self.server.put("in", {})
        self.server.create_pipeline(SPEC)

    def close(self) -> None:
        self.proxy.plan = None
        self.proxy.up_again()
        self.server.kill()
        self.proxy.close()

    # -- work ---------------------------------------------------------------------------------

    def content(self, size: int) -> bytes:
        """Text that was never stored before."""
        return self._random.randbytes(size // 2).hex().encode()

    def put(self, *sizes: int) -> grpc.RpcError | None:
        """One commit of some new files, some of them in place of old ones; how it failed."""
        files = {f"/f{self._random.randrange(12):02d}": self.content(size) for size in sizes}
        try:
            self.server.put("in", files)
        except grpc.RpcError as error:
            self.unsure |= files
            return error
        self.known |= files
        for path in files:
            self.unsure.pop(path, None)
        return None

    def read(self) -> dict[str, bytes]:
        """All files, compared with what must be there."""
        found = self.server.contents(commit("in"))
        self.compare(found)
        return found

    def read_failure(self) -> grpc.RpcError:
        try:
            self.read()
        except grpc.RpcError as error:
            return error
        raise AssertionError("the read did not fail")

    def compare(self, found: dict[str, bytes]) -> None:
        """Nothing acknowledged is lost or wrong."""
        for path in found.keys() | self.known.keys():
            if path in self.unsure and found.get(path) == self.unsure[path]:
                self.known[path] = self.unsure[path]
            assert found.get(path) == self.known.get(path), f"{path} is not what was put"
        self.unsure.clear()

    # -- the end of a fault -------------------------------------------------------------------

    def wait(self, what: str, ready: Callable[[], bool]) -> None:
        until = time.monotonic() + DEADLINE_S
        while not ready():
            assert time.monotonic() < until, f"not {what}: {self.server.log()[-3000:]}"
            time.sleep(0.05)

    def wait_health(self, status: int) -> None:
        name = health_pb2.HealthCheckResponse.ServingStatus.Name(status)
        self.wait(name, lambda: self.server.health() == status)

    @contextmanager
    def outage(self) -> Iterator[None]:
        """Around a fault; without it, everything is as it should be."""
        try:
            yield
        except BaseException:
            self.proxy.plan = None  # for the tests that follow
            self.proxy.up_again()
            self.wait_health(SERVING)
            raise
        self.heal()

    def heal(self) -> None:
        """No fault any more: everything that was acknowledged is there, the pipeline has caught
        up, and the server is still the same process."""
        self.proxy.plan = None
        self.proxy.up_again()
        self.wait_health(SERVING)
        assert self.put(SMALL) is None
        found = self.read()
        job = self.server.wait_idle("shout", DEADLINE_S)
        assert (job.state, job.reason) == (pps_pb2.JOB_SUCCESS, "")
        shouted = self.server.contents(commit("shout"))
        assert shouted == {path: data.upper() for path, data in found.items()}
        assert self.server.process is not None
        assert isinstance(self.server.process, subprocess.Popen)
        assert self.server.process.poll() is None
