"""Carry out an `EditBuffer` on a tree: removals, grafts, appends, collisions. Called by `files`.

Reads and writes storage, never the database. Applying the same buffer again, to the root that
another stream has left, is how concurrent streams to one commit both survive.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import islice

from dassie.base.paths import parent
from dassie.pfs.edits import EditBuffer, FileEdit, Graft, Removal
from dassie.storage.contents import read_content
from dassie.storage.errors import COLLISION, PathConflict
from dassie.storage.trees import Trees
from dassie.storage.types import Content, Delete, Dir, Edit, Entry, Put
from dassie.storage.upload import Upload

_MERGE_BATCH = 20_000
_LOOKUP_COST = 8
"""A single look-up costs about as much as listing this many entries."""


def apply(edits: EditBuffer, root: Dir, upload: Upload, trees: Trees) -> Dir:
    """The tree after `edits`. Raises `PathConflict` and then leaves nothing behind."""
    edits.check()
    for layer in edits.layers():
        for removals, graft in _steps(layer.trees):
            if removals:
                root = upload.edit(root, [Delete(path) for path in _outermost(removals)])
            if graft is not None:
                root = _graft(graft, root, upload, trees)
        if layer.files:
            root = _apply_files(layer.files, root, upload, trees)
    return root


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


def _apply_files(
    files: dict[str, FileEdit | Content], root: Dir, upload: Upload, trees: Trees
) -> Dir:
    appended = [
        path
        for path, edit in files.items()
        if isinstance(edit, FileEdit) and edit.parts and not edit.cleared
    ]
    existing = _existing(appended, root, trees)

    def edits() -> Iterator[Edit]:
        for path, edit in files.items():
            if isinstance(edit, Content):
                yield Put(path, edit)
                continue
            if not edit.parts:
                if edit.cleared:
                    yield Delete(path)
                continue
            # Overwriting is a Put without a Delete, so that a directory in its place is a
            # collision and not lost.
            before = existing.get(path)
            if before is None:
                yield Put(path, _joined(edit, upload))
            else:
                yield Put(path, upload.append(before, _pieces(edit.parts, upload)))

    return upload.edit(root, edits())


def _joined(edit: FileEdit, upload: Upload) -> Content:
    """One content of all parts; remembered, for when the edits have to be applied again."""
    if len(edit.parts) > 1:
        edit.parts = [upload.append(edit.parts[0], _pieces(edit.parts[1:], upload))]
    return edit.parts[0]


def _pieces(parts: list[Content], upload: Upload) -> Iterator[bytes]:
    """The bytes of contents that may have been stored a moment ago."""
    for part in parts:
        yield from read_content(upload.read_chunks, part, 0, None)


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


def _graft(graft: Graft, root: Dir, upload: Upload, trees: Trees) -> Dir:
    """Where nothing is, the directory is put by reference; else its files go in one by one."""
    if not graft.node.files:
        return root
    if graft.path == "/":
        if not root.files:
            return graft.node
    else:
        there = trees.lookup(root, graft.path)
        if there is None:
            return upload.edit(root, [Put(graft.path, graft.node)])
        if not isinstance(there.node, Dir):
            raise PathConflict(graft.path, COLLISION)
    below = "" if graft.path == "/" else graft.path
    entries = trees.walk(graft.node, "/", dirs=False)
    while batch := list(islice(entries, _MERGE_BATCH)):
        files: dict[str, FileEdit | Content] = {
            below + entry.path: FileEdit(False, [entry.node]) if graft.append else entry.node
            for entry in batch
            if isinstance(entry.node, Content)
        }
        root = _apply_files(files, root, upload, trees)
    return root
