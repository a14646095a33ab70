"""Reading the nodes of one directory in key order. Used by `trees` and `diff`."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator

from dassie.storage.node import Node
from dassie.storage.nodes import NodeReader
from dassie.storage.types import Content, Dir

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
        # `start` only matters on the edge, where it lies; further on it changes nothing.


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
