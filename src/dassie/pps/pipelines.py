"""Pipelines as rows and as part of the version graph: create, update, stop, start, delete.

Every function takes its transaction first. A pipeline version is a finished USER commit in
`<name>.spec@master` that holds the effective spec at `/spec`, and a row. Which branches exist and
what they depend on is decided here; propagation and jobs follow at the end of the transaction.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa

from dassie.base.clock import from_micros, to_micros
from dassie.errors import AlreadyExists, FailedPrecondition, NotFound
from dassie.meta.database import Tx
from dassie.pfs import branches, commits, repos
from dassie.pfs.graph import GraphTx
from dassie.pfs.model import BranchKey, CommitKey, CommitRef
from dassie.pps import jobs, states
from dassie.pps.model import PipelineInfo, PipelineKey, PipelineType
from dassie.pps.spec import Spec
from dassie.pps.states import JobState, PipelineState
from dassie.pps.tables import pipeline_states, pipeline_versions, pipelines
from dassie.storage.types import Dir

SPEC_FILE: Final = "/spec"

_CURRENT: Final = sa.select(pipelines, pipeline_versions.c.spec_commit).join(
    pipeline_versions,
    sa.and_(
        pipeline_versions.c.project == pipelines.c.project,
        pipeline_versions.c.name == pipelines.c.name,
        pipeline_versions.c.version == pipelines.c.version,
    ),
)


class PipelineNotFound(NotFound):
    def __init__(self, key: PipelineKey) -> None:
        super().__init__(f'pipeline "{key}" not found')


class PipelineExists(AlreadyExists):
    def __init__(self, key: PipelineKey) -> None:
        super().__init__(f'pipeline "{key}" already exists')


@dataclass(frozen=True, slots=True)
class Version:
    """What a new version consists of. `root` is the tree of its spec commit."""

    spec: Spec
    user_json: str
    effective_json: str
    root: Dir
    user: str = ""


@dataclass(frozen=True, slots=True)
class Current:
    """The pipeline's own row."""

    key: PipelineKey
    version: int
    output_branch: str
    stopped: bool
    created_us: int
    spec_commit: str


# -- reading -------------------------------------------------------------------------------------


def current(tx: Tx, key: PipelineKey) -> Current | None:
    row = tx.execute(_CURRENT.where(*_is(pipelines, key))).first()
    return None if row is None else _current(row)


def require(tx: Tx, key: PipelineKey) -> Current:
    found = current(tx, key)
    if found is None:
        raise PipelineNotFound(key)
    return found


def all_current(tx: Tx) -> list[Current]:
    """Every pipeline, newest first."""
    order = (pipelines.c.created_us.desc(), pipelines.c.project.desc(), pipelines.c.name.desc())
    return [_current(row) for row in tx.execute(_CURRENT.order_by(*order))]


def spec_of(tx: Tx, key: PipelineKey, version: int) -> Spec:
    return Spec.from_json(json.loads(_version_row(tx, key, version).effective_json))


def inspect(tx: Tx, key: PipelineKey, *, ancestors: int = 0, number: int = 0) -> PipelineInfo:
    """The pipeline as of its current version, `ancestors` versions before, or version `number`."""
    now = require(tx, key)
    version = number or now.version - ancestors
    if version > now.version:
        raise FailedPrecondition(
            f'cannot inspect future pipelines: pipeline "{key}" is at version {now.version}'
        )
    if version < 1:
        raise NotFound(
            f'pipeline "{key}" has only {now.version} versions, not enough to go back {ancestors}'
        )
    return _info(tx, now, _version_row(tx, key, version))


def history(tx: Tx, key: PipelineKey, extra: int) -> list[PipelineInfo]:
    """The current version and `extra` older ones (-1: all), newest first."""
    now = require(tx, key)
    oldest = 1 if extra < 0 else max(1, now.version - extra)
    rows = tx.execute(
        sa.select(pipeline_versions)
        .where(*_is(pipeline_versions, key), pipeline_versions.c.version >= oldest)
        .order_by(pipeline_versions.c.version.desc())
    ).all()
    return [_info(tx, now, row) for row in rows]


def state_of(tx: Tx, key: PipelineKey) -> tuple[PipelineState, str]:
    """State and its reason."""
    row = tx.execute(
        sa.select(pipeline_states.c.state, pipeline_states.c.reason).where(
            *_is(pipeline_states, key)
        )
    ).first()
    return (PipelineState(row.state), row.reason) if row else (PipelineState.STARTING, "")


