"""Records of the version graph, as domain functions take and return them. Pure.

Times are timezone-aware UTC `datetime`. `str()` of a key is the form that error texts use.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum

from dassie.storage.types import Dir

DEFAULT_PROJECT = "default"
USER, META, SPEC = "user", "meta", "spec"
FILESETS = "__filesets__"
"""Virtual repo (project `default`) that addresses file sets as commits."""


class Origin(IntEnum):
    """Why a commit exists (`pfs_v2.OriginKind`)."""

    USER = 1
    AUTO = 2
    FSCK = 3


class CommitState(IntEnum):
    """`pfs_v2.CommitState`; never moves backwards."""

    STARTED = 1
    READY = 2
    FINISHING = 3
    FINISHED = 4


@dataclass(frozen=True, slots=True, order=True)
class RepoKey:
    project: str
    name: str
    type: str = USER

    def __str__(self) -> str:
        suffix = "" if self.type == USER else f".{self.type}"
        return f"{self.project}/{self.name}{suffix}"


@dataclass(frozen=True, slots=True, order=True)
class BranchKey:
    repo: RepoKey
    name: str

    def __str__(self) -> str:
        return f"{self.repo}@{self.name}"


@dataclass(frozen=True, slots=True, order=True)
class CommitKey:
    """A commit is identified by its repo and its commit set's id (32 hex digits)."""

    repo: RepoKey
    id: str

    def __str__(self) -> str:
        return f"{self.repo}@{self.id}"


@dataclass(frozen=True, slots=True)
class CommitRef:
    """What a caller wrote for a commit, not resolved yet: a branch, an id, or both; either may
    carry an ancestry
    suffix (`^`, `^3`, `~2`, `.4`). `id` may be a branch name in disguise, as clients send it."""

    repo: RepoKey
    branch: str = ""
    id: str = ""


@dataclass(frozen=True, slots=True)
class ProjectInfo:
    name: str
    description: str
    created_at: datetime
    created_by: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RepoInfo:
    """`size_bytes`: content of the last finished commit of branch `master`, as Pachyderm reports
    it."""

    key: RepoKey
    created_at: datetime
    description: str
    branches: tuple[BranchKey, ...]
    size_bytes: int
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class BranchInfo:
    key: BranchKey
    head: CommitKey
    direct_provenance: tuple[BranchKey, ...]
    provenance: tuple[BranchKey, ...]
    subvenance: tuple[BranchKey, ...]
    never_propagate: frozenset[BranchKey]
    """Those of `direct_provenance` along which commits do not propagate."""
    created_at: datetime
    updated_at: datetime
    created_by: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CommitInfo:
    key: CommitKey
    branch: str
    """Name of the branch it was made on; stays when the branch is deleted."""
    origin: Origin
    state: CommitState
    description: str
    parent: CommitKey | None
    children: tuple[CommitKey, ...]
    started_at: datetime
    finishing_at: datetime | None
    finished_at: datetime | None
    direct_provenance: tuple[CommitKey, ...]
    direct_subvenance: tuple[CommitKey, ...]
    error: str
    root: Dir | None
    """Content written so far; `None` for an output commit whose job has not finished."""
    created_by: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)

    @property
    def size_bytes(self) -> int:
        return self.root.size if self.root else 0
