"""Faults that pass: one request in a few goes wrong while files are put, committed, read, collected
and a pipeline runs. Nobody notices.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults.served import LARGE, SMALL, Bench
from tests.stores import EVERY_CASE
from tests.stores.faults import (
    BAD_GATEWAY,
    INTERNAL,
    SLOW_DOWN,
    Fault,
    Match,
    Plan,
    any_of,
    every,
)
from tests.stores.fixtures import Stores

pytestmark = [pytest.mark.stores, pytest.mark.slow]

N = 5
"""Each so-many-th request is struck."""
MEMORY = 400 << 20


DRIVERS = {"v4": ("--storage-signature", "v4"), "v2": ("--storage-signature", "v2")}
"""They are of different libraries."""


@pytest.fixture(scope="module", params=DRIVERS if EVERY_CASE else ["v4"])
def bench(
    request: pytest.FixtureRequest, stores: Stores, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Bench]:
    flags = DRIVERS[request.param]
    made = Bench(tmp_path_factory.mktemp("passing"), stores.get("seaweedfs"), *flags)
    yield made
    made.close()


def mixed() -> Plan:
    faults = [*FAULTS.values()]
    return any_of(*(every(29 + 2 * n, fault, match) for n, (fault, match) in enumerate(faults)))


ALL, GET, PUT = Match(), Match("get"), Match("put,part")
PACKS = Match("put,part", "*/pack/*")
FAULTS: dict[str, tuple[Fault, Match]] = {
    "reset before it is sent": (Fault(reset="before"), ALL),
    "reset amid the body": (Fault(reset="request"), PUT),
    "answer lost": (Fault(reset="after"), ALL),
    "reset amid the answer": (Fault(reset="answer"), GET),
    "internal error": (INTERNAL, ALL),
    "bad gateway": (BAD_GATEWAY, ALL),
    "slow down": (SLOW_DOWN, ALL),
    "truncated": (Fault(truncate=True), GET),
    "declared too long": (Fault(length_off_by=20), GET),
    "declared too short": (Fault(length_off_by=-20), GET),
    "byte flipped in a get": (Fault(flip="answer"), GET),
    "byte flipped in a put": (Fault(flip="request"), PACKS),
    "answer stalls": (Fault(stall="answer", stall_s=30), GET),
    "never answered": (Fault(stall="after", stall_s=30), PUT),
    "slow": (Fault(delay_s=0.3), ALL),
    "date jumps": (Fault(date_shift_s=86_400), ALL),
}


@pytest.mark.parametrize("name", FAULTS)
def test_nobody_notices(bench: Bench, name: str) -> None:
    fault, match = FAULTS[name]
    bench.proxy.clear()
    # There are few writes, as there should be.
    bench.proxy.plan = every(N if match in (ALL, GET) else 2, fault, match)
    for _ in range(5):  # how many requests it takes depends on what is cached already
        work(bench)
        if bench.proxy.struck:
            break
    assert bench.proxy.struck
    bench.heal()


def test_nobody_notices_all_of_them(bench: Bench) -> None:
    bench.proxy.plan = mixed()
    for _ in range(3):
        work(bench)
    bench.heal()


def test_nothing_is_left_broken(bench: Bench) -> None:
    assert bench.server.fsck() == []
    assert bench.server.peak_memory() < MEMORY


def work(bench: Bench) -> None:
    for sizes in ([SMALL, LARGE], [SMALL] * 4):
        error = bench.put(*sizes)
        assert error is None, error
        bench.read()
