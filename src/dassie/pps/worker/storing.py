"""Storing what finished datums wrote, and reporting the results in batches.

Runs in a thread of its own beside user code. Everything of one batch goes into one upload: its
packs are durable before the report that names them is sent.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from enum import Enum
from typing import Final

from dassie.errors import DassieError
from dassie.pps.worker import folders
from dassie.pps.worker.collect import Output, OutputError, store
from dassie.pps.worker.model import Outcome, Result
from dassie.pps.worker.stage import Slot
from dassie.storage.store import Storage
from dassie.storage.upload import Upload

REPORT_RESULTS: Final = 128
REPORT_BYTES: Final = 16 << 20
REPORT_SECONDS: Final = 0.25
"""A result waits so long at most for others to be reported with."""
BACKLOG_DATUMS: Final = 128
BACKLOG_BYTES: Final = 256 << 20
"""Outputs that may wait on disk to be stored; one datum's may always, whatever its size."""

Finished = tuple[Slot, Result, list[Output]]


class Signal(Enum):
    REPORT_NOW = 1
    """Nothing follows for the time being: do not wait for more results."""
    STOP = 2


REPORT_NOW: Final = Signal.REPORT_NOW
STOP: Final = Signal.STOP


class Storer:
    """Stores and reports in one thread (`run`) what another hands over (`put`)."""

    def __init__(self, storage: Storage, report: Callable[[Sequence[Result]], None]) -> None:
        self._storage = storage
        self._report = report
        self._queue: queue.SimpleQueue[Finished | Signal] = queue.SimpleQueue()
        self._waiting = self._waiting_bytes = 0
        self._ended = False
        self._room = threading.Condition()
        self._upload: Upload | None = None
        self._lease = ExitStack()
        self._results: list[Result] = []
        self._bytes = 0
        self._since = 0.0

    def put(self, item: Finished | Signal) -> None:
        """Hand over a finished datum; waits while too much waits already."""
        if not isinstance(item, Signal):
            size = item[0].output_bytes
            with self._room:
                self._room.wait_for(lambda: self._ended or self._has_room(size))
                self._waiting += 1
                self._waiting_bytes += size
        self._queue.put(item)

    def run(self) -> None:
        """The thread's body; ends after `STOP`."""
        try:
            while self._step():
                pass
        finally:
            with self._room:
                self._ended = True
                self._room.notify_all()

    def _has_room(self, size: int) -> bool:
        if not self._waiting:
            return True
        return self._waiting < BACKLOG_DATUMS and self._waiting_bytes + size <= BACKLOG_BYTES

    def _step(self) -> bool:
        try:
            item = self._queue.get(timeout=self._patience())
        except queue.Empty:
            self._flush()
            return True
        if isinstance(item, Signal):
            self._flush()
            return item is not STOP
        self._take(*item)
        with self._room:
            self._waiting -= 1
            self._waiting_bytes -= item[0].output_bytes
            self._room.notify_all()
        if len(self._results) >= REPORT_RESULTS or self._bytes >= REPORT_BYTES:
            self._flush()
        return True

    def _patience(self) -> float | None:
        if not self._results:
            return None
        return max(0.0, self._since + REPORT_SECONDS - time.monotonic())

    def _take(self, slot: Slot, result: Result, outputs: list[Output]) -> None:
        """Store one datum's output, to be reported with the batch."""
        if not self._results:
            self._since = time.monotonic()
        started = time.perf_counter()
        if result.outcome is Outcome.SUCCESS:
            try:
                result.output, result.upload_bytes = store(self._open(), slot, outputs)
            except OutputError as error:
                result.failed(str(error))
            except (DassieError, OSError) as error:
                self._give_up(error)
                result.failed(_cannot_store(error))
        folders.remove(slot.folder)
        result.upload_us = int((time.perf_counter() - started) * 1e6)
        self._bytes += result.upload_bytes
        self._results.append(result)

    def _flush(self) -> None:
        """Make the batch durable and report it."""
        if not self._results:
            return
        try:
            if self._upload is not None:
                self._upload.flush()
            self._close()
        except (DassieError, OSError) as error:
            self._give_up(error)
        batch, self._results, self._bytes = self._results, [], 0
        self._report(batch)

    def _give_up(self, error: Exception) -> None:
        """The upload has broken, and with it everything that was to be stored with it."""
        for result in self._results:
            if result.outcome is Outcome.SUCCESS:
                result.failed(_cannot_store(error))
        self._close()

    def _open(self) -> Upload:
        if self._upload is None:
            self._upload = self._lease.enter_context(self._storage.session())
        return self._upload

    def _close(self) -> None:
        self._upload = None
        self._lease.close()


def _cannot_store(error: Exception) -> str:
    text = (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
    return f"cannot store its output: {text}"
