"""What a file set does to the content it is laid over. Pure, but for walking trees.

A set's tree is what its edits make of nothing. Laid over other content, two things more matter:
what the edits deleted, and which files they only appended to. Used by `filesets`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

from dassie.pfs.edits import EditBuffer, FileEdit, Graft, Layer, Removal
from dassie.storage.trees import Trees
from dassie.storage.types import Content, Dir


@dataclass(frozen=True, slots=True)
class Overlay:
    """root: the files of the set.  deletes: paths removed before they are put; a trailing `/` names
    a directory.  appends: paths whose files go behind what is there."""

    root: Dir
    deletes: frozenset[str] = frozenset()
    appends: frozenset[str] = frozenset()

    @property
    def effects(self) -> str:
        """Everything but the root, for a row."""
        return json.dumps({"deletes": sorted(self.deletes), "appends": sorted(self.appends)})

    @staticmethod
    def parse(root: Dir, effects: str) -> Overlay:
        found = json.loads(effects)
        return Overlay(
            root, frozenset(found.get("deletes", ())), frozenset(found.get("appends", ()))
        )

    def replay(self, edits: EditBuffer, trees: Trees) -> None:
        """Do to `edits` what the set does."""
        for path in sorted(self.deletes):
            if path.endswith("/"):
                edits.delete_directory(path.rstrip("/") or "/")
            else:
                edits.delete(path)
        if not self.appends:
            edits.graft("/", self.root)
            return
        for entry in trees.walk(self.root, "/", dirs=False):
            if isinstance(entry.node, Dir):
                continue
            if entry.path in self.appends:
                edits.add(entry.path, entry.node)
            else:
                edits.put([entry.path], [entry.node])


def overlay(edits: EditBuffer, root: Dir, trees: Trees) -> Overlay:
    """The overlay of a set made by `edits`, whose tree is `root`."""
    deletes: set[str] = set()
    appends: set[str] = set()
    replaced: set[str] = set()
    for layer in edits.layers():
        for operation in layer.trees:
            if isinstance(operation, Removal):
                deletes.add(operation.path.rstrip("/") + "/")
            else:
                put = appends if operation.append else replaced
                put.update(_files_of(operation, trees))
        _note_files(layer, deletes, appends, replaced)
    return Overlay(root, frozenset(deletes), frozenset(appends - replaced))


def _note_files(layer: Layer, deletes: set[str], appends: set[str], replaced: set[str]) -> None:
    for path, edit in layer.files.items():
        if isinstance(edit, Content) or (edit.cleared and edit.parts):
            replaced.add(path)
        elif edit.parts:
            appends.add(path)
        elif _is_deletion(edit):
            deletes.add(path)
            # Nothing is left to append to; what follows starts from nothing.
            replaced.discard(path)


def _is_deletion(edit: FileEdit) -> bool:
    return edit.cleared and not edit.parts


def _files_of(graft: Graft, trees: Trees) -> Iterator[str]:
    below = graft.path.rstrip("/")
    for entry in trees.walk(graft.node, "/", dirs=False):
        yield below + entry.path
