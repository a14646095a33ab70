"""The edits of one write stream, kept in order until they are applied to a tree. Pure.

Called by `pfs.modification`. Holds paths and content references, never bytes. A stream may add to a
path piecewise, delete it and add again, delete directories and copy whole directories; applied to
whatever root is current, the result must be the same as if each call had been carried out at once.
So edits form layers: within a layer file edits touch distinct paths and none lies below another,
hence their order does not matter; an edit of a whole directory opens a new layer.

A long stream must not be held in memory as a whole: `settle` makes trees of the files so far, which
are laid over (or put behind) what is there as any directory that is copied.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from dassie.storage.errors import DUPLICATE, PathConflict
from dassie.storage.types import Content, Dir

DEFAULT_DATUM = "default"


@dataclass(slots=True)
class FileEdit:
    """What happens at one path: perhaps what was there goes, then `parts` are appended."""

    cleared: bool
    parts: list[Content]
    datum: str = DEFAULT_DATUM
    others: dict[str, list[Content]] | None = None
    """Parts written under other datum tags; must be gone when the stream ends."""


@dataclass(frozen=True, slots=True)
class Removal:
    """Delete everything below `path` (no trailing `/`), and a file of that name."""

    path: str


@dataclass(frozen=True, slots=True)
class Graft:
    """Copy the files of a directory to below `path`, over or (`append`) behind what is there."""

    path: str
    node: Dir
    append: bool
    settled: bool = False
    """Its files were written one by one in this stream, under the default datum tag."""


@dataclass(slots=True)
class Layer:
    """`trees` in order, then `files` in any order."""

    trees: list[Removal | Graft] = field(default_factory=list)
    files: dict[str, FileEdit | Content] = field(default_factory=dict)
    """A bare `Content` replaces the file, which is by far the most common edit."""
    directories: set[str] = field(default_factory=set)
    """Every directory above a path of `files`, without trailing `/`; the root is ``""``."""


def _are_siblings(paths: Sequence[str]) -> bool:
    """Do all certainly lie in one directory? Looks at all at once: a client names them so."""
    if not paths:
        return False
    above = paths[0][: paths[0].rfind("/") + 1]
    # What lies between two strings in their order begins as both do.
    alike = min(paths).startswith(above) and max(paths).startswith(above)
    return alike and "\0".join(paths).count("/") == len(paths) * above.count("/")


class EditBuffer:
    """Edits in stream order. Paths are clean: absolute, no trailing `/`, except the root `/`."""

    def __init__(self) -> None:
        self._layers = [Layer()]
        self._kept = 0

    def __bool__(self) -> bool:
        return bool(self._layers[0].trees or self._layers[0].files)

    def layers(self) -> Iterator[Layer]:
        """What to apply, in order."""
        return iter(self._layers)

    def add(self, path: str, content: Content, datum: str = "") -> None:
        """Append `content` to what is at `path`."""
        edit = self._at(path)
        datum = datum or DEFAULT_DATUM
        if datum == edit.datum:
            edit.parts.append(content)
        elif not edit.parts and not edit.others:
            edit.datum = datum
            edit.parts.append(content)
        else:
            edit.others = edit.others or {}
            edit.others.setdefault(datum, []).append(content)

    def add_all(self, paths: Sequence[str], contents: Sequence[Content]) -> None:
        """`add` each, without a datum tag."""
        if _are_siblings(paths) and self._layers[-1].files.keys().isdisjoint(paths):
            edits = [FileEdit(False, [content]) for content in contents]
            self._enter_parents(paths[0]).files.update(zip(paths, edits, strict=True))
            return
        for path, content in zip(paths, contents, strict=True):
            self.add(path, content)

    def put(self, paths: Sequence[str], contents: Sequence[Content]) -> None:
        """Replace files: `delete` and `add` of each in one step."""
        if _are_siblings(paths):
            self._enter_parents(paths[0]).files.update(zip(paths, contents, strict=True))
            return
        layer, last = self._layers[-1], None
        for path, content in zip(paths, contents, strict=True):
            parent = path[: path.rfind("/")]
            if parent != last:
                layer = self._enter_parents(path)
                last = parent
            layer.files[path] = content

    def delete(self, path: str, datum: str = "") -> None:
        """Remove the file or directory at `path`.

        What this stream wrote there under another datum tag stays, as in Pachyderm.
        """
        layer = self._layers[-1]
        if path == "/" or path in layer.directories:
            self.delete_directory(path)
            return
        edit = self._at(path)
        datum = datum or DEFAULT_DATUM
        edit.cleared = True
        if datum == edit.datum:
            edit.parts = []
            if edit.others:
                edit.datum = next(iter(edit.others))
                edit.parts = edit.others.pop(edit.datum)
        elif edit.others:
            edit.others.pop(datum, None)

    def delete_directory(self, path: str) -> None:
        """Remove everything below `path`."""
        if path == "/":
            self._layers = [Layer()]  # nothing that was done before can be seen any more
            self._kept = 0
        self._tree_layer().trees.append(Removal(path))

    def graft(self, path: str, node: Dir, *, append: bool = False) -> None:
        """Copy the directory `node` to `path`, file by file over what is there."""
        self._tree_layer().trees.append(Graft(path, node, append))

    @property
    def unsettled(self) -> int:
        """How many paths were written since `settle` was called."""
        return len(self._layers[-1].files) - self._kept

    def settle(self, store: Callable[[Mapping[str, Content]], Dir]) -> None:
        """Turn what was written file by file into directories that `store` makes.

        Only whole files of the newest layer; what else there is remains as it is, and so does
        everything when the files do not fit together: a later call may still put that right.
        """
        layer = self._layers[-1]
        replaced: dict[str, Content] = {}
        added: dict[str, Content] = {}
        others: dict[str, FileEdit | Content] = {}
        for path, edit in layer.files.items():
            if isinstance(edit, Content):
                replaced[path] = edit
            elif len(edit.parts) != 1 or edit.others or edit.datum != DEFAULT_DATUM:
                others[path] = edit
            else:
                (replaced if edit.cleared else added)[path] = edit.parts[0]
        self._kept = len(layer.files)
        try:
            grafts = [
                Graft("/", store(files), append, settled=True)
                for files, append in ((replaced, False), (added, True))
                if files
            ]
        except PathConflict:
            return
        layer.trees += grafts
        layer.files = {}
        layer.directories = set()
        for path, edit in others.items():
            self._enter_parents(path).files[path] = edit
        self._kept = len(others)

    def settled(self) -> list[Dir]:
        """The directories that `settle` has made."""
        trees = (tree for layer in self._layers for tree in layer.trees)
        return [tree.node for tree in trees if isinstance(tree, Graft) and tree.settled]

    def tagged(self) -> Iterator[str]:
        """Paths that were appended to under another datum tag than the default one."""
        for layer in self._layers:
            for path, edit in layer.files.items():
                if isinstance(edit, FileEdit) and edit.datum != DEFAULT_DATUM and not edit.cleared:
                    yield path

    def check(self) -> None:
        """Raise `PathConflict` when a path was written under two datum tags."""
        for layer in self._layers:
            for path, edit in layer.files.items():
                if isinstance(edit, Content) or not edit.others:
                    continue
                tags = [edit.datum] if edit.parts else []
                tags += [tag for tag, parts in edit.others.items() if parts]
                if len(tags) > 1:
                    raise PathConflict(path, f"{DUPLICATE}: {', '.join(tags)}")

    def _tree_layer(self) -> Layer:
        if self._layers[-1].files:
            self._begin_layer()
        return self._layers[-1]

    def _begin_layer(self) -> None:
        self._layers.append(Layer())
        self._kept = 0

    def _at(self, path: str) -> FileEdit:
        files = self._layers[-1].files
        edit = files.get(path)
        if edit is None:
            files = self._enter_parents(path).files
            edit = files[path] = FileEdit(cleared=False, parts=[])
        elif isinstance(edit, Content):
            edit = files[path] = FileEdit(cleared=True, parts=[edit])
        return edit

    def _enter_parents(self, path: str) -> Layer:
        """Note the directories above a path; open a layer when one of them was deleted. Returns
        the layer for `path`."""
        layer = self._layers[-1]
        parent = path.rpartition("/")[0]
        if parent in layer.directories:
            return layer
        missing = []
        while parent not in layer.directories:
            above = layer.files.get(parent)
            if isinstance(above, FileEdit) and above.cleared and not above.parts:
                self._begin_layer()
                return self._enter_parents(path)
            missing.append(parent)
            if not parent:
                break
            parent = parent.rpartition("/")[0]
        layer.directories.update(missing)
        return layer
