"""What `pachd` asks of a remote store when it starts, and for the smallest things."""

import pytest

from tests.faults.served import Served
from tests.stores.proxy import Proxy

pytestmark = [pytest.mark.stores, pytest.mark.slow]


def test_requests_of_a_start(stores, tmp_path):
    with Proxy(stores.get("seaweedfs").endpoint) as proxy:
        store = stores.get("seaweedfs").new_bucket().behind(proxy.endpoint)
        server = Served(tmp_path, store, "--storage", store.url("start"))
        server.start()
        try:
            server.create_repo("data")
            server.put("data", {"/a": b"a"})
            proxy.clear()
            server.put("data", {"/b": b"b"})
            assert proxy.kinds() == {"put": 2}  # a pack, and the journal
            server.stop()

            proxy.clear()
            server.start()
            kinds = proxy.kinds()
            # The profile is confirmed, the marker read, the journal's end looked up.
            assert set(kinds) <= {"get", "list", "put"}
            assert kinds.total() <= 6
        finally:
            server.kill()
