"""What user code left in `/pfs/out`: found and judged first, stored later.

`Scan` runs while the sandbox stands still after a try, before the next datum may begin. It decides
whether the try's output is acceptable, and follows symbolic links: always from inside the sandbox
and with the rights of user code, so that a link never leads to a file of the host's. `store` runs
afterwards, beside the next datum, on files that nobody else can reach any more.
"""

# Millions of files pass here one by one; a Path object for each would be most of the cost.
# ruff: noqa: PTH103, PTH118, PTH123

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from dassie.pps.sandbox.session import Sandbox, User
from dassie.pps.worker.stage import SMALL_FILE, Known, Slot, stamp_of
from dassie.storage.types import EMPTY, EMPTY_DIR, Content, Dir, Put
from dassie.storage.upload import Upload

READ_SIZE: Final = 1 << 20
OPEN_FLAGS: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
LONGEST_CHAIN: Final = 40


class OutputError(Exception):
    """The output cannot be stored; the try has failed. One line that names the path."""


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A regular file in the slot: `pfs/…` or `copies/…`."""

    rel: str


@dataclass(frozen=True, slots=True)
class Output:
    """One file to be stored at `path` of the datum's output."""

    path: str
    source: LocalFile | Content


@dataclass(frozen=True, slots=True)
class _Place:
    """A directory that is being walked.

    real: its path inside the sandbox, free of links.  path: where its files go in the output.
    chain: real paths of the directories with the links that led here.
    """

    real: str
    path: str
    chain: tuple[str, ...] = ()


class Scan:
    """One look through `/pfs/out` of one try."""

    def __init__(
        self, sandbox: Sandbox, pfs: str, slot: Slot, known: Mapping[str, Known], user: User | None
    ) -> None:
        self._sandbox = sandbox
        self._pfs = pfs
        self._slot = slot
        self._known = known
        self._user = user
        self._may_read_all = os.geteuid() == 0
        self._todo: list[_Place] = []
        self._copies = 0
        self.bytes = 0
        """Size of the files that must be read to store the output."""
        self._inside = sandbox.pfs + "/"

    def run(self) -> list[Output]:
        """Everything to be stored. Raises `OutputError`."""
        out = f"{self._pfs}/out"
        try:
            if not stat.S_ISDIR(os.lstat(out).st_mode):
                raise OutputError("/pfs/out is not a directory any more")
        except FileNotFoundError:
            return []
        found: list[Output] = []
        self._todo.append(_Place(f"{self._inside}out", ""))
        while self._todo:
            place = self._todo.pop()
            if place.real.startswith(self._inside):
                found.extend(self._walk(place))
            else:
                found.extend(self._walk_outside(place))
        return found

    def _walk(self, place: _Place) -> Iterator[Output]:
        """A directory below `/pfs`."""
        rel = place.real.removeprefix(self._inside)
        try:
            with os.scandir(f"{self._pfs}/{rel}") as entries:
                for entry in entries:
                    path = f"{place.path}/{_checked(entry.name, place.path)}"
                    if entry.is_symlink():
                        yield from self._follow(f"{place.real}/{entry.name}", path, place)
                    elif entry.is_dir(follow_symlinks=False):
                        self._todo.append(_Place(f"{place.real}/{entry.name}", path, place.chain))
                    elif entry.is_file(follow_symlinks=False):
                        yield self._file(f"{rel}/{entry.name}", path)
                    else:
                        yield self._special(f"{rel}/{entry.name}", path, entry)
        except OSError as error:
            path = _shortened(place.path)
            raise OutputError(f"cannot read directory /pfs/out{path}: {_why(error)}") from None

    def _walk_outside(self, place: _Place) -> Iterator[Output]:
        """A directory somewhere else in the sandbox, that a link led to."""
        entries = self._sandbox.list(place.real, self._user)
        if isinstance(entries, str):
            raise OutputError(f"cannot read directory /pfs/out{place.path}: {entries.lower()}")
        for name, kind in entries:
            path = f"{place.path}/{_checked(name, place.path)}"
            real = f"{place.real}/{name}"
            if kind == "symlink":
                yield from self._follow(real, path, place)
            elif kind == "directory":
                self._todo.append(_Place(real, path, place.chain))
            elif kind == "file":
                yield self._copy(real, path)
            else:
                raise OutputError(f"/pfs/out{path} leads to {real}, which is not a regular file")

    def _follow(self, link: str, path: str, place: _Place) -> Iterator[Output]:
        target = self._sandbox.resolve(link, self._user)
        if target.error:
            raise OutputError(f"symlink /pfs/out{path} cannot be followed: {target.error.lower()}")
        rel = target.path.removeprefix(self._inside)
        inside = rel != target.path
        if inside:
            self._verify(rel, path)
        if target.kind == "directory":
            chain = (*place.chain, place.real)
            looped = any(_is_within(real, target.path) for real in chain)
            if looped or len(chain) > LONGEST_CHAIN:
                raise OutputError(f"symlink /pfs/out{path} leads in a circle, to {target.path}")
            self._todo.append(_Place(target.path, path, chain))
        elif inside and rel in self._known and (target.kind == "file" or self._is_pipe(rel)):
            yield self._file(rel, path)
        elif target.kind != "file":
            raise OutputError(
                f"symlink /pfs/out{path} leads to {target.path}, which is not a regular file"
            )
        elif inside:
            yield self._file(rel, path)
        else:
            yield self._copy(target.path, path)

    def _file(self, rel: str, path: str) -> Output:
        """A file below `/pfs`: by reference where it is an input that nobody has changed."""
        local = f"{self._pfs}/{rel}"
        status = os.lstat(local)
        known = self._known.get(rel)
        if known is not None and known.stamp in (None, stamp_of(status)):
            return Output(path, known.content)
        if not self._may_read_all and not os.access(local, os.R_OK):
            raise OutputError(f"cannot read /pfs/out{path}: permission denied")
        self.bytes += status.st_size
        return Output(path, LocalFile(f"pfs/{rel}"))

    def _special(self, rel: str, path: str, entry: os.DirEntry[str]) -> Output:
        if rel in self._known and self._is_pipe(rel):  # below a linked input directory
            return Output(path, self._known[rel].content)
        kind = _kind(entry.stat(follow_symlinks=False).st_mode)
        raise OutputError(f"/pfs/out{path} is a {kind}; only regular files can be stored")

    def _is_pipe(self, rel: str) -> bool:
        return rel in self._slot.lazy

    def _copy(self, real: str, path: str) -> Output:
        """A file outside `/pfs` may change as soon as the next datum runs: take a copy now."""
        source = self._sandbox.open(real, self._user)
        if isinstance(source, str):
            raise OutputError(f"cannot read {real}, to which /pfs/out{path} leads: {source}")
        try:
            os.makedirs(self._slot.copies, exist_ok=True)
            name = str(self._copies)
            self._copies += 1
            with open(f"{self._slot.copies}/{name}", "xb") as target:
                while copied := os.sendfile(target.fileno(), source, None, READ_SIZE):
                    self.bytes += copied
        except OSError as error:
            raise OutputError(
                f"cannot copy {real}, to which /pfs/out{path} leads: {_why(error)}"
            ) from None
        finally:
            os.close(source)
        return Output(path, LocalFile(f"copies/{name}"))

    def _verify(self, rel: str, path: str) -> None:
        """Do not believe the launcher that a path below `/pfs` is free of links."""
        local = os.path.join(os.path.realpath(self._pfs), rel)
        if os.path.realpath(local) != local:
            raise OutputError(f"symlink /pfs/out{path} cannot be followed")


