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
            root = apply(modification.edits, EMPTY_DIR, upload, storage.tree)
            id_ = self._store(root, ttl_s, upload)
            modification.commit, modification.root = CommitKey(FILE_SETS_REPO, id_), root

    def get(self, ref: CommitRef, *, diff: bool = False, ttl_s: int = DEFAULT_TTL_S) -> str:
        """The content of a commit as a file set; with `diff`, the files it added or changed."""
        with self._files.storage.session() as upload:
            root = self._changed(ref, upload) if diff else self._files.view(ref).root
            return self._store(root, ttl_s, upload)

    def add(self, ref: CommitRef, id_: str) -> None:
        """Put the files of a set into an open commit, over what is there."""
        with self._files.modify(ref, open_only=True) as modification:
            with self._db.read() as tx:
                root = file_set_root(tx, id_)
            modification.edits.graft("/", root)

    def renew(self, id_: str, ttl_s: int) -> None:
        """Let a set live for `ttl_s` more seconds from now."""
        check_ttl(ttl_s)
        with self._db.write() as tx:
            file_set_root(tx, id_)
            expires = to_micros(tx.now + timedelta(seconds=ttl_s))
            tx.execute(sa.update(filesets).where(filesets.c.id == id_).values(expires_us=expires))

    def compose(self, ids: Sequence[str], ttl_s: int = DEFAULT_TTL_S) -> str:
        """A set of all files of those sets; where two have a path, the later one counts."""
        storage, edits = self._files.storage, EditBuffer()
        with storage.session() as upload:
            with self._db.read() as tx:
                for id_ in ids:
                    edits.graft("/", file_set_root(tx, id_))
            root = apply(edits, EMPTY_DIR, upload, storage.tree)
            return self._store(root, ttl_s, upload)

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

    def _changed(self, ref: CommitRef, upload: Upload) -> Dir:
        edits = EditBuffer()
        for _, new in self._files.diff(ref, "/"):
            if new is not None and not isinstance(new.entry.node, Dir):
                edits.add(new.entry.path, new.entry.node)
        return apply(edits, EMPTY_DIR, upload, self._files.storage.tree)

    def _store(self, root: Dir, ttl_s: int, upload: Upload) -> str:
        check_ttl(ttl_s)
        upload.flush()
        id_ = new_id()
        with self._db.write() as tx:
            upload.publish(tx)
            expires = to_micros(tx.now + timedelta(seconds=ttl_s))
            row = {"id": id_, **tree_columns(root), "expires_us": expires}
            tx.execute(sa.insert(filesets).values(row))
            tx.notify("filesets")
        return id_


def check_ttl(ttl_s: int) -> None:
    """Refuse times to live that Pachyderm refuses."""
    if not MIN_TTL_S <= ttl_s <= MAX_TTL_S:
        raise InvalidArgument(
            f"ttl of {ttl_s} s is not allowed: it must be between {MIN_TTL_S} s and {MAX_TTL_S} s"
        )
