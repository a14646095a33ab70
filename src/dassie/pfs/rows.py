"""Rows of the version graph as records: every question takes a fixed number of statements.

Used by the modules of the nouns; returns rows or the records of `model`, decides nothing.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa

from dassie.base.clock import from_micros
from dassie.meta.transaction import Tx
from dassie.pfs.errors import RepoNotFound
from dassie.pfs.model import (
    BranchKey,
    CommitInfo,
    CommitKey,
    CommitState,
    Origin,
    RepoKey,
)
from dassie.pfs.tables import (
    branch_provenance,
    branches,
    commit_provenance,
    commits,
    repos,
)
from dassie.storage.types import Dir

BATCH: Final = 500
"""Rows looked up by one statement when a listing is long."""

Row = sa.Row[Any]

_KEY = (repos.c.project, repos.c.name.label("repo"), repos.c.type)
_THIS_REPO = sa.and_(
    repos.c.project == sa.bindparam("project"),
    repos.c.name == sa.bindparam("repo"),
    repos.c.type == sa.bindparam("type"),
)
_seqs: sa.BindParameter[Any] = sa.bindparam("seqs", expanding=True)


def key_params(repo: RepoKey) -> dict[str, str]:
    """Parameters that name a repo."""
    return {"project": repo.project, "repo": repo.name, "type": repo.type}


def repo_key(row: Row) -> RepoKey:
    """The repo that a joined row names."""
    return RepoKey(row.project, row.repo, row.type)


def moment(us: int | None) -> datetime | None:
    return None if us is None else from_micros(us)


def details(text: str) -> Mapping[str, str]:
    """A `metadata` column."""
    found: dict[str, str] = json.loads(text)
    return found


def tree(row: Row) -> Dir | None:
    """The `Dir` in a row's columns."""
    if row.root_hash is None:
        return None
    ref = None if row.root_ref is None else bytes(row.root_ref)
    return Dir(bytes(row.root_hash), ref, row.root_size, row.root_files)


# -- repos -----------------------------------------------------------------------------------------

_REPO = sa.select(repos, *_KEY[1:2]).where(_THIS_REPO)


def find_repo(tx: Tx, key: RepoKey) -> Row | None:
    """The row of a repo."""
    return tx.execute(_REPO, key_params(key)).first()


def require_repo(tx: Tx, key: RepoKey) -> Row:
    """The row of a repo that must exist."""
    row = find_repo(tx, key)
    if row is None:
        raise RepoNotFound(key)
    return row


# -- branches --------------------------------------------------------------------------------------

_head = commits.alias("head")
_BRANCH = (
    sa.select(
        *_KEY,
        repos.c.id.label("repo_id"),
        repos.c.owner_pipeline,
        branches.c.id,
        branches.c.name,
        branches.c.head,
        _head.c.set_id.label("head_set"),
        _head.c.finishing_us.label("head_finishing_us"),
        _head.c.error.label("head_error"),
        _head.c.root_hash,
        _head.c.root_ref,
        _head.c.root_size,
        _head.c.root_files,
        sa.exists()
        .where(branch_provenance.c.downstream == branches.c.id)
        .correlate(branches)
        .label("is_output"),
    )
    .select_from(repos)
    .join(
        branches,
        sa.and_(branches.c.repo_id == repos.c.id, branches.c.name == sa.bindparam("branch")),
        isouter=True,
    )
    .join(_head, _head.c.seq == branches.c.head, isouter=True)
    .where(_THIS_REPO)
)


def find_branch(tx: Tx, key: BranchKey) -> Row:
    """The repo, the branch and its head in one row; `id` is null when there is no such branch.
    The repo must exist."""
    row = tx.execute(_BRANCH, {**key_params(key.repo), "branch": key.name}).first()
    if row is None:
        raise RepoNotFound(key.repo)
    return row


# -- commits ---------------------------------------------------------------------------------------

_COMMIT = (
    sa.select(*_KEY, repos.c.id.label("repo_number"), repos.c.owner_pipeline, commits)
    .select_from(repos)
    .join(
        commits,
        sa.and_(commits.c.repo_id == repos.c.id, commits.c.set_id == sa.bindparam("id")),
        isouter=True,
    )
    .where(_THIS_REPO)
)

