"""An object store in a local folder.

An object is one file. Its last key element `name` lies in a fan-out folder of its first two
characters (`pack/3f9c…` is `pack/3f~/3f9c…`), so that no folder grows huge. A write goes to a
temporary file, is made durable, and is then renamed: readers see all of an object or nothing.
Does no locking between processes; the daemon holds a lock on its data folder.
"""

from __future__ import annotations

import errno
import os
import time
import uuid
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from dassie.blob.api import BlobInfo, BlobNotFound, Buffer
from dassie.blob.keys import check_key, is_key
from dassie.errors import PermissionDenied, ResourceExhausted, Unavailable

_FAN = "~"
_TEMPORARY = "tmp~"
_STALE_SECONDS = 24 * 3600
_MAX_IOV = 512


class FolderStore:
    """A `BlobStore` on the folder `root`. `fsync=False` gives up durability, for tests."""

    def __init__(self, root: str | os.PathLike[str], *, fsync: bool = True) -> None:
        self._root = Path(root).absolute()
        self._fsync = fsync
        self._temporary = self._root / _TEMPORARY
        self._made: set[Path] = set()
        with _translated(str(self._root)):
            self._temporary.mkdir(parents=True, exist_ok=True)
            self._sweep()

    def put(self, key: str, parts: Sequence[Buffer]) -> None:
        path = self._path(key)
        temporary = self._temporary / uuid.uuid4().hex
        with _translated(key):
            try:
                self._write(temporary, parts)
                self._make_folder(path.parent)
                temporary.rename(path)
            except BaseException:
                temporary.unlink(missing_ok=True)
                raise
            self._sync_folder(path.parent)

    def get(self, key: str) -> bytes:
        with _translated(key):
            return self._path(key).read_bytes()

    def get_range(self, key: str, offset: int, length: int) -> bytes:
        with _translated(key):
            fd = os.open(self._path(key), os.O_RDONLY | os.O_CLOEXEC)
            try:
                data = os.pread(fd, length, offset)
                if len(data) == length:
                    return data
                pieces = [data]
                got = len(data)
                while got < length and (data := os.pread(fd, length - got, offset + got)):
                    pieces.append(data)
                    got += len(data)
                return b"".join(pieces)
            finally:
                os.close(fd)

    def list(self, prefix: str = "", after: str = "") -> Iterator[BlobInfo]:
        base = prefix.rpartition("/")[0]
        yield from self._list(base + "/" if base else "", prefix, after)

    def _list(self, base: str, prefix: str, after: str) -> Iterator[BlobInfo]:
        """Objects below `base` (empty, or ending with `/`) in key order."""
        names: list[str] = []
        for name in _names(self._root / base):
            if name == _TEMPORARY:
                continue
            if name.endswith(_FAN):
                names.extend(_names(self._root / base / name))
            else:
                names.append(name + "/")
        for name in sorted(names):
            key = base + name
            if name.endswith("/"):
                may_hold = key.startswith(prefix) or prefix.startswith(key)
                if may_hold and (key > after or after.startswith(key)):
                    yield from self._list(key, prefix, after)
            elif key.startswith(prefix) and key > after and is_key(key):
                try:
                    status = self._path(key).stat()
                except FileNotFoundError:
                    continue  # deleted since the folder was read
                yield BlobInfo(key, status.st_size, status.st_mtime)

    def delete(self, keys: Iterable[str]) -> None:
        folders = set()
        for key in keys:
            path = self._path(key)
            with _translated(key):
                try:
                    path.unlink()
                except FileNotFoundError:
                    continue
            folders.add(path.parent)
        for folder in folders:
            self._sync_folder(folder)

    def close(self) -> None:
        pass

    def _path(self, key: str) -> Path:
        check_key(key)
        folder, _, name = key.rpartition("/")
        return self._root / folder / (name[:2] + _FAN) / name

    def _write(self, path: Path, parts: Sequence[Buffer]) -> None:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            for start in range(0, len(parts), _MAX_IOV):
                _write_all(fd, parts[start : start + _MAX_IOV])
            if self._fsync:
                os.fdatasync(fd)
        finally:
            os.close(fd)

    def _make_folder(self, folder: Path) -> None:
        """Make `folder` and what leads to it, durably: a new name is synced in its parent."""
        if folder in self._made:
            return
        if folder != self._root:
            self._make_folder(folder.parent)
        try:
            folder.mkdir()
        except FileExistsError:
            pass
        else:
            self._sync_folder(folder.parent)
        self._made.add(folder)

    def _sync_folder(self, folder: Path) -> None:
        if not self._fsync:
            return
        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    def _sweep(self) -> None:
        """Remove what crashed writers left in the temporary folder."""
        limit = time.time() - _STALE_SECONDS
        for name in _names(self._temporary):
            path = self._temporary / name
            try:
                if path.stat().st_mtime < limit:
                    path.unlink()
            except FileNotFoundError:
                continue  # another process stored or swept it just now


def _names(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)  # noqa: PTH208 - the names alone, without a Path for each
    except FileNotFoundError:
        return []


def _write_all(fd: int, parts: Sequence[Buffer]) -> None:
    left = sum(len(part) for part in parts)
    written = os.writev(fd, parts)
    if written == left:
        return
    rest = b"".join(parts)
    view = memoryview(rest)
    while written < left:
        written += os.write(fd, view[written:])


class _translated:  # noqa: N801 - reads as a statement: `with _translated(key)`
    """Turn errors of the operating system into the categories that the contract promises."""

    __slots__ = ("_what",)

    def __init__(self, what: str) -> None:
        self._what = what

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if not isinstance(error, OSError):
            return
        if isinstance(error, FileNotFoundError):
            raise BlobNotFound(self._what) from None
        text = f"object {self._what!r}: {error.strerror or error}"
        if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
            raise ResourceExhausted(text) from error
        if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
            raise PermissionDenied(text) from error
        raise Unavailable(text) from error
