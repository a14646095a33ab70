"""The stores themselves: they start, keep bytes, and are reached over both kinds of connection."""

from __future__ import annotations

import pytest

from tests.stores import NAMES
from tests.stores.fixtures import Stores

pytestmark = pytest.mark.stores


@pytest.mark.parametrize("tls", [False, True], ids=["http", "tls"])
@pytest.mark.parametrize("name", NAMES)
def test_a_store_keeps_what_it_is_given(stores: Stores, name: str, tls: bool) -> None:
    store = stores.get(name, tls=tls)
    assert store.tls == tls
    assert store.endpoint.startswith("https:" if tls else "http:")
    client = store.client()
    client.put_object(Bucket=store.bucket, Key=f"own/{tls}", Body=b"x" * 100_000)
    answer = client.get_object(Bucket=store.bucket, Key=f"own/{tls}")
    assert answer["Body"].read() == b"x" * 100_000
    assert f"own/{tls}" in store.keys("own/")
