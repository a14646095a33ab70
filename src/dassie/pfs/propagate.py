"""End of a graph transaction: every branch downstream of a changed one gets a commit.

Runs once, after everything the caller did. Two questions to the database whatever the size of the
graph, then one batch of rows. Downstream commits exist, open, from the moment an input commit
starts; their provenance is fixed here for ever.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from dassie.meta.transaction import Tx
from dassie.pfs import rows
from dassie.pfs.errors import BranchesOfOneRepo, ProvenanceCycle
from dassie.pfs.model import SPEC, BranchKey, Origin, RepoKey
from dassie.pfs.provenance import Cycle, Dag
from dassie.pfs.rows import Row
from dassie.pfs.tables import branch_provenance, branches, commit_provenance, commits, repos
from dassie.pfs.transaction import GraphTx, NewCommit, earlier

_ids: sa.BindParameter[Any] = sa.bindparam("ids", expanding=True)
_edge = branch_provenance

_down = sa.select(branches.c.id).where(branches.c.id.in_(_ids)).cte("down", recursive=True)
_down = _down.union(
    sa.select(_edge.c.downstream)
    .join(_down, _edge.c.upstream == _down.c.id)
    .where(_edge.c.never == sa.false())
)
_head = commits.alias("head")
_up = branches.alias("up")
_up_repo = repos.alias("up_repo")
# Everything propagation wants to know: a row per edge into an affected branch.
_AFFECTED = (
    sa.select(
        branches.c.id,
        branches.c.repo_id,
        branches.c.name,
        branches.c.head,
        _head.c.set_id,
        repos.c.project,
        repos.c.name.label("repo"),
        repos.c.type,
        _up.c.id.label("up_id"),
        _up.c.head.label("up_head"),
        _up_repo.c.type.label("up_type"),
        _edge.c.never,
    )
    .select_from(_down)
    .join(branches, branches.c.id == _down.c.id)
    .join(_head, _head.c.seq == branches.c.head)
    .join(repos, repos.c.id == branches.c.repo_id)
    .join(_edge, _edge.c.downstream == branches.c.id)
    .join(_up, _up.c.id == _edge.c.upstream)
    .join(_up_repo, _up_repo.c.id == _up.c.repo_id)
    .order_by(branches.c.id, _up.c.id)
)

_component = (
    sa.select(branches.c.id).where(branches.c.id.in_(_ids)).cte("component", recursive=True)
)
_other_end = sa.case(
    (_edge.c.downstream == _component.c.id, _edge.c.upstream), else_=_edge.c.downstream
)
_component = _component.union(
    sa.select(_other_end).join(
        _component,
        sa.or_(_edge.c.downstream == _component.c.id, _edge.c.upstream == _component.c.id),
    )
)
_COMPONENT_EDGES = sa.select(_edge.c.downstream, _edge.c.upstream).join(
    _component, _edge.c.downstream == _component.c.id
)
_BRANCH_KEYS = (
    sa.select(
        branches.c.id,
        branches.c.name,
        branches.c.repo_id,
        repos.c.project,
        repos.c.name.label("repo"),
        repos.c.type,
    )
    .join(repos, repos.c.id == branches.c.repo_id)
    .where(branches.c.id.in_(_ids))
)
_HEAD_PROVENANCE = sa.select(commit_provenance.c.downstream, commit_provenance.c.upstream).where(
    commit_provenance.c.downstream.in_(sa.bindparam("seqs", expanding=True))
)


@dataclass(slots=True)
class _Branch:
    """A branch with provenance that a change may concern."""

    row: Row
    edges: list[Row] = field(default_factory=list)
    new_head: int = 0
    """Number of the commit that it got; 0: none."""

    @property
    def key(self) -> BranchKey:
        return BranchKey(RepoKey(self.row.project, self.row.repo, self.row.type), self.row.name)

    @property
    def is_spout(self) -> bool:
        """Fed by nothing but a pipeline's spec: its own worker starts its commits."""
        return all(edge.up_type == SPEC for edge in self.edges)


def propagate(gtx: GraphTx) -> None:
    """Make the commits that the changes so far call for. The provenance must be valid."""
    changed, rewired = gtx.take_changed()
    if not changed and not rewired:
        return
    affected = _affected(gtx.tx, changed | rewired)
    due = _due(gtx, changed, rewired, affected)
    if due:
        _make(gtx, due)
        # The heads that moved just now have had their consequences.
        gtx.take_changed()
    if gtx.bare_heads:
        _wire(gtx, affected)


