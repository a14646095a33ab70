"""How far a transfer is: a line that rewrites itself on a terminal, plain lines elsewhere.

Called by `put file` and `get file`. Costs a look at the clock per update, and updates come once per
megabyte or so. Writes to stderr only.
"""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TextIO

from dassie.cli import humanize

_REDRAW_S = 0.1
_PLAIN_EVERY_S = 15.0
_SETTLED_S = 1.0
"""Before that, a rate says nothing about when it ends."""
_BAR = 16
_CENSUS_AFTER_S = 1.0


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


class Census:
    """How much there is to transfer. Files are counted at once, folders in a thread of their own,
    and only for transfers that last: most are over before anybody could read a forecast."""

    def __init__(self, files: Sequence[str], folders: Sequence[str]) -> None:
        self._folders = folders
        self._files = len(files)
        self._size = sum(Path(file).stat().st_size for file in files)
        self._begun = False
        self._complete = not folders

    def totals(self, elapsed_s: float) -> tuple[int, int]:
        """Files and bytes, or zeros while they are not known."""
        if not (self._complete or self._begun) and elapsed_s >= _CENSUS_AFTER_S:
            self._begun = True
            threading.Thread(target=self._count, name="census", daemon=True).start()
        return (self._files, self._size) if self._complete else (0, 0)

    def _count(self) -> None:
        waiting = list(self._folders)
        while waiting:
            try:
                with os.scandir(waiting.pop()) as entries:
                    for entry in entries:
                        if entry.is_dir(follow_symlinks=False):
                            waiting.append(entry.path)
                        elif entry.is_file():
                            self._files += 1
                            self._size += entry.stat().st_size
            except OSError:
                continue  # whoever reads it for the transfer will say what is wrong
        self._complete = True


def status(verb: str, files: int, size: int, all_files: int, all_size: int, spent_s: float) -> str:
    """The line for a state of affairs; what matters most comes first. Pure."""
    rate = size / spent_s if spent_s > 0 else 0.0
    speed = f"{humanize.size(rate)}/s"
    if not all_size:
        return f"{verb} {humanize.size(size)}, {speed}, {humanize.count(files, 'file')}"
    share = min(1.0, size / all_size)
    filled = round(share * _BAR)
    parts = [f"{verb} {share:4.0%} [{'█' * filled}{'·' * (_BAR - filled)}]"]
    parts.append(f"{humanize.size(size)} of {humanize.size(all_size)}, {speed}")
    if rate and spent_s >= _SETTLED_S and size < all_size:
        parts.append(f"{humanize.duration((all_size - size) / rate)} left")
    if all_files > 1:
        parts.append(f"{files:,} of {all_files:,} files")
    return " ".join(parts)
