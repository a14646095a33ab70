"""Jobs as rows: made at the end of a graph transaction, finished together with their commits.

Every function takes its transaction first. Planning and running a job is `scheduler`'s work; this
module knows what a job is, which one is next, and how one ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import sqlalchemy as sa

from dassie.base.clock import from_micros, to_micros
from dassie.errors import FailedPrecondition, NotFound
from dassie.meta.database import Tx
from dassie.pfs import commits
from dassie.pfs.graph import GraphTx
from dassie.pfs.model import USER, CommitInfo, CommitKey, CommitRef, CommitState, Origin
from dassie.pps import states, tasks
from dassie.pps.datums import DatumStats
from dassie.pps.model import JobInfo, JobKey, PipelineKey
from dassie.pps.states import JobState
from dassie.pps.tables import datum_tasks, jobs, pipelines
from dassie.storage.types import Dir

_PAGE: Final = 200
_COUNTERS: Final = (
    *("data_total", "data_processed", "data_skipped", "data_failed", "data_recovered"),
    *("download_us", "process_us", "upload_us", "download_bytes", "upload_bytes"),
)


class JobNotFound(NotFound):
    """No job of this pipeline has this id."""

    def __init__(self, key: JobKey) -> None:
        super().__init__(f"job {key} not found")


class JobFinished(FailedPrecondition):
    """The job cannot be stopped: it has ended."""

    def __init__(self, key: JobKey) -> None:
        super().__init__(f"job {key} has already finished")


@dataclass(frozen=True, slots=True)
class Ending:
    """How a job ends. Roots are `None` where the commit gets no content of its own."""

    state: JobState
    reason: str = ""
    output: Dir | None = None
    meta: Dir | None = None


def on_transaction(gtx: GraphTx) -> None:
    """Graph hook: every new open AUTO commit on a pipeline's output branch gets its job (I18)."""
    new = [key for key in gtx.new_commits if key.repo.type == USER]
    if not new:
        return
    tx = gtx.tx
    for key in new:
        row = tx.execute(
            sa.select(pipelines.c.version, pipelines.c.output_branch).where(
                pipelines.c.project == key.repo.project, pipelines.c.name == key.repo.name
            )
        ).first()
        if row is None:
            continue
        info = commits.inspect(tx, CommitRef(key.repo, id=key.id))
        if (
            info.branch == row.output_branch
            and info.origin == Origin.AUTO
            and info.state < CommitState.FINISHING
        ):
            _create(tx, JobKey(PipelineKey(key.repo.project, key.repo.name), key.id), row.version)


def _create(tx: Tx, key: JobKey, version: int) -> None:
    if _row(tx, key) is not None:
        return
    tx.insert(
        jobs,
        {
            "seq": tx.next_id("jobs"),
            "project": key.pipeline.project,
            "pipeline": key.pipeline.name,
            "id": key.id,
            "version": version,
            "state": int(JobState.CREATED),
            "reason": "",
            "restart": 0,
            "base_id": "",
            **dict.fromkeys(_COUNTERS, 0),
            "created_us": to_micros(tx.now),
            "started_us": None,
            "finished_us": None,
        },
    )
    tx.notify("jobs", str(key.pipeline))


# -- reading -------------------------------------------------------------------------------------


def inspect(tx: Tx, key: JobKey) -> JobInfo:
    row = _row(tx, key)
    if row is None:
        raise JobNotFound(key)
    return _info(row)


def find(tx: Tx, key: JobKey) -> JobInfo | None:
    row = _row(tx, key)
    return None if row is None else _info(row)


def base_of(tx: Tx, seq: int) -> str:
    """Commit set of the job that this planned job starts from; empty for none."""
    return str(tx.execute(sa.select(jobs.c.base_id).where(jobs.c.seq == seq)).scalar_one())


