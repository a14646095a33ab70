"""Storage on a memory store and a memory index, or on a real database."""

from __future__ import annotations

import pytest

from dassie.blob.memory import MemoryStore
from dassie.meta.database import Database
from dassie.storage import tables  # noqa: F401 - defines the tables
from dassie.storage.index import DatabaseIndex
from dassie.storage.lease import HeldSession
from dassie.storage.limits import Limits
from dassie.storage.sessions import DatabaseSessions
from dassie.storage.store import Storage

SMALL = Limits(
    pack_bytes=64 << 10,
    pack_chunks=200,
    buffer_bytes=4 << 20,
    probe_chunks=50,
    probe_bytes=1 << 20,
    cache_bytes=1 << 20,
    read_bytes=64 << 10,
    read_gap=100,
    edit_batch=1000,
)


class MemoryIndex:
    """A `ChunkIndex` in a dict."""

    def __init__(self):
        self.chunks = {}
        self.packs = {}

    def find(self, hashes):
        return {name: self.chunks[name] for name in hashes if name in self.chunks}

    def add_pack(self, key, size, entries):
        self.packs[key] = size
        for name, place in entries:
            self.chunks.setdefault(name, place)


@pytest.fixture
def blob():
    return MemoryStore()


@pytest.fixture
def storage(blob):
    made = Storage(blob, MemoryIndex(), HeldSession(1), limits=SMALL)
    yield made
    made.close()


@pytest.fixture
def db(tmp_path):
    made = Database.open(f"sqlite:///{tmp_path}/meta.db")
    made.create_tables()
    yield made
    made.close()


@pytest.fixture
def durable(db, blob):
    """Storage on a database, with sessions that can lapse."""
    sessions = DatabaseSessions(db)
    made = Storage(blob, DatabaseIndex(db), sessions, limits=SMALL)
    yield made
    made.close()
    sessions.close()
