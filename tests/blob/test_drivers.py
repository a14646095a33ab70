"""What the drivers send, and what they make of broken answers: a proxy stands before the store."""

import os
import time
from contextlib import closing
from dataclasses import replace

import pytest

from dassie.blob.drivers.botocore import BotocoreStore
from dassie.blob.drivers.obstore import ObstoreStore
from dassie.blob.errors import (
    BucketMissing,
    StoreDenied,
    StoreFull,
    StoreRefused,
    StoreThrottled,
    StoreUnavailable,
)
from dassie.blob.open import assumed, driver_name, open_store
from dassie.blob.settings import parse_url
from tests.blob.remote import profile_of
from tests.stores import faults
from tests.stores.faults import Fault, Match, always
from tests.stores.proxy import Proxy

MIB = 1 << 20
pytestmark = pytest.mark.stores

DRIVERS = {
    "obstore": (ObstoreStore, "v4"),
    "botocore": (BotocoreStore, "v4"),
    "botocore-v2": (BotocoreStore, "v2"),
}


@pytest.fixture
def proxy(stores):
    with Proxy(stores.get("seaweedfs").endpoint) as proxy:
        yield proxy


@pytest.fixture(params=list(DRIVERS))
def store(request, stores, proxy):
    driver, signature = DRIVERS[request.param]
    running = stores.get("seaweedfs").behind(proxy.endpoint)
    settings = running.settings(
        f"d/{request.node.name}", stall_timeout_s=1.0, request_timeout_s=3.0, connect_timeout_s=2.0
    )
    with closing(driver(settings, profile_of(running, signature))) as store:
        yield store


def settled(proxy, count):
    """How many requests the proxy has seen; it notes one shortly after its answer."""
    limit = time.monotonic() + 5
    while proxy.count() < count and time.monotonic() < limit:
        time.sleep(0.002)
    return proxy.count()


def test_a_pack_is_one_put(store, proxy):
    for size in (16, 24, 32):
        proxy.clear()
        store.put("pack/1", [bytes(MIB)] * size)
        settled(proxy, 1)
        assert dict(proxy.kinds()) == {"put": 1}
        (exchange,) = proxy.exchanges
        assert exchange.request.length == size * MIB
        assert "aws-chunked" not in exchange.request.headers.get("content-encoding", "")
        assert "x-amz-trailer" not in exchange.request.headers
        assert "expect" not in exchange.request.headers
        signed = exchange.request.headers.get("x-amz-content-sha256")
        assert signed is None or len(signed) == 64


def test_a_larger_object_goes_in_parts(store, proxy):
    data = os.urandom(40 * MIB)
    store.put("pack/1", [data])
    settled(proxy, 5)
    kinds = proxy.kinds()
    assert kinds["part"] == 3
    assert kinds["multipart"] == 2
    assert kinds["put"] == 0
    assert store.get("pack/1") == data


def test_a_failed_upload_is_aborted(store, proxy):
    proxy.plan = always(faults.INTERNAL, Match("part"))
    with pytest.raises(StoreUnavailable):
        store.put("pack/1", [bytes(40 * MIB)])
    settled(proxy, 5)
    assert proxy.kinds()["multipart-delete"] == 1
    assert list(store.list()) == []


ANSWERS = [
    (faults.INTERNAL, StoreUnavailable, "500 InternalError: We encountered"),
    (faults.SLOW_DOWN, StoreThrottled, "503 SlowDown: Please reduce"),
    (faults.BAD_GATEWAY, StoreUnavailable, "502.*Bad Gateway"),
    (faults.DENIED, StoreDenied, "403 AccessDenied: Access Denied."),
    (faults.EXPIRED_TOKEN, StoreDenied, "403 ExpiredToken"),
    (faults.SKEWED, StoreUnavailable, "RequestTimeTooSkewed.*clock"),
    (faults.NO_BUCKET, BucketMissing, "404 NoSuchBucket"),
    (faults.FULL, StoreFull, "507 InsufficientStorage"),
    (faults.QUOTA, StoreFull, "403 QuotaExceeded"),
    (faults.TOO_LARGE, StoreRefused, "413.*part_bytes"),
    (
        faults.error(400, "AuthorizationHeaderMalformed", "the region 'a' is wrong; expecting 'b'"),
        StoreRefused,
        "400 AuthorizationHeaderMalformed: the region 'a' is wrong; expecting 'b'",
    ),
    (faults.error(404, "NoSuchUpload", "gone"), StoreUnavailable, "NoSuchUpload"),
    (
        Fault(answer=faults.Answer(404, "<html><h1>404</h1>page not found</html>")),
        StoreUnavailable,
        "not an object store's answer",
    ),
]


@pytest.mark.parametrize(("fault", "kind", "words"), ANSWERS)
def test_refusals(store, proxy, fault, kind, words):
    proxy.plan = always(fault)
    calls = [
        ("put object 'pack/1'", lambda: store.put("pack/1", [b"1"])),
        ("get object 'pack/1'", lambda: store.get("pack/1")),
        ("get object 'pack/1'", lambda: store.get_range("pack/1", 0, 3)),
        ("list keys under 'pack/'", lambda: list(store.list("pack/"))),
        ("delete object 'pack/1'", lambda: store.delete(["pack/1"])),
    ]
    for doing, call in calls:
        before = proxy.count()
        with pytest.raises(kind, match=words) as raised:
            call()
        assert type(raised.value) is kind
        assert str(raised.value).startswith(f"{doing} at s3://")
        assert settled(proxy, before + 1) == before + 1, "drivers do not repeat"


