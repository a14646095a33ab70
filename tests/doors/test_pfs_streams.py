"""Write streams as clients break them, and many clients at once, through generated stubs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest
from google.protobuf.wrappers_pb2 import BytesValue

from dassie._proto.pfs import pfs_pb2, pfs_pb2_grpc
from tests.crash.pachd import Pachd, branch, commit, repo

Stub = pfs_pb2_grpc.APIStub
Request = pfs_pb2.ModifyFileRequest


@pytest.fixture
def name(pfs: Stub, name: str) -> str:
    pfs.CreateRepo(pfs_pb2.CreateRepoRequest(repo=repo(name)))
    return name


def target(name: str) -> Request:
    return Request(set_commit=pfs_pb2.Commit(branch=branch(name)))


def add(path: str, data: bytes = b"x") -> Request:
    return Request(add_file=pfs_pb2.AddFile(path=path, raw=BytesValue(value=data)))


def paths(pfs: Stub, name: str) -> list[str]:
    file = pfs_pb2.File(commit=commit(name), path="/")
    return [info.file.path for info in pfs.WalkFile(pfs_pb2.WalkFileRequest(file=file))]


def count_commits(pfs: Stub, name: str) -> int:
    return len(list(pfs.ListCommit(pfs_pb2.ListCommitRequest(repo=repo(name)))))


def read(pfs: Stub, name: str, path: str) -> bytes:
    file = pfs_pb2.File(commit=commit(name), path=path)
    return b"".join(part.value for part in pfs.GetFile(pfs_pb2.GetFileRequest(file=file)))


def eventually(check: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not check():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def refused(pfs: Stub, *requests: Request) -> grpc.RpcError:
    with pytest.raises(grpc.RpcError) as caught:
        pfs.ModifyFile(iter(requests))
    return caught.value


# -- what a stream may say


def test_a_stream_applies_in_order_and_at_once(pfs: Stub, name: str) -> None:
    pfs.ModifyFile(iter([target(name), add("/a", b"1"), add("/a", b"2"), add("/d/b", b"3")]))
    delete = Request(delete_file=pfs_pb2.DeleteFile(path="/d/"))
    copy = Request(
        copy_file=pfs_pb2.CopyFile(dst="/c", src=pfs_pb2.File(commit=commit(name), path="/a"))
    )
    pfs.ModifyFile(iter([target(name), delete, copy, add("/a", b"3")]))
    assert paths(pfs, name) == ["/", "/a", "/c"]
    assert read(pfs, name, "/a") == b"123"
    assert read(pfs, name, "/c") == b"12"


def test_ten_thousand_files_in_one_stream(pfs: Stub, name: str) -> None:
    files = (add(f"/{number % 7}/{number:05}", b"%d" % number) for number in range(10_000))
    pfs.ModifyFile(iter([target(name), *files]))
    assert len(paths(pfs, name)) == 10_000 + 7 + 1
    assert read(pfs, name, "/4/09993") == b"9993"


def test_an_empty_file_is_one_empty_message(pfs: Stub, name: str) -> None:
    pfs.ModifyFile(iter([target(name), add("/empty", b""), add("/full")]))
    for path, offset, values in (("/empty", 0, [b""]), ("/full", 0, [b"x"]), ("/full", 1, [b""])):
        file = pfs_pb2.File(commit=commit(name), path=path)
        answers = pfs.GetFile(pfs_pb2.GetFileRequest(file=file, offset=offset))
        assert [answer.value for answer in answers] == values


def test_an_empty_stream_of_files_makes_a_commit(pfs: Stub, name: str) -> None:
    pfs.ModifyFile(iter([target(name)]))
    assert count_commits(pfs, name) == 1


@pytest.mark.parametrize(
    ("requests", "text"),
    [
        ([], "its first message must be set_commit"),
        ([add("/a")], "must be set_commit"),
        ([target("x"), Request()], "neither add, delete nor copy"),
        ([target("x"), target("x")], "only be the first message"),
        ([target("x"), add("/a/../b")], "not allowed in path"),
        ([target("x"), add("/a\0b")], "not allowed in path"),
        ([target("x"), add("/a"), add("/a/b")], "file / directory path collision"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_kept(
    pfs: Stub, name: str, requests: list[Request], text: str
) -> None:
    requests = [target(name) if each.HasField("set_commit") else each for each in requests]
    error = refused(pfs, *requests)
    assert text in error.details()
    assert count_commits(pfs, name) == 0


def test_an_unknown_repo(pfs: Stub) -> None:
    error = refused(pfs, target("no-such-repo"), add("/a"))
    assert error.code() is grpc.StatusCode.NOT_FOUND
    assert "repo default/no-such-repo not found" in error.details()


def test_a_file_set_from_a_stream(pfs: Stub) -> None:
    made = pfs.CreateFileSet(iter([add("/a", b"1"), add("/a", b"2"), add("/d/b", b"3")]))
    assert read_set(pfs, made.file_set_id, "/a") == b"12"
    with pytest.raises(grpc.RpcError) as caught:
        pfs.CreateFileSet(iter([target("x"), add("/a")]))
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    with pytest.raises(grpc.RpcError) as caught:
        read_set(pfs, "0" * 32, "/a")
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND
    with pytest.raises(grpc.RpcError) as caught:
        pfs.RenewFileSet(pfs_pb2.RenewFileSetRequest(file_set_id=made.file_set_id, ttl_seconds=0))
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


def read_set(pfs: Stub, id_: str, path: str) -> bytes:
    file = pfs_pb2.File(commit=pfs_pb2.Commit(repo=repo("__filesets__"), id=id_), path=path)
    return b"".join(part.value for part in pfs.GetFile(pfs_pb2.GetFileRequest(file=file)))


# -- streams that break


def test_garbage_in_a_stream(pachd: Pachd, pfs: Stub, name: str) -> None:
    raw = pachd.channel.stream_unary("/pfs_v2.API/ModifyFile")
    sent = [target(name).SerializeToString(), add("/a").SerializeToString(), b"\xff\xff\xff"]
    with pytest.raises(grpc.RpcError) as caught:
        raw(iter(sent))
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert count_commits(pfs, name) == 0


def test_an_oversized_message(pachd: Pachd, pfs: Stub, name: str) -> None:
    with grpc.insecure_channel(
        pachd.address, options=[("grpc.max_send_message_length", -1)]
    ) as channel:
        big = add("/a", bytes(21 << 20))
        error = refused(pfs_pb2_grpc.APIStub(channel), target(name), big)
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert count_commits(pfs, name) == 0


def test_a_cancelled_stream_leaves_nothing(pfs: Stub, name: str) -> None:
    going = threading.Event()

    def requests() -> Iterator[Request]:
        yield target(name)
        for number in range(2000):
            yield add(f"/{number}", bytes(1000))
        going.set()
        threading.Event().wait(30)

    future = pfs.ModifyFile.future(requests())
    assert going.wait(10)
    future.cancel()
    pfs.ModifyFile(iter([target(name), add("/after")]))
    assert paths(pfs, name) == ["/", "/after"]
    assert count_commits(pfs, name) == 1


CLIENT = """
    import sys, time
    import grpc
    from dassie._proto.pfs import pfs_pb2, pfs_pb2_grpc
    from tests.doors.test_pfs_streams import add, target

    def requests():
        yield target(sys.argv[2])
        for number in range(int(sys.argv[3])):
            yield add(f"/{number}", bytes(3000))
        print("sent", flush=True)
        time.sleep(60)

    with grpc.insecure_channel(sys.argv[1]) as channel:
        pfs_pb2_grpc.APIStub(channel).ModifyFile(requests())
