"""Bringing the jobs of one pipeline forward: one step after the other, each idempotent.

The scheduler calls `advance` whenever something may have changed, in one thread per pipeline at a
time. Nothing is remembered between two calls but what rows say, so that a restart at any line goes
on where it was: inputs are waited for, a plan is written, datums are handed to the dispatcher, and
when all of them have a result the job is finished, in one transaction.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import timedelta
from itertools import islice
from typing import Any, Final

from dassie.base.clock import to_micros
from dassie.errors import DataLoss, NotFound
from dassie.meta.database import Database
from dassie.pfs import commits
from dassie.pfs.graph import Graph
from dassie.pfs.model import CommitInfo, CommitRef, CommitState
from dassie.pps import jobs, tasks
from dassie.pps.dispatch import Dispatcher
from dassie.pps.finishing import Finisher
from dassie.pps.jobs import Ending
from dassie.pps.model import JobInfo, PipelineKey
from dassie.pps.planning import Plan, Planner
from dassie.pps.spec import Spec
from dassie.pps.states import JobState
from dassie.storage.store import Storage
from dassie.storage.types import EMPTY_DIR

log = logging.getLogger(__name__)

_ROWS: Final = 5000
"""Rows of a plan written in one transaction."""

_LONG: Final = 1000
"""From so many processed datums on, the state FINISHING is shown while trees are built."""

Note = Callable[[JobInfo, str], None]
"""Writes a line into the pipeline's own log."""


