"""Large files go to a server on the same machine open: same content, same hashes, no bytes sent."""

from __future__ import annotations

import errno
import os
import random
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from dassie._proto.dassie import bulk_pb2
from dassie.base import passing
from dassie.base.hashing import digest
from dassie.base.passing import PASSED_BYTES, Meeting, NotPassed, Passage
from dassie.client.batches import Folder, LocalFile
from dassie.client.connection import Connection
from dassie.client.download import Progress as DownloadProgress
from dassie.client.download import download
from dassie.client.passing import ToServer
from dassie.client.refs import CommitRef, FileRef, RepoRef
from dassie.client.upload import Progress, UploadOptions, upload
from dassie.doors.grpc import bulk_get
from dassie.doors.grpc.bulk_put import PutStream
from dassie.errors import DassieError, DataLoss, InvalidArgument, NotFound
from dassie.pfs.files import Files
from dassie.storage.types import Content
from tests.bulk.conftest import REF
from tests.bulk.test_protocol import content, opening

TARGET = CommitRef(RepoRef("default", "data"), branch="master")
LARGE = random.Random(8).randbytes(PASSED_BYTES + 12_345)


@pytest.fixture
def large(tmp_path: Path) -> Path:
    (tmp_path / "large").write_bytes(LARGE)
    return tmp_path / "large"


