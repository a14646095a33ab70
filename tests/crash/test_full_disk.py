"""The disk fills up: writes are refused with a clear error, what was acknowledged stays and can be
read, and when there is room again everything goes on, jobs too."""

from __future__ import annotations

import os
import random
import subprocess
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from dassie._proto.pps import pps_pb2
from tests.crash.pachd import Pachd, commit
from tests.crash.test_kill import SPEC

SIZE_MIB = 64
BALLAST_MIB = 32
MANY = 400


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small file system."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if os.getuid() != 0:
        pytest.skip("only root can mount a small file system")
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE_MIB}m", "tmpfs", str(folder)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"cannot mount a small file system: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture
def server(disk: Path) -> Iterator[Pachd]:
    pachd = Pachd(disk)
    pachd.start()
    yield pachd
    pachd.kill()


def refusal(server: Pachd, name: str, files: dict[str, bytes]) -> grpc.RpcError | None:
    try:
        server.put(name, files)
    except grpc.RpcError as error:
        return error
    return None


def fill(server: Pachd, name: str, size: int) -> dict[str, bytes]:
    """Put files until one is refused; those that were accepted."""
    random_ = random.Random(size)
    kept: dict[str, bytes] = {}
    for number in range(MANY):
        files = {f"/{size}-{number}": random_.randbytes(size // 2).hex().encode()}
        error = refusal(server, name, files)
        if error is not None:
            assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED, error
            assert "No space left" in error.details() or "full" in error.details()
            return kept
        kept |= files
    raise AssertionError("the disk does not get full")


@pytest.mark.slow
def test_full_and_then_not(server: Pachd, disk: Path) -> None:
    server.create_repo("in")
    server.put("in", {})
    server.create_pipeline(SPEC)
    ballast = disk / "ballast"
    ballast.write_bytes(bytes(BALLAST_MIB << 20))

    kept = fill(server, "in", 2_000_000)
    kept |= fill(server, "in", 20_000)
    assert server.contents(commit("in")) == kept
    assert refusal(server, "in", {"/more": random.Random(0).randbytes(3_000_000)})

    ballast.unlink()
    server.put("in", {"/more": b"more"})
    kept["/more"] = b"more"
    assert server.contents(commit("in")) == kept
    job = server.wait_idle("shout")
    assert (job.state, job.reason) == (pps_pb2.JOB_SUCCESS, "")
    assert server.contents(commit("shout")) == {p: data.upper() for p, data in kept.items()}
    assert server.fsck() == []
    server.kill()
    server.start()
    assert server.contents(commit("in")) == kept
    assert server.fsck() == []
