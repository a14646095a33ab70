"""The controller: one thread that wakes when something changed and advances every pipeline.

It sleeps on the notifier's channels and looks around once a second at the least. Pipelines are
advanced in a small thread pool, each by one thread at a time, so that a slow one holds up no other.
What goes wrong is logged, shown as the pipeline's state with its reason, and tried again after a
pause that doubles: never silently, never in a tight loop.
"""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from dassie.base.clock import Clock, to_micros
from dassie.errors import DassieError, NotFound
from dassie.meta.database import Database
from dassie.pps import jobs, pipelines, tasks
from dassie.pps.dispatch import Dispatcher
from dassie.pps.logs import LogStore
from dassie.pps.model import JobInfo, LogLine, PipelineKey
from dassie.pps.pools import Pools, Verdict
from dassie.pps.running import Runner
from dassie.pps.spec import Spec
from dassie.pps.states import PipelineState

log = logging.getLogger(__name__)

TICK_SECONDS: Final = 1.0
THREADS: Final = 4
LONGEST_PAUSE: Final = 60.0
CRASHING_AFTER: Final = 3
"""Failures in a row after which a pipeline is not just restarting but crashing."""

PRUNE_SECONDS: Final = 60.0
LOG_AGE: Final = timedelta(days=14)
LOG_BYTES: Final = 1 << 30
SWEEPS: Final = 4
_SPECS: Final = 256


@dataclass(frozen=True, slots=True)
class _Trouble:
    failures: int
    reason: str
    again_at: float


