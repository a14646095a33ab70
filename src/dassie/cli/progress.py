"""How far a transfer is: a line that rewrites itself on a terminal, plain lines elsewhere.

Called by `put file` and `get file`. Costs a look at the clock per update, and updates come once per
megabyte or so. Writes to stderr only.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from typing import TextIO

from dassie.cli import humanize

_REDRAW_S = 0.1
_PLAIN_EVERY_S = 15.0
_SETTLED_S = 1.0
"""Before that, a rate says nothing about when it ends."""
_BAR = 24


class Meter:
    """`update` as often as you like; `close` once, on success or failure."""

    def __init__(
        self,
        verb: str,
        stream: TextIO,
        *,
        live: bool = True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._verb = verb
        self._stream = stream
        self._clock = clock
        self.live = live and stream.isatty()
        self._begun = clock()
        self._next = self._begun + (_REDRAW_S if self.live else _PLAIN_EVERY_S)
        self._drawn = False

    @property
    def elapsed_s(self) -> float:
        return self._clock() - self._begun

    def update(self, files: int, size: int, all_files: int = 0, all_size: int = 0) -> None:
        """So many files and bytes are done, of so many (0: not known)."""
        now = self._clock()
        if now < self._next:
            return
        text = status(self._verb, files, size, all_files, all_size, now - self._begun)
        if self.live:
            width = shutil.get_terminal_size().columns - 1
            self._stream.write(f"\r{text[:width]:<{width}}")
            self._next = now + _REDRAW_S
            self._drawn = True
        else:
            self._stream.write(text + "\n")
            self._next = now + _PLAIN_EVERY_S
        self._stream.flush()

    def close(self) -> None:
        """Wipe the live line."""
        if self._drawn:
            width = shutil.get_terminal_size().columns - 1
            self._stream.write(f"\r{'':<{width}}\r")
            self._stream.flush()
            self._drawn = False

    def summary(self, files: int, size: int, more: str = "") -> str:
        """`put 3 files, 57.27KiB in 0.2s (286.3KiB/s)`."""
        spent = self.elapsed_s
        text = f"{self._verb} {humanize.count(files, 'file')}, {humanize.size(size)}"
        text += f" in {humanize.duration(spent)}"
        if spent > 0 and size:
            text += f" ({humanize.size(size / spent)}/s)"
        return f"{text}{more}"


def status(verb: str, files: int, size: int, all_files: int, all_size: int, spent_s: float) -> str:
    """The line for a state of affairs. Pure."""
    rate = size / spent_s if spent_s > 0 else 0.0
    parts = [verb]
    if all_size:
        share = min(1.0, size / all_size)
        filled = round(share * _BAR)
        parts.append(f"[{'█' * filled}{'·' * (_BAR - filled)}] {share:4.0%}")
    amount = humanize.size(size) + (f" of {humanize.size(all_size)}" if all_size else "")
    number = f"{files:,}" + (f" of {all_files:,}" if all_files else "")
    parts.append(f"{number} files, {amount}, {humanize.size(rate)}/s")
    if all_size and rate and spent_s >= _SETTLED_S and size < all_size:
        parts.append(f"{humanize.duration((all_size - size) / rate)} left")
    return " ".join(parts)