def validate(gtx: GraphTx) -> None:
    """Refuse a provenance that changed into a cycle or into one that makes sets ambiguous."""
    if not gtx.rewired_branches:
        return
    ids = sorted(gtx.rewired_branches)
    edges = [tuple(row) for row in gtx.tx.execute(_COMPONENT_EDGES, {"ids": ids})]
    keys = branch_keys(gtx.tx, {node for edge in edges for node in edge} | set(ids))
    try:
        dag = Dag(edges, ids)
    except Cycle as cycle:
        raise ProvenanceCycle(keys[node][1] for node in cycle.nodes) from None
    found = dag.ambiguity({node: repo_id for node, (repo_id, _) in keys.items()})
    if found is not None:
        names = [keys[node][1] for node in found[1]]
        raise BranchesOfOneRepo(names[0].repo, names)


def branch_keys(tx: Tx, ids: set[int]) -> dict[int, tuple[int, BranchKey]]:
    """Repo number and key of branches by number."""
    found = {}
    ordered = sorted(ids)
    for at in range(0, len(ordered), rows.BATCH):
        for row in tx.execute(_BRANCH_KEYS, {"ids": ordered[at : at + rows.BATCH]}):
            found[row.id] = (row.repo_id, BranchKey(rows.repo_key(row), row.name))
    return found


def _affected(tx: Tx, changed: set[int]) -> dict[int, _Branch]:
    """Changed branches and all downstream of them, those that have provenance."""
    found: dict[int, _Branch] = {}
    for row in tx.execute(_AFFECTED, {"ids": sorted(changed)}):
        found.setdefault(row.id, _Branch(row)).edges.append(row)
    return found


def _due(
    gtx: GraphTx, changed: set[int], rewired: set[int], affected: dict[int, _Branch]
) -> list[_Branch]:
    """Those that get a commit, upstream first."""
    if not affected:
        return []
    edges = [(edge.id, edge.up_id) for branch in affected.values() for edge in branch.edges]
    order = [node for node in Dag(edges).order if node in affected]
    made = gtx.set_id_if_any
    own = [affected[node] for node in order if node in changed or node in rewired]
    incoherent = _incoherent(gtx.tx, [b for b in own if b.row.head not in gtx.bare_heads])
    moved = set(changed)
    due = []
    for node in order:
        branch = affected[node]
        in_set = bool(made) and branch.row.set_id == made
        if in_set and not (node in rewired and node in incoherent):
            moved.add(node)
            continue
        reached = not branch.is_spout and any(
            edge.up_id in moved and not edge.never for edge in branch.edges
        )
        if reached or node in rewired or node in incoherent:
            due.append(branch)
            moved.add(node)
    return due


def _incoherent(tx: Tx, branches_: list[_Branch]) -> set[int]:
    """Branches whose head was not made from the heads of what they depend on."""
    if not branches_:
        return set()
    provenance: dict[int, set[int]] = defaultdict(set)
    heads = [branch.row.head for branch in branches_]
    for row in tx.execute(_HEAD_PROVENANCE, {"seqs": heads}):
        provenance[row.downstream].add(row.upstream)
    return {
        branch.row.id
        for branch in branches_
        if any(
            edge.up_head not in provenance[branch.row.head]
            for edge in branch.edges
            if not edge.never
        )
    }


def _make(gtx: GraphTx, due: list[_Branch]) -> None:
    """One open commit per branch: parent is the old head, provenance the heads of its edges."""
    gtx.settle_commit_set({branch.row.repo_id for branch in due})
    places = {branch.row.id: place for place, branch in enumerate(due)}
    new = [
        NewCommit(
            repo_id=branch.row.repo_id,
            branch=branch.key,
            parent=branch.row.head,
            origin=Origin.AUTO,
            provenance=tuple(
                earlier(places[edge.up_id]) if edge.up_id in places else edge.up_head
                for edge in branch.edges
            ),
        )
        for branch in due
    ]
    numbers = gtx.add_commits(new)
    heads = [(branch.row.id, seq) for branch, seq in zip(due, numbers, strict=True)]
    for branch, (_, seq) in zip(due, heads, strict=True):
        branch.new_head = seq
    gtx.move_heads(heads)


def _wire(gtx: GraphTx, affected: dict[int, _Branch]) -> None:
    """Give commits that were made for new branches their provenance, now that it is known."""
    edges = []
    for branch in affected.values():
        if branch.row.head not in gtx.bare_heads:
            continue
        for edge in branch.edges:
            above = affected.get(edge.up_id)
            upstream = edge.up_head if above is None or not above.new_head else above.new_head
            edges.append({"downstream": branch.row.head, "upstream": upstream})
    gtx.tx.insert_many(commit_provenance, edges)
    gtx.bare_heads.clear()
