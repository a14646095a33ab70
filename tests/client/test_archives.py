"""Archives as people's tools write them, whole and damaged."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import random
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from dassie.client.archives import members
from dassie.errors import InvalidArgument

NOISE = random.Random(1).randbytes(300_000)
LONG = "/".join(("d" * 60, "e" * 80, "f" * 120))

COMPRESSIONS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "gzip in two members": lambda data: gzip.compress(data[:9000]) + gzip.compress(data[9000:]),
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "lzma": lambda data: lzma.compress(data, lzma.FORMAT_ALONE),
    "zstd": zstandard.ZstdCompressor(write_checksum=True).compress,
    "zstd in two frames": lambda data: b"".join(
        zstandard.ZstdCompressor(write_checksum=True).compress(part)
        for part in (data[:9000], data[9000:])
    ),
}


def packed(*infos: tuple[str, bytes | str], kind: bytes | None = None, layout: int = 1) -> bytes:
    """An archive of (name, content); a text as content is what a link leads to."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=layout) as archive:
        for name, content in infos:
            info = tarfile.TarInfo(name)
            if isinstance(content, str):
                info.type, info.linkname = kind or tarfile.LNKTYPE, content
                archive.addfile(info)
            else:
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
    return stream.getvalue()


def unpacked(data: bytes, *, piped: bool = False) -> tuple[dict[str, bytes], list[str]]:
    """Files, and what was passed over."""
    told: list[str] = []
    found = {}
    again = None if piped else (lambda: io.BytesIO(data))
    for member in members("a.tar", Pipe(data) if piped else io.BytesIO(data), again, told.append):
        found[member.path] = b"".join(iter(lambda m=member: m.content.read(1000), b""))
    return found, told


class Pipe(io.BytesIO):
    """Only forward."""

    def seek(self, *_: object) -> int:
        raise OSError("a pipe")


@pytest.mark.parametrize("layout", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_names(layout: int) -> None:
    data = packed(
        (LONG, b"long"), ("./a", b"a"), ("/abs", b"b"), ("c//d/./e", b"c"), ("日本", b""),
        layout=layout,
    )  # fmt: skip
    want = {LONG: b"long", "a": b"a", "abs": b"b", "c/d/e": b"c", "日本": b""}
    assert unpacked(data) == (want, [])
    assert unpacked(data, piped=True) == (want, [])


@pytest.mark.parametrize("name", ["../x", "a/../x", "\udcff"])
def test_names_that_no_path_can_be(name: str) -> None:
    with pytest.raises(InvalidArgument, match=r"in a\.tar"):
        unpacked(packed((name, b"")))


@pytest.mark.parametrize("how", COMPRESSIONS)
def test_compressed(how: str) -> None:
    data = COMPRESSIONS[how](packed(("noise", NOISE), ("after", b"x")))
    assert unpacked(data) == ({"noise": NOISE, "after": b"x"}, [])
    assert unpacked(data, piped=True) == ({"noise": NOISE, "after": b"x"}, [])


@pytest.mark.parametrize("how", sorted(COMPRESSIONS.keys() - {"lzma"}))  # which has no checksum
def test_a_flipped_bit_is_never_content(how: str) -> None:
    data = bytearray(COMPRESSIONS[how](packed(("noise", NOISE))))
    data[200_000] ^= 0x10
    with pytest.raises(InvalidArgument, match=r"a\.tar is not a tar archive, or a broken one"):
        unpacked(bytes(data))


@pytest.mark.parametrize("how", ["plain", *COMPRESSIONS])
def test_cut_off(how: str) -> None:
    data = COMPRESSIONS.get(how, bytes)(packed(("noise", NOISE), ("after", b"x")))
    for size in (3, 700, 200_000):
        with pytest.raises(InvalidArgument, match=r"a\.tar is not a tar archive, or a broken one"):
            unpacked(data[:size])


def test_the_end_of_a_compressed_stream_is_checked() -> None:
    whole = packed(("a", b"a"))
    for how in ("gzip", "zstd"):
        with pytest.raises(InvalidArgument, match="broken one"):
            unpacked(COMPRESSIONS[how](whole)[:-2])


def test_hard_links_are_files() -> None:
    data = packed(
        ("./a", b"old"), ("one", "a"), ("a", b"new"), ("two", "./a"), ("three", "two"),
        ("four", b"4"), ("five", "four"), ("six", "nowhere"), ("seven", "a"), ("seven", b"7"),
    )  # fmt: skip
    found, told = unpacked(data)
    assert found == {
        "a": b"new", "one": b"old", "two": b"new", "three": b"new", "four": b"4", "five": b"4",
        "seven": b"7",
    }  # fmt: skip
    assert told == ["six (a hard link to nowhere, which is not before it)"]
    with pytest.raises(InvalidArgument, match="put the archive from a file, with -f"):
        unpacked(data, piped=True)


def test_other_kinds_are_told() -> None:
    for kind, said in (
        (tarfile.SYMTYPE, "a symbolic link to there"),
        (tarfile.CHRTYPE, "a device"),
        (tarfile.FIFOTYPE, "not a regular file"),
    ):
        found, told = unpacked(packed(("a", "there"), ("b", b"b"), kind=kind))
        assert (found, told) == ({"b": b"b"}, [f"a ({said})"])


def test_a_sparse_file_has_its_holes(tmp_path: Path) -> None:
    header = tarfile.TarInfo("sparse")
    header.size = 8
    header.pax_headers = {
        "GNU.sparse.map": "4,4,12,4", "GNU.sparse.size": "20", "GNU.sparse.name": "sparse",
    }  # fmt: skip
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as archive:
        archive.addfile(header, io.BytesIO(b"aaaabbbb"))
    assert unpacked(stream.getvalue())[0] == {
        "sparse": bytes(4) + b"aaaa" + bytes(4) + b"bbbb" + bytes(4)
    }
