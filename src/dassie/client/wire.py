"""The two bulk messages that carry file content, by hand. Pure. Called by the transfers.

Generated code copies every bytes field twice, holding the interpreter's lock; for content that
doubles the cost of a transfer. Everything else on the wire uses the generated code.
"""

from __future__ import annotations

from collections.abc import Sequence

Buffer = bytes | bytearray | memoryview

# Tags: field number << 3 | 2 (length-delimited).
_PUT_CHUNKS = b"\x1a"
_HASHES, _LENGTHS, _DATA = b"\x0a", b"\x12", b"\x1a"


def varint(value: int) -> bytes:
    parts = bytearray()
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    parts.append(value)
    return bytes(parts)


def put_chunks(hashes: Sequence[bytes], data: Sequence[Buffer]) -> bytes:
    """A serialised `PutRequest` with `chunks`."""
    lengths = b"".join([varint(len(piece)) for piece in data])
    size = sum(map(len, data))
    head = b"".join(
        (
            *(_HASHES, varint(32 * len(hashes)), *hashes),
            *(_LENGTHS, varint(len(lengths)), lengths),
            *(_DATA, varint(size)),
        )
    )
    return b"".join((_PUT_CHUNKS, varint(len(head) + size), head, *data))
