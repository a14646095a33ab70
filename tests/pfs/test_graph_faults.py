"""The Nth statement fails, for every N: each transaction has happened wholly or not at all."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import sqlalchemy as sa

from dassie.errors import Unavailable
from dassie.meta.database import Database
from dassie.pfs import branches, commits, repos
from dassie.pfs.check import problems
from dassie.pfs.graph import Graph
from dassie.pfs.model import BranchKey, CommitRef, RepoKey

IMAGES, EDGES = RepoKey("default", "images"), RepoKey("default", "edges")
IN, OUT = BranchKey(IMAGES, "master"), BranchKey(EDGES, "master")


@contextmanager
def failing(db: Database, at: int) -> Iterator[list[int]]:
    """Let the writer's statement number `at` (from 1) fail; yields a list with their number."""
    writer = db.engines[0]
    count = [0]

    def fail(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        count[0] += 1
        if count[0] == at:
            raise sa.exc.OperationalError(statement, {}, sqlite3.OperationalError("no luck"))

    sa.event.listen(writer, "before_cursor_execute", fail)
    try:
        yield count
    finally:
        sa.event.remove(writer, "before_cursor_execute", fail)


def scenario(graph: Graph, number: int) -> None:
    """One commit, and a branch that appears and goes."""
    with graph.transaction() as gtx:
        key = commits.start(gtx, IN)
    with graph.transaction() as gtx:
        commits.finish(gtx, CommitRef(IMAGES, id=key.id))
        branches.create(gtx, BranchKey(IMAGES, f"b{number}"), head=CommitRef(IMAGES, id=key.id))
    with graph.transaction() as gtx:
        branches.delete(gtx, BranchKey(IMAGES, f"b{number}"))


def settle(graph: Graph) -> None:
    """What a user would do after a failure: look, and go on from there."""
    with graph.snapshot() as tx:
        assert list(problems(tx)) == []
        head = commits.inspect(tx, CommitRef(IMAGES, branch="master"))
        assert [c.repo for c in head.direct_subvenance] == [EDGES]
    if head.finished_at is None:
        with graph.transaction() as gtx:
            commits.finish(gtx, CommitRef(IMAGES, id=head.key.id))


def test_every_statement_may_fail(graph: Graph) -> None:
    with graph.transaction() as gtx:
        repos.create(gtx, IMAGES)
        repos.create(gtx, EDGES)
        branches.create(gtx, OUT, provenance=[IN])
    with failing(graph.db, 0) as count:
        scenario(graph, 0)
    statements = count[0]
    assert statements > 20
    for number in range(1, statements + 1):
        with failing(graph.db, number), pytest.raises(Unavailable, match="no luck"):
            scenario(graph, number)
        settle(graph)
    scenario(graph, 0)
    settle(graph)


def test_the_number_of_statements_does_not_depend_on_the_graph(graph: Graph) -> None:
    with graph.transaction() as gtx:
        repos.create(gtx, IMAGES)
    counts = []
    for size in range(2):
        with failing(graph.db, 0) as count:
            scenario(graph, 0)
        counts.append(count[0])
        with graph.transaction() as gtx:
            for number in range(20):
                repo = RepoKey("default", f"out{size}-{number}")
                repos.create(gtx, repo)
                branches.create(gtx, BranchKey(repo, "master"), provenance=[IN])
    with failing(graph.db, 0) as count:
        scenario(graph, 0)
    # Propagation adds its own few statements, once.
    assert count[0] <= counts[0] + 6
