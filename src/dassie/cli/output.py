"""What goes to stdout and stderr: tables, JSON, YAML, records, colour, pager.

Data goes to stdout and nothing else does; talk goes to stderr. Lists are printed while they arrive:
a table's widths come from its first rows. Called by every command through its session.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import chain, islice
from typing import IO, Any, TextIO

from dassie.cli import humanize
from dassie.cli.documents import json_text, plain, write_yaml

_PAGER = "less -RFX"
_SAMPLE_ROWS = 1000
"""Rows that decide the widths of a table; later ones may stick out."""
_COLOURS = {"red": 31, "green": 32, "yellow": 33, "blue": 34, "cyan": 36, "bold": 1, "dim": 2}
_ESCAPE = re.compile(r"\x1b\[[0-9;]*m")
_PROGRAM = re.compile(r"[\w./+-]+")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


@dataclass(frozen=True)
class Columns:
    """A kind of table: its headers, and the cells of one message."""

    headers: Sequence[str]
    cells: Callable[[Any], Sequence[str]]


@dataclass
class Output:
    """Where and how a command prints."""

    format: str = "table"
    stdout: TextIO = field(default_factory=lambda: sys.stdout)
    stderr: TextIO = field(default_factory=lambda: sys.stderr)
    colour: bool = False
    pager: bool = False
    full_timestamps: bool = False
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)

    # -- talk -----------------------------------------------------------------

    def say(self, text: str) -> None:
        """A remark for the person at the terminal."""
        print(text, file=self.stderr, flush=True)

    def warn(self, text: str) -> None:
        self.say(f"warning: {text}")

    # -- data -----------------------------------------------------------------

    def line(self, text: str = "") -> None:
        """One line of data."""
        self.stdout.write(text + "\n")

    def listing(self, messages: Iterable[Any], columns: Columns) -> int:
        """Many messages: a table, or one JSON or YAML document each. Returns how many."""
        if self.format != "table":
            return self.documents(messages)
        printed = 0

        def rows() -> Iterator[Sequence[str]]:
            nonlocal printed
            for message in messages:
                printed += 1
                yield columns.cells(message)

        self.table(columns.headers, rows())
        return printed

    def record(self, message: Any, render: Callable[[Any], Sequence[tuple[str, str]]]) -> None:
        """One message: `Name: value` lines without the empty ones, or one document."""
        if self.format != "table":
            self.documents([message])
            return
        for name, value in render(message):
            if value:
                separator = "\n" if "\n" in value else " "
                self.line(f"{name}:{separator}{printable(value, keep_newlines=True)}")

    def documents(self, messages: Iterable[Any]) -> int:
        """Messages (protobuf, or plain data) as JSON or YAML documents, one after another."""
        number = 0
        for number, message in enumerate(messages, start=1):
            self.document(message if isinstance(message, dict | list) else plain(message), number)
        return number

    def document(self, data: Any, number: int = 1) -> None:
        if self.format == "yaml":
            if number > 1:
                self.stdout.write("---\n")
            write_yaml(data, self.stdout)
        else:
            self.line(json_text(data))

    def table(self, headers: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        """Aligned columns; printed as rows come, once the first of them have set the widths."""
        source = iter(rows)
        sample = list(islice(source, _SAMPLE_ROWS))  # an error comes before the pager does
        with self._paged() as out:
            widths = [len(header) for header in headers]
            for row in sample:
                for column, cell in enumerate(row):
                    widths[column] = max(widths[column], display_width(printable(cell)))
            for row in chain([headers], sample, source):
                out.write(_aligned(row, widths) + "\n")

    @contextmanager
    def _paged(self) -> Iterator[IO[str]]:
        command = self._pager() if self.pager and self.stdout.isatty() else ""
        if not command:
            yield self.stdout
            return
        self.stdout.flush()
        process = subprocess.Popen(command, shell=True, stdin=subprocess.PIPE, text=True)  # noqa: S602 - PAGER is a shell command, by custom
        assert process.stdin is not None  # noqa: S101 - asked for above
        try:
            yield process.stdin
        except BrokenPipeError:
            pass  # the reader has seen enough
        finally:
            with suppress(BrokenPipeError):
                process.stdin.close()
            process.wait()

    def _pager(self) -> str:
        """The command to page with; none where that program is not installed."""
        import shutil

        chosen = self.environ.get("PAGER")
        command = chosen or _PAGER
        program = command.split(maxsplit=1)[0] if command.strip() else "cat"
        if program == "cat":
            return ""
        is_plain = _PROGRAM.fullmatch(program)
        if is_plain and shutil.which(program, path=self.environ.get("PATH")) is None:
            if chosen:
                self.warn(f"PAGER is {chosen}, which is not installed")
            return ""
        return command

    # -- cells ----------------------------------------------------------------

    def paint(self, text: str, colour: str) -> str:
        return f"\x1b[{_COLOURS[colour]}m{text}\x1b[0m" if self.colour and text else text

    def when(self, stamp: Any) -> str:
        """A protobuf timestamp: `2 hours ago`, or in full; `-` when unset."""
        if not (stamp.seconds or stamp.nanos):
            return "-"
        moment = stamp.ToDatetime(tzinfo=UTC)
        if self.full_timestamps:
            return str(moment.astimezone().isoformat(timespec="seconds"))
        return humanize.ago(moment, datetime.now(UTC))


def printable(text: str, *, keep_newlines: bool = False) -> str:
    """Control characters made visible, so that no file name can drive the terminal."""
    if not _CONTROL.search(text):
        return text
    kept = _ESCAPE.findall(text)
    if kept and not _CONTROL.search(_ESCAPE.sub("", text)):
        return text
    return _CONTROL.sub(
        lambda match: match[0] if keep_newlines and match[0] in "\n\t" else repr(match[0])[1:-1],
        text,
    )


def display_width(text: str) -> int:
    """Columns on a terminal; wide characters take two."""
    text = _ESCAPE.sub("", text)
    if text.isascii():
        return len(text)
    from unicodedata import combining, east_asian_width

    return sum(
        0 if combining(char) else 2 if east_asian_width(char) in "WF" else 1 for char in text
    )


def _aligned(row: Sequence[str], widths: Sequence[int]) -> str:
    cells = [printable(cell) for cell in row]
    padded = [
        cell + " " * (width - display_width(cell))
        for cell, width in zip(cells, widths, strict=True)
    ]
    padded[-1] = cells[-1]  # may end with spaces of its own: names do
    return " ".join(padded) if cells[-1] else " ".join(padded).rstrip()
