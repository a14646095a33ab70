"""Who works on which datum: leases in memory. Pure but for its lock; time is a parameter.

`dispatch.Dispatcher` is the only caller: it reads and writes the rows that these leases stand for.
A lease is a promise that a worker breaks by silence: when it expires its datum goes back to the
queue, and what the worker says later is refused, because its token is no longer known. Nothing
here survives a restart, and nothing has to: a datum without a durable result is pending again.

A datum that was given to a worker which then vanished is *suspect*: it is handed out alone, so that
the one that kills its workers is found, and its neighbours are not blamed.
"""

from __future__ import annotations

import itertools
import secrets
import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

TARGET_SECONDS = 0.75
"""How long a batch of leased datums should keep a worker busy."""

LEAST_SECONDS = 0.05
"""Less work than this is not worth a request of its own."""

LARGEST_BATCH = 512
REMEMBERED = 20_000
"""Accepted results that are still known when a worker, which heard no answer, reports again."""


@dataclass(frozen=True, slots=True)
class SetSize:
    """How many datums go to a worker at once; all zero: decided by measurement."""

    number: int = 0
    per_worker: int = 0
    size_bytes: int = 0


@dataclass(slots=True)
class Lease:
    """One datum in the hands of one worker."""

    token: str
    pool: str
    job: int
    ordinal: int
    worker: str
    expires: float
    running: bool = False
    settling: bool = False
    """Its result is being written: it can neither expire nor be reported again."""


@dataclass(frozen=True, slots=True)
class Batch:
    """What `take` hands out: datums of one job."""

    job: int
    leases: tuple[Lease, ...]


@dataclass(slots=True)
class _Worker:
    id: str
    pool: str
    seen: float
    leases: set[str] = field(default_factory=set)
    kill: set[str] = field(default_factory=set)
    restart: set[str] = field(default_factory=set)


@dataclass(slots=True)
class _Job:
    seq: int
    pool: str
    total: int
    mean_bytes: int
    pending: deque[range]
    suspects: deque[int] = field(default_factory=deque)
    leased: set[str] = field(default_factory=set)

    def waiting(self) -> int:
        return len(self.suspects) + sum(len(run) for run in self.pending)

    def take(self, count: int) -> list[int]:
        if not self.pending:
            return [self.suspects.popleft()] if self.suspects else []
        taken: list[int] = []
        while self.pending and len(taken) < count:
            run = self.pending.popleft()
            part = run[: count - len(taken)]
            taken.extend(part)
            if len(part) < len(run):
                self.pending.appendleft(run[len(part) :])
        return taken


@dataclass(slots=True)
class _Pool:
    name: str
    parallelism: int
    set_size: SetSize
    jobs: dict[int, _Job] = field(default_factory=dict)
    seconds: float | None = None
    wake: dict[int, Callable[[], None]] = field(default_factory=dict)


