"""Reading the nodes of one directory in key order. Used by `trees` and `diff`."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from itertools import repeat

from dassie.storage.node import Node
from dassie.storage.nodes import NodeReader
from dassie.storage.types import HASH_BYTES, Content, Dir, Entry

READ_AHEAD = 64


def leaves(
    nodes: NodeReader, root: Node, start: str = "", *, reverse: bool = False
) -> Iterator[Node]:
    """Leaves that may hold keys from `start` on (`reverse`: keys up to `start`, if given)."""
    if root.level == 0:
        yield root
        return
    count = len(root.keys)
    if reverse:
        first = min(bisect_left(root.keys, start), count - 1) if start else count - 1
        order = range(first, -1, -1)
    else:
        order = range(bisect_left(root.keys, start) if start else 0, count)
    for position, i in enumerate(order):
        if position % READ_AHEAD == 1:
            nodes.prefetch(root.child(j) for j in order[position : position + READ_AHEAD])
        yield from leaves(nodes, nodes.get(root.child(i)), start, reverse=reverse)


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