def all_states(tx: Tx) -> dict[PipelineKey, tuple[PipelineState, str]]:
    """State and reason of every pipeline that has been in any but STARTING."""
    return {
        PipelineKey(row.project, row.name): (PipelineState(row.state), row.reason)
        for row in tx.execute(sa.select(pipeline_states))
    }


def set_state(tx: Tx, key: PipelineKey, state: PipelineState, reason: str = "") -> None:
    """Move to a state; saying the same again changes nothing and wakes nobody."""
    old, old_reason = state_of(tx, key)
    states.check_pipeline(str(key), old, state)
    changed = tx.execute(
        sa.update(pipeline_states)
        .where(*_is(pipeline_states, key))
        .values(state=int(state), reason=reason)
    )
    if not changed.rowcount:
        row = {"project": key.project, "name": key.name, "state": int(state), "reason": reason}
        tx.execute(sa.insert(pipeline_states), row)
    if (old, old_reason) != (state, reason):
        tx.notify("pipelines", str(key))


# -- changing ------------------------------------------------------------------------------------


def create(gtx: GraphTx, version: Version) -> None:
    """A pipeline that does not exist yet: repos, branches, and with them the first job."""
    tx, spec = gtx.tx, version.spec
    key = PipelineKey(spec.project, spec.name)
    if current(tx, key) is not None:
        raise PipelineExists(key)
    if _repo_exists(tx, spec):
        raise AlreadyExists(
            f'pipeline "{key}" cannot be created because a repo with the same name already exists'
        )
    _check_inputs(gtx, spec)
    for repo, what in (
        (spec.output_repo, "Output"),
        (spec.spec_repo, "Spec"),
        (spec.meta_repo, "Meta"),
    ):
        repos.create(gtx, repo, f"{what} repo for pipeline {key}.", owner_pipeline=key.name)
    spec_commit = _commit_spec(gtx, key, version.root)
    tx.insert(
        pipelines,
        {
            "project": key.project,
            "name": key.name,
            "version": 1,
            "output_branch": spec.output_branch,
            "stopped": False,
            "created_us": to_micros(tx.now),
        },
    )
    _insert_version(tx, key, 1, spec_commit, version)
    _link(gtx, spec)
    set_state(tx, key, PipelineState.STARTING)


def update(gtx: GraphTx, version: Version, expected: int) -> None:
    """A new version in place of version `expected`: kills unfinished jobs, makes one new job."""
    tx, spec = gtx.tx, version.spec
    key = PipelineKey(spec.project, spec.name)
    now = require(tx, key)
    if now.version != expected:
        raise FailedPrecondition(
            f'pipeline "{key}" was updated to version {now.version} at the same time; try again'
        )
    _check_inputs(gtx, spec)
    jobs.kill_all(gtx, key, _because("updated", version.user))
    spec_commit = _commit_spec(gtx, key, version.root)
    number = now.version + 1
    tx.update(pipelines, _key(key), {"version": number, "output_branch": spec.output_branch})
    _insert_version(tx, key, number, spec_commit, version)
    if now.output_branch != spec.output_branch:
        _unlink(gtx, key, now.output_branch)
    if not now.stopped:
        _link(gtx, spec)
        set_state(tx, key, PipelineState.STARTING)
    tx.notify("pipelines", str(key))


def start(gtx: GraphTx, key: PipelineKey) -> None:
    """Undo `stop`: provenance is restored, which makes one new output commit and its job."""
    now = require(gtx.tx, key)
    if not now.stopped:
        return
    gtx.tx.update(pipelines, _key(key), {"stopped": False})
    _link(gtx, spec_of(gtx.tx, key, now.version))
    set_state(gtx.tx, key, PipelineState.STARTING)


def stop(gtx: GraphTx, key: PipelineKey, *, user: str = "") -> None:
    """No new commits and no jobs until `start`."""
    now = require(gtx.tx, key)
    jobs.kill_all(gtx, key, _because("stopped", user))
    if not now.stopped:
        _unlink(gtx, key, now.output_branch)
        gtx.tx.update(pipelines, _key(key), {"stopped": True})
    set_state(gtx.tx, key, PipelineState.PAUSED)


