"""Outages: the store refuses, hangs or is gone for a while. Calls fail with its own words, the
server says that it is not ready and why, and goes on by itself when the store does.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

import grpc
import pytest

from tests.faults.served import LARGE, NOT_SERVING, SMALL, Bench
from tests.stores import EVERY_CASE
from tests.stores.faults import (
    DENIED,
    EXPIRED_TOKEN,
    FULL,
    INTERNAL,
    NO_BUCKET,
    QUOTA,
    SKEWED,
    SLOW_DOWN,
    TOO_LARGE,
    Fault,
    Match,
    Plan,
    always,
)
from tests.stores.fixtures import Stores

pytestmark = [pytest.mark.stores, pytest.mark.slow]

MEMORY = 500 << 20
WRITERS, PIECE, PIECES = 6, 1 << 20, 50
ANY_WRITE = Match("put,part,multipart")


@pytest.fixture(scope="module")
def bench(stores: Stores, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    made = Bench(tmp_path_factory.mktemp("outages"), stores.get("swift"))
    assert made.put(SMALL, LARGE) is None
    yield made
    made.close()


@dataclass(frozen=True)
class Outage:
    plan: Plan
    words: str
    """Of the store, in what a client is told and in the log."""
    code: grpc.StatusCode = grpc.StatusCode.UNAVAILABLE
    """While the store is known to be down."""
    reads: bool = False
    """Whether reads work all the while."""


OUTAGES = {
    "access denied": Outage(always(DENIED), "AccessDenied"),
    "keys expired": Outage(always(EXPIRED_TOKEN), "ExpiredToken"),
    "clock jumped": Outage(always(SKEWED), "RequestTimeTooSkewed"),
    "bucket deleted": Outage(always(NO_BUCKET), "NoSuchBucket"),
    "errors": Outage(always(INTERNAL), "InternalError"),
    "too busy": Outage(always(SLOW_DOWN), "SlowDown"),
    "resets": Outage(always(Fault(reset="before")), "error sending request (Connection reset"),
    "silent": Outage(always(Fault(stall="before", stall_s=60)), "no answer"),
    "disk full": Outage(
        always(FULL, ANY_WRITE),
        "InsufficientStorage",
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        reads=True,
    ),
    "quota used up": Outage(
        always(QUOTA, ANY_WRITE), "QuotaExceeded", grpc.StatusCode.RESOURCE_EXHAUSTED, reads=True
    ),
    "read-only": Outage(always(DENIED, ANY_WRITE), "AccessDenied", reads=True),
    "writes are never answered": Outage(
        always(Fault(stall="after", stall_s=60), ANY_WRITE), "no answer", reads=True
    ),
    "bodies too large": Outage(always(TOO_LARGE, ANY_WRITE), "413", reads=True),
}
LEAN = ["access denied", "bucket deleted", "silent", "disk full", "writes are never answered"]
REFUSED = Outage(always(Fault()), "(tcp connect error: Connection refused)")


@pytest.mark.parametrize("name", OUTAGES if EVERY_CASE else LEAN)
def test_an_outage_is_told_and_outlasted(bench: Bench, name: str) -> None:
    outage = OUTAGES[name]
    bench.proxy.plan = outage.plan
    with bench.outage():
        check_outage(bench, outage)
        bench.proxy.cut()
    assert "ready again" in bench.server.log()


def test_a_store_that_is_gone(bench: Bench) -> None:
    with bench.outage():
        bench.proxy.down()
        check_outage(bench, REFUSED)


def test_a_store_that_hangs(bench: Bench) -> None:
    program = bench.store.program
    assert program is not None
    with bench.outage():
        program.pause()
        try:
            check_outage(bench, Outage(always(Fault()), "no answer"))
        finally:
            program.resume()


def test_a_store_that_is_started_anew(bench: Bench) -> None:
    program = bench.store.program
    assert program is not None
    with bench.outage():
        program.stop()
        try:
            # The proxy has nobody to ask and closes the connection.
            check_outage(bench, Outage(always(Fault()), "error sending request ("))
        finally:
            program.restart()


def test_writers_who_wait_for_a_silent_store(bench: Bench) -> None:
    """What they send meanwhile does not gather in memory."""
    data = [[bench.content(PIECE) for _ in range(PIECES)] for _ in range(WRITERS)]
    failures: list[grpc.RpcError] = []

    def write(number: int) -> None:
        files = {f"/big{number}/{i}": piece for i, piece in enumerate(data[number])}
        try:
            bench.server.put("in", dict(files))
        except grpc.RpcError as error:
            failures.append(error)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(WRITERS)]
    with bench.outage():
        bench.proxy.plan = always(Fault(stall="before", stall_s=60), ANY_WRITE)
        bench.proxy.clear()
        for thread in threads:
            thread.start()
        bench.wait("as many writes as there may be", lambda: len(bench.proxy.struck) >= 4)
        time.sleep(3)  # for whoever would still take more
        bench.proxy.down()
        for thread in threads:
            thread.join()
    assert len(failures) == WRITERS
    assert bench.server.peak_memory() < MEMORY


def test_nothing_is_left_broken(bench: Bench) -> None:
    assert bench.server.fsck() == []
    bench.server.kill()
    bench.server.start()
    bench.heal()


def check_outage(bench: Bench, outage: Outage) -> None:
    """Calls fail, with the store's words, and the server is not ready."""
    error = bench.put(SMALL, LARGE)
    assert error is not None
    assert outage.words in (error.details() or ""), error
    bench.wait_health(NOT_SERVING)
    said = [line for line in bench.server.log().splitlines() if "not ready" in line]
    assert outage.words in said[-1], said[-1]
    error = bench.put(SMALL)
    assert error is not None
    assert error.code() is outage.code
    assert outage.words in (error.details() or ""), error
    if outage.reads:
        bench.read()
    else:
        failure = bench.read_failure()
        assert outage.words in (failure.details() or ""), failure
