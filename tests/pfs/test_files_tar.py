"""Hand-written tar headers are read by the standard library as what they were meant to be."""

from __future__ import annotations

import io
import tarfile

import pytest

from dassie.pfs import tar


def archive(*members: tuple[str, bytes]) -> tarfile.TarFile:
    data = b"".join(
        tar.entry(path, len(content), 1_700_000_000) + content + tar.padding(len(content))
        for path, content in members
    )
    return tarfile.open(fileobj=io.BytesIO(data + tar.END), mode="r|")


@pytest.mark.parametrize(
    "path",
    ["/a", "/" + "d" * 98, "/" + "x" * 99, "/" + "y" * 300 + "/" + "z" * 255, "/Ünï/ço ☃", "/=\n"],
)
def test_file_names(path: str) -> None:
    with archive((path, b"hello"), ("/after", b"")) as opened:
        first = opened.next()
        assert first is not None
        assert (first.name, first.size, first.isreg()) == (path, 5, True)
        content = opened.extractfile(first)
        assert content is not None
        assert content.read() == b"hello"
        assert first.mtime == 1_700_000_000
        second = opened.next()
        assert second is not None
        assert (second.name, second.size) == ("/after", 0)


@pytest.mark.parametrize("path", ["/dir/", "/" + "long/" * 60, "/ordner ä/"])
def test_directories(path: str) -> None:
    with archive((path, b"")) as opened:
        first = opened.next()
        assert first is not None
        assert first.isdir()
        assert first.name == path.rstrip("/")
        assert first.mode == 0o755


@pytest.mark.parametrize("size", [8**11 - 1, 8**11, 3 << 40])
def test_sizes_beyond_ustar(size: int) -> None:
    with tarfile.open(fileobj=io.BytesIO(tar.entry("/big", size, 0)), mode="r|") as opened:
        first = opened.next()
    assert first is not None
    assert (first.name, first.size) == ("/big", size)


def test_padding_fills_blocks() -> None:
    assert [len(tar.padding(size)) for size in (0, 1, 511, 512, 513)] == [0, 511, 1, 0, 511]