class LeaseBook:
    """All pools, jobs, workers and leases of this process. Thread-safe; never blocks for long."""

    def __init__(self, ttl: float) -> None:
        self._ttl = ttl
        self._lock = threading.RLock()
        self._pools: dict[str, _Pool] = {}
        self._jobs: dict[int, _Job] = {}
        self._workers: dict[str, _Worker] = {}
        self._leases: dict[str, Lease] = {}
        self._settled: OrderedDict[str, None] = OrderedDict()
        self._wake_ids = itertools.count()

    # -- pools and jobs ----------------------------------------------------------------------

    def open_pool(self, name: str, parallelism: int, set_size: SetSize) -> None:
        """Make a pool, or change its settings. A new version of a pipeline is a new pool."""
        with self._lock:
            pool = self._pools.setdefault(name, _Pool(name, parallelism, set_size))
            pool.parallelism, pool.set_size = parallelism, set_size

    def close_pool(self, name: str) -> None:
        """Drop the pool with its jobs; its workers are told to stop."""
        with self._lock:
            pool = self._pools.pop(name, None)
            if pool is None:
                return
            for seq in list(pool.jobs):
                self._close_job(seq)
            wake = list(pool.wake.values())
        _call(wake)

    def open_job(
        self, pool: str, seq: int, *, total: int, mean_bytes: int, pending: Iterable[range]
    ) -> None:
        """Queue a job's pending datums, given as runs of ordinals. Idempotent."""
        with self._lock:
            if seq in self._jobs or pool not in self._pools:
                return
            job = _Job(seq, pool, total, mean_bytes, deque(run for run in pending if run))
            self._jobs[seq] = self._pools[pool].jobs[seq] = job
            wake = list(self._pools[pool].wake.values())
        _call(wake)

    def is_open(self, seq: int) -> bool:
        with self._lock:
            return seq in self._jobs

    def close_job(self, seq: int) -> None:
        """Forget a job: its leases are void, and workers that hold one are told to kill it."""
        with self._lock:
            self._close_job(seq)

    def _close_job(self, seq: int) -> None:
        job = self._jobs.pop(seq, None)
        if job is None:
            return
        if job.pool in self._pools:
            self._pools[job.pool].jobs.pop(seq, None)
        for token in list(job.leased):
            worker = self._workers.get(self._drop(token).worker)
            if worker is not None:
                worker.kill.add(token)

    def idle(self, seq: int) -> bool:
        """Whether nothing of the job is queued or leased: all of it has been settled."""
        with self._lock:
            job = self._jobs.get(seq)
            return job is not None and not job.leased and not job.waiting()

    def waiting(self, pool: str) -> int:
        """Datums that no worker has taken yet."""
        with self._lock:
            found = self._pools.get(pool)
            return sum(job.waiting() for job in found.jobs.values()) if found else 0

    # -- workers -----------------------------------------------------------------------------

    def register(self, worker: str, pool: str, now: float) -> list[Lease]:
        """Enter a worker. A worker that registers again has lost its leases: they are returned."""
        with self._lock:
            lost = self._forget(worker)
            self._workers[worker] = _Worker(worker, pool, now)
            return lost

    def wanted(self, worker: str) -> bool:
        """Whether the worker is entered and its pool still exists."""
        with self._lock:
            entered = self._workers.get(worker)
            return entered is not None and entered.pool in self._pools

    def workers(self, pool: str) -> list[str]:
        with self._lock:
            return [worker.id for worker in self._workers.values() if worker.pool == pool]

    def all_workers(self) -> set[str]:
        with self._lock:
            return set(self._workers)

    def has_work(self, worker: str) -> bool:
        """Whether datums wait that this worker could take."""
        with self._lock:
            entered = self._workers.get(worker)
            pool = self._pools.get(entered.pool) if entered else None
            return pool is not None and any(job.waiting() for job in pool.jobs.values())

    def vanish(self, worker: str) -> list[Lease]:
        """A worker is known to be dead: its leases, which the caller must requeue or fail."""
        with self._lock:
            return self._forget(worker)

    def _forget(self, worker: str) -> list[Lease]:
        entered = self._workers.pop(worker, None)
        if entered is None:
            return []
        # What is being written stays: whoever writes it settles it.
        held = [token for token in entered.leases if not self._leases[token].settling]
        return [self._drop(token) for token in held]

    # -- leases ------------------------------------------------------------------------------

    def take(self, worker: str, limit: int, now: float) -> Batch | None:
        """Lease the next datums of the oldest job that has any."""
        with self._lock:
            entered = self._workers.get(worker)
            pool = self._pools.get(entered.pool) if entered else None
            if entered is None or pool is None:
                return None
            entered.seen = now
            for seq in sorted(pool.jobs):
                job = pool.jobs[seq]
                ordinals = job.take(max(1, min(limit, self._batch_size(pool, job))))
                if ordinals:
                    return Batch(seq, tuple(self._enter(entered, job, ordinals, now)))
            return None

    def _enter(
        self, worker: _Worker, job: _Job, ordinals: list[int], now: float
    ) -> Iterable[Lease]:
        nonce = secrets.token_hex(8)
        for ordinal in ordinals:
            token = f"{nonce}.{job.seq}.{ordinal}"
            lease = Lease(token, job.pool, job.seq, ordinal, worker.id, now + self._ttl)
            self._leases[token] = lease
            worker.leases.add(token)
            job.leased.add(token)
            yield lease

    def _batch_size(self, pool: _Pool, job: _Job) -> int:
        size = pool.set_size
        if size.number:
            return size.number
        if size.per_worker:
            return -(-job.total // (max(1, pool.parallelism) * size.per_worker))
        if size.size_bytes:
            return max(1, size.size_bytes // max(1, job.mean_bytes))
        if pool.seconds is None:
            return 1
        seconds = max(pool.seconds, 1e-4)
        # Towards the end of a job smaller batches keep all workers busy to the last datum.
        fair = -(-job.waiting() // (2 * max(1, pool.parallelism)))
        worthwhile = int(LEAST_SECONDS / seconds)
        return max(1, min(int(TARGET_SECONDS / seconds), max(fair, worthwhile), LARGEST_BATCH))

    def claim(self, worker: str, token: str) -> Lease | None:
        """The lease, for writing its result, when it is valid and this worker's."""
        with self._lock:
            lease = self._leases.get(token)
            if lease is None or lease.worker != worker or lease.settling:
                return None
            lease.settling = True
            return lease

    def unclaim(self, leases: Iterable[Lease]) -> None:
        """Writing the results failed; the worker may report them again."""
        with self._lock:
            for lease in leases:
                lease.settling = False

    def settled(self, token: str) -> bool:
        """Whether this token's result was accepted before (a report that was sent twice)."""
        with self._lock:
            return token in self._leases or token in self._settled

    def settle(self, tokens: Iterable[str], seconds: float | None) -> set[int]:
        """The results are durable. `seconds`: mean time per datum. Jobs that became idle."""
        with self._lock:
            touched: set[int] = set()
            for token in tokens:
                if token not in self._leases:
                    continue
                lease = self._drop(token)
                job = self._jobs.get(lease.job)
                if job is None:
                    continue
                self._settled[token] = None
                touched.add(lease.job)
                pool = self._pools.get(lease.pool)
                if pool is not None and seconds is not None:
                    old = seconds if pool.seconds is None else pool.seconds
                    pool.seconds = 0.5 * old + 0.5 * seconds
                    seconds = None
            while len(self._settled) > REMEMBERED:
                self._settled.popitem(last=False)
            return {seq for seq in touched if self.idle(seq)}

    def drop(self, token: str) -> bool:
        """Void a lease; its datum is the caller's. False when it was void already."""
        with self._lock:
            return token in self._leases and self._drop(token) is not None

    def requeue(self, lease: Lease, *, suspect: bool) -> None:
        """Put a datum whose lease ended back into the queue."""
        with self._lock:
            job = self._jobs.get(lease.job)
            if job is None:
                return
            if suspect:
                job.suspects.append(lease.ordinal)
            else:
                job.pending.appendleft(range(lease.ordinal, lease.ordinal + 1))
            wake = list(self._pools[job.pool].wake.values())
        _call(wake)

    def renew(self, worker: str, tokens: Iterable[str], running: str, now: float) -> set[str]:
        """Extend leases; returns those that are void and must be killed."""
        with self._lock:
            entered = self._workers.get(worker)
            if entered is None:
                return set(tokens)
            entered.seen = now
            void, entered.kill = entered.kill, set()
            for token in tokens:
                lease = self._leases.get(token)
                if lease is None or lease.worker != worker:
                    void.add(token)
                    continue
                lease.expires = now + self._ttl
                lease.running = token == running
            return void

    def take_restarts(self, worker: str) -> set[str]:
        """Leases whose user code this worker shall kill and run again; told once."""
        with self._lock:
            entered = self._workers.get(worker)
            if entered is None:
                return set()
            tokens, entered.restart = entered.restart, set()
            return tokens

    def restart(self, token: str) -> None:
        with self._lock:
            lease = self._leases.get(token)
            if lease is not None:
                self._workers[lease.worker].restart.add(token)

    def leases_of(self, seq: int) -> list[Lease]:
        with self._lock:
            job = self._jobs.get(seq)
            return [self._leases[token] for token in job.leased] if job else []

    def expire(self, now: float) -> list[Lease]:
        """Leases whose time is over, which the caller must requeue or fail; forgets the workers."""
        with self._lock:
            lost = [
                lease
                for lease in self._leases.values()
                if lease.expires <= now and not lease.settling
            ]
            for lease in lost:
                self._drop(lease.token)
            for worker in list(self._workers.values()):
                if worker.seen + 3 * self._ttl <= now and not worker.leases:
                    del self._workers[worker.id]
            return lost

    def _drop(self, token: str) -> Lease:
        lease = self._leases.pop(token)
        if lease.worker in self._workers:
            self._workers[lease.worker].leases.discard(token)
        if lease.job in self._jobs:
            self._jobs[lease.job].leased.discard(token)
        return lease

    # -- waiting -----------------------------------------------------------------------------

    def on_work(self, worker: str, wake: Callable[[], None]) -> Callable[[], None]:
        """Call `wake` (from any thread) when the worker should ask again; returns the undo."""
        with self._lock:
            entered = self._workers.get(worker)
            pool = self._pools.get(entered.pool) if entered else None
            if pool is None:
                wake()
                return lambda: None
            number = next(self._wake_ids)
            pool.wake[number] = wake

        def undo() -> None:
            with self._lock:
                pool.wake.pop(number, None)

        return undo


def _call(wake: Iterable[Callable[[], None]]) -> None:
    for function in wake:
        function()
