"""What a datum is: its input files, its identity, and the record that a job leaves of it. Pure.

A datum's id depends on which files it is made of, never on what is in them; its hash depends on
their content too. The record is stored as JSON in the pipeline's meta repo, at `record_path(id)`;
its format is version 1 of `docs/formats/datum-record.md`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NewType

from dassie.base.hashing import hasher
from dassie.errors import DataLoss
from dassie.pps.states import DatumState
from dassie.storage.types import Content, Dir

DatumId = NewType("DatumId", str)
"""64 hex digits."""

META_DIR: Final = "/meta"
PFS_DIR: Final = "/pfs"
OUT: Final = "out"


@dataclass(frozen=True, slots=True)
class InputFile:
    """One file or directory that a datum sees as `/pfs/<name>/<path>`.

    `path` is absolute in its repo; a directory's ends with `/`.
    """

    name: str
    project: str
    repo: str
    branch: str
    commit: str
    path: str
    node: Content | Dir
    repo_type: str = "user"
    lazy: bool = False
    empty_files: bool = False
    reference: bool = False

    @property
    def full_repo(self) -> str:
        """`images`, or `edges.meta` for a repo that is not a user repo."""
        return self.repo if self.repo_type == "user" else f"{self.repo}.{self.repo_type}"

    @property
    def label(self) -> str:
        """How messages name it: `images:/liberty.png`."""
        return f"{self.name}:{self.path}"


DatumInputs = tuple[InputFile, ...]


def datum_id(files: Iterable[InputFile]) -> DatumId:
    """The same files under the same input names have the same id, in every job and pipeline."""
    state = hasher()
    for file in files:
        for part in (file.name, file.project, file.full_repo, file.branch, file.path):
            data = part.encode()
            state.update(data + len(data).to_bytes(8, "big"))
    return DatumId(state.hexdigest())


def datum_hash(id_: DatumId, files: Iterable[InputFile], salt: str) -> str:
    """Changes when a datum has to be processed again: other content, or another salt."""
    state = hasher()
    state.update(id_.encode())
    for file in files:
        if not file.reference:
            state.update(file.node.hash)
    state.update(salt.encode())
    return state.hexdigest()


def record_path(id_: str) -> str:
    """Where a datum's record lies in its meta repo."""
    return f"{META_DIR}/{id_}/meta"


def record_dir(id_: str) -> str:
    """The folder of `record_path`, for deleting it."""
    return f"{META_DIR}/{id_}"


def input_path(id_: str, file: InputFile) -> str:
    """Where a datum's input is grafted in its meta repo; a directory's ends with `/`."""
    return f"{PFS_DIR}/{id_}/{file.name}{file.path}"


def output_dir(id_: str) -> str:
    """Where a datum's output is grafted in its meta repo."""
    return f"{PFS_DIR}/{id_}/{OUT}"


def datum_dir(id_: str) -> str:
    """Folder with a datum's grafted inputs and output in its meta repo."""
    return f"{PFS_DIR}/{id_}"


@dataclass(frozen=True, slots=True)
class DatumStats:
    """What processing it cost; times in microseconds, of the last try."""

    download_us: int = 0
    process_us: int = 0
    upload_us: int = 0
    download_bytes: int = 0
    upload_bytes: int = 0

    def __add__(self, other: DatumStats) -> DatumStats:
        return DatumStats(
            self.download_us + other.download_us,
            self.process_us + other.process_us,
            self.upload_us + other.upload_us,
            self.download_bytes + other.download_bytes,
            self.upload_bytes + other.upload_bytes,
        )


@dataclass(frozen=True, slots=True)
class Why:
    """Why a datum was processed. `decision` is one line; `changed` names what made the difference;
    `previous_job` is the job whose result was replaced, if there was one."""

    decision: str = ""
    changed: tuple[str, ...] = ()
    previous_job: str = ""


