"""Records of pipelines, jobs, datums and logs, as `pps.service.Pps` takes and returns them. Pure.

Times are timezone-aware UTC `datetime`; `str()` of a key is the form that error texts use.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum

from dassie.pfs.model import META, SPEC, USER, BranchKey, CommitKey, RepoKey
from dassie.pps.datums import DatumRecord, DatumStats
from dassie.pps.spec import Spec
from dassie.pps.states import DatumState, JobState, PipelineState


class PipelineType(IntEnum):
    """`pps_v2.PipelineInfo.PipelineType`."""

    TRANSFORM = 1
    SPOUT = 2
    SERVICE = 3


@dataclass(frozen=True, slots=True, order=True)
class PipelineKey:
    project: str
    name: str

    def __str__(self) -> str:
        return f"{self.project}/{self.name}"

    @property
    def output(self) -> RepoKey:
        return RepoKey(self.project, self.name, USER)

    @property
    def meta(self) -> RepoKey:
        return RepoKey(self.project, self.name, META)

    @property
    def spec(self) -> RepoKey:
        return RepoKey(self.project, self.name, SPEC)

    @property
    def spec_branch(self) -> BranchKey:
        return BranchKey(self.spec, "master")


@dataclass(frozen=True, slots=True, order=True)
class JobKey:
    """A job is identified by its pipeline and its commit set's id."""

    pipeline: PipelineKey
    id: str

    def __str__(self) -> str:
        return f"{self.pipeline}@{self.id}"

    @property
    def output_commit(self) -> CommitKey:
        return CommitKey(self.pipeline.output, self.id)

    @property
    def meta_commit(self) -> CommitKey:
        return CommitKey(self.pipeline.meta, self.id)


@dataclass(frozen=True, slots=True)
class PipelineInfo:
    """One version of a pipeline.

    State, reason and the worker counts are those of the pipeline now, whatever the version.
    """

    key: PipelineKey
    version: int
    spec_commit: CommitKey
    spec: Spec
    state: PipelineState
    reason: str
    stopped: bool
    last_job_state: JobState | None
    """`None` before the first job."""
    type: PipelineType
    user_json: str
    effective_json: str
    created_at: datetime
    updated_at: datetime
    created_by: str = ""
    workers_requested: int = 0
    workers_available: int = 0
    unclaimed_datums: int = 0
    salt: str = ""


@dataclass(frozen=True, slots=True)
class JobInput:
    """One input of a job: the commit that it reads."""

    name: str
    commit: CommitKey
    glob: str
    lazy: bool = False


@dataclass(frozen=True, slots=True)
class JobInfo:
    key: JobKey
    seq: int
    """Order of creation over all jobs of the cluster; never reused while a newer job exists."""
    pipeline_version: int
    state: JobState
    reason: str
    restart: int
    data_processed: int
    data_skipped: int
    data_total: int
    data_failed: int
    data_recovered: int
    stats: DatumStats
    """Sums over the datums that this job processed."""
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None

    @property
    def terminal(self) -> bool:
        return self.finished_at is not None


@dataclass(frozen=True, slots=True)
class DatumInfo:
    """One datum of a job. `state` is SKIPPED when the record was made by an earlier job."""

    job: JobKey
    state: DatumState
    record: DatumRecord


@dataclass(frozen=True, slots=True)
class WorkerInfo:
    """One worker of a pipeline and what it is doing now."""

    worker_id: str
    pipeline: PipelineKey
    job_id: str = ""
    datum_id: str = ""
    started_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line of a log. `worker` is empty for lines of the pipeline's controller (`master`)."""

    at: datetime
    pipeline: PipelineKey
    message: str
    job_id: str = ""
    datum_id: str = ""
    worker: str = ""
    user: bool = False

    @property
    def master(self) -> bool:
        return not self.worker


@dataclass(frozen=True, slots=True)
class LogQuery:
    """Which lines: every field that is set narrows. A datum needs a pipeline or a job beside it."""

    pipeline: PipelineKey | None = None
    job_id: str = ""
    datum_id: str = ""
    datums: frozenset[str] | None = None
    """Only lines of these datums; None = of all, and those of no datum."""
    master: bool = False
    since: datetime | None = None
    tail: int = 0
    """Only the last so many lines; 0 = all."""
    projects: Sequence[str] = field(default_factory=tuple)
