"""An end to waiting for a library call that does not come back.

The drivers give their libraries timeouts: to connect, for a stalled body, for a whole request. What
those miss (a store that takes a write and never answers it, an answer that comes a byte at a time)
ends here: the call runs in a thread of its own, which is left behind when its time is up. It can do
no harm later: writes are repeatable and have a body of their own.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from queue import SimpleQueue
from typing import Any, TypeVar

from dassie.blob.api import BlobInfo, BlobStore, Buffer
from dassie.blob.drivers.faults import Doing, unreachable
from dassie.blob.drivers.transfer import body_of, time_for
from dassie.blob.settings import StorageSettings
from dassie.blob.wrappers.base import Wrapper

_T = TypeVar("_T")
_PAGE = 1000
_PER_KEY_S = 0.5
"""A delete may go key by key."""
_MOST_LEFT_BEHIND = 64


class _Call:
    """One call on its way through a thread."""

    def __init__(self, action: Callable[[], Any]) -> None:
        self.action = action
        self.done = threading.Event()
        self.result: Any = None
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            self.result = self.action()
        except BaseException as error:  # noqa: BLE001 - raised again in the caller's thread
            self.error = error
        self.done.set()


class Threads:
    """Threads to run calls in, kept for the next one. They never hold up the process's end."""

    def __init__(self) -> None:
        self._idle: list[SimpleQueue[_Call | None]] = []
        self._lock = threading.Lock()
        self._left = 0

    @property
    def left_behind(self) -> int:
        """Calls that nobody waits for any more and that have not come back."""
        return self._left

    def run(self, action: Callable[[], _T], seconds: float, doing: Doing) -> _T:
        """Its result or its error; `StoreUnavailable` when it takes longer than `seconds`."""
        if self._left >= _MOST_LEFT_BEHIND:
            raise unreachable(f"{self._left} earlier requests hang without an answer", doing)
        call = _Call(action)
        with self._lock:
            queue = self._idle.pop() if self._idle else None
        if queue is None:
            queue = SimpleQueue()
            threading.Thread(target=self._serve, args=(queue,), daemon=True, name="store").start()
        queue.put(call)
        if not call.done.wait(seconds):
            self._leave(call)
            raise unreachable(f"no answer within {seconds:.0f} s", doing)
        if call.error is not None:
            raise call.error
        result: _T = call.result
        return result

    def close(self) -> None:
        with self._lock:
            for queue in self._idle:
                queue.put(None)
            self._idle.clear()

    def _serve(self, queue: SimpleQueue[_Call | None]) -> None:
        while (call := queue.get()) is not None:
            call.run()
            del call
            with self._lock:
                self._idle.append(queue)

    def _leave(self, call: _Call) -> None:
        with self._lock:
            self._left += 1
        threading.Thread(target=self._await, args=(call,), daemon=True, name="store-late").start()

    def _await(self, call: _Call) -> None:
        call.done.wait()
        with self._lock:
            self._left -= 1


class TimeoutStore(Wrapper):
    """A `BlobStore` whose calls end."""

    def __init__(self, inner: BlobStore, settings: StorageSettings) -> None:
        super().__init__(inner)
        self._settings = settings
        self._location = settings.location
        self.threads = Threads()

    def put(self, key: str, parts: Sequence[Buffer]) -> None:
        body = body_of(key, parts)  # the caller may reuse its buffers once this call has ended
        self._run("put", key, len(body), lambda: self.inner.put(key, [body]))

    def get(self, key: str) -> bytes:
        most = 2 * self._settings.part_bytes
        return self._run("get", key, most, lambda: self.inner.get(key))

    def get_range(self, key: str, offset: int, length: int) -> bytes:
        return self._run("get", key, length, lambda: self.inner.get_range(key, offset, length))

    def list(self, prefix: str = "", after: str = "") -> Iterator[BlobInfo]:
        found = self.inner.list(prefix, after)
        while True:
            page = self._run("list", prefix, 0, lambda: list(islice(found, _PAGE)))
            yield from page
            if len(page) < _PAGE:
                return

    def delete(self, keys: Iterable[str]) -> None:
        wanted = list(keys)
        if wanted:
            seconds = time_for(self._settings, 0) + _PER_KEY_S * len(wanted)
            doing = Doing("delete", wanted[0], self._location)
            self.threads.run(lambda: self.inner.delete(wanted), seconds, doing)

    def close(self) -> None:
        self.threads.close()
        self.inner.close()

    def _run(self, operation: str, key: str, size: int, action: Callable[[], _T]) -> _T:
        doing = Doing(operation, key, self._location)
        return self.threads.run(action, time_for(self._settings, size), doing)
