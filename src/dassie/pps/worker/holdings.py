"""The datums that a worker holds, shared by its threads: who has which lease, what runs, and what
pachd has ordered. It only keeps book; killing is the caller's."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable

from dassie.pps.worker.model import Orders, Task


class Holdings:
    """Thread-safe. Implements `run.Control`."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._held: dict[str, Task] = {}
        self._waiting: dict[str, int] = {}
        self._bytes = 0
        self._cancelled: set[str] = set()
        self._restart: set[str] = set()
        self._running = ""
        self._since_us = 0
        self._stopped = False

    def take(self, tasks: Iterable[Task]) -> None:
        """Leases that pachd has just given."""
        with self._changed:
            for task in tasks:
                self._held[task.lease] = task
                self._waiting[task.lease] = 0

    def staging(self, task: Task, size: int) -> None:
        """Count what a datum that waits has, or is about to have, on disk."""
        with self._changed:
            if task.lease in self._waiting:
                self._bytes += size - self._waiting[task.lease]
                self._waiting[task.lease] = size

    def start(self, task: Task) -> None:
        """A datum's turn has come: it waits no longer."""
        with self._changed:
            self._bytes -= self._waiting.pop(task.lease, 0)
            self._changed.notify_all()

    def drop(self, leases: Iterable[str]) -> None:
        """Reported, or given up."""
        with self._changed:
            for lease in leases:
                self._held.pop(lease, None)
                self._bytes -= self._waiting.pop(lease, 0)
                self._cancelled.discard(lease)
                self._restart.discard(lease)
            self._changed.notify_all()

    def wait_for_room(self, most: int) -> bool:
        """Until at most so many datums wait for their turn. False: the worker is stopping."""
        with self._changed:
            self._changed.wait_for(lambda: self._stopped or len(self._waiting) <= most)
            return not self._stopped

    def wait_for_bytes(self, size: int, budget: int) -> bool:
        """Until `size` more bytes may be staged. False: the worker is stopping."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._stopped or self._bytes == 0 or self._bytes + size <= budget
            )
            return not self._stopped

    def wait_until_empty(self) -> bool:
        """Until nothing is held any more. False: the worker is stopping."""
        with self._changed:
            self._changed.wait_for(lambda: self._stopped or not self._held)
            return not self._stopped

    def stop(self) -> None:
        """Let nobody wait any more; everything held counts as cancelled."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def snapshot(self) -> tuple[list[str], str, int]:
        """For a heartbeat: leases held, the one that runs, since when (µs)."""
        with self._changed:
            return list(self._held), self._running, self._since_us

    def obey(self, orders: Orders) -> bool:
        """Note what pachd ordered; true when the running user code must be killed for it."""
        with self._changed:
            self._cancelled |= orders.kill & self._held.keys()
            if self._running in orders.restart:
                self._restart.add(self._running)
            return bool(self._running) and self._running in orders.kill | orders.restart

    # -- run.Control -------------------------------------------------------------------------

    def begin(self, task: Task) -> None:
        with self._changed:
            self._running, self._since_us = task.lease, time.time_ns() // 1000

    def end(self) -> None:
        with self._changed:
            self._running, self._since_us = "", 0

    def cancelled(self, lease: str) -> bool:
        with self._changed:
            return self._stopped or lease in self._cancelled

    def take_restart(self, lease: str) -> bool:
        with self._changed:
            if lease not in self._restart:
                return False
            self._restart.discard(lease)
            return not (self._stopped or lease in self._cancelled)
