"""A server's parts over a store whose requests are counted. No process, no door."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from dassie.blob.api import BlobStore
from dassie.blob.drivers.memory import MemoryStore
from dassie.blob.wrappers.base import Wrapper
from dassie.blob.wrappers.blocks import MemoryShelf
from dassie.blob.wrappers.cache import CachedStore
from dassie.blob.wrappers.disk import DiskShelf
from dassie.blob.wrappers.faulty import FaultyStore
from dassie.meta.database import Database
from dassie.meta.journal import Journal
from dassie.pfs import repos
from dassie.pfs.files import Files
from dassie.pfs.graph import Graph
from dassie.pfs.model import CommitRef, RepoKey
from dassie.storage.index import DatabaseIndex
from dassie.storage.limits import Limits
from dassie.storage.sessions import DatabaseSessions
from dassie.storage.store import Storage

MIB = 1 << 20
REPO = RepoKey("default", "data")
MASTER = CommitRef(REPO, branch="master")


class Counted(FaultyStore):
    """A store that knows what was asked of it; keys by their first element."""

    def __init__(self, inner: BlobStore | None = None) -> None:
        super().__init__(inner or MemoryStore())

    def count(self) -> Counter[tuple[str, str]]:
        """Calls since the last time this was asked."""
        found = Counter((call.method, call.key.split("/")[0]) for call in self.calls)
        self.calls.clear()
        return found


class Setting:
    """Repository `data` on a remote store. `fresh()` forgets all that was read."""

    def __init__(self, blob: BlobStore, folder: Path) -> None:
        self._blob = blob
        self._cache = folder / "cache"
        self.db = Database.open(f"sqlite:///{folder}/meta.db")
        self.db.create_tables()
        self._sessions = DatabaseSessions(self.db)
        self._journal = Journal(self.db, blob)
        self._graph = Graph(self.db, self.db.clock, journal=self._journal)
        self._open()
        with self._graph.transaction() as gtx:
            repos.create(gtx, REPO)

    def _open(self) -> None:
        shelves = [MemoryShelf(64 * MIB), DiskShelf(str(self._cache), 1024 * MIB)]
        self.cached: Wrapper = CachedStore(self._blob, shelves)
        self.storage = Storage(
            self.cached, DatabaseIndex(self.db), self._sessions, limits=Limits.remote(16)
        )
        self.files = Files(self._graph, self.storage)

    def fresh(self, *, keep_disk: bool = False) -> None:
        self.storage.close()
        if not keep_disk:
            shutil.rmtree(self._cache, ignore_errors=True)
        self._open()

    def put(self, files: Iterable[tuple[str, bytes]]) -> None:
        """All in one commit; they replace what was there."""
        with self.files.modify(MASTER) as modification:
            for path, data in files:
                modification.delete(path)
                modification.add(path, data)

    def tar_bytes(self) -> int:
        return sum(map(len, self.files.tar(MASTER, "/")))

    def packs(self) -> int:
        return sum(1 for _ in self._blob.list("pack/"))

    def close(self) -> None:
        self.storage.close()
        self._journal.close()
        self._sessions.close()
        self.db.close()


@contextmanager
def setting(blob: BlobStore, folder: Path) -> Iterator[Setting]:
    made = Setting(blob, folder)
    try:
        yield made
    finally:
        made.close()
