"""What a well-typed spec must still satisfy: names, ranges, inputs, and what Dassie has. Pure.

Called by `spec` only. Messages keep the words that Pachyderm uses and name the field.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from dassie.base.glob import Glob
from dassie.errors import InvalidArgument, Unimplemented
from dassie.pfs.model import DEFAULT_PROJECT

UNTIL_SUCCESS: Final = "until_success"
EVERY_JOB: Final = "every_job"

_NAME: Final = re.compile(r"[a-zA-Z0-9_-]+\Z")
_MAX_NAME: Final = 63
_RESERVED_INPUTS: Final = ("out", ".env")
_LONGEST_FOLDER_NAME: Final = 255
"""Bytes; what file systems have."""
_NOT_IN_INPUT_NAMES: Final = frozenset("/=\0\n")
_INPUT_KINDS: Final = ("pfs", "join", "group", "cross", "union", "cron")

UNBUILT: Final = {
    "egress": "egress",
    "s3Out": "s3_out",
    "service": "service",
    "spout": "spout",
    "determined": "determined",
    "specCommit": "spec_commit",
    "maximumExpectedUptime": "maximum_expected_uptime",
}
UNBUILT_TRANSFORM: Final = {"secrets": "secrets", "datumBatching": "datum_batching"}
UNBUILT_PFS: Final = {"s3": "s3", "trigger": "trigger"}

Json = Mapping[str, Any]


def check_spec(raw: Json) -> None:
    """Raise on the first thing wrong with a canonical effective document."""
    _check_pipeline(raw.get("pipeline", {}))
    if "tfJob" in raw:
        raise InvalidArgument("embedding TFJobs in pipelines is not supported yet (tf_job)")
    _check_built(raw, UNBUILT, "")
    _check_transform(raw.get("transform"))
    _check_settings(raw)
    _check_kubernetes(raw)
    if "input" not in raw:
        raise InvalidArgument("no input set: the pipeline must specify an input")
    check_input(raw["input"])
    _check_not_own_output(raw)


def _check_pipeline(pipeline: Json) -> None:
    name = pipeline.get("name", "")
    if not name:
        raise InvalidArgument("pipeline must have a name: pipeline.name is not set")
    project = pipeline.get("project", {}).get("name") or DEFAULT_PROJECT
    check_name("pipeline", name)
    check_name("project", project)
    if not name[0].isalnum():
        raise InvalidArgument(f'pipeline name "{name}" must start with an alphanumeric character')
    if len(name) > _MAX_NAME:
        raise InvalidArgument(
            f'pipeline name "{name}" is {len(name)} characters; at most {_MAX_NAME} are allowed'
        )
    if len(project) + len(name) + len("--v99") > _MAX_NAME:
        raise InvalidArgument(
            f'project and pipeline name "{project}/{name}" are too long together:'
            f" at most {_MAX_NAME - len('--v99')} characters are allowed"
        )


def check_name(what: str, name: str) -> None:
    """Raise unless `name` may name a pipeline, project or branch."""
    if not _NAME.match(name):
        raise InvalidArgument(
            f'{what} name "{name}" is not valid:'
            " only alphanumeric characters, underscores, and dashes are allowed"
        )


def _check_built(raw: Json, unbuilt: Mapping[str, str], place: str) -> None:
    for key, name in unbuilt.items():
        value = raw.get(key)
        # An empty message is set (`spout: {}` asks for a spout); an empty list or text is not.
        if value or isinstance(value, dict):
            raise Unimplemented(f'pipeline spec field "{place}{name}"')


def _check_transform(transform: Json | None) -> None:
    if transform is None:
        raise InvalidArgument("pipeline must specify a transform")
    _check_built(transform, UNBUILT_TRANSFORM, "transform.")
    if not transform.get("cmd"):
        raise InvalidArgument(
            "pipeline must specify a transform: no command specified (transform.cmd is empty)"
        )
    for key, name in (("cmd", "cmd"), ("errCmd", "err_cmd")):
        for word in transform.get(key, ()):
            _no_nul(word, f"transform.{name}")
    _no_nul(transform.get("workingDir", ""), "transform.working_dir")
    for name, value in transform.get("env", {}).items():
        if not name or "=" in name:
            raise InvalidArgument(f'transform.env: "{name}" cannot name an environment variable')
        _no_nul(name, "transform.env")
        _no_nul(value, f"transform.env.{name}")
    for code in transform.get("acceptReturnCode", ()):
        if not 0 <= int(code) <= 255:
            raise InvalidArgument(f"transform.accept_return_code: {code} is not from 0 to 255")


def _no_nul(text: str, place: str) -> None:
    if "\0" in text:
        raise InvalidArgument(f"{place}: a NUL character is not allowed")


def _check_settings(raw: Json) -> None:
    if branch := raw.get("outputBranch"):
        check_name("output branch", branch)
    for key, name in (("datumTimeout", "datum_timeout"), ("jobTimeout", "job_timeout")):
        if raw.get(key, "").startswith("-"):
            raise InvalidArgument(f"{name} must not be negative")
    if int(raw.get("datumTries", 0)) < 0:
        raise InvalidArgument("datum_tries must not be negative")
    if raw.get("reprocessSpec", "") not in {"", UNTIL_SUCCESS, EVERY_JOB}:
        raise InvalidArgument(
            f'invalid reprocess_spec "{raw["reprocessSpec"]}":'
            f' it must be "{UNTIL_SUCCESS}" or "{EVERY_JOB}"'
        )
    sets = {key: int(value) for key, value in raw.get("datumSetSpec", {}).items()}
    if any(value < 0 for value in sets.values()):
        raise InvalidArgument("datum_set_spec: numbers must not be negative")
    if sets.get("perWorker") and (sets.get("number") or sets.get("sizeBytes")):
        raise InvalidArgument(
            "datum_set_spec: per_worker cannot be combined with number or size_bytes"
        )


def _check_kubernetes(raw: Json) -> None:
    """Fields that only Kubernetes reads are stored as they are, but never malformed."""
    for key, name, want in (("podSpec", "PodSpec", dict), ("podPatch", "PodPatch", list)):
        if not (text := raw.get(key)):
            continue
        try:
            good = isinstance(json.loads(text), want)
        except (ValueError, RecursionError):
            good = False
        if not good:
            raise InvalidArgument(f"malformed {name}: it must be JSON")
    for index, toleration in enumerate(raw.get("tolerations", ())):
        if toleration.get("operator", "EMPTY") == "EMPTY":
            raise InvalidArgument(f"tolerations[{index}]: operator must be EXISTS or EQUAL")


def check_input(raw: Json) -> None:
    """Raise on the first thing wrong with a canonical `pps_v2.Input`."""
    _check_input(raw, "input")
    _names(raw)


def _check_input(raw: Json, place: str) -> None:
    kinds = [kind for kind in _INPUT_KINDS if raw.get(kind) or isinstance(raw.get(kind), dict)]
    if not kinds:
        raise InvalidArgument(f"no input set ({place})")
    if len(kinds) > 1:
        raise InvalidArgument(f"multiple input types set ({place}: {', '.join(kinds)})")
    kind = kinds[0]
    place = f"{place}.{kind}"
    if kind == "pfs":
        _check_pfs(raw["pfs"], place)
    elif kind in {"cross", "union"}:
        for index, child in enumerate(raw[kind]):
            _check_input(child, f"{place}[{index}]")
    else:
        raise Unimplemented(f'pipeline spec field "{place}"')


def _check_pfs(raw: Json, place: str) -> None:
    repo, name = raw.get("repo", ""), raw.get("name", "")
    if not repo:
        raise InvalidArgument(f"input must specify a repo ({place}.repo is not set)")
    if repo == "out" and not name:
        raise InvalidArgument(
            'inputs based on repos named "out" must have name set explicitly,'
            f" as /pfs/out is where output goes ({place}.name)"
        )
    name = name or repo
    if name in _RESERVED_INPUTS:
        raise InvalidArgument(f'input cannot be named "{name}" ({place}.name)')
    if raw.get("commit"):
        raise InvalidArgument(
            "input cannot come from a commit;"
            f" use a branch with head pointing to the commit ({place}.commit)"
        )
    if name in {".", ".."} or set(name) & _NOT_IN_INPUT_NAMES:
        raise InvalidArgument(f"{place}.name: {name!r} cannot name a folder below /pfs")
    if len(name.encode()) > _LONGEST_FOLDER_NAME:
        raise InvalidArgument(
            f"{place}.name: {name[:20]}… is longer than {_LONGEST_FOLDER_NAME} bytes,"
            " and cannot name a folder below /pfs"
        )
    check_name("repo", repo)
    check_name("branch", raw.get("branch") or "master")
    check_name("project", raw.get("project") or DEFAULT_PROJECT)
    if raw.get("repoType", "") not in {"", "user", "meta", "spec"}:
        raise InvalidArgument(f'{place}.repo_type: "{raw["repoType"]}" is not a type of repo')
    if not raw.get("glob"):
        raise InvalidArgument(f'input must specify a glob ({place}.glob is not set; name "{name}")')
    Glob.parse(raw["glob"])
    _check_built(raw, UNBUILT_PFS, f"{place}.")


def _names(raw: Json) -> set[str]:
    """Names of all inputs below; under a cross each may be used once."""
    if "pfs" in raw:
        return {raw["pfs"].get("name") or raw["pfs"]["repo"]}
    found: set[str] = set()
    crossed = bool(raw.get("cross"))
    for child in raw["cross"] if crossed else raw["union"]:
        names = _names(child)
        if crossed and (twice := sorted(found & names)):
            raise InvalidArgument(f'name "{twice[0]}" was used more than once')
        found |= names
    return found


def _check_not_own_output(raw: Json) -> None:
    pipeline = raw["pipeline"]
    project = pipeline.get("project", {}).get("name") or DEFAULT_PROJECT
    stack = [raw["input"]]
    while stack:
        node = stack.pop()
        stack += [*node.get("cross", ()), *node.get("union", ())]
        pfs = node.get("pfs")
        if pfs and (pfs.get("project") or project, pfs["repo"]) == (project, pipeline["name"]):
            raise InvalidArgument(
                f'pipeline "{project}/{pipeline["name"]}" cannot have its own repo as input'
            )
