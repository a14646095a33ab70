"""admin_v2.API: what a client asks before anything else."""

from __future__ import annotations

from collections.abc import Callable

from dassie._proto.admin import admin_pb2
from dassie.doors.grpc import version
from dassie.doors.grpc.calls import Call


class AdminService:
    def __init__(self, cluster_id: str, project_exists: Callable[[str], bool]) -> None:
        """`cluster_id`: stable over restarts; clients keep it to notice that they talk to another
        server.
        """
        self._cluster_id = cluster_id
        self._project_exists = project_exists

    def inspect_cluster(
        self, request: admin_pb2.InspectClusterRequest, _call: Call
    ) -> admin_pb2.ClusterInfo:
        return admin_pb2.ClusterInfo(
            id=self._cluster_id,
            deployment_id=self._cluster_id,
            warnings_ok=True,
            warnings=self._warnings(request),
        )

    def _warnings(self, request: admin_pb2.InspectClusterRequest) -> list[str]:
        """A client shows these and goes on: neither is an error."""
        warnings = []
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
