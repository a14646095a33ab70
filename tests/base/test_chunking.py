"""Boundaries found through a window are those of the whole content, whatever the window."""

from __future__ import annotations

import random

import pytest

from dassie.base.chunking import MAX_CHUNK_BYTES, MIN_CHUNK_BYTES, Cutter

CONTENT = random.Random(7).randbytes(24 << 20)


def cut_through(window_bytes: int) -> list[int]:
    cutter, position, lengths = Cutter(), 0, []
    while position < len(CONTENT):
        window = memoryview(CONTENT)[position : position + window_bytes]
        found = cutter.cut(window, final=position + window_bytes >= len(CONTENT))
        lengths += found
        position += sum(found)
    return lengths


@pytest.mark.parametrize("window_bytes", [MAX_CHUNK_BYTES, (5 << 20) + 1, 16 << 20])
def test_window_does_not_matter(window_bytes: int) -> None:
    whole = Cutter().cut(CONTENT, final=True)
    assert sum(whole) == len(CONTENT)
    assert cut_through(window_bytes) == whole


def test_limits() -> None:
    lengths = Cutter().cut(CONTENT, final=True)
    assert all(MIN_CHUNK_BYTES <= length <= MAX_CHUNK_BYTES for length in lengths[:-1])
    assert Cutter().cut(bytes(9 << 20), final=True) == [4 << 20, 4 << 20, 1 << 20]


def test_small_content_is_one_chunk() -> None:
    assert Cutter().cut(CONTENT[:MIN_CHUNK_BYTES], final=True) == [MIN_CHUNK_BYTES]
    assert Cutter().cut(b"", final=True) == []


def test_insertion_moves_few_boundaries() -> None:
    before = Cutter().cut(CONTENT, final=True)
    after = Cutter().cut(CONTENT[: 8 << 20] + b"x" * 1000 + CONTENT[8 << 20 :], final=True)
    assert len(set(before) & set(after)) >= len(before) - 3
