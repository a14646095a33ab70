"""Storage on a memory store, with a memory index or a real database."""

from __future__ import annotations

from datetime import timedelta

import pytest

from dassie.base.clock import ManualClock
from dassie.blob.drivers.memory import MemoryStore
from dassie.storage.index import DatabaseIndex
from dassie.storage.lease import HeldSession
from dassie.storage.limits import Limits
from dassie.storage.sessions import DatabaseSessions
from dassie.storage.store import Storage

SMALL = Limits(
    pack_bytes=64 << 10,
    pack_chunks=200,
    record_chunks=300,
    buffer_bytes=4 << 20,
    probe_chunks=50,
    probe_bytes=1 << 20,
    cache_bytes=1 << 20,
    read_bytes=64 << 10,
    read_gap=100,
    edit_batch=1000,
)


class MemoryIndex:
    """A `ChunkIndex` in a dict, and what was asked of it."""

    def __init__(self):
        self.chunks = {}
        self.packs = {}
        self.finds = 0

    def find(self, hashes):
        self.finds += 1
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
def clock(db):
    """The database's clock, by hand."""
    db.clock = ManualClock()
    return db.clock


@pytest.fixture
def durable(db, clock):
    """Storage on a database, with real sessions; time goes by hand."""
    sessions = DatabaseSessions(db, ttl=timedelta(hours=1))
    blob = MemoryStore(now=lambda: clock.now().timestamp())
    made = Storage(blob, DatabaseIndex(db), sessions, limits=SMALL)
    made.sessions = sessions
    yield made
    made.close()
    sessions.close()
