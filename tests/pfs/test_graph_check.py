"""The graph's fsck finds each kind of damage, and none in a healthy graph."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import sqlalchemy as sa

from dassie.meta.transaction import Tx
from dassie.pfs import branches, commits, repos, tables
from dassie.pfs.check import problems
from dassie.pfs.graph import Graph
from dassie.pfs.model import BranchKey, CommitRef, RepoKey

IMAGES, EDGES = RepoKey("default", "images"), RepoKey("default", "edges")


@pytest.fixture
def healthy(graph: Graph) -> Graph:
    with graph.transaction() as gtx:
        repos.create(gtx, IMAGES)
        repos.create(gtx, EDGES)
        repos.create(gtx, RepoKey("default", "edges", "meta"))
        branches.create(gtx, BranchKey(EDGES, "master"), provenance=[BranchKey(IMAGES, "master")])
    for _ in range(2):
        with graph.transaction() as gtx:
            key = commits.start(gtx, BranchKey(IMAGES, "master"))
            commits.finish(gtx, CommitRef(IMAGES, id=key.id))
    assert found(graph) == []
    return graph


def found(graph: Graph) -> list[str]:
    with graph.snapshot() as tx:
        return list(problems(tx))


def _update(table: sa.Table, where: str, **values: object) -> Callable[[Tx], None]:
    return lambda tx: tx.execute(sa.update(table).where(sa.text(where)).values(**values)) and None


def _delete(table: sa.Table, where: str) -> Callable[[Tx], None]:
    return lambda tx: tx.execute(sa.delete(table).where(sa.text(where))) and None


def _insert(table: sa.Table, **row: object) -> Callable[[Tx], None]:
    return lambda tx: tx.execute(sa.insert(table), row) and None


# Commits: 1 images, 2 edges (first, empty); 3 and 5 images; 4 and 6 edges. Branches: 1 images, 2
# edges.
DAMAGE = {
    "has a head in another repo": _update(tables.branches, "id = 1", head=6),
    "not an older commit of its repo": _update(tables.commits, "seq = 5", parent=4),
    "that no commit can have": _update(tables.commits, "seq = 5", root_hash=None),
    "its own repo in its provenance": _insert(tables.commit_provenance, downstream=6, upstream=4),
    "two commits of one repo": _insert(tables.commit_provenance, downstream=6, upstream=3),
    "was not made from the head": _update(tables.branches, "id = 2", head=4),
    "has a cycle": _insert(tables.branch_provenance, downstream=1, upstream=2, never=False),
    "has no user repo beside it": _update(
        tables.repos, "name = 'edges' AND type = 'user'", name="x"
    ),
}


@pytest.mark.parametrize("complaint", sorted(DAMAGE))
def test_damage_is_found(healthy: Graph, complaint: str) -> None:
    with healthy.db.write() as tx:
        DAMAGE[complaint](tx)
    assert any(complaint in text for text in found(healthy)), found(healthy)


def test_branches_of_one_repo_in_one_dag(healthy: Graph) -> None:
    with healthy.transaction() as gtx:
        branches.create(gtx, BranchKey(EDGES, "other"))
    with healthy.db.write() as tx:
        _insert(tables.branch_provenance, downstream=3, upstream=1, never=True)(tx)
    assert found(healthy) == [
        "branches of one repo take part in one DAG: default/edges@master, default/edges@other"
    ]
