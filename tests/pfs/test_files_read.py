"""Reading files: inspect, list, walk, glob, diff, get, archives, pages, damage."""

from __future__ import annotations

import io
import re
import tarfile
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from dassie.blob.drivers.memory import MemoryStore
from dassie.errors import DataLoss, InvalidArgument
from dassie.meta.database import Database
from dassie.pfs import commits, fsck, repos
from dassie.pfs.errors import FileNotFound
from dassie.pfs.files import Files, Pair
from dassie.pfs.graph import Graph
from dassie.pfs.model import BranchKey, CommitKey, CommitRef, RepoKey
from dassie.pfs.reading import ManyFiles, NotRegularFile, PathRange
from dassie.storage.index import DatabaseIndex
from dassie.storage.sessions import DatabaseSessions
from dassie.storage.store import Storage
from dassie.storage.types import Dir, Entry

REPO = RepoKey("default", "images")
REF = CommitRef(REPO, branch="master")
TREE = {
    "/a/b/file3": b"333",
    "/a/file2": b"22",
    "/big": bytes(range(251)) * 5000,
    "/empty": b"",
    "/file1": b"1",
}
WALK = ["/", "/a/", "/a/b/", "/a/b/file3", "/a/file2", "/big", "/empty", "/file1"]


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def files(graph: Graph, db: Database, store: MemoryStore) -> Iterator[Files]:
    sessions = DatabaseSessions(db)
    storage = Storage(store, DatabaseIndex(db), sessions)
    with graph.transaction() as gtx:
        repos.create(gtx, REPO)
    yield Files(graph, storage)
    storage.close()
    sessions.close()


def put(files: Files, contents: dict[str, bytes], *deletes: str) -> CommitKey:
    with files.modify(REF) as stream:
        for path in deletes:
            stream.delete(path)
        for path, data in contents.items():
            stream.delete(path)
            stream.add(path, data)
    assert stream.commit is not None
    return stream.commit


@pytest.fixture
def commit(files: Files) -> CommitKey:
    return put(files, TREE)


def paths(listing: tuple[object, Iterator[Entry]]) -> list[str]:
    return [entry.path for entry in listing[1]]


def members(files: Files, pattern: str, wanted: PathRange | None = None) -> dict[str, bytes]:
    data = b"".join(files.tar(REF, pattern, *[wanted] if wanted else []))
    found = {}
    with tarfile.open(fileobj=io.BytesIO(data), mode="r|") as archive:
        for member in archive:
            content = archive.extractfile(member) if member.isreg() else None
            found[member.name + "/" * member.isdir()] = content.read() if content else b""
    return found


@pytest.mark.usefixtures("commit")
def test_inspect(files: Files) -> None:
    info = files.inspect(REF, "/a/file2/")
    assert (info.entry.path, info.entry.size) == ("/a/file2", 2)
    assert info.committed is not None
    top = files.inspect(REF, "/")
    assert (top.entry.path, top.entry.size) == ("/", sum(map(len, TREE.values())))
    assert files.inspect(REF, "a").entry.path == "/a/"


def test_missing_file(files: Files, commit: CommitKey) -> None:
    wanted = f"file /none not found in repo default/images at commit {commit.id}"
    calls: list[Callable[[], object]] = [
        lambda: files.inspect(REF, "/none"),
        lambda: files.walk(REF, "/none"),
        lambda: files.read(REF, "/none"),
        lambda: next(files.tar(REF, "/none")),
        lambda: files.contents(REF, "/none"),
    ]
    for call in calls:
        with pytest.raises(FileNotFound, match=wanted):
            call()
    assert paths(files.list_(REF, "/none")) == []
    assert paths(files.glob(REF, "/none*")) == []


def test_empty_commit(files: Files) -> None:
    with files.graph.transaction() as gtx:
        commits.start(gtx, BranchKey(REPO, "master"))
    with pytest.raises(FileNotFound):
        files.inspect(REF, "/")
    assert paths(files.walk(REF, "/")) == []
    assert paths(files.list_(REF, "/")) == []
    assert files.view(REF).committed is None


@pytest.mark.usefixtures("commit")
def test_list_and_walk(files: Files) -> None:
    assert paths(files.list_(REF, "/")) == ["/a/", "/big", "/empty", "/file1"]
    assert paths(files.list_(REF, "/a")) == ["/a/b/", "/a/file2"]
    assert paths(files.list_(REF, "/big")) == ["/big"]
    assert paths(files.walk(REF, "/")) == WALK
    assert paths(files.walk(REF, "/a/b")) == ["/a/b/", "/a/b/file3"]


