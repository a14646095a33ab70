"""Headers of gRPC calls: what a request says, what an answer says. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from urllib.parse import quote

Header = tuple[bytes, bytes]


class Code(IntEnum):
    """gRPC's status codes."""

    OK = 0
    CANCELLED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    DATA_LOSS = 15
    UNAUTHENTICATED = 16


@dataclass(frozen=True, slots=True)
class Request:
    """What the headers of a call say.

    method: `package.Service/Method`.
    metadata: textual, by key; the last of several values of one key.
    timeout: seconds, or None.
    encoding: compression of its messages; empty or `identity` for none.
    """

    method: str
    metadata: dict[str, str]
    timeout: float | None
    encoding: str


class NotGrpc(Exception):
    """An HTTP/2 request that is no gRPC call; `status` is the HTTP answer to it."""

    def __init__(self, status: int) -> None:
        super().__init__(str(status))
        self.status = status


def parse_request(headers: Iterable[Header]) -> Request:
    """Raises `NotGrpc`."""
    values = dict(headers)
    if values.get(b":method") != b"POST":
        raise NotGrpc(405)
    if not values.get(b"content-type", b"").startswith(b"application/grpc"):
        raise NotGrpc(415)
    metadata = {
        name.decode("ascii", "replace"): value.decode("utf-8", "replace")
        for name, value in values.items()
        if name[:1] != b":" and not name.endswith(b"-bin")
    }
    return Request(
        method=values.get(b":path", b"").decode("utf-8", "replace").lstrip("/"),
        metadata=metadata,
        timeout=parse_timeout(values.get(b"grpc-timeout", b"")),
        encoding=values.get(b"grpc-encoding", b"").decode("ascii", "replace"),
    )


_UNITS = {b"H": 3600.0, b"M": 60.0, b"S": 1.0, b"m": 1e-3, b"u": 1e-6, b"n": 1e-9}


def parse_timeout(value: bytes) -> float | None:
    """`grpc-timeout`: up to 8 digits and a unit; what is malformed counts as none."""
    unit = _UNITS.get(value[-1:])
    digits = value[:-1]
    return int(digits) * unit if unit and digits.isdigit() and len(digits) <= 8 else None


def _literal(name: bytes, value: bytes) -> bytes:
    """HPACK, the simplest way: a literal that no table remembers, not Huffman-coded."""
    return b"\x00" + _string(name) + _string(value)


def _string(text: bytes) -> bytes:
    return _integer(len(text)) + text


def _integer(value: int) -> bytes:
    """HPACK's integer with a 7-bit prefix."""
    if value < 127:
        return bytes((value,))
    out = bytearray((127,))
    value -= 127
    while value >= 128:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


OPENING = (
    b"\x88"  # :status 200, from HPACK's static table
    + _literal(b"content-type", b"application/grpc")
    + _literal(b"grpc-accept-encoding", b"identity,deflate,gzip")
)
"""Header block in front of an answer's messages."""

_MAX_MESSAGE = 6000
"""Clients take up to 8 KiB of headers."""

_OK = _literal(b"grpc-status", b"0")


def closing(code: Code, message: str) -> bytes:
    """Header block behind an answer's messages."""
    if code is Code.OK and not message:
        return _OK
    status = _literal(b"grpc-status", b"%d" % code)
    return status + _literal(b"grpc-message", percent_encode(message))


def http_error(status: int) -> bytes:
    """Header block that refuses a request which is no gRPC call."""
    text = b"this port speaks gRPC"
    return _literal(b":status", b"%d" % status) + _literal(b"x-dassie", text)


def percent_encode(message: str) -> bytes:
    """`grpc-message`: UTF-8 with everything but printable ASCII escaped; cut when too long."""
    encoded = quote(message, safe=" !\"#$&'()*+,-./:;<=>?@[\\]^_`{|}~")
    if len(encoded) > _MAX_MESSAGE:
        encoded = encoded[:_MAX_MESSAGE]
        escape = encoded.rfind("%", _MAX_MESSAGE - 2)
        encoded = encoded[:escape] if escape >= 0 else encoded
    return encoded.encode("ascii")
