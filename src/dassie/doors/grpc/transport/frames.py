"""HTTP/2 frames (RFC 9113): numbers, parsing of payloads, building. Pure."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from enum import IntEnum

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
HEAD_BYTES = 9
MAX_WINDOW = (1 << 31) - 1
MIN_FRAME_BYTES, MAX_FRAME_BYTES = 1 << 14, (1 << 24) - 1
INITIAL_WINDOW = 65_535

Buffer = bytes | bytearray | memoryview


class Kind(IntEnum):
    DATA = 0
    HEADERS = 1
    PRIORITY = 2
    RST_STREAM = 3
    SETTINGS = 4
    PUSH_PROMISE = 5
    PING = 6
    GOAWAY = 7
    WINDOW_UPDATE = 8
    CONTINUATION = 9


END_STREAM, ACK, END_HEADERS, PADDED, PRIORITY = 0x1, 0x1, 0x4, 0x8, 0x20
"""Flags; END_STREAM and ACK share a bit, on different kinds."""


class Setting(IntEnum):
    HEADER_TABLE_SIZE = 1
    ENABLE_PUSH = 2
    MAX_CONCURRENT_STREAMS = 3
    INITIAL_WINDOW_SIZE = 4
    MAX_FRAME_SIZE = 5
    MAX_HEADER_LIST_SIZE = 6


class ErrorCode(IntEnum):
    NO_ERROR = 0
    PROTOCOL_ERROR = 1
    INTERNAL_ERROR = 2
    FLOW_CONTROL_ERROR = 3
    STREAM_CLOSED = 5
    FRAME_SIZE_ERROR = 6
    REFUSED_STREAM = 7
    CANCEL = 8
    COMPRESSION_ERROR = 9
    ENHANCE_YOUR_CALM = 11


class Violation(Exception):
    """The peer broke the protocol: the connection ends with GOAWAY."""

    def __init__(self, code: ErrorCode, text: str) -> None:
        super().__init__(text)
        self.code = code


class StreamError(Exception):
    """The peer broke the protocol on one stream: that stream is reset."""

    def __init__(self, stream_id: int, code: ErrorCode) -> None:
        super().__init__(f"stream {stream_id}: {code.name}")
        self.stream_id = stream_id
        self.code = code


HEAD = struct.Struct(">HBBBL")
_LONG = struct.Struct(">L")
_SETTING = struct.Struct(">HL")


def head(length: int, kind: int, flags: int, stream_id: int) -> bytes:
    return HEAD.pack(length >> 8, length & 0xFF, kind, flags, stream_id)


def parse_head(buffer: Buffer, offset: int) -> tuple[int, int, int, int]:
    """Length, kind, flags, stream id of the frame that begins at `offset`."""
    high, low, kind, flags, stream_id = HEAD.unpack_from(buffer, offset)
    return high << 8 | low, kind, flags, stream_id & MAX_WINDOW


def frame(kind: int, flags: int, stream_id: int, payload: bytes = b"") -> bytes:
    return head(len(payload), kind, flags, stream_id) + payload


def settings(values: dict[Setting, int]) -> bytes:
    payload = b"".join(_SETTING.pack(key, value) for key, value in values.items())
    return frame(Kind.SETTINGS, 0, 0, payload)


def window_update(stream_id: int, bytes_: int) -> bytes:
    return frame(Kind.WINDOW_UPDATE, 0, stream_id, _LONG.pack(bytes_))


def reset(stream_id: int, code: ErrorCode) -> bytes:
    return frame(Kind.RST_STREAM, 0, stream_id, _LONG.pack(code))


def go_away(last_stream_id: int, code: ErrorCode, text: str = "") -> bytes:
    return frame(Kind.GOAWAY, 0, 0, _LONG.pack(last_stream_id) + _LONG.pack(code) + text.encode())


def parse_settings(payload: Buffer) -> Iterator[tuple[int, int]]:
    if len(payload) % _SETTING.size:
        raise Violation(ErrorCode.FRAME_SIZE_ERROR, "SETTINGS of an odd length")
    return _SETTING.iter_unpack(payload)


def parse_long(payload: Buffer, what: str) -> int:
    """The one 31-bit number that is the payload of WINDOW_UPDATE and RST_STREAM."""
    if len(payload) != _LONG.size:
        raise Violation(ErrorCode.FRAME_SIZE_ERROR, f"{what} of {len(payload)} bytes")
    (value,) = _LONG.unpack(payload)
    return int(value) & MAX_WINDOW


def body(payload: memoryview, flags: int) -> memoryview:
    """The payload of DATA without its padding."""
    if not flags & PADDED:
        return payload
    if not payload or payload[0] >= len(payload):
        raise Violation(ErrorCode.PROTOCOL_ERROR, "padding longer than its frame")
    return payload[1 : len(payload) - payload[0]]


def header_fragment(payload: memoryview, flags: int) -> memoryview:
    """The payload of HEADERS without padding and priority."""
    rest = body(payload, flags)
    if not flags & PRIORITY:
        return rest
    if len(rest) < 5:
        raise Violation(ErrorCode.FRAME_SIZE_ERROR, "HEADERS too short for its priority")
    return rest[5:]
