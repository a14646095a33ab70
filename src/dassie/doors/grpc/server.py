"""The gRPC server: all services, health, reflection, and a clear answer to every method name there
is.

Built by `daemon.wiring`, which hands over one object per service (see `calls`); starts, drains,
stops.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from dassie.doors.grpc import health, reflection
from dassie.doors.grpc.calls import Threads, Waits, service_handlers
from dassie.doors.grpc.services import OLD_SERVICES, SERVICES
from dassie.doors.grpc.transport.connection import Handler, Status
from dassie.doors.grpc.transport.listener import Listener
from dassie.doors.grpc.transport.metadata import Code
from dassie.doors.grpc.transport.stream import Stream
from dassie.doors.readiness import Readiness

MAX_MESSAGE = 20 << 20
"""Bytes of one message; clients cut their uploads at 19 MiB."""


class Server:
    """One listening gRPC server. Its methods are coroutines of one event loop."""

    def __init__(
        self,
        implementations: Mapping[str, object],
        threads: Threads,
        readiness: Readiness | None = None,
    ) -> None:
        """`implementations`: by full service name; the rest of `SERVICES` is not implemented."""
        unknown = implementations.keys() - SERVICES.keys()
        if unknown:
            raise ValueError(f"no such services: {sorted(unknown)}")
        self._threads = threads
        self._waits = Waits()
        names = (*SERVICES, health.SERVICE.full_name, reflection.SERVICE.full_name)
        own = {
            health.SERVICE: health.HealthService(frozenset(names), readiness or Readiness()),
            reflection.SERVICE: reflection.ReflectionService(names),
        }
        nothing = object()
        known = {each: implementations.get(name, nothing) for name, each in SERVICES.items()}
        self._handlers: dict[str, Handler] = {}
        for service, implementation in (known | own).items():
            self._handlers |= service_handlers(service, implementation, threads, self._waits)
        self._listener = Listener(self._route, MAX_MESSAGE)

    async def start(self, host: str, port: int) -> int:
        """Listen; the port that it is, also when `port` is 0."""
        return await self._listener.start(host, port)

    async def stop(self, grace: float) -> None:
        """Refuse new calls, end those that only wait, let the others run for `grace` seconds."""
        self._waits.stop()
        await self._listener.stop(grace)
        await asyncio.to_thread(self._threads.close)

    def _route(self, method: str) -> Handler:
        return self._handlers.get(method) or unknown_method(method)


def unknown_method(method: str) -> Handler:
    """Answers methods of services that nobody here knows, and those of 1.x clients, in words."""
    text = f"{method}: no such method; this server speaks Pachyderm's API 2.12"
    if method.rpartition("/")[0] in OLD_SERVICES:
        text = (
            f"{method}: this server speaks Pachyderm's API 2.12, but your client"
            " appears to be an older version (1.x) - please upgrade"
        )

    async def refuse(_stream: Stream) -> Status:
        return Code.UNIMPLEMENTED, text

    return refuse
