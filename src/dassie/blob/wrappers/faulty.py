"""A wrapper that makes chosen calls of an object store fail: for tests of what happens then."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from dassie.blob.api import BlobInfo, BlobStore, Buffer
from dassie.errors import Unavailable

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a store: its place in the order of all calls (from 1), its name, its key."""

    number: int
    method: str
    key: str


@dataclass(frozen=True, slots=True)
class FailNth:
    """Plan: call number `n` fails; with `onwards`, so does every later one (a dead store).

    `applied` makes a failing write take effect first, as when only the answer was lost.
    """

    n: int
    onwards: bool = False
    applied: bool = False

    def __call__(self, call: Call) -> str:
        hit = call.number >= self.n if self.onwards else call.number == self.n
        if not hit:
            return ""
        return "after" if self.applied else "before"


Plan = Callable[[Call], str]
"""Answers "" (go on), "before" (fail, nothing happened) or "after" (it happened; fail anyway)."""


class FaultyStore:
    """A `BlobStore` around `inner` whose calls fail as `plan` says."""

    def __init__(self, inner: BlobStore, plan: Plan | None = None) -> None:
        self._inner = inner
        self.plan = plan
        self.calls: list[Call] = []
        self._lock = threading.Lock()

    def put(self, key: str, parts: Sequence[Buffer]) -> None:
        self._run("put", key, lambda: self._inner.put(key, parts))

    def get(self, key: str) -> bytes:
        return self._run("get", key, lambda: self._inner.get(key))

    def get_range(self, key: str, offset: int, length: int) -> bytes:
        return self._run("get_range", key, lambda: self._inner.get_range(key, offset, length))

    def list(self, prefix: str = "", after: str = "") -> Iterator[BlobInfo]:
        found = self._run("list", prefix, lambda: list(self._inner.list(prefix, after)))
        yield from found

    def delete(self, keys: Iterable[str]) -> None:
        wanted = list(keys)
        self._run("delete", ",".join(wanted), lambda: self._inner.delete(wanted))

    def close(self) -> None:
        self._inner.close()

    def _run(self, method: str, key: str, action: Callable[[], _T]) -> _T:
        with self._lock:
            call = Call(len(self.calls) + 1, method, key)
            self.calls.append(call)
        verdict = self.plan(call) if self.plan else ""
        failure = Unavailable(f"injected fault in call {call.number}: {method} {key!r}")
        if verdict == "before":
            raise failure
        result = action()
        if verdict == "after":
            raise failure
        return result