def test_retry_after_is_seen_where_headers_are(store, proxy):
    proxy.plan = always(faults.SLOW_DOWN)
    with pytest.raises(StoreThrottled) as raised:
        store.get("pack/1")
    assert raised.value.retry_after_s == (None if isinstance(store, ObstoreStore) else 1.0)


SHORT = [
    Fault(truncate=True),
    Fault(reset="answer"),
    Fault(length_off_by=7),
    Fault(stall="answer", stall_s=30),
    Fault(stall="before", stall_s=30),
    Fault(reset="before"),
    Fault(reset="after"),
]


@pytest.mark.parametrize("fault", SHORT)
def test_a_broken_answer_is_never_a_short_result(store, proxy, fault):
    store.put("pack/1", [os.urandom(300_000)])
    proxy.plan = always(fault, Match("get"))
    with pytest.raises(StoreUnavailable, match=r"get object 'pack/1' at s3://"):
        store.get("pack/1")
    with pytest.raises(StoreUnavailable):
        store.get_range("pack/1", 1000, 200_000)
    proxy.plan = None
    assert len(store.get("pack/1")) == 300_000


def test_a_range_answered_with_everything(store, proxy):
    data = os.urandom(50_000)
    store.put("pack/1", [data])

    def whole(request):
        if request.kind == "get" and "range" in request.headers:
            return Fault(answer=faults.Answer(200, "x" * 50_000))
        return None

    proxy.plan = whole
    found = store.get_range("pack/1", 100, 200)
    assert found in (data[100:300], b"x" * 200)


def test_a_long_upload_is_no_stall(store, proxy):
    """It takes longer than a stalled read may, but it moves."""
    proxy.plan = always(Fault(stall="after", stall_s=1.5), Match("put"))
    store.put("pack/1", [b"1" * 100_000])
    proxy.plan = None
    assert len(store.get("pack/1")) == 100_000


def test_nobody_answers(store, proxy):
    store.put("a", [b"1"])
    proxy.down()
    try:
        with pytest.raises(StoreUnavailable, match=r"get object 'a' at s3://.*"):
            store.get("a")
    finally:
        proxy.up()
    assert store.get("a") == b"1"


def test_the_environment_decides_nothing(stores, monkeypatch, tmp_path):
    """Keys, places and checksums come from the settings alone."""
    running = stores.get("swift")
    (tmp_path / "config").write_text("[default]\nregion = nowhere\n")
    nonsense = {
        "AWS_ACCESS_KEY_ID": "other",
        "AWS_SECRET_ACCESS_KEY": "other",
        "AWS_SESSION_TOKEN": "other",
        "AWS_REGION": "nowhere",
        "AWS_DEFAULT_REGION": "nowhere",
        "AWS_PROFILE": "missing",
        "AWS_CONFIG_FILE": str(tmp_path / "config"),
        "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
        "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:1",
        "AWS_MAX_ATTEMPTS": "7",
        "AWS_REQUEST_CHECKSUM_CALCULATION": "when_supported",
    }
    for name, value in nonsense.items():
        monkeypatch.setenv(name, value)
    for driver, signature in DRIVERS.values():
        with closing(driver(running.settings("env"), profile_of(running, signature))) as store:
            store.put("a", [b"1"])
            assert store.get("a") == b"1"


@pytest.mark.parametrize("name", ["obstore", "botocore"])
def test_private_ca(stores, name):
    driver, signature = DRIVERS[name]
    running = stores.get("rclone", tls=True)
    with closing(driver(running.settings("tls"), profile_of(running, signature))) as store:
        store.put("a", [b"1"])
    for change, works in ({"ca_file": ""}, False), ({"ca_file": "", "insecure": True}, True):
        settings = replace(running.settings("tls"), **change)
        with closing(driver(settings, profile_of(running, signature))) as store:
            if works:
                assert store.get("a") == b"1"
            else:
                with pytest.raises(StoreUnavailable, match="certificate is refused"):
                    store.get("a")


def test_a_self_signed_ca_certificate(stores):
    """obstore's TLS library refuses it; the store is opened all the same."""
    running = stores.get("rclone")
    certificate = stores.ca.self_signed()
    with Proxy(running.endpoint, certificate=certificate) as proxy:
        behind = running.behind(proxy.endpoint, ca_file=str(certificate.certificate))
        profile = profile_of(behind)
        assert driver_name(behind.settings(), profile) == "obstore"
        with closing(open_store(behind.settings("self"), profile)) as store:
            store.put("a", [b"1"])
            assert store.get("a") == b"1"
            assert [info.key for info in store.list()] == ["a"]
            store.delete(["a"])
            assert list(store.list()) == []


def test_which_driver():
    settings = parse_url("s3://bucket?endpoint=http://store:9000")
    profile = assumed(settings)
    assert driver_name(settings, profile) == "obstore"
    for odd in (
        {"signature": "v2"},
        {"content_md5": True},
        {"checksums": "md5"},
        {"list_version": 1},
        {"ranges": False},
    ):
        assert driver_name(settings, replace(profile, **odd)) == "botocore"
    assert driver_name(parse_url("gs://bucket"), replace(profile, list_version=1)) == "obstore"