"""


def test_a_killed_client_leaves_nothing(pachd: Pachd, pfs: Stub, name: str) -> None:
    for messages in (1, 40, 3000):
        client = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(CLIENT), pachd.address, name, str(messages)],
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(Path.cwd())},
        )
        assert client.stdout is not None
        assert client.stdout.readline() == b"sent\n"
        client.send_signal(signal.SIGKILL)
        client.wait()
        client.stdout.close()
    pfs.ModifyFile(iter([target(name), add("/after")]))
    assert paths(pfs, name) == ["/", "/after"]
    assert count_commits(pfs, name) == 1


def test_a_reader_that_goes_away(pfs: Stub, name: str) -> None:
    pfs.ModifyFile(iter([target(name), *(add("/big", bytes(4 << 20)) for _ in range(8))]))
    file = pfs_pb2.File(commit=commit(name), path="/big")
    for _ in range(5):
        answers = pfs.GetFile(pfs_pb2.GetFileRequest(file=file))
        next(answers)
        answers.cancel()
    assert len(read(pfs, name, "/big")) == 32 << 20


# -- many clients


def test_two_hundred_clients_at_once(pachd: Pachd, pfs: Stub, name: str) -> None:
    failures: list[BaseException] = []

    def work(number: int) -> None:
        options = [("grpc.use_local_subchannel_pool", 1)]
        try:
            with grpc.insecure_channel(pachd.address, options=options) as channel:
                stub = pfs_pb2_grpc.APIStub(channel)
                stub.ModifyFile(iter([target(name), add(f"/{number}", b"%d" % number)]))
                assert read(stub, name, f"/{number}") == b"%d" % number
        except BaseException as error:  # noqa: BLE001 - shown below
            failures.append(error)

    with ThreadPoolExecutor(200) as clients:
        list(clients.map(work, range(200)))
    assert failures == []
    assert len(paths(pfs, name)) == 201
    assert count_commits(pfs, name) == 200


def test_hundreds_wait_while_one_writes(pachd: Pachd, pfs: Stub, name: str) -> None:
    start = pfs_pb2.StartCommitRequest(branch=branch(name))
    open_ = pfs.StartCommit(start)
    request = pfs_pb2.InspectCommitRequest(commit=open_, wait=pfs_pb2.CommitState.FINISHED)
    subscribe = pfs_pb2.SubscribeCommitRequest(
        repo=repo(name), branch="master", state=pfs_pb2.CommitState.FINISHED
    )
    with grpc.insecure_channel(pachd.address) as channel:
        stub = pfs_pb2_grpc.APIStub(channel)
        waiting = [stub.InspectCommit.future(request) for _ in range(150)]
        feeds = [stub.SubscribeCommit(subscribe) for _ in range(150)]
        pfs.ModifyFile(iter([Request(set_commit=open_), add("/a")]))
        pfs.FinishCommit(pfs_pb2.FinishCommitRequest(commit=open_))
        assert all(each.result(20).commit.id == open_.id for each in waiting)
        assert all(next(each).commit.id == open_.id for each in feeds)
        for each in feeds:
            each.cancel()


def test_streams_into_one_open_commit_all_survive(pfs: Stub, name: str) -> None:
    open_ = pfs.StartCommit(pfs_pb2.StartCommitRequest(branch=branch(name)))
    into = Request(set_commit=open_)
    with ThreadPoolExecutor(16) as writers:
        list(writers.map(lambda n: pfs.ModifyFile(iter([into, add(f"/{n}")])), range(32)))
    pfs.FinishCommit(pfs_pb2.FinishCommitRequest(commit=open_))
    assert len(paths(pfs, name)) == 33
