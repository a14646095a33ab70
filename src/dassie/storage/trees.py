"""Reading trees: look up, list, walk, glob. Lazy: what is not consumed is not read.

Order is that of full paths as bytes, where a directory's path ends with `/`: `/a/`, `/a/b/`,
`/a/b/f`, `/a/g`. `after` resumes behind a path that was returned before (or that lies between).
`diff` is in its own module.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from dassie.base.glob import Component, Glob
from dassie.storage.diff import diff_trees
from dassie.storage.nodes import NodeReader
from dassie.storage.scan import as_value, entries, find_leaf, leaves
from dassie.storage.types import Content, Dir, Entry

Pair = tuple[Entry | None, Entry | None]
_Batch = list[Entry]


@dataclass(slots=True)
class _Visit:
    """A directory that a walk is in."""

    last: Entry | None
    """What comes when all below has come."""
    batches: Iterator[_Batch]
    rest: Iterator[Entry] = field(default_factory=lambda: iter(()))


class Trees:
    """Reads of any tree by its root. Thread-safe; iterators belong to their consumer."""

    def __init__(self, nodes: NodeReader) -> None:
        self._nodes = nodes

    def lookup(self, root: Dir, path: str) -> Entry | None:
        """The file or directory at a canonical path; the root always is there."""
        path = path.removesuffix("/")
        if not path:
            return Entry("/", root)
        at = root
        elements = path[1:].split("/")
        for element in elements[:-1]:
            below = self._child(at, element + "/")
            if not isinstance(below, Dir):
                return None
            at = below
        name = elements[-1]
        found = self._child(at, name)
        if found is not None:
            return Entry(path, found)
        found = self._child(at, name + "/")
        return Entry(path + "/", found) if found is not None else None

    def list(
        self, root: Dir, path: str, *, after: str = "", reverse: bool = False
    ) -> Iterator[Entry]:
        """Entries of the directory at `path`; of a file, the file; of nothing, nothing."""
        top = self.lookup(root, path)
        if top is None:
            return
        if isinstance(top.node, Dir):
            for batch in self._batches(top, after, reverse=reverse):
                yield from _past(batch, after, reverse=reverse)
        elif _is_past(top.path, after, reverse=reverse):
            yield top

    def walk(
        self,
        root: Dir,
        path: str,
        *,
        after: str = "",
        reverse: bool = False,
        dirs: bool = True,
    ) -> Iterator[Entry]:
        """Everything at and below `path`, the directory itself first (in reverse: last)."""
        top = self.lookup(root, path)
        if top is not None and not (isinstance(top.node, Dir) and top.node.ref is None):
            yield from self._walk(top, after, reverse=reverse, dirs=dirs)

    def glob(
        self, root: Dir, pattern: Glob, *, after: str = "", reverse: bool = False
    ) -> Iterator[Entry]:
        """Files and directories that match. Looks only where a match can be."""
        if not pattern.components:
            if root.ref is not None and _is_past("/", after, reverse=reverse):
                yield Entry("/", root)
            return
        for entry in self._glob(Entry("/", root), pattern, 0, after, reverse=reverse):
            if _is_past(entry.path, after, reverse=reverse):
                yield entry

    def diff(self, old: Dir, new: Dir, path: str = "/", *, shallow: bool = False) -> Iterator[Pair]:
        """What differs at and below `path`, as (old, new) in path order; directories included.

        `shallow` looks one level down only. Equal parts are not read.
        """
        return diff_trees(
            self._nodes, self.lookup(old, path), self.lookup(new, path), shallow=shallow
        )

    def prefetch(self, roots: Iterable[Dir]) -> None:
        """Bring the top nodes of many small trees into the cache with few reads."""
        self._nodes.prefetch(root.ref for root in roots if root.ref is not None)

    def _child(self, directory: Dir, key: str) -> Content | Dir | None:
        if directory.ref is None:
            return None
        found = find_leaf(self._nodes, self._nodes.get(directory.ref), key)
        return as_value(*found) if found is not None else None

    def _walk(self, top: Entry, after: str, *, reverse: bool, dirs: bool) -> Iterator[Entry]:
        """A loop with a stack of its own: trees may be deeper than Python calls may be nested."""
        if isinstance(top.node, Content):
            if _is_past(top.path, after, reverse=reverse):
                yield top
            return
        stack: list[_Visit] = []
        entered: Entry | None = top
        while entered is not None or stack:
            if entered is not None:
                emit = dirs and _is_past(entered.path, after, reverse=reverse)
                if emit and not reverse:
                    yield entered
                batches = self._batches(entered, after, reverse=reverse, deep=True)
                stack.append(_Visit(entered if emit and reverse else None, batches))
                entered = None
            visit = stack[-1]
            for entry in visit.rest:
                if isinstance(entry.node, Dir):
                    entered = entry
                    break
                yield entry
            if entered is None:
                batch = next(visit.batches, None)
                if batch is not None:
                    visit.rest = iter(_past_or_above(batch, after, reverse=reverse))
                    continue
                stack.pop()
                if visit.last is not None:
                    yield visit.last

    def _batches(
        self,
        top: Entry,
        after: str,
        prefix: str = "",
        *,
        reverse: bool = False,
        deep: bool = False,
    ) -> Iterator[_Batch]:
        """Entries of one directory that may lie past `after` or above something that does.

        Those of one leaf come together. `prefix` leaves only those whose name starts with it.
        `deep` says that the consumer goes into subdirectories, so they are fetched together.
        """
        directory, path = top.node, top.path
        bound = _bound(path, after, reverse=reverse)
        if not isinstance(directory, Dir) or directory.ref is None or bound is None:
            return
        low, high, cut = max(bound, prefix), _behind(prefix), bisect_left
        if reverse:
            low = prefix
            if bound and (not high or bound < high):
                high, cut = bound, bisect_right
        root = self._nodes.get(directory.ref)
        for leaf in leaves(self._nodes, root, low, high, reverse=reverse):
            keys = leaf.keys
            first = bisect_left(keys, low) if low else 0
            last = cut(keys, high) if high else len(keys)
            if deep and leaf.files is not None:
                self._nodes.prefetch(
                    leaf.child(i) for i in range(first, last) if keys[i][-1] == "/"
                )
            batch = entries(leaf, path, first, max(first, last))
            yield batch[::-1] if reverse else batch

    def _glob(
        self, top: Entry, pattern: Glob, depth: int, after: str, *, reverse: bool
    ) -> Iterator[Entry]:
        """Matches below the directory `top`, to which `depth` components have led."""
        component = pattern.components[depth]
        if not isinstance(top.node, Dir):
            return
        if component.regex is None:
            yield from self._glob_rest(top, pattern, component, after, reverse=reverse)
            return
        is_last = depth == len(pattern.components) - 1
        for entry in self._matching(top, component, after, reverse=reverse, deep=not is_last):
            if is_last:
                yield entry
            elif isinstance(entry.node, Dir):
                yield from self._glob(entry, pattern, depth + 1, after, reverse=reverse)

    def _matching(
        self, top: Entry, component: Component, after: str, *, reverse: bool, deep: bool
    ) -> Iterator[Entry]:
        if not isinstance(top.node, Dir) or component.regex is None:
            return
        if component.literal is not None:
            for key in (component.literal, component.literal + "/"):
                found = self._child(top.node, key)
                if found is not None:
                    yield Entry(top.path + key, found)
            return
        start = len(top.path)
        matches = component.regex.fullmatch
        for batch in self._batches(top, after, component.prefix, reverse=reverse, deep=deep):
            for entry in batch:
                if matches(entry.path[start:].removesuffix("/")):
                    yield entry

    def _glob_rest(
        self, top: Entry, pattern: Glob, component: Component, after: str, *, reverse: bool
    ) -> Iterator[Entry]:
        """The pattern's rest may span directories: try everything below."""
        matches = pattern.regex.fullmatch
        for batch in self._batches(top, after, component.prefix, reverse=reverse, deep=True):
            for entry in batch:
                for below in self._walk(entry, after, reverse=reverse, dirs=True):
                    if matches(below.path.removesuffix("/")):
                        yield below


def _is_past(path: str, after: str, *, reverse: bool) -> bool:
    return not after or (path < after if reverse else path > after)


def _past(batch: _Batch, after: str, *, reverse: bool) -> _Batch:
    """Those of a batch that are past the bound."""
    if not after:
        return batch
    return [entry for entry in batch if _is_past(entry.path, after, reverse=reverse)]


def _past_or_above(batch: _Batch, after: str, *, reverse: bool) -> _Batch:
    """The same, and directories, below which there may be something past it."""
    if not after:
        return batch
    return [e for e in batch if e.is_dir or _is_past(e.path, after, reverse=reverse)]


def _bound(path: str, after: str, *, reverse: bool) -> str | None:
    """First key of directory `path` worth looking at to resume at `after`; `None`: none is."""
    if not after:
        return ""
    if after.startswith(path):
        head, slash, _ = after[len(path) :].partition("/")
        return head + slash or (None if reverse else "")
    if reverse:
        return "" if path < after else None
    return "" if path > after else None


def _behind(prefix: str) -> str:
    """The least text behind all that start with `prefix`; empty when there is none."""
    stem = prefix.rstrip("\U0010ffff")
    return stem[:-1] + chr(ord(stem[-1]) + 1) if stem else ""