def unfinished(tx: Tx, key: PipelineKey | None = None) -> list[JobInfo]:
    """Jobs that have not ended, oldest first."""
    where: list[sa.ColumnElement[bool]] = [jobs.c.finished_us.is_(None)]
    if key is not None:
        where += [jobs.c.project == key.project, jobs.c.pipeline == key.name]
    rows = tx.execute(sa.select(jobs).where(*where).order_by(jobs.c.seq))
    return [_info(row) for row in rows]


def busy_pipelines(tx: Tx) -> set[PipelineKey]:
    """Pipelines that have a job to advance."""
    rows = tx.execute(
        sa.select(jobs.c.project, jobs.c.pipeline).where(jobs.c.finished_us.is_(None)).distinct()
    )
    return {PipelineKey(row.project, row.pipeline) for row in rows}


def newest(tx: Tx, key: PipelineKey) -> JobInfo | None:
    row = tx.execute(
        sa.select(jobs)
        .where(jobs.c.project == key.project, jobs.c.pipeline == key.name)
        .order_by(jobs.c.seq.desc())
        .limit(1)
    ).first()
    return None if row is None else _info(row)


def by_set(tx: Tx, id_: str) -> list[JobInfo]:
    """All jobs of a commit set, in order of creation, which is upstream first."""
    rows = tx.execute(sa.select(jobs).where(jobs.c.id == id_).order_by(jobs.c.seq))
    return [_info(row) for row in rows]


def page(
    tx: Tx,
    *,
    projects: Sequence[str] = (),
    pipeline: PipelineKey | None = None,
    beyond: int | None = None,
    after_seq: int = 0,
    reverse: bool = False,
) -> list[JobInfo]:
    """One page of jobs, newest first (`reverse`: oldest first), beginning beyond `beyond`."""
    where: list[sa.ColumnElement[bool]] = [jobs.c.seq > after_seq]
    if projects:
        where.append(jobs.c.project.in_(projects))
    if pipeline is not None:
        where += [jobs.c.project == pipeline.project, jobs.c.pipeline == pipeline.name]
    if beyond is not None:
        where.append(jobs.c.seq > beyond if reverse else jobs.c.seq < beyond)
    order = jobs.c.seq.asc() if reverse else jobs.c.seq.desc()
    rows = tx.execute(sa.select(jobs).where(*where).order_by(order).limit(_PAGE)).all()
    return [_info(row) for row in rows]


def full_page(found: Sequence[JobInfo]) -> bool:
    """Whether another page may follow."""
    return len(found) == _PAGE


def input_commits(info: CommitInfo) -> dict[Any, CommitKey]:
    """The commits that an output commit was made from, by repo: at most one each (I5)."""
    return {key.repo: key for key in info.direct_provenance}


# -- moving --------------------------------------------------------------------------------------


def move(tx: Tx, job: JobInfo, state: JobState, **values: Any) -> None:
    """Change the state of an unfinished job. Not journaled: a rebuilt job starts anew."""
    states.check_job(str(job.key), job.state, state)
    tx.execute(
        sa.update(jobs)
        .where(jobs.c.seq == job.seq, jobs.c.finished_us.is_(None))
        .values(state=int(state), **values)
    )
    tx.notify("jobs", str(job.key.pipeline))


def restart(tx: Tx, job: JobInfo) -> None:
    """Back to the time before the job was planned."""
    fresh = dict.fromkeys(_COUNTERS, 0) | {"base_id": "", "restart": job.restart + 1}
    if job.state == JobState.FINISHING:
        states.check_job(str(job.key), job.state, JobState.RUNNING)
        job = replace(job, state=JobState.RUNNING)
    move(tx, job, JobState.STARTING, started_us=None, **fresh)
    tx.execute(sa.delete(datum_tasks).where(datum_tasks.c.job_seq == job.seq))


