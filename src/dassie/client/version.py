"""Versions: this package's, and the API's that it speaks."""

from __future__ import annotations

from typing import Any

from dassie import __version__

API = (2, 12, 2)
"""The release of Pachyderm whose API this is."""


def client_version() -> str:
    """`2.12.2+dassie.0.1.0`: the API first, as scripts expect of `pachctl version`."""
    return f"{'.'.join(map(str, API))}+dassie.{__version__}"


def api_version() -> Any:
    """What servers are told, so that they can warn of a client that is too old or new."""
    from dassie._proto.version.versionpb import version_pb2

    major, minor, micro = API
    return version_pb2.Version(major=major, minor=minor, micro=micro)


def text(message: Any) -> str:
    """A server's version, written as `client_version` writes ours."""
    return f"{message.major}.{message.minor}.{message.micro}{message.additional}"
