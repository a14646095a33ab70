"""Trees against a dict: every operation, whatever the history."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dassie.base.glob import Glob
from dassie.base.hashing import digest
from dassie.blob.drivers.memory import MemoryStore
from dassie.errors import InvalidArgument
from dassie.storage import node
from dassie.storage.errors import PathConflict
from dassie.storage.lease import HeldSession
from dassie.storage.store import Storage
from dassie.storage.types import EMPTY_DIR, Content, Delete, Dir, Put
from tests.storage.conftest import SMALL, MemoryIndex


@pytest.fixture(autouse=True)
def _small_nodes(monkeypatch):
    """Nodes of about four entries, so that small trees have several levels."""
    monkeypatch.setattr(node, "LEAF_BITS", 2)
    monkeypatch.setattr(node, "INNER_BITS", 1)


def content(text):
    data = text.encode()
    return Content(digest(data), len(data))


def make_storage():
    return Storage(MemoryStore(), MemoryIndex(), HeldSession(1), limits=SMALL)


def build(storage, files, root=EMPTY_DIR):
    with storage.session() as upload:
        result = upload.edit(root, [Put(path, content(text)) for path, text in files.items()])
        upload.flush()
    return result


def edit(storage, root, *edits):
    with storage.session() as upload:
        result = upload.edit(root, edits)
        upload.flush()
    return result


def files_of(storage, root):
    return {e.path: e.node for e in storage.tree.walk(root, "/", dirs=False)}


def expected_walk(files):
    """Paths of a walk over a dict of files, in order."""
    paths = set(files)
    for path in files:
        parts = path.split("/")[1:-1]
        paths.update("/" + "".join(p + "/" for p in parts[:i]) for i in range(len(parts) + 1))
    return sorted(paths, key=str.encode)


NAMES = st.sampled_from(["a", "b", "c", "d", "a.x", "a-", "a0", "ä", "b b", "+", "z" * 5])
PATHS = st.lists(NAMES, min_size=1, max_size=3).map(lambda parts: "/" + "/".join(parts))
WIDE = st.integers(0, 60).map(lambda n: f"/wide/{n:03}")
TEXTS = st.sampled_from(["", "x", "y", "zz"])
FILES = st.dictionaries(PATHS | WIDE, TEXTS, max_size=80).map(
    lambda files: {
        path: text
        for path, text in files.items()
        if not any(other.startswith(path + "/") for other in files)
    }
)


@settings(max_examples=60, deadline=None)
@given(FILES, st.randoms(use_true_random=False), st.integers(1, 20))
def test_tree_is_a_function_of_its_content(files, random, batch):
    storage = make_storage()
    at_once = build(storage, files)
    shuffled = list(files.items())
    random.shuffle(shuffled)
    stepwise = build(storage, {f"/junk/{i}": "j" for i in range(20)})
    for start in range(0, len(shuffled), batch):
        stepwise = build(storage, dict(shuffled[start : start + batch]), stepwise)
    stepwise = edit(storage, stepwise, Delete("/junk"))
    assert stepwise == at_once
    assert at_once.files == len(files)
    assert at_once.size == sum(len(text) for text in files.values())
    assert [e.path for e in storage.tree.walk(at_once, "/")] == (
        expected_walk(files) if files else []
    )
    assert files_of(storage, at_once) == {p: content(t) for p, t in files.items()}


@settings(max_examples=60, deadline=None)
@given(FILES, PATHS | WIDE | st.just("/") | st.just("/b/"), st.booleans(), st.booleans())
def test_order_and_resuming(files, after, reverse, dirs):
    storage = make_storage()
    root = build(storage, files)
    everything = expected_walk(files) if files else []
    if not dirs:
        everything = [p for p in everything if not p.endswith("/")]
    for resume in {after, after + "/", *everything[:5]}:
        left = [p for p in everything if (p < resume if reverse else p > resume)]
        found = storage.tree.walk(root, "/", after=resume, reverse=reverse, dirs=dirs)
        assert [e.path for e in found] == (left[::-1] if reverse else left)
        below = [p for p in left if p.startswith("/a/")]
        found = storage.tree.walk(root, "/a", after=resume, reverse=reverse, dirs=dirs)
        if "/a" not in files:
            assert [e.path for e in found] == (below[::-1] if reverse else below)


@settings(max_examples=60, deadline=None)
@given(FILES, PATHS | WIDE, st.booleans())
def test_list_and_lookup(files, path, reverse):
    storage = make_storage()
    root = build(storage, files)
    everything = expected_walk(files) if files else ["/"]
    for entry_path in everything:
        entry = storage.tree.lookup(root, entry_path.rstrip("/") or "/")
        assert entry is not None
        assert entry.path == entry_path
        inside = entry_path if entry.is_dir else entry_path + "\0"
        below = [t for p, t in files.items() if p == entry_path or p.startswith(inside)]
        assert entry.size == sum(len(text) for text in below)
        if entry.is_dir:
            assert entry.node.files == len(below)
            rest = [(p, p[len(entry_path) :]) for p in everything if p != entry_path]
            children = [
                p
                for p, name in rest
                if p.startswith(entry_path) and name and "/" not in name.rstrip("/")
            ]
            found = storage.tree.list(root, entry_path, reverse=reverse)
            assert [e.path for e in found] == (children[::-1] if reverse else children)
            for resume in children[:3]:
                found = storage.tree.list(root, entry_path, after=resume, reverse=reverse)
                left = [p for p in children if (p < resume if reverse else p > resume)]
                assert [e.path for e in found] == (left[::-1] if reverse else left)
    if path not in files and path + "/" not in everything:
        assert storage.tree.lookup(root, path) is None
        assert list(storage.tree.list(root, path)) == []
        assert list(storage.tree.walk(root, path)) == []


@settings(max_examples=60, deadline=None)
@given(FILES, FILES, st.booleans())
def test_diff(old_files, new_files, shallow):
    storage = make_storage()
    old, new = build(storage, old_files), build(storage, new_files)
    before = {e.path: e for e in storage.tree.walk(old, "/")}
    after = {e.path: e for e in storage.tree.walk(new, "/")}
    expected = []
    for path in sorted({*before, *after}, key=str.encode):
        left, right = before.get(path), after.get(path)
        if left is not None and right is not None and left.hash == right.hash:
            continue
        if shallow and "/" in path[1:].rstrip("/"):
            continue
        expected.append((left, right))
    assert list(storage.tree.diff(old, new, shallow=shallow)) == expected


PATTERNS = st.sampled_from(["/", "/*", "/a*", "/*/*", "/a/*", "/**", "/**a", "/a/**", "/{a,b}/*"])
PATTERNS |= st.sampled_from(
    ["/wide/0?0", "/wide/0*", "/wide/001", "/!(a)", "/(a|b)*/!(b)", "/[ab]"]
)
PATTERNS |= st.sampled_from(["/a/b", "/wide/05[0-9]", "/wi**5", "/*/**1"])


@settings(max_examples=80, deadline=None)
@given(FILES, PATTERNS, PATHS | WIDE | st.just(""), st.booleans())
def test_glob(files, pattern, after, reverse):
    storage = make_storage()
    root = build(storage, files)
    glob = Glob.parse(pattern)
    expected = [
        e.path
        for e in storage.tree.walk(root, "/", reverse=reverse)
        if glob.match(e.path) and (not after or (e.path < after if reverse else e.path > after))
    ]
    assert [e.path for e in storage.tree.glob(root, glob, after=after, reverse=reverse)] == expected


# -- edits in sequence against a model


def apply_to_model(files, step):
    """What a list of edits does to a dict; `None` when it ends in a contradiction."""
    files = dict(files)
    for change in step:
        if isinstance(change, Delete):
            here = change.path.rstrip("/")
            files = {p: t for p, t in files.items() if p != here and not p.startswith(here + "/")}
        else:
            files[change.path] = change.node
    clash = any(other.startswith(path + "/") for path in files for other in files)
    return None if clash else files


EDITS = st.lists(
    st.builds(Put, PATHS | WIDE, TEXTS.map(content))
    | st.builds(Delete, PATHS | WIDE | st.sampled_from(["/", "/wide", "/a/", "/b/a"])),
    max_size=25,
)


@settings(max_examples=150, deadline=None)
@given(st.lists(EDITS, min_size=1, max_size=4))
def test_edits_in_order(steps):
    storage = make_storage()
    root, model = EMPTY_DIR, {}
    for step in steps:
        expected = apply_to_model(model, step)
        if expected is None:
            with pytest.raises(PathConflict, match="collision"):
                edit(storage, root, *step)
            continue
        root, model = edit(storage, root, *step), expected
        assert files_of(storage, root) == model
        assert root == edit(storage, EMPTY_DIR, *(Put(p, n) for p, n in model.items()))


def test_graft_shares_and_is_edited_in_place():
    storage = make_storage()
    base = build(storage, {"/d/x": "1", "/d/y": "2", "/e": "3"})
    sub = storage.tree.lookup(base, "/d").node
    root = edit(storage, base, Put("/copy/d", sub), Put("/copy/d/z", content("4")))
    assert set(files_of(storage, root)) == {"/d/x", "/d/y", "/e"} | {
        f"/copy/d/{name}" for name in "xyz"
    }
    # A graft replaces what was there, and edits before it.
    root = edit(storage, root, Put("/copy/d/before", content("b")), Put("/copy/d", sub))
    assert storage.tree.lookup(root, "/copy/d").node == sub
    assert edit(storage, root, Put("/", sub)) == sub
    assert edit(storage, base, Put("/d", EMPTY_DIR)) == edit(storage, base, Delete("/d"))
    assert edit(storage, root, Delete("/")) == EMPTY_DIR


@pytest.mark.parametrize(
    "edits",
    [
        [Put("/a/b", content("")), Put("/a", content(""))],
        [Put("/f/x", content(""))],
        [Put("/d", content(""))],
        [Put("/f", Dir(b"h" * 32, b"r" * 32, 1, 1))],
        [Put("/", content(""))],
    ],
)
def test_collisions(edits):
    storage = make_storage()
    base = build(storage, {"/f": "1", "/d/x": "2", "/d.a": "", "/d-": ""})
    with pytest.raises(PathConflict, match="file / directory path collision"):
        edit(storage, base, *edits)


def test_collision_that_is_resolved():
    storage = make_storage()
    base = build(storage, {"/f": "1", "/d/x": "2", "/d/y": "2"})
    root = edit(storage, base, Delete("/f"), Put("/f/x", content("")))
    assert set(files_of(storage, root)) == {"/f/x", "/d/x", "/d/y"}
    root = edit(storage, base, Put("/d", content("")), Delete("/d/x"), Delete("/d/y"))
    assert set(files_of(storage, root)) == {"/f", "/d"}


def test_create():
    storage = make_storage()
    base = build(storage, {"/f": "1", "/d/x": "2"})
    new = Put("/n", content("n"), create=True)
    assert "/n" in files_of(storage, edit(storage, base, new))
    for edits in (
        [Put("/f", content(""), create=True)],
        [Put("/d", content(""), create=True)],
        [new, new],
        [Put("/d", Dir(b"h" * 32, b"r" * 32, 1, 1), create=True)],
        [Put("/d/x", content("2"), create=True)],
    ):
        with pytest.raises(PathConflict, match="duplicate path output by different datums"):
            edit(storage, base, *edits)
    root = edit(storage, base, Delete("/f"), Put("/f", content("2"), create=True))
    assert files_of(storage, root)["/f"] == content("2")


def test_paths_must_be_absolute():
    with pytest.raises(InvalidArgument, match="not allowed in path"):
        edit(make_storage(), EMPTY_DIR, Put("a", content("")))


def test_rename_changes_the_hash():
    storage = make_storage()
    one, two = build(storage, {"/d/a": "1"}), build(storage, {"/d/b": "1"})
    assert one.hash != two.hash
    assert build(storage, {"/d": "1"}).hash != build(storage, {"/d/1": "1"}).hash


def test_hash_does_not_depend_on_chunking():
    storage = make_storage()
    name = digest(b"whole")
    one = edit(storage, EMPTY_DIR, Put("/f", Content(name, 5)))
    two = edit(storage, EMPTY_DIR, Put("/f", Content(name, 5, b"r" * 32)))
    assert one.hash == two.hash
    assert one.ref != two.ref
    assert list(storage.tree.diff(one, two)) == []


def test_batches_of_edits_make_the_same_tree():
    storage = make_storage()
    files = {f"/d{i % 7}/f{i}": str(i) for i in range(3500)}  # more than SMALL.edit_batch
    assert build(storage, files) == build(storage, dict(reversed(files.items())))


def test_change_writes_little():
    storage = make_storage()
    files = {f"/d{i:02}/f{j:03}": "x" for i in range(20) for j in range(100)}
    root = build(storage, files)
    before = len(storage.index.chunks)
    build(storage, {"/d05/f050": "changed"}, root)
    assert len(storage.index.chunks) - before <= 24  # one node per level of two directories


def test_reads_of_untouched_parts_are_not_made():
    storage = make_storage()
    files = {f"/d{i:02}/f{j:03}": "x" for i in range(20) for j in range(100)}
    root = build(storage, files)
    changed = build(storage, {"/d05/f050": "changed"}, root)
    fresh = Storage(storage.blob, storage.index, HeldSession(1), limits=SMALL)
    read = []
    original = fresh.chunks.read
    fresh.tree._nodes._read = lambda names: read.extend(names) or original(names)
    assert len(list(fresh.tree.diff(root, changed))) == 3
    assert len(read) < 60
    read.clear()
    list(fresh.tree.glob(root, Glob.parse("/d07/f00*")))
    assert len(read) < 40
    read.clear()
    first = list(itertools.islice(fresh.tree.walk(root, "/"), 3))
    assert [e.path for e in first] == ["/", "/d00/", "/d00/f000"]
    assert len(read) < 200


def test_deep_trees():
    """Copies of copies may be deeper than any path that can be written."""
    storage = make_storage()
    root = build(storage, {"/d" * 400 + "/f": "x", "/e": "y"})
    for _ in range(4):
        root = edit(storage, EMPTY_DIR, Put("/c" * 400, root))
    assert len(list(storage.tree.walk(root, "/"))) == 2003
    assert len(list(storage.tree.walk(root, "/", reverse=True, dirs=False))) == 2
    assert len(list(storage.tree.diff(EMPTY_DIR, root))) == 2003
    assert len(list(storage.tree.glob(root, Glob.parse("/**f")))) == 1
    with pytest.raises(InvalidArgument, match="not allowed in path"):
        edit(storage, EMPTY_DIR, Put("/d" * 501, content("x")))
