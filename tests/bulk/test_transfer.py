"""Folders go up and come down again, and only what the server lacks travels."""

from __future__ import annotations

import io
import os
import random
from pathlib import Path

import pytest

from dassie.client.batches import Folder, LocalFile, Stream
from dassie.client.connection import Connection
from dassie.client.download import Progress as DownloadProgress
from dassie.client.download import download
from dassie.client.refs import CommitRef, FileRef, RepoRef
from dassie.client.upload import Progress, UploadOptions, UploadResult, upload
from dassie.errors import FailedPrecondition, NotFound
from dassie.pfs.files import Files
from dassie.storage.errors import COLLISION
from tests.bulk.conftest import REF

TARGET = CommitRef(RepoRef("default", "data"), branch="master")
BYTES = random.Random(5).randbytes(6 << 20)
TREE = {
    "a/b/c.txt": b"deep",
    "a/empty": b"",
    "big": BYTES,
    "exact": BYTES[: 256 << 10],
    "just over": BYTES[: (256 << 10) + 1],
    "ünï ☃ [x]": b"odd name",
    "z/same as deep": b"deep",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "tree"
    for name, data in TREE.items():
        (made / name).parent.mkdir(parents=True, exist_ok=True)
        (made / name).write_bytes(data)
    return made


def content(files: Files) -> dict[str, bytes]:
    _, entries = files.walk(REF, "/")
    return {e.path[1:]: b"".join(files.read(REF, e.path)[1]) for e in entries if not e.is_dir}


def put(connection: Connection, folder: Path, cache: Path | None = None) -> UploadResult:
    options = UploadOptions(cache_folder=cache)
    return upload(connection, TARGET, [Folder(str(folder), "/")], options)


def get(connection: Connection, path: str, to: Path) -> dict[str, bytes]:
    download(connection, FileRef(TARGET, path), to, place=lambda name: name.lstrip("/"))
    return {str(p.relative_to(to)): p.read_bytes() for p in to.rglob("*") if p.is_file()}


def test_round_trip(connection: Connection, files: Files, folder: Path, tmp_path: Path) -> None:
    result = put(connection, folder)
    assert (result.files, result.bytes) == (len(TREE), sum(map(len, TREE.values())))
    assert content(files) == TREE
    assert get(connection, "/", tmp_path / "out") == TREE
    assert get(connection, "/a", tmp_path / "a") == {
        "a/b/c.txt": b"deep",
        "a/empty": b"",
    }
    assert get(connection, "/big", tmp_path / "big") == {"big": BYTES}
    assert get(connection, "/**c.txt", tmp_path / "glob") == {"a/b/c.txt": b"deep"}
    assert get(connection, "/**", tmp_path / "all") == TREE


def test_hashes_do_not_depend_on_the_way(
    connection: Connection, files: Files, folder: Path
) -> None:
    put(connection, folder)
    for name, data in TREE.items():
        with files.modify(REF) as stream:
            stream.add(f"/again/{name}", data)
    for name in TREE:
        one, other = files.inspect(REF, f"/{name}"), files.inspect(REF, f"/again/{name}")
        assert one.entry.node == other.entry.node


def test_only_new_bytes_travel(connection: Connection, folder: Path) -> None:
    first = put(connection, folder)
    assert first.new_bytes >= len(BYTES)
    assert put(connection, folder).new_bytes == 0
    (folder / "big").write_bytes(BYTES[: 3 << 20] + b"inserted" + BYTES[3 << 20 :])
    assert 0 < put(connection, folder).new_bytes < 5 << 20


def test_unchanged_folder_is_not_read_again(
    connection: Connection, files: Files, folder: Path, tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    put(connection, folder, cache)
    age(cache)
    again = put(connection, folder, cache)
    assert (again.files, again.unchanged_files) == (0, len(TREE))
    (folder / "a/b/c.txt").write_bytes(b"DEEP")
    (folder / "new").write_bytes(b"new")
    changed = put(connection, folder, cache)
    assert changed.files == 2
    assert content(files) == {**TREE, "a/b/c.txt": b"DEEP", "new": b"new"}


def age(cache: Path) -> None:
    """Let the cache trust files that were made just now, by redoing it as of later."""
    from array import array

    from dassie.client import stat_cache

    for file in cache.iterdir():
        loaded = stat_cache.load(file)
        for directory in loaded.directories.values():
            stats = array("q")
            stats.frombytes(directory.known.stats)
            assert -1 in stats, "files made a moment ago must not be trusted"
        for path, directory in loaded.directories.items():
            folder = file.parent.parent / "tree" / path
            names = directory.known.names.decode().split("\0")
            stats = array("q")
            stats.frombytes(directory.known.stats)
            for index, name in enumerate(names):
                stats[4 * len(names) + index] = (folder / name).stat().st_ctime_ns
            known = stat_cache.Known(directory.known.names, stats.tobytes())
            loaded.directories[path] = stat_cache.Uploaded(known, directory.hashes)
        stat_cache.save(loaded, file)


def test_young_files_are_read_again(
    connection: Connection, files: Files, folder: Path, tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    put(connection, folder, cache)
    path = folder / "a/b/c.txt"
    before = path.stat()
    path.write_bytes(b"DEEP")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    put(connection, folder, cache)
    assert content(files)["a/b/c.txt"] == b"DEEP"


def test_somebody_else_changed_the_repo(
    connection: Connection, files: Files, folder: Path, tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    put(connection, folder, cache)
    age(cache)
    with files.modify(REF) as stream:
        stream.delete("/a/")
        stream.add("/other", b"kept")
    again = put(connection, folder, cache)
    assert again.files == len(TREE)
    assert again.new_bytes < 4096
    assert content(files) == {**TREE, "other": b"kept"}


def test_a_damaged_cache_is_ignored(
    connection: Connection, files: Files, folder: Path, tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    put(connection, folder, cache)
    [file] = cache.iterdir()
    data = bytearray(file.read_bytes())
    data[100] ^= 1
    file.write_bytes(data)
    assert put(connection, folder, cache).files == len(TREE)
    assert content(files) == TREE


def test_append_and_streams(connection: Connection, files: Files, folder: Path) -> None:
    sources = [LocalFile(str(folder / "big"), "/log"), Stream(io.BytesIO(b"tail"), "/log")]
    upload(connection, TARGET, sources, UploadOptions(append=True))
    upload(connection, TARGET, sources[:1], UploadOptions(append=True))
    assert content(files) == {"log": BYTES + b"tail" + BYTES}
    upload(connection, TARGET, [Stream(io.BytesIO(b""), "/log")])
    assert content(files) == {"log": b""}


def test_what_is_no_file_is_passed_over(
    connection: Connection, files: Files, tmp_path: Path
) -> None:
    folder = tmp_path / "tree"
    folder.mkdir()
    (folder / "file").write_bytes(b"1")
    (folder / "link").symlink_to("file")
    (folder / "broken").symlink_to("nowhere")
    (folder / "loop").symlink_to(".")
    os.mkfifo(folder / "pipe")
    result = put(connection, folder)
    assert content(files) == {"file": b"1", "link": b"1"}
    assert sorted(result.passed_over) == [
        "broken (a broken link)",
        "loop (a link to a directory)",
        "pipe (not a regular file)",
    ]


def test_a_source_that_fails_leaves_nothing(connection: Connection, files: Files) -> None:
    class Broken(io.RawIOBase):
        def readinto(self, _: object) -> int:
            raise OSError("the disk is gone")

    sources = [Stream(io.BytesIO(b"1"), "/a"), Stream(Broken(), "/b")]
    with pytest.raises(OSError, match="the disk is gone"):
        upload(connection, TARGET, sources)
    with pytest.raises(NotFound):
        files.view(REF)


def test_server_errors_reach_the_caller(connection: Connection, files: Files, folder: Path) -> None:
    put(connection, folder)
    with pytest.raises(FailedPrecondition, match=COLLISION):
        upload(connection, TARGET, [LocalFile(str(folder / "big"), "/a")])
    missing = CommitRef(RepoRef("default", "none"), branch="master")
    with pytest.raises(NotFound, match="repo default/none not found"):
        upload(connection, missing, [Folder(str(folder), "/")])
    assert content(files) == TREE


def test_progress(connection: Connection, folder: Path, tmp_path: Path) -> None:
    seen: list[Progress] = []
    options = UploadOptions(progress=seen.append)
    upload(connection, TARGET, [Folder(str(folder), "/")], options)
    assert (seen[-1].files, seen[-1].found_files) == (len(TREE), len(TREE))
    assert seen[-1].bytes == seen[-1].found_bytes
    assert seen[-1].complete
    got: list[DownloadProgress] = []
    download(
        connection,
        FileRef(TARGET, "/"),
        tmp_path / "out",
        place=lambda name: name.lstrip("/"),
        progress=got.append,
    )
    assert got[-1] == DownloadProgress(len(TREE), seen[-1].bytes, len(TREE), seen[-1].bytes)


def test_missing_path_is_an_error(connection: Connection, folder: Path, tmp_path: Path) -> None:
    put(connection, folder)
    with pytest.raises(NotFound, match="file /none not found"):
        get(connection, "/none", tmp_path / "out")
