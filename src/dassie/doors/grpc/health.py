"""grpc.health.v1.Health: whether the server serves. Load balancers and scripts ask."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from grpc_health.v1 import health_pb2

from dassie.doors.grpc.calls import Call
from dassie.doors.readiness import Readiness
from dassie.errors import NotFound

SERVICE = health_pb2.DESCRIPTOR.services_by_name["Health"]


_KIND = health_pb2.HealthCheckResponse


class HealthService:
    def __init__(self, services: frozenset[str], readiness: Readiness) -> None:
        """`services`: names that may be asked for, beside the empty one."""
        self._services = services
        self._readiness = readiness

    async def check(
        self, request: health_pb2.HealthCheckRequest, _call: Call
    ) -> health_pb2.HealthCheckResponse:
        """A coroutine, so that a server whose threads all wait answers too."""
        if request.service and request.service not in self._services:
            raise NotFound(f"service {request.service} not found")
        return self._answer()

    async def watch(
        self, request: health_pb2.HealthCheckRequest, _call: Call
    ) -> AsyncIterator[health_pb2.HealthCheckResponse]:
        """Now, and after every change, until the server stops, which ends the call."""
        if request.service and request.service not in self._services:
            yield _KIND(status=_KIND.SERVICE_UNKNOWN)
            await asyncio.get_running_loop().create_future()
        loop = asyncio.get_running_loop()
        changed = asyncio.Event()

        def wake() -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(changed.set)

        undo = self._readiness.watch(wake)
        said = None
        try:
            while True:
                changed.clear()
                answer = self._answer()
                if answer.status != said:
                    said = answer.status
                    yield answer
                await changed.wait()
        finally:
            undo()

    def _answer(self) -> health_pb2.HealthCheckResponse:
        return _KIND(status=_KIND.NOT_SERVING if self._readiness.reason else _KIND.SERVING)
