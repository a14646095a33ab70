"""What a reader sees: the immutable content behind a commit or a file set, and all such content.

Used by `files`, `filesets` and the collector's wiring. Reads rows only.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from dassie.base.clock import to_micros
from dassie.errors import NotFound
from dassie.meta.transaction import Tx
from dassie.pfs import history, rows, tables
from dassie.pfs.model import DEFAULT_PROJECT, FILESETS, CommitKey, CommitRef, RepoKey
from dassie.storage.types import EMPTY_DIR, Dir

_WITH_CONTENT = (
    sa.select(tables.repos.c.project, tables.repos.c.name, tables.repos.c.type, tables.commits)
    .join(tables.repos, tables.repos.c.id == tables.commits.c.repo_id)
    .where(tables.commits.c.root_ref.is_not(None))
    .order_by(tables.commits.c.seq)
)
FILE_SETS_REPO = RepoKey(DEFAULT_PROJECT, FILESETS)


class FileSetNotFound(NotFound):
    def __init__(self, id_: str) -> None:
        super().__init__(f"file set {id_} not found: it may have expired")
        self.id = id_


@dataclass(frozen=True, slots=True)
class View:
    """A commit's content as one reader sees it: it does not change while it is read.

    committed: when the commit was finished; `None` for an open one and for a file set.
    """

    commit: CommitKey
    root: Dir
    committed: datetime | None


def view(tx: Tx, ref: CommitRef) -> View:
    """What a reader of `ref` sees in this snapshot: a commit, or a file set in disguise."""
    if ref.repo.name == FILESETS:
        id_ = ref.id or ref.branch
        return View(CommitKey(FILE_SETS_REPO, id_), file_set_root(tx, id_), None)
    return _of_commit(tx, history.locate(tx, ref))


def parent_view(tx: Tx, child: View) -> View:
    """The parent's content; nothing for a commit without one, and for a file set."""
    if child.commit.repo.name != FILESETS:
        parent = rows.find_commit(tx, child.commit.repo, child.commit.id).parent
        if parent is not None:
            return _of_commit(tx, rows.commit_at(tx, parent))
    return View(child.commit, EMPTY_DIR, None)


def _of_commit(tx: Tx, row: rows.Row) -> View:
    return View(rows.commit_key(row), history.content(tx, row), rows.moment(row.finishing_us))


def file_set_root(tx: Tx, id_: str) -> Dir:
    """The tree of a file set that has not expired."""
    row = tx.execute(_live(tx).where(tables.filesets.c.id == id_)).first()
    root = rows.tree(row) if row is not None else None
    if root is None:
        raise FileSetNotFound(id_)
    return root


def roots(tx: Tx) -> Iterator[Dir]:
    """Every tree that somebody may read: of all commits, and of file sets that are alive."""
    for _, root in named_roots(tx):
        yield root
    for row in tx.execute(_live(tx)):
        held = rows.tree(row)
        if held is not None:
            yield held


def named_roots(tx: Tx) -> Iterator[tuple[CommitKey, Dir]]:
    """The trees of all commits that have one, oldest first."""
    for row in tx.execute(_WITH_CONTENT).yield_per(rows.BATCH):
        root = rows.tree(row)
        if root is not None:
            yield CommitKey(RepoKey(row.project, row.name, row.type), row.set_id), root


def _live(tx: Tx) -> sa.Select[tuple[object, ...]]:
    return sa.select(tables.filesets).where(tables.filesets.c.expires_us > to_micros(tx.now))
