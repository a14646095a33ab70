"""Repos: user repos, and the system repos (`meta`, `spec`) that stand beside those of pipelines."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import sqlalchemy as sa

from dassie.base.clock import from_micros
from dassie.errors import InvalidArgument
from dassie.meta.transaction import Tx
from dassie.pfs import rows, tables
from dassie.pfs.branches import check_deletable
from dassie.pfs.errors import ProjectNotFound, RepoExists, RepoOwned
from dassie.pfs.model import META, SPEC, USER, BranchKey, RepoInfo, RepoKey
from dassie.pfs.refs import DEFAULT_BRANCH, check_repo_name
from dassie.pfs.rows import Row
from dassie.pfs.transaction import GraphTx

_TYPES = (USER, META, SPEC)

_PLACE = (
    sa.select(tables.projects.c.name, tables.repos.c.id)
    .select_from(tables.projects)
    .join(
        tables.repos,
        sa.and_(
            tables.repos.c.project == tables.projects.c.name,
            tables.repos.c.name == sa.bindparam("repo"),
            tables.repos.c.type == sa.bindparam("type"),
        ),
        isouter=True,
    )
    .where(tables.projects.c.name == sa.bindparam("project"))
)
_ALL = sa.select(tables.repos, tables.repos.c.name.label("repo")).order_by(
    tables.repos.c.project, tables.repos.c.name, tables.repos.c.type
)
_ids: sa.BindParameter[list[int]] = sa.bindparam("ids", expanding=True)
_BRANCHES = (
    sa.select(tables.branches.c.repo_id, tables.branches.c.name)
    .where(tables.branches.c.repo_id.in_(_ids))
    .order_by(tables.branches.c.name)
)
_BRANCH_IDS = sa.select(tables.branches.c.id).where(
    tables.branches.c.repo_id == sa.bindparam("repo_id")
)

# From each repo's head of master to the nearest commit whose size counts.
_step = tables.commits.alias("step")
_master = (
    sa.select(
        tables.commits.c.repo_id,
        tables.commits.c.parent,
        tables.commits.c.finished_us,
        tables.commits.c.error,
        tables.commits.c.root_size,
    )
    .join(tables.branches, tables.branches.c.head == tables.commits.c.seq)
    .where(tables.branches.c.name == DEFAULT_BRANCH, tables.branches.c.repo_id.in_(_ids))
    .cte("master", recursive=True)
)
_unusable = sa.or_(_master.c.finished_us.is_(None), _master.c.error != "")
_master = _master.union_all(
    sa.select(
        _step.c.repo_id, _step.c.parent, _step.c.finished_us, _step.c.error, _step.c.root_size
    )
    .join(_master, _step.c.seq == _master.c.parent)
    .where(_unusable)
)
_SIZES = sa.select(_master.c.repo_id, _master.c.root_size).where(
    _master.c.finished_us.is_not(None), _master.c.error == ""
)


def create(
    gtx: GraphTx,
    key: RepoKey,
    description: str = "",
    update: bool = False,
    *,
    owner_pipeline: str = "",
) -> None:
    """Make a repo; with `update` an existing one gets the description.

    `owner_pipeline`: the pipeline it belongs to, with which alone it can be deleted.
    """
    check_repo_name(key.name)
    if key.type not in _TYPES:
        raise InvalidArgument(f"repo type {key.type!r} unknown: want one of {', '.join(_TYPES)}")
    place = gtx.tx.execute(_PLACE, rows.key_params(key)).first()
    if place is None:
        raise ProjectNotFound(key.project)
    if place.id is not None:
        if not update:
            raise RepoExists(key)
        gtx.tx.update(tables.repos, {"id": place.id}, {"description": description})
    else:
        _insert(gtx, key, description, owner_pipeline)
    gtx.tx.notify("repos")


def _insert(gtx: GraphTx, key: RepoKey, description: str, owner_pipeline: str) -> None:
    if key.type != USER:
        rows.require_repo(gtx.tx, RepoKey(key.project, key.name))
    row = {
        "id": gtx.tx.next_id(tables.REPO_ID),
        "project": key.project,
        "name": key.name,
        "type": key.type,
        "description": description,
        "owner_pipeline": owner_pipeline,
        "created_us": gtx.now_us,
        "created_by": gtx.user,
        "metadata": "{}",
    }
    gtx.tx.insert(tables.repos, row)


def set_owner(gtx: GraphTx, key: RepoKey, pipeline: str) -> None:
    """Say which pipeline the repo belongs to; empty: none any more."""
    row = rows.require_repo(gtx.tx, key)
    gtx.tx.update(tables.repos, {"id": row.id}, {"owner_pipeline": pipeline})


def inspect(tx: Tx, key: RepoKey) -> RepoInfo:
    """One repo."""
    [info] = _infos(tx, [rows.require_repo(tx, key)])
    return info


def list_(tx: Tx, *, projects: Sequence[str] = (), type: str = "") -> list[RepoInfo]:  # noqa: A002
    """Repos of some projects (none named: all) and of one type (empty: all), by name."""
    query = _ALL
    if projects:
        query = query.where(tables.repos.c.project.in_(projects))
    if type:
        query = query.where(tables.repos.c.type == type)
    found = tx.execute(query).all()
    infos: list[RepoInfo] = []
    for at in range(0, len(found), rows.BATCH):
        infos += _infos(tx, found[at : at + rows.BATCH])
    return infos


def delete(gtx: GraphTx, key: RepoKey, force: bool = False, *, internal: bool = False) -> bool:
    """Remove a repo with all its branches and commits; `False` when there is none.

    A user repo takes its system repos along. Without `force` no branch of another repo may depend
    on it. `internal`: by the pipeline it belongs to.
    """
    found = [row for row in _family(gtx.tx, key) if row is not None]
    for row in found:
        if row.owner_pipeline and not internal:
            raise RepoOwned(rows.repo_key(row), row.owner_pipeline)
    if not found:
        return False
    family = {row.id for row in found}
    for row in found:
        ids = list(gtx.tx.execute(_BRANCH_IDS, {"repo_id": row.id}).scalars())
        if not force:
            check_deletable(gtx.tx, ids, within=family)
    for row in reversed(found):
        _delete_rows(gtx, row.id)
    for channel in ("repos", "branches", "commits"):
        gtx.tx.notify(channel)
    return True


def _family(tx: Tx, key: RepoKey) -> list[Row | None]:
    kinds = _TYPES if key.type == USER else (key.type,)
    return [rows.find_repo(tx, RepoKey(key.project, key.name, kind)) for kind in kinds]


def _delete_rows(gtx: GraphTx, repo_id: int) -> None:
    # Provenance edges, of branches and commits and in both directions, cascade.
    gtx.tx.delete(tables.branches, {"repo_id": repo_id})
    gtx.tx.delete(tables.commits, {"repo_id": repo_id})
    gtx.tx.delete(tables.repos, {"id": repo_id})
    gtx.durable = True


def _infos(tx: Tx, found: Sequence[Row]) -> list[RepoInfo]:
    params = {"ids": [row.id for row in found]}
    names: dict[int, list[str]] = defaultdict(list)
    for row in tx.execute(_BRANCHES, params):
        names[row.repo_id].append(row.name)
    sizes = {row.repo_id: row.root_size for row in tx.execute(_SIZES, params)}
    return [_info(row, names[row.id], sizes.get(row.id) or 0) for row in found]


def _info(row: Row, names: Sequence[str], size: int) -> RepoInfo:
    key = rows.repo_key(row)
    return RepoInfo(
        key=key,
        created_at=from_micros(row.created_us),
        description=row.description,
        branches=tuple(BranchKey(key, name) for name in names),
        size_bytes=size,
        metadata=rows.details(row.metadata),
    )