@pytest.mark.usefixtures("commit")
@pytest.mark.parametrize("size", [1, 2, 3])
def test_pages(files: Files, size: int) -> None:
    for listing, whole in ((files.list_, ["/a/", "/big", "/empty", "/file1"]), (files.walk, WALK)):
        for reverse in (False, True):
            found: list[str] = []
            while page := paths(
                listing(REF, "/", marker=(found or [""])[-1], number=size, reverse=reverse)
            ):
                found += page
            if reverse:
                assert sorted(found, key=whole.index, reverse=True) == found
            assert sorted(found) == sorted(whole)


@pytest.mark.usefixtures("commit")
def test_page_limits(files: Files) -> None:
    with pytest.raises(InvalidArgument, match="number must be > 0"):
        files.list_(REF, "/", reverse=True)
    with pytest.raises(InvalidArgument, match="100000"):
        files.walk(REF, "/", number=100_001)


@pytest.mark.usefixtures("commit")
def test_glob(files: Files) -> None:
    assert paths(files.glob(REF, "/")) == ["/"]
    assert paths(files.glob(REF, "/*")) == ["/a/", "/big", "/empty", "/file1"]
    assert paths(files.glob(REF, "**file[0-9]")) == ["/a/b/file3", "/a/file2", "/file1"]
    assert paths(files.glob(REF, "/{big,a/b}")) == ["/a/b/", "/big"]
    assert paths(files.glob(REF, "/*", PathRange("/b", "/f"))) == ["/big", "/empty"]


@pytest.mark.usefixtures("commit")
def test_get(files: Files) -> None:
    for path, data in TREE.items():
        info, pieces = files.read(REF, path)
        assert info.entry.path == path
        assert b"".join(pieces) == data
    assert b"".join(files.read(REF, "/big", 1_000_000)[1]) == TREE["/big"][1_000_000:]
    assert b"".join(files.read(REF, "/file1", 5)[1]) == b""
    assert files.read(REF, "/f*")[0].entry.path == "/file1"
    with pytest.raises(NotRegularFile, match="Use GetFileTAR instead"):
        files.read(REF, "/a")
    with pytest.raises(ManyFiles, match="matched multiple files"):
        files.read(REF, "/**file*")


def test_a_name_that_looks_like_a_pattern(files: Files) -> None:
    put(files, {"/a[1]": b"x", "/a1": b"y"})
    assert b"".join(files.read(REF, "/a[1]")[1]) == b"x"
    assert b"".join(files.read(REF, "/a[!x]")[1]) == b"y"


@pytest.mark.usefixtures("commit")
def test_archives(files: Files) -> None:
    directories = {"/": b"", "/a/": b"", "/a/b/": b""}
    assert members(files, "/") == {**TREE, **directories}
    assert members(files, "/a/b") == {"/a/b/": b"", "/a/b/file3": b"333"}
    assert members(files, "/**") == {**TREE, "/a/": b"", "/a/b/": b""}
    assert members(files, "/big") == {"/big": TREE["/big"]}
    assert members(files, "/", PathRange("/b", "/f")) == {"/big": TREE["/big"], "/empty": b""}


def shown(pairs: Iterator[Pair]) -> list[tuple[str, str]]:
    return [(old.entry.path if old else "", new.entry.path if new else "") for old, new in pairs]


def test_diff(files: Files, commit: CommitKey) -> None:
    assert [new for _, new in shown(files.diff(REF, "/"))] == WALK
    put(files, {"/a/file2": b"changed", "/a/new": b"n"}, "/file1")
    changed = [("/", "/"), ("/a/", "/a/"), ("/a/file2", "/a/file2"), ("", "/a/new")]
    assert shown(files.diff(REF, "/")) == [*changed, ("/file1", "")]
    old = CommitRef(REPO, id=commit.id)
    assert shown(files.diff(REF, "/a", old, "/a")) == changed[1:]
    assert shown(files.diff(REF, "/a/file2", old, "/file1")) == [("/file1", "/a/file2")]
    assert shown(files.diff(REF, "/", old, "/", shallow=True)) == [
        *changed[:2],
        ("/file1", ""),
    ]
    assert shown(files.diff(REF, "/a/b", old, "/a/b")) == []
    assert shown(files.diff(REF, "/none", old, "/none")) == []


