"""The files in a tar archive, plain or compressed, read front to back in little memory.

Compressed streams are opened here and not by `tarfile`, whose streaming mode skips their checksums
and everything after the first member of a gzip file, and knows no zstd. Called by `put file`.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import shutil
import tarfile
import tempfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, BinaryIO, cast

from dassie.errors import InvalidArgument

Opener = Callable[[], BinaryIO]
"""Opens the archive's bytes, from the start."""

_DRAIN_BYTES = 1 << 20
_SPOOL_BYTES = 8 << 20  # of a file with several names, in memory; more on disk


@dataclass(frozen=True, slots=True)
class Member:
    """A file of an archive; `content` is to be read before the next one is asked for."""

    path: str  # with elements separated by single slashes, and none in front
    content: BinaryIO


def members(
    name: str, reader: BinaryIO, again: Opener | None, passed_over: Callable[[str], None]
) -> Iterator[Member]:
    """All files of the archive that `reader` holds; errors call it `name`.

    A hard link is a file with the content of an earlier one, for which `again` opens the archive
    a second time; where it is None (a pipe), a hard link is an error. Links and devices are told
    to `passed_over`. InvalidArgument: no archive, or a broken one, or a name that no path can be.
    """
    files: dict[str, int] = {}  # path: which member has its content
    links: dict[str, int] = {}  # path of a hard link: the same
    for number, (info, content) in enumerate(_walk(name, reader)):
        if info.isdir():
            continue
        path = _path(name, info.name)
        if content is not None:
            files[path] = number
            links.pop(path, None)
            yield Member(path, content)
        elif not info.islnk():
            passed_over(f"{info.name} ({_kind(info)})")
        elif again is None:
            raise InvalidArgument(
                f"{info.name} in {name} is a hard link: put the archive from a file, with -f"
            )
        elif (target := files.get(_path(name, info.linkname))) is None:
            passed_over(f"{info.name} (a hard link to {info.linkname}, which is not before it)")
        else:
            files[path] = links[path] = target
    if links and again is not None:
        with again() as second:
            yield from _linked(name, second, links)


def _linked(name: str, reader: BinaryIO, links: dict[str, int]) -> Iterator[Member]:
    """The hard links, each with the content of the member that it is another name of."""
    names: dict[int, list[str]] = {}
    for path, target in links.items():
        names.setdefault(target, []).append(path)
    for number, (_, content) in enumerate(_walk(name, reader)):
        if content is None or number not in names:
            continue
        paths = names[number]
        if len(paths) == 1:
            yield Member(paths[0], content)
            continue
        with tempfile.SpooledTemporaryFile(_SPOOL_BYTES) as copy:
            shutil.copyfileobj(content, copy)
            for path in paths:
                copy.seek(0)
                yield Member(path, cast("BinaryIO", copy))


def _walk(name: str, reader: BinaryIO) -> Iterator[tuple[tarfile.TarInfo, BinaryIO | None]]:
    """Each member, with its content if it is a file. Reads to the end, where checksums are."""
    with _broken_said(name):
        plain = _decompressed(reader)
        archive = tarfile.open(fileobj=plain, mode="r|")  # noqa: SIM115 - holds nothing open
    while True:
        with _broken_said(name):
            info = archive.next()
            if info is None:
                break
            content = archive.extractfile(info) if info.isreg() else None
            archive.members = []  # type: ignore[attr-defined]  # it would keep all: a KiB each
        yield info, None if content is None else cast("BinaryIO", _Content(name, content))
    with _broken_said(name):
        while plain.read(_DRAIN_BYTES):
            pass


class _Content:
    """A member's bytes, to be read once."""

    def __init__(self, archive: str, inner: IO[bytes]) -> None:
        self._archive = archive
        self._inner = inner

    def read(self, size: int = -1) -> bytes:
        with _broken_said(self._archive):
            return self._inner.read(size)


@contextmanager
def _broken_said(name: str) -> Iterator[None]:
    """Whatever the decompressors and `tarfile` raise, as one error."""
    try:
        yield
    except (tarfile.TarError, EOFError, zlib.error, lzma.LZMAError) as error:
        raise InvalidArgument(f"{name} is not a tar archive, or a broken one: {error}") from None
    except OSError as error:
        if error.errno is not None:  # the disk's, not a decompressor's
            raise
        raise InvalidArgument(f"{name} is not a tar archive, or a broken one: {error}") from None


def _decompressed(reader: BinaryIO) -> IO[bytes]:
    head = reader.read(6)
    whole = cast("BinaryIO", _Rejoined(head, reader))
    if head.startswith(b"\x1f\x8b"):
        return cast("IO[bytes]", gzip.GzipFile(fileobj=whole, mode="rb"))
    if head.startswith(b"BZh"):
        return bz2.BZ2File(whole)
    if head.startswith((b"\xfd7zXZ\0", b"\x5d\0\0")):
        return lzma.LZMAFile(whole)
    if head.startswith(b"\x28\xb5\x2f\xfd"):
        return cast("IO[bytes]", _Zstd(whole))
    return whole


class _Rejoined:
    """A stream from which some bytes were read already."""

    def __init__(self, head: bytes, rest: BinaryIO) -> None:
        self._head = head
        self._rest = rest

    def read(self, size: int = -1) -> bytes:
        if not self._head:
            return self._rest.read(size)
        if size < 0 or size > len(self._head):
            more = self._rest.read(size if size < 0 else size - len(self._head))
            taken, self._head = self._head + more, b""
            return taken
        taken, self._head = self._head[:size], self._head[size:]
        return taken


class _Zstd:
    """A zstd stream's content; EOFError when it ends too early, which the library lets pass."""

    def __init__(self, reader: BinaryIO) -> None:
        import zstandard

        self._error = zstandard.ZstdError
        self._new = zstandard.ZstdDecompressor(max_window_size=1 << 31).decompressobj
        self._frame = self._new()
        self._reader = reader
        self._ready = bytearray()
        self._began = False

    def read(self, size: int) -> bytes:
        while len(self._ready) < size and self._more():
            pass
        taken = bytes(self._ready[:size])
        del self._ready[:size]
        return taken

    def _more(self) -> bool:
        """Decompress a piece; False at the end."""
        left = self._frame.unused_data if self._frame.eof else b""
        if self._frame.eof:
            self._frame, self._began = self._new(), False
        data = left or self._reader.read(1 << 17)
        if not data:
            if self._began:
                raise EOFError("compressed file ended before the end-of-stream marker was reached")
            return False
        self._began = True
        try:
            self._ready += self._frame.decompress(data)
        except self._error as error:
            raise zlib.error(str(error)) from None
        return True


def _path(archive: str, written: str) -> str:
    """The path below the target. `tar` writes `./a`, `/a` and `a//b` for what is the same file."""
    elements = [element for element in written.split("/") if element not in ("", ".")]
    if ".." in elements:
        raise InvalidArgument(f"{written!r} in {archive}: '..' is not allowed in a path")
    try:
        written.encode()
    except UnicodeEncodeError:
        raise InvalidArgument(f"{written!r} in {archive}: a name has to be UTF-8") from None
    return "/".join(elements)


def _kind(info: tarfile.TarInfo) -> str:
    if info.issym():
        return f"a symbolic link to {info.linkname}"
    return "a device" if info.isdev() and not info.isfifo() else "not a regular file"
