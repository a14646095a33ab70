"""Two hundred clients at once, among them such as vanish in the middle of a stream, never read what
they asked for, or send rubbish: nobody else notices, nothing of theirs stays, and the memory of
pachd is bounded."""

from __future__ import annotations

import random
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import grpc
import pytest

from dassie._proto.pfs import pfs_pb2, pfs_pb2_grpc
from tests.crash.pachd import LIMITS, Pachd, commit

GOOD, RUDE = 160, 40
REPOS = [f"r{number}" for number in range(8)]
COMMITS = 3
PATIENCE_S = 120
MAX_MEMORY = 500 << 20
BIG = 48 << 20
PIECE = bytes(1 << 20)
Stub = pfs_pb2_grpc.APIStub
Request = pfs_pb2.ModifyFileRequest


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Pachd]:
    pachd = Pachd(tmp_path)
    pachd.start()
    yield pachd
    pachd.stop()


def channel(server: Pachd) -> grpc.Channel:
    """A connection of its own."""
    return grpc.insecure_channel(
        server.address, options=[*LIMITS, ("grpc.use_local_subchannel_pool", 1)]
    )


def add(path: str, data: bytes) -> Request:
    request = Request()
    request.add_file.path = path
    request.add_file.raw.value = data
    return request


def good(server: Pachd, number: int) -> None:
    """Small commits, each read again."""
    name = REPOS[number % len(REPOS)]
    with channel(server) as own:
        stub = Stub(own)
        for turn in range(COMMITS):
            path, data = f"/{number}-{turn}", b"%d" % (number * turn)
            stub.ModifyFile(
                iter([Request(set_commit=commit(name)), add(path, data)]), timeout=PATIENCE_S
            )
            ask = pfs_pb2.GetFileRequest(file=pfs_pb2.File(commit=commit(name), path=path))
            assert b"".join(p.value for p in stub.GetFile(ask, timeout=PATIENCE_S)) == data


def vanishes(server: Pachd, number: int) -> None:
    """Cancels a large stream, or breaks its connection."""
    sent = threading.Event()

    def requests() -> Iterator[Request]:
        yield Request(set_commit=commit("big"))
        for turn in range(random.Random(number).randint(1, 40)):
            yield add(f"/rude-{number}", PIECE[turn:])
        sent.set()
        threading.Event().wait(5)

    with channel(server) as own:
        call = Stub(own).ModifyFile.future(requests())
        sent.wait(PATIENCE_S)
        if number % 2:
            call.cancel()


def never_reads(server: Pachd, number: int) -> None:
    """Asks for a large file, takes a piece, and sits there."""
    with channel(server) as own:
        ask = pfs_pb2.GetFileRequest(file=pfs_pb2.File(commit=commit("big"), path="/big"))
        answer = Stub(own).GetFile(ask)
        next(answer)
        threading.Event().wait(1)


def too_large(server: Pachd, number: int) -> None:
    with grpc.insecure_channel(
        server.address, options=[("grpc.max_send_message_length", -1)]
    ) as own:
        requests = [Request(set_commit=commit("big")), add(f"/rude-{number}", bytes(21 << 20))]
        with pytest.raises(grpc.RpcError) as caught:
            Stub(own).ModifyFile(iter(requests), timeout=PATIENCE_S)
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


def truncated(server: Pachd, number: int) -> None:
    """A message that ends in the middle."""
    message = add(f"/rude-{number}", PIECE).SerializeToString()
    with channel(server) as own:
        raw = own.stream_unary("/pfs_v2.API/ModifyFile")
        start = Request(set_commit=commit("big")).SerializeToString()
        with pytest.raises(grpc.RpcError) as caught:
            raw(iter([start, message[: len(message) // 2]]), timeout=PATIENCE_S)
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


def rubbish(server: Pachd, number: int) -> None:
    """No HTTP/2, or the beginning of it."""
    host, _, port = server.address.rpartition(":")
    preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" if number % 2 else b""
    with socket.create_connection((host, int(port)), timeout=10) as connection, suppress(OSError):
        connection.sendall(preface + random.Random(number).randbytes(100_000))
        connection.settimeout(1)
        connection.recv(10)


RUDENESS: list[Callable[[Pachd, int], None]] = [
    vanishes,
    vanishes,
    never_reads,
    too_large,
    truncated,
    rubbish,
]


@pytest.mark.slow
def test_two_hundred_clients_some_of_them_rude(server: Pachd) -> None:
    for name in (*REPOS, "big"):
        server.create_repo(name)
    data = random.Random(1).randbytes(1 << 20)
    requests = [Request(set_commit=commit("big")), *(add("/big", data) for _ in range(BIG >> 20))]
    server.pfs.ModifyFile(iter(requests))
    clients = [(good, number) for number in range(GOOD)]
    clients += [(RUDENESS[number % len(RUDENESS)], number) for number in range(RUDE)]
    random.Random(2).shuffle(clients)

    with ThreadPoolExecutor(len(clients)) as pool:
        running = [pool.submit(behave, server, number) for behave, number in clients]
        for each in running:
            each.result(PATIENCE_S)

    for place, name in enumerate(REPOS):
        wanted = {
            f"/{number}-{turn}": b"%d" % (number * turn)
            for number in range(place, GOOD, len(REPOS))
            for turn in range(COMMITS)
        }
        assert server.contents(commit(name)) == wanted
    big = server.contents(commit("big"))
    assert {path: len(content) for path, content in big.items()} == {"/big": BIG}
    assert server.fsck() == []
    print(f"{server.peak_memory() >> 20} MiB at most")
    assert server.peak_memory() < MAX_MEMORY