class Runner:
    """Advances jobs. Thread-safe as long as no pipeline is advanced twice at a time."""

    def __init__(
        self, graph: Graph, db: Database, storage: Storage, dispatcher: Dispatcher, note: Note
    ) -> None:
        self._graph = graph
        self._db = db
        self._storage = storage
        self._dispatcher = dispatcher
        self._note = note
        self._planner = Planner(db, storage)
        self._finisher = Finisher(db, storage)

    def advance(
        self, key: PipelineKey, pool: str, spec_of: Callable[[JobInfo], Spec]
    ) -> timedelta | None:
        """Bring the pipeline's jobs as far as they go now, in order. How long until the running
        job's time is up, if it has a limit."""
        while True:
            with self._db.read() as tx:
                waiting = jobs.unfinished(tx, key)
            if not waiting:
                return None
            job, spec = waiting[0], spec_of(waiting[0])
            try:
                ended, left = self._step(job, spec, pool)
            except DataLoss as damage:  # trying again cannot help
                self._end(job, Ending(JobState.FAILURE, str(damage)))
                ended, left = True, None
            if not ended:
                return left

    def _step(self, job: JobInfo, spec: Spec, pool: str) -> tuple[bool, timedelta | None]:
        """One job, as far as it goes: whether it ended, and when to look again at the latest."""
        if job.state in (JobState.CREATED, JobState.STARTING):
            if not self._begin(job, spec):
                return False, None
            with self._db.read() as tx:
                found = jobs.find(tx, job.key)
            if found is None or found.terminal:
                return True, None
            job = found
        left = self._time_left(job, spec)
        if left is not None and left <= timedelta(0):
            limit = f"{spec.job_timeout_s:g}s"
            self._end(job, Ending(JobState.KILLED, f"job timed out after {limit} (job_timeout)"))
            return True, None
        if job.state == JobState.RUNNING:
            self._dispatcher.open_job(pool, job.key, job.seq)
            if not self._dispatcher.idle(job.seq):
                return False, left
        return self._finish(job, spec), None

    # -- before it runs ----------------------------------------------------------------------

    def _begin(self, job: JobInfo, spec: Spec) -> bool:
        """Wait for inputs, then plan. False while an input commit is not finished."""
        with self._db.read() as tx:
            try:
                output = commits.inspect(tx, output_ref(job))
                reads = [
                    commits.inspect(tx, CommitRef(key.repo, id=key.id))
                    for key in output.direct_provenance
                ]
            except NotFound as gone:
                reads, output = [], None
                missing = str(gone)
        if output is None:
            self._end(job, Ending(JobState.KILLED, f"a commit of the job was deleted: {missing}"))
            return True
        if output.state >= CommitState.FINISHING:
            self._end(job, Ending(JobState.KILLED, f"output commit {output.key} was finished"))
            return True
        if any(info.state != CommitState.FINISHED for info in reads):
            if job.state == JobState.CREATED:
                with self._db.write() as tx:
                    jobs.move(tx, job, JobState.STARTING)
            return False
        if any(info.error for info in reads):
            self._end(job, Ending(JobState.UNRUNNABLE, _unrunnable(spec, reads)))
            return True
        self._plan(job, spec)
        return True

    def _plan(self, job: JobInfo, spec: Spec) -> None:
        source = self._planner.source(job)
        plan = self._planner.plan(spec, source)
        rows = (task.row(job.seq, number) for number, task in enumerate(plan))
        first = list(islice(rows, _ROWS))
        batch, written = first, False
        while len(batch) == _ROWS:
            with self._db.write() as tx:
                if written:
                    tasks.add(tx, batch)
                else:
                    tasks.replace_all(tx, job.seq, batch)
            written = True
            batch = list(islice(rows, _ROWS))
        if not first:
            self._keep_all(job, plan)
            return
        with self._db.write() as tx:
            found = jobs.find(tx, job.key)
            if found is None or found.terminal:
                return
            if written:
                tasks.add(tx, batch)
            else:
                tasks.replace_all(tx, job.seq, batch)
            jobs.move(tx, job, JobState.RUNNING, **_started(plan, to_micros(tx.now)))
        self._note(job, f"started: {plan.process} datums to process, {plan.skipped} skipped")

    def _keep_all(self, job: JobInfo, plan: Plan) -> None:
        """Nothing changed: the job starts and ends in one transaction, with its base's trees."""
        start = plan.start
        with self._graph.transaction() as gtx:
            found = jobs.find(gtx.tx, job.key)
            if found is None or found.terminal:
                return
            jobs.move(gtx.tx, job, JobState.RUNNING, **_started(plan, to_micros(gtx.tx.now)))
            output, meta = (start.output, start.meta) if start else (EMPTY_DIR, EMPTY_DIR)
            jobs.finish(gtx, job, Ending(JobState.SUCCESS, "", output, meta))
        self._note(job, f"SUCCESS: nothing to process, {plan.skipped} datums skipped")

    def _time_left(self, job: JobInfo, spec: Spec) -> timedelta | None:
        if spec.job_timeout_s is None or job.started_at is None:
            return None
        return job.started_at + timedelta(seconds=spec.job_timeout_s) - self._db.clock.now()

    # -- after it ran ------------------------------------------------------------------------

    def _finish(self, job: JobInfo, spec: Spec) -> bool:
        """Build the trees and publish them. False: the job has to be planned again."""
        if job.state == JobState.RUNNING and job.data_processed >= _LONG:
            with self._db.write() as tx:
                jobs.move(tx, job, JobState.FINISHING)
        try:
            start = self._planner.start_of(job)
        except NotFound as gone:
            self._plan_again(job, f"its base is gone: {gone}")
            return False
        with self._storage.session() as upload:
            ending = self._finisher.build(upload, job, spec, start)
            upload.flush()
            with self._graph.transaction() as gtx:
                found = jobs.find(gtx.tx, job.key)
                if found is not None and not found.terminal:
                    upload.publish(gtx.tx)
                    jobs.finish(gtx, found, ending)
        self._dispatcher.close_job(job.seq)
        self._note(job, f"{ending.state.name}: {ending.reason}".rstrip(": "))
        return True

    def _plan_again(self, job: JobInfo, reason: str) -> None:
        """Forget the plan with what came of it: the job starts anew, from another base."""
        self._dispatcher.close_job(job.seq)
        with self._db.write() as tx:
            found = jobs.find(tx, job.key)
            if found is None or found.terminal:
                return
            jobs.restart(tx, found)
        self._note(job, f"restarted: {reason}")

    def _end(self, job: JobInfo, ending: Ending) -> None:
        """End a job that has no result."""
        with self._graph.transaction() as gtx:
            found = jobs.find(gtx.tx, job.key)
            if found is not None and not found.terminal:
                jobs.finish(gtx, found, ending)
        self._dispatcher.close_job(job.seq)
        self._note(job, f"{ending.state.name}: {ending.reason}")


def output_ref(job: JobInfo) -> CommitRef:
    """The job's output commit."""
    return CommitRef(job.key.output_commit.repo, id=job.key.id)


def _started(plan: Plan, now_us: int) -> dict[str, Any]:
    return {
        "started_us": now_us,
        "base_id": plan.start.job.key.id if plan.start is not None else "",
        "data_total": plan.total,
        "data_skipped": plan.skipped,
    }


def _unrunnable(spec: Spec, reads: list[CommitInfo]) -> str:
    failed = {info.key.repo for info in reads if info.error}
    names = sorted({leaf.name for leaf in spec.input.leaves() if leaf.branch_key.repo in failed})
    return (
        "unrunnable because the following upstream pipelines failed: "
        f"{', '.join(names or sorted(str(repo) for repo in failed))}"
    )
