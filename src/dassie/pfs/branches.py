"""Branches: names for heads, and the provenance along which commits propagate."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from itertools import islice
from typing import Any

import sqlalchemy as sa

from dassie.base.clock import from_micros
from dassie.errors import InvalidArgument
from dassie.meta.transaction import Tx
from dassie.pfs import history, rows, tables
from dassie.pfs.errors import (
    BranchHeadForeign,
    BranchInProvenance,
    BranchNotFound,
    BranchOwned,
    OwnProvenance,
)
from dassie.pfs.model import BranchInfo, BranchKey, CommitKey, CommitRef, Origin, RepoKey
from dassie.pfs.propagate import branch_keys
from dassie.pfs.provenance import Dag, breadth_first
from dassie.pfs.refs import check_branch_name
from dassie.pfs.rows import Row
from dassie.pfs.transaction import GraphTx, NewCommit
from dassie.storage.types import EMPTY_DIR

_edge = tables.branch_provenance
_ids: sa.BindParameter[Any] = sa.bindparam("ids", expanding=True)

_EDGES_OF = sa.select(_edge.c.upstream, _edge.c.never).where(
    _edge.c.downstream == sa.bindparam("branch")
)
_DEPENDENTS = (
    sa.select(_edge.c.downstream, tables.branches.c.repo_id)
    .join(tables.branches, tables.branches.c.id == _edge.c.downstream)
    .where(_edge.c.upstream.in_(_ids))
    .distinct()
)
_BRANCHES = (
    sa.select(
        tables.branches,
        tables.commits.c.set_id,
        tables.repos.c.project,
        tables.repos.c.name.label("repo"),
        tables.repos.c.type,
    )
    .join(tables.commits, tables.commits.c.seq == tables.branches.c.head)
    .join(tables.repos, tables.repos.c.id == tables.branches.c.repo_id)
)
_BY_ID = _BRANCHES.where(tables.branches.c.id.in_(_ids))
_IN_REPO = _BRANCHES.where(tables.branches.c.repo_id == sa.bindparam("repo_id"))


def _closure(near: str, far: str) -> sa.Select[Any]:
    """Edges that are reached from the branches `ids` in one direction."""
    start = sa.select(tables.branches.c.id).where(tables.branches.c.id.in_(_ids))
    reached = start.cte(f"reached_{far}", recursive=True)
    reached = reached.union(sa.select(_edge.c[far]).join(reached, _edge.c[near] == reached.c.id))
    return sa.select(_edge).join(reached, _edge.c[near] == reached.c.id)


_ABOVE = _closure("downstream", "upstream")
_BELOW = _closure("upstream", "downstream")


def create(
    gtx: GraphTx,
    key: BranchKey,
    *,
    head: CommitRef | None = None,
    provenance: Sequence[BranchKey] | None = None,
    never: Collection[BranchKey] = frozenset(),
    new_commit_set: bool = False,
    internal: bool = False,
) -> None:
    """Make a branch, or move the head or replace the provenance of an existing one.

    `provenance` is what it has afterwards (`None`: what it had); commits do not propagate along the
    edges to branches in `never`. Without a head a new branch gets an empty commit; a new provenance
    that is not empty brings a new open commit. What a moved head sets off joins the head's commit
    set, unless `new_commit_set`. `internal`: by the pipeline that owns the repo, which alone may
    say what branches there depend on, since only its jobs finish their commits.
    """
    check_branch_name(key.name)
    place = rows.find_branch(gtx.tx, key)
    wanted = None
    if provenance is not None:
        wanted = _provenance(gtx, key, provenance, never)
    target = _head(gtx.tx, key, place, head)
    had = {} if place.id is None else _edges(gtx.tx, place.id)
    rewire = wanted is not None and wanted != had
    if rewire and place.owner_pipeline and not internal:
        raise BranchOwned(key, place.owner_pipeline, "change the provenance of")
    branch_id: int | None = place.id
    if target is not None:
        branch_id = _point(gtx, key, place, target.seq)
        if not new_commit_set and not rewire:
            gtx.prefer_commit_set(target.set_id)
    if branch_id is None:
        branch_id = _start(gtx, key, place.repo_id, has_provenance=bool(wanted))
    if wanted is not None and rewire:
        _rewire(gtx, branch_id, wanted)
    gtx.tx.notify("branches")


def _provenance(
    gtx: GraphTx, key: BranchKey, provenance: Sequence[BranchKey], never: Collection[BranchKey]
) -> dict[int, bool]:
    """Number of each branch → whether never to propagate; branches that are missing are made."""
    stray = [branch for branch in never if branch not in provenance]
    if stray:
        raise InvalidArgument(f"branch {stray[0]} is not in the provenance of branch {key}")
    wanted: dict[int, bool] = {}
    for branch in provenance:
        if branch.repo == key.repo:
            raise OwnProvenance(key)
        place = rows.find_branch(gtx.tx, branch)
        number: int | None = place.id
        if number is None:
            check_branch_name(branch.name)
            number = _start(gtx, branch, place.repo_id, has_provenance=False)
        wanted[number] = branch in never
    return wanted


def _head(tx: Tx, key: BranchKey, place: Row, head: CommitRef | None) -> Row | None:
    if head is None or not (head.id or head.branch):
        return None
    row = history.locate(tx, head)
    if row.repo_id != place.repo_id:
        raise BranchHeadForeign(key, rows.commit_key(row))
    return row


def _point(gtx: GraphTx, key: BranchKey, place: Row, head: int) -> int:
    """Let the branch (new or not) have this head; its number."""
    if place.id is None:
        return gtx.add_branch(place.repo_id, key.name, head)
    number: int = place.id
    if place.head != head:
        gtx.move_heads([(number, head)])
    return number


def _start(gtx: GraphTx, key: BranchKey, repo_id: int, *, has_provenance: bool) -> int:
    """A new branch with an empty commit: finished, or open when it is to get its provenance at the
    end of the transaction."""
    new = NewCommit(
        repo_id=repo_id,
        branch=key,
        parent=None,
        origin=Origin.AUTO,
        root=None if has_provenance else EMPTY_DIR,
        finished=not has_provenance,
    )
    [seq] = gtx.add_commits([new])
    if has_provenance:
        gtx.bare_heads.add(seq)
    return gtx.add_branch(repo_id, key.name, seq)


def _rewire(gtx: GraphTx, branch_id: int, wanted: dict[int, bool]) -> None:
    gtx.tx.delete(_edge, {"downstream": branch_id})
    edges = [
        {"downstream": branch_id, "upstream": upstream, "never": never}
        for upstream, never in wanted.items()
    ]
    gtx.tx.insert_many(_edge, edges)
    # Losing all provenance changes nothing downstream, and makes no commit.
    if wanted:
        gtx.rewired_branches.add(branch_id)


def _edges(tx: Tx, branch_id: int) -> dict[int, bool]:
    return {row.upstream: row.never for row in tx.execute(_EDGES_OF, {"branch": branch_id})}


def inspect(tx: Tx, key: BranchKey) -> BranchInfo:
    """One branch."""
    [info] = _infos(tx, [_require(tx, key)])
    return info


def list_(tx: Tx, repo: RepoKey, reverse: bool = False) -> list[BranchInfo]:
    """Branches of a repo, the last made first."""
    order = tables.branches.c.id.asc() if reverse else tables.branches.c.id.desc()
    repo_id = rows.require_repo(tx, repo).id
    return _infos(tx, tx.execute(_IN_REPO.order_by(order), {"repo_id": repo_id}).all())


def delete(gtx: GraphTx, key: BranchKey, force: bool = False) -> None:
    """Remove a branch; its commits stay. Only `force` removes one that others depend on; what a
    running pipeline writes to stays in any case, or its commits would wait for ever."""
    place = rows.find_branch(gtx.tx, key)
    if place.owner_pipeline and place.is_output:
        raise BranchOwned(key, place.owner_pipeline, "delete")
    row = _require(gtx.tx, key)
    if not force:
        check_deletable(gtx.tx, [row.id])
    # Edges in both directions cascade.
    gtx.tx.delete(tables.branches, {"id": row.id})
    gtx.rewired_branches.discard(row.id)
    gtx.tx.notify("branches")


def check_deletable(tx: Tx, ids: Sequence[int], *, within: Collection[int] = ()) -> None:
    """Raise when a branch outside the repos `within` depends on one of these."""
    for branch_id in ids:
        found = tx.execute(_DEPENDENTS, {"ids": [branch_id]}).all()
        outside = {row.downstream for row in found if row.repo_id not in within}
        if outside:
            keys = branch_keys(tx, {*outside, branch_id})
            dependents = sorted(keys[number][1] for number in outside)
            raise BranchInProvenance(keys[branch_id][1], dependents)


def walk_provenance(
    tx: Tx, starts: Sequence[BranchKey], *, limit: int = 0, max_depth: int = 0
) -> Iterator[BranchInfo]:
    """What the branches depend on, nearest first; 0: without limit."""
    return _walk(tx, starts, _ABOVE, ("downstream", "upstream"), (limit, max_depth))


def walk_subvenance(
    tx: Tx, starts: Sequence[BranchKey], *, limit: int = 0, max_depth: int = 0
) -> Iterator[BranchInfo]:
    """What depends on the branches, nearest first; 0: without limit."""
    return _walk(tx, starts, _BELOW, ("upstream", "downstream"), (limit, max_depth))


def _walk(
    tx: Tx,
    starts: Sequence[BranchKey],
    closure: sa.Select[Any],
    direction: tuple[str, str],
    limits: tuple[int, int],
) -> Iterator[BranchInfo]:
    near, far = direction
    limit, max_depth = limits
    ids = [_require(tx, key).id for key in starts]
    found = tx.execute(closure, {"ids": ids})
    edges = [(getattr(row, near), getattr(row, far)) for row in found]
    order = list(islice(breadth_first(edges, ids, max_depth), limit or None))
    by_id = {row.id: row for row in tx.execute(_BY_ID, {"ids": order})} if order else {}
    yield from _infos(tx, [by_id[number] for number in order])


def _require(tx: Tx, key: BranchKey) -> Row:
    place = rows.find_branch(tx, key)
    if place.id is None:
        raise BranchNotFound(key)
    return tx.execute(_BY_ID, {"ids": [place.id]}).one()


def _infos(tx: Tx, found: Sequence[Row]) -> list[BranchInfo]:
    """Records of branches: three more questions, however many there are."""
    if not found:
        return []
    ids = [row.id for row in found]
    edges = {
        (row.downstream, row.upstream): row.never
        for closure in (_ABOVE, _BELOW)
        for row in tx.execute(closure, {"ids": ids})
    }
    dag = Dag(edges, ids)
    keys = branch_keys(tx, set(dag.order))
    return [_info(row, edges, dag, keys) for row in found]


def _info(
    row: Row,
    edges: dict[tuple[int, int], bool],
    dag: Dag,
    keys: dict[int, tuple[int, BranchKey]],
) -> BranchInfo:
    def named(numbers: Sequence[int]) -> tuple[BranchKey, ...]:
        return tuple(sorted(keys[number][1] for number in numbers))

    direct = dag.direct(row.id)
    key = keys[row.id][1]
    return BranchInfo(
        key=key,
        head=CommitKey(key.repo, row.set_id),
        direct_provenance=named(direct),
        provenance=named(dag.upstream(row.id)),
        subvenance=named(dag.downstream(row.id)),
        never_propagate=frozenset(named([up for up in direct if edges[row.id, up]])),
        created_at=from_micros(row.created_us),
        updated_at=from_micros(row.updated_us),
        created_by=row.created_by,
        metadata=rows.details(row.metadata),
    )
