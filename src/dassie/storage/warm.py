"""Reading ahead for an edit: the nodes that it will visit, a level of the tree at a time.

Without it every node costs a look-up and a read of its own; with it a level costs one of each.
It only fills the cache, so what it leaves out is merely slower. Used by `Upload.edit`.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

from dassie.storage.nodes import NodeReader
from dassie.storage.types import Dir

MAX_PATHS = 4096
_MAX_NODES = 4096

_Need = tuple[bytes, int, int, int]
"""A node, and which paths (a range of them) lead through it, and how long the prefix is that the
directory it belongs to has."""


def warm(nodes: NodeReader, root: Dir, paths: Sequence[str]) -> None:
    """Bring into the cache what edits of these paths (sorted) will visit."""
    if root.ref is None or len(paths) > MAX_PATHS:
        return
    level: list[_Need] = [(root.ref, 0, len(paths), 1)]
    while level and len(level) <= _MAX_NODES:
        nodes.prefetch(need[0] for need in level)
        level = [below for need in level for below in _below(nodes, paths, need)]


def _below(nodes: NodeReader, paths: Sequence[str], need: _Need) -> list[_Need]:
    ref, low, high, start = need
    node = nodes.get(ref)
    found: dict[int, list[int]] = {}
    i = low
    while i < high:
        slash = paths[i].find("/", start)
        key = paths[i][start:] if slash < 0 else paths[i][start : slash + 1]
        end = i + 1 if slash < 0 else bisect_left(paths, paths[i][:slash] + "0", i, high)
        at = bisect_left(node.keys, key)
        if node.level:
            at = min(at, len(node.keys) - 1)
            found.setdefault(at, [i, end])[1] = end
        elif slash >= 0 and at < len(node.keys) and node.keys[at] == key:
            found[at] = [i, end]
        i = end
    return [
        (node.child(at), first, last, start if node.level else start + len(node.keys[at]))
        for at, (first, last) in found.items()
    ]
