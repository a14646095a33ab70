"""Workers as processes: kept alive, stopped, never outliving their executor."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dassie.blob.drivers.folder import FolderStore
from dassie.blob.profile import Profile
from dassie.blob.settings import StorageSettings
from dassie.daemon.storage import for_worker
from dassie.pps.executors.api import Pool, WorkerState
from dassie.pps.executors.process import ProcessExecutor
from dassie.pps.sandbox.settings import SandboxSettings

from .pachd import TOKEN, Pachd

POOL = Pool("default/edges@v1", "default", "edges", 1, TOKEN)


def until(what: Callable[[], Any], seconds: float = 30) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return found


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def children(pid: int) -> list[int]:
    try:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    except OSError:
        return []
    found = [int(child) for child in text.split()]
    return found + [grandchild for child in found for grandchild in children(child)]


@pytest.fixture
def pachd(tmp_path: Path) -> Iterator[Pachd]:
    folder = tmp_path / "objects"
    settings = StorageSettings("file", path=str(folder))
    script = 'test -z "$slow" || sleep 1000; env | grep SECRET; cp /pfs/in/* /pfs/out/'
    pachd = Pachd(
        FolderStore(folder),
        transform={"cmd": ["sh", "-c", script]},
        storage_json=for_worker(settings, Profile(settings.fingerprint())),
        tries=1,
    )
    yield pachd
    pachd.close()


@pytest.fixture
def executor(pachd: Pachd, tmp_path: Path) -> Iterator[ProcessExecutor]:
    executor = ProcessExecutor(pachd.address, tmp_path / "workers", SandboxSettings())
    yield executor
    executor.close()
    assert executor.status() == []
    assert not (tmp_path / "workers").exists()


def running(executor: ProcessExecutor, count: int) -> list[int]:
    def pids() -> list[int]:
        status = executor.status()
        found = [one.pid for one in status if one.state is WorkerState.RUNNING and one.pid]
        return found if len(found) == len(status) == count else []

    return list(until(pids))


def test_workers_work(
    pachd: Pachd, executor: ProcessExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SERVER_SECRET", "1")
    executor.ensure(POOL, 2)
    datums = [pachd.datum(pachd.file("in", f"/{i}", b"%d" % i)) for i in range(20)]
    for i, datum in enumerate(datums):
        assert pachd.outputs(datum) == {f"/{i}": b"%d" % i}
    assert "SECRET" not in pachd.text()
    pids = running(executor, 2)
    for pid in pids:
        assert b"SECRET" not in Path(f"/proc/{pid}/environ").read_bytes()
        assert TOKEN.encode() not in Path(f"/proc/{pid}/cmdline").read_bytes()


def test_a_worker_that_dies_is_replaced(pachd: Pachd, executor: ProcessExecutor) -> None:
    executor.ensure(POOL, 1)
    (first,) = running(executor, 1)
    family = children(first)
    assert len(family) >= 2
    os.kill(first, signal.SIGKILL)
    until(lambda: not any(map(alive, family)))
    until(lambda: executor.status()[0].restarts == 1)
    (second,) = running(executor, 1)
    assert second != first
    assert pachd.outputs(pachd.datum(pachd.file("in", "/f", b"x"))) == {"/f": b"x"}


def test_fewer_none_and_again(pachd: Pachd, executor: ProcessExecutor) -> None:
    executor.ensure(POOL, 2)
    pids = running(executor, 2)
    family = [child for pid in pids for child in children(pid)]
    executor.ensure(POOL, 1)
    assert set(running(executor, 1)) < set(pids)
    pachd.datum(pachd.file("in", "/f", b"x"), env={"slow": "1"})
    until(lambda: any(beat.running for beat in pachd.beats))
    executor.stop(POOL.name)
    executor.stop("unknown")
    until(lambda: not executor.status(), 8)
    assert not any(map(alive, [*pids, *family]))
    executor.ensure(POOL, 1)
    running(executor, 1)


def test_a_worker_that_cannot_start_says_why(pachd: Pachd, tmp_path: Path) -> None:
    settings = SandboxSettings(read_only=("/no/such/path",))
    executor = ProcessExecutor(pachd.address, tmp_path / "workers", settings)
    try:
        executor.ensure(POOL, 1)
        until(lambda: executor.status() and executor.status()[0].restarts >= 2)
        (status,) = executor.status()
        assert status.state is WorkerState.BACKING_OFF
        assert "/no/such/path" in status.error
        assert "secret" not in status.error
    finally:
        executor.close()


def test_plain_processes_do_not_outlive_a_worker(pachd: Pachd, tmp_path: Path) -> None:
    executor = ProcessExecutor(pachd.address, tmp_path / "workers", SandboxSettings(mode="plain"))
    try:
        executor.ensure(POOL, 1)
        (pid,) = running(executor, 1)
        pachd.datum(pachd.file("in", "/f", b"x"), env={"slow": "1"})
        until(lambda: any(beat.running for beat in pachd.beats))
        until(lambda: len(family := children(pid)) >= 3 and family)
        family = children(pid)
        os.kill(pid, signal.SIGKILL)
        until(lambda: not any(map(alive, family)), 5)
    finally:
        executor.close()


EXECUTOR = """
import sys, time
from pathlib import Path
from dassie.pps.executors.api import Pool
from dassie.pps.executors.process import ProcessExecutor
from dassie.pps.sandbox.settings import SandboxSettings
executor = ProcessExecutor(sys.argv[1], Path(sys.argv[2]), SandboxSettings())
executor.ensure(Pool("p", "default", "edges", 1, sys.argv[3]), 1)
while not any(one.pid and one.state.value == "running" for one in executor.status()):
    time.sleep(0.02)
print(executor.status()[0].pid, flush=True)
time.sleep(1000)
"""


def test_workers_die_with_their_executor(pachd: Pachd, tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", EXECUTOR, pachd.address, str(tmp_path / "workers"), TOKEN],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    pid = int(process.stdout.readline())
    pachd.datum(pachd.file("in", "/f", b"x"), env={"slow": "1"})
    until(lambda: any(beat.running for beat in pachd.beats))
    family = [pid, *children(pid)]
    assert len(family) >= 4  # worker, bwrap, launcher, user code
    process.kill()
    process.wait()
    process.stdout.close()
    until(lambda: not any(map(alive, family)), 5)


def test_a_worker_ends_when_pachd_is_gone(
    pachd: Pachd, executor: ProcessExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    executor.ensure(POOL, 1)
    (pid,) = running(executor, 1)
    pachd.stop()  # it answers `stop` once
    until(lambda: not alive(pid))
    until(lambda: executor.status()[0].state is not WorkerState.RUNNING)
    assert executor.status()[0].error == ""
