"""admin_v2.API: what a client asks before anything else."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from dassie._proto.admin import admin_pb2
from dassie.doors.grpc import version
from dassie.doors.grpc.calls import Call
from dassie.doors.readiness import Readiness


class AdminService:
    def __init__(
        self, cluster_id: str, project_exists: Callable[[str], bool], readiness: Readiness
    ) -> None:
        """`cluster_id`: stable over restarts; clients keep it to notice that they talk to another
        server.
        """
        self._readiness = readiness
        self._cluster_id = cluster_id
        self._project_exists = project_exists

    async def inspect_cluster(
        self, request: admin_pb2.InspectClusterRequest, _call: Call
    ) -> admin_pb2.ClusterInfo:
        """Answers also while all threads for calls wait for the object store."""
        return admin_pb2.ClusterInfo(
            id=self._cluster_id,
            deployment_id=self._cluster_id,
            warnings_ok=True,
            warnings=await asyncio.to_thread(self._warnings, request),
        )

    def _warnings(self, request: admin_pb2.InspectClusterRequest) -> list[str]:
        """A client shows these and goes on: neither is an error."""
        warnings = [f"not ready: {self._readiness.reason}"] if self._readiness.reason else []
        client = request.client_version
        if request.HasField("client_version") and (client.major, client.minor) != (
            version.MAJOR,
            version.MINOR,
        ):
            warnings.append(
                f"the client speaks API {client.major}.{client.minor}, the server"
                f" {version.MAJOR}.{version.MINOR}; some calls may not fit"
            )
        project = request.current_project.name
        if project and not self._project_exists(project):
            warnings.append(f'Could not inspect project "{project}": project "{project}" not found')
        return warnings