def finish(gtx: GraphTx, job: JobInfo, ending: Ending) -> None:
    """End a job: its output and meta commits and its row, in this one transaction (I18)."""
    tx = gtx.tx
    states.check_job(str(job.key), job.state, ending.state)
    error = "" if ending.state == JobState.SUCCESS else ending.reason or ending.state.name
    _finish_commit(gtx, job.key.output_commit, error, ending.output)
    _finish_commit(gtx, job.key.meta_commit, error, ending.meta)
    row = _row(tx, job.key)
    if row is None:
        raise JobNotFound(job.key)
    values = {name: getattr(row, name) for name in ("restart", "base_id", *_COUNTERS)} | {
        "state": int(ending.state),
        "reason": ending.reason,
        "started_us": row.started_us,
        "finished_us": to_micros(tx.now),
    }
    tx.update(jobs, {"seq": job.seq}, values)
    if ending.state != JobState.KILLED:  # see `tasks.leftovers`
        tasks.sweep(tx, job.seq)
    tx.notify("jobs", str(job.key.pipeline))


def _finish_commit(gtx: GraphTx, key: CommitKey, error: str, root: Dir | None) -> None:
    ref = CommitRef(key.repo, id=key.id)
    try:
        info = commits.inspect(gtx.tx, ref)
    except NotFound:  # it was deleted; the job ends without it
        return
    if info.key == key and info.state < CommitState.FINISHING:
        commits.finish(gtx, ref, error=error, root=root, internal=True)


def kill(gtx: GraphTx, job: JobInfo, reason: str) -> None:
    """KILLED, with the reason as the error of its commits."""
    finish(gtx, job, Ending(JobState.KILLED, reason))


def kill_all(gtx: GraphTx, key: PipelineKey, reason: str) -> None:
    """Kill every unfinished job of a pipeline, newest first."""
    for job in reversed(unfinished(gtx.tx, key)):
        kill(gtx, job, reason)


def stop(gtx: GraphTx, key: JobKey, reason: str) -> None:
    """What a user's StopJob does."""
    job = inspect(gtx.tx, key)
    if job.terminal:
        raise JobFinished(key)
    kill(gtx, job, reason or "job stopped")


def delete(gtx: GraphTx, key: JobKey) -> None:
    """Forget a job, stopping it first when it runs. Its commits stay, but nothing is based on them
    any more."""
    job = inspect(gtx.tx, key)
    if not job.terminal:
        kill(gtx, job, "job deleted")
    gtx.tx.delete(jobs, {"seq": job.seq})
    gtx.tx.notify("jobs", str(key.pipeline))


def delete_all(gtx: GraphTx, key: PipelineKey) -> None:
    """Forget every job of a pipeline."""
    tx = gtx.tx
    seqs = tx.execute(
        sa.select(jobs.c.seq).where(jobs.c.project == key.project, jobs.c.pipeline == key.name)
    ).scalars()
    for seq in list(seqs):
        tx.delete(jobs, {"seq": seq})
    tx.notify("jobs", str(key))


def _row(tx: Tx, key: JobKey) -> sa.Row[Any] | None:
    return tx.execute(
        sa.select(jobs).where(
            jobs.c.project == key.pipeline.project,
            jobs.c.pipeline == key.pipeline.name,
            jobs.c.id == key.id,
        )
    ).first()


def _info(row: sa.Row[Any]) -> JobInfo:
    return JobInfo(
        key=JobKey(PipelineKey(row.project, row.pipeline), row.id),
        seq=row.seq,
        pipeline_version=row.version,
        state=JobState(row.state),
        reason=row.reason,
        restart=row.restart,
        data_processed=row.data_processed,
        data_skipped=row.data_skipped,
        data_total=row.data_total,
        data_failed=row.data_failed,
        data_recovered=row.data_recovered,
        stats=DatumStats(
            row.download_us,
            row.process_us,
            row.upload_us,
            row.download_bytes,
            row.upload_bytes,
        ),
        created_at=from_micros(row.created_us),
        started_at=None if row.started_us is None else from_micros(row.started_us),
        finished_at=None if row.finished_us is None else from_micros(row.finished_us),
    )