class SpecCache:
    """Specs by pipeline version: building one checks a whole document. Thread-safe."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._lock = threading.Lock()
        self._specs: OrderedDict[tuple[PipelineKey, int, int], Spec] = OrderedDict()

    def of(self, now: pipelines.Current) -> Spec:
        """The current spec of a pipeline."""
        return self._get(now, now.version)

    def of_job(self, job: JobInfo) -> Spec:
        """The spec of the version that a job runs."""
        with self._db.read() as tx:
            now = pipelines.require(tx, job.key.pipeline)
        return self._get(now, job.pipeline_version)

    def _get(self, now: pipelines.Current, version: int) -> Spec:
        # A pipeline made anew under its old name is another one.
        place = (now.key, version, now.created_us)
        with self._lock:
            found = self._specs.get(place)
            if found is not None:
                self._specs.move_to_end(place)
                return found
        with self._db.read() as tx:
            found = pipelines.spec_of(tx, now.key, version)
        with self._lock:
            self._specs[place] = found
            while len(self._specs) > _SPECS:
                self._specs.popitem(last=False)
        return found


class MasterLog:
    """The controller's own lines in pipelines' logs, gathered and written once a second."""

    def __init__(self, store: LogStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._lock = threading.Lock()
        self._lines: list[LogLine] = []
        self._flush_at = 0.0
        self._prune_at = clock.monotonic() + PRUNE_SECONDS

    def note(self, job: JobInfo, message: str) -> None:
        self.say(job.key.pipeline, message, job.key.id)

    def say(self, key: PipelineKey, message: str, job_id: str = "") -> None:
        line = LogLine(self._clock.now(), key, message, job_id)
        with self._lock:
            self._lines.append(line)

    def turn(self) -> None:
        """Flush, but not at every turn: a transaction more would delay those of jobs."""
        if self._clock.monotonic() >= self._flush_at:
            self._flush_at = self._clock.monotonic() + TICK_SECONDS
            self.flush()
        self._prune()

    def flush(self) -> None:
        """Store the lines that are waiting."""
        with self._lock:
            lines, self._lines = self._lines, []
        self._store.append(lines)

    def _prune(self) -> None:
        """Once a minute, forget what is too old or too much."""
        if self._clock.monotonic() < self._prune_at:
            return
        self._prune_at = self._clock.monotonic() + PRUNE_SECONDS
        before = to_micros(self._clock.now() - LOG_AGE)
        self._store.prune(before_us=before, max_bytes=LOG_BYTES)


class Controller:
    """Advances pipelines until closed."""

    def __init__(
        self, db: Database, runner: Runner, dispatcher: Dispatcher, pools: Pools, logs: MasterLog
    ) -> None:
        self._db = db
        self._clock = db.clock
        self._runner = runner
        self._dispatcher = dispatcher
        self._pools = pools
        self._master = logs
        self._specs = SpecCache(db)
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="pipeline")
        self._lock = threading.Lock()
        self._active: set[PipelineKey] = set()
        self._again: set[PipelineKey] = set()
        self._troubles: dict[PipelineKey, _Trouble] = {}
        self._due: dict[PipelineKey, float] = {}
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="controller", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop, after the steps that run now; what they have not done is done after a restart."""
        self._closing.set()
        self._db.notifier.publish([("jobs", "")])
        if self._thread is not None:
            self._thread.join()
        self._threads.shutdown(wait=True, cancel_futures=True)
        self._master.flush()

    def _run(self) -> None:
        with self._db.notifier.subscribe("jobs", "commits", "pipelines") as changes:
            while not self._closing.is_set():
                try:
                    self.turn()
                except DassieError as error:
                    log.warning("a turn of the pipeline controller failed; it goes on: %s", error)
                    self._closing.wait(TICK_SECONDS)
                except Exception:
                    log.exception("a turn of the pipeline controller failed; it goes on")
                    self._closing.wait(TICK_SECONDS)
                changes.wait(self._pause())

    def _pause(self) -> float:
        """Until the next second, or until a job's time is up if that is sooner."""
        with self._lock:
            due = min(self._due.values(), default=None)
        if due is None:
            return TICK_SECONDS
        return min(TICK_SECONDS, max(0.0, due - self._clock.monotonic()))

    def turn(self) -> None:
        """Look at everything once, and start advancing what may move."""
        with self._db.read() as tx:
            current = pipelines.all_current(tx)
            busy = jobs.busy_pipelines(tx)
            leftovers = tasks.leftovers(tx)
        specs = self._load(current)
        self._forget({now.key for now in current})
        self._pools.reconcile(current, specs, busy, self._verdicts())
        self._dispatcher.expire()
        self._close_ended(busy)
        for key in sorted(busy & specs.keys()):
            self._submit(key)
        self._sweep(leftovers)
        self._master.turn()

    def _sweep(self, seqs: list[int]) -> None:
        """Delete rows of jobs that have ended, in small transactions, a few at every turn."""
        for seq in seqs[:SWEEPS]:
            with self._db.write() as tx:
                tasks.sweep(tx, seq)

    def _load(self, current: list[pipelines.Current]) -> dict[PipelineKey, Spec]:
        found: dict[PipelineKey, Spec] = {}
        for now in current:
            try:
                found[now.key] = self._specs.of(now)
            except NotFound:  # deleted since
                continue
            except Exception as error:
                log.exception("spec of pipeline %s cannot be read", now.key)
                self._failed(now.key, error)
        return found

    def _close_ended(self, busy: Collection[PipelineKey]) -> None:
        """Jobs that were stopped from outside: their workers must hear of it."""
        opened = self._dispatcher.open_jobs()
        if not opened:
            return
        with self._db.read() as tx:
            alive = {job.seq for key in busy for job in jobs.unfinished(tx, key)}
        for seq in opened:
            if seq not in alive:
                self._dispatcher.close_job(seq)

    # -- advancing ---------------------------------------------------------------------------

    def _submit(self, key: PipelineKey) -> None:
        """Advance a pipeline in the pool; when it is being advanced now, once more afterwards."""
        with self._lock:
            trouble = self._troubles.get(key)
            if trouble is not None and trouble.again_at > self._clock.monotonic():
                return
            if key in self._active:
                self._again.add(key)
                return
            self._active.add(key)
        self._threads.submit(self._advance, key)

    def _advance(self, key: PipelineKey) -> None:
        while True:
            try:
                left = self._runner.advance(key, self._pools.name_of(key), self._specs.of_job)
                self._succeeded(key, left)
            except DassieError as error:
                log.warning("advancing pipeline %s failed: %s", key, error)
                self._failed(key, error)
            except Exception as error:
                log.exception("advancing pipeline %s failed", key)
                self._failed(key, error)
            with self._lock:
                if key not in self._again or self._closing.is_set() or key in self._troubles:
                    self._active.discard(key)
                    self._again.discard(key)
                    return
                self._again.discard(key)

    def _succeeded(self, key: PipelineKey, left: timedelta | None) -> None:
        with self._lock:
            self._troubles.pop(key, None)
            if left is None:
                self._due.pop(key, None)
            else:
                self._due[key] = self._clock.monotonic() + left.total_seconds()

    def _failed(self, key: PipelineKey, error: Exception) -> None:
        with self._lock:
            before = self._troubles.get(key)
            failures = before.failures + 1 if before is not None else 1
            pause = min(LONGEST_PAUSE, 2.0 ** (failures - 1))
            times = "once" if failures == 1 else f"{failures} times"
            again = f"(failed {times}, next try in {pause:g}s)"
            reason = f"{str(error) or type(error).__name__} {again}"
            self._due.pop(key, None)
            self._troubles[key] = _Trouble(failures, reason, self._clock.monotonic() + pause)
        self._master.say(key, f"pipeline cannot be advanced: {reason}")

    def _verdicts(self) -> dict[PipelineKey, Verdict]:
        with self._lock:
            return {
                key: (
                    PipelineState.CRASHING
                    if trouble.failures >= CRASHING_AFTER
                    else PipelineState.RESTARTING,
                    trouble.reason,
                )
                for key, trouble in self._troubles.items()
            }

    def _forget(self, known: Collection[PipelineKey]) -> None:
        """Nothing is kept of pipelines that are gone."""
        with self._lock:
            for table in (self._troubles, self._due):
                for key in table.keys() - known:
                    table.pop(key)
