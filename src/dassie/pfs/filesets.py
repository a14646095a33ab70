"""File sets: trees without a commit, that live for a while. Called by doors and, to read, `files`.

A file set is addressed as commit `default/__filesets__@<id>` wherever a commit is read (`views`);
its id is all one needs to use it. It expires unless it is renewed; `sweep` forgets expired ones,
and the collector then frees what they held.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta

import sqlalchemy as sa

from dassie.base.clock import to_micros
from dassie.base.ids import new_id
from dassie.errors import InvalidArgument
from dassie.meta.database import Database
from dassie.pfs.applying import apply
from dassie.pfs.edits import EditBuffer
from dassie.pfs.files import Files
from dassie.pfs.model import CommitKey, CommitRef
from dassie.pfs.modification import Modification
from dassie.pfs.overlay import Overlay, overlay
from dassie.pfs.reading import PathRange
from dassie.pfs.tables import filesets
from dassie.pfs.transaction import tree_columns
from dassie.pfs.views import FILE_SETS_REPO, file_set_root
from dassie.storage.types import EMPTY_DIR, Dir
from dassie.storage.upload import Upload

DEFAULT_TTL_S = 600
MIN_TTL_S, MAX_TTL_S = 1, 1800


class FileSets:
    """Thread-safe."""

    def __init__(self, db: Database, files: Files) -> None:
        self._db = db
        self._files = files

    @contextmanager
    def create(self, ttl_s: int = DEFAULT_TTL_S) -> Iterator[Modification]:
        """Make a file set of what is added in the block; its `commit.id` is the set's id then."""
        check_ttl(ttl_s)
        storage = self._files.storage
        with storage.session() as upload:
            modification = Modification(storage, upload, self._files.finished_view)
            yield modification
            modification.close()
            made = self._made(modification.edits, upload)
            id_ = self._store(made, ttl_s, upload)
            modification.commit, modification.root = CommitKey(FILE_SETS_REPO, id_), made.root

    def get(self, ref: CommitRef, *, diff: bool = False, ttl_s: int = DEFAULT_TTL_S) -> str:
        """The content of a commit as a file set; with `diff`, what it did to its parent's."""
        with self._files.storage.session() as upload:
            if diff:
                return self._store(self._made(self._difference(ref), upload), ttl_s, upload)
            return self._store(Overlay(self._files.view(ref).root), ttl_s, upload)

    def add(self, ref: CommitRef, id_: str) -> None:
        """Do to an open commit what was done to make the set: put, append, delete."""
        with self._files.modify(ref, open_only=True) as modification:
            self._overlay(id_).replay(modification.edits, self._files.storage.tree)

    def renew(self, id_: str, ttl_s: int) -> None:
        """Let a set live for `ttl_s` more seconds from now."""
        check_ttl(ttl_s)
        with self._db.write() as tx:
            file_set_root(tx, id_)
            expires = to_micros(tx.now + timedelta(seconds=ttl_s))
            tx.execute(sa.update(filesets).where(filesets.c.id == id_).values(expires_us=expires))

    def compose(self, ids: Sequence[str], ttl_s: int = DEFAULT_TTL_S) -> str:
        """A set that does what those sets do, one after the other."""
        edits = EditBuffer()
        with self._files.storage.session() as upload:
            for id_ in ids:
                self._overlay(id_).replay(edits, self._files.storage.tree)
            return self._store(self._made(edits, upload), ttl_s, upload)

    def shard(self, id_: str, num_files: int = 0, size_bytes: int = 0) -> list[PathRange]:
        """Ranges of paths that cover the set, none with more files or bytes than asked for, except
        that one file may be larger. 0: no limit."""
        if num_files < 0 or size_bytes < 0:
            raise InvalidArgument("num_files and size_bytes must not be negative")
        with self._db.read() as tx:
            root = file_set_root(tx, id_)
        bounds, files, size = [""], 0, 0
        for entry in self._files.storage.tree.walk(root, "/", dirs=False):
            too_many = num_files and files >= num_files
            too_big = size_bytes and files and size + entry.size > size_bytes
            if too_many or too_big:
                bounds.append(entry.path)
                files, size = 0, 0
            files += 1
            size += entry.size
        uppers = [*bounds[1:], ""]
        return [PathRange(lower, upper) for lower, upper in zip(bounds, uppers, strict=True)]

    def sweep(self) -> int:
        """Forget expired sets; how many there were."""
        with self._db.write() as tx:
            expired = filesets.c.expires_us <= to_micros(tx.now)
            return tx.execute(sa.delete(filesets).where(expired)).rowcount

    def _overlay(self, id_: str) -> Overlay:
        with self._db.read() as tx:
            root = file_set_root(tx, id_)
            effects = tx.execute(sa.select(filesets.c.effects).where(filesets.c.id == id_))
            return Overlay.parse(root, effects.scalar_one())

    def _made(self, edits: EditBuffer, upload: Upload) -> Overlay:
        return overlay(edits, apply(edits, EMPTY_DIR, upload), upload.tree)

    def _difference(self, ref: CommitRef) -> EditBuffer:
        edits = EditBuffer()
        for old, new in self._files.diff(ref, "/"):
            if new is not None and not isinstance(new.entry.node, Dir):
                edits.put([new.entry.path], [new.entry.node])
            elif new is None and old is not None and not isinstance(old.entry.node, Dir):
                edits.delete(old.entry.path)
        return edits

    def _store(self, made: Overlay, ttl_s: int, upload: Upload) -> str:
        check_ttl(ttl_s)
        upload.flush()
        id_ = new_id()
        with self._db.write() as tx:
            upload.publish(tx)
            expires = to_micros(tx.now + timedelta(seconds=ttl_s))
            row = {"id": id_, "effects": made.effects, "expires_us": expires}
            tx.execute(sa.insert(filesets).values(row | tree_columns(made.root)))
            tx.notify("filesets")
        return id_


def check_ttl(ttl_s: int) -> None:
    """Refuse times to live that Pachyderm refuses."""
    if not MIN_TTL_S <= ttl_s <= MAX_TTL_S:
        raise InvalidArgument(
            f"ttl of {ttl_s} s is not allowed: it must be between {MIN_TTL_S} s and {MAX_TTL_S} s"
        )
