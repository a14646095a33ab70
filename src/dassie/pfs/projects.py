"""Projects: namespaces of repos. `default` always exists."""

from __future__ import annotations

import sqlalchemy as sa

from dassie.base.clock import from_micros
from dassie.meta.transaction import Tx
from dassie.pfs import repos, rows, tables
from dassie.pfs.errors import ProjectExists, ProjectNotEmpty, ProjectNotFound
from dassie.pfs.model import DEFAULT_PROJECT, USER, ProjectInfo, RepoKey
from dassie.pfs.refs import check_project_name
from dassie.pfs.rows import Row
from dassie.pfs.transaction import GraphTx

_PROJECT = sa.select(tables.projects).where(tables.projects.c.name == sa.bindparam("project"))
_ALL = sa.select(tables.projects).order_by(tables.projects.c.name)
_REPOS = (
    sa.select(tables.repos.c.name, tables.repos.c.type)
    .where(tables.repos.c.project == sa.bindparam("project"))
    .order_by(tables.repos.c.name, tables.repos.c.type)
)


def create(gtx: GraphTx, name: str, description: str = "", update: bool = False) -> None:
    """Make a project; with `update` an existing one gets the description."""
    check_project_name(name)
    if _find(gtx.tx, name) is not None:
        if not update:
            raise ProjectExists(name)
        gtx.tx.update(tables.projects, {"name": name}, {"description": description})
    else:
        _insert(gtx, name, description)
    gtx.tx.notify("repos")


def inspect(tx: Tx, name: str) -> ProjectInfo:
    """One project."""
    row = _find(tx, name)
    if row is None:
        raise ProjectNotFound(name)
    return _info(row)


def list_(tx: Tx) -> list[ProjectInfo]:
    """All projects, by name."""
    return [_info(row) for row in tx.execute(_ALL)]


def delete(gtx: GraphTx, name: str, force: bool = False) -> None:
    """Remove a project; its repos too with `force`, except those of pipelines. `default` comes back
    at once, empty."""
    if _find(gtx.tx, name) is None:
        raise ProjectNotFound(name)
    keys = _repos(gtx.tx, name)
    if keys and not force:
        raise ProjectNotEmpty(name, keys)
    _delete(gtx, name, keys, internal=False)


def delete_all(gtx: GraphTx) -> None:
    """Remove every repo and project. Whoever keeps pipelines has removed them before."""
    for info in list_(gtx.tx):
        _delete(gtx, info.name, _repos(gtx.tx, info.name), internal=True)


def has_default(tx: Tx) -> bool:
    """Whether the default project is there, as it is in any database but a new one."""
    return _find(tx, DEFAULT_PROJECT) is not None


def ensure_default(gtx: GraphTx) -> None:
    """Make the default project when it is missing."""
    if not has_default(gtx.tx):
        _insert(gtx, DEFAULT_PROJECT, "")


def _delete(gtx: GraphTx, name: str, keys: list[RepoKey], *, internal: bool) -> None:
    # A user repo takes its system repos along: ask for those only when they are alone.
    for key in sorted(keys, key=lambda key: key.type != USER):
        repos.delete(gtx, key, force=True, internal=internal)
    gtx.tx.delete(tables.projects, {"name": name})
    if name == DEFAULT_PROJECT:
        _insert(gtx, name, "")
    gtx.tx.notify("repos")


def _insert(gtx: GraphTx, name: str, description: str) -> None:
    row = {
        "name": name,
        "description": description,
        "created_us": gtx.now_us,
        "created_by": gtx.user,
        "metadata": "{}",
    }
    gtx.tx.insert(tables.projects, row)


def _find(tx: Tx, name: str) -> Row | None:
    return tx.execute(_PROJECT, {"project": name}).first()


def _repos(tx: Tx, name: str) -> list[RepoKey]:
    return [RepoKey(name, row.name, row.type) for row in tx.execute(_REPOS, {"project": name})]


def _info(row: Row) -> ProjectInfo:
    return ProjectInfo(
        name=row.name,
        description=row.description,
        created_at=from_micros(row.created_us),
        created_by=row.created_by,
        metadata=rows.details(row.metadata),
    )
