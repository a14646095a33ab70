"""Upload sessions of workers: what they store is safe from the collector until it is published.

`dispatch.Dispatcher` begins one when a worker registers and renews it between batches.
"""

from __future__ import annotations

import threading
from typing import Final

from dassie.base.clock import Clock
from dassie.errors import Aborted
from dassie.storage.lease import Sessions

SESSION_SECONDS: Final = 60.0
"""How old a session may be when its worker starts a new batch with it."""


class WorkerSessions:
    """One upload session per worker, renewed between batches: a session that lives as long as its
    worker would keep the collector from ever deleting anything."""

    def __init__(self, sessions: Sessions, clock: Clock) -> None:
        self._sessions = sessions
        self._clock = clock
        self._lock = threading.Lock()
        self._held: dict[str, tuple[int, float]] = {}

    def begin(self, worker: str) -> int:
        session = self._sessions.acquire()
        with self._lock:
            old = self._held.get(worker)
            self._held[worker] = (session, self._clock.monotonic())
        if old is not None:
            self._sessions.release(old[0])
        return session

    def rotate(self, worker: str) -> None:
        """Called when the worker holds no lease, so that nothing of it is on its way."""
        with self._lock:
            held = self._held.get(worker)
        if held is None or self._clock.monotonic() - held[1] > SESSION_SECONDS:
            self.begin(worker)

    def of(self, worker: str) -> int:
        with self._lock:
            held = self._held.get(worker)
        if held is None:
            raise Aborted(f"worker {worker} has no upload session: it must register again")
        return held[0]

    def keep(self, workers: set[str]) -> None:
        """End the sessions of all others."""
        with self._lock:
            gone = [worker for worker in self._held if worker not in workers]
            ended = [self._held.pop(worker)[0] for worker in gone]
        for session in ended:
            self._sessions.release(session)