def store(upload: Upload, slot: Slot, outputs: Sequence[Output]) -> tuple[Dir, int]:
    """Store everything a scan found; the output's root and the bytes that were read for it."""
    puts: list[Put] = []
    size = 0
    for output in outputs:
        if isinstance(output.source, Content):
            puts.append(Put(output.path, output.source))
            continue
        content = _store_file(upload, f"{slot.folder}/{output.source.rel}", output.path)
        size += content.size
        puts.append(Put(output.path, content))
    return (upload.edit(EMPTY_DIR, puts) if puts else EMPTY_DIR), size


def _store_file(upload: Upload, local: str, path: str) -> Content:
    try:
        fd = os.open(local, OPEN_FLAGS)
    except OSError as error:
        raise OutputError(f"cannot read /pfs/out{path}: {_why(error)}") from None
    try:
        data = os.read(fd, SMALL_FILE)
        if not data:
            return EMPTY
        more = os.read(fd, READ_SIZE) if len(data) == SMALL_FILE else b""
        if not more:
            return upload.put(data)
        writer = upload.writer()
        writer.write(data)
        while more:
            writer.write(more)
            more = os.read(fd, READ_SIZE)
        return writer.close()
    finally:
        os.close(fd)


def _checked(name: str, folder: str) -> str:
    try:
        name.encode()
    except UnicodeEncodeError:
        shown = os.fsencode(f"/pfs/out{folder}/{name}").decode("utf-8", "backslashreplace")
        raise OutputError(
            "cannot upload file produced by the user code because its name cannot be represented "
            f"in PFS (it is not UTF-8): {shown}"
        ) from None
    return name


def _is_within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def _kind(mode: int) -> str:
    if stat.S_ISFIFO(mode):
        return "named pipe"
    if stat.S_ISSOCK(mode):
        return "socket"
    return "device"


def _shortened(path: str) -> str:
    return path if len(path) <= 200 else f"{path[:100]}…{path[-100:]}"


def _why(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
