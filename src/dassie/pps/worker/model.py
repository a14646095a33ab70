"""What a worker is given and what it answers, free of the wire's types. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

from dassie.storage.types import Content, Dir


class Outcome(IntEnum):
    """`dassie.worker.v1.Outcome`."""

    SUCCESS = 1
    FAILED = 2
    RECOVERED = 3


@dataclass(frozen=True, slots=True)
class UserCode:
    """The part of a transform that a worker acts on."""

    cmd: tuple[str, ...]
    stdin: tuple[str, ...] = ()
    err_cmd: tuple[str, ...] = ()
    err_stdin: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    accept_return_code: frozenset[int] = frozenset()
    user: str = ""
    working_dir: str = ""

    @classmethod
    def from_json(cls, text: str) -> UserCode:
        """From a `pps_v2.Transform` as protobuf JSON."""
        raw: dict[str, Any] = json.loads(text or "{}")
        return cls(
            cmd=tuple(raw.get("cmd", ())),
            stdin=tuple(raw.get("stdin", ())),
            err_cmd=tuple(raw.get("errCmd", ())),
            err_stdin=tuple(raw.get("errStdin", ())),
            env=dict(raw.get("env", {})),
            accept_return_code=frozenset(int(code) for code in raw.get("acceptReturnCode", ())),
            user=raw.get("user", ""),
            working_dir=raw.get("workingDir", ""),
        )

    def input_bytes(self) -> bytes | None:
        """Standard input of `cmd`; `None` where the spec gives none."""
        return joined(self.stdin)

    def error_input_bytes(self) -> bytes | None:
        """Standard input of `err_cmd`."""
        return joined(self.err_stdin)


def joined(lines: Sequence[str]) -> bytes | None:
    return "".join(f"{line}\n" for line in lines).encode() if lines else None


@dataclass(frozen=True, slots=True)
class Assignment:
    """What pachd answers when a worker registers: for whom it works, and how."""

    project: str
    pipeline: str
    version: int
    code: UserCode
    tries: int
    timeout: float | None
    """Seconds for one try."""
    env: Mapping[str, str]
    heartbeat: float
    """Seconds between two heartbeats."""
    session: int
    storage: str = field(repr=False)
    """How to reach the object store. Holds its keys."""


@dataclass(frozen=True, slots=True)
class DatumInput:
    """A file or directory that shall be at `/pfs/<name><path>`."""

    name: str
    path: str
    node: Content | Dir
    lazy: bool = False
    empty_files: bool = False

    @property
    def is_dir(self) -> bool:
        return isinstance(self.node, Dir)

    @property
    def bytes_to_fetch(self) -> int:
        return 0 if self.lazy or self.empty_files else self.node.size


@dataclass(frozen=True, slots=True)
class Task:
    """One leased datum."""

    lease: str
    job_id: str
    datum_id: str
    attempt: int
    inputs: tuple[DatumInput, ...]
    env: Mapping[str, str]
    timeout: float | None
    """Seconds for one try, instead of the pipeline's."""

    @property
    def bytes_to_fetch(self) -> int:
        return sum(item.bytes_to_fetch for item in self.inputs)


@dataclass(slots=True)
class Result:
    """How one datum ended; filled in on its way through the worker."""

    lease: str
    job_id: str
    datum_id: str
    outcome: Outcome = Outcome.FAILED
    reason: str = ""
    output: Dir | None = None
    download_bytes: int = 0
    upload_bytes: int = 0
    download_us: int = 0
    process_us: int = 0
    upload_us: int = 0
    tries: int = 0
    started_us: int = 0

    def failed(self, reason: str) -> None:
        """Turn it into a failure for `reason`, without output."""
        self.outcome, self.reason, self.output = Outcome.FAILED, one_line(reason), None


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a log."""

    ts_us: int
    job_id: str
    datum_id: str
    user: bool
    message: str


@dataclass(frozen=True, slots=True)
class Orders:
    """What pachd answers a heartbeat: leases to give up, leases whose try shall begin again."""

    kill: frozenset[str] = frozenset()
    restart: frozenset[str] = frozenset()


def one_line(text: str) -> str:
    """Reasons are one line, whatever a library put into its message."""
    return " ".join(text.split())
