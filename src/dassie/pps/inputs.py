"""The input algebra: which datums an input makes, and which of them changed. Pure.

`datums` enumerates; `delta` says what is different between two states of the input commits without
enumerating either: for a `pfs` input it looks at changed paths only, for a cross at those times the
other side. Both see input commits through a `Lister`. Planning calls them; content is never read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import NamedTuple, Protocol

from dassie.base.glob import Glob
from dassie.pps.datums import DatumId, DatumInputs, InputFile, datum_id
from dassie.pps.spec import Cross, Input, PfsInput, Union
from dassie.storage.types import Dir, Entry


class Lister(Protocol):
    """The input commits of one job. An entry's `path` is absolute; a directory's ends with `/`."""

    def commit(self, leaf: PfsInput) -> str:
        """Id of the input's commit."""

    def glob(self, leaf: PfsInput) -> Iterable[Entry]:
        """Every file and directory that the input's glob matches, in path order, each once. The
        root of an empty commit is not among them."""

    def lookup(self, leaf: PfsInput, path: str) -> Entry | None:
        """The file or directory at `path` (given without a trailing `/`), whichever it is."""


Differ = Callable[[PfsInput], Iterable[tuple[Entry | None, Entry | None]]]
"""Files (and, if convenient, directories) that differ between the input's old and new commit."""


@dataclass(frozen=True, slots=True)
class DatumChange:
    """One datum that is not the same any more: `old` is None when it is new, `new` when it is gone.

    Files of `old` that did not change stand there as they are now, so their commit may be a later
    one.
    """

    id: DatumId
    old: DatumInputs | None
    new: DatumInputs | None


class _Change(NamedTuple):
    """A datum before and after. What did not change may stand on both sides as it is now: of the
    old side only its identity counts."""

    before: DatumInputs | None
    after: DatumInputs | None


_Key = tuple[tuple[str, str, str, str, str], ...]
"""What identifies a datum, as its id does, without hashing."""
_Changes = dict[_Key, _Change]


def datums(input_: Input, lister: Lister) -> Iterator[DatumInputs]:
    """Every datum of `input_`, each id once, in a fixed order; streams."""
    if isinstance(input_, PfsInput):
        commit = lister.commit(input_)
        for entry in lister.glob(input_):
            if not _is_empty(entry):
                yield (_file(input_, commit, entry),)
    elif isinstance(input_, Cross):
        yield from _cross(input_.inputs, lister)
    else:
        yield from _union(input_, lister)


def delta(input_: Input, old: Lister, new: Lister, diff: Differ) -> Iterator[DatumChange]:
    """What takes `datums(input_, old)` to `datums(input_, new)`, each id at most once.

    A datum counts as changed when a file of it has other content; a new commit with the same
    content is no change.
    """
    for before, after in _delta(input_, old, new, diff).values():
        yield DatumChange(datum_id(after or before or ()), before, after)


def count(input_: Input, lister: Lister) -> int:
    """How many datums there are, without making those of a cross."""
    if isinstance(input_, Cross):
        total = 1
        for child in input_.inputs:
            total *= count(child, lister) if total else 0
        return total
    return sum(1 for _ in datums(input_, lister))


def _file(leaf: PfsInput, commit: str, entry: Entry) -> InputFile:
    return InputFile(
        name=leaf.name,
        project=leaf.project,
        repo=leaf.repo,
        repo_type=leaf.repo_type,
        branch=leaf.branch,
        commit=commit,
        path=entry.path,
        node=entry.node,
        lazy=leaf.lazy,
        empty_files=leaf.empty_files,
        reference=leaf.reference,
    )


def _is_empty(entry: Entry) -> bool:
    """Directories exist only above files, so this is the root of an empty commit: no datum."""
    return isinstance(entry.node, Dir) and entry.node.files == 0


def _cross(children: Sequence[Input], lister: Lister) -> Iterator[DatumInputs]:
    first, *rest = children
    # The other sides are listed once and kept: they are walked for every datum of the first.
    others: list[list[DatumInputs]] | None = None
    for left in datums(first, lister):
        if others is None:
            others = [list(datums(child, lister)) for child in rest]
        for combination in product(*others):
            yield sum(combination, left)


def _union(union: Union, lister: Lister) -> Iterator[DatumInputs]:
    seen: set[_Key] | None = set() if _may_repeat(union) else None
    for child in union.inputs:
        for datum in datums(child, lister):
            if seen is not None:
                key = _key(datum)
                if key in seen:
                    continue
                seen.add(key)
            yield datum


def _may_repeat(union: Union) -> bool:
    """Whether two inputs of the union could make the same datum; remembering them is not free."""
    sources: set[object] = set()
    for child in union.inputs:
        own = {(leaf.name, leaf.branch_key) for leaf in child.leaves()}
        if sources & own:
            return True
        sources |= own
    return False


def _key(datum: DatumInputs) -> _Key:
    return tuple(
        (file.name, file.project, file.full_repo, file.branch, file.path) for file in datum
    )


