"""Reading files of a commit: bytes, archives, and which entries a path or pattern means.

Called by `files`, with a root that is already known; touches storage only, never the database. A
damaged chunk becomes an error that names file, commit and pack.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from dassie.base.glob import Glob
from dassie.base.paths import clean
from dassie.errors import DataLoss, FailedPrecondition, InvalidArgument
from dassie.pfs import tar
from dassie.pfs.errors import FileNotFound
from dassie.pfs.model import CommitKey
from dassie.pfs.views import View
from dassie.storage.contents import cut
from dassie.storage.errors import Damage
from dassie.storage.store import Storage
from dassie.storage.trees import Trees
from dassie.storage.types import Content, Dir, Entry

_T = TypeVar("_T")
_PIECE_BYTES = 1 << 20
_OPERATORS = frozenset("*?[]{}!()@+^|\\")


class DamagedFile(DataLoss):
    """Part of a file cannot be read back as it was written."""

    def __init__(self, path: str, commit: CommitKey, cause: DataLoss) -> None:
        super().__init__(f"file {path} of commit {commit} cannot be read: {cause}")
        self.path = path
        self.commit = commit


class DamagedDirectory(DataLoss):
    """What says which files there are, at a path or on the way to it, cannot be read back."""

    def __init__(self, path: str, commit: CommitKey, cause: DataLoss) -> None:
        super().__init__(
            f"the directory of {path or '/'} of commit {commit} cannot be read: {cause}"
        )
        self.path = path
        self.commit = commit


class NotRegularFile(FailedPrecondition):
    def __init__(self, path: str) -> None:
        super().__init__(
            f"cannot get directory or non-regular file. Use GetFileTAR instead ({path})"
        )


class ManyFiles(FailedPrecondition):
    def __init__(self, pattern: str) -> None:
        super().__init__(
            f"matched multiple files. GetFile reads exactly one file, but {pattern} matches more:"
            " use GetFileTAR instead"
        )


@dataclass(frozen=True, slots=True)
class FileInfo:
    """One file or directory of a commit. `committed`: when the commit was finished."""

    commit: CommitKey
    entry: Entry
    committed: datetime | None


@dataclass(frozen=True, slots=True)
class PathRange:
    """Paths from `lower` (inclusive) to `upper` (exclusive); an empty bound is none."""

    lower: str = ""
    upper: str = ""

    def __contains__(self, path: str) -> bool:
        return self.lower <= path and (not self.upper or path < self.upper)


EVERYTHING = PathRange()


@contextmanager
def looking_at(view: View, path: str) -> Iterator[None]:
    """Damage of a tree, met inside, is reported as that of `path` (or pattern) in that commit."""
    try:
        yield
    except Damage as error:
        if error.content is not None:
            raise
        raise DamagedDirectory(path, view.commit, error) from error


def looked_at(view: View, path: str, entries: Iterable[_T]) -> Iterator[_T]:
    """`entries`, found by looking at `path`."""
    with looking_at(view, path):
        yield from entries


def find(trees: Trees, view: View, path: str) -> Entry:
    """The entry at `path`, or `FileNotFound`; an empty commit has no root either."""
    clean_path = clean(path)
    entry = trees.lookup(view.root, clean_path)
    if entry is None or (isinstance(entry.node, Dir) and not entry.node.files):
        raise FileNotFound(clean_path, view.commit)
    return entry


def matches(trees: Trees, view: View, pattern: str) -> Iterator[Entry]:
    """What a path or pattern means: the entry of exactly that name, else all that match.

    Names may hold the characters that patterns are made of; so the name itself goes first.
    """
    if not _OPERATORS.isdisjoint(pattern):
        exact = _exact(trees, view, pattern)
        if exact is None:
            yield from trees.glob(view.root, Glob.parse(pattern))
            return
        yield exact
        return
    entry = trees.lookup(view.root, clean(pattern))
    if entry is not None and not (isinstance(entry.node, Dir) and not entry.node.files):
        yield entry


def _exact(trees: Trees, view: View, path: str) -> Entry | None:
    try:
        return trees.lookup(view.root, clean(path))
    except InvalidArgument:
        return None


def only_file(trees: Trees, view: View, pattern: str) -> Entry:
    """The one regular file that `pattern` means; says what else it is."""
    found = matches(trees, view, pattern)
    first = next(found, None)
    if first is None:
        raise FileNotFound(pattern, view.commit)
    if next(found, None) is not None:
        raise ManyFiles(pattern)
    if isinstance(first.node, Dir):
        raise NotRegularFile(first.path)
    return first


def outermost(named: Iterable[Entry]) -> Iterator[Entry]:
    """Those of `named`, which is in path order, that lie below no other of them."""
    above = ""
    for entry in named:
        if not above or not entry.path.startswith(above):
            above = entry.path if isinstance(entry.node, Dir) else ""
            yield entry


def below(trees: Trees, view: View, named: Iterable[Entry]) -> Iterator[Entry]:
    """Entries and everything below them, each once, in path order as `named` is."""
    for entry in outermost(named):
        if isinstance(entry.node, Dir):
            yield from trees.walk(view.root, entry.path)
        else:
            yield entry


def content(storage: Storage, view: View, entry: Entry, offset: int = 0) -> Iterator[bytes]:
    """The bytes of a file from `offset` on, in pieces of up to about 1 MiB."""
    if isinstance(entry.node, Dir):
        raise NotRegularFile(entry.path)
    with _naming(view, [entry]):
        yield from storage.read(entry.node, offset)


Contents = tuple[list[Entry], list[bytes] | Iterator[bytes]]
"""Entries in order. With a list: what each holds whole. With an iterator: the chunks of the only
entry, a large file, to be drawn before the next item is."""


def contents(storage: Storage, view: View, entries: Iterable[Entry]) -> Iterator[Contents]:
    """The bytes of many files, fetched together and ahead. Directories pass, as ``b""``."""
    waiting: deque[Entry] = deque()
    groups = storage.read_groups(_queued(entries, waiting))
    while True:
        with _naming(view, waiting):
            group = next(groups, None)
        if group is None:
            break
        if isinstance(group, list):
            yield _paired(waiting, group)
            continue
        above = _directories(waiting)
        if above:
            yield above, [b""] * len(above)
        entry = waiting.popleft()
        yield [entry], _named(view, entry, group)
    if waiting:
        yield list(waiting), [b""] * len(waiting)


def _queued(entries: Iterable[Entry], waiting: deque[Entry]) -> Iterator[Content]:
    """Contents of the files among `entries`; all entries go to the end of `waiting`."""
    for entry in entries:
        waiting.append(entry)
        if isinstance(entry.node, Content):
            yield entry.node


def _paired(waiting: deque[Entry], data: list[bytes]) -> tuple[list[Entry], list[bytes]]:
    """The next entries, with what those hold that are files."""
    batch: list[Entry] = []
    filled: list[bytes] = []
    for whole in data:
        entry = waiting.popleft()
        while isinstance(entry.node, Dir):
            batch.append(entry)
            filled.append(b"")
            entry = waiting.popleft()
        batch.append(entry)
        filled.append(whole)
    return batch, filled


def _directories(waiting: deque[Entry]) -> list[Entry]:
    found = []
    while isinstance(waiting[0].node, Dir):
        found.append(waiting.popleft())
    return found


def _named(view: View, entry: Entry, pieces: Iterator[bytes]) -> Iterator[bytes]:
    with _naming(view, [entry]):
        yield from pieces


@contextmanager
def _naming(view: View, entries: Iterable[Entry]) -> Iterator[None]:
    """Damage of a content, met inside, is reported as damage to that one of those files of that
    commit."""
    try:
        yield
    except Damage as error:
        if error.content is None:
            raise
        named = (entry.path for entry in entries if entry.node == error.content)
        path = next(named, "")
        if not path:
            raise
        raise DamagedFile(path, view.commit, error) from error


def archive(storage: Storage, view: View, entries: Iterable[Entry]) -> Iterator[bytes]:
    """A tar stream of the entries, in pieces of about 1 MiB."""
    mtime_s = int(view.committed.timestamp()) if view.committed else 0
    parts: list[bytes] = []
    size = 0
    for batch, data in contents(storage, view, entries):
        if isinstance(data, list):
            for entry, whole in zip(batch, data, strict=True):
                parts += (tar.entry(entry.path, len(whole), mtime_s), whole)
                parts.append(tar.padding(len(whole)))
                size += tar.BLOCK_BYTES + len(whole)
                if size >= _PIECE_BYTES:
                    yield b"".join(parts)
                    parts, size = [], 0
            continue
        parts.append(tar.entry(batch[0].path, batch[0].size, mtime_s))
        for chunk in data:
            for piece in cut(chunk, 0, len(chunk)):
                parts.append(piece)
                yield b"".join(parts)
                parts = []
        parts, size = [tar.padding(batch[0].size)], 0
    parts.append(tar.END)
    yield b"".join(parts)
