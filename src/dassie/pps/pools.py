"""Which workers are wanted, for every pipeline, and what the executor makes of it.

The scheduler calls `reconcile` at every turn: pools of running pipelines are opened and kept at
their size, pools of stopped, updated or deleted ones are closed, workers known to be dead lose
their datums at once. Pipeline states follow from that. Starting workers is the executor's business.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

from dassie.meta.database import Database
from dassie.pps import pipelines
from dassie.pps.dispatch import Dispatcher
from dassie.pps.executors.api import Executor, Pool, WorkerState, WorkerStatus
from dassie.pps.model import PipelineKey
from dassie.pps.pipelines import Current
from dassie.pps.spec import Spec
from dassie.pps.states import PIPELINE_MOVES, PipelineState

MISSING_SECONDS: Final = 1.5
IDLE_WORKERS: Final = 16
"""Workers kept for pipelines that have nothing to do, in all."""
CRASHES: Final = 3
"""Deaths in a row after which a pipeline is shown as crashing."""

Verdict = tuple[PipelineState, str]


@dataclass(slots=True)
class _Kept:
    pool: Pool
    spec: Spec
    created_us: int
    count: int = -1
    busy_at: float = 0.0
    """When it had something to do last (monotonic)."""


class Pools:
    """The live pools, one per running pipeline. Called from the controller's thread only, but for
    `name_of`."""

    def __init__(self, db: Database, dispatcher: Dispatcher, executor: Executor) -> None:
        self._db = db
        self._dispatcher = dispatcher
        self._executor = executor
        self._clock = db.clock
        self._kept: dict[PipelineKey, _Kept] = {}
        self._missing: dict[str, float] = {}
        """Workers that the executor does not list, and since when."""

    def reconcile(
        self,
        current: list[Current],
        specs: Mapping[PipelineKey, Spec],
        busy: Collection[PipelineKey],
        troubles: Mapping[PipelineKey, Verdict],
    ) -> None:
        """Make pools and states what they should be. `busy`: pipelines with unfinished jobs;
        `troubles`: states that the scheduler knows better."""
        wanted = {now.key: now for now in current if not now.stopped and now.key in specs}
        for key in list(self._kept):
            if not _is_pool_of(self._kept[key], wanted.get(key)):
                self._close(key)
        for key, now in wanted.items():
            self._open(now, specs[key])
        self._scale(busy)
        registered = {
            kept.pool.name: self._dispatcher.workers(kept.pool.name) for kept in self._kept.values()
        }
        by_pool: dict[str, list[WorkerStatus]] = {}
        for worker in self._executor.status():
            by_pool.setdefault(worker.pool, []).append(worker)
        self._bury(registered, by_pool)
        verdicts = {now.key: (PipelineState.PAUSED, "") for now in current if now.stopped}
        for key, kept in self._kept.items():
            verdicts[key] = troubles.get(key) or _health(kept, by_pool.get(kept.pool.name, []))
        verdicts |= {key: trouble for key, trouble in troubles.items() if key not in verdicts}
        self._write(verdicts, {now.key for now in current})

    def name_of(self, key: PipelineKey) -> str:
        """The pool that the pipeline's jobs run in; empty while it has none."""
        kept = self._kept.get(key)
        return kept.pool.name if kept is not None else ""

    def requested(self, key: PipelineKey) -> int:
        """How many workers the pipeline shall have now."""
        kept = self._kept.get(key)
        return max(0, kept.count) if kept is not None else 0

    def close(self) -> None:
        """Stop all workers, and wait until they are gone."""
        for kept in self._kept.values():
            self._dispatcher.close_pool(kept.pool.name)
        self._kept.clear()
        self._executor.close()

    def _open(self, now: Current, spec: Spec) -> None:
        if now.key in self._kept:
            return
        # A pipeline deleted and made anew has the same name and version, but other workers.
        name = f"{now.key}@v{now.version}-{secrets.token_hex(3)}"
        token = secrets.token_hex(24)
        pool = Pool(name, now.key.project, now.key.name, now.version, token)
        self._dispatcher.open_pool(pool, spec, _environment(now))
        self._kept[now.key] = _Kept(pool, spec, now.created_us, busy_at=self._clock.monotonic())

    def _scale(self, busy: Collection[PipelineKey]) -> None:
        """A busy pipeline has the workers that it asks for. Idle ones keep theirs, so that the next
        job starts at once, as long as all of them together are not too many: those that were busy
        last come first."""
        now = self._clock.monotonic()
        left = IDLE_WORKERS
        for key, kept in sorted(self._kept.items(), key=lambda item: -item[1].busy_at):
            count = kept.spec.parallelism
            if key in busy:
                kept.busy_at = now
            elif kept.spec.autoscaling or count > left:
                count = 0
            else:
                left -= count
            if count != kept.count:
                self._executor.ensure(kept.pool, count)
                kept.count = count

    def _close(self, key: PipelineKey) -> None:
        kept = self._kept.pop(key)
        self._dispatcher.close_pool(kept.pool.name)
        self._executor.stop(kept.pool.name)

    def _bury(
        self, registered: Mapping[str, list[str]], by_pool: Mapping[str, list[WorkerStatus]]
    ) -> None:
        """Workers that the executor knows to be dead, or has not known for a while, need not be
        waited for. (One that has just been started again is shown under its old name at first.)"""
        now = self._clock.monotonic()
        missing: dict[str, float] = {}
        for pool, workers in by_pool.items():
            state = {worker.worker_id: worker.state for worker in workers}
            for worker_id in registered.get(pool, []):
                if state.get(worker_id) == WorkerState.BACKING_OFF:
                    self._dispatcher.vanish(worker_id)
                elif worker_id not in state:
                    missing[worker_id] = self._missing.get(worker_id, now)
        for worker_id, since in missing.items():
            if now - since > MISSING_SECONDS:
                self._dispatcher.vanish(worker_id)
        self._missing = missing

    def _write(
        self, verdicts: Mapping[PipelineKey, Verdict], known: Collection[PipelineKey]
    ) -> None:
        """Change the states that are not what they should be."""
        with self._db.read() as tx:
            stored = pipelines.all_states(tx)
        moves = {
            key: verdict
            for key, verdict in verdicts.items()
            if key in known and stored.get(key) != verdict
        }
        if not moves:
            return
        with self._db.write() as tx:
            for key, (state, reason) in moves.items():
                now = pipelines.current(tx, key)
                if now is None or now.stopped != (state == PipelineState.PAUSED):
                    continue
                old, _ = pipelines.state_of(tx, key)
                if old == PipelineState.STANDBY and state not in PIPELINE_MOVES[old] | {old}:
                    pipelines.set_state(tx, key, PipelineState.RUNNING)
                pipelines.set_state(tx, key, state, reason)


def _health(kept: _Kept, workers: list[WorkerStatus]) -> Verdict:
    """State of a pipeline from that of its workers."""
    if kept.count == 0:
        return PipelineState.STANDBY if kept.spec.autoscaling else PipelineState.RUNNING, ""
    lives = any(worker.state != WorkerState.BACKING_OFF for worker in workers)
    dead = [worker for worker in workers if worker.state == WorkerState.BACKING_OFF]
    if dead and not lives:
        worst = max(dead, key=lambda worker: worker.restarts)
        reason = f"workers do not stay alive: {worst.error or 'no reason is known'}"
        once = worst.restarts < CRASHES
        return PipelineState.RESTARTING if once else PipelineState.CRASHING, reason
    return PipelineState.RUNNING, ""


def _is_pool_of(kept: _Kept, now: Current | None) -> bool:
    return (
        now is not None and kept.pool.version == now.version and kept.created_us == now.created_us
    )


def _environment(now: Current) -> dict[str, str]:
    return {
        "PPS_PIPELINE_NAME": now.key.name,
        "PPS_PROJECT_NAME": now.key.project,
        "PPS_SPEC_COMMIT": now.spec_commit,
        "PACH_IN_WORKER": "true",
    }
