"""Handing datums to workers and taking their results: leases in memory over durable rows.

The worker door calls this for every message of `dassie.worker.v1`; the scheduler opens and closes
pools and jobs, and calls `expire` every second. One report is one transaction, whatever number of
datums it tells of. Nothing here plans or finishes a job.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import sqlalchemy as sa

from dassie.base.clock import Clock
from dassie.errors import Aborted, PermissionDenied
from dassie.meta.database import Database
from dassie.pps import tasks
from dassie.pps.datums import DatumInputs, decode_inputs
from dassie.pps.executors.api import Pool
from dassie.pps.leases import Lease, LeaseBook, SetSize
from dassie.pps.model import JobKey, PipelineKey
from dassie.pps.results import Result
from dassie.pps.spec import Spec
from dassie.pps.states import DatumState
from dassie.pps.worker_sessions import WorkerSessions
from dassie.storage.lease import Sessions
from dassie.storage.sessions import check as check_session

log = logging.getLogger(__name__)

LEASE_SECONDS: Final = 10.0
HEARTBEAT_SECONDS: Final = 2.0
LOST_WORKERS: Final = 3
"""A datum that was in the hands of so many workers when they died fails with that reason."""


@dataclass(frozen=True, slots=True)
class Registration:
    """What a worker is told about the pipeline it works for."""

    key: PipelineKey
    version: int
    spec: Spec
    env: Mapping[str, str]
    session: int = 0
    """The upload session that keeps what the worker stores from the collector."""


@dataclass(frozen=True, slots=True)
class LeasedDatum:
    """One datum handed to a worker, with everything that processing it takes."""

    token: str
    job_id: str
    datum_id: str
    attempt: int
    inputs: DatumInputs
    env: Mapping[str, str]


@dataclass(slots=True)
class _Open:
    """A pool that workers may register for."""

    pool: Pool
    registration: Registration
    jobs: dict[int, JobKey] = field(default_factory=dict)


class Dispatcher:
    """The only one who leases datums. All methods may be called from any thread."""

    def __init__(
        self,
        db: Database,
        clock: Clock,
        sessions: Sessions,
        *,
        lease_seconds: float = LEASE_SECONDS,
    ) -> None:
        self._db = db
        self._clock = clock
        self._sessions = WorkerSessions(sessions)
        self._book = LeaseBook(lease_seconds)
        self._lock = threading.Lock()
        self._by_token: dict[str, _Open] = {}
        self._by_name: dict[str, _Open] = {}
        self._job_pools: dict[int, str] = {}
        self._running: dict[str, tuple[str, int]] = {}
        self.heartbeat_seconds = min(HEARTBEAT_SECONDS, lease_seconds / 4)

    # -- for the scheduler -------------------------------------------------------------------

    def open_pool(self, pool: Pool, spec: Spec, env: Mapping[str, str]) -> None:
        """Let workers that show the pool's token work for it. Idempotent."""
        key = PipelineKey(pool.project, pool.pipeline)
        sets = spec.datum_set_spec
        with self._lock:
            if pool.name not in self._by_name:
                registration = Registration(key, pool.version, spec, env)
                self._by_name[pool.name] = self._by_token[pool.token] = _Open(pool, registration)
        self._book.open_pool(
            pool.name, spec.parallelism, SetSize(sets.number, sets.per_worker, sets.size_bytes)
        )

    def close_pool(self, name: str) -> None:
        """Its workers are told to stop, and what they still report is refused."""
        with self._lock:
            opened = self._by_name.pop(name, None)
            if opened is not None:
                self._by_token.pop(opened.pool.token, None)
                for seq in opened.jobs:
                    self._job_pools.pop(seq, None)
        self._book.close_pool(name)

    def open_job(self, pool_name: str, key: JobKey, seq: int) -> None:
        """Queue what a planned job has left to do, from its rows. Idempotent."""
        if self._book.is_open(seq):
            return
        with self._db.read() as tx:
            total, pending = tasks.pending(tx, seq)
            mean = tasks.mean_bytes(tx, seq)
        with self._lock:
            opened = self._by_name.get(pool_name)
            if opened is None:
                return
            opened.jobs[seq] = key
            self._job_pools[seq] = pool_name
        self._book.open_job(pool_name, seq, total=total, mean_bytes=mean, pending=pending)

    def close_job(self, seq: int) -> None:
        """The job has ended: whatever workers still hold of it is not wanted any more."""
        with self._lock:
            opened = self._by_name.get(self._job_pools.pop(seq, ""))
            if opened is not None:
                opened.jobs.pop(seq, None)
        self._book.close_job(seq)

    def idle(self, seq: int) -> bool:
        """Whether every datum of an open job has a durable result."""
        return self._book.idle(seq)

    def open_jobs(self) -> list[int]:
        """Jobs whose datums are handed out now."""
        with self._lock:
            return list(self._job_pools)

    def unclaimed(self, pool_name: str) -> int:
        """Datums that wait for a worker."""
        return self._book.waiting(pool_name)

    def workers(self, pool_name: str) -> list[str]:
        """Ids of the workers that have registered and are heard of."""
        return self._book.workers(pool_name)

    def expire(self) -> None:
        """Take back the datums of workers that fell silent."""
        self._take_back(self._book.expire(self._clock.monotonic()))
        self._sessions.keep(self._book.all_workers())

    def vanish(self, worker_id: str) -> None:
        """A worker is known to be dead, sooner than its leases could tell."""
        self._take_back(self._book.vanish(worker_id))

    # -- for the worker door -----------------------------------------------------------------

    def register(self, token: str, worker_id: str) -> Registration:
        """Enter a worker; registering again gives up what it had leased before."""
        opened = self._authorised(token)
        lost = self._book.register(worker_id, opened.pool.name, self._clock.monotonic())
        self._take_back(lost)
        return replace(opened.registration, session=self._sessions.begin(worker_id))

    def wanted(self, token: str, worker_id: str) -> bool:
        """False tells a worker to stop."""
        return token in self._by_token and self._book.wanted(worker_id)

    def pipeline_of(self, token: str) -> PipelineKey:
        """Whose worker shows this token."""
        return self._authorised(token).registration.key

    def has_work(self, worker_id: str) -> bool:
        """Whether `lease` is worth calling; costs nothing."""
        return self._book.has_work(worker_id)

    def lease(self, token: str, worker_id: str, limit: int) -> list[LeasedDatum]:
        """The next datums for a worker; empty when there are none now."""
        self._authorised(token)
        batch = self._book.take(worker_id, limit, self._clock.monotonic())
        if batch is None:
            return []
        try:
            with self._db.read() as tx:
                rows = tasks.waiting(tx, batch.job, [lease.ordinal for lease in batch.leases])
        except BaseException:
            for lease in batch.leases:
                self._give_up(lease)
            raise
        pool = self._by_name.get(batch.leases[0].pool)
        job = pool.jobs.get(batch.job) if pool is not None else None
        if job is None:
            return []
        found = [
            _leased(lease.token, job, rows[lease.ordinal])
            for lease in batch.leases
            if lease.ordinal in rows
        ]
        for lease in batch.leases:
            if lease.ordinal not in rows:  # its result was durable before the job was reopened
                self._book.settle([lease.token], None)
        return found

    def on_work(self, worker_id: str, wake: Callable[[], None]) -> Callable[[], None]:
        """Call `wake` (in any thread) when a worker should ask again; returns the undo."""
        return self._book.on_work(worker_id, wake)

    def report(
        self, token: str, worker_id: str, results: Sequence[tuple[str, Result]]
    ) -> list[str]:
        """Make results (by lease) durable, in one transaction; returns the leases refused."""
        opened = self._authorised(token)
        refused: list[str] = []
        accepted: list[tuple[Lease, Result]] = []
        for lease_token, result in results:
            lease = self._book.claim(worker_id, lease_token)
            if lease is not None:
                accepted.append((lease, result))
            elif not self._book.settled(lease_token):
                refused.append(lease_token)
        if accepted:
            refused += self._store(worker_id, opened.registration.key, accepted)
        return refused

    def heartbeat(
        self, token: str, worker_id: str, leases: Iterable[str], running: str, since_us: int = 0
    ) -> tuple[set[str], set[str]]:
        """Keep leases alive; returns those to kill and those to run again."""
        self._authorised(token)
        kill = self._book.renew(worker_id, leases, running, self._clock.monotonic())
        if running:
            self._running[worker_id] = (running, since_us)
        else:
            self._running.pop(worker_id, None)
        return kill, self._book.take_restarts(worker_id)

    # -- for the facade ----------------------------------------------------------------------

    def running(self, seq: int) -> list[tuple[str, str, int]]:
        """(worker, datum id, running since µs) of a job's datums whose user code runs now."""
        with self._lock:
            heard = dict(self._running)
        leases = {lease.token: lease for lease in self._book.leases_of(seq)}
        busy = [(w, leases[t], since) for w, (t, since) in heard.items() if t in leases]
        if not busy:
            return []
        with self._db.read() as tx:
            rows = tasks.waiting(tx, seq, [lease.ordinal for _, lease, _ in busy])
        return [
            (worker, rows[lease.ordinal].datum_id, since)
            for worker, lease, since in busy
            if lease.ordinal in rows
        ]

    def leased_ordinals(self, seq: int) -> set[int]:
        """Ordinals of a job's datums that workers hold now."""
        return {lease.ordinal for lease in self._book.leases_of(seq)}

    def restart(self, seq: int, matches: Callable[[DatumInputs], bool]) -> int:
        """Have leased datums whose inputs match run again; returns how many."""
        leases = self._book.leases_of(seq)
        with self._db.read() as tx:
            rows = tasks.waiting(tx, seq, [lease.ordinal for lease in leases])
        count = 0
        for lease in leases:
            row = rows.get(lease.ordinal)
            if row is not None and matches(decode_inputs(row.inputs)):
                self._book.restart(lease.token)
                count += 1
        return count

    # -- inside ------------------------------------------------------------------------------

    def _authorised(self, token: str) -> _Open:
        opened = self._by_token.get(token)
        if opened is None:
            raise PermissionDenied("this worker's token is not that of a running pipeline")
        return opened

    def _give_up(self, lease: Lease) -> None:
        if self._book.drop(lease.token):
            self._book.requeue(lease, suspect=False)

    def _store(
        self, worker_id: str, key: PipelineKey, accepted: list[tuple[Lease, Result]]
    ) -> list[str]:
        by_job: dict[int, list[tuple[Lease, Result]]] = {}
        for lease, result in accepted:
            by_job.setdefault(lease.job, []).append((lease, result))
        gone: set[int] = set()
        try:
            with self._db.write() as tx:
                check_session(tx, self._sessions.of(worker_id))
                for seq, items in by_job.items():
                    if not tasks.store_results(
                        tx, seq, [(le.ordinal, result) for le, result in items]
                    ):
                        gone.add(seq)
                tx.notify("datums", str(key))
        except Aborted:
            # What the worker stored, and what it believes is stored, may be gone: another one, with
            # a session that lives, has to process its datums again.
            for lease, _ in accepted:
                self._give_up(lease)
            self.vanish(worker_id)
            return [lease.token for lease, _ in accepted]
        except BaseException:
            self._book.unclaim(lease for lease, _ in accepted)
            raise
        kept = [item for item in accepted if item[0].job not in gone]
        for lease, _ in accepted:
            if lease.job in gone:
                self._book.drop(lease.token)
        idle = self._book.settle([lease.token for lease, _ in kept], _mean_seconds(kept))
        if idle:
            self._db.notifier.publish([("jobs", str(key))])
        return [lease.token for lease, _ in accepted if lease.job in gone]

    def _take_back(self, lost: list[Lease]) -> None:
        if not lost:
            return
        try:
            blamed = _blamed(lost)
            failed = self._count_attempts(blamed) if blamed else set()
        except Exception:
            log.exception("counting lost workers failed; their datums go back uncounted")
            blamed, failed = list(lost), set()
        guilty = {lease.token for lease in blamed}
        for lease in lost:
            if (lease.job, lease.ordinal) not in failed:
                self._book.requeue(lease, suspect=lease.token in guilty)
        if failed:
            for name in {lease.pool for lease in lost}:
                self._db.notifier.publish([("jobs", name.partition("@")[0])])

    def _count_attempts(self, blamed: list[Lease]) -> set[tuple[int, int]]:
        """Count one more lost worker per datum; those with too many fail. Returns the failed."""
        failed: set[tuple[int, int]] = set()
        with self._db.write() as tx:
            for lease in blamed:
                attempt = tasks.count_attempt(tx, lease.job, lease.ordinal)
                if attempt >= LOST_WORKERS:
                    reason = f"its worker died {attempt} times while processing it"
                    result = Result(DatumState.FAILED, reason, tries=attempt)
                    tasks.store_results(tx, lease.job, [(lease.ordinal, result)])
                    failed.add((lease.job, lease.ordinal))
        return failed


def _blamed(lost: list[Lease]) -> list[Lease]:
    """Of what dead workers held: what was running, or everything where nothing was known to run."""
    by_worker: dict[str, list[Lease]] = {}
    for lease in lost:
        by_worker.setdefault(lease.worker, []).append(lease)
    blamed: list[Lease] = []
    for leases in by_worker.values():
        running = [lease for lease in leases if lease.running]
        blamed += running or leases
    return blamed


def _leased(token: str, job: JobKey, row: sa.Row[Any]) -> LeasedDatum:
    inputs = decode_inputs(row.inputs)
    env = {
        "PACH_JOB_ID": job.id,
        "PACH_OUTPUT_COMMIT_ID": job.id,
        "PACH_DATUM_ID": row.datum_id,
    }
    for file in inputs:
        env[file.name] = f"/pfs/{file.name}{file.path}".rstrip("/")
        env[f"{file.name}_COMMIT"] = file.commit
    return LeasedDatum(token, job.id, row.datum_id, row.attempt, inputs, env)


def _mean_seconds(items: Sequence[tuple[Lease, Result]]) -> float | None:
    if not items:
        return None
    total = sum(r.stats.download_us + r.stats.process_us + r.stats.upload_us for _, r in items)
    return total / len(items) / 1e6
