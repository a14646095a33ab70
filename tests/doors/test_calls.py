"""How calls reach plain functions: threads, batches, errors, cancellation, unknown methods."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from dassie import errors
from dassie._proto.pfs import pfs_pb2, pfs_pb2_grpc
from dassie.doors.grpc.calls import Call, Requests, snake_case
from tests.doors.serving import serving


class Fake:
    """Stands in for the PFS service."""

    def __init__(self) -> None:
        self.closed = threading.Event()
        self.waiting = threading.Event()
        self.gone = threading.Event()
        self.read: list[pfs_pb2.ModifyFileRequest] = []

    def inspect_repo(self, request: pfs_pb2.InspectRepoRequest, call: Call) -> pfs_pb2.RepoInfo:
        if request.repo.name == "bug":
            raise RuntimeError("two\nlines")
        if request.repo.name == "missing":
            raise errors.NotFound("repo default/missing not found")
        return pfs_pb2.RepoInfo(repo=request.repo, description=call.method)

    def create_repo(self, _request: object, _call: Call) -> None:
        return None

    def list_repo(self, request: pfs_pb2.ListRepoRequest, _call: Call) -> Iterator[Any]:
        try:
            for number in range(3000):
                if number == 2000 and request.type == "fails":
                    raise errors.DataLoss("pack 7 is damaged")
                yield pfs_pb2.RepoInfo(description=str(number))
        finally:
            self.closed.set()

    async def inspect_commit(self, _request: object, _call: Call) -> pfs_pb2.CommitInfo:
        self.waiting.set()
        try:
            await asyncio.sleep(60)
        finally:
            self.gone.set()
        return pfs_pb2.CommitInfo()

    async def subscribe_commit(self, _request: object, _call: Call) -> AsyncIterator[Any]:
        try:
            yield pfs_pb2.CommitInfo(description="first")
            await asyncio.sleep(60)
        finally:
            self.gone.set()

    async def modify_file(self, requests: Requests, _call: Call) -> None:
        async for message in requests:
            self.read.append(message)


@pytest.fixture
def fake() -> Fake:
    return Fake()


@pytest.fixture
def channel(fake: Fake) -> Iterator[grpc.Channel]:
    with (
        serving({"pfs_v2.API": fake}) as port,
        grpc.insecure_channel(f"localhost:{port}") as channel,
    ):
        yield channel


@pytest.fixture
def stub(channel: grpc.Channel) -> pfs_pb2_grpc.APIStub:
    return pfs_pb2_grpc.APIStub(channel)


def request(name: str) -> pfs_pb2.InspectRepoRequest:
    return pfs_pb2.InspectRepoRequest(repo=pfs_pb2.Repo(name=name))


def failure(function: Any, *arguments: Any, **options: Any) -> grpc.RpcError:
    with pytest.raises(grpc.RpcError) as caught:
        function(*arguments, **options)
    return caught.value


def test_a_blocking_method_answers(stub: pfs_pb2_grpc.APIStub) -> None:
    info = stub.InspectRepo(request("a"))
    assert info.repo.name == "a"
    assert info.description == "pfs_v2.API/InspectRepo"
    stub.CreateRepo(pfs_pb2.CreateRepoRequest())


def test_a_domain_error_keeps_its_category_and_text(stub: pfs_pb2_grpc.APIStub) -> None:
    error = failure(stub.InspectRepo, request("missing"))
    assert error.code() is grpc.StatusCode.NOT_FOUND
    assert error.details() == "repo default/missing not found"


def test_a_bug_is_an_internal_error_in_one_line(stub: pfs_pb2_grpc.APIStub) -> None:
    error = failure(stub.InspectRepo, request("bug"))
    assert error.code() is grpc.StatusCode.INTERNAL
    assert error.details() == (
        "internal error in pfs_v2.API/InspectRepo: RuntimeError: two lines"
        " (the server's log has the details)"
    )


def test_garbage_is_refused_and_the_server_lives(channel: grpc.Channel) -> None:
    call = channel.unary_unary("/pfs_v2.API/InspectRepo")
    error = failure(call, b"\xff" * 20)
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "20 bytes are not a valid pfs_v2.InspectRepoRequest" in error.details()
    call(request("a").SerializeToString())


def test_a_long_listing_arrives_in_order(stub: pfs_pb2_grpc.APIStub, fake: Fake) -> None:
    found = [info.description for info in stub.ListRepo(pfs_pb2.ListRepoRequest())]
    assert found == [str(number) for number in range(3000)]
    assert fake.closed.wait(5)


def test_what_came_before_an_error_arrives_before_it(stub: pfs_pb2_grpc.APIStub) -> None:
    found = []
    answers = stub.ListRepo(pfs_pb2.ListRepoRequest(type="fails"))
    with pytest.raises(grpc.RpcError) as caught:
        found.extend(iter(lambda: next(answers).description, None))
    assert len(found) == 2000
    assert caught.value.code() is grpc.StatusCode.DATA_LOSS


def test_a_listing_that_nobody_reads_on_is_closed(stub: pfs_pb2_grpc.APIStub, fake: Fake) -> None:
    answers = stub.ListRepo(pfs_pb2.ListRepoRequest())
    next(answers)
    answers.cancel()
    assert fake.closed.wait(5)


def test_a_waiting_call_ends_with_its_caller(stub: pfs_pb2_grpc.APIStub, fake: Fake) -> None:
    future = stub.InspectCommit.future(pfs_pb2.InspectCommitRequest())
    assert fake.waiting.wait(5)
    future.cancel()
    assert fake.gone.wait(5)


def test_a_subscription_ends_with_its_caller(stub: pfs_pb2_grpc.APIStub, fake: Fake) -> None:
    answers = stub.SubscribeCommit(pfs_pb2.SubscribeCommitRequest())
    assert next(answers).description == "first"
    answers.cancel()
    assert fake.gone.wait(5)


def test_two_hundred_waiting_calls_block_nobody(channel: grpc.Channel) -> None:
    stub = pfs_pb2_grpc.APIStub(channel)
    waiting = [stub.InspectCommit.future(pfs_pb2.InspectCommitRequest()) for _ in range(200)]
    assert stub.InspectRepo(request("a"), timeout=10).repo.name == "a"
    for call in waiting:
        call.cancel()


def test_a_client_stream_is_read_to_its_end(stub: pfs_pb2_grpc.APIStub, fake: Fake) -> None:
    stub.ModifyFile(pfs_pb2.ModifyFileRequest() for _ in range(700))
    assert len(fake.read) == 700


def test_an_oversized_message_is_refused(channel: grpc.Channel) -> None:
    call = channel.stream_unary("/pfs_v2.API/ModifyFile")
    error = failure(call, iter([bytes(21 << 20)]))
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_what_is_not_built_says_so(stub: pfs_pb2_grpc.APIStub) -> None:
    error = failure(stub.SquashCommit, pfs_pb2.SquashCommitRequest())
    assert error.code() is grpc.StatusCode.UNIMPLEMENTED
    assert "pfs_v2.API/SquashCommit is not implemented in Dassie yet" in error.details()


@pytest.mark.parametrize(
    ("method", "text"),
    [
        ("/pfs.API/ListRepo", "client appears to be an older version"),
        ("/some.Service/Method", "no such method"),
        ("/pjs.API/CreateJob", "is not implemented in Dassie yet"),
    ],
)
def test_every_name_gets_an_answer(channel: grpc.Channel, method: str, text: str) -> None:
    error = failure(channel.unary_unary(method), b"", timeout=10)
    assert error.code() is grpc.StatusCode.UNIMPLEMENTED
    assert text in error.details()


def test_an_empty_transaction_header_means_none(stub: pfs_pb2_grpc.APIStub) -> None:
    stub.InspectRepo(request("a"), metadata=(("pach-transaction", ""),))
    error = failure(stub.InspectRepo, request("a"), metadata=(("pach-transaction", "7f3"),))
    assert error.code() is grpc.StatusCode.UNIMPLEMENTED
    assert "transaction 7f3 is not implemented in Dassie yet" in error.details()


def test_health_and_reflection(channel: grpc.Channel) -> None:
    health = health_pb2_grpc.HealthStub(channel)
    answer = health.Check(health_pb2.HealthCheckRequest())
    assert answer.status == health_pb2.HealthCheckResponse.SERVING
    reflection = reflection_pb2_grpc.ServerReflectionStub(channel)
    ask = reflection_pb2.ServerReflectionRequest(list_services="")
    (listed,) = reflection.ServerReflectionInfo(iter([ask]))
    names = {service.name for service in listed.list_services_response.service}
    assert {"pfs_v2.API", "pps_v2.API", "grpc.health.v1.Health"} <= names
    symbols = ["pfs_v2.API", "pfs_v2.API.StartCommit", "pfs_v2.Repo.name", "pfs_v2.Repo.nam", "x.y"]
    asks = [reflection_pb2.ServerReflectionRequest(file_containing_symbol=s) for s in symbols]
    answers = list(reflection.ServerReflectionInfo(iter(asks)))
    kinds = [each.WhichOneof("message_response") for each in answers]
    assert kinds == ["file_descriptor_response"] * 3 + ["error_response"] * 2


@pytest.mark.parametrize(
    ("method", "name"),
    [
        ("GetFileTAR", "get_file_tar"),
        ("InspectProjectV2", "inspect_project_v2"),
        ("WhoAmI", "who_am_i"),
        ("CreateIDPConnector", "create_idp_connector"),
        ("ReadFilesetCDR", "read_fileset_cdr"),
    ],
)
def test_methods_are_named_in_snake_case(method: str, name: str) -> None:
    assert snake_case(method) == name
