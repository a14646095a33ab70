"""Every method of every service, empty and senseless requests: an answer or a clear error, never an
internal one, and the server goes on.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor
from google.protobuf.message import Message

from dassie._proto.pfs import pfs_pb2
from dassie.doors.grpc.services import SERVICES
from tests.crash.pachd import Pachd

METHODS = [
    method
    for service in SERVICES.values()
    for method in service.methods
    if service.full_name != "dassie.worker.v1.Worker"
]
PATIENCE = 0.2
"""Seconds; subscriptions never end by themselves."""

STRINGS = (
    "", "default", "alive", "alive", "user", "master", "a b",
    "../..", "/", "/\x00", "é", "(" * 40, "[", "{a,", "x" * 5000,
    "repo@", "^", "master^99999999999999999999", ".0", "0" * 32, "f" * 12 + "4" + "f" * 19,
    "{}", "{", "-1", "name^2", "s3://b/k", "*/" * 60, "!(!(!(a)))", "$1${9}",
)  # fmt: skip
NUMBERS = (0, 1, -1, 7, 2**31 - 1, -(2**31))
LONG = (*NUMBERS, 2**63 - 1, -(2**63))
KINDS = FieldDescriptor
VALUES: dict[int, Callable[[random.Random], Any]] = {
    KINDS.CPPTYPE_STRING: lambda r: r.choice(STRINGS),
    KINDS.CPPTYPE_INT32: lambda r: r.choice(NUMBERS),
    KINDS.CPPTYPE_INT64: lambda r: r.choice(LONG),
    KINDS.CPPTYPE_UINT32: lambda r: abs(r.choice(NUMBERS)) % 2**32,
    KINDS.CPPTYPE_UINT64: lambda r: abs(r.choice(LONG)),
    KINDS.CPPTYPE_BOOL: lambda r: r.random() < 0.5,
    KINDS.CPPTYPE_ENUM: lambda r: r.choice((0, 1, 2, 3, 4, 99, -1)),
    KINDS.CPPTYPE_DOUBLE: lambda r: r.choice((0.0, -1.0, float("nan"), float("inf"))),
    KINDS.CPPTYPE_FLOAT: lambda r: r.choice((0.0, -1.0, float("nan"))),
}


def garbage(kind: Descriptor, chance: random.Random, depth: int = 0) -> Message:
    """A message with any fields set to anything its types allow."""
    message = message_factory.GetMessageClass(kind)()
    for field in kind.fields:
        if chance.random() < (0.3 if depth < 4 else 0.9):
            continue
        if field.message_type and field.message_type.GetOptions().map_entry:
            continue
        times = chance.randrange(3) if field.is_repeated else 1
        for _ in range(times):
            if field.type == KINDS.TYPE_BYTES:
                value: Any = chance.choice(STRINGS).encode()
            elif field.message_type:
                value = garbage(field.message_type, chance, depth + 1)
            else:
                value = VALUES[field.cpp_type](chance)
            if field.is_repeated:
                getattr(message, field.name).append(value)
            elif field.message_type:
                getattr(message, field.name).CopyFrom(value)
            else:
                setattr(message, field.name, value)
    return message


def call(channel: grpc.Channel, method: MethodDescriptor, requests: list[bytes]) -> None:
    """Call it as a client would, raw, and read the first few answers."""
    kind = "_".join(
        "stream" if streams else "unary"
        for streams in (method.client_streaming, method.server_streaming)
    )
    path = f"/{method.containing_service.full_name}/{method.name}"
    stub = getattr(channel, kind)(path, lambda data: data, lambda data: data)
    sent = iter(requests) if method.client_streaming else requests[0]
    answer = stub(sent, timeout=PATIENCE)
    if method.server_streaming:
        for number, _ in enumerate(answer):
            if number == 50:
                answer.cancel()
                return


def complaint(channel: grpc.Channel, method: MethodDescriptor, requests: list[bytes]) -> str:
    """What is wrong with the answer; empty when it is fine."""
    try:
        call(channel, method, requests)
    except grpc.RpcError as error:
        text = error.details() or ""
        bad = error.code().name in ("INTERNAL", "UNKNOWN") or "Traceback" in text
        named = error.code().name in ("DEADLINE_EXCEEDED", "CANCELLED") or len(text) > 8
        if bad or not named:
            return f"{method.full_name}: {error.code().name}: {text[:300]}"
    return ""


@pytest.fixture(scope="module")
def victim(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pachd]:
    """A server of its own: the methods that delete everything are called too."""
    server = Pachd(Path(tmp_path_factory.mktemp("victim")))
    server.start()
    yield server
    server.stop()


def still_serves(server: Pachd) -> bool:
    where = pfs_pb2.Repo(name="alive", type="user", project=pfs_pb2.Project(name="default"))
    server.pfs.CreateRepo(pfs_pb2.CreateRepoRequest(repo=where, update=True))
    server.put("alive", {"/f": b"x"})
    branch = pfs_pb2.Branch(repo=where, name="master")
    return server.contents(pfs_pb2.Commit(repo=where, branch=branch)) == {"/f": b"x"}


def test_empty_requests(victim: Pachd) -> None:
    wrong = [complaint(victim.channel, method, [b""]) for method in METHODS]
    assert [each for each in wrong if each] == []
    streams = [method for method in METHODS if method.client_streaming]
    wrong = [complaint(victim.channel, method, []) for method in streams]
    assert [each for each in wrong if each] == []
    assert still_serves(victim)


@pytest.mark.parametrize("seed", range(5))
def test_senseless_requests(victim: Pachd, seed: int) -> None:
    chance = random.Random(seed)
    wrong = []
    for method in METHODS:
        requests = [garbage(method.input_type, chance).SerializeToString() for _ in range(3)]
        wrong.append(complaint(victim.channel, method, requests))
    assert [each for each in wrong if each] == []
    assert still_serves(victim)
