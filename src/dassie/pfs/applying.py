"""Carry out an `EditBuffer` on a tree: removals, grafts, appends, collisions. Called by `files`.

Reads and writes storage, never the database. Applying the same buffer again, to the root that
another stream has left, is how concurrent streams to one commit both survive.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import islice

from dassie.base.chunking import MIN_CHUNK_BYTES
from dassie.base.paths import parent
from dassie.pfs.edits import DEFAULT_DATUM, EditBuffer, FileEdit, Graft, Removal
from dassie.storage.contents import read_content, read_many
from dassie.storage.errors import COLLISION, DUPLICATE, PathConflict
from dassie.storage.trees import Trees
from dassie.storage.types import Content, Delete, Dir, Edit, Entry, Put
from dassie.storage.upload import Upload

_MERGE_BATCH = 20_000
_JOIN_FILES = 1024
_JOIN_BYTES = 8 << 20
_LOOKUP_COST = 8
"""A single look-up costs about as much as listing this many entries."""


def apply(edits: EditBuffer, root: Dir, upload: Upload) -> Dir:
    """The tree after `edits`. Raises `PathConflict` and then leaves nothing behind."""
    edits.check()
    _check_tags(edits, upload.tree)
    for layer in edits.layers():
        for removals, graft in _steps(layer.trees):
            if removals:
                root = upload.edit(root, [Delete(path) for path in _outermost(removals)])
            if graft is not None:
                root = _graft(graft, root, upload)
        if layer.files:
            root = _apply_files(layer.files, root, upload)
    return root


def _check_tags(edits: EditBuffer, trees: Trees) -> None:
    """Two datum tags at one path, of which one is in a directory that was made meanwhile."""
    nodes = edits.settled()
    for path in edits.tagged() if nodes else ():
        if any(trees.lookup(node, path) is not None for node in nodes):
            raise PathConflict(path, f"{DUPLICATE}: under {DEFAULT_DATUM} and another datum tag")


def _steps(operations: list[Removal | Graft]) -> Iterator[tuple[list[str], Graft | None]]:
    """Consecutive removals together, each group with the graft that follows."""
    removals: list[str] = []
    for operation in operations:
        if isinstance(operation, Removal):
            removals.append(operation.path)
        else:
            yield removals, operation
            removals = []
    yield removals, None


def _outermost(paths: list[str]) -> list[str]:
    """Those of `paths` that lie below no other of them."""
    kept: list[str] = []
    for path in sorted(set(paths), key=lambda path: path.rstrip("/") + "/"):
        if not kept or not path.startswith(kept[-1].rstrip("/") + "/"):
            kept.append(path)
    return kept


def _apply_files(files: dict[str, FileEdit | Content], root: Dir, upload: Upload) -> Dir:
    appended = [
        path
        for path, edit in files.items()
        if isinstance(edit, FileEdit) and edit.parts and not edit.cleared
    ]
    existing = _existing(appended, root, upload.tree)
    plain = _whole_files(files, existing)
    if len(plain) == len(files):
        return upload.put_files(root, plain)
    return upload.edit(root, _as_tree_edits(files, existing, upload))


def _whole_files(
    files: dict[str, FileEdit | Content], existing: dict[str, Content]
) -> dict[str, Content]:
    """Those that only get a content that is there as a whole; most streams hold nothing else."""
    plain: dict[str, Content] = {}
    for path, edit in files.items():
        if isinstance(edit, Content):
            plain[path] = edit
        elif len(edit.parts) == 1 and path not in existing:
            plain[path] = edit.parts[0]
    return plain


def _as_tree_edits(
    files: dict[str, FileEdit | Content], existing: dict[str, Content], upload: Upload
) -> Iterator[Edit]:
    """Overwriting is a `Put` without a `Delete`, so that a directory in the file's place is a
    collision and not lost."""
    joins = SmallJoins(upload)
    for path, edit in files.items():
        if isinstance(edit, Content):
            yield Put(path, edit)
        elif not edit.parts:
            if edit.cleared:
                yield Delete(path)
        elif path in existing:
            yield from joins.add(path, [existing[path], *edit.parts])
        elif len(edit.parts) == 1:
            yield Put(path, edit.parts[0])
        else:
            yield from joins.add(path, edit.parts)
    yield from joins.take()


class SmallJoins:
    """Contents joined to files: large ones at once, small ones many together, because fetching
    each by itself costs more than everything else."""

    def __init__(self, upload: Upload) -> None:
        self._upload = upload
        self._waiting: list[tuple[str, list[Content]]] = []
        self._size = 0

    def add(self, path: str, parts: list[Content]) -> Iterator[Put]:
        """Join `parts` at `path`; yields the edits that are ready."""
        size = sum(part.size for part in parts)
        if size > MIN_CHUNK_BYTES:
            rest = (piece for part in parts[1:] for piece in self._pieces(part))
            yield Put(path, self._upload.append(parts[0], rest))
            return
        self._waiting.append((path, parts))
        self._size += size
        if self._size >= _JOIN_BYTES or len(self._waiting) >= _JOIN_FILES:
            yield from self.take()

    def take(self) -> Iterator[Put]:
        """The edits of all that waits."""
        waiting, self._waiting, self._size = self._waiting, [], 0
        data = read_many(self._upload.reader, [part for _, parts in waiting for part in parts])
        for path, parts in waiting:
            yield Put(path, self._upload.put(b"".join([next(data) for _ in parts])))

    def _pieces(self, part: Content) -> Iterator[bytes]:
        return read_content(self._upload.reader, part, 0, None)


def _existing(paths: list[str], root: Dir, trees: Trees) -> dict[str, Content]:
    """The files that lie at those paths now."""
    if not root.files:
        return {}
    by_parent: defaultdict[str, list[str]] = defaultdict(list)
    for path in paths:
        by_parent[parent(path)].append(path)
    found: dict[str, Content] = {}
    for directory, group in by_parent.items():
        above = trees.lookup(root, directory)
        if above is None or not isinstance(above.node, Dir):
            continue
        entries: Iterable[Entry | None]
        if len(group) * _LOOKUP_COST < above.node.files:
            entries = (trees.lookup(root, path) for path in group)
        else:
            entries = trees.list(root, directory)
        wanted = set(group)
        for entry in entries:
            if entry is not None and entry.path in wanted and isinstance(entry.node, Content):
                found[entry.path] = entry.node
    return found


def _graft(graft: Graft, root: Dir, upload: Upload) -> Dir:
    """Where nothing is, the directory is put by reference; else its files go in one by one."""
    if not graft.node.files:
        return root
    if graft.path == "/":
        if not root.files:
            return graft.node
    else:
        there = upload.tree.lookup(root, graft.path)
        if there is None:
            return upload.edit(root, [Put(graft.path, graft.node)])
        if not isinstance(there.node, Dir):
            raise PathConflict(graft.path, COLLISION)
    below = "" if graft.path == "/" else graft.path
    entries = upload.tree.walk(graft.node, "/", dirs=False)
    while batch := list(islice(entries, _MERGE_BATCH)):
        files: dict[str, FileEdit | Content] = {
            below + entry.path: FileEdit(False, [entry.node]) if graft.append else entry.node
            for entry in batch
            if isinstance(entry.node, Content)
        }
        root = _apply_files(files, root, upload)
    return root
