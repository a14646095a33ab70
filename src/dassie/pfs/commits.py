"""Commits: start, finish, clear, write, read, list. One per repo and commit set.

A user's commit goes from STARTED to FINISHED in one step: what is written is validated as it is
written, so nothing is left to do at the end. Commits on branches with provenance are made by
`propagate`, and finished by whoever computes their content.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from itertools import islice

import sqlalchemy as sa

from dassie.base.clock import to_micros
from dassie.errors import Aborted, InvalidArgument, NotFound
from dassie.meta.transaction import Tx
from dassie.pfs import history, rows, tables
from dassie.pfs.errors import (
    BranchHeadForeign,
    CommitFinished,
    CommitNotFinished,
    FinishedCannotClear,
    OutputBranch,
    OutputCommitOfPipeline,
    ParentNotFinished,
    ParentNotFound,
)
from dassie.pfs.model import (
    BranchKey,
    CommitInfo,
    CommitKey,
    CommitRef,
    Origin,
    RepoKey,
)
from dassie.pfs.refs import check_branch_name, spell
from dassie.pfs.rows import Row
from dassie.pfs.tables import commit_provenance
from dassie.pfs.transaction import GraphTx, NewCommit, tree_columns
from dassie.storage.types import Dir

_HAS_COMMIT_PROVENANCE = sa.select(
    sa.exists().where(commit_provenance.c.downstream == sa.bindparam("seq"))
)


def start(
    gtx: GraphTx,
    branch: BranchKey,
    parent: CommitRef | None = None,
    description: str = "",
    *,
    origin: Origin = Origin.USER,
    internal: bool = False,
) -> CommitKey:
    """Start a commit as the branch's new head; makes the branch when there is none.

    `parent` (default: the branch's head) must be finished, and so must the head. `internal`: also
    on a branch with provenance, whose commits nobody else may start.
    """
    check_branch_name(branch.name)
    place = rows.find_branch(gtx.tx, branch)
    if place.is_output and not internal:
        raise OutputBranch(branch)
    if place.id is not None and place.head_finishing_us is None:
        raise ParentNotFinished(CommitKey(branch.repo, place.head_set))
    above = _parent(gtx.tx, branch, place, parent)
    key = CommitKey(branch.repo, gtx.commit_set_id)
    new = NewCommit(
        repo_id=place.repo_id,
        branch=branch,
        parent=above,
        origin=origin,
        root=_start_content(gtx.tx, key, place, above),
        description=description,
    )
    [seq] = gtx.add_commits([new])
    if place.is_output:
        gtx.bare_heads.add(seq)
    if place.id is None:
        gtx.add_branch(place.repo_id, branch.name, seq)
    else:
        gtx.move_heads([(place.id, seq)])
    return key


def _parent(tx: Tx, branch: BranchKey, place: Row, parent: CommitRef | None) -> int | None:
    """Number of the commit to start from."""
    if parent is None or not (parent.id or parent.branch):
        head: int | None = place.head
        return head
    try:
        row = history.locate(tx, parent)
    except NotFound as error:
        raise ParentNotFound(spell(parent)) from error
    if row.repo_id != place.repo_id:
        raise BranchHeadForeign(branch, rows.commit_key(row))
    if row.finishing_us is None:
        raise ParentNotFinished(rows.commit_key(row))
    seq: int = row.seq
    return seq


def _start_content(tx: Tx, key: CommitKey, place: Row, parent: int | None) -> Dir:
    """What a new commit starts from; mostly the head that was just read."""
    if parent is not None and parent == place.head and not place.head_error:
        found = rows.tree(place)
        if found is not None:
            return found
    return history.base_content(tx, key, parent)


def finish(
    gtx: GraphTx,
    ref: CommitRef,
    *,
    description: str = "",
    error: str = "",
    force: bool = False,
    root: Dir | None = None,
    internal: bool = False,
) -> CommitKey:
    """Finish an open commit: from now on it never changes.

    `root`: its content, when whoever finishes it computed that; otherwise what was written into it,
    or what it is based on. `force` or `internal`: also an output commit of a pipeline, which is its
    job's to finish.
    """
    row = history.locate(gtx.tx, ref)
    key = rows.commit_key(row)
    if row.finishing_us is not None:
        raise CommitFinished(key)
    if row.owner_pipeline and not (force or internal) and _is_output(gtx.tx, row):
        raise OutputCommitOfPipeline(key, row.owner_pipeline)
    values: dict[str, object] = {
        "finishing_us": gtx.now_us,
        "finished_us": gtx.now_us,
        "error": error,
    }
    if description:
        values["description"] = description
    if root is None and row.root_hash is None and not error:
        root = history.base_content(gtx.tx, key, row.parent)
    if root is not None:
        values.update(tree_columns(root))
    gtx.tx.update(tables.commits, {"seq": row.seq}, values)
    gtx.tx.notify("commits")
    gtx.finished(key)
    return key


def _is_output(tx: Tx, row: Row) -> bool:
    return bool(tx.execute(_HAS_COMMIT_PROVENANCE, {"seq": row.seq}).scalar())


def set_root(gtx: GraphTx, key: CommitKey, root: Dir, expected: Dir) -> None:
    """Let an open commit have other content, if it still has `expected`: two streams into one
    commit must not undo one another."""
    row = _open_commit(gtx.tx, key)
    if history.content(gtx.tx, row) != expected:
        raise Aborted(f"commit {key} was changed by another writer at the same time")
    gtx.tx.update(tables.commits, {"seq": row.seq}, tree_columns(root))
    gtx.tx.notify("commits")


def _open_commit(tx: Tx, key: CommitKey) -> Row:
    row = history.locate(tx, CommitRef(key.repo, id=key.id))
    if row.finishing_us is not None:
        raise CommitFinished(key)
    return row


def clear(gtx: GraphTx, ref: CommitRef) -> None:
    """Drop everything that was written into an open commit."""
    row = history.locate(gtx.tx, ref)
    key = rows.commit_key(row)
    if row.finishing_us is not None:
        raise FinishedCannotClear(key)
    base = history.base_content(gtx.tx, key, row.parent)
    gtx.tx.update(tables.commits, {"seq": row.seq}, tree_columns(base))
    gtx.tx.notify("commits")


def resolve(tx: Tx, ref: CommitRef) -> CommitKey:
    """The commit that `ref` means."""
    return rows.commit_key(history.locate(tx, ref))


def inspect(tx: Tx, ref: CommitRef) -> CommitInfo:
    """Everything about the commit that `ref` means."""
    [info] = rows.commit_infos(tx, [history.locate(tx, ref).seq])
    return info


def content(tx: Tx, ref: CommitRef) -> tuple[CommitKey, Dir]:
    """The commit that `ref` means, and the tree that a read of it sees.

    An open commit shows what was written so far. Raises `BaseCommitNotFinished` when nothing was
    and its base is open too.
    """
    row = history.locate(tx, ref)
    return rows.commit_key(row), history.content(tx, row)


def finished_content(tx: Tx, ref: CommitRef) -> tuple[CommitKey, Dir]:
    """`content` for those who must not see a commit that may still change."""
    row = history.locate(tx, ref)
    if row.finished_us is None:
        raise CommitNotFinished(rows.commit_key(row))
    return rows.commit_key(row), history.content(tx, row)


def list_(
    tx: Tx,
    repo: RepoKey,
    *,
    from_: CommitRef | None = None,
    to: CommitRef | None = None,
    number: int = 0,
    reverse: bool = False,
    origin: Origin | None = None,
    started_before: datetime | None = None,
) -> Iterator[CommitInfo]:
    """Commits, newest first: all of the repo, or `to` and its ancestors down to (without) `from_`.

    `number` 0: all. `reverse`: oldest first, for whole repos only.
    """
    if from_ is not None and to is None:
        raise InvalidArgument("cannot list commits: `from` needs `to`")
    if to is not None and reverse:
        raise InvalidArgument("cannot list commits in reverse between `from` and `to`")
    repo_id = rows.require_repo(tx, repo).id
    before = None if started_before is None else to_micros(started_before)
    if to is None:
        numbers = _numbers(tx, repo_id, origin, before, reverse=reverse)
        if number:
            numbers = islice(numbers, number)
        return rows.commit_info_batches(tx, numbers)
    last = history.locate(tx, to).seq
    stop = None if from_ is None else history.locate(tx, from_).seq
    infos = _between(tx, last, stop, number)
    return (info for info in infos if _matches(info, origin, started_before))


def _numbers(
    tx: Tx, repo_id: int, origin: Origin | None, before: int | None, *, reverse: bool
) -> Iterator[int]:
    commits = tables.commits
    where = [commits.c.repo_id == repo_id]
    if origin is not None:
        where.append(commits.c.origin == int(origin))
    if before is not None:
        where.append(commits.c.started_us < before)
    order = commits.c.seq.asc() if reverse else commits.c.seq.desc()
    page = sa.select(commits.c.seq).where(*where).order_by(order).limit(rows.BATCH)
    last: int | None = None
    while True:
        query = page
        if last is not None:
            query = page.where(commits.c.seq > last if reverse else commits.c.seq < last)
        found = tx.execute(query).scalars().all()
        yield from found
        if len(found) < rows.BATCH:
            return
        last = found[-1]


def _between(tx: Tx, last: int, stop: int | None, number: int) -> Iterator[CommitInfo]:
    def numbers() -> Iterator[int]:
        for seq in history.ancestors(tx, last, number):
            if seq == stop:
                return
            yield seq

    return rows.commit_info_batches(tx, numbers())


def _matches(info: CommitInfo, origin: Origin | None, started_before: datetime | None) -> bool:
    if origin is not None and info.origin != origin:
        return False
    return started_before is None or info.started_at < started_before
