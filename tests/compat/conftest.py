"""One real `pachd` for the whole folder, and the official SDK as its client."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest
from pachyderm_sdk import Client
from pachyderm_sdk.api import pfs

from tests.compat.driving import Driver
from tests.crash.pachd import Pachd

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def pachd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pachd]:
    server = Pachd(Path(tmp_path_factory.mktemp("compat")))
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def client(pachd: Pachd) -> Client:
    """The official client, unmodified."""
    host, _, port = pachd.address.rpartition(":")
    return Client(host=host, port=int(port))


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """A name that no other test uses and that tells which test did."""
    test = request.node.originalname.removeprefix("test_")[:30].strip("_")
    return f"{test}-{next(_numbers)}"


@pytest.fixture
def branch(client: Client, name: str) -> pfs.Branch:
    """`master` of a new repo."""
    repo = pfs.Repo(name=name, type="user", project=pfs.Project(name="default"))
    client.pfs.create_repo(repo=repo)
    return pfs.Branch(repo=repo, name="master")


@pytest.fixture
def driver(client: Client, name: str) -> Iterator[Driver]:
    """Makes pipelines, and deletes them afterwards so that their workers go."""
    with Driver.open(client, name) as made:
        yield made
