"""Everything that doors ask of pipelines: one object that wires the runtime together.

`Pps` owns the controller thread and the dispatcher, and offers one method per question or command.
Methods block; a door calls them in its bounded threads. Nothing here waits for something to happen:
a door that waits (for a job to finish, for more log lines) subscribes to the notifier's channels
`jobs`, `datums`, `pipelines` or `logs` first, and asks again whenever it is woken.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dassie.errors import Unimplemented
from dassie.pfs.model import CommitRef
from dassie.pps.model import (
    DatumInfo,
    JobInfo,
    JobInput,
    JobKey,
    LogLine,
    LogQuery,
    PipelineInfo,
    PipelineKey,
    WorkerInfo,
)
from dassie.pps.states import DatumState, JobState

if TYPE_CHECKING:
    from dassie.pps.spec import Spec


class Pps:
    """The runtime of pipelines. `start()` brings the controller up, `close()` stops it."""

    def start(self) -> None:
        """Resume unfinished jobs and start advancing pipelines."""
        raise Unimplemented("Pps.start")

    def close(self) -> None:
        """Stop the controller and the workers; durable state stays as it is."""
        raise Unimplemented("Pps.close")

    # -- pipelines ---------------------------------------------------------------------------

    def create_pipeline(
        self,
        user_spec: Mapping[str, Any],
        *,
        update: bool = False,
        reprocess: bool = False,
        dry_run: bool = False,
        user: str = "",
    ) -> str:
        """Create or update a pipeline from one parsed document; returns the effective spec."""
        raise Unimplemented("CreatePipeline")

    def inspect_pipeline(self, key: PipelineKey) -> PipelineInfo:
        """The pipeline; `key.name` may carry an ancestry suffix (`edges^`, `edges.1`)."""
        raise Unimplemented("InspectPipeline")

    def list_pipelines(
        self,
        *,
        projects: Sequence[str] = (),
        name: str = "",
        history: int = 0,
        commit_set: str = "",
    ) -> list[PipelineInfo]:
        """Newest first; `history` 0 = current version, n = n more versions, -1 = all."""
        raise Unimplemented("ListPipeline")

    def start_pipeline(self, key: PipelineKey, *, user: str = "") -> None:
        """Restore provenance; makes one new job on the current heads."""
        raise Unimplemented("StartPipeline")

    def stop_pipeline(self, key: PipelineKey, *, must_exist: bool = False, user: str = "") -> None:
        """Remove provenance and kill unfinished jobs."""
        raise Unimplemented("StopPipeline")

    def delete_pipeline(
        self,
        key: PipelineKey,
        *,
        force: bool = False,
        keep_repo: bool = False,
        must_exist: bool = False,
        user: str = "",
    ) -> None:
        """Remove the pipeline, its jobs, its spec and meta repos, and its output repo."""
        raise Unimplemented("DeletePipeline")

    def delete_pipelines(
        self, *, projects: Sequence[str] = (), force: bool = False, keep_repo: bool = False
    ) -> list[PipelineKey]:
        """Remove every pipeline of `projects` (empty = all), downstream ones first."""
        raise Unimplemented("DeletePipelines")

    def rerun_pipeline(self, key: PipelineKey, *, reprocess: bool = False, user: str = "") -> None:
        """A new job on the current heads; `reprocess` makes it process every datum."""
        raise Unimplemented("RerunPipeline")

    def cluster_defaults(self) -> str:
        """JSON of the cluster-wide defaults; `{}` when none are set."""
        raise Unimplemented("GetClusterDefaults")

    def project_defaults(self, project: str) -> str:
        """JSON of a project's defaults; `{}` when none are set."""
        raise Unimplemented("GetProjectDefaults")

    def set_defaults(self, project: str | None, text: str, *, dry_run: bool = False) -> None:
        """Replace the defaults of a project, or of the cluster (`None`)."""
        raise Unimplemented("SetClusterDefaults")

    # -- jobs --------------------------------------------------------------------------------

    def inspect_job(self, key: JobKey) -> JobInfo:
        """The job as it is now."""
        raise Unimplemented("InspectJob")

    def job_spec(self, job: JobInfo) -> Spec:
        """The spec of the pipeline version that the job runs."""
        raise Unimplemented("InspectJob")

    def job_inputs(self, job: JobInfo) -> list[JobInput]:
        """The commits that the job reads, by input name."""
        raise Unimplemented("InspectJob")

    def job_workers(self, key: JobKey) -> list[WorkerInfo]:
        """Workers that process datums of the job now."""
        raise Unimplemented("InspectJob")

    def list_jobs(
        self,
        *,
        projects: Sequence[str] = (),
        pipeline: PipelineKey | None = None,
        input_commits: Sequence[CommitRef] = (),
        history: int = -1,
        after_seq: int = 0,
        reverse: bool = False,
    ) -> Iterator[JobInfo]:
        """Newest first (`reverse`: oldest first). `after_seq`: only jobs made after that one."""
        raise Unimplemented("ListJob")

    def inspect_job_set(self, id_: str) -> list[JobInfo]:
        """Every job of a commit set, upstream first."""
        raise Unimplemented("InspectJobSet")

    def list_job_sets(
        self, *, projects: Sequence[str] = (), reverse: bool = False
    ) -> Iterator[tuple[str, list[JobInfo]]]:
        """Commit sets that have jobs, newest first, each with its jobs."""
        raise Unimplemented("ListJobSet")

    def stop_job(self, key: JobKey, *, reason: str = "", user: str = "") -> None:
        """KILLED; its output commit finishes with the reason as its error."""
        raise Unimplemented("StopJob")

    def delete_job(self, key: JobKey, *, user: str = "") -> None:
        """Stop the job when it runs, and forget it; its commits stay."""
        raise Unimplemented("DeleteJob")

    # -- datums ------------------------------------------------------------------------------

    def list_datums(
        self,
        job: JobKey,
        *,
        after: str = "",
        reverse: bool = False,
        states: Sequence[DatumState] = (),
    ) -> Iterator[DatumInfo]:
        """Datums of a job in order of id, beginning after id `after`."""
        raise Unimplemented("ListDatum")

    def preview_datums(self, input_: Mapping[str, Any], *, project: str) -> Iterator[DatumInfo]:
        """The datums that an input (`pps_v2.Input` as JSON) has now, without a pipeline."""
        raise Unimplemented("ListDatum")

    def inspect_datum(self, job: JobKey, datum_id: str) -> DatumInfo:
        """One datum; raises "datum X not found in job Y"."""
        raise Unimplemented("InspectDatum")

    def restart_datum(self, job: JobKey, data_filters: Sequence[str]) -> None:
        """Try running datums again whose inputs match every filter (a path or a hex hash)."""
        raise Unimplemented("RestartDatum")

    # -- logs --------------------------------------------------------------------------------

    def logs(self, query: LogQuery) -> Iterator[LogLine]:
        """Lines in order of time."""
        raise Unimplemented("GetLogs")

    def logs_after(self, query: LogQuery, cursor: int) -> tuple[list[LogLine], int]:
        """Lines stored since `cursor` (0 = now), and the next cursor: for following."""
        raise Unimplemented("GetLogs")


__all__ = ["JobState", "Pps"]
