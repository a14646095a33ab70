"""The generated code against the official SDK's: same services, fields, numbers and types."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import re
import subprocess
import sys
from pathlib import Path

import betterproto
import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from dassie.doors.grpc.services import SERVICES

ROOT = Path(__file__).resolve().parents[2]

# Module of the SDK → package of the API.
PACKAGES = {
    "admin": "admin_v2",
    "auth": "auth_v2",
    "debug": "debug_v2",
    "enterprise": "enterprise_v2",
    "identity": "identity_v2",
    "license": "license_v2",
    "logs": "logs",
    "metadata": "metadata",
    "pfs": "pfs_v2",
    "pjs": "pjs",
    "pps": "pps_v2",
    "snapshot": "snapshot",
    "storage": "storage",
    "transaction": "transaction_v2",
    "version": "versionpb_v2",
    "worker": "pachyderm.worker",
}

WRAPPERS = {"Timestamp", "Duration", "BytesValue", "Int64Value", "Empty", "Any", "Struct"}


def sdk_messages(module: str) -> dict[str, type[betterproto.Message]]:
    found = importlib.import_module(f"pachyderm_sdk.api.{module}")
    return {
        name: kind
        for name, kind in vars(found).items()
        if inspect.isclass(kind)
        and issubclass(kind, betterproto.Message)
        and kind.__module__.startswith(f"pachyderm_sdk.api.{module}")
    }


def our_messages(package: str) -> dict[str, Descriptor]:
    """By the flattened names that the SDK uses: `RepoInfo.Details` is `RepoInfoDetails` there."""
    files = {s.file.name: s.file for s in SERVICES.values() if s.file.package == package}
    found: dict[str, Descriptor] = {}

    def add(message: Descriptor, prefix: str) -> None:
        found[flat(prefix + message.name)] = message
        for nested in message.nested_types:
            add(nested, prefix + message.name)

    for file in files.values():
        for message in file.message_types_by_name.values():
            add(message, "")
    return found


def flat(name: str) -> str:
    return name.replace("_", "").lower()


def kind_of(field: FieldDescriptor) -> str:
    if field.message_type is not None:
        return "map" if field.message_type.GetOptions().map_entry else "message"
    if field.enum_type is not None:
        return "enum"
    return next(
        name[5:].lower()
        for name, value in vars(FieldDescriptor).items()
        if name.startswith("TYPE_") and value == field.type
    )


@pytest.mark.parametrize("module", PACKAGES)
def test_messages_have_the_sdks_fields(module: str) -> None:
    ours = our_messages(PACKAGES[module])
    checked = 0
    for name, kind in sdk_messages(module).items():
        message = ours[flat(name)]
        mine = {f.number: (flat(f.name), kind_of(f)) for f in message.fields}
        theirs = {
            meta.number: (flat(field.name), meta.proto_type)
            for field in dataclasses.fields(kind)
            if (meta := betterproto.FieldMetadata.get(field))
        }
        assert mine == theirs, message.full_name
        checked += 1
    assert checked


@pytest.mark.parametrize("module", PACKAGES)
def test_every_method_the_sdk_calls_is_known(module: str) -> None:
    source = inspect.getsource(importlib.import_module(f"pachyderm_sdk.api.{module}"))
    paths = set(re.findall(r'"/([\w.]+)/(\w+)"', source))
    assert paths
    for service, method in paths:
        assert method in SERVICES[service].methods_by_name, f"{service}/{method}"


def test_nothing_is_missing() -> None:
    upstream = [name for name in SERVICES if not name.startswith("dassie.")]
    assert len(upstream) == 17
    assert sum(len(SERVICES[name].methods) for name in upstream) == 198
    assert {name for name in SERVICES if name.startswith("dassie.")} == {
        "dassie.bulk.v1.Bulk",
        "dassie.explain.v1.Explain",
        "dassie.worker.v1.Worker",
    }


def test_the_generated_code_is_up_to_date() -> None:
    script = ROOT / "scripts" / "generate-proto"
    run = subprocess.run(
        [sys.executable, str(script), "--check"], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
