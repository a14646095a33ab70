"""From the bytes that user code prints to log lines. Pure."""

from __future__ import annotations

from typing import Final

LONGEST_LINE: Final = 16 << 10
"""Bytes; a longer line is cut into several, so that output without line ends needs no memory."""


class LineSplitter:
    """Cuts a stream into lines of bounded length, losing nothing but what is not text."""

    def __init__(self, longest: int = LONGEST_LINE) -> None:
        self._longest = longest
        self._rest = b""

    def feed(self, data: bytes) -> list[str]:
        """Lines that are complete now."""
        *lines, rest = (self._rest + data).split(b"\n")
        while len(rest) > self._longest:
            cut = _character_start(rest, self._longest)
            lines.append(rest[:cut])
            rest = rest[cut:]
        self._rest = rest
        return [text for line in lines for text in self._pieces(line)]

    def finish(self) -> list[str]:
        """What was left without a line end."""
        rest, self._rest = self._rest, b""
        return self._pieces(rest) if rest else []

    def _pieces(self, line: bytes) -> list[str]:
        pieces = []
        while len(line) > self._longest:
            cut = _character_start(line, self._longest)
            pieces.append(_text(line[:cut]))
            line = line[cut:]
        pieces.append(_text(line.removesuffix(b"\r")))
        return pieces


def _character_start(data: bytes, end: int) -> int:
    """The last place at or shortly before `end`, which is inside, where a character begins."""
    for place in range(end, max(end - 4, 0), -1):
        if data[place] & 0xC0 != 0x80:
            return place
    return end


def _text(line: bytes) -> str:
    # NUL is text to UTF-8, but not to a database
    return line.decode("utf-8", "replace").replace("\0", "\ufffd")
