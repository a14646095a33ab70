"""Another try where the store, or the way to it, asked for one.

Only `StoreUnavailable` (and `StoreThrottled`) is tried again: everything else is an answer. Every
operation of the contract may be repeated: a key has one content for ever, and deleting what is gone
is no error. A listing goes on after the last key that it gave.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from dassie.blob.api import BlobInfo, BlobStore, Buffer
from dassie.blob.errors import StoreThrottled, StoreUnavailable
from dassie.blob.wrappers.base import Wrapper

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and for how long.

    retries: further tries after the first.
    total_s: no try starts later than this after the first.
    first_s, most_s: the pause before try `n` is random up to `first_s * 2**n`, at most `most_s`.
    throttled_s: the same as `first_s` when the store wants fewer requests.
    """

    retries: int = 5
    total_s: float = 120.0
    first_s: float = 0.2
    most_s: float = 15.0
    throttled_s: float = 1.0

    def pause_s(self, tried: int, error: StoreUnavailable, chance: float) -> float:
        """Seconds to wait after `tried` tries; `chance` is from 0 to 1."""
        base = self.throttled_s if isinstance(error, StoreThrottled) else self.first_s
        pause = chance * min(self.most_s, base * 2.0 ** (tried - 1))
        return max(pause, error.retry_after_s or 0.0)


class RetryStore(Wrapper):
    """A `BlobStore` that outlasts what passes. `retried` is told of every repetition."""

    def __init__(
        self,
        inner: BlobStore,
        policy: RetryPolicy,
        *,
        retried: Callable[[str], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] | None = None,
        chance: Callable[[], float] = random.random,
    ) -> None:
        super().__init__(inner)
        self._policy = policy
        self._retried = retried
        self._clock = clock
        self._closed = threading.Event()
        self._sleep = sleep or self._closed.wait
        self._chance = chance

    def put(self, key: str, parts: Sequence[Buffer]) -> None:
        self._run("put", lambda: self.inner.put(key, parts))

    def get(self, key: str) -> bytes:
        return self._run("get", lambda: self.inner.get(key))

    def get_range(self, key: str, offset: int, length: int) -> bytes:
        return self._run("get_range", lambda: self.inner.get_range(key, offset, length))

    def list(self, prefix: str = "", after: str = "") -> Iterator[BlobInfo]:
        last, tried, started = after, 0, self._clock()
        while True:
            try:
                for info in self.inner.list(prefix, last):
                    yield info
                    last, tried, started = info.key, 0, self._clock()
            except StoreUnavailable as error:
                tried += 1
                self._wait("list", error, tried, started)
            else:
                return

    def delete(self, keys: Iterable[str]) -> None:
        wanted = list(keys)
        self._run("delete", lambda: self.inner.delete(wanted))

    def close(self) -> None:
        self._closed.set()
        self.inner.close()

    def _run(self, method: str, action: Callable[[], _T]) -> _T:
        tried, started = 0, self._clock()
        while True:
            try:
                return action()
            except StoreUnavailable as error:
                tried += 1
                self._wait(method, error, tried, started)

    def _wait(self, method: str, error: StoreUnavailable, tried: int, started: float) -> None:
        """Pause before the next try, or raise `error` for good."""
        pause = self._policy.pause_s(tried, error, self._chance())
        spent = self._clock() - started
        enough = tried > self._policy.retries or spent + pause > self._policy.total_s
        if enough or self._closed.is_set():
            if tried == 1:
                raise error
            text = f"{error} (given up after {tried} tries in {spent:.1f} s)"
            raise type(error)(text, error.answer, error.retry_after_s) from None
        if self._retried is not None:
            self._retried(method)
        self._sleep(pause)
