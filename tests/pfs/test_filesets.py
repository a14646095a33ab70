"""File sets: create, read as a commit, add, compose, shard, renew, expire."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dassie.base.clock import ManualClock
from dassie.blob.drivers.memory import MemoryStore
from dassie.errors import InvalidArgument, NotFound
from dassie.meta.database import Database
from dassie.pfs import commits, repos
from dassie.pfs.cache import Cache
from dassie.pfs.errors import CommitFinished
from dassie.pfs.files import Files
from dassie.pfs.filesets import FileSets
from dassie.pfs.graph import Graph
from dassie.pfs.model import FILESETS, BranchKey, CommitRef, RepoKey
from dassie.pfs.reading import PathRange
from dassie.pfs.views import roots
from dassie.storage.index import DatabaseIndex
from dassie.storage.sessions import DatabaseSessions
from dassie.storage.store import Storage

REPO = RepoKey("default", "images")
REF = CommitRef(REPO, branch="master")


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def files(database_url: str, clock: ManualClock, db: Database) -> Iterator[Files]:
    db.clock = clock
    sessions = DatabaseSessions(db)
    storage = Storage(MemoryStore(), DatabaseIndex(db), sessions)
    graph = Graph(db, clock)
    with graph.transaction() as gtx:
        repos.create(gtx, REPO)
    yield Files(graph, storage)
    storage.close()
    sessions.close()


@pytest.fixture
def file_sets(files: Files) -> FileSets:
    return FileSets(files.graph.db, files)


def create(file_sets: FileSets, **contents: bytes) -> str:
    with file_sets.create() as stream:
        for path, data in contents.items():
            stream.add(path, data)
    assert stream.commit is not None
    return stream.commit.id


def as_commit(id_: str) -> CommitRef:
    return CommitRef(RepoKey("default", FILESETS), id=id_)


def content(files: Files, ref: CommitRef) -> dict[str, bytes]:
    _, entries = files.walk(ref, "/")
    return {e.path: b"".join(files.read(ref, e.path)[1]) for e in entries if not e.is_dir}


def start(files: Files) -> None:
    with files.graph.transaction() as gtx:
        commits.start(gtx, BranchKey(REPO, "master"))


def test_read_as_a_commit(files: Files, file_sets: FileSets) -> None:
    id_ = create(file_sets, a=b"1", b=b"2")
    assert content(files, as_commit(id_)) == {"/a": b"1", "/b": b"2"}
    assert files.inspect(as_commit(id_), "/a").committed is None
    with pytest.raises(NotFound, match=r"file set .* not found"):
        files.view(as_commit("0" * 32))


def test_add_to_an_open_commit(files: Files, file_sets: FileSets) -> None:
    first, second = create(file_sets, a=b"1", b=b"1"), create(file_sets, b=b"2")
    start(files)
    file_sets.add(REF, first)
    file_sets.add(REF, second)
    assert content(files, REF) == {"/a": b"1", "/b": b"12"}
    with files.graph.transaction() as gtx:
        commits.finish(gtx, REF)
    with pytest.raises(CommitFinished):
        file_sets.add(REF, first)


def test_get_total_and_diff(files: Files, file_sets: FileSets) -> None:
    for name in ("a", "b"):
        with files.modify(REF) as stream:
            stream.add(name, name.encode())
    assert content(files, as_commit(file_sets.get(REF))) == {"/a": b"a", "/b": b"b"}
    assert content(files, as_commit(file_sets.get(REF, diff=True))) == {"/b": b"b"}


def test_a_set_does_to_a_commit_what_was_done_to_it(files: Files, file_sets: FileSets) -> None:
    before = {"/keep": b"k", "/log": b"l", "/gone": b"g", "/d/x": b"x", "/over": b"o"}
    start(files)
    for path, data in before.items():
        with files.modify(REF) as stream:
            stream.add(path, data)
    with file_sets.create() as stream:
        stream.add("/log", b"+")
        stream.delete("/gone")
        stream.delete("/d/")
        stream.add("/d/y", b"y")
        stream.delete("/over")
        stream.add("/over", b"O")
    assert stream.commit is not None
    id_ = stream.commit.id
    assert content(files, as_commit(id_)) == {"/d/y": b"y", "/log": b"+", "/over": b"O"}
    composed = file_sets.compose([create(file_sets, **{"/gone": b"!", "/log": b"-"}), id_])
    after = {"/keep": b"k", "/log": b"l+", "/d/y": b"y", "/over": b"O"}
    file_sets.add(REF, id_)
    assert content(files, REF) == after
    file_sets.add(REF, composed)
    assert content(files, REF) == after | {"/log": b"l+-+"}


def test_difference_as_a_set(files: Files, file_sets: FileSets) -> None:
    with files.modify(REF) as stream:
        stream.add("/a", b"1")
        stream.add("/b", b"1")
    with files.modify(REF) as stream:
        stream.delete("/a")
        stream.add("/b", b"2")
    id_ = file_sets.get(REF, diff=True)
    assert content(files, as_commit(id_)) == {"/b": b"12"}
    start(files)
    with files.modify(REF) as stream:
        stream.add("/a", b"again")
        stream.add("/c", b"3")
    file_sets.add(REF, id_)
    assert content(files, REF) == {"/b": b"12", "/c": b"3"}


def test_compose(files: Files, file_sets: FileSets) -> None:
    ids = [create(file_sets, **{"d/x": b"1", "d/y": b"1"}), create(file_sets, **{"d/y": b"2"})]
    assert content(files, as_commit(file_sets.compose(ids))) == {"/d/x": b"1", "/d/y": b"12"}
    assert content(files, as_commit(file_sets.compose([]))) == {}


def test_copy_from_a_file_set(files: Files, file_sets: FileSets) -> None:
    id_ = create(file_sets, **{"d/x": b"1"})
    with files.modify(REF) as stream:
        stream.copy("/c", as_commit(id_), "/d")
    assert content(files, REF) == {"/c/x": b"1"}


def test_shard(file_sets: FileSets) -> None:
    id_ = create(file_sets, **{f"f{i}": b"x" * i for i in range(1, 6)})
    assert file_sets.shard(id_) == [PathRange()]
    assert file_sets.shard(id_, num_files=2) == [
        PathRange("", "/f3"),
        PathRange("/f3", "/f5"),
        PathRange("/f5", ""),
    ]
    by_size = file_sets.shard(id_, size_bytes=6)
    assert [(each.lower, each.upper) for each in by_size] == [
        ("", "/f4"),
        ("/f4", "/f5"),
        ("/f5", ""),
    ]


@pytest.mark.parametrize("ttl_s", [0, -1, 1801])
def test_time_to_live_has_bounds(file_sets: FileSets, ttl_s: int) -> None:
    id_ = create(file_sets, a=b"1")
    with pytest.raises(InvalidArgument, match="ttl"):
        file_sets.renew(id_, ttl_s)
    with pytest.raises(InvalidArgument, match="ttl"):
        file_sets.compose([id_], ttl_s)


def test_expiry(files: Files, file_sets: FileSets, clock: ManualClock) -> None:
    short, long = create(file_sets, a=b"1"), create(file_sets, b=b"2")
    file_sets.renew(short, 10)
    clock.advance(11)
    with pytest.raises(NotFound):
        files.view(as_commit(short))
    with pytest.raises(NotFound):
        file_sets.renew(short, 10)
    with files.graph.snapshot() as tx:
        assert [root.size for root in roots(tx)] == [1]
    assert file_sets.sweep() == 1
    assert content(files, as_commit(long)) == {"/b": b"2"}


def test_deletes_inside_the_stream(files: Files, file_sets: FileSets) -> None:
    """Deleting inside the stream counts, in stream order."""
    with file_sets.create() as stream:
        stream.add("/a", b"1")
        stream.add("/d/b", b"2")
        stream.delete("/a")
        stream.add("/a", b"3")
        stream.delete("/d/")
    assert stream.commit is not None
    assert content(files, as_commit(stream.commit.id)) == {"/a": b"3"}


def test_the_cache_keeps_file_sets_alive(file_sets: FileSets, clock: ManualClock) -> None:
    id_ = create(file_sets, a=b"1")
    cache = Cache(file_sets, clock)
    cache.put("k", b"value", [id_], "tag")
    clock.advance(1500)
    assert cache.get("k") == b"value"
    clock.advance(1500)
    assert file_sets.sweep() == 0
    assert cache.get("k") == b"value"
    clock.advance(1801)
    with pytest.raises(NotFound, match="cache key 'k' not found"):
        cache.get("k")
    assert file_sets.sweep() == 1
    with pytest.raises(NotFound, match=id_):
        cache.put("k", b"value", [id_], "tag")


def test_the_cache_is_bounded(file_sets: FileSets, clock: ManualClock) -> None:
    cache = Cache(file_sets, clock, max_bytes=3000)
    for key in "abc":
        cache.put(key, bytes(400), [], f"tag-{key}")
    cache.get("a")
    cache.put("d", bytes(400), [], "")
    for key in "acd":
        assert len(cache.get(key)) == 400
    with pytest.raises(NotFound):
        cache.get("b")
    cache.clear("tag")
    assert len(cache.get("d")) == 400
    cache.clear("")
    for wrong in (lambda: cache.get("d"), lambda: cache.get("a")):
        with pytest.raises(NotFound):
            wrong()
    with pytest.raises(InvalidArgument, match="at most"):
        cache.put("k", bytes(2 << 20), [], "")
    with pytest.raises(InvalidArgument, match="no cache key"):
        cache.put("", b"", [], "")
