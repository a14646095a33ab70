"""Whether the server can work, and why not. Set by the daemon, told by doors. Thread-safe."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Readiness:
    """A reason, empty while all is well, and those who want to know of changes."""

    def __init__(self) -> None:
        self._reason = ""
        self._lock = threading.Lock()
        self._watchers: list[Callable[[], None]] = []

    @property
    def reason(self) -> str:
        """Why the server is not ready; empty: it is."""
        return self._reason

    def set(self, reason: str) -> None:
        """From any thread."""
        with self._lock:
            self._reason = reason
            watchers = list(self._watchers)
        for watcher in watchers:
            watcher()

    def watch(self, changed: Callable[[], None]) -> Callable[[], None]:
        """Call `changed`, in whatever thread, after every change; returns what ends that."""
        with self._lock:
            self._watchers.append(changed)

        def undo() -> None:
            with self._lock:
                self._watchers.remove(changed)

        return undo
