"""Writing files: stream order, one-off commits, open commits, collisions, copies, races."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from dassie.base.chunking import MIN_CHUNK_BYTES
from dassie.base.ids import new_id
from dassie.blob.drivers.memory import MemoryStore
from dassie.errors import Aborted, InvalidArgument, NotFound
from dassie.meta.database import Database
from dassie.pfs import branches, commits, repos
from dassie.pfs.errors import (
    CommitFinished,
    CommitNotFinished,
    FileNotFound,
    OutputBranch,
    RepoNotFound,
)
from dassie.pfs.files import Files
from dassie.pfs.graph import Graph
from dassie.pfs.model import BranchKey, CommitKey, CommitRef, RepoKey
from dassie.storage.errors import PathConflict
from dassie.storage.index import DatabaseIndex
from dassie.storage.limits import Limits
from dassie.storage.sessions import DatabaseSessions
from dassie.storage.store import Storage
from dassie.storage.types import EMPTY_DIR

REPO = RepoKey("default", "images")
MASTER = BranchKey(REPO, "master")
REF = CommitRef(REPO, branch="master")


@pytest.fixture
def storage(db: Database) -> Iterator[Storage]:
    sessions = DatabaseSessions(db)
    made = Storage(MemoryStore(), DatabaseIndex(db), sessions)
    yield made
    made.close()
    sessions.close()


@pytest.fixture
def files(graph: Graph, storage: Storage) -> Files:
    with graph.transaction() as gtx:
        repos.create(gtx, REPO)
    return Files(graph, storage)


def put(files: Files, ref: CommitRef = REF, **contents: bytes) -> CommitKey:
    """Overwrite files in one stream, as clients do: delete, then add."""
    with files.modify(ref) as modification:
        for path, data in contents.items():
            modification.delete(path)
            modification.add(path, data)
    assert modification.commit is not None
    return modification.commit


def add(
    files: Files, *pieces: tuple[str, ...], ref: CommitRef = REF, then: Callable[[], object] = int
) -> None:
    """Append pieces (path, text, perhaps a datum) in one stream; `then` runs before its end."""
    with files.modify(ref) as stream:
        for path, text, *datum in pieces:
            stream.add(path, text.encode(), *datum)
        then()


def content(files: Files, ref: CommitRef = REF) -> dict[str, bytes]:
    _, entries = files.walk(ref, "/")
    return {
        entry.path: b"".join(files.read(ref, entry.path)[1])
        for entry in entries
        if not entry.is_dir
    }


def at(key: CommitKey) -> CommitRef:
    return CommitRef(key.repo, id=key.id)


def start(files: Files) -> CommitKey:
    with files.graph.transaction() as gtx:
        return commits.start(gtx, MASTER)


def finish(files: Files) -> None:
    with files.graph.transaction() as gtx:
        commits.finish(gtx, REF)


def commit_count(files: Files) -> int:
    with files.graph.snapshot() as tx:
        return sum(1 for _ in commits.list_(tx, REPO))


def test_one_off_commits(files: Files) -> None:
    first = put(files, a=b"1")
    second = put(files, b=b"2")
    assert first.id != second.id
    assert content(files, at(first)) == {"/a": b"1"}
    assert content(files) == {"/a": b"1", "/b": b"2"}
    with files.graph.snapshot() as tx:
        info = commits.inspect(tx, REF)
    assert info.key == second
    assert info.finished_at is not None
    assert info.parent == first


def test_id_that_is_no_commit_id_is_a_branch(files: Files) -> None:
    put(files, CommitRef(REPO, id="master"), a=b"1")
    assert content(files) == {"/a": b"1"}


def test_add_appends_and_delete_then_add_overwrites(files: Files) -> None:
    with files.modify(REF) as stream:
        stream.add("/log", b"one ")
        stream.add("/other", b"x")
        stream.add("/log", b"two ")
    with files.modify(REF) as stream:
        stream.add("log", b"three")
        stream.delete("/other")
        stream.add("/other", b"y")
    assert content(files) == {"/log": b"one two three", "/other": b"y"}


@pytest.mark.parametrize("seed", range(12))
def test_adding_many_at_once_is_adding_one_by_one(files: Files, seed: int) -> None:
    chosen = random.Random(seed)
    names = ["/d/a", "/d/b", "/d/c", "/d/e", "/d/f", "/g", "/e/h/i", "/e/h/j", "k", "d/b"]
    large = chosen.randbytes(MIN_CHUNK_BYTES + 1)
    one, many = (CommitRef(REPO, branch=name) for name in ("one", "many"))
    for _ in range(3):  # onto what the stream before has left
        with files.modify(one) as single, files.modify(many) as batched:
            for _ in range(chosen.randrange(1, 6)):
                usual = chosen.random() < 0.5
                paths = (
                    [f"/d/{chosen.randrange(1000)}" for _ in range(20)]
                    if usual
                    else chosen.choices(names, k=chosen.randrange(9))
                )
                data = [b"" if chosen.random() < 0.03 else chosen.randbytes(9) for _ in paths]
                if data and chosen.random() < 0.2:
                    data[-1] = large
                for path, piece in zip(paths, data, strict=True):
                    single.add(path, piece)
                batched.add_all(paths, data)
                if chosen.random() < 0.3:
                    gone = chosen.choice(["/d/a", "/d", "/e/", "/d/500"])
                    single.delete(gone)
                    batched.delete(gone)
        assert single.root == batched.root
        assert single.files == batched.files
    assert content(files, one) == content(files, many)


Act = tuple[str, tuple[object, ...]]


def random_acts(chosen: random.Random) -> Iterator[Act]:
    """A stream as clients send them, with a bit of everything."""
    names = [f"/{a}/{b}/{c}" for a in "pq" for b in "rs" for c in "tuvw"] + ["/x", "/y"]
    for _ in range(chosen.randrange(5, 60)):
        path = chosen.choice(names)
        kind = chosen.random()
        if kind < 0.15:
            yield "delete", (chosen.choice([path, path.rpartition("/")[0] or "/x"]),)
        elif kind < 0.17:
            yield "delete", ("/",)
        elif kind < 0.4:
            paths = chosen.sample(names, 9)
            yield "add_all", (paths, [chosen.randbytes(3) for _ in paths])
        else:
            if kind < 0.7:
                yield "delete", (path,)
            yield "add", (path, chosen.randbytes(3))


@pytest.mark.parametrize("seed", range(5))
def test_a_long_stream_is_settled_on_the_way(
    db: Database, graph: Graph, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """What it makes is the same, however little of it is held; and however few nodes are."""
    with graph.transaction() as gtx:
        repos.create(gtx, REPO)
    sessions = DatabaseSessions(db)
    storage = Storage(MemoryStore(), DatabaseIndex(db), sessions, limits=Limits(cache_bytes=1))
    files = Files(graph, storage)
    chosen = random.Random(seed)
    for _ in range(3):
        acts = list(random_acts(chosen))
        roots = []
        for held, name in ((1000, "one"), (4, "many")):
            monkeypatch.setattr("dassie.pfs.modification._UNSETTLED", held)
            with files.modify(CommitRef(REPO, branch=name)) as stream:
                for method, arguments in acts:
                    getattr(stream, method)(*arguments)
                    assert stream.edits.unsettled < held + 10
            roots.append(stream.root)
        assert roots[0] == roots[1]
    storage.close()
    sessions.close()


def test_what_was_settled_still_collides(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dassie.pfs.modification._UNSETTLED", 2)
    with pytest.raises(PathConflict, match="duplicate path output by different datums"):
        add(files, ("/a", "1", ""), ("/b", "2", ""), ("/c", "3", ""), ("/a", "4", "other"))
    with pytest.raises(PathConflict, match="path collision"):
        add(files, ("/a", "1", ""), ("/a/b", "2", ""), ("/c", "3", ""))
    # Together they make no sense yet, but the stream goes on.
    with files.modify(REF) as stream:
        for path in ("/a", "/a/b", "/c", "/d"):
            stream.add(path, b"1")
        stream.delete("/a/b")
    assert content(files) == {"/a": b"1", "/c": b"1", "/d": b"1"}


def test_empty_file(files: Files) -> None:
    with files.modify(REF) as stream:
        stream.delete("/e")
        stream.add("/e", b"")
    assert content(files) == {"/e": b""}


def test_large_file_in_pieces_has_the_hash_of_its_content(files: Files) -> None:
    data = bytes(range(256)) * 4096 * 3
    with files.modify(REF) as stream:
        stream.add("/whole", data)
        for i in range(0, len(data), 100_001):
            stream.add("/pieces", data[i : i + 100_001])
    with files.modify(REF) as stream:
        stream.add("/later", data[:1_000_000])
    with files.modify(REF) as stream:
        stream.add("/later", data[1_000_000:])
    assert len({files.inspect(REF, path).entry.hash for path in ("whole", "pieces", "later")}) == 1
    assert b"".join(files.read(REF, "/pieces", 3_000_000)[1]) == data[3_000_000:]


def test_open_commit_takes_all_streams(files: Files) -> None:
    key = start(files)
    assert put(files, a=b"1") == key
    assert put(files, at(key), b=b"2") == key
    assert content(files) == {"/a": b"1", "/b": b"2"}
    finish(files)
    with pytest.raises(CommitFinished, match="has already finished"):
        put(files, at(key), c=b"3")
    assert content(files, at(key)) == {"/a": b"1", "/b": b"2"}


def test_nothing_happens_when_the_stream_breaks(files: Files) -> None:
    put(files, a=b"1")
    with pytest.raises(ZeroDivisionError):
        add(files, ("/b", "2"), then=lambda: 1 / 0)
    assert content(files) == {"/a": b"1"}
    assert commit_count(files) == 1


@pytest.mark.parametrize(
    ("before", "path"), [("/d/f", "/d"), ("/d", "/d/f")], ids=["file over dir", "dir over file"]
)
def test_file_and_directory_collide(files: Files, before: str, path: str) -> None:
    put(files, **{before: b"1"})
    with pytest.raises(PathConflict, match="file / directory path collision"):
        put(files, **{path: b"2"})
    with pytest.raises(PathConflict), files.modify(REF) as stream:
        stream.add(path, b"2")
    assert content(files) == {before: b"1"}
    assert commit_count(files) == 1


def test_two_datums_collide(files: Files) -> None:
    with pytest.raises(PathConflict, match="duplicate path output by different datums"):
        add(files, ("/a", "1", "one"), ("/a", "2", "two"))
    with files.graph.snapshot() as tx, pytest.raises(NotFound):
        branches.inspect(tx, MASTER)


def test_delete(files: Files) -> None:
    put(files, **{"/d/a": b"1", "/d/e/b": b"2", "/f": b"3", "/g": b"4"})
    with files.modify(REF) as stream:
        stream.delete("/d/")
        stream.delete("/f")
        stream.delete("/not/there")
        stream.add("/d/new", b"5")
    assert content(files) == {"/d/new": b"5", "/g": b"4"}
    with files.modify(REF) as stream:
        stream.delete("/")
    assert content(files) == {}


def test_copy_by_reference(files: Files) -> None:
    first = put(files, **{"/d/a": b"1", "/d/e/b": b"2", "/x": b"3"})
    with files.modify(REF) as stream:
        stream.copy("/copy", at(first), "/d")
        stream.copy("/y", at(first), "/x")
        stream.copy("/y", at(first), "/x", append=True)
        stream.add("/copy/a", b"+")
    assert content(files) == {
        "/copy/a": b"1+",
        "/copy/e/b": b"2",
        "/d/a": b"1",
        "/d/e/b": b"2",
        "/x": b"3",
        "/y": b"33",
    }
    assert stream.upload.new_bytes < 4096


def test_copy_of_a_directory_over_another_merges(files: Files) -> None:
    first = put(files, **{"/d/a": b"1", "/d/b": b"2", "/t/b": b"old", "/t/c": b"3"})
    with files.modify(REF) as stream:
        stream.copy("/t", at(first), "/d")
    assert content(files)["/t/b"] == b"2"
    with files.modify(REF) as stream:
        stream.copy("/t", at(first), "/d", append=True)
    found = content(files)
    assert (found["/t/a"], found["/t/b"], found["/t/c"]) == (b"11", b"22", b"3")


def test_copy_from_an_open_commit_is_refused(files: Files) -> None:
    key = start(files)
    put(files, a=b"1")
    with pytest.raises(CommitNotFinished, match="not finished"), files.modify(REF) as stream:
        stream.copy("/b", at(key), "/a")


def test_copy_of_a_missing_file(files: Files) -> None:
    first = put(files, a=b"1")
    with pytest.raises(FileNotFound), files.modify(REF) as stream:
        stream.copy("/b", at(first), "/nothing")


def test_two_streams_into_one_open_commit_both_survive(files: Files) -> None:
    start(files)
    with files.modify(REF) as one:
        one.add("/shared", b"1")
        with files.modify(REF) as other:
            other.add("/other", b"2")
            other.add("/shared", b"2")
        one.add("/one", b"1")
    assert content(files) == {"/one": b"1", "/other": b"2", "/shared": b"21"}


def test_two_one_off_streams_both_survive(files: Files) -> None:
    put(files, a=b"1")
    with files.modify(REF) as one:
        one.add("/b", b"2")
        put(files, c=b"3")
    assert content(files) == {"/a": b"1", "/b": b"2", "/c": b"3"}
    assert commit_count(files) == 3


def test_finishing_during_a_stream_to_that_commit(files: Files) -> None:
    key = start(files)
    with pytest.raises(CommitFinished):
        add(files, ("/a", "1"), ref=at(key), then=lambda: finish(files))
    assert content(files) == {}


def test_expected_root(files: Files) -> None:
    put(files, a=b"1")
    with files.modify(REF, expected_root_hash=files.view(REF).root.hash) as stream:
        stream.add("/b", b"2")
    with pytest.raises(Aborted), files.modify(REF, expected_root_hash=EMPTY_DIR.hash) as stream:
        stream.add("/c", b"3")
    assert content(files) == {"/a": b"1", "/b": b"2"}


def test_output_branch_is_refused(files: Files) -> None:
    put(files, a=b"1")
    output = BranchKey(RepoKey("default", "out"), "master")
    with files.graph.transaction() as gtx:
        repos.create(gtx, output.repo)
        branches.create(gtx, output, provenance=[MASTER])
    with pytest.raises(OutputBranch, match="cannot start a commit on an output branch"):
        put(files, CommitRef(output.repo, branch="master"), a=b"1")


def test_missing_repo_and_commit(files: Files) -> None:
    with pytest.raises(RepoNotFound):
        put(files, CommitRef(RepoKey("default", "none"), branch="master"), a=b"1")
    with pytest.raises(NotFound, match=r"commit .* not found"):
        put(files, CommitRef(REPO, id=new_id()), a=b"1")


@pytest.mark.parametrize("path", ["/", "", "/a/../b", "/a\0b", "/a//b", "/dir/", "/\ud800"])
def test_bad_paths(files: Files, path: str) -> None:
    with pytest.raises(InvalidArgument, match="not allowed in path"):
        add(files, ("/good", "1"), (path, "1"))
    with files.graph.snapshot() as tx, pytest.raises(NotFound):
        branches.inspect(tx, MASTER)


def test_any_other_name_goes(files: Files) -> None:
    names = {"/*[a]?{b}!(c)@+^ ": b"1", "/Ünï ☃/\n": b"2", "/-": b"3"}
    put(files, **names)
    assert content(files) == names


def test_errored_commits_are_no_base(files: Files) -> None:
    put(files, a=b"1")
    start(files)
    put(files, broken=b"2")
    with files.graph.transaction() as gtx:
        commits.finish(gtx, REF, error="it went wrong")
    put(files, c=b"3")
    assert content(files) == {"/a": b"1", "/c": b"3"}


def test_many_writers_of_one_branch(files: Files) -> None:
    def write(number: int) -> None:
        for turn in range(3):
            add(files, (f"/{number}/{turn}", "x"), ("/shared", f"{number}.{turn} "))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(8)))
    found = content(files)
    assert len(found) == 25
    assert len(set(found["/shared"].split())) == 24
    assert commit_count(files) == 24
