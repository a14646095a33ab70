"""Applying edits to a tree: from a list of paths to changes of directories. Used by `Upload.edit`.

Edits are given in the order in which they were asked for and take effect in that order: a later one
wins, a deletion removes what was below its path before it and not what comes after it. Only what is
left at the end is judged: a path that is a file and a directory at once, or that two writers
claim, is a `PathConflict`.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

from dassie.base.paths import MAX_ELEMENTS
from dassie.errors import InvalidArgument
from dassie.storage.errors import COLLISION, DUPLICATE, PathConflict
from dassie.storage.node import Record
from dassie.storage.prolly import NodeStore, find, merge
from dassie.storage.types import EMPTY_DIR, Content, Delete, Dir, Edit, Put

_NEVER = -1


@dataclass(slots=True)
class _Claim:
    """What the edits of one path come to."""

    node: Content | Dir | None = None
    put_at: int = _NEVER
    deleted_at: int = _NEVER
    create: bool = False

    def newer(self, cutoff: int) -> bool:
        return self.put_at > cutoff or self.deleted_at > cutoff


def apply(store: NodeStore, root: Dir, edits: Sequence[Edit]) -> Dir:
    """The tree `root` after `edits`. New nodes go to `store`."""
    files = _plain(edits)
    if files is not None:
        paths = sorted(files)
        return put_files(store, root, paths, [files[path] for path in paths])
    claims = _claims(edits)
    cutoff = _NEVER
    top = claims.pop("/", None)
    if top is not None:
        root, cutoff = _new_top(root, top)
    paths = sorted(claims)
    _check_depth(paths)
    store.warm(root, paths)
    editor = _Editor(store, paths, [claims[path] for path in paths])
    return editor.directory(root, "/", 0, len(paths), cutoff)


def put_files(
    store: NodeStore, root: Dir, paths: Sequence[str], contents: Sequence[Content]
) -> Dir:
    """The tree `root` with these files: absolute paths without a trailing `/`, sorted."""
    _check_depth(paths)
    store.warm(root, paths)
    return _Editor(store, paths, contents).directory(root, "/", 0, len(paths), _NEVER)


def _check_depth(paths: Sequence[str]) -> None:
    for path in paths:
        if path.count("/") > MAX_ELEMENTS:
            raise InvalidArgument(
                f"more than {MAX_ELEMENTS} elements are not allowed in path {path!r}"
            )


def _new_top(root: Dir, top: _Claim) -> tuple[Dir, int]:
    """The tree that stands after edits of `/` itself, and the edit from which on others count."""
    if isinstance(top.node, Content):
        raise PathConflict("/", COLLISION)
    if top.node is not None:
        if top.create and root.ref is not None and top.deleted_at == _NEVER:
            raise PathConflict("/", DUPLICATE)
        return top.node, top.put_at
    return EMPTY_DIR, top.deleted_at


def _plain(edits: Sequence[Edit]) -> dict[str, Content] | None:
    """The common case: files are written and nothing else. Then the last of a path wins, and there
    is nothing to weigh."""
    files: dict[str, Content] = {}
    for edit in edits:
        if type(edit) is not Put or edit.create:
            return None
        path, node = edit.path, edit.node
        if type(node) is not Content or path[:1] != "/" or path[-1] == "/":
            return None
        files[path] = node
    return files


def _claims(edits: Sequence[Edit]) -> dict[str, _Claim]:
    claims: dict[str, _Claim] = {}
    for number, edit in enumerate(edits):
        path = edit.path
        if path[-1:] == "/" and len(path) > 1:
            path = path[:-1]
        if path[:1] != "/":
            raise InvalidArgument(f"{edit.path!r} is not allowed in path edits: not absolute")
        claim = claims.get(path)
        if isinstance(edit, Delete):
            claims[path] = _Claim(deleted_at=number)
        elif claim is None:
            claims[path] = _Claim(edit.node, number, _NEVER, edit.create)
        else:
            _claim_again(path, claim, edit, number)
    return claims


def _claim_again(path: str, claim: _Claim, edit: Put, number: int) -> None:
    if claim.node is not None:
        if edit.create:
            raise PathConflict(path, DUPLICATE)
        if type(claim.node) is not type(edit.node):
            raise PathConflict(path, COLLISION)
    claim.node = edit.node
    claim.put_at = number
    claim.create = claim.create or edit.create


class _Editor:
    """Sorted claims, applied directory by directory."""

    def __init__(
        self, store: NodeStore, paths: Sequence[str], claims: Sequence[_Claim | Content]
    ) -> None:
        self._store = store
        self._paths = paths
        self._claims = claims

    def directory(self, base: Dir, prefix: str, low: int, high: int, cutoff: int) -> Dir:
        """`base`, which stands at `prefix`, after those of the claims newer than `cutoff`."""
        if low == high:
            return base
        own, groups = self._grouped(prefix, low, high, cutoff)
        changes: dict[str, Record | None] = {}
        for name, claim in own.items():
            if isinstance(claim, Content):
                changes[name] = (name, claim.hash, claim.ref, claim.size, 1)
            else:
                self._change(changes, base, prefix, name, claim, cutoff)
        for name, (first, last) in groups.items():
            above = own.get(name)
            below, since = EMPTY_DIR, cutoff
            if isinstance(above, _Claim) and isinstance(above.node, Dir):
                below, since = above.node, above.put_at
            elif isinstance(above, _Claim) and above.deleted_at > cutoff:
                since = above.deleted_at
            else:
                below = self._subdirectory(base, name)
            result = self.directory(below, f"{prefix}{name}/", first, last, since)
            if result != below or name + "/" in changes:
                changes[name + "/"] = directory_record(name + "/", result)
        self._check_collisions(changes, base, prefix)
        return merge(self._store, base, sorted(changes.items())) if changes else base

    def _grouped(
        self, prefix: str, low: int, high: int, cutoff: int
    ) -> tuple[dict[str, _Claim | Content], dict[str, tuple[int, int]]]:
        """Claims on this directory's own entries, and index ranges of those further below."""
        paths, claims, start = self._paths, self._claims, len(prefix)
        own: dict[str, _Claim | Content] = {}
        groups: dict[str, tuple[int, int]] = {}
        i = low
        while i < high:
            path = paths[i]
            slash = path.find("/", start)
            if slash < 0:
                claim = claims[i]
                if isinstance(claim, Content) or claim.newer(cutoff):
                    own[path[start:]] = claim
                i += 1
            else:
                end = bisect_left(paths, path[:slash] + "0", i, high)  # "0" comes right after "/"
                groups[path[start:slash]] = (i, end)
                i = end
        return own, groups

    def _change(
        self,
        changes: dict[str, Record | None],
        base: Dir,
        prefix: str,
        name: str,
        claim: _Claim,
        cutoff: int,
    ) -> None:
        deleted = claim.deleted_at > cutoff
        if deleted:
            changes[name] = None
            changes[name + "/"] = None
        elif claim.create and (self._has(base, name) or self._has(base, name + "/")):
            raise PathConflict(prefix + name, DUPLICATE)
        node = claim.node
        if isinstance(node, Content):
            changes[name] = (name, node.hash, node.ref, node.size, 1)
        elif node is not None:
            changes[name + "/"] = directory_record(name + "/", node)

    def _check_collisions(self, changes: dict[str, Record | None], base: Dir, prefix: str) -> None:
        """No name may be a file and a directory when all is done."""
        if base.ref is None and "/" not in "".join(changes):
            return
        for key, record in changes.items():
            if record is None:
                continue
            other = key[:-1] if key[-1] == "/" else key + "/"
            clash = changes[other] is not None if other in changes else self._has(base, other)
            if clash:
                raise PathConflict(prefix + key.removesuffix("/"), COLLISION)

    def _has(self, base: Dir, key: str) -> bool:
        return self._entry(base, key) is not None

    def _entry(self, base: Dir, key: str) -> Record | None:
        if base.ref is None:
            return None
        node, _ = find(self._store, self._store.get(base.ref), 0, key)
        i = bisect_left(node.keys, key)
        return node.record(i) if i < len(node.keys) and node.keys[i] == key else None

    def _subdirectory(self, base: Dir, name: str) -> Dir:
        record = self._entry(base, name + "/")
        if record is None:
            return EMPTY_DIR
        _, semantic, ref, size, files = record
        return Dir(semantic, ref, size, files)


def directory_record(key: str, node: Dir) -> Record | None:
    """Entry of a directory in its parent; an empty one has none."""
    return None if node.ref is None else (key, node.hash, node.ref, node.size, node.files)
