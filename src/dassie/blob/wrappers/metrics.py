"""How many calls, how long, how many bytes, which errors.

`blob.open` puts one view outermost (`calls`: what the rest of Dassie asks for) and one innermost
(`requests`: what reaches the store, each try counted), both on one `Metrics`.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from dassie.blob.api import BlobInfo, BlobNotFound, BlobStore, Buffer
from dassie.blob.wrappers.base import Wrapper

_T = TypeVar("_T")

CALLS = "calls"
REQUESTS = "requests"


@dataclass(slots=True)
class _Figures:
    count: int = 0
    seconds: float = 0.0
    bytes: int = 0
    errors: Counter[str] = field(default_factory=Counter)


class Metrics:
    """Counters of one store. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._figures: dict[tuple[str, str], _Figures] = {}
        self._retries: Counter[str] = Counter()
        self._events: Counter[str] = Counter()

    def record(self, view: str, method: str, seconds: float, size: int, error: str = "") -> None:
        """One call of `method` has ended; `error` names the class of what it raised."""
        with self._lock:
            figures = self._figures.setdefault((view, method), _Figures())
            figures.count += 1
            figures.seconds += seconds
            figures.bytes += size
            if error:
                figures.errors[error] += 1

    def retried(self, method: str) -> None:
        with self._lock:
            self._retries[method] += 1

    def count(self, event: str, by: int = 1) -> None:
        """An event with a name of its own, such as `cache_hit`."""
        with self._lock:
            self._events[event] += by

    def snapshot(self) -> dict[str, Any]:
        """Everything so far, as plain values: `{view: {method: {...}}, "retries": …, …}`."""
        with self._lock:
            shown: dict[str, Any] = {CALLS: {}, REQUESTS: {}}
            for (view, method), figures in sorted(self._figures.items()):
                shown.setdefault(view, {})[method] = {
                    "count": figures.count,
                    "seconds": figures.seconds,
                    "bytes": figures.bytes,
                    "errors": dict(figures.errors),
                }
            shown["retries"] = dict(self._retries)
            shown["events"] = dict(self._events)
            return shown


class MeteredStore(Wrapper):
    """A `BlobStore` whose calls are counted under `view`. A missing object is no error here."""

    def __init__(
        self,
        inner: BlobStore,
        metrics: Metrics,
        view: str,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        super().__init__(inner)
        self._metrics = metrics
        self._view = view
        self._clock = clock

    def put(self, key: str, parts: Sequence[Buffer]) -> None:
        size = sum(len(part) for part in parts)
        self._run("put", lambda: self.inner.put(key, parts), lambda _: size)

    def get(self, key: str) -> bytes:
        return self._run("get", lambda: self.inner.get(key), len)

    def get_range(self, key: str, offset: int, length: int) -> bytes:
        return self._run("get_range", lambda: self.inner.get_range(key, offset, length), len)

    def list(self, prefix: str = "", after: str = "") -> Iterator[BlobInfo]:
        """Counted once, with the time that the store took, when it ends or is given up."""
        seconds, error = 0.0, ""
        found = self.inner.list(prefix, after)
        try:
            while True:
                start = self._clock()
                info = next(found, None)
                seconds += self._clock() - start
                if info is None:
                    return
                yield info
        except GeneratorExit:
            raise
        except BaseException as raised:
            error = type(raised).__name__
            raise
        finally:
            self._metrics.record(self._view, "list", seconds, 0, error)

    def delete(self, keys: Iterable[str]) -> None:
        self._run("delete", lambda: self.inner.delete(keys), lambda _: 0)

    def _run(self, method: str, action: Callable[[], _T], size: Callable[[_T], int]) -> _T:
        start = self._clock()
        try:
            result = action()
        except BaseException as error:
            name = "" if isinstance(error, BlobNotFound) else type(error).__name__
            self._metrics.record(self._view, method, self._clock() - start, 0, name)
            raise
        self._metrics.record(self._view, method, self._clock() - start, size(result))
        return result
