"""Files of commits: the one entrance for every door that reads or writes them.

A write stream stores its data first and then, in one short transaction, makes it the content of an
open commit or of a new commit that is started and finished at once. A reader sees one immutable
root, whatever happens meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain, islice

from dassie.base.glob import Glob
from dassie.base.paths import clean
from dassie.errors import InvalidArgument
from dassie.pfs import reading
from dassie.pfs.errors import CommitNotFinished, FileNotFound
from dassie.pfs.graph import Graph
from dassie.pfs.model import FILESETS, CommitRef
from dassie.pfs.modification import Modification
from dassie.pfs.publishing import Publisher
from dassie.pfs.reading import EVERYTHING, FileInfo, PathRange
from dassie.pfs.views import View, parent_view, view
from dassie.storage.store import Storage
from dassie.storage.types import EMPTY_DIR, Dir, Entry

MAX_PAGE = 100_000
"""Entries that one page of a listing may ask for."""

Pair = tuple[FileInfo | None, FileInfo | None]
"""(old, new) of something that differs; one side may be missing."""


class Files:
    """Thread-safe. Iterators it returns read storage lazily and hold no transaction."""

    def __init__(self, graph: Graph, storage: Storage) -> None:
        self.graph = graph
        self.storage = storage
        self._publisher = Publisher(graph, storage)

    # -- writing

    @contextmanager
    def modify(
        self, target: CommitRef, *, expected_root_hash: bytes = b"", open_only: bool = False
    ) -> Iterator[Modification]:
        """Edit `target`: all at once when the block ends, nothing when it raises.

        A branch whose head is finished, or that does not exist yet, gets a new commit (not with
        `open_only`). With `expected_root_hash`, `Aborted` unless the edits apply to exactly that
        content.
        """
        self._publisher.check(target, expected_root_hash, open_only=open_only)
        with self.storage.session() as upload:
            modification = Modification(self.storage, upload, self.finished_view)
            yield modification
            modification.close()
            self._publisher.publish(target, modification, expected_root_hash)

    # -- views

    def view(self, ref: CommitRef) -> View:
        """The content of a commit or file set as it is now."""
        with self.graph.snapshot() as tx:
            return view(tx, ref)

    def finished_view(self, ref: CommitRef) -> View:
        """The same, of a commit that will not change any more."""
        with self.graph.snapshot() as tx:
            found = view(tx, ref)
        if found.committed is None and ref.repo.name != FILESETS:
            raise CommitNotFinished(found.commit)
        return found

    # -- reading

    def inspect(self, ref: CommitRef, path: str) -> FileInfo:
        found = self.view(ref)
        with reading.looking_at(found, path):
            return _info(found, reading.find(self.storage.tree, found, path))

    def list_(
        self,
        ref: CommitRef,
        path: str,
        *,
        marker: str = "",
        number: int = 0,
        reverse: bool = False,
    ) -> tuple[View, Iterator[Entry]]:
        """One level of a directory; a file itself; nothing for a path that does not exist."""
        check_page(number, reverse=reverse)
        found = self.view(ref)
        entries = self.storage.tree.list(
            found.root, clean(path), after=_marker(marker), reverse=reverse
        )
        return found, islice(reading.looked_at(found, path, entries), number or None)

    def walk(
        self,
        ref: CommitRef,
        path: str,
        *,
        marker: str = "",
        number: int = 0,
        reverse: bool = False,
    ) -> tuple[View, Iterator[Entry]]:
        """Everything at and below `path`, which must exist; an empty commit is just empty."""
        check_page(number, reverse=reverse)
        found = self.view(ref)
        clean_path = clean(path)
        with reading.looking_at(found, path):
            there = clean_path == "/" or self.storage.tree.lookup(found.root, clean_path)
        if not there:
            raise FileNotFound(clean_path, found.commit)
        entries = self.storage.tree.walk(
            found.root, clean_path, after=_marker(marker), reverse=reverse
        )
        return found, islice(reading.looked_at(found, path, entries), number or None)

    def glob(
        self, ref: CommitRef, pattern: str, wanted: PathRange = EVERYTHING
    ) -> tuple[View, Iterator[Entry]]:
        """Files and directories that match."""
        found = self.view(ref)
        entries = self.storage.tree.glob(found.root, Glob.parse(pattern))
        entries = reading.looked_at(found, pattern, entries)
        return found, (entry for entry in entries if entry.path in wanted)

    def diff(
        self,
        new: CommitRef,
        path: str,
        old: CommitRef | None = None,
        old_path: str = "",
        *,
        shallow: bool = False,
    ) -> Iterator[Pair]:
        """What differs at and below two paths; by default from the parent commit, same path."""
        with self.graph.snapshot() as tx:
            new_view = view(tx, new)
            if old is not None:
                old_view = view(tx, old)
            else:
                old_path = path
                old_view = parent_view(tx, new_view)
        pairs = _diff(
            self.storage,
            (old_view, clean(old_path)),
            (new_view, clean(path)),
            shallow=shallow,
        )
        return reading.looked_at(new_view, path, pairs)

    def read(self, ref: CommitRef, path: str, offset: int = 0) -> tuple[FileInfo, Iterator[bytes]]:
        """The bytes of exactly one regular file, from `offset` on."""
        found = self.view(ref)
        with reading.looking_at(found, path):
            entry = reading.only_file(self.storage.tree, found, path)
        if offset < 0:
            raise InvalidArgument(f"offset {offset} of file {path} is negative")
        return _info(found, entry), reading.content(self.storage, found, entry, offset)

    def tar(self, ref: CommitRef, path: str, wanted: PathRange = EVERYTHING) -> Iterator[bytes]:
        """A tar archive of all that a path or pattern means, with everything below."""
        found = self.view(ref)
        matches = reading.matches(self.storage.tree, found, path)
        named = reading.looked_at(found, path, matches)
        first = next(named, None)
        if first is None:
            raise FileNotFound(path, found.commit)
        entries = reading.below(self.storage.tree, found, chain([first], named))
        entries = reading.looked_at(found, path, entries)
        wanted_entries = (entry for entry in entries if entry.path in wanted)
        return reading.archive(self.storage, found, wanted_entries)

    def contents(
        self, ref: CommitRef, path: str, *, literal: bool = False
    ) -> tuple[View, list[Entry], Iterator[reading.Contents]]:
        """The same, as entries with their bytes; see `reading.contents`. The list holds what the
        path or pattern names itself, without what lies below other matches. `literal`: `path` is no
        pattern, whatever it looks like."""
        found = self.view(ref)
        with reading.looking_at(found, path):
            named = list(reading.outermost(self._named(found, path, literal=literal)))
        if not named:
            raise FileNotFound(path, found.commit)
        entries = reading.below(self.storage.tree, found, named)
        entries = reading.looked_at(found, path, entries)
        return found, named, reading.contents(self.storage, found, entries)

    def _named(self, found: View, path: str, *, literal: bool) -> Iterator[Entry]:
        if literal:
            yield reading.find(self.storage.tree, found, path)
        else:
            yield from reading.matches(self.storage.tree, found, path)


def check_page(number: int, *, reverse: bool) -> None:
    """Refuse page sizes that Pachyderm refuses."""
    if reverse and number <= 0:
        raise InvalidArgument("number must be > 0 when reverse is set")
    if not 0 <= number <= MAX_PAGE:
        raise InvalidArgument(f"number {number} is not between 0 and {MAX_PAGE}")


def _marker(path: str) -> str:
    """A pagination marker as trees know paths; a directory's keeps its slash."""
    if not path:
        return ""
    cleaned = clean(path)
    return cleaned + "/" if path.endswith("/") and cleaned != "/" else cleaned


