"""The stores themselves: they start, keep bytes, and are reached over both kinds of connection."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    EndpointConnectionError,
    SSLError,
)

from tests.stores import NAMES, RunningStore
from tests.stores.faults import BAD_GATEWAY, INTERNAL, Fault, Match, any_of, first
from tests.stores.fixtures import Stores
from tests.stores.hostile import start_hostile
from tests.stores.proxy import Proxy
from tests.stores.recipes import RECIPES

pytestmark = pytest.mark.stores


@pytest.mark.parametrize(
    ("name", "tls"),
    [
        pytest.param(name, tls, id=f"{name}-{'tls' if tls else 'http'}")
        for name in NAMES
        for tls in (False, True)[: 1 + RECIPES[name].tls]
    ],
)
def test_a_store_keeps_what_it_is_given(stores: Stores, name: str, tls: bool) -> None:
    store = stores.get(name, tls=tls)
    assert store.tls == tls
    assert store.endpoint.startswith("https:" if tls else "http:")
    client = store.client()
    client.put_object(Bucket=store.bucket, Key=f"own/{tls}", Body=b"x" * 100_000)
    answer = client.get_object(Bucket=store.bucket, Key=f"own/{tls}")
    assert answer["Body"].read() == b"x" * 100_000
    assert f"own/{tls}" in store.keys("own/")


BODY = bytes(range(256)) * 4096


@pytest.fixture(scope="module")
def store(stores: Stores) -> RunningStore:
    return stores.get("rclone")


@pytest.fixture
def proxy(store: RunningStore) -> Iterator[Proxy]:
    with Proxy(store.endpoint) as made:
        yield made


def test_a_proxy_changes_nothing_by_itself(store: RunningStore, proxy: Proxy) -> None:
    client = store.behind(proxy.endpoint).client()
    client.put_object(Bucket=store.bucket, Key="p/a", Body=BODY)
    assert client.get_object(Bucket=store.bucket, Key="p/a")["Body"].read() == BODY
    assert proxy.kinds() == {"put": 1, "get": 1}
    assert [one.status for one in proxy.exchanges] == [200, 200]
    assert proxy.exchanges[0].received == proxy.exchanges[1].sent == len(BODY)


BROKEN = {
    "reset before": Fault(reset="before"),
    "reset after": Fault(reset="after"),
    "reset amid the answer": Fault(reset="answer"),
    "truncated": Fault(truncate=True),
    "declared too long": Fault(length_off_by=10),
    "error": INTERNAL,
    "bad gateway": BAD_GATEWAY,
}


@pytest.mark.parametrize("fault", BROKEN.values(), ids=BROKEN)
def test_a_faulty_read_fails_and_the_next_one_does_not(
    store: RunningStore, proxy: Proxy, fault: Fault
) -> None:
    store.client().put_object(Bucket=store.bucket, Key="p/b", Body=BODY)
    client = store.behind(proxy.endpoint).client(retries={"max_attempts": 0})
    proxy.plan = first(1, fault)
    with pytest.raises((BotoCoreError, ClientError)):
        client.get_object(Bucket=store.bucket, Key="p/b")["Body"].read()
    assert client.get_object(Bucket=store.bucket, Key="p/b")["Body"].read() == BODY


def test_a_bit_is_flipped_on_the_way_out_and_in(store: RunningStore, proxy: Proxy) -> None:
    client = store.behind(proxy.endpoint).client()
    proxy.plan = any_of(
        first(1, Fault(flip="request"), Match("put")), first(1, Fault(flip="answer"), Match("get"))
    )
    client.put_object(Bucket=store.bucket, Key="p/c", Body=BODY)
    stored = store.client().get_object(Bucket=store.bucket, Key="p/c")["Body"].read()
    assert sum(a != b for a, b in zip(stored, BODY, strict=True)) == 1
    assert client.get_object(Bucket=store.bucket, Key="p/c")["Body"].read() == BODY
    assert client.get_object(Bucket=store.bucket, Key="p/c")["Body"].read() == stored


def test_a_write_whose_answer_is_lost_has_happened(store: RunningStore, proxy: Proxy) -> None:
    client = store.behind(proxy.endpoint).client(retries={"max_attempts": 0})
    proxy.plan = first(1, Fault(reset="after"))
    with pytest.raises(BotoCoreError):
        client.put_object(Bucket=store.bucket, Key="p/d", Body=BODY)
    assert store.client().get_object(Bucket=store.bucket, Key="p/d")["Body"].read() == BODY


def test_a_store_behind_the_proxy_goes_and_comes_back(store: RunningStore, proxy: Proxy) -> None:
    client = store.behind(proxy.endpoint).client(retries={"max_attempts": 0})
    proxy.down()
    with pytest.raises(EndpointConnectionError):
        client.head_bucket(Bucket=store.bucket)
    proxy.up()
    client.head_bucket(Bucket=store.bucket)


def test_the_proxy_speaks_tls(stores: Stores, store: RunningStore) -> None:
    with Proxy(store.endpoint, certificate=stores.ca.good()) as proxy:
        client = store.behind(proxy.endpoint, str(stores.ca.file)).client()
        client.put_object(Bucket=store.bucket, Key="p/e", Body=BODY)
        assert client.get_object(Bucket=store.bucket, Key="p/e")["Body"].read() == BODY


BAD = ["wrong_name", "expired", "not_yet_valid", "self_signed"]


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_certificate_is_refused(stores: Stores, store: RunningStore, kind: str) -> None:
    with Proxy(store.endpoint, certificate=getattr(stores.ca, kind)()) as proxy:
        client = store.behind(proxy.endpoint, str(stores.ca.file)).client()
        with pytest.raises(SSLError):
            client.head_bucket(Bucket=store.bucket)


def test_a_hostile_store_serves_until_it_lies() -> None:
    store, server = start_hostile()
    client = store.client()
    client.put_object(Bucket=store.bucket, Key="x/a", Body=b"data")
    assert client.get_object(Bucket=store.bucket, Key="x/a")["Body"].read() == b"data"
    assert store.keys("x/") == ["x/a"]
    server.lies.add("corrupts")
    client.put_object(Bucket=store.bucket, Key="x/a", Body=b"data")
    assert client.get_object(Bucket=store.bucket, Key="x/a")["Body"].read() != b"data"
    framed = store.client(request_checksum_calculation="when_supported")
    server.lies.clear()
    framed.delete_objects(Bucket=store.bucket, Delete={"Objects": [{"Key": "x/a"}]})
    assert store.keys() == []
    server.close()


def test_a_hostile_store_keeps_framing_as_data(stores: Stores) -> None:
    store, server = start_hostile(stores.ca)
    client = store.client(request_checksum_calculation="when_supported")
    client.put_object(Bucket=store.bucket, Key="x/a", Body=b"data")
    assert server.objects["x/a"][0].startswith(b"4\r\ndata")
    server.close()
