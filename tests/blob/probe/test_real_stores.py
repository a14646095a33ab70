"""The probe on real stores that the tests start: what they are, and what goes wrong with them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import count

import pytest

from dassie.blob.probe.diagnosis import Kind
from dassie.blob.probe.report import Report
from dassie.blob.probe.run import confirm, probe
from tests.blob.probe.test_detection import Elsewhen, kind_of
from tests.stores import EVERY_CASE
from tests.stores.fixtures import Stores
from tests.stores.proxy import Proxy
from tests.stores.recipes import RECIPES
from tests.stores.running import RunningStore

pytestmark = pytest.mark.stores

_PREFIXES = count(1)
LOCATED = ("swift", "swift-old")
"""They enforce their region."""


@pytest.fixture(
    params=["swift", "swift-old", "seaweedfs", "rclone", "ceph", "garage"]
    if EVERY_CASE
    else ["swift", "seaweedfs"]
)
def real(request: pytest.FixtureRequest, stores: Stores) -> Iterator[RunningStore]:
    """Each real store; a test leaves nothing behind in it."""
    store = stores.get(request.param)
    before = store.keys()
    yield store
    assert store.keys() == before


@pytest.fixture
def swift(stores: Stores) -> RunningStore:
    return stores.get("swift")


def look(store: RunningStore, **more: object) -> Report:
    return probe(store.settings(f"probe-{next(_PREFIXES)}", **more))


def test_it_starts_without_a_pin_in_eight_requests(real: RunningStore) -> None:
    report = look(real)
    assert report.ok, report.line
    assert 8 <= report.requests <= 8 + (real.name == "garage")
    profile = report.profile
    assert profile is not None
    assert profile.signature == "v4"
    assert profile.region == (real.region or "us-east-1")
    assert profile.addressing == "path"
    assert profile.missing_key == "404"
    assert (profile.batch_delete, profile.multipart, profile.list_version) == (True, True, 2)
    assert profile.ranges == (real.name != "rclone")
    conditional = {"swift-old": "refused", "rclone": "ignored", "garage": "ignored"}
    assert profile.conditional_put == conditional.get(real.name, "yes")


def test_a_saved_profile_is_confirmed_by_one_request(real: RunningStore) -> None:
    with Proxy(real.endpoint) as proxy:
        store = real.behind(proxy.endpoint)
        settings = store.settings("confirmed")
        report = probe(settings)
        assert report.profile is not None
        _wait_for(proxy, report.requests)
        assert confirm(settings, report.profile) is None
        _wait_for(proxy, report.requests + 1)


def _wait_for(proxy: Proxy, count: int) -> None:
    """The proxy notes an exchange when it is over, which is a little after its answer arrived."""
    give_up = time.monotonic() + 10
    while len(proxy.exchanges) < count and time.monotonic() < give_up:
        time.sleep(0.01)
    assert len(proxy.exchanges) == count


def test_it_is_the_same_over_tls(real: RunningStore, stores: Stores) -> None:
    if not RECIPES[real.name].tls:
        pytest.skip("this store speaks no TLS")
    store = stores.get(real.name, tls=True)
    report = look(store)
    assert report.ok, report.line
    assert report.requests <= 8
    assert kind_of(look(store, ca_file="")) is Kind.TLS_UNKNOWN_CA
    address = store.endpoint.replace("https:", "http:")
    assert kind_of(look(store, endpoint=address)) is Kind.PLAIN_ON_TLS_PORT
    assert look(store, endpoint=store.address).ok


def test_tls_is_spoken_to_a_plain_port(real: RunningStore) -> None:
    if real.tls:
        pytest.skip("this store speaks TLS")
    address = real.endpoint.replace("http:", "https:")
    assert kind_of(look(real, endpoint=address)) is Kind.TLS_ON_PLAIN_PORT
    assert look(real, endpoint=real.address).ok


def test_v2_pinned(real: RunningStore) -> None:
    report = look(real, signature="v2")
    if real.v2:
        assert report.ok, report.line
        assert report.profile is not None
        assert report.profile.signature == "v2"
        assert report.requests == 8
    else:
        assert kind_of(report) is Kind.V2_REFUSED
        assert "V4 only" in report.line


def test_a_wrong_region_pinned(real: RunningStore) -> None:
    report = look(real, region="us-east-1x")
    if real.region:
        assert kind_of(report) is Kind.REGION_PINNED
        assert f"--storage-region {real.region}" in report.line
        words = "The authorization header is malformed; the region 'us-east-1x' is wrong; "
        words += f"expecting '{real.region}'"
        if real.name == "garage":
            words = "Authorization header malformed, unexpected scope: '"
        historic = f'unable to discern NotExist errors, "{words}'
        assert historic in report.log_lines[0]
        assert '" should count as NotExist' in report.log_lines[0]
    else:
        assert report.ok


def test_a_right_region_pinned(real: RunningStore) -> None:
    report = look(real, region=real.region or "us-east-1")
    assert report.requests == 8
    assert not report.notes


def test_a_wrong_secret(real: RunningStore) -> None:
    report = look(real, secret_key="not the secret")
    assert kind_of(report) is Kind.WRONG_SECRET
    assert report.requests <= 4


def test_an_unknown_access_key(real: RunningStore) -> None:
    report = look(real, access_key="NOBODY")
    # Swift does not tell the two apart.
    expected = Kind.WRONG_SECRET if real.name in LOCATED else Kind.UNKNOWN_KEY
    assert kind_of(report) is expected
    assert "'NOBODY'" in report.line


def test_a_missing_bucket(real: RunningStore) -> None:
    report = look(real, bucket="no-such-bucket")
    assert kind_of(report) is Kind.BUCKET_MISSING
    assert "'no-such-bucket' does not exist" in report.line


@pytest.mark.parametrize(("off", "way"), [(3600, "behind ours"), (-3600, "ahead of ours")])
def test_a_clock_an_hour_off(real: RunningStore, off: float, way: str) -> None:
    if real.name == "garage":
        pytest.skip("this store minds a clock that is days behind only")
    report = probe(real.settings("clock"), clock=Elsewhen(off))
    assert kind_of(report) is Kind.CLOCK
    assert way in report.line
    assert report.requests == 1


@pytest.mark.parametrize(
    ("keys", "kind"),
    [
        ("reader", Kind.DENIED_WRITE),
        ("nolist", Kind.DENIED_LIST),
        ("nobody", Kind.DENIED_READ),
    ],
)
def test_keys_with_fewer_rights(real: RunningStore, keys: str, kind: Kind) -> None:
    if keys not in real.other_keys:
        pytest.skip("this store has no such keys")
    access, secret = real.other_keys[keys]
    report = look(real, access_key=access, secret_key=secret)
    assert kind_of(report) is kind
    assert report.line.startswith("PERMISSION: ")


def test_the_acceptance_case(swift: RunningStore) -> None:
    """The store on which Pachyderm's users gave up: region z1-a, and nothing is set."""
    for pins in ({}, {"signature": "v4"}, {"signature": "v2"}):
        settings = replace(swift.settings("acceptance"), **pins)
        assert probe(settings).ok
    assert swift.keys("acceptance") == []


def test_a_thorough_probe(real: RunningStore) -> None:
    report = probe(real.settings("thorough"), thorough=True)
    assert report.ok, report.line
    assert report.profile is not None
    assert report.profile.multipart
    assert report.figures["latency_s"] > 0
