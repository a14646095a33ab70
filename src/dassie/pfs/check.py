"""The graph's fsck: says what contradicts the invariants (docs/invariants.md). Reads only.

A fixed number of statements, whatever the size of the graph. Storage has its own check.
"""

from __future__ import annotations

from collections.abc import Iterator

import sqlalchemy as sa

from dassie.meta.transaction import Tx
from dassie.pfs import rows
from dassie.pfs.model import DEFAULT_PROJECT, SPEC, USER, BranchKey, CommitKey
from dassie.pfs.projects import has_default
from dassie.pfs.provenance import Cycle, Dag
from dassie.pfs.rows import Row
from dassie.pfs.tables import branch_provenance, branches, commit_provenance, commits, repos

_other = commits.alias("other")
_up = branches.alias("up")
_up_repo = repos.alias("up_repo")
_user_repo = repos.alias("user_repo")
_second = commit_provenance.alias("second")
_second_commit = commits.alias("second_commit")

_REPO = (repos.c.project, repos.c.name.label("repo"), repos.c.type)
_COMMITS = sa.select(*_REPO, commits.c.set_id).join(repos, repos.c.id == commits.c.repo_id)

_FOREIGN_HEADS = (
    sa.select(*_REPO, branches.c.name)
    .join(repos, repos.c.id == branches.c.repo_id)
    .join(commits, commits.c.seq == branches.c.head)
    .where(commits.c.repo_id != branches.c.repo_id)
)
_BAD_PARENTS = _COMMITS.join(_other, _other.c.seq == commits.c.parent).where(
    sa.or_(_other.c.repo_id != commits.c.repo_id, _other.c.seq >= commits.c.seq)
)
_BAD_STATES = _COMMITS.where(
    sa.or_(
        commits.c.finished_us.is_not(None) & commits.c.finishing_us.is_(None),
        commits.c.finished_us.is_(None) & (commits.c.error != ""),
        commits.c.finished_us.is_not(None)
        & (commits.c.error == "")
        & commits.c.root_hash.is_(None),
    )
)
_OWN_PROVENANCE = _COMMITS.join(
    commit_provenance, commit_provenance.c.downstream == commits.c.seq
).join(
    _other,
    (_other.c.seq == commit_provenance.c.upstream) & (_other.c.repo_id == commits.c.repo_id),
)
_DOUBLE_PROVENANCE = (
    _COMMITS.join(commit_provenance, commit_provenance.c.downstream == commits.c.seq)
    .join(_other, _other.c.seq == commit_provenance.c.upstream)
    .join(
        _second,
        (_second.c.downstream == commits.c.seq) & (_second.c.upstream > _other.c.seq),
    )
    .join(
        _second_commit,
        (_second_commit.c.seq == _second.c.upstream)
        & (_second_commit.c.repo_id == _other.c.repo_id),
    )
    .distinct()
)
_ORPHANS = (
    sa.select(*_REPO)
    .join(
        _user_repo,
        (_user_repo.c.project == repos.c.project)
        & (_user_repo.c.name == repos.c.name)
        & (_user_repo.c.type == USER),
        isouter=True,
    )
    .where(repos.c.type != USER, _user_repo.c.id.is_(None))
)
_BRANCHES = sa.select(branches.c.id, branches.c.repo_id, branches.c.name, *_REPO).join(
    repos, repos.c.id == branches.c.repo_id
)
# Whether each edge between branches is one between their heads too.
_EDGES = (
    sa.select(
        branch_provenance,
        _up_repo.c.type.label("up_type"),
        commit_provenance.c.upstream.label("coherent"),
    )
    .join(branches, branches.c.id == branch_provenance.c.downstream)
    .join(_up, _up.c.id == branch_provenance.c.upstream)
    .join(_up_repo, _up_repo.c.id == _up.c.repo_id)
    .join(
        commit_provenance,
        (commit_provenance.c.downstream == branches.c.head)
        & (commit_provenance.c.upstream == _up.c.head),
        isouter=True,
    )
)


def problems(tx: Tx) -> Iterator[str]:
    """One line for each contradiction found."""
    if not has_default(tx):
        yield f'project "{DEFAULT_PROJECT}" is missing'
    for row in tx.execute(_ORPHANS):
        yield f"repo {rows.repo_key(row)} has no user repo beside it"
    for row in tx.execute(_FOREIGN_HEADS):
        yield f"branch {BranchKey(rows.repo_key(row), row.name)} has a head in another repo"
    for query, complaint in (
        (_BAD_PARENTS, "has a parent that is not an older commit of its repo"),
        (_BAD_STATES, "has a state that no commit can have"),
        (_OWN_PROVENANCE, "has its own repo in its provenance"),
        (_DOUBLE_PROVENANCE, "has two commits of one repo in its direct provenance"),
    ):
        for row in tx.execute(query):
            yield f"commit {CommitKey(rows.repo_key(row), row.set_id)} {complaint}"
    yield from _provenance(tx)


def _provenance(tx: Tx) -> Iterator[str]:
    found: dict[int, Row] = {row.id: row for row in tx.execute(_BRANCHES)}
    edges = tx.execute(_EDGES).all()
    names = {number: BranchKey(rows.repo_key(row), row.name) for number, row in found.items()}
    try:
        dag = Dag([(edge.downstream, edge.upstream) for edge in edges], found)
    except Cycle as cycle:
        yield f"provenance has a cycle: {' -> '.join(str(names[node]) for node in cycle.nodes)}"
        return
    crowded = dag.ambiguity({number: row.repo_id for number, row in found.items()})
    if crowded is not None:
        listed = ", ".join(sorted(str(names[number]) for number in crowded[1]))
        yield f"branches of one repo take part in one DAG: {listed}"
    fed: dict[int, set[str]] = {}
    for edge in edges:
        fed.setdefault(edge.downstream, set()).add(edge.up_type)
    for edge in edges:
        # A spout's commits are started by its own worker, at any time.
        if edge.never or edge.coherent is not None or fed[edge.downstream] == {SPEC}:
            continue
        yield (
            f"head of branch {names[edge.downstream]} was not made from the head of branch"
            f" {names[edge.upstream]}, which it depends on"
        )
