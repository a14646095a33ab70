"""What a client may not do on a Put stream: each is refused, and nothing changes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dassie._proto.dassie import bulk_pb2
from dassie.base.hashing import digest
from dassie.client.connection import Connection
from dassie.doors.grpc import convert
from dassie.doors.grpc.bulk_put import PutStream
from dassie.errors import Aborted, DassieError, InvalidArgument, NotFound
from dassie.pfs.files import Files
from dassie.pfs.model import CommitRef
from tests.bulk.conftest import REF, REPO

ONE, TWO = b"1" * 300_000, b"2" * 400_000


def opening(ref: CommitRef = REF, expected: bytes = b"") -> bulk_pb2.PutRequest:
    commit = convert.commit(convert.CommitKey(ref.repo, ref.id))
    commit.branch.name = ref.branch
    return bulk_pb2.PutRequest(open=bulk_pb2.Open(commit=commit, expected_root_hash=expected))


def chunks(*pieces: bytes, names: bytes | None = None) -> bulk_pb2.PutRequest:
    return bulk_pb2.PutRequest(
        chunks=bulk_pb2.Chunks(
            hashes=b"".join(map(digest, pieces)) if names is None else names,
            lengths=list(map(len, pieces)),
            data=b"".join(pieces),
        )
    )


def file(path: str, *pieces: bytes, name: bytes | None = None) -> bulk_pb2.PutRequest:
    """A file of these chunks."""
    whole = b"".join(pieces)
    many = pieces if len(pieces) > 1 else ()
    return bulk_pb2.PutRequest(
        files=bulk_pb2.Files(
            paths=[path],
            sizes=[len(whole)],
            hashes=name or digest(whole),
            chunk_counts=[len(pieces)],
            chunk_hashes=b"".join(map(digest, many)),
            chunk_lengths=list(map(len, many)),
        )
    )


def run(files: Files, *requests: bulk_pb2.PutRequest | bytes) -> bulk_pb2.Done:
    stream = PutStream(files)
    try:
        for request in requests:
            raw = request if isinstance(request, bytes) else request.SerializeToString()
            stream.take(raw)
        [answer] = stream.finish()
        return answer.done
    finally:
        stream.abandon()


def content(files: Files) -> dict[str, bytes]:
    _, entries = files.walk(REF, "/")
    return {e.path: b"".join(files.read(REF, e.path)[1]) for e in entries if not e.is_dir}


def test_a_good_stream(files: Files) -> None:
    done = run(
        files, opening(), chunks(ONE, TWO), file("/big", ONE, TWO), chunks(b"x"), file("/x", b"x")
    )
    assert content(files) == {"/big": ONE + TWO, "/x": b"x"}
    assert done.root_hash == files.view(REF).root.hash
    assert done.files == 2
    assert done.commit.id == files.view(REF).commit.id


def test_deletes_take_their_turn(files: Files) -> None:
    run(files, opening(), chunks(b"a"), file("/d/a", b"a"), file("/b", b"a"))
    delete = bulk_pb2.PutRequest(deletes=bulk_pb2.Deletes(paths=["/d/", "/none"]))
    run(files, opening(), chunks(b"c"), file("/d/x", b"c"), delete, file("/d/c", b"c"))
    assert content(files) == {"/b": b"a", "/d/c": b"c"}


BAD: dict[str, tuple[list[bulk_pb2.PutRequest | bytes], str]] = {
    "no open": ([file("/e")], "must be open"),
    "nothing": ([], "must be open"),
    "two opens": ([opening(), opening()], "only be the first"),
    "empty message": ([opening(), b""], "says nothing"),
    "chunk with another hash": ([opening(), chunks(b"a", names=digest(b"b"))], "do not match"),
    "chunk columns": ([opening(), chunks(b"a", names=b"")], "contradicts itself"),
    "ragged hashes": ([opening(), chunks(b"a", names=b"123")], "not a list of hashes"),
    "empty chunk": ([opening(), chunks(b"")], "a chunk has 1 to"),
    "unknown chunk": ([opening(), file("/a", b"never sent")], "neither stored nor part"),
    "hash of the whole": (
        [opening(), chunks(ONE, TWO), file("/big", ONE, TWO, name=digest(b"lie"))],
        "do not match its hash",
    ),
    "hash of the only chunk": (
        [opening(), chunks(ONE), file("/big", ONE, name=digest(b"lie"))],
        "neither stored nor part",
    ),
    "path": ([opening(), file("/a/../b")], "not allowed in path"),
    "directory": ([opening(), file("/a/")], "not allowed in path"),
    "file columns": (
        [opening(), bulk_pb2.PutRequest(files=bulk_pb2.Files(paths=["/a"]))],
        "columns of different lengths",
    ),
    "truncated": ([opening(), chunks(ONE).SerializeToString()[:1000]], "ends in the middle"),
    "garbage": ([opening(), b"\xff\xff\xff"], "not a valid"),
    "too long a query": (
        [opening(), bulk_pb2.PutRequest(query=bulk_pb2.Query(hashes=bytes(32 * 4097)))],
        "4096 are allowed",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_streams(files: Files, name: str) -> None:
    requests, text = BAD[name]
    with pytest.raises(InvalidArgument, match=text):
        run(files, *requests)
    with pytest.raises(NotFound):
        files.view(REF)


def test_expected_root(files: Files) -> None:
    done = run(files, opening(), file("/e"))
    run(files, opening(expected=done.root_hash), file("/f"))
    with pytest.raises(Aborted):
        run(files, opening(expected=done.root_hash), file("/g"))
    assert content(files) == {"/e": b"", "/f": b""}


def test_a_client_that_goes_away_leaves_nothing(connection: Connection, files: Files) -> None:
    def requests() -> Iterator[bulk_pb2.PutRequest]:
        yield opening()
        yield chunks(ONE)
        yield file("/one", ONE)
        yield bulk_pb2.PutRequest(query=bulk_pb2.Query(id=7, hashes=digest(ONE)))
        raise ZeroDivisionError

    answers = connection.service("bulk").Put(requests())
    with pytest.raises(DassieError):
        list(answers)
    with pytest.raises(NotFound):
        files.view(REF)


def test_answers_come_while_the_client_waits(connection: Connection, files: Files) -> None:
    """A client may ask and wait before it sends anything else."""
    import queue

    to_send: queue.Queue[bulk_pb2.PutRequest | None] = queue.Queue()
    answers = iter(connection.service("bulk").Put(iter(to_send.get, None)))
    to_send.put(opening())
    query = bulk_pb2.Query(id=7, hashes=digest(b"a") + digest(b"b"))
    to_send.put(bulk_pb2.PutRequest(query=query))
    missing = next(answers).missing
    assert (missing.id, missing.missing) == (7, b"\1\1")
    to_send.put(chunks(b"a"))
    to_send.put(bulk_pb2.PutRequest(query=query))
    assert next(answers).missing.missing == b"\0\1"
    to_send.put(file("/a", b"a"))
    to_send.put(None)
    assert next(answers).done.files == 1
    assert content(files) == {"/a": b"a"}
    assert files.view(REF).commit.repo == REPO


def test_listing_frames(connection: Connection, files: Files) -> None:
    run(files, opening(), chunks(b"a"), file("/d/a", b"a"), file("/b", b"a"))
    service = connection.service("bulk")

    def listed(**what: object) -> list[str]:
        request = bulk_pb2.ListRequest(**what)  # type: ignore[arg-type]
        request.file.commit.CopyFrom(opening().open.commit)
        request.file.path = "/"
        frames = list(service.List(request))
        assert all(len(frame.hashes) == 32 * len(frame.paths) for frame in frames)
        assert frames[0].commit.id == files.view(REF).commit.id
        return [path for frame in frames for path in frame.paths]

    assert listed() == ["/b", "/d/"]
    assert listed(recursive=True) == ["/", "/b", "/d/", "/d/a"]
    assert listed(glob="/*/*") == ["/d/a"]
    assert listed(glob="/none*") == []
