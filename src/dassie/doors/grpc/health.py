"""grpc.health.v1.Health: whether the server serves. Load balancers and scripts ask."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from grpc_health.v1 import health_pb2

from dassie.doors.grpc.calls import Call
from dassie.errors import NotFound

SERVICE = health_pb2.DESCRIPTOR.services_by_name["Health"]


class HealthService:
    def __init__(self, services: frozenset[str]) -> None:
        """`services`: names that may be asked for, beside the empty one."""
        self._services = services

    def check(
        self, request: health_pb2.HealthCheckRequest, _call: Call
    ) -> health_pb2.HealthCheckResponse:
        if request.service and request.service not in self._services:
            raise NotFound(f"service {request.service} not found")
        return health_pb2.HealthCheckResponse(status=health_pb2.HealthCheckResponse.SERVING)

    async def watch(
        self, request: health_pb2.HealthCheckRequest, _call: Call
    ) -> AsyncIterator[health_pb2.HealthCheckResponse]:
        """Stays as it is until the server stops, which ends the call."""
        known = not request.service or request.service in self._services
        kind = health_pb2.HealthCheckResponse
        yield kind(status=kind.SERVING if known else kind.SERVICE_UNKNOWN)
        await asyncio.get_running_loop().create_future()
