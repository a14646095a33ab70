"""Every service this server knows by name: Pachyderm's nineteen packages and Dassie's own."""

from __future__ import annotations

from google.protobuf.descriptor import ServiceDescriptor

from dassie._proto.admin import admin_pb2
from dassie._proto.auth import auth_pb2
from dassie._proto.dassie import bulk_pb2, explain_pb2, worker_pb2
from dassie._proto.debug import debug_pb2
from dassie._proto.enterprise import enterprise_pb2
from dassie._proto.identity import identity_pb2
from dassie._proto.license import license_pb2
from dassie._proto.logs import logs_pb2
from dassie._proto.metadata import metadata_pb2
from dassie._proto.pfs import pfs_pb2
from dassie._proto.pjs import pjs_pb2
from dassie._proto.pps import pps_pb2
from dassie._proto.proxy import proxy_pb2
from dassie._proto.snapshot import snapshot_pb2
from dassie._proto.storage import fileset_pb2
from dassie._proto.transaction import transaction_pb2
from dassie._proto.version.versionpb import version_pb2
from dassie._proto.worker import worker_pb2 as user_worker_pb2

_FILES = (
    admin_pb2,
    auth_pb2,
    bulk_pb2,
    debug_pb2,
    enterprise_pb2,
    explain_pb2,
    fileset_pb2,
    identity_pb2,
    license_pb2,
    logs_pb2,
    metadata_pb2,
    pfs_pb2,
    pjs_pb2,
    pps_pb2,
    proxy_pb2,
    snapshot_pb2,
    transaction_pb2,
    user_worker_pb2,
    version_pb2,
    worker_pb2,
)

SERVICES: dict[str, ServiceDescriptor] = {
    service.full_name: service
    for file in _FILES
    for service in file.DESCRIPTOR.services_by_name.values()
}
"""By full name, as in `pfs_v2.API`."""

OLD_SERVICES = frozenset(
    {
        "admin.API",
        "auth.API",
        "debug.Debug",
        "enterprise.API",
        "health.Health",
        "pfs.API",
        "pfs.ObjectAPI",
        "pps.API",
        "transaction.API",
        "versionpb.API",
    }
)
"""Names that clients of Pachyderm 1.x call."""