@pytest.fixture
def received(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Descriptors that the server was handed."""
    seen: list[int] = []
    receive = Passage.receive

    def counted(passage: Passage) -> int:
        seen.append(receive(passage))
        return seen[-1]

    monkeypatch.setattr(Passage, "receive", counted)
    return seen


@pytest.fixture
def sent_chunks(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Bytes of chunks that came in messages."""
    seen: list[int] = []
    take = PutStream._take_chunks

    def counted(stream: PutStream, raw: memoryview) -> None:
        seen.append(len(raw))
        take(stream, raw)

    monkeypatch.setattr(PutStream, "_take_chunks", counted)
    return seen


def node(files: Files, path: str) -> Content:
    """The content as the tree has it: with its list of chunks."""
    found = {entry.path: entry.node for entry in files.walk(REF, "/")[1]}[path]
    assert isinstance(found, Content)
    return found


def open_files(path: Path) -> int:
    """How many descriptors of this process are of the file."""
    count = 0
    for each in Path("/proc/self/fd").iterdir():
        try:
            count += each.readlink() == path
        except FileNotFoundError:
            continue  # that of the folder which is being listed
    return count


def test_no_byte_is_sent(
    connection: Connection, files: Files, large: Path, received: list[int], sent_chunks: list[int]
) -> None:
    reports: list[Progress] = []
    options = UploadOptions(progress=reports.append)
    result = upload(connection, TARGET, [LocalFile(str(large), "/large")], options)
    assert content(files) == {"/large": LARGE}
    assert (result.files, result.bytes) == (1, len(LARGE))
    assert result.new_bytes >= len(LARGE)
    assert len(received) == 1
    assert not sent_chunks
    assert (reports[-1].files, reports[-1].bytes) == (1, len(LARGE))
    assert node(files, "/large").hash == digest(LARGE)
    assert not open_files(large)


def test_both_ways_cut_alike(
    connection: Connection, files: Files, large: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = upload(connection, TARGET, [LocalFile(str(large), "/passed")])
    monkeypatch.setattr("dassie.client.upload.may_pass", lambda _host: False)
    two = upload(connection, TARGET, [LocalFile(str(large), "/sent")])
    assert one.new_bytes >= len(LARGE)
    assert two.new_bytes < 1000  # a node of the tree
    assert node(files, "/passed") == node(files, "/sent")


def test_a_socket_out_of_reach(
    connection: Connection,
    files: Files,
    large: Path,
    received: list[int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A tunnel makes a server look near that is not."""
    settle = ToServer.settle
    monkeypatch.setattr(ToServer, "settle", lambda self, _name, token: settle(self, "away", token))
    upload(connection, TARGET, [LocalFile(str(large), "/large")])
    assert content(files) == {"/large": LARGE}
    assert not received


def test_a_descriptor_that_cannot_be_sent(
    connection: Connection, files: Files, large: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_self: ToServer, _descriptor: int) -> None:
        raise OSError(errno.ETOOMANYREFS, "Too many references")

    monkeypatch.setattr(ToServer, "send", fail)
    sources = [LocalFile(str(large), "/one"), LocalFile(str(large), "/two")]
    assert upload(connection, TARGET, sources).files == 2
    assert content(files) == {"/one": LARGE, "/two": LARGE}


def test_a_system_without_such_sockets(
    connection: Connection,
    files: Files,
    large: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Meeting, "offer", classmethod(lambda _cls: None))
    upload(connection, TARGET, [LocalFile(str(large), "/large")])
    assert content(files) == {"/large": LARGE}
    assert get(connection, tmp_path / "out") == {"/large": LARGE}


def test_among_small_files(
    connection: Connection, files: Files, tmp_path: Path, received: list[int]
) -> None:
    tree = {f"/{name}": name.encode() for name in "bdf"} | {
        f"/{name}": name.encode() + LARGE for name in "ace"
    }
    for path, data in tree.items():
        (tmp_path / "tree").mkdir(exist_ok=True)
        (tmp_path / "tree" / path[1:]).write_bytes(data)
    folder = [Folder(str(tmp_path / "tree"), "/")]
    options = UploadOptions(cache_folder=tmp_path / "cache")
    upload(connection, TARGET, folder, options)
    assert content(files) == tree
    assert len(received) == 3
    again = upload(connection, TARGET, folder, options)
    assert content(files) == tree
    assert again.new_bytes == 0


def test_appending(connection: Connection, files: Files, large: Path) -> None:
    source = [LocalFile(str(large), "/large")]
    upload(connection, TARGET, source)
    upload(connection, TARGET, source, UploadOptions(append=True))
    assert content(files) == {"/large": LARGE + LARGE}


def test_a_file_that_shrinks_meanwhile(
    connection: Connection, files: Files, large: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What counts is what the server reads."""
    receive = Passage.receive

    def cut_off(passage: Passage) -> int:
        os.truncate(large, 1000)
        return receive(passage)

    monkeypatch.setattr(Passage, "receive", cut_off)
    upload(connection, TARGET, [LocalFile(str(large), "/large")])
    assert content(files) == {"/large": LARGE[:1000]}


# -- and out again


def get(connection: Connection, to: Path, path: str = "/") -> dict[str, bytes]:
    download(connection, FileRef(TARGET, path), to, place=lambda name: name.lstrip("/"))
    return {f"/{p.relative_to(to)}": p.read_bytes() for p in to.rglob("*") if p.is_file()}


@pytest.fixture
def stored(connection: Connection, tmp_path: Path) -> dict[str, bytes]:
    """Small files between large ones."""
    tree = {
        "/a": LARGE,
        "/b": b"small",
        "/c/d": b"d" + LARGE,
        "/c/empty": b"",
        "/e": LARGE[: PASSED_BYTES - 1],
        "/f": LARGE[:PASSED_BYTES],
    }
    for path, data in tree.items():
        local = tmp_path / f"tree{path}"
        local.parent.mkdir(parents=True, exist_ok=True)
        local.write_bytes(data)
    upload(connection, TARGET, [Folder(str(tmp_path / "tree"), "/")])
    return tree


def test_the_server_writes(
    connection: Connection, stored: dict[str, bytes], tmp_path: Path, received: list[int]
) -> None:
    assert get(connection, tmp_path / "all") == stored
    assert len(received) == 3
    assert get(connection, tmp_path / "one", "/c/d") == {"/c/d": stored["/c/d"]}
    assert get(connection, tmp_path / "glob", "/[ab]") == {k: stored[k] for k in ("/a", "/b")}
    (tmp_path / "all" / "a").write_bytes(b"is replaced")
    assert get(connection, tmp_path / "all") == stored


def test_progress_of_a_download(
    connection: Connection,
    stored: dict[str, bytes],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bulk_get, "_STEP_BYTES", 1 << 20)
    reports: list[DownloadProgress] = []
    ref = FileRef(TARGET, "/")
    result = download(
        connection, ref, tmp_path / "out", place=lambda n: n.lstrip("/"), progress=reports.append
    )
    total = sum(map(len, stored.values()))
    assert (result.files, result.bytes) == (len(stored), total)
    done = [report.bytes for report in reports]
    assert done == sorted(done)
    assert len(set(done)) > 15
    assert {(report.total_files, report.total_bytes) for report in reports} == {
        (len(stored), total)
    }


def test_a_download_out_of_reach(
    connection: Connection,
    stored: dict[str, bytes],
    tmp_path: Path,
    received: list[int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Passage, "to", classmethod(lambda _cls, _name, _token: None))
    assert get(connection, tmp_path / "out") == stored
    assert not received


def test_a_file_that_cannot_be_written(
    connection: Connection,
    stored: dict[str, bytes],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    receive = Passage.receive

    def read_only(passage: Passage) -> int:
        os.close(receive(passage))
        return os.open("/dev/null", os.O_RDONLY)

    monkeypatch.setattr(Passage, "receive", read_only)
    with pytest.raises(InvalidArgument, match=r"file /a: cannot write it: Bad file descriptor"):
        get(connection, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_what_is_wrong_gets_no_name(
    connection: Connection,
    stored: dict[str, bytes],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The hash of the whole is known at the end only."""
    write = bulk_get._write

    def then_fail(descriptor: int, path: str, data: bytes) -> int:
        count = write(descriptor, path, data)
        if os.fstat(descriptor).st_size == len(LARGE):
            raise DataLoss("that is not it")
        return count

    monkeypatch.setattr(bulk_get, "_write", then_fail)
    with pytest.raises(DataLoss, match="not it"):
        get(connection, tmp_path / "out", "/a")
    assert not (tmp_path / "out").exists()


def test_a_file_that_does_not_arrive(
    connection: Connection,
    files: Files,
    stored: dict[str, bytes],
    large: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The kernel may keep a descriptor back: then bytes go as ever, and nothing else is tried."""
    tries = []

    def refuse(_passage: Passage) -> int:
        tries.append(1)
        raise NotPassed("an open file was announced and not handed over")

    monkeypatch.setattr(Passage, "receive", refuse)
    assert get(connection, tmp_path / "out") == stored
    assert len(tries) == 1
    sources = [LocalFile(str(large), "/one"), LocalFile(str(large), "/two")]
    result = upload(connection, TARGET, sources)
    assert (result.files, result.bytes) == (2, 2 * len(LARGE))
    assert content(files) == stored | {"/one": LARGE, "/two": LARGE}
    assert len(tries) == 2


# -- what a client may not do


class Raw:
    """A stream worked off by hand, and its socket."""

    def __init__(self, files: Files) -> None:
        self.stream = PutStream(files)
        request = opening()
        request.open.pass_files = True
        [answer] = self.stream.take(request.SerializeToString())
        self.opened = answer.opened
        self.socket = self.connect()
        self.socket.send(self.opened.token)

    def connect(self) -> socket.socket:
        made = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        made.connect(f"\0{self.opened.socket}")
        return made

    def announce(self, path: str = "/large") -> list[bulk_pb2.PutResponse]:
        request = bulk_pb2.PutRequest(passed=bulk_pb2.PassedFile(path=path))
        answers = self.stream.take_all([request.SerializeToString()])
        while self.stream.is_busy:
            answers += self.stream.go_on()
        return answers

    def refused(self) -> bool:
        [answer] = self.announce()
        return bool(answer.taken.refused)


@pytest.fixture
def raw(files: Files, monkeypatch: pytest.MonkeyPatch) -> Iterator[Raw]:
    monkeypatch.setattr(passing, "_WAIT_S", 0.3)
    monkeypatch.setattr(passing, "_STRANGER_S", 0.1)
    made = Raw(files)
    yield made
    made.stream.abandon()
    made.socket.close()
    with pytest.raises(NotFound):
        files.view(REF)


def test_nothing_handed_over(raw: Raw) -> None:
    assert raw.refused()


def test_a_packet_without_a_descriptor(raw: Raw) -> None:
    raw.socket.send(b"\0")
    assert raw.refused()


def test_what_is_no_regular_file(raw: Raw, tmp_path: Path) -> None:
    for opened in (os.pipe()[0], os.open(tmp_path, os.O_RDONLY), os.open("/dev/zero", os.O_RDONLY)):
        socket.send_fds(raw.socket, [b"\0"], [opened])
        assert raw.refused()
        os.close(opened)


def test_a_file_that_cannot_be_read(raw: Raw, large: Path) -> None:
    descriptor = os.open(large, os.O_WRONLY)
    socket.send_fds(raw.socket, [b"\0"], [descriptor])
    os.close(descriptor)
    with pytest.raises(InvalidArgument, match=r"file /large: cannot read it: Bad file descriptor"):
        raw.announce()
    raw.stream.abandon()
    assert not open_files(large)


def test_a_path_that_no_file_can_have(raw: Raw, large: Path) -> None:
    with large.open("rb") as file:
        socket.send_fds(raw.socket, [b"\0"], [file.fileno()])
        with pytest.raises(InvalidArgument, match="directory"):
            raw.announce("/a/")


def test_passing_without_asking(files: Files) -> None:
    stream = PutStream(files)
    stream.take(opening().SerializeToString())
    request = bulk_pb2.PutRequest(passed=bulk_pb2.PassedFile(path="/large"))
    with pytest.raises(InvalidArgument, match="did not ask"):
        stream.take(request.SerializeToString())
    stream.abandon()


def test_a_stranger_is_sent_away(
    files: Files, large: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passing, "_STRANGER_S", 0.1)
    stream = PutStream(files)
    request = opening()
    request.open.pass_files = True
    [answer] = stream.take(request.SerializeToString())
    connections = []
    for token in (b"", b"x" * 16, answer.opened.token + b"x", answer.opened.token):
        connections.append(socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET))
        connections[-1].connect(f"\0{answer.opened.socket}")
        if token:
            connections[-1].send(token)
    with large.open("rb") as file:
        for each in reversed(connections):
            socket.send_fds(each, [b"\0"], [file.fileno()])
    passed = bulk_pb2.PutRequest(passed=bulk_pb2.PassedFile(path="/large"))
    answers = stream.take_all([passed.SerializeToString()])
    assert answers[-1].taken.hash == digest(LARGE)
    stream.finish()
    assert content(files) == {"/large": LARGE}
    stream.abandon()
    for each in connections:
        each.close()


def test_a_client_that_goes_away(
    connection: Connection,
    files: Files,
    large: Path,
    received: list[int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("dassie.doors.grpc.bulk_put._STEP_BYTES", 1)

    def give_up(progress: Progress) -> None:
        raise KeyboardInterrupt

    with pytest.raises((KeyboardInterrupt, DassieError)):
        upload(
            connection,
            TARGET,
            [LocalFile(str(large), "/large")],
            UploadOptions(progress=give_up),
        )
    with pytest.raises(NotFound):
        files.view(REF)
    assert len(received) == 1
