"""What an upload needs of sessions, without a database: for workers. See `storage.sessions`."""

from __future__ import annotations

from typing import Protocol


class Sessions(Protocol):
    """Where an upload gets its lease."""

    def acquire(self) -> int:
        """Take part in a session that is live from now on until `release`."""

    def release(self, session: int) -> None:
        """The upload has ended."""


class HeldSession:
    """`Sessions` of a worker: the server holds its session and renews it for it."""

    def __init__(self, session: int) -> None:
        self._session = session

    def acquire(self) -> int:
        return self._session

    def release(self, session: int) -> None:
        pass
