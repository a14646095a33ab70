"""One connection to a server: its services, with gRPC errors turned into `dassie.errors`.

Called by the command line, one connection per command. Importing this module is cheap; gRPC and the
generated code are imported when the first service is used. Nothing is retried here.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, Self

from dassie.client.config import Target
from dassie.client.errors import from_call

MAX_MESSAGE_BYTES = 20 * 1024 * 1024
_OPTIONS = [
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.keepalive_permit_without_calls", 1),
]
_SERVICES = {
    "pfs": ("pfs.pfs_pb2_grpc", "APIStub"),
    "pps": ("pps.pps_pb2_grpc", "APIStub"),
    "admin": ("admin.admin_pb2_grpc", "APIStub"),
    "version": ("version.versionpb.version_pb2_grpc", "APIStub"),
    "auth": ("auth.auth_pb2_grpc", "APIStub"),
    "identity": ("identity.identity_pb2_grpc", "APIStub"),
    "transaction": ("transaction.transaction_pb2_grpc", "APIStub"),
    "metadata": ("metadata.metadata_pb2_grpc", "APIStub"),
    "bulk": ("dassie.bulk_pb2_grpc", "BulkStub"),
    "explain": ("dassie.explain_pb2_grpc", "ExplainStub"),
}


class Stream:
    """The answers of a streaming call; iterate it once, or `cancel()` it."""

    def __init__(self, call: Any, address: str) -> None:
        self._call = call
        self._address = address

    def __iter__(self) -> Iterator[Any]:
        import grpc

        try:
            yield from self._call
        except grpc.RpcError as error:
            raise from_call(error, self._address) from error

    def cancel(self) -> None:
        self._call.cancel()


class Service:
    """A generated stub: every method takes a request (or an iterator of them) and may `raise`."""

    def __init__(self, stub: Any, target: Target, timeout_s: float | None) -> None:
        self._stub = stub
        self._target = target
        self._timeout_s = timeout_s

    def __getattr__(self, name: str) -> Callable[..., Any]:
        import grpc

        method = getattr(self._stub, name)
        address = self._target.address

        def call(request: Any, *, timeout_s: float | None = None) -> Any:
            try:
                answer = method(
                    request, timeout=timeout_s or self._timeout_s, metadata=_metadata(self._target)
                )
            except grpc.RpcError as error:
                raise from_call(error, address) from error
            return Stream(answer, address) if isinstance(answer, grpc.RpcError) else answer

        return call


class Connection:
    """Lazy: nothing is opened before the first call. Use as a context manager or `close()` it."""

    def __init__(self, target: Target, *, timeout_s: float | None = None) -> None:
        self.target = target
        self._timeout_s = timeout_s
        self._channel: Any = None
        self._services: dict[str, Service] = {}

    @property
    def channel(self) -> Any:
        """The gRPC channel; opened on first use."""
        if self._channel is None:
            import grpc

            address, options = self.target.address, _OPTIONS
            if self.target.tls:
                credentials = grpc.ssl_channel_credentials(self.target.root_certificates)
                self._channel = grpc.secure_channel(address, credentials, options)
            else:
                self._channel = grpc.insecure_channel(address, options)
        return self._channel

    @property
    def metadata(self) -> list[tuple[str, str]]:
        """Headers of every call, for those who call the channel themselves."""
        return _metadata(self.target)

    def service(self, name: str) -> Service:
        found = self._services.get(name)
        if found is None:
            module, stub = _SERVICES[name]
            generated = importlib.import_module(f"dassie._proto.{module}")
            found = Service(getattr(generated, stub)(self.channel), self.target, self._timeout_s)
            self._services[name] = found
        return found

    @property
    def pfs(self) -> Service:
        return self.service("pfs")

    @property
    def pps(self) -> Service:
        return self.service("pps")

    @property
    def admin(self) -> Service:
        return self.service("admin")

    @property
    def explain(self) -> Service:
        return self.service("explain")

    def close(self) -> None:
        if self._channel is not None:
            self._channel.close()
            self._channel = None
        self._services.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _metadata(target: Target) -> list[tuple[str, str]]:
    pairs = (("authn-token", target.token), ("pach-transaction", target.transaction))
    return [(key, value) for key, value in pairs if value]
