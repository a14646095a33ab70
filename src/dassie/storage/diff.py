"""Comparing two trees without reading what they share. Used by `Trees.diff`.

Both sides are read as a sequence of items in key order: whole nodes, opened into what they hold
only when the other side does not have the very same node next. Equal hashes mean equal content, so
two directories of a million files that differ in one cost a few nodes.
"""

from __future__ import annotations

from collections.abc import Iterator

from dassie.storage.node import Node
from dassie.storage.nodes import NodeReader
from dassie.storage.scan import as_value
from dassie.storage.types import HASH_BYTES, Content, Dir, Entry

Pair = tuple[Entry | None, Entry | None]
_Value = Content | Dir
_Change = tuple[str, _Value | None, _Value | None]


def diff_trees(
    nodes: NodeReader, old: Entry | None, new: Entry | None, *, shallow: bool
) -> Iterator[Pair]:
    """Pairs of what differs between two entries of the same path, in path order.

    Two of different kinds (their paths differ by a slash) are one removed and one added.
    """
    old, new = _existing(old), _existing(new)
    depth = 1 if shallow else None
    if old is not None and new is not None and old.path != new.path:
        for one, other in sorted([(old, None), (None, new)], key=_pair_path):
            yield from _diff_entry(nodes, one, other, depth)
    else:
        yield from _diff_entry(nodes, old, new, depth)


def _existing(entry: Entry | None) -> Entry | None:
    """An empty directory is as good as none."""
    return None if entry is None or (isinstance(entry.node, Dir) and not entry.node.ref) else entry


def _pair_path(pair: Pair) -> str:
    entry = pair[0] or pair[1]
    return entry.path if entry is not None else ""


def _diff_entry(
    nodes: NodeReader, old: Entry | None, new: Entry | None, depth: int | None
) -> Iterator[Pair]:
    """The pair, and what differs below it, to `depth` levels (`None`: all). A loop with a stack of
    its own: trees may be deeper than Python calls may be nested."""
    stack: list[tuple[str, Iterator[_Change]]] = []
    if old is None or new is None:
        if old is new:
            return
    elif old.hash == new.hash:
        return
    yield old, new
    entry = new or old
    if entry is not None and isinstance(entry.node, Dir):
        stack.append((entry.path, _diff_directory(nodes, _dir(old), _dir(new))))
    while stack:
        path, changes = stack[-1]
        change = next(changes, None)
        if change is None:
            stack.pop()
            continue
        key, old_value, new_value = change
        one = Entry(path + key, old_value) if old_value is not None else None
        other = Entry(path + key, new_value) if new_value is not None else None
        yield one, other
        if key[-1] == "/" and (depth is None or len(stack) < depth):
            stack.append((path + key, _diff_directory(nodes, _dir(one), _dir(other))))


def _dir(entry: Entry | None) -> Dir | None:
    return entry.node if entry is not None and isinstance(entry.node, Dir) else None


def _diff_directory(nodes: NodeReader, old: Dir | None, new: Dir | None) -> Iterator[_Change]:
    """Entries that differ between two directories, in key order."""
    left, right = _Cursor(nodes, old), _Cursor(nodes, new)
    while left.open or right.open:
        if left.level == right.level and left.level:
            if left.hash() == right.hash():
                left.skip()
                right.skip()
            else:
                left.descend()
                right.descend()
        elif left.level > right.level:
            left.descend()
        elif right.level:
            right.descend()
        elif left.open and right.open and left.same_keys(right):
            yield from left.drain_same_keys(right)
        else:
            order = left.compare(right)
            key = left.key() if order <= 0 else right.key()
            same = order == 0 and left.hash() == right.hash()
            old_value = left.value() if order <= 0 and not same else None
            new_value = right.value() if order >= 0 and not same else None
            if order <= 0:
                left.skip()
            if order >= 0:
                right.skip()
            if not same:
                yield key, old_value, new_value


class _Cursor:
    """Position in one directory: an entry of a leaf, or a node that has not been opened yet."""

    def __init__(self, nodes: NodeReader, directory: Dir | None) -> None:
        self._nodes = nodes
        self._stack: list[tuple[Node, int]] = []
        self._top: Dir | None = None
        self.level = 0
        """0 at an entry or at the end; above it, how many levels the next node is from entries."""
        self.open = directory is not None and directory.ref is not None
        if directory is not None and directory.ref is not None:
            # The root counts as an item too, so that it can be passed over like any other node.
            self._top = directory
            self.level = nodes.get(directory.ref).level + 1

    def hash(self) -> bytes:
        """Of what comes next: equal hashes of two nodes mean equal entries."""
        if self._top is not None:
            return self._top.hash
        node, i = self._stack[-1]
        return node.hash(i)

    def key(self) -> str:
        node, i = self._stack[-1]
        return node.keys[i]

    def value(self) -> _Value:
        return as_value(*self._stack[-1])

    def descend(self) -> None:
        """Open the next node."""
        if self._top is not None:
            ref, self._top = self._top.ref, None
        else:
            node, i = self._stack[-1]
            ref = node.child(i)
        if ref is None:
            raise ValueError("an empty directory has no node")
        node = self._nodes.get(ref)
        self._stack.append((node, 0))
        self.level = node.level

    def skip(self, count: int = 1) -> None:
        """Pass over the next node, or the next entries of one leaf."""
        self._top = None
        while self._stack:
            node, i = self._stack.pop()
            if i + count < len(node.keys):
                self._stack.append((node, i + count))
                self.level = node.level
                return
            count = 1
        self.open, self.level = False, 0

    def compare(self, other: _Cursor) -> int:
        """Order of the entries both stand at; one that has ended comes last."""
        if not self.open or not other.open:
            return -1 if self.open else 1
        mine, theirs = self.key(), other.key()
        return (mine > theirs) - (mine < theirs)

    def same_keys(self, other: _Cursor) -> bool:
        """Are both at the start of leaves that differ in values only?"""
        (mine, i), (theirs, j) = self._stack[-1], other._stack[-1]
        return i == 0 and j == 0 and mine.keys == theirs.keys

    def drain_same_keys(self, other: _Cursor) -> Iterator[tuple[str, _Value, _Value]]:
        """What differs between such leaves. Most changes add and remove no names: the hot path."""
        mine, theirs = self._stack[-1][0], other._stack[-1][0]
        count = len(mine.keys)
        one, two = mine.hashes, theirs.hashes
        at = range(0, count * HASH_BYTES, HASH_BYTES)
        end = HASH_BYTES
        different = [i // end for i in at if one[i : i + end] != two[i : i + end]]
        self.skip(count)
        other.skip(count)
        for i in different:
            yield mine.keys[i], as_value(mine, i), as_value(theirs, i)