@dataclass(frozen=True, slots=True)
class DatumRecord:
    """What is known of a datum after the job that processed it last."""

    job: str
    id: DatumId
    hash: str
    state: DatumState
    inputs: DatumInputs
    reason: str = ""
    why: Why = field(default=Why())
    output: Dir | None = None
    stats: DatumStats = field(default=DatumStats())
    tries: int = 0
    index: int = 0
    image_id: str = ""
    started_us: int = 0
    """Epoch microseconds."""

    def state_in(self, job: str) -> DatumState:
        """What a client asking about `job` is told: kept from an earlier job means skipped."""
        return self.state if self.job == job else DatumState.SKIPPED

    def to_json(self) -> bytes:
        """Compact JSON: what is empty or zero is left out."""
        record: dict[str, Any] = {
            "job": self.job,
            "id": self.id,
            "hash": self.hash,
            "state": self.state.name,
            "reason": self.reason,
            "why": _compact(
                {
                    "decision": self.why.decision,
                    "changed": list(self.why.changed),
                    "previous_job": self.why.previous_job,
                }
            ),
            "inputs": [encode_input(file) for file in self.inputs],
            "output": encode_node(self.output) if self.output is not None else None,
            "stats": _compact({name: getattr(self.stats, name) for name in _STATS}),
            "tries": self.tries,
            "index": self.index,
            "image_id": self.image_id,
            "started": self.started_us,
        }
        return json.dumps(_compact(record), separators=(",", ":"), ensure_ascii=False).encode()

    @classmethod
    def from_json(cls, data: bytes) -> DatumRecord:
        """The inverse of `to_json`; raises `DataLoss` on anything that `to_json` does not write."""
        try:
            raw = json.loads(data)
            why, stats, output = raw.get("why", {}), raw.get("stats", {}), raw.get("output")
            return cls(
                job=raw["job"],
                id=DatumId(raw["id"]),
                hash=raw["hash"],
                state=DatumState[raw["state"]],
                inputs=decode_inputs(raw.get("inputs", [])),
                reason=raw.get("reason", ""),
                why=Why(
                    why.get("decision", ""),
                    tuple(why.get("changed", ())),
                    why.get("previous_job", ""),
                ),
                output=_decode_dir(output) if output is not None else None,
                stats=DatumStats(*(stats.get(name, 0) for name in _STATS)),
                tries=raw.get("tries", 0),
                index=raw.get("index", 0),
                image_id=raw.get("image_id", ""),
                started_us=raw.get("started", 0),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise DataLoss(f"datum record is damaged: {error!r}") from error


_STATS: Final = ("download_us", "process_us", "upload_us", "download_bytes", "upload_bytes")


def encode_inputs(files: Sequence[InputFile]) -> str:
    """A datum's inputs as compact JSON, for a table column."""
    return json.dumps(
        [encode_input(file) for file in files], separators=(",", ":"), ensure_ascii=False
    )


def decode_inputs(raw: str | Sequence[Mapping[str, Any]]) -> DatumInputs:
    """The inverse of `encode_inputs`, from text or from what a JSON parser made of it."""
    items = json.loads(raw) if isinstance(raw, str) else raw
    return tuple(_decode_input(item) for item in items)


def encode_input(file: InputFile) -> dict[str, Any]:
    """One input file as a JSON object."""
    plain: dict[str, Any] = {
        "name": file.name,
        "project": file.project,
        "repo": file.repo,
        "repo_type": "" if file.repo_type == "user" else file.repo_type,
        "branch": file.branch,
        "commit": file.commit,
        "path": file.path,
        "lazy": file.lazy,
        "empty_files": file.empty_files,
        "reference": file.reference,
    }
    return _compact(plain) | encode_node(file.node)


def encode_node(node: Content | Dir) -> dict[str, Any]:
    """A file or directory by name; only a directory has `files`."""
    raw: dict[str, Any] = {"hash": node.hash.hex(), "size": node.size}
    if node.ref is not None:
        raw["ref"] = node.ref.hex()
    if isinstance(node, Dir):
        raw["files"] = node.files
    return raw


def _decode_input(raw: Mapping[str, Any]) -> InputFile:
    return InputFile(
        name=raw["name"],
        project=raw["project"],
        repo=raw["repo"],
        repo_type=raw.get("repo_type", "user"),
        branch=raw["branch"],
        commit=raw["commit"],
        path=raw["path"],
        node=_decode_dir(raw) if "files" in raw else _decode_content(raw),
        lazy=raw.get("lazy", False),
        empty_files=raw.get("empty_files", False),
        reference=raw.get("reference", False),
    )


def _decode_content(raw: Mapping[str, Any]) -> Content:
    return Content(bytes.fromhex(raw["hash"]), raw["size"], _decode_ref(raw))


def _decode_dir(raw: Mapping[str, Any]) -> Dir:
    return Dir(bytes.fromhex(raw["hash"]), _decode_ref(raw), raw["size"], raw["files"])


def _decode_ref(raw: Mapping[str, Any]) -> bytes | None:
    return bytes.fromhex(raw["ref"]) if "ref" in raw else None


def _compact(raw: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in raw.items() if value}
