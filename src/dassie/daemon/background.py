"""Chores that repeat for as long as the server runs, each in a thread of its own. Built by
`wiring`.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from dassie.errors import DassieError

STOP_S = 5.0

_log = logging.getLogger(__name__)


class Chore:
    """Runs `work` every `period` seconds until it is stopped; a failure is logged and waits for the
    next turn.
    """

    def __init__(self, name: str, period: float, work: Callable[[], object]) -> None:
        self._name = name
        self._period = period
        self._work = work
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Does nothing when the period is 0."""
        if self._period > 0:
            self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Ask it to end, and wait a little for the turn that runs now: each may be cut off."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(STOP_S)

    def _run(self) -> None:
        while not self._stopping.wait(self._period):
            try:
                self._work()
            except DassieError as error:
                _log.warning("%s: %s (will try again)", self._name, error)
            except Exception:  # noqa: BLE001 - a bug in one turn must not end the chore for good
                _log.exception("%s failed (will try again)", self._name)
