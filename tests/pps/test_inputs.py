"""The input algebra: enumeration, and the delta that must agree with it."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dassie.base.glob import Glob
from dassie.base.hashing import digest
from dassie.pps.datums import DatumInputs, datum_id
from dassie.pps.inputs import Lister, count, datums, delta
from dassie.pps.spec import Input, PfsInput, input_from_json
from dassie.pps.spec_json import check
from dassie.storage.types import EMPTY_DIR, Content, Dir, Entry

Files = Mapping[str, bytes]


class Tree:
    """Files in a dict, seen as an immutable tree."""

    def __init__(self, files: Files) -> None:
        self.files = dict(sorted(files.items()))
        dirs: dict[str, list[str]] = {}
        for path in self.files:
            for end, char in enumerate(path):
                if char == "/":
                    dirs.setdefault(path[: end + 1], []).append(path)
        self.entries: dict[str, Entry] = {
            path: Entry(path, Content(digest(data), len(data))) for path, data in files.items()
        }
        for path, below in dirs.items():
            plain = "".join(f"{f[len(path) :]}\0{self.files[f]!r}\0" for f in sorted(below))
            size = sum(len(self.files[f]) for f in below)
            self.entries[path] = Entry(path, Dir(digest(plain.encode()), None, size, len(below)))
        self.entries.setdefault("/", Entry("/", EMPTY_DIR))

    def get(self, path: str) -> Entry | None:
        return self.entries.get(path) or self.entries.get(path.rstrip("/") + "/")

    def glob(self, pattern: str) -> Iterator[Entry]:
        glob = Glob.parse(pattern)
        for path in sorted(self.entries):
            if glob.match(path):
                yield self.entries[path]


class Repos:
    """A `Lister` over trees by repo name."""

    def __init__(self, commit: str, trees: Mapping[str, Tree]) -> None:
        self._commit = commit
        self.trees = trees
        self.looked_up = 0

    def commit(self, leaf: PfsInput) -> str:
        return self._commit

    def glob(self, leaf: PfsInput) -> Iterator[Entry]:
        return self.trees[leaf.repo].glob(leaf.glob)

    def lookup(self, leaf: PfsInput, path: str) -> Entry | None:
        self.looked_up += 1
        return self.trees[leaf.repo].get(path)


def diff(old: Tree, new: Tree) -> Iterator[tuple[Entry | None, Entry | None]]:
    """Changed files; a file that became a directory is reported as gone and as what is below."""
    for path in sorted(old.files.keys() | new.files.keys()):
        if old.files.get(path) != new.files.get(path):
            yield (
                old.entries[path] if path in old.files else None,
                new.entries[path] if path in new.files else None,
            )


def input_of(raw: dict[str, Any]) -> Input:
    return input_from_json(check(raw, "Input"), "default")


def pfs(repo: str, glob: str, name: str = "", **fields: Any) -> dict[str, Any]:
    return {"pfs": {"repo": repo, "glob": glob, "name": name or repo, **fields}}


def labels(input_: Input, lister: Lister) -> list[str]:
    return [" ".join(file.label for file in datum) for datum in datums(input_, lister)]


IMAGES = Tree({"/a": b"1", "/b": b"2", "/d/x": b"3", "/d/e/y": b"4"})
TABLES = Tree({"/1": b"", "/2": b""})
REPOS = Repos("c" * 32, {"a": IMAGES, "b": TABLES, "empty": Tree({})})


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (pfs("a", "/*"), ["a:/a", "a:/b", "a:/d/"]),
        (pfs("a", "/"), ["a:/"]),
        (pfs("a", "/**"), ["a:/a", "a:/b", "a:/d/", "a:/d/e/", "a:/d/e/y", "a:/d/x"]),
        (pfs("a", "/d"), ["a:/d/"]),
        (pfs("a", "/nothing"), []),
        (pfs("empty", "/"), []),
        (pfs("empty", "/*"), []),
        ({"cross": [pfs("b", "/*"), pfs("a", "/a")]}, ["a:/a b:/1", "a:/a b:/2"]),
        ({"cross": [pfs("a", "/*"), pfs("empty", "/*")]}, []),
        ({"cross": [pfs("empty", "/*"), pfs("z", "/*")]}, []),
        ({"union": [pfs("b", "/*"), pfs("a", "/a")]}, ["a:/a", "b:/1", "b:/2"]),
        ({"union": [pfs("b", "/*"), pfs("empty", "/")]}, ["b:/1", "b:/2"]),
        ({"union": [pfs("b", "/1"), pfs("b", "/*")]}, ["b:/1", "b:/2"]),
        ({"union": [pfs("b", "/1", "x"), pfs("b", "/*", "y")]}, ["x:/1", "y:/1", "y:/2"]),
        (
            {"cross": [{"union": [pfs("b", "/1"), pfs("b", "/*")]}, pfs("a", "/a")]},
            ["a:/a b:/1", "a:/a b:/2"],
        ),
    ],
)
def test_enumeration(raw: dict[str, Any], expected: list[str]) -> None:
    input_ = input_of(raw)
    assert labels(input_, REPOS) == expected
    assert count(input_, REPOS) == len(expected)


def test_a_datum_carries_its_inputs_settings() -> None:
    raw = pfs("b", "/1", "x", lazy=True, empty_files=True, reference=True, branch="dev")
    ((file,),) = datums(input_of(raw), REPOS)
    assert (file.name, file.project, file.repo, file.branch) == ("x", "default", "b", "dev")
    assert (file.lazy, file.empty_files, file.reference) == (True, True, True)
    assert (file.commit, file.node) == ("c" * 32, Content(digest(b""), 0))


def changes(raw: dict[str, Any], old: Files, new: Files) -> dict[str, str]:
    """Delta over repo `a`, repo `b` unchanged: label → what happened."""
    before = Repos("old", {"a": Tree(old), "b": TABLES})
    after = Repos("new", {"a": Tree(new), "b": TABLES})
    input_ = input_of(raw)
    by_id = {
        datum_id(datum): " ".join(file.label for file in datum)
        for lister in (before, after)
        for datum in datums(input_, lister)
    }
    found = delta(input_, before, after, differ(before, after))
    return {
        by_id[change.id]: ("gone" if change.new is None else "changed" if change.old else "new")
        for change in found
    }


def differ(before: Repos, after: Repos) -> Any:
    def pairs(leaf: PfsInput) -> Iterable[tuple[Entry | None, Entry | None]]:
        return diff(before.trees[leaf.repo], after.trees[leaf.repo])

    return pairs


BASE = {"/a": b"1", "/d/x": b"2", "/d/e/y": b"3"}


@pytest.mark.parametrize(
    ("raw", "new", "expected"),
    [
        (pfs("a", "/*"), BASE, {}),
        (pfs("a", "/*"), {**BASE, "/n": b""}, {"a:/n": "new"}),
        (pfs("a", "/*"), {**BASE, "/d/e/y": b"!"}, {"a:/d/": "changed"}),
        (pfs("a", "/*"), {**BASE, "/d/new": b"!"}, {"a:/d/": "changed"}),
        (pfs("a", "/*"), {"/a": b"1"}, {"a:/d/": "gone"}),
        (pfs("a", "/"), {**BASE, "/d/e/y": b"!"}, {"a:/": "changed"}),
        (pfs("a", "/"), {}, {"a:/": "gone"}),
        (
            pfs("a", "/**"),
            {**BASE, "/d/e/y": b"!"},
            {"a:/d/": "changed", "a:/d/e/": "changed", "a:/d/e/y": "changed"},
        ),
        (
            pfs("a", "/*"),
            {"/a/f": b"1", "/d/x": b"2", "/d/e/y": b"3"},
            {"a:/a": "gone", "a:/a/": "new"},
        ),
        (pfs("a", "/*"), {**BASE, "/a": b"?"}, {"a:/a": "changed"}),
        (
            {"cross": [pfs("a", "/*"), pfs("b", "/*")]},
            {**BASE, "/a": b"?"},
            {"a:/a b:/1": "changed", "a:/a b:/2": "changed"},
        ),
        (
            {"cross": [pfs("a", "/*", "x"), pfs("a", "/*", "y")]},
            {"/a": b"1", "/n": b""},
            {
                "x:/a y:/n": "new",
                "x:/n y:/a": "new",
                "x:/n y:/n": "new",
                "x:/a y:/d/": "gone",
                "x:/d/ y:/a": "gone",
                "x:/d/ y:/d/": "gone",
            },
        ),
        # The other input of the union still makes the datum, changed.
        ({"union": [pfs("a", "/a"), pfs("a", "/*")]}, {**BASE, "/a": b"?"}, {"a:/a": "changed"}),
    ],
)
def test_delta(raw: dict[str, Any], new: Files, expected: dict[str, str]) -> None:
    assert changes(raw, BASE, new) == expected


def test_delta_looks_at_what_changed_only() -> None:
    files = {f"/d{n // 100}/f{n}": b"" for n in range(5_000)}
    before, after = (
        Repos("old", {"a": Tree(files)}),
        Repos("new", {"a": Tree({**files, "/d0/f0": b"!"})}),
    )
    found = list(delta(input_of(pfs("a", "/*/*")), before, after, differ(before, after)))
    assert len(found) == 1
    assert before.looked_up + after.looked_up <= 8


names = st.sampled_from(["a", "b", "ab", "c"])
contents = st.sampled_from([b"", b"1", b"2"])


def _tree(nested: Any, prefix: str = "") -> dict[str, bytes]:
    flat: dict[str, bytes] = {}
    for name, value in nested.items():
        if isinstance(value, bytes):
            flat[f"{prefix}/{name}"] = value
        else:
            flat |= _tree(value, f"{prefix}/{name}")
    return flat


trees = st.recursive(
    st.dictionaries(names, contents, max_size=4),
    lambda child: st.dictionaries(names, contents | child, max_size=4),
    max_leaves=6,
).map(_tree)
globs = st.sampled_from(
    ["/", "/*", "/**", "/*/*", "/a", "/a/**", "/{a,b}", "/(*)", "/**/b", "/!(a)", "/a*", "/a/", "*"]
)
leaves = st.builds(
    lambda repo, glob, name, reference: pfs(repo, glob, name, reference=reference),
    st.sampled_from(["r", "s"]),
    globs,
    st.sampled_from(["x", "y", "z"]),
    st.booleans(),
)
inputs = st.recursive(
    leaves,
    lambda child: st.one_of(
        st.lists(child, min_size=1, max_size=3).map(lambda c: {"union": c}),
        st.lists(child, min_size=1, max_size=3).map(lambda c: {"cross": c}),
    ),
    max_leaves=4,
)


def rename(raw: dict[str, Any], prefix: str) -> dict[str, Any]:
    """Keep names apart across the sides of a cross, as a valid spec does."""
    if "pfs" in raw:
        return {"pfs": {**raw["pfs"], "name": prefix + raw["pfs"]["name"]}}
    if "union" in raw:
        return {"union": [rename(child, prefix) for child in raw["union"]]}
    return {"cross": [rename(child, f"{prefix}{n}") for n, child in enumerate(raw["cross"])]}


@settings(max_examples=400, deadline=None)
@given(inputs.map(lambda raw: rename(raw, "i")), trees, trees, trees, trees)
def test_delta_takes_the_old_datums_to_the_new(
    raw: dict[str, Any], r0: Files, r1: Files, s0: Files, s1: Files
) -> None:
    before = Repos("old", {"r": Tree(r0), "s": Tree(s0)})
    after = Repos("new", {"r": Tree(r1), "s": Tree(s1)})
    input_ = input_of(raw)
    state = {datum_id(d): d for d in datums(input_, before)}
    wanted = {datum_id(d): d for d in datums(input_, after)}
    assert len(wanted) == len(list(datums(input_, after)))
    seen = set()
    for change in delta(input_, before, after, differ(before, after)):
        assert change.id not in seen
        seen.add(change.id)
        assert content_of(change.old) == content_of(state.get(change.id))
        if change.new is None:
            del state[change.id]
        else:
            state[change.id] = change.new
    assert content(state) == content(wanted)
    for id_ in seen & wanted.keys():
        assert state[id_] == wanted[id_]


def content(state: Mapping[Any, DatumInputs]) -> dict[Any, Any]:
    return {id_: content_of(datum) for id_, datum in state.items()}


def content_of(datum: DatumInputs | None) -> list[Any] | None:
    return None if datum is None else [(file.label, file.node) for file in datum]
