"""gRPC's messages in a stream of bytes: a flag, a length, the bytes. Pure."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

from dassie.errors import InvalidArgument, ResourceExhausted, Unimplemented

PREFIX_BYTES = 5

_WINDOW_BITS = {"gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}


def frame(message: bytes) -> bytes:
    """The prefix of an uncompressed message."""
    return b"\x00" + len(message).to_bytes(4, "big")


@dataclass(frozen=True, slots=True)
class Packed:
    """A message as it came, compressed, until somebody reads it: then it may be a thousand times as
    large, and many of them wait in one window."""

    raw: bytes
    encoding: str
    max_bytes: int

    def __len__(self) -> int:
        return len(self.raw)

    def unpack(self) -> bytes:
        """Raises `InvalidArgument` when it is damaged, `ResourceExhausted` when it is too large."""
        decoder = zlib.decompressobj(_WINDOW_BITS[self.encoding])
        try:
            plain = decoder.decompress(self.raw, self.max_bytes + 1)
        except zlib.error as error:
            raise InvalidArgument(f"a message is not valid {self.encoding}: {error}") from error
        check_length(len(plain), self.max_bytes)
        if not decoder.eof or decoder.unused_data:
            where = "goes on after" if decoder.eof else "breaks off before"
            raise InvalidArgument(f"a message is not valid {self.encoding}: it {where} its end")
        return plain


def check_length(length: int, max_bytes: int) -> None:
    """Raises `ResourceExhausted`, in the words of gRPC's own servers."""
    if length > max_bytes:
        raise ResourceExhausted(f"received message larger than max ({length} vs. {max_bytes})")


class Splitter:
    """Cuts the bytes of one stream into messages, however they arrive."""

    def __init__(self, max_bytes: int, encoding: str = "") -> None:
        self._max_bytes = max_bytes
        self._encoding = encoding
        self._prefix = b""
        self._length = -1
        self._compressed = False
        self._parts: list[bytes] = []
        self._have = 0

    @property
    def missing(self) -> int:
        """Bytes that the message which has begun still lacks."""
        return max(self._length - self._have, 0)

    @property
    def inside(self) -> bool:
        """Whether a message has begun and not ended."""
        return bool(self._prefix) or self._length >= 0

    def feed(self, data: memoryview) -> list[bytes | Packed]:
        """The messages that `data` completes."""
        at, end = 0, len(data)
        if self._length < 0 and not self._prefix and end >= PREFIX_BYTES and not data[0]:
            # Nearly every small message comes as one whole frame.
            length = int.from_bytes(data[1:PREFIX_BYTES], "big")
            if length == end - PREFIX_BYTES <= self._max_bytes:
                return [bytes(data[PREFIX_BYTES:])]
        complete: list[bytes | Packed] = []
        while at < end:
            if self._length < 0:
                at = self._read_prefix(data, at)
                if self._length < 0:
                    break
            part = data[at : at + self._length - self._have]
            at += len(part)
            if len(part) == self._length:
                complete.append(self._finish(bytes(part)))
                continue
            self._parts.append(bytes(part))
            self._have += len(part)
            if self._have == self._length:
                complete.append(self._finish(b"".join(self._parts)))
        return complete

    def _read_prefix(self, data: memoryview, at: int) -> int:
        """Where the message begins, once its prefix is complete."""
        needed = PREFIX_BYTES - len(self._prefix)
        self._prefix += bytes(data[at : at + needed])
        at += needed
        if len(self._prefix) == PREFIX_BYTES:
            self._compressed = self._prefix[0] != 0
            self._length = int.from_bytes(self._prefix[1:], "big")
            self._prefix = b""
            check_length(self._length, self._max_bytes)
        return at

    def _finish(self, raw: bytes) -> bytes | Packed:
        self._length, self._have, self._parts = -1, 0, []
        if not self._compressed:
            return raw
        if self._encoding not in _WINDOW_BITS:
            raise Unimplemented(f"message encoding {self._encoding!r}")
        return Packed(raw, self._encoding, self._max_bytes)