_parent = commits.alias("parent_commit")
_INFO = (
    sa.select(*_KEY, commits, _parent.c.set_id.label("parent_set"))
    .select_from(commits)
    .join(repos, repos.c.id == commits.c.repo_id)
    .join(_parent, _parent.c.seq == commits.c.parent, isouter=True)
    .where(commits.c.seq.in_(_seqs))
)
_CHILDREN = (
    sa.select(commits.c.parent, commits.c.set_id)
    .where(commits.c.parent.in_(_seqs))
    .order_by(commits.c.seq)
)
_BY_SEQ = (
    sa.select(*_KEY, commits, repos.c.owner_pipeline)
    .join(repos, repos.c.id == commits.c.repo_id)
    .where(commits.c.seq == sa.bindparam("seq"))
)


def _edges(near: str, far: str) -> sa.Select[Any]:
    """Provenance edges at the commits `seqs`: the near end's number, the far end's key."""
    ends = commit_provenance.c
    return (
        sa.select(ends[near].label("near"), commits.c.set_id, commits.c.finished_us, *_KEY)
        .select_from(commit_provenance)
        .join(commits, commits.c.seq == ends[far])
        .join(repos, repos.c.id == commits.c.repo_id)
        .where(ends[near].in_(_seqs))
        .order_by(ends[far])
    )


_PROVENANCE = _edges("downstream", "upstream")
_SUBVENANCE = _edges("upstream", "downstream")


def find_commit(tx: Tx, repo: RepoKey, set_id: str) -> Row:
    """The repo and its commit of a set in one row; `seq` is null when there is none. The repo must
    exist."""
    row = tx.execute(_COMMIT, {**key_params(repo), "id": set_id}).first()
    if row is None:
        raise RepoNotFound(repo)
    return row


def commit_at(tx: Tx, seq: int) -> Row:
    """A commit by its number."""
    return tx.execute(_BY_SEQ, {"seq": seq}).one()


def commit_key(row: Row) -> CommitKey:
    return CommitKey(repo_key(row), row.set_id)


def commit_infos(tx: Tx, seqs: Sequence[int]) -> list[CommitInfo]:
    """Records of commits, in the order of their numbers in `seqs`."""
    if not seqs:
        return []
    params = {"seqs": list(seqs)}
    rows = {row.seq: row for row in tx.execute(_INFO, params)}
    children: dict[int, list[str]] = defaultdict(list)
    for child in tx.execute(_CHILDREN, params):
        children[child.parent].append(child.set_id)
    upstream = _ends(tx.execute(_PROVENANCE, params))
    downstream = _ends(tx.execute(_SUBVENANCE, params))
    return [
        _commit_info(rows[seq], children[seq], upstream[seq], downstream[seq])
        for seq in seqs
        if seq in rows
    ]


def commit_info_batches(tx: Tx, seqs: Iterable[int]) -> Iterator[CommitInfo]:
    """`commit_infos` for long listings."""
    batch: list[int] = []
    for seq in seqs:
        batch.append(seq)
        if len(batch) == BATCH:
            yield from commit_infos(tx, batch)
            batch = []
    yield from commit_infos(tx, batch)


def _ends(rows: Iterable[Row]) -> dict[int, list[tuple[CommitKey, bool]]]:
    found: dict[int, list[tuple[CommitKey, bool]]] = defaultdict(list)
    for row in rows:
        found[row.near].append((commit_key(row), row.finished_us is not None))
    return found


def _commit_info(
    row: Row,
    children: Sequence[str],
    upstream: Sequence[tuple[CommitKey, bool]],
    downstream: Sequence[tuple[CommitKey, bool]],
) -> CommitInfo:
    key = commit_key(row)
    return CommitInfo(
        key=key,
        branch=row.branch,
        origin=Origin(row.origin),
        state=commit_state(row, ready=all(finished for _, finished in upstream)),
        description=row.description,
        parent=None if row.parent is None else CommitKey(key.repo, row.parent_set),
        children=tuple(CommitKey(key.repo, child) for child in children),
        started_at=from_micros(row.started_us),
        finishing_at=moment(row.finishing_us),
        finished_at=moment(row.finished_us),
        direct_provenance=tuple(end for end, _ in upstream),
        direct_subvenance=tuple(end for end, _ in downstream),
        error=row.error,
        root=tree(row),
        created_by=row.created_by,
        metadata=details(row.metadata),
    )


def commit_state(row: Row, *, ready: bool) -> CommitState:
    """What the stored instants say; READY is derived: all provenance is finished."""
    if row.finished_us is not None:
        return CommitState.FINISHED
    if row.finishing_us is not None:
        return CommitState.FINISHING
    return CommitState.READY if ready else CommitState.STARTED