def _info(found: View, entry: Entry) -> FileInfo:
    return FileInfo(found.commit, entry, found.committed)


def _diff(
    storage: Storage, old: tuple[View, str], new: tuple[View, str], *, shallow: bool
) -> Iterator[Pair]:
    """Trees compare equal paths only; so each side is cut out and its paths are put back."""
    (old_view, old_path), (new_view, new_path) = old, new
    trees = storage.tree
    old_entry, new_entry = (
        trees.lookup(old_view.root, old_path),
        trees.lookup(new_view.root, new_path),
    )
    old_dir = old_entry.node if old_entry and isinstance(old_entry.node, Dir) else EMPTY_DIR
    new_dir = new_entry.node if new_entry and isinstance(new_entry.node, Dir) else EMPTY_DIR
    old_file = old_entry if old_entry and not isinstance(old_entry.node, Dir) else None
    new_file = new_entry if new_entry and not isinstance(new_entry.node, Dir) else None
    if (old_file and old_file.hash) != (new_file and new_file.hash):
        yield _pair(old_view, old_file), _pair(new_view, new_file)
    for before, after in trees.diff(old_dir, new_dir, shallow=shallow):
        yield _moved(old_view, old_path, before), _moved(new_view, new_path, after)


def _pair(found: View, entry: Entry | None) -> FileInfo | None:
    return None if entry is None else _info(found, entry)


def _moved(found: View, path: str, entry: Entry | None) -> FileInfo | None:
    if entry is None:
        return None
    return _info(found, Entry(path.rstrip("/") + entry.path, entry.node))
