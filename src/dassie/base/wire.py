"""One large bytes field of a protobuf message, put in and taken out without copying. Pure.

Generated code copies every bytes field twice, holding the interpreter's lock; for messages that
carry file content that doubles the cost of a transfer. So the bulk door and the client let
generated code handle everything but that field. The parts of a serialised message may stand in any
order, which is what makes this possible.
"""

from __future__ import annotations

from collections.abc import Sequence

from dassie.errors import InvalidArgument

Buffer = bytes | bytearray | memoryview

_LENGTH_DELIMITED = 2
_FIXED = {1: 8, 5: 4}


def with_field(rest: bytes, number: int, data: Sequence[Buffer]) -> list[Buffer]:
    """Parts of a message: what is serialised in `rest`, and field `number` made of `data`."""
    size = sum(map(len, data))
    return [rest, _varint(number << 3 | _LENGTH_DELIMITED), _varint(size), *data]


def cut_field(message: Buffer, number: int) -> tuple[bytes, memoryview]:
    """A serialised message without its field `number`, and that field (the last one, if repeated).

    The field is empty when it is absent. Raises `InvalidArgument` for what is no message.
    """
    view = memoryview(message)
    position, end = 0, len(view)
    kept: list[memoryview] = []
    field = view[:0]
    while position < end:
        start = position
        tag, position = _read_varint(view, position)
        kind = tag & 7
        if kind == _LENGTH_DELIMITED:
            length, position = _read_varint(view, position)
            content, position = position, position + length
            if position > end:
                raise InvalidArgument("a message ends in the middle of a field")
            if tag >> 3 == number:
                field = view[content:position]
                continue
        elif kind == 0:
            _, position = _read_varint(view, position)
        elif kind in _FIXED:
            position += _FIXED[kind]
        else:
            raise InvalidArgument(f"a message has a field of unknown kind {kind}")
        kept.append(view[start:position])
    return b"".join(kept), field


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def _read_varint(view: memoryview, position: int) -> tuple[int, int]:
    value = shift = 0
    for byte in view[position : position + 10]:
        value |= (byte & 0x7F) << shift
        position += 1
        if byte < 0x80:
            return value, position
        shift += 7
    raise InvalidArgument("a message ends in the middle of a number")
