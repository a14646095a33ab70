"""The gRPC server: options, health, reflection, and a clear answer to every method name there is.

Built by `daemon.wiring`, which hands over one object per service (see `calls`); starts, drains,
stops.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import grpc
import grpc.aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from dassie.doors.grpc.calls import Threads, Waits, service_handler
from dassie.doors.grpc.services import OLD_SERVICES, SERVICES
from dassie.errors import Unavailable

MAX_MESSAGE = 20 << 20
"""Bytes of one message, either way; clients cut their uploads at 19 MiB."""

OPTIONS = (
    ("grpc.max_receive_message_length", MAX_MESSAGE),
    ("grpc.max_send_message_length", MAX_MESSAGE),
    # pachctl pings every 20 s, open call or not. Without these two, a server takes that for abuse
    # and hangs up.
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_ping_strikes", 0),
    # Two servers on one port would share its connections at random.
    ("grpc.so_reuseport", 0),
    # Bytes a client may send ahead. The default of 64 KiB costs a round trip per 64 KiB.
    ("grpc.http2.lookahead_bytes", 4 << 20),
    ("grpc.http2.max_frame_size", 1 << 20),
)


class Server:
    """One listening gRPC server. Its methods are coroutines of one event loop."""

    def __init__(self, implementations: Mapping[str, object], threads: Threads) -> None:
        """`implementations`: by full service name; the rest of `SERVICES` answers "not
        implemented".
        """
        unknown = implementations.keys() - SERVICES.keys()
        if unknown:
            raise ValueError(f"no such services: {sorted(unknown)}")
        self._implementations = implementations
        self._threads = threads
        self._waits = Waits()
        self._health = health.aio.HealthServicer()  # type: ignore[attr-defined]
        self._server: grpc.aio.Server | None = None

    async def start(self, host: str, port: int) -> int:
        """Listen; the port that it is, also when `port` is 0."""
        server = self._build()
        address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        try:
            bound = server.add_insecure_port(address)
        except RuntimeError:
            bound = 0
        if bound == 0:
            raise Unavailable(f"cannot listen on {address}: is another server using the port?")
        await server.start()
        self._server = server
        await self._health.set("", health_pb2.HealthCheckResponse.SERVING)
        return bound

    async def stop(self, grace: float) -> None:
        """Refuse new calls, end those that only wait, let the others run for `grace` seconds."""
        self._waits.stop()
        if self._server is not None:
            await self._health.enter_graceful_shutdown()
            await self._server.stop(grace)
        await asyncio.to_thread(self._threads.close)

    def _build(self) -> grpc.aio.Server:
        """gRPC's own object belongs to the loop that runs when it is made."""
        server = grpc.aio.server(options=OPTIONS)
        nothing = object()
        server.add_generic_rpc_handlers(
            [
                service_handler(
                    service, self._implementations.get(name, nothing), self._threads, self._waits
                )
                for name, service in SERVICES.items()
            ]
        )
        health_pb2_grpc.add_HealthServicer_to_server(self._health, server)
        names = (*SERVICES, "grpc.health.v1.Health", reflection.SERVICE_NAME)
        reflection.enable_server_reflection(names, server)
        server.add_generic_rpc_handlers((_Fallback(),))
        return server


class _Fallback(grpc.GenericRpcHandler):  # type: ignore[type-arg]
    """Answers methods of services that nobody here knows, and those of 1.x clients, in words."""

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:
        method = str(handler_call_details.method).lstrip("/")
        if method.rpartition("/")[0] in OLD_SERVICES:
            text = (
                f"{method}: this server speaks Pachyderm's API 2.12, but your client"
                " appears to be an older version (1.x) - please upgrade"
            )
        else:
            text = f"{method}: no such method; this server speaks Pachyderm's API 2.12"

        async def refuse(_request: object, context: Any) -> None:
            await context.abort(grpc.StatusCode.UNIMPLEMENTED, text)

        return grpc.stream_stream_rpc_method_handler(refuse)
