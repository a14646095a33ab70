"""Upload sessions of workers: what they store is safe from the collector until it is published.

`dispatch.Dispatcher` begins one whenever a worker registers. Workers do so again from time to time,
when they hold nothing: a session as old as its worker would keep all garbage alive.
"""

from __future__ import annotations

import threading

from dassie.errors import Aborted
from dassie.storage.lease import Sessions


class WorkerSessions:
    """One session per worker. Thread-safe."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        self._lock = threading.Lock()
        self._held: dict[str, int] = {}

    def begin(self, worker: str) -> int:
        session = self._sessions.acquire()
        with self._lock:
            old = self._held.get(worker)
            self._held[worker] = session
        if old is not None:
            self._sessions.release(old)
        return session

    def of(self, worker: str) -> int:
        with self._lock:
            held = self._held.get(worker)
        if held is None:
            raise Aborted(f"worker {worker} has no upload session: it must register again")
        return held

    def keep(self, workers: set[str]) -> None:
        """End the sessions of all others."""
        with self._lock:
            gone = [worker for worker in self._held if worker not in workers]
            ended = [self._held.pop(worker) for worker in gone]
        for session in ended:
            self._sessions.release(session)
