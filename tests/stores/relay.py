"""HTTP/1.1 on a socket, as far as a relay needs it: heads parsed, bodies passed on in pieces.

Used by `tests.stores.proxy` and `tests.stores.hostile`; knows nothing of S3 or of faults.
"""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import formatdate

PIECE = 256 << 10
HEAD_LIMIT = 64 << 10
CHUNKED = "chunked"


class Broken(Exception):
    """The other side went away, or does not speak HTTP."""


@dataclass(frozen=True)
class Head:
    """First line and fields of a request or an answer."""

    first: str
    fields: list[tuple[str, str]]

    def get(self, name: str) -> str | None:
        return next((value for key, value in self.fields if key.lower() == name), None)

    def without(self, name: str) -> Head:
        return Head(self.first, [pair for pair in self.fields if pair[0].lower() != name.lower()])

    def replacing(self, name: str, value: str) -> Head:
        return Head(self.first, [*self.without(name).fields, (name, value)])

    @property
    def status(self) -> int:
        return int(self.first.split(" ", 2)[1])

    @property
    def is_head(self) -> bool:
        return self.first.startswith("HEAD ")

    @property
    def body(self) -> str:
        """How its end is known: `chunked`, `length`, or `close` (none, for a request)."""
        if CHUNKED in (self.get("transfer-encoding") or "").lower():
            return CHUNKED
        return "length" if self.get("content-length") is not None else "close"

    def encode(self) -> bytes:
        lines = [self.first, *(f"{name}: {value}" for name, value in self.fields)]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


Touch = Callable[[memoryview], None]


class Wire:
    """One connection and what was read too much of it."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._ahead = b""
        self._buffer = bytearray(PIECE)

    def stale(self) -> bool:
        """Whether the other side said something unasked, which is: goodbye."""
        return bool(select.select([self._socket], [], [], 0)[0])

    def send(self, data: bytes | memoryview) -> None:
        self._socket.sendall(data)

    def close(self) -> None:
        self._socket.close()

    def read_head(self) -> Head | None:
        """The next head, or None at an orderly end."""
        while b"\r\n\r\n" not in self._ahead:
            if len(self._ahead) > HEAD_LIMIT:
                raise Broken("head too long")
            more = self._socket.recv(PIECE)
            if not more:
                if self._ahead:
                    raise Broken("ended amid a head")
                return None
            self._ahead += more
        text, _, self._ahead = self._ahead.partition(b"\r\n\r\n")
        first, *lines = text.decode("latin-1").split("\r\n")
        fields = [line.partition(":") for line in lines]
        return Head(first, [(name, value.strip()) for name, _, value in fields])

    def copy_body(
        self,
        head: Head,
        to: Wire | None,
        at: int = 0,
        touch: Touch | None = None,
        *,
        answer: bool = False,
    ) -> int:
        """Pass the body of `head` on, framing and all; its length. `touch` is called with the
        piece that starts at byte `at`, before that is sent."""
        counted = _Passing(to, at, touch)
        if head.body == CHUNKED:
            self._copy_chunks(counted)
        elif head.body == "length":
            self._copy(int(head.get("content-length") or 0), counted)
        elif answer:
            self._copy(None, counted)
        return counted.position

    def read_body(self, head: Head) -> bytes:
        """The body of `head`, framing removed."""
        found = bytearray()
        if head.body == "length":
            self._copy(int(head.get("content-length") or 0), found.extend)
        elif head.body == CHUNKED:
            while size := int(self._line().split(b";")[0], 16):
                self._copy(size, found.extend)
                self._line()
            while self._line() != b"\r\n":
                pass
        return bytes(found)

    def _copy(self, length: int | None, to: Callable[[memoryview], None]) -> None:
        left = length
        while left is None or left > 0:
            piece = self._piece(PIECE if left is None else min(left, PIECE))
            if not piece:
                if left is None:
                    return
                raise Broken("ended amid a body")
            to(piece)
            if left is not None:
                left -= len(piece)

    def _copy_chunks(self, to: Callable[[memoryview], None]) -> None:
        while True:
            line = self._line()
            to(memoryview(bytearray(line)))
            size = int(line.split(b";")[0], 16)
            if not size:
                break
            self._copy(size + 2, to)
        while True:
            line = self._line()
            to(memoryview(bytearray(line)))
            if line == b"\r\n":
                return

    def _piece(self, most: int) -> memoryview:
        if self._ahead:
            taken, self._ahead = self._ahead[:most], self._ahead[most:]
            return memoryview(bytearray(taken))
        view = memoryview(self._buffer)[:most]
        return view[: self._socket.recv_into(view)]

    def _line(self) -> bytes:
        while b"\n" not in self._ahead:
            more = self._socket.recv(PIECE)
            if not more:
                raise Broken("ended amid a chunk")
            self._ahead += more
        line, mark, self._ahead = self._ahead.partition(b"\n")
        return line + mark


class _Passing:
    """Sends pieces on and counts them; touches one."""

    def __init__(self, to: Wire | None, at: int, touch: Touch | None) -> None:
        self._to = to
        self._at = at
        self._touch = touch
        self.position = 0

    def __call__(self, piece: memoryview) -> None:
        if self._touch is not None and self._at < self.position + len(piece):
            before = self._at - self.position
            if before:
                self._send(piece[:before])
                piece = piece[before:]
            touch, self._touch = self._touch, None
            touch(piece)
        self._send(piece)

    def _send(self, piece: memoryview) -> None:
        if self._to is not None:
            self._to.send(piece)
        self.position += len(piece)


def shifted_date(seconds: float) -> str:
    """A Date field that is off by so much."""
    return formatdate(time.time() + seconds, usegmt=True)
