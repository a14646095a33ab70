"""Formats: packs, chunk lists, nodes; golden bytes so that they do not change by accident."""

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dassie.base.hashing import digest
from dassie.storage import chunklist, codec, node, pack
from dassie.storage.chunks import joined, verified
from dassie.storage.errors import CorruptChunk, CorruptPack
from dassie.storage.types import ChunkLocation


def make_pack(plain, key="pack/x"):
    stored = codec.compress(plain)
    names = [digest(data) for data in plain]
    parts, size, entries = pack.assemble(key, names, [len(d) for d in plain], stored)
    data = b"".join(parts)
    assert len(data) == size
    return data, entries


@settings(deadline=None)
@given(st.lists(st.binary(max_size=2000) | st.binary(max_size=10).map(lambda b: b * 200)))
def test_round_trip(plain):
    data, entries = make_pack(plain)
    assert pack.parse_footer("pack/x", data) == entries
    for text, (name, place) in zip(plain, entries, strict=True):
        stored = data[place.offset : place.offset + place.stored]
        assert verified(name, place, stored) == text


def test_compression_is_only_kept_where_it_helps():
    shrinking, noise = b"abc" * 50_000, os.urandom(150_000)
    small, small_noise = b"x" * 500, os.urandom(500)
    kinds = [kind for kind, _ in codec.compress([shrinking, noise, small, small_noise])]
    assert kinds == [codec.ZSTD, codec.RAW, codec.ZSTD, codec.RAW]
    assert [kind for kind, _ in codec.compress([small_noise] * 3)] == [codec.RAW] * 3


def test_every_flipped_bit_is_noticed():
    plain = [b"some text that shrinks " * 20, os.urandom(100)]
    data, entries = make_pack(plain)
    for name, place in entries:
        for at in range(place.offset, place.offset + place.stored, 7):
            bad = bytearray(data)
            bad[at] ^= 4
            with pytest.raises(CorruptChunk, match="pack/x") as caught:
                verified(name, place, bytes(bad[place.offset : place.offset + place.stored]))
            assert name.hex() in str(caught.value)
    footer = entries[-1][1].offset + entries[-1][1].stored
    for at in range(footer, len(data)):
        bad = bytearray(data)
        bad[at] ^= 1
        if len(data) - 12 <= at < len(data) - 8:
            continue  # padding
        with pytest.raises(CorruptPack):
            pack.parse_footer("pack/x", bytes(bad))


@pytest.mark.parametrize("cut", [0, 1, 50, 100])
def test_truncated(cut):
    data, entries = make_pack([b"x" * 100])
    with pytest.raises(CorruptPack):
        pack.parse_footer("pack/x", data[:cut])
    name, place = entries[0]
    with pytest.raises(CorruptChunk, match="ends before"):
        verified(name, place, b"")


def test_decompression_is_bounded():
    (_, stored), *_ = codec.compress([b"\0" * 10_000_000])
    with pytest.raises(ValueError, match="length"):
        codec.decompress(codec.ZSTD, bytes(stored), 5)
    with pytest.raises(ValueError, match="codec"):
        codec.decompress(9, b"", 0)
    with pytest.raises(ValueError, match="cannot be decompressed"):
        codec.decompress(codec.ZSTD, b"not zstd", 5)


def test_golden_pack():
    name = digest(b"hello")
    parts, size, _ = pack.assemble("pack/x", [name], [5], [(codec.RAW, b"hello")])
    data = b"".join(parts)
    assert size == 8 + 5 + 41 + 56
    assert data.hex() == (
        "444153534945504b" + "68656c6c6f" + name.hex() + "05000000" + "05000000" + "00"
        "01000000" + "29000000" + digest(data[13:54]).hex() + "01000000" + "00000000"
        "444153534945504b"
    )


def test_golden_node():
    """The semantic hash of directories must never change: commits are compared by it."""
    records = [("a", b"\1" * 32, None, 5, 1), ("b/", b"\2" * 32, b"\3" * 32, 7, 2)]
    made, data, semantic = node.build(0, records)
    assert data.hex() == (
        "64540100"
        "02000000"
        "04000000"
        "01000000"
        "6100622f"
        + "01" * 32
        + "02" * 32
        + "0500000000000000"
        + "0700000000000000"
        + "0200000000000000"
        + "01000000"
        + "03" * 32
    )
    assert semantic.hex() == GOLDEN_HASH
    decoded = node.decode(data)
    assert decoded.records() == made.records() == records


GOLDEN_HASH = "3220e4946a747e3cdd630950c0d66feed8e74d030ce716a4548e4399f6f450ae"


def test_golden_boundaries():
    """Where nodes end must never change, or equal trees would stop being equal."""
    names = [f"f{i:06}" for i in range(5000)]
    assert [name for name in names if node.rank(name)][:4] == GOLDEN_ENDS
    lengths = 5000 / sum(1 for name in names if node.rank(name))
    assert 24 < lengths < 44


GOLDEN_ENDS = ["f000016", "f000021", "f000058", "f000076"]

RECORDS = st.lists(
    st.tuples(
        st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=9),
        st.binary(min_size=32, max_size=32),
        st.none() | st.binary(min_size=32, max_size=32),
        st.integers(0, 2**50),
    ),
    min_size=1,
    max_size=30,
).map(
    lambda rows: [
        (key + ("/" if ref and i % 2 else ""), name, ref, size, 3 if ref and i % 2 else 1)
        for i, (key, name, ref, size) in enumerate(rows)
    ]
)


@given(RECORDS)
def test_node_round_trip(records):
    made, data, _ = node.build(0, records)
    decoded = node.decode(data)
    assert decoded.records() == made.records() == records


@given(RECORDS, st.data())
def test_malformed_node(records, data):
    _, encoded, _ = node.build(0, records)
    cut = data.draw(st.integers(0, len(encoded) - 1))
    with pytest.raises(ValueError, match="node"):
        node.decode(encoded[:cut])


def test_long_lists_of_chunks(monkeypatch):
    monkeypatch.setattr(chunklist, "MAX_ITEMS", 3)
    stored = {}
    items = [(digest(bytes([i])), i + 1) for i in range(20)]
    ref = chunklist.store(items, stored.__setitem__)

    def read(name):
        listing = chunklist.decode(stored[name])
        for child, length in listing.items:
            if listing.level:
                found = list(read(child))
                assert sum(n for _, n in found) == length
                yield from found
            else:
                yield child, length

    assert list(read(ref)) == items
    assert all(digest(data) == name for name, data in stored.items())
    with pytest.raises(ValueError, match="list"):
        chunklist.decode(b"dL")
    with pytest.raises(ValueError, match="list"):
        chunklist.decode(stored[ref] + b"x")


def test_joined_reads():
    def at(pack_key, offset, stored):
        return (bytes([offset % 251]) * 32, ChunkLocation(pack_key, offset, stored, stored, 0))

    places = [at("b", 8, 10), at("a", 108, 10), at("a", 8, 90), at("a", 98, 10), at("a", 900, 5)]
    runs = joined(places, gap=50, limit=1000)
    assert [[p.offset for _, p in run] for run in runs] == [[8, 98, 108], [900], [8]]
    runs = joined(places, gap=5000, limit=105)
    assert [[p.offset for _, p in run] for run in runs] == [[8, 98], [108], [900], [8]]
