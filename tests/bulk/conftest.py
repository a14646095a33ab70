"""A server with the bulk service, and a connection to it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest

from dassie.base.clock import SystemClock
from dassie.blob.drivers.memory import MemoryStore
from dassie.client.config import Target
from dassie.client.connection import Connection
from dassie.doors.grpc.bulk import BulkService
from dassie.doors.grpc.calls import Threads
from dassie.doors.grpc.server import Server
from dassie.meta.database import Database
from dassie.pfs import repos
from dassie.pfs import tables as _tables
from dassie.pfs.files import Files
from dassie.pfs.graph import Graph
from dassie.pfs.model import CommitRef, RepoKey
from dassie.storage.index import DatabaseIndex
from dassie.storage.sessions import DatabaseSessions
from dassie.storage.store import Storage

assert _tables
REPO = RepoKey("default", "data")
REF = CommitRef(REPO, branch="master")


@pytest.fixture
def files(tmp_path: Path) -> Iterator[Files]:
    db = Database.open(f"sqlite:///{tmp_path}/meta.db")
    db.create_tables()
    sessions = DatabaseSessions(db)
    storage = Storage(MemoryStore(), DatabaseIndex(db), sessions)
    graph = Graph(db, SystemClock())
    with graph.transaction() as gtx:
        repos.create(gtx, REPO)
    yield Files(graph, storage)
    storage.close()
    sessions.close()
    db.close()


@pytest.fixture(scope="session")
def on_loop() -> Iterator[Callable[[Coroutine[Any, Any, Any]], Any]]:
    """Runs a coroutine on an event loop in a thread of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    yield lambda coroutine: asyncio.run_coroutine_threadsafe(coroutine, loop).result(30)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


@pytest.fixture
def connection(
    files: Files, on_loop: Callable[[Coroutine[Any, Any, Any]], Any]
) -> Iterator[Connection]:
    async def start() -> tuple[Server, int]:
        server = Server({"dassie.bulk.v1.Bulk": BulkService(files)}, Threads(4))
        return server, await server.start("127.0.0.1", 0)

    server, port = on_loop(start())
    with Connection(Target("127.0.0.1", port)) as made:
        yield made
    on_loop(server.stop(5))
