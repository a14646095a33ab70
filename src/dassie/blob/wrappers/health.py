"""Whether a store works, as those who use it find, and a store that says so instead of hanging.

`HealthStore` stands outermost. A call that fails although it was repeated, or that takes long,
makes `Health` try one small request on a connection of its own; when that fails too, the store
counts as down: calls fail at once, with the reason, until a small request every few seconds
succeeds again. While all is well nothing is asked. Reads and writes count apart, since a full store
can be read. Built by the daemon.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from enum import StrEnum
from typing import Final

from dassie.blob.api import BlobInfo, BlobNotFound, BlobStore, Buffer
from dassie.blob.errors import StoreFull, StoreUnavailable
from dassie.blob.wrappers.base import Wrapper
from dassie.errors import (
    DassieError,
    DeadlineExceeded,
    FailedPrecondition,
    PermissionDenied,
    ResourceExhausted,
    Unavailable,
)

_log = logging.getLogger(__name__)

PERIOD_S: Final = 3.0
"""Between two checks while the store is down, at most."""
FIRST_PAUSE_S: Final = 0.25
"""Before the second check; then twice as long each time, as most failures are short."""
SLOW_S: Final = 12.0
"""A call that is under way for so long is a reason to check."""

_FAULTS: Final = (
    Unavailable,
    PermissionDenied,
    ResourceExhausted,
    FailedPrecondition,
    DeadlineExceeded,
)
"""What says something about the store, and nothing about the one object."""


class Side(StrEnum):
    """What works or does not, apart from the other."""

    READS = "read"
    WRITES = "written"


Check = Callable[[Side], None]
"""One small request; raises what is wrong."""


class Health:
    """The state of one store. Thread-safe; its checks run in a thread of its own."""

    def __init__(
        self,
        location: str,
        check: Check,
        changed: Callable[[str], None],
        *,
        period_s: float = PERIOD_S,
        slow_s: float = SLOW_S,
    ) -> None:
        """`changed` is told why the store is down, and an empty text when it works again."""
        self._location = location
        self._check = check
        self._changed = changed
        self._period_s, self._slow_s = period_s, slow_s
        self._condition = threading.Condition()
        self._down: dict[Side, DassieError] = {}
        self._suspected: set[Side] = set()
        self._running: dict[int, tuple[Side, float]] = {}
        self._numbers = itertools.count()
        self._since = 0.0
        self._pause_s = period_s
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="store-health", daemon=True)
        self._thread.start()

    @property
    def reason(self) -> str:
        """Why the store is down; empty while it works."""
        with self._condition:
            return self._reason()

    def refusal(self, side: Side) -> DassieError | None:
        """What a call is answered while that side is down."""
        if not self._down:  # without the lock: this is on the way of every call
            return None
        with self._condition:
            down = dict(self._down)
            seconds = time.monotonic() - self._since
        error = down.get(Side.READS) or down.get(side)
        if error is None:
            return None
        side = Side.READS if Side.READS in down else side
        text = (
            f"the object store {self._location} cannot be {side} (for {seconds:.0f} s:"
            f" {self._words(error)}); the server goes on by itself as soon as it can"
        )
        answer = getattr(error, "answer", "")
        if isinstance(error, ResourceExhausted):
            return StoreFull(text, answer)
        return StoreUnavailable(text, answer)

    @contextlib.contextmanager
    def watched(self, side: Side) -> Iterator[None]:
        """Around one call to the store."""
        number = next(self._numbers)
        with self._condition:
            self._running[number] = (side, time.monotonic())
        try:
            yield
        except _FAULTS:
            self._suspect(side)
            raise
        finally:
            with self._condition:
                self._running.pop(number, None)

    def close(self) -> None:
        with self._condition:
            self._closing = True
            self._condition.notify()
        self._thread.join(self._period_s)

    def _suspect(self, side: Side) -> None:
        with self._condition:
            if side not in self._down:
                self._suspected.add(side)
                self._condition.notify()

    # -- the thread --------------------------------------------------------------------------

    def _run(self) -> None:
        while True:
            with self._condition:
                self._condition.wait_for(self._has_news, self._pause_s)
                if self._closing:
                    return
                sides = self._suspected | self._down.keys() | self._slow()
                self._suspected.clear()
            if not sides:
                continue
            # What cannot be read needs no other question: nothing works then.
            unreadable = self._try(Side.READS)
            self._judge(Side.READS, unreadable)
            if unreadable is None and Side.WRITES in sides:
                self._judge(Side.WRITES, self._try(Side.WRITES))

    def _has_news(self) -> bool:
        return self._closing or bool(self._suspected)

    def _slow(self) -> set[Side]:
        """Sides with a call that takes suspiciously long; each call counts anew after that."""
        now = time.monotonic()
        late = {
            number: side
            for number, (side, since) in self._running.items()
            if now - since > self._slow_s
        }
        self._running |= {number: (side, now) for number, side in late.items()}
        return set(late.values())

    def _try(self, side: Side) -> DassieError | None:
        try:
            self._check(side)
        except BlobNotFound:
            return None  # it answers
        except _FAULTS as error:
            return error
        except Exception as error:  # noqa: BLE001 - the thread must not end
            _log.exception("checking the object store failed")
            return StoreUnavailable(f"checking it failed: {type(error).__name__}: {error}")
        return None

    def _judge(self, side: Side, error: DassieError | None) -> None:
        with self._condition:
            before = self._reason()
            if error is None:
                self._down.pop(side, None)
            else:
                if not self._down:
                    self._since = time.monotonic()
                self._down[side] = error
            after = self._reason()
            seconds = time.monotonic() - self._since
        if not before and after:
            _log.error("not ready: %s", after)
        elif before and not after:
            _log.warning(
                "ready again: the object store %s works, after %.0f s", self._location, seconds
            )
        elif before != after:
            _log.error("still not ready: %s", after)
        if before != after:
            self._changed(after)

    def _reason(self) -> str:
        for side in (Side.READS, Side.WRITES):
            error = self._down.get(side)
            if error is not None:
                words = self._words(error)
                return f"the object store {self._location} cannot be {side}: {words}"
        return ""

    def _words(self, error: DassieError) -> str:
        """What went wrong, without saying again where."""
        return str(error).rpartition(f"{self._location}: ")[2]


class HealthStore(Wrapper):
    """A store whose calls are watched, and refused at once while it is down."""

    def __init__(self, inner: BlobStore, health: Health, *, fail_fast: bool = True) -> None:
        """`fail_fast`: off for a folder, which answers at once anyway."""
        super().__init__(inner)
        self._health = health
        self._fail_fast = fail_fast

    def put(self, key: str, parts: Sequence[Buffer]) -> None:
        with self._watched(Side.WRITES):
            self.inner.put(key, parts)

    def get(self, key: str) -> bytes:
        with self._watched(Side.READS):
            return self.inner.get(key)

    def get_range(self, key: str, offset: int, length: int) -> bytes:
        with self._watched(Side.READS):
            return self.inner.get_range(key, offset, length)

    def list(self, prefix: str = "", after: str = "") -> Iterator[BlobInfo]:
        pages = iter(self.inner.list(prefix, after))
        while True:  # one by one: between two, the caller takes its time
            with self._watched(Side.READS):
                item = next(pages, None)
            if item is None:
                return
            yield item

    def delete(self, keys: Iterable[str]) -> None:
        # That deleting is denied does not keep anybody from working, so it is not watched.
        if self._fail_fast:
            self._refuse(Side.READS)
        self.inner.delete(keys)

    def close(self) -> None:
        self._health.close()
        self.inner.close()

    def _watched(self, side: Side) -> contextlib.AbstractContextManager[None]:
        if self._fail_fast:
            self._refuse(side)
        return self._health.watched(side)

    def _refuse(self, side: Side) -> None:
        error = self._health.refusal(side)
        if error is not None:
            raise error
