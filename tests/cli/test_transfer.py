"""The pure parts of `put file` and `get file`, and their progress."""

from __future__ import annotations

import io
import threading
from pathlib import Path

import pytest

from dassie.cli.get import fixed_prefix, relative
from dassie.cli.progress import Census, Meter, status
from dassie.cli.put import destination, folder_destination
from dassie.errors import InvalidArgument


@pytest.mark.parametrize(
    ("path", "source", "alone", "full_path", "expected"),
    [
        ("", "a.png", True, False, "/a.png"),
        ("", "dir/a.png", True, False, "/a.png"),
        ("", "dir/a.png", True, True, "/dir/a.png"),
        ("", "/abs/a.png", True, True, "/abs/a.png"),
        ("", "../up/./a.png", True, True, "/up/a.png"),
        ("/b.png", "a.png", True, False, "/b.png"),
        ("/", "a.png", True, False, "/a.png"),
        ("/dir/", "a.png", True, False, "/dir/a.png"),
        ("/dir", "a.png", False, False, "/dir/a.png"),
        ("", "https://example.org/x/a.png?size=1", True, False, "/a.png"),
        ("/today", "-", True, False, "/today"),
    ],
)
def test_destination(path: str, source: str, alone: bool, full_path: bool, expected: str) -> None:
    assert destination(path, source, alone=alone, full_path=full_path) == expected


@pytest.mark.parametrize(
    ("path", "source", "alone", "expected"),
    [
        ("", "photos", True, "/photos"),
        ("", "some/photos/", True, "/photos"),
        ("/", "photos", True, "/"),
        ("/x/y/", "photos", True, "/x/y"),
        ("/x", "photos", False, "/x/photos"),
    ],
)
def test_folder_destination(path: str, source: str, alone: bool, expected: str) -> None:
    assert folder_destination(path, source, alone=alone, full_path=False) == expected


@pytest.mark.parametrize("path", ["", "/", "/dir/"])
def test_stdin_needs_a_name(path: str) -> None:
    with pytest.raises(InvalidArgument, match="stdin needs a file name"):
        destination(path, "-", alone=True, full_path=False)


@pytest.mark.parametrize(
    ("pattern", "prefix"),
    [
        ("/a/b", "/a/b"),
        ("/a/*.png", "/a"),
        ("/*", ""),
        ("/", ""),
        ("", ""),
        ("a/{b,c}/d", "/a"),
        ("/user@host/c++/x", "/user@host/c++/x"),
        (r"/a\*/b?", "/a*"),
        ("/[half", "/[half"),
    ],
)
def test_fixed_prefix(pattern: str, prefix: str) -> None:
    assert fixed_prefix(pattern) == prefix


@pytest.mark.parametrize(
    ("name", "base", "expected"),
    [
        ("/a/b/c", "/a", "b/c"),
        ("a/b/c", "/a", "b/c"),
        ("/a/b", "", "a/b"),
        ("/a/b", "/a/b", "b"),
        ("/ab/c", "", "ab/c"),
    ],
)
def test_relative(name: str, base: str, expected: str) -> None:
    assert relative(name, base) == expected


def test_status() -> None:
    assert status("put", 3, 1024, 0, 0, 1.0) == "put 1KiB, 1KiB/s, 3 files"
    assert status("put", 10, 512, 20, 1024, 2.0) == (
        "put  50% [████████········] 512B of 1KiB, 256B/s 2.0s left 10 of 20 files"
    )
    assert "left" not in status("put", 10, 512, 20, 1024, 0.5)
    assert "files" not in status("got", 0, 512, 1, 1024, 0.5)


def test_census(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    for name in ("a", "sub/b"):
        (tmp_path / name).write_bytes(b"12345")
    assert Census([str(tmp_path / "a")], []).totals(0.0) == (1, 5)
    census = Census([], [str(tmp_path)])
    assert census.totals(0.1) == (0, 0)
    census.totals(5.0)
    for thread in threading.enumerate():
        if thread.name == "census":
            thread.join()
    assert census.totals(5.0) == (2, 10)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_live_line_is_wiped() -> None:
    times = iter([0.0, 0.05, 0.2, 0.21, 1.0])
    stream = Terminal()
    meter = Meter("put", stream, clock=lambda: next(times))
    meter.update(1, 100)
    assert stream.getvalue() == ""
    meter.update(2, 200)
    assert stream.getvalue().startswith("\rput 200B, 1000B/s, 2 files")
    meter.update(3, 300)
    drawn = stream.getvalue()
    meter.close()
    assert stream.getvalue() != drawn
    assert stream.getvalue().endswith("\r")


def test_elsewhere_a_line_now_and_then() -> None:
    times = iter([0.0, 1.0, 16.0, 17.0, 20.0])
    stream = io.StringIO()
    meter = Meter("put", stream, clock=lambda: next(times))
    for number in range(3):
        meter.update(number, number)
    meter.close()
    assert stream.getvalue().count("\n") == 1
    assert meter.summary(1, 2048) == "put 1 file, 2KiB in 20.0s (102.4B/s)"
