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
from dassie.storage.types import Content, Dir, Entry

Pair = tuple[Entry | None, Entry | None]
_Value = Content | Dir


def diff_trees(
    nodes: NodeReader, old: Entry | None, new: Entry | None, *, shallow: bool
) -> Iterator[Pair]:
    """Pairs of what differs between two entries of the same path, in path order.

    Two of different kinds (their paths differ by a slash) are one removed and one added.
    """
    old, new = _existing(old), _existing(new)
    if old is not None and new is not None and old.path != new.path:
        first, second = sorted([(old, None), (None, new)], key=_pair_path)
        yield from _sided(nodes, first, shallow=shallow)
        yield from _sided(nodes, second, shallow=shallow)
    elif old is not None or new is not None:
        yield from _diff_entry(nodes, old, new, depth=1 if shallow else None)


def _existing(entry: Entry | None) -> Entry | None:
    """An empty directory is as good as none."""
    return None if entry is None or (isinstance(entry.node, Dir) and not entry.node.ref) else entry


def _pair_path(pair: Pair) -> str:
    entry = pair[0] or pair[1]
    return entry.path if entry is not None else ""


def _sided(nodes: NodeReader, pair: Pair, *, shallow: bool) -> Iterator[Pair]:
    return _diff_entry(nodes, *pair, depth=1 if shallow else None)


def _diff_entry(
    nodes: NodeReader, old: Entry | None, new: Entry | None, *, depth: int | None
) -> Iterator[Pair]:
    if old is not None and new is not None and old.hash == new.hash:
        return
    yield old, new
    entry = new or old
    if entry is None or not isinstance(entry.node, Dir) or depth == 0:
        return
    below = None if depth is None else depth - 1
    path = entry.path
    for key, old_value, new_value in _diff_directory(nodes, _dir(old), _dir(new)):
        yield from _diff_entry(
            nodes,
            Entry(path + key, old_value) if old_value is not None else None,
            Entry(path + key, new_value) if new_value is not None else None,
            depth=below,
        )


def _dir(entry: Entry | None) -> Dir | None:
    return entry.node if entry is not None and isinstance(entry.node, Dir) else None


def _diff_directory(
    nodes: NodeReader, old: Dir | None, new: Dir | None
) -> Iterator[tuple[str, _Value | None, _Value | None]]:
    """Entries that differ between two directories, in key order."""
    left, right = _Cursor(nodes, old), _Cursor(nodes, new)
    while left.open or right.open:
        if left.same_node(right):
            left.skip()
            right.skip()
        elif left.level > right.level or (left.level and left.level == right.level):
            left.descend()
        elif right.level:
            right.descend()
        else:
            order = left.compare(right)
            old_value = left.take() if order <= 0 else None
            new_value = right.take() if order >= 0 else None
            key = left.key if order <= 0 else right.key
            if old_value is None or new_value is None or old_value.hash != new_value.hash:
                yield key, old_value, new_value


class _Cursor:
    """Position in one directory: an entry of a leaf, or a node that has not been opened yet."""

    def __init__(self, nodes: NodeReader, directory: Dir | None) -> None:
        self._nodes = nodes
        self._stack: list[tuple[Node, int]] = []
        self.key = ""
        """Key of the entry that `take` returned last."""
        if directory is not None and directory.ref is not None:
            # The root stands below a level of its own, so that it can be passed over like any node.
            self._top: tuple[bytes, bytes] | None = (directory.hash, directory.ref)
        else:
            self._top = None

    @property
    def open(self) -> bool:
        return self._top is not None or bool(self._stack)

    @property
    def level(self) -> int:
        """0 at an entry or at the end; above it, how many levels the next node is from entries."""
        if self._top is not None:
            return self._nodes.get(self._top[1]).level + 1
        return self._stack[-1][0].level if self._stack else 0

    def same_node(self, other: _Cursor) -> bool:
        """Are both before nodes with the same entries?"""
        return self.level > 0 and self.level == other.level and self._hash() == other._hash()

    def _hash(self) -> bytes:
        if self._top is not None:
            return self._top[0]
        node, i = self._stack[-1]
        return node.hash(i)

    def descend(self) -> None:
        """Open the next node."""
        if self._top is not None:
            ref, self._top = self._top[1], None
        else:
            node, i = self._stack[-1]
            ref = node.child(i)
        self._stack.append((self._nodes.get(ref), 0))

    def skip(self) -> None:
        """Pass over the next node, or entry."""
        if self._top is not None:
            self._top = None
            return
        while self._stack:
            node, i = self._stack.pop()
            if i + 1 < len(node.keys):
                self._stack.append((node, i + 1))
                return

    def compare(self, other: _Cursor) -> int:
        """Order of the entries both stand at; one that has ended comes last."""
        if not self.open or not other.open:
            return -1 if self.open else 1
        mine, theirs = self._entry_key(), other._entry_key()
        return (mine > theirs) - (mine < theirs)

    def _entry_key(self) -> str:
        node, i = self._stack[-1]
        return node.keys[i]

    def take(self) -> _Value:
        """The entry, and go on behind it."""
        node, i = self._stack[-1]
        self.key = node.keys[i]
        value = as_value(node, i)
        self.skip()
        return value
