"""The pipeline spec as a table: every message and field of a 2.12 `CreatePipelineRequest`. Pure.

One line per message in the notation of `.proto` files, so that it can be read beside
`docs/compat.md`; a test compares it with the generated descriptors. `spec_json` checks documents
against it.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

Shape = Literal["one", "list", "map"]

ROOT: Final = "CreatePipelineRequest"
CLUSTER_DEFAULTS: Final = "ClusterDefaults"
PROJECT_DEFAULTS: Final = "ProjectDefaults"


@dataclass(frozen=True, slots=True)
class Field:
    """One field: `kind` is a scalar's name, a message of `MESSAGES`, an enum of `ENUMS`, or one of
    Duration, Timestamp and Int64Value. A map's keys are strings."""

    name: str
    json_name: str
    kind: str
    shape: Shape


# Kinds without a table of their own are scalars.
_MESSAGES: Final = {
    "CreatePipelineRequest": """
        pipeline Pipeline; tf_job TFJob; transform Transform; parallelism_spec ParallelismSpec;
        egress Egress; update bool; output_branch string; s3_out bool;
        resource_requests ResourceSpec; resource_limits ResourceSpec;
        sidecar_resource_limits ResourceSpec; sidecar_resource_requests ResourceSpec; input Input;
        description string; reprocess bool; service Service; spout Spout;
        datum_set_spec DatumSetSpec; datum_timeout Duration; job_timeout Duration; salt string;
        datum_tries int64; scheduling_spec SchedulingSpec; pod_spec string; pod_patch string;
        spec_commit Commit; metadata Metadata; reprocess_spec string; autoscaling bool;
        tolerations repeated Toleration; dry_run bool; determined Determined;
        maximum_expected_uptime Duration""",
    "Pipeline": "project Project; name string",
    "Project": "name string",
    "TFJob": "tf_job string",
    "Transform": """
        image string; cmd repeated string; err_cmd repeated string; env map string;
        secrets repeated SecretMount; image_pull_secrets repeated string; stdin repeated string;
        err_stdin repeated string; accept_return_code repeated int64; debug bool; user string;
        working_dir string; dockerfile string; memory_volume bool; datum_batching bool""",
    "SecretMount": "name string; key string; mount_path string; env_var string",
    "ParallelismSpec": "constant uint64",
    "Egress": """URL string; object_storage ObjectStorageEgress;
        sql_database SQLDatabaseEgress""",
    "ObjectStorageEgress": "url string",
    "SQLDatabaseEgress": "url string; file_format FileFormat; secret EgressSecret",
    "FileFormat": "type FileFormatType; columns repeated string",
    "EgressSecret": "name string; key string",
    "ResourceSpec": "cpu float; memory string; gpu GPUSpec; disk string",
    "GPUSpec": "type string; number int64",
    "Input": """pfs PFSInput; join repeated Input; group repeated Input; cross repeated Input;
        union repeated Input; cron CronInput""",
    "PFSInput": """
        project string; name string; repo string; repo_type string; branch string; commit string;
        glob string; join_on string; outer_join bool; group_by string; lazy bool; empty_files bool;
        s3 bool; trigger Trigger; propagation_spec PropagationSpec; reference bool""",
    "Trigger": """branch string; all bool; rate_limit_spec string; size string; commits int64;
        cron_spec string""",
    "PropagationSpec": "never bool",
    "CronInput": """name string; project string; repo string; commit string; spec string;
        overwrite bool; start Timestamp""",
    "Service": "internal_port int32; external_port int32; ip string; type string",
    "Spout": "service Service",
    "DatumSetSpec": "number int64; size_bytes int64; per_worker int64",
    "SchedulingSpec": "node_selector map string; priority_class_name string",
    "Commit": "repo Repo; id string; branch Branch",
    "Repo": "name string; type string; project Project",
    "Branch": "repo Repo; name string",
    "Metadata": "annotations map string; labels map string",
    "Toleration": """key string; operator TolerationOperator; value string; effect TaintEffect;
        toleration_seconds Int64Value""",
    "Determined": "workspaces repeated string",
    "ClusterDefaults": "create_pipeline_request CreatePipelineRequest",
    "ProjectDefaults": "create_pipeline_request CreatePipelineRequest",
}

ENUMS: Final[Mapping[str, Mapping[str, int]]] = {
    "FileFormatType": {"UNKNOWN": 0, "CSV": 1, "JSON": 2, "PARQUET": 3},
    "TolerationOperator": {"EMPTY": 0, "EXISTS": 1, "EQUAL": 2},
    "TaintEffect": {"ALL_EFFECTS": 0, "NO_SCHEDULE": 1, "PREFER_NO_SCHEDULE": 2, "NO_EXECUTE": 3},
}

ONEOFS: Final[Mapping[str, tuple[str, ...]]] = {"Egress": ("objectStorage", "sqlDatabase")}
"""Fields of a message of which at most one may be set (JSON names)."""

REQUEST_ONLY: Final = ("update", "reprocess", "dryRun", "specCommit")
"""Fields of a request that are orders, not part of the spec that is stored (JSON names)."""


def json_name(name: str) -> str:
    """protobuf's lowerCamelCase of a field name."""
    first, *rest = name.split("_")
    return first + "".join(part[:1].upper() + part[1:] for part in rest)


def _parse_field(text: str) -> Field:
    name, *shape_and_kind = text.split()
    kind = shape_and_kind[-1]
    shape: Shape = "one"
    if len(shape_and_kind) == 2:
        shape = "list" if shape_and_kind[0] == "repeated" else "map"
    return Field(name, json_name(name), kind, shape)


@functools.cache
def fields(message: str) -> Mapping[str, Field]:
    """The message's fields by proto name and by JSON name alike."""
    found: dict[str, Field] = {}
    for field in declared(message):
        found[field.name] = found[field.json_name] = field
    return found


@functools.cache
def declared(message: str) -> tuple[Field, ...]:
    """The message's fields, each once."""
    return tuple(_parse_field(text) for text in _MESSAGES[message].split(";"))


def is_message(kind: str) -> bool:
    """Whether values of this kind are objects with a field table."""
    return kind in _MESSAGES


def messages() -> tuple[str, ...]:
    """Names of all messages in the table."""
    return tuple(_MESSAGES)
