"""grpc.reflection.v1alpha.ServerReflection: which services there are, and their descriptions."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from google.protobuf import descriptor_pool
from google.protobuf.descriptor import FileDescriptor
from grpc_reflection.v1alpha import reflection_pb2

from dassie.doors.grpc.calls import Call, Requests
from dassie.doors.grpc.transport.metadata import Code

SERVICE = reflection_pb2.DESCRIPTOR.services_by_name["ServerReflection"]


class ReflectionService:
    def __init__(self, services: Sequence[str]) -> None:
        self._services = sorted(services)
        self._pool = descriptor_pool.Default()

    async def server_reflection_info(
        self, requests: Requests, _call: Call
    ) -> AsyncIterator[reflection_pb2.ServerReflectionResponse]:
        async for request in requests:
            answer = reflection_pb2.ServerReflectionResponse(
                valid_host=request.host, original_request=request
            )
            self._fill(answer, request)
            yield answer

    def _fill(
        self,
        answer: reflection_pb2.ServerReflectionResponse,
        request: reflection_pb2.ServerReflectionRequest,
    ) -> None:
        kind = request.WhichOneof("message_request")
        if kind == "list_services":
            for name in self._services:
                answer.list_services_response.service.add(name=name)
            return
        try:
            file = self._file(kind, request)
        except KeyError:
            answer.error_response.error_code = Code.NOT_FOUND
            answer.error_response.error_message = "not found"
            return
        for each in _with_imports(file):
            answer.file_descriptor_response.file_descriptor_proto.append(each.serialized_pb)

    def _file(
        self, kind: str | None, request: reflection_pb2.ServerReflectionRequest
    ) -> FileDescriptor:
        if kind == "file_by_filename":
            return self._pool.FindFileByName(request.file_by_filename)
        if kind == "file_containing_symbol":
            return self._file_of(request.file_containing_symbol)
        # Extensions are a thing of proto2, which nothing here uses.
        raise KeyError(kind)

    def _file_of(self, symbol: str) -> FileDescriptor:
        """The pool finds services, messages and enums by name, but not what is inside them."""
        try:
            return self._pool.FindFileContainingSymbol(symbol)
        except KeyError:
            outer, _, name = symbol.rpartition(".")
            file = self._pool.FindFileContainingSymbol(outer)
            service = file.services_by_name.get(outer.removeprefix(f"{file.package}."))
            if service is not None and name in service.methods_by_name:
                return file
            if service is None and name in self._pool.FindMessageTypeByName(outer).fields_by_name:
                return file
            raise


def _with_imports(file: FileDescriptor) -> list[FileDescriptor]:
    found: dict[str, FileDescriptor] = {}
    waiting = [file]
    while waiting:
        each = waiting.pop()
        if each.name not in found:
            found[each.name] = each
            waiting.extend(each.dependencies)
    return list(found.values())
