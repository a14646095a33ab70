"""versionpb_v2.API: which version of Pachyderm's API this server speaks."""

from __future__ import annotations

from dassie import __version__
from dassie._proto.version.versionpb import version_pb2
from dassie.doors.grpc.calls import Call

MAJOR, MINOR, MICRO = 2, 12, 2
"""The API, not Dassie: clients compare major and minor with their own."""


class VersionService:
    def get_version(self, _request: object, _call: Call) -> version_pb2.Version:
        return version_pb2.Version(
            major=MAJOR,
            minor=MINOR,
            micro=MICRO,
            additional=f"+dassie.{__version__}",
            platform="dassie",
        )
