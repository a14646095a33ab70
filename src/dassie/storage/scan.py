"""Reading the nodes of one directory in key order. Used by `trees` and `diff`."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from itertools import islice, repeat

from dassie.storage.node import Node
from dassie.storage.nodes import NodeReader
from dassie.storage.types import HASH_BYTES, Content, Dir, Entry

FIRST_AHEAD, READ_AHEAD = 32, 64
"""Nodes fetched together: fewer at first, as a consumer may not want more."""


def leaves(
    nodes: NodeReader, root: Node, low: str = "", high: str = "", *, reverse: bool = False
) -> Iterator[Node]:
    """Leaves that may hold keys from `low` to `high`; an empty bound is none."""
    level: Iterator[Node] = iter((root,))
    for _ in range(root.level):
        level = _children(nodes, level, low, high, reverse=reverse)
    return level


def _children(
    nodes: NodeReader, parents: Iterator[Node], low: str, high: str, *, reverse: bool
) -> Iterator[Node]:
    refs = (node.child(i) for node in parents for i in _order(node, low, high, reverse=reverse))
    size = FIRST_AHEAD
    while window := list(islice(refs, size)):
        nodes.prefetch(window)
        for ref in window:
            yield nodes.get(ref)
        size = READ_AHEAD


def _order(node: Node, low: str, high: str, *, reverse: bool) -> range:
    """Children to visit. Away from the bounds these exclude nothing."""
    keys = node.keys
    first = bisect_left(keys, low) if low else 0
    last = min(bisect_left(keys, high), len(keys) - 1) if high else len(keys) - 1
    return range(last, first - 1, -1) if reverse else range(first, last + 1)


def find_leaf(nodes: NodeReader, root: Node, key: str) -> tuple[Node, int] | None:
    """The leaf that holds `key`, and the key's place in it."""
    node = root
    while True:
        i = bisect_left(node.keys, key)
        if i == len(node.keys):
            return None
        if node.level == 0:
            return (node, i) if node.keys[i] == key else None
        node = nodes.get(node.child(i))


def as_value(leaf: Node, i: int) -> Content | Dir:
    """The file or directory that an entry of a leaf stands for."""
    if leaf.keys[i][-1] == "/":
        files = leaf.files[i] if leaf.files is not None else 0
        return Dir(leaf.hash(i), leaf.child(i), leaf.sizes[i], files)
    return Content(leaf.hash(i), leaf.sizes[i], leaf.ref(i))


def entries(leaf: Node, path: str, low: int, high: int) -> list[Entry]:
    """Entries `low` to `high` of a leaf of the directory `path`."""
    keys = leaf.keys if high - low == len(leaf.keys) else leaf.keys[low:high]
    paths = [path + key for key in keys]
    if leaf.files is not None:
        values = [as_value(leaf, i) for i in range(low, high)]
        return list(map(Entry, paths, values))
    # Only files: no loop in Python, because a walk of a million files comes through here.
    column = leaf.hashes
    hashes = [
        column[i : i + HASH_BYTES] for i in range(low * HASH_BYTES, high * HASH_BYTES, HASH_BYTES)
    ]
    refs = leaf.refs[low:high] if leaf.refs is not None else repeat(None, high - low)
    return list(map(Entry, paths, map(Content, hashes, leaf.sizes[low:high], refs)))
