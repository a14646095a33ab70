"""What a remote store is asked, counted: docs/performance.md promises these figures."""

import random
from dataclasses import replace

import pytest

from dassie.blob.open import assumed, open_store
from dassie.pfs import views
from dassie.storage.check import Checker
from dassie.storage.gc import Collector
from dassie.storage.recover import recover
from tests.cost.setting import MASTER, MIB, Counted, setting
from tests.stores.proxy import Proxy

FILES, SIZE = 100_000, 4096


def small_files(count, seed=1):
    """Files in another order than their paths have: each folder's are far apart."""
    generator = random.Random(seed)
    blocks = [generator.randbytes(SIZE - 8) for _ in range(100)]
    for i in range(count):
        yield f"/d{i % 100:02}/f{i:06}", i.to_bytes(8, "little") + blocks[i % 100]


@pytest.fixture
def blob():
    return Counted()


@pytest.fixture
def place(blob, tmp_path):
    with setting(blob, tmp_path) as made:
        blob.count()
        yield made


@pytest.mark.stores
@pytest.mark.slow
def test_a_hundred_thousand_files_over_http(stores, tmp_path):
    with Proxy(stores.get("seaweedfs").new_bucket().endpoint) as proxy:
        settings = stores.get("seaweedfs").new_bucket().behind(proxy.endpoint).settings()
        settings = replace(settings, cache_memory_bytes=0)
        with setting(open_store(settings, assumed(settings)), tmp_path) as place:
            proxy.clear()
            place.put(small_files(FILES))
            kinds = proxy.kinds()
            assert kinds["put"] <= 60
            assert kinds == {"put": kinds["put"]}  # no HEAD, no list, nothing else

            proxy.clear()
            place.put(small_files(FILES))
            assert proxy.kinds() == {"put": 1}  # the journal's

            packs = place.packs()
            place.fresh()
            proxy.clear()
            assert place.tar_bytes() > FILES * SIZE
            kinds = proxy.kinds()
            assert kinds["get"] <= 1.2 * packs
            assert kinds == {"get": kinds["get"]}


def test_small_files_are_read_by_the_pack(place, blob):
    place.put(small_files(30_000))
    counts = blob.count()
    assert counts == {("put", "pack"): place.packs(), ("put", "journal"): 1}
    packs = counts["put", "pack"]
    assert packs <= 16

    place.fresh()
    blob.count()
    place.tar_bytes()
    assert blob.count()["get_range", "pack"] <= 1.2 * packs
    place.tar_bytes()
    assert not blob.count()

    place.fresh(keep_disk=True)
    place.tar_bytes()
    assert not blob.count()


def test_small_files_in_the_order_of_their_paths(place, blob):
    place.put(sorted(small_files(30_000)))
    packs = blob.count()["put", "pack"]
    place.fresh()
    blob.count()
    place.tar_bytes()
    assert blob.count()["get_range", "pack"] <= 1.2 * packs


def test_same_files_again_are_not_sent(place, blob):
    place.put(small_files(2000))
    place.put([("/large", random.Random(2).randbytes(20 * MIB))])
    blob.count()
    place.put(small_files(2000))
    place.put([("/large", random.Random(2).randbytes(20 * MIB))])
    assert blob.count()["put", "pack"] == 0


def test_listing_and_difference_on_an_empty_cache(place, blob):
    place.put(small_files(20_000))
    place.put([("/d07/changed", b"x")])
    place.fresh()
    blob.count()
    assert len(list(place.files.list_(MASTER, "/d07")[1])) == 201
    assert len(list(place.files.diff(MASTER, "/"))) == 3
    assert len(list(place.files.glob(MASTER, "/d1*/f0000*")[1])) == 10
    assert blob.count()["get_range", "pack"] <= 8


def test_one_file_is_one_read_and_nothing_is_read_twice(place, blob):
    place.put([(f"/f{i}", random.Random(i).randbytes(300_000)) for i in range(20)])
    place.fresh()
    list(place.files.list_(MASTER, "/")[1])  # the tree's node
    blob.count()
    info, pieces = place.files.read(MASTER, "/f7")
    assert sum(map(len, pieces)) == info.entry.size
    assert blob.count()["get_range", "pack"] == 1


def test_upkeep(place, blob):
    for seed in range(5):
        place.put((f"/{seed}{path}", data) for path, data in small_files(1000, seed))
    packs = place.packs()
    place.fresh()
    blob.count()
    recover(place.cached, place.db)
    assert blob.count() == {("list", "pack"): 1, ("get_range", "pack"): packs}

    place.fresh()
    Collector(place.db, place.storage).run_once(views.roots)
    counts = blob.count()
    assert counts["list", "pack"] == 1
    assert counts["get_range", "pack"] <= packs + 2
    assert ("delete", "pack") not in counts

    place.fresh()
    assert not list(Checker(place.db, place.storage, deep=True).packs())
    counts = blob.count()
    assert counts["list", "pack"] == 1
    assert counts["get_range", "pack"] <= 3 * packs
