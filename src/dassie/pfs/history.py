"""From what a caller wrote to the commit that is meant, and from a commit to what it stands on.

Everything that walks parents or commit provenance in SQL is here. Used by `commits`, `branches`,
`commitsets`; reads only.
"""

from __future__ import annotations

from collections.abc import Iterator

import sqlalchemy as sa

from dassie.base.ids import is_commit_set_id
from dassie.meta.transaction import Tx
from dassie.pfs import rows
from dassie.pfs.errors import (
    AncestorNotFound,
    BaseCommitNotFinished,
    BranchNotFound,
    CommitNotFound,
)
from dassie.pfs.model import BranchKey, CommitKey, CommitRef
from dassie.pfs.refs import Ancestry, parse_ancestry, spell
from dassie.pfs.rows import Row
from dassie.pfs.tables import commit_provenance, commits
from dassie.storage.types import EMPTY_DIR, Dir

_above = commits.alias("above")
_ancestors = (
    sa.select(
        commits.c.seq,
        commits.c.parent,
    )
    .where(commits.c.seq == sa.bindparam("seq"))
    .cte("ancestors", recursive=True)
)
_ancestors = _ancestors.union_all(
    sa.select(_above.c.seq, _above.c.parent).join(_ancestors, _above.c.seq == _ancestors.c.parent)
)
_LENGTH = sa.select(sa.func.count()).select_from(_ancestors)
_CHAIN = (
    sa.select(_ancestors.c.seq, _ancestors.c.parent)
    .limit(sa.bindparam("count"))
    .offset(sa.bindparam("skip"))
)

# An errored commit is transparent: go on to its parent until one is not errored.
_stop = commits.alias("stop")
_base = (
    sa.select(commits.c.seq, commits.c.parent, commits.c.error)
    .where(commits.c.seq == sa.bindparam("seq"))
    .cte("base", recursive=True)
)
_base = _base.union_all(
    sa.select(_stop.c.seq, _stop.c.parent, _stop.c.error)
    .join(_base, _stop.c.seq == _base.c.parent)
    .where(_base.c.error != "")
)
_BASE = sa.select(commits).join(_base, _base.c.seq == commits.c.seq).where(_base.c.error == "")

_cover = (
    sa.select(commits.c.seq)
    .where(commits.c.set_id == sa.bindparam("id"))
    .cte("cover", recursive=True)
)
_cover = _cover.union(
    sa.select(commit_provenance.c.upstream).join(
        _cover, commit_provenance.c.downstream == _cover.c.seq
    )
)
_COVER = sa.select(_cover.c.seq).order_by(_cover.c.seq)
_COVER_OF_REPO = (
    sa.select(commits.c.seq)
    .join(_cover, _cover.c.seq == commits.c.seq)
    .where(commits.c.repo_id == sa.bindparam("repo_id"))
    .order_by(commits.c.seq.desc())
    .limit(1)
)


def locate(tx: Tx, ref: CommitRef) -> Row:
    """The commit that `ref` means: by id or branch, through the provenance of a set that has no
    commit in this repo, then along the ancestry suffix."""
    wanted = parse_ancestry(ref.id or ref.branch)
    row = _locate_name(tx, ref, wanted.name)
    if wanted.nth is None and not wanted.up:
        return row
    return _locate_ancestor(tx, ref, row, wanted)


def _locate_name(tx: Tx, ref: CommitRef, name: str) -> Row:
    if not name:
        rows.require_repo(tx, ref.repo)
        raise CommitNotFound(spell(ref))
    if not is_commit_set_id(name):
        branch = rows.find_branch(tx, BranchKey(ref.repo, name))
        if branch.id is None:
            raise BranchNotFound(BranchKey(ref.repo, name))
        return rows.commit_at(tx, branch.head)
    row = rows.find_commit(tx, ref.repo, name)
    if row.seq is not None:
        return row
    # The set may cover the repo by an older commit that its commits depend on.
    seq = tx.execute(_COVER_OF_REPO, {"id": name, "repo_id": row.repo_number}).scalar()
    if seq is None:
        raise CommitNotFound(CommitKey(ref.repo, name))
    return rows.commit_at(tx, seq)


def _locate_ancestor(tx: Tx, ref: CommitRef, start: Row, wanted: Ancestry) -> Row:
    depth = wanted.up
    if wanted.nth is not None:
        length: int = tx.execute(_LENGTH, {"seq": start.seq}).scalar_one()
        depth += length - wanted.nth
        if wanted.nth > length:
            raise AncestorNotFound(spell(ref), rows.commit_key(start), length)
    # The recursion yields one row per step up; the database stops at the one that is wanted.
    found = tx.execute(_CHAIN, {"seq": start.seq, "count": 1, "skip": depth}).first()
    if found is None:
        length = tx.execute(_LENGTH, {"seq": start.seq}).scalar_one()
        raise AncestorNotFound(spell(ref), rows.commit_key(start), length)
    return rows.commit_at(tx, found.seq)


def ancestors(tx: Tx, seq: int, limit: int = 0) -> Iterator[int]:
    """Numbers of a commit and its ancestors, newest first; read in batches as they are wanted."""
    next_seq: int | None = seq
    left = limit or None
    while next_seq is not None and left != 0:
        count = rows.BATCH if left is None else min(left, rows.BATCH)
        batch = tx.execute(_CHAIN, {"seq": next_seq, "count": count, "skip": 0}).all()
        yield from (row.seq for row in batch)
        next_seq = batch[-1].parent
        left = None if left is None else left - len(batch)


def base_content(tx: Tx, commit: CommitKey, parent: int | None) -> Dir:
    """Content that a commit starts from: that of its nearest ancestor without an error."""
    if parent is None:
        return EMPTY_DIR
    row = tx.execute(_BASE, {"seq": parent}).first()
    if row is None:
        return EMPTY_DIR
    if row.finished_us is None:
        raise BaseCommitNotFinished(commit, CommitKey(commit.repo, row.set_id))
    return rows.tree(row) or EMPTY_DIR


def content(tx: Tx, row: Row) -> Dir:
    """What a read of the commit sees: its own tree, or its base while it has none."""
    own = rows.tree(row)
    if own is not None:
        return own
    return base_content(tx, rows.commit_key(row), row.parent)


def cover(tx: Tx, set_id: str) -> list[int]:
    """Numbers of the commits of a set and of all they depend on."""
    return list(tx.execute(_COVER, {"id": set_id}).scalars())
