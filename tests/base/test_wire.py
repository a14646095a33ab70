"""A field put in by hand is what generated code reads, and the other way round."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dassie._proto.dassie import bulk_pb2
from dassie.base.wire import cut_field, with_field
from dassie.errors import InvalidArgument

DATA = 4


@given(st.lists(st.text(max_size=5), max_size=4), st.lists(st.binary(max_size=300), max_size=4))
def test_both_directions_agree_with_generated_code(paths: list[str], parts: list[bytes]) -> None:
    frame = bulk_pb2.GetFrame(paths=paths, sizes=[1 << 40] * len(paths), total_files=7)
    raw = b"".join(with_field(frame.SerializeToString(), DATA, parts))
    whole = bulk_pb2.GetFrame.FromString(raw)
    assert whole.data == b"".join(parts)
    rest, field = cut_field(whole.SerializeToString(), DATA)
    assert bulk_pb2.GetFrame.FromString(rest) == frame
    assert field == b"".join(parts)


def test_nested_message() -> None:
    chunks = bulk_pb2.Chunks(hashes=b"h" * 32, lengths=[5])
    inner = with_field(chunks.SerializeToString(), 3, [b"he", b"llo"])
    raw = b"".join(with_field(b"", 3, inner))
    request = bulk_pb2.PutRequest.FromString(raw)
    assert (request.chunks.data, list(request.chunks.lengths)) == (b"hello", [5])


def test_absent_field_is_empty() -> None:
    rest, field = cut_field(bulk_pb2.GetFrame(total_bytes=3).SerializeToString(), DATA)
    assert bulk_pb2.GetFrame.FromString(rest).total_bytes == 3
    assert len(field) == 0


@pytest.mark.parametrize("raw", [b"\x22\x05abc", b"\x22", b"\x80" * 11, b"\x0b", b"\x22\xff\xff"])
def test_what_is_no_message_is_refused(raw: bytes) -> None:
    with pytest.raises(InvalidArgument):
        cut_field(raw, DATA)
