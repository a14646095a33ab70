"""A store that fails makes the server not ready; when it works again, so does the server."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator, Sequence

import pytest
from grpc_health.v1 import health_pb2

from dassie.blob.api import Buffer
from dassie.blob.drivers.memory import MemoryStore
from dassie.blob.errors import StoreDenied, StoreFull, StoreUnavailable
from dassie.blob.wrappers.base import Wrapper
from dassie.blob.wrappers.health import Health, HealthStore, Side
from dassie.blob.wrappers.patience import PatientStore
from dassie.doors.grpc.health import HealthService
from dassie.doors.readiness import Readiness
from dassie.errors import DassieError, ResourceExhausted, Unavailable

ALL = frozenset(Side)


class Moody(Wrapper):
    """A store that fails as long as it is told to."""

    def __init__(self) -> None:
        super().__init__(MemoryStore())
        self.fault: DassieError | None = None
        self.sides: frozenset[Side] = ALL
        self.calls = 0
        self.held = threading.Event()
        self.held.set()

    def put(self, key: str, parts: Sequence[Buffer]) -> None:
        self._fail(Side.WRITES)
        super().put(key, parts)

    def get(self, key: str) -> bytes:
        self._fail(Side.READS)
        return super().get(key)

    def _fail(self, side: Side) -> None:
        self.calls += 1
        self.held.wait(20)
        if self.fault is not None and side in self.sides:
            raise self.fault


class Watched:
    """A moody store behind its health."""

    def __init__(self) -> None:
        self.inner = Moody()
        self.readiness = Readiness()
        self.checks = 0
        self.health = Health("s3://b", self._check, self.readiness.set, period_s=0.02, slow_s=0.1)
        self.store = HealthStore(self.inner, self.health)
        self.store.put("a", [b"1"])

    def _check(self, side: Side) -> None:
        self.checks += 1
        if self.inner.fault is not None and side in self.inner.sides:
            raise self.inner.fault
        if not self.inner.held.is_set():
            raise StoreUnavailable("no answer in time")


@pytest.fixture
def watched() -> Iterator[Watched]:
    watched = Watched()
    yield watched
    watched.inner.held.set()
    watched.store.close()


def until(what: Callable[[], object]) -> None:
    deadline = time.monotonic() + 10
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_nothing_is_asked_while_all_is_well(watched: Watched) -> None:
    for _ in range(100):
        watched.store.get("a")
    time.sleep(0.1)
    assert watched.checks == 0
    assert watched.readiness.reason == ""


def test_a_failing_store_is_reported_refused_at_once_and_found_again(watched: Watched) -> None:
    watched.inner.fault = StoreUnavailable("get object 'a' at s3://b: 503 SlowDown", "503")
    with pytest.raises(StoreUnavailable, match="get object"):
        watched.store.get("a")
    until(lambda: watched.readiness.reason)
    assert watched.readiness.reason == "the object store s3://b cannot be read: 503 SlowDown"
    before = watched.inner.calls
    for call in (lambda: watched.store.get("a"), lambda: watched.store.put("b", [b""])):
        with pytest.raises(Unavailable, match=r"503 SlowDown.*goes on by itself"):
            call()
    with pytest.raises(Unavailable):
        list(watched.store.list())
    assert watched.inner.calls == before
    watched.inner.fault = None
    until(lambda: not watched.readiness.reason)
    assert watched.store.get("a") == b"1"


def test_one_failure_that_the_check_does_not_meet_changes_nothing(watched: Watched) -> None:
    watched.inner.sides = frozenset()
    error = StoreDenied("one object is denied")

    def fail(_key: str) -> bytes:
        raise error

    watched.inner.get = fail  # type: ignore[method-assign]
    with pytest.raises(StoreDenied):
        watched.store.get("a")
    until(lambda: watched.checks)
    assert watched.readiness.reason == ""


def test_a_full_store_can_be_read(watched: Watched) -> None:
    watched.inner.fault = StoreFull("put object at s3://b: 507 no room")
    watched.inner.sides = frozenset({Side.WRITES})
    with pytest.raises(StoreFull):
        watched.store.put("b", [b"2"])
    until(lambda: watched.readiness.reason)
    assert "cannot be written: 507 no room" in watched.readiness.reason
    assert watched.store.get("a") == b"1"
    with pytest.raises(ResourceExhausted):
        watched.store.put("b", [b"2"])
    watched.inner.fault = None
    until(lambda: not watched.readiness.reason)
    watched.store.put("b", [b"2"])


def test_a_store_that_falls_silent_is_noticed_before_a_call_ends(watched: Watched) -> None:
    watched.inner.held.clear()
    reader = threading.Thread(target=lambda: watched.store.get("a"))
    reader.start()
    until(lambda: watched.readiness.reason)
    with pytest.raises(Unavailable, match="no answer in time"):
        watched.store.get("a")
    watched.inner.held.set()
    reader.join(10)
    until(lambda: not watched.readiness.reason)


def test_workers_wait_for_the_store(watched: Watched) -> None:
    patient = PatientStore(watched.inner, 20)
    watched.inner.fault = StoreDenied("403")
    threading.Timer(0.2, lambda: setattr(watched.inner, "fault", None)).start()
    assert patient.get("a") == b"1"
    patient.put("c", [b"3"])
    assert [info.key for info in patient.list()] == ["a", "c"]
    watched.inner.fault = StoreFull("no room")
    with pytest.raises(StoreFull):
        patient.put("d", [b""])
    watched.inner.fault = StoreUnavailable("down")
    with pytest.raises(StoreUnavailable):
        PatientStore(watched.inner, 0).get("a")


def test_health_checks_and_watchers_are_told() -> None:
    async def scenario() -> list[int]:
        readiness = Readiness()
        service = HealthService(frozenset({"pfs_v2.API"}), readiness)
        request = health_pb2.HealthCheckRequest(service="pfs_v2.API")
        feed = service.watch(request, None)  # type: ignore[arg-type]
        said = [(await anext(feed)).status]
        readiness.set("down")
        said.append((await anext(feed)).status)
        answer = await service.check(health_pb2.HealthCheckRequest(), None)  # type: ignore[arg-type]
        said.append(answer.status)
        await asyncio.to_thread(readiness.set, "")
        said.append((await anext(feed)).status)
        await feed.aclose()
        return said

    kind = health_pb2.HealthCheckResponse
    expected = [kind.SERVING, kind.NOT_SERVING, kind.NOT_SERVING, kind.SERVING]
    assert asyncio.run(scenario()) == expected