def test_diff_of_different_directories(files: Files) -> None:
    put(files, {"/x/same": b"1", "/x/one": b"1", "/y/same": b"1", "/y/two": b"2"})
    assert shown(files.diff(REF, "/y", REF, "/x")) == [
        ("/x/", "/y/"),
        ("/x/one", ""),
        ("", "/y/two"),
    ]


def test_a_reader_sees_one_state(files: Files, commit: CommitKey) -> None:
    _, entries = files.walk(REF, "/")
    first = next(entries)
    put(files, {"/zzz": b"new"}, "/a/")
    assert [first.path, *[entry.path for entry in entries]] == WALK
    assert paths(files.walk(CommitRef(REPO, id=commit.id), "/")) == WALK


def test_counting_chunks(files: Files, commit: CommitKey, store: MemoryStore) -> None:
    def count(**limits: Any) -> int:
        return fsck.count_chunks(files.graph, files.storage, **limits)

    every = count()
    assert every == count(read=True) > 2
    below, above = count(end=b"\x80"), count(begin=b"\x80", read=True)
    assert below + above == every
    assert count(begin=b"\x80", end=b"\x80") == 0
    keys = [info.key for info in store.list("pack/")]
    for key in keys:
        data = bytearray(store.get(key))
        data[40] ^= 1
        store.delete([key])
        store.put(key, [bytes(data)])
    assert count() == every
    with pytest.raises(DataLoss, match=r"chunk .*pack"):
        count(read=True)
    store.delete(keys)
    with pytest.raises(DataLoss, match="is not in the object store"):
        count()


def test_damage_names_file_commit_and_pack(
    files: Files, commit: CommitKey, store: MemoryStore
) -> None:
    packs = [info.key for info in store.list("pack/")]
    for key in packs:
        data = bytearray(store.get(key))
        at = data.find(TREE["/big"][:64])
        if at >= 0:
            data[at] ^= 1
            store.delete([key])
            store.put(key, [bytes(data)])
    read = [lambda: list(files.read(REF, "/big")[1]), lambda: list(files.tar(REF, "/"))]
    for call in read:
        with pytest.raises(
            DataLoss, match=rf"file /big of commit default/images@{commit.id}.*pack"
        ):
            call()
    assert b"".join(files.read(REF, "/a/file2")[1]) == b"22"
    assert list(fsck.damage(files.graph, files.storage)) == []
    found = list(fsck.damage(files.graph, files.storage, deep=True))
    assert any(f"commit default/images@{commit.id}, file /big" in line for line in found)
    store.delete(packs)
    assert any(
        "is not in the object store" in line for line in fsck.damage(files.graph, files.storage)
    )


def test_damage_of_a_directory_names_path_commit_and_pack(
    files: Files, commit: CommitKey, store: MemoryStore
) -> None:
    with files.modify(REF) as stream:
        stream.add("/c", b"another root")
    root = files.view(CommitRef(REPO, id=commit.id)).root
    below = files.storage.tree.lookup(root, "/a/b")
    assert below is not None
    assert isinstance(below.node, Dir)
    assert below.node.ref
    damage_chunk(files.storage, store, below.node.ref)
    reads: dict[str, Callable[[CommitRef], object]] = {
        "/a/b/file3": lambda ref: list(files.read(ref, "/a/b/file3")[1]),
        "/a/b": lambda ref: list(files.list_(ref, "/a/b")[1]),
        "/a": lambda ref: list(files.walk(ref, "/a")[1]),
        "/**": lambda ref: list(files.glob(ref, "/**")[1]),
        "a/b/file3": lambda ref: files.inspect(ref, "a/b/file3"),
        "/a/": lambda ref: list(files.tar(ref, "/a/")),
        "/*": lambda ref: list(files.contents(ref, "/*")[2]),
        "/": lambda ref: list(files.diff(ref, "/")),
    }
    for path, read in reads.items():
        words = rf"directory of {re.escape(path)} of commit .*@{commit.id} cannot.*in pack"
        with pytest.raises(DataLoss, match=words):
            read(CommitRef(REPO, id=commit.id))
    assert list(files.read(REF, "/c")[1]) == [b"another root"]


def damage_chunk(storage: Storage, store: MemoryStore, name: bytes) -> None:
    """Flip a bit of a stored chunk; nodes that were read are forgotten."""
    [(_, place)] = storage.chunks.locate([name])
    data = bytearray(store.get(place.pack))
    data[place.offset + place.stored // 2] ^= 1
    store.delete([place.pack])
    store.put(place.pack, [bytes(data)])
    storage._cache.clear()
