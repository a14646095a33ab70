"""Commit sets: all commits that one transaction made, across repos, under one global id."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from dassie.meta.transaction import Tx
from dassie.pfs import history, rows
from dassie.pfs.errors import CommitSetNotFound
from dassie.pfs.model import CommitInfo, CommitKey
from dassie.pfs.provenance import Dag
from dassie.pfs.tables import commits, repos

_PAGE = 200
_MEMBERS = sa.select(commits.c.seq, commits.c.set_id).where(
    commits.c.set_id.in_(sa.bindparam("ids", expanding=True))
)
_HAS_MEMBERS = sa.select(sa.exists().where(commits.c.set_id == sa.bindparam("id")))


@dataclass(frozen=True, slots=True)
class CommitSetInfo:
    """A commit set and its own commits, upstream before downstream."""

    id: str
    commits: tuple[CommitInfo, ...]


def inspect(tx: Tx, id: str) -> list[CommitInfo]:  # noqa: A002
    """Commits of the set and the older ones they depend on, upstream before downstream."""
    if not tx.execute(_HAS_MEMBERS, {"id": id}).scalar():
        raise CommitSetNotFound(id)
    return _sorted(list(rows.commit_info_batches(tx, history.cover(tx, id))))


def list_(tx: Tx, project: str = "") -> Iterator[CommitSetInfo]:
    """Commit sets, the last made first; with `project`, those that have a commit there."""
    seen: set[str] = set()
    for ids in _pages(tx, project):
        fresh = [set_id for set_id in dict.fromkeys(ids) if set_id not in seen]
        seen.update(fresh)
        yield from _infos(tx, fresh)


def _pages(tx: Tx, project: str) -> Iterator[list[str]]:
    """Set ids by their newest commits, with repetitions."""
    query: sa.Select[Any] = sa.select(commits.c.seq, commits.c.set_id)
    if project:
        query = query.join(repos, repos.c.id == commits.c.repo_id).where(repos.c.project == project)
    query = query.order_by(commits.c.seq.desc()).limit(_PAGE)
    page = tx.execute(query).all()
    while page:
        yield [row.set_id for row in page]
        page = tx.execute(query.where(commits.c.seq < page[-1].seq)).all()


def _infos(tx: Tx, ids: list[str]) -> Iterator[CommitSetInfo]:
    if not ids:
        return
    members: dict[str, list[CommitInfo]] = defaultdict(list)
    numbers = [row.seq for row in tx.execute(_MEMBERS, {"ids": ids})]
    for info in rows.commit_info_batches(tx, numbers):
        members[info.key.id].append(info)
    for set_id in ids:
        yield CommitSetInfo(set_id, tuple(_sorted(members[set_id])))


def _sorted(infos: list[CommitInfo]) -> list[CommitInfo]:
    number: dict[CommitKey, int] = {info.key: at for at, info in enumerate(infos)}
    edges = [
        (number[info.key], number[upstream])
        for info in infos
        for upstream in info.direct_provenance
        if upstream in number
    ]
    return [infos[at] for at in Dag(edges, number.values()).order]
