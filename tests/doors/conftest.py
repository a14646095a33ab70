"""One real `pachd` for all tests of the doors; each test has repos of its own."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest
from pachyderm_sdk import Client

from dassie._proto.pfs import pfs_pb2_grpc
from tests.crash.pachd import Pachd

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def pachd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pachd]:
    server = Pachd(Path(tmp_path_factory.mktemp("pachd")), "--log-level", "debug")
    server.start()
    yield server
    server.stop()


@pytest.fixture
def name() -> str:
    """A name that no other test uses."""
    return f"repo-{next(_numbers)}"


@pytest.fixture
def pfs(pachd: Pachd) -> pfs_pb2_grpc.APIStub:
    """Generated stubs."""
    return pachd.pfs


@pytest.fixture
def sdk(pachd: Pachd) -> Client:
    """The official client, unmodified."""
    host, _, port = pachd.address.rpartition(":")
    return Client(host=host, port=int(port))