def _delta(input_: Input, old: Lister, new: Lister, diff: Differ) -> _Changes:
    if isinstance(input_, PfsInput):
        return _pfs_delta(input_, old, new, diff)
    if isinstance(input_, Cross):
        return _cross_delta(input_.inputs, old, new, diff)
    return _union_delta(input_, old, new, diff)


def _pfs_delta(leaf: PfsInput, old: Lister, new: Lister, diff: Differ) -> _Changes:
    glob = Glob.parse(leaf.glob)
    old_commit, new_commit = old.commit(leaf), new.commit(leaf)
    changes: _Changes = {}
    for path in _touched(diff(leaf)):
        if not glob.match(path):
            continue
        before, after = _entry(old, leaf, path), _entry(new, leaf, path)
        if before and after and (before.path, before.hash) == (after.path, after.hash):
            continue
        if before:
            datum = (_file(leaf, old_commit, before),)
            changes[_key(datum)] = _Change(datum, None)
        if after:
            datum = (_file(leaf, new_commit, after),)
            # A file that became a directory is another datum; with one path it is a changed one.
            gone = changes.get(_key(datum), _Change(None, None))
            changes[_key(datum)] = _Change(gone.before, datum)
    return changes


def _entry(lister: Lister, leaf: PfsInput, path: str) -> Entry | None:
    entry = lister.lookup(leaf, path)
    return None if entry is None or _is_empty(entry) else entry


def _touched(pairs: Iterable[tuple[Entry | None, Entry | None]]) -> Iterator[str]:
    """Every changed path and every directory above one, each once, without a trailing `/`."""
    seen: set[str] = set()
    for pair in pairs:
        for entry in pair:
            if entry is None:
                continue
            path = entry.path.rstrip("/") or "/"
            while path not in seen:
                seen.add(path)
                yield path
                path = path.rpartition("/")[0] or "/"


def _cross_delta(children: Sequence[Input], old: Lister, new: Lister, diff: Differ) -> _Changes:
    first, *rest = children
    left = _delta(first, old, new, diff)
    if not rest:
        return left
    right = _cross_delta(rest, old, new, diff)
    changes: _Changes = {}
    for one in left.values():
        for other in right.values():
            _combine(changes, one, other)
    if left:
        for datum in _cross(rest, new):
            if _key(datum) not in right:
                for one in left.values():
                    _combine(changes, one, _Change(datum, datum))
    if right:
        for datum in datums(first, new):
            if _key(datum) not in left:
                for other in right.values():
                    _combine(changes, _Change(datum, datum), other)
    return changes


def _combine(changes: _Changes, one: _Change, other: _Change) -> None:
    before = one.before + other.before if one.before and other.before else None
    after = one.after + other.after if one.after and other.after else None
    if datum := after or before:
        changes[_key(datum)] = _Change(before, after)


def _union_delta(union: Union, old: Lister, new: Lister, diff: Differ) -> _Changes:
    changes: _Changes = {}
    for child in union.inputs:
        changes |= _delta(child, old, new, diff)
    if not _may_repeat(union):
        return changes
    # Another input may make the same datum, unchanged even: ask all of them, on both sides.
    settled: _Changes = {}
    for key in changes:
        change = _Change(_find(union, old, key), _find(union, new, key))
        if _content(change.before) != _content(change.after):
            settled[key] = change
    return settled


def _content(datum: DatumInputs | None) -> list[bytes] | None:
    return None if datum is None else [file.node.hash for file in datum]


def _find(input_: Input, lister: Lister, key: _Key) -> DatumInputs | None:
    """The datum of `input_` with that identity."""
    for datum, rest in _prefixes(input_, lister, key):
        if not rest:
            return datum
    return None


def _prefixes(input_: Input, lister: Lister, key: _Key) -> Iterator[tuple[DatumInputs, _Key]]:
    """Datums of `input_` that a front part of `key` identifies, each with what is left of it."""
    if isinstance(input_, Union):
        for child in input_.inputs:
            yield from _prefixes(child, lister, key)
    elif isinstance(input_, Cross):
        found: list[tuple[DatumInputs, _Key]] = [((), key)]
        for child in input_.inputs:
            found = [
                (front + datum, rest)
                for front, left in found
                for datum, rest in _prefixes(child, lister, left)
            ]
        yield from found
    elif key and (file := _lookup(input_, lister, key[0])):
        yield (file,), key[1:]


def _lookup(
    leaf: PfsInput, lister: Lister, part: tuple[str, str, str, str, str]
) -> InputFile | None:
    name, project, full_repo, branch, path = part
    bare = path.rstrip("/") or "/"
    if name != leaf.name or not Glob.parse(leaf.glob).match(bare):
        return None
    entry = _entry(lister, leaf, bare)
    if entry is None or entry.path != path:
        return None
    file = _file(leaf, lister.commit(leaf), entry)
    same = (file.project, file.full_repo, file.branch) == (project, full_repo, branch)
    return file if same else None
