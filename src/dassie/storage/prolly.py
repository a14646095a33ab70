"""Changing a directory's tree of nodes: only what changed, and what leads to it, is rewritten.

A level is changed like this: the nodes in which changed keys fall are read, merged with the
changes, cut again where keys say so (`node.rank`), and written; a remainder without an end is
joined with the next node. What that replaced and made are the changes of the level above. So the
result has the very shape that building it from nothing would give. Called by `edit`.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

from dassie.base.hashing import digest
from dassie.storage.node import Built, Node, Record, build, ends, patched, rank
from dassie.storage.types import EMPTY_DIR, Dir

Change = tuple[str, Record | None]
"""Key, and what it becomes: `None` removes it."""


_FEW = 16


class NodeStore(Protocol):
    """Reads nodes by name, and takes new ones."""

    def get(self, ref: bytes) -> Node: ...

    def put(self, ref: bytes, node: Node, data: bytes) -> None: ...

    def warm(self, root: Dir, paths: Sequence[str]) -> None:
        """Paths (sorted) of a tree that will be visited."""


def merge(store: NodeStore, base: Dir, changes: Iterable[Change]) -> Dir:
    """The directory `base` with `changes` (in key order, each key once) applied to its entries."""
    pending = list(changes)
    level = 0
    if base.ref is not None:
        root = store.get(base.ref)
        while level <= root.level:
            pending = _change_level(store, root, level, pending)
            level += 1
    records = [record for _, record in pending if record is not None]
    if level == 0:
        records = list(_write(store, 0, records, ends(records, 0)))
        level = 1
    while len(records) > 1:
        records = list(_write(store, level, records, ends(records, level)))
        level += 1
    return _root(store, records[0]) if records else EMPTY_DIR


def _root(store: NodeStore, record: Record) -> Dir:
    """The lowest node that covers everything is the root."""
    _, semantic, ref, size, files = record
    if ref is None:
        raise ValueError("a tree node has no name")
    node = store.get(ref)
    while node.level and len(node.keys) == 1:
        semantic, ref = node.hash(0), node.child(0)
        node = store.get(ref)
    return Dir(semantic, ref, size, files)


def _change_level(
    store: NodeStore, root: Node, level: int, pending: Sequence[Change]
) -> list[Change]:
    above: dict[str, Record | None] = {}
    i = 0
    while i < len(pending):
        node, last_one = find(store, root, level, pending[i][0])
        stop = len(pending) if last_one else _first_beyond(pending, node.keys[-1], i)
        replaced = _replaced(node, pending[i:stop])
        if replaced is not None:
            # No name comes or goes, so the node keeps its place and its ends.
            above[node.keys[-1]] = _stored(store, patched(node, replaced))
            i = stop
            continue
        merged: list[Record] = []
        suspects: set[str] = set()
        while True:
            last = node.keys[-1]
            stop = len(pending) if last_one else _first_beyond(pending, last, i)
            merged += _merged(node.records(), pending[i:stop])
            # Inside an old node no key ends a node: only what is new, or was last, can.
            suspects.update(key for key, _ in pending[i:stop])
            suspects.add(last)
            i = stop
            above[last] = None
            if last_one or not merged or rank(merged[-1][0]) > level:
                break
            node, last_one = find(store, root, level, last + "\0")
        cuts = [
            at for at, (key, *_) in enumerate(merged, 1) if key in suspects and rank(key) > level
        ]
        for record in _write(store, level, merged, cuts):
            above[record[0]] = record
    return sorted(above.items())


def _replaced(node: Node, changes: Sequence[Change]) -> list[tuple[int, Record]] | None:
    """Places and records of the changes, if each replaces an entry of the node."""
    if len(changes) > _FEW:
        return None
    keys = node.keys
    places = []
    for key, record in changes:
        i = bisect_left(keys, key)
        if record is None or i == len(keys) or keys[i] != key:
            return None
        places.append((i, record))
    return places


def _first_beyond(pending: Sequence[Change], last: str, start: int) -> int:
    i = start
    while i < len(pending) and pending[i][0] <= last:
        i += 1
    return i


def find(store: NodeStore, root: Node, level: int, key: str) -> tuple[Node, bool]:
    """The node of `level` where `key` is or would be, and whether it is the last of its level."""
    node, last_one = root, True
    while node.level > level:
        i = bisect_left(node.keys, key)
        if i >= len(node.keys) - 1:
            i = len(node.keys) - 1
        else:
            last_one = False
        node = store.get(node.child(i))
    return node, last_one


def _merged(records: list[Record], changes: Sequence[Change]) -> list[Record]:
    if len(changes) * 4 > len(records):
        table: dict[str, Record | None] = {record[0]: record for record in records}
        table.update(changes)
        return [record for _, record in sorted(table.items()) if record is not None]
    keys = [record[0] for record in records]
    for key, record in changes:
        i = bisect_left(keys, key)
        here = i < len(keys) and keys[i] == key
        if record is None:
            if here:
                del keys[i], records[i]
        elif here:
            records[i] = record
        else:
            keys.insert(i, key)
            records.insert(i, record)
    return records


def _write(
    store: NodeStore, level: int, records: Sequence[Record], cuts: list[int]
) -> Iterator[Record]:
    """Cut records into nodes, write them, and yield the records that stand for them above."""
    start = 0
    for end in cuts:
        yield _stored(store, build(level, records[start:end]))
        start = end
    if start < len(records):
        yield _stored(store, build(level, records[start:]))


def _stored(store: NodeStore, built: Built) -> Record:
    """Store a node; the record that stands for it above."""
    node, data, semantic = built
    ref = digest(data)
    store.put(ref, node, data)
    files = sum(node.files) if node.files is not None else len(node.keys)
    return (node.keys[-1], semantic, ref, sum(node.sizes), files)