def delete(
    gtx: GraphTx, key: PipelineKey, *, force: bool = False, keep_repo: bool = False, user: str = ""
) -> None:
    """Stop it and remove everything that is only its own."""
    tx = gtx.tx
    now = require(tx, key)
    jobs.kill_all(gtx, key, _because("deleted", user))
    if not now.stopped:
        _unlink(gtx, key, now.output_branch)
    jobs.delete_all(gtx, key)
    if keep_repo:
        repos.delete(gtx, key.meta, force=force, internal=True)
        repos.delete(gtx, key.spec, force=True, internal=True)
        repos.set_owner(gtx, key.output, "")
    else:
        repos.delete(gtx, key.output, force=force, internal=True)
    tx.delete(pipelines, _key(key))
    tx.delete(pipeline_versions, _key(key))
    tx.execute(sa.delete(pipeline_states).where(*_is(pipeline_states, key)))
    tx.notify("pipelines", str(key))


# -- inside --------------------------------------------------------------------------------------


def _is(table: sa.Table, key: PipelineKey) -> tuple[sa.ColumnElement[bool], ...]:
    return (table.c.project == key.project, table.c.name == key.name)


def _current(row: sa.Row[Any]) -> Current:
    return Current(
        PipelineKey(row.project, row.name),
        row.version,
        row.output_branch,
        row.stopped,
        row.created_us,
        row.spec_commit,
    )


def _key(key: PipelineKey) -> dict[str, str]:
    return {"project": key.project, "name": key.name}


def _because(what: str, user: str) -> str:
    whom = f" for user {user}" if user else ""
    return f"all jobs killed because pipeline was {what}{whom}"


def _repo_exists(tx: Tx, spec: Spec) -> bool:
    try:
        repos.inspect(tx, spec.output_repo)
    except NotFound:
        return False
    return True


def _check_inputs(gtx: GraphTx, spec: Spec) -> None:
    """Input repos must exist; an input branch that does not is made, empty."""
    for branch in spec.input_branches:
        repos.inspect(gtx.tx, branch.repo)
        try:
            branches.inspect(gtx.tx, branch)
        except NotFound:
            branches.create(gtx, branch)


def _commit_spec(gtx: GraphTx, key: PipelineKey, root: Dir) -> CommitKey:
    commit = commits.start(gtx, key.spec_branch, internal=True)
    commits.finish(gtx, CommitRef(commit.repo, id=commit.id), root=root, internal=True)
    return commit


def _insert_version(
    tx: Tx, key: PipelineKey, number: int, spec_commit: CommitKey, version: Version
) -> None:
    tx.insert(
        pipeline_versions,
        {
            **_key(key),
            "version": number,
            "spec_commit": spec_commit.id,
            "user_json": version.user_json,
            "effective_json": version.effective_json,
            "created_us": to_micros(tx.now),
            "created_by": version.user,
        },
    )


def _link(gtx: GraphTx, spec: Spec) -> None:
    """Make output and meta branch depend on the inputs and on the spec."""
    provenance: Sequence[BranchKey] = (
        *spec.input_branches,
        BranchKey(spec.spec_repo, "master"),
    )
    for branch in (spec.output, spec.meta):
        branches.create(
            gtx, branch, provenance=provenance, never=spec.never_propagate, internal=True
        )


def _unlink(gtx: GraphTx, key: PipelineKey, output_branch: str) -> None:
    for repo in (key.output, key.meta):
        branches.create(gtx, BranchKey(repo, output_branch), provenance=(), internal=True)


def _version_row(tx: Tx, key: PipelineKey, version: int) -> sa.Row[Any]:
    row = tx.execute(
        sa.select(pipeline_versions).where(
            *_is(pipeline_versions, key), pipeline_versions.c.version == version
        )
    ).first()
    if row is None:
        raise NotFound(f'pipeline "{key}" has no version {version}')
    return row


def _info(tx: Tx, now: Current, row: sa.Row[Any]) -> PipelineInfo:
    spec = Spec.from_json(json.loads(row.effective_json))
    state, reason = state_of(tx, now.key)
    last = jobs.newest(tx, now.key)
    return PipelineInfo(
        key=now.key,
        version=row.version,
        spec_commit=CommitKey(now.key.spec, row.spec_commit),
        spec=spec,
        state=state,
        reason=reason,
        stopped=now.stopped,
        last_job_state=JobState(last.state) if last is not None else None,
        type=PipelineType.TRANSFORM,
        user_json=row.user_json,
        effective_json=row.effective_json,
        created_at=from_micros(now.created_us),
        updated_at=from_micros(row.created_us),
        created_by=row.created_by,
        salt=spec.salt,
    )
