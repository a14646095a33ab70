"""Everything that doors ask of pipelines: one object that wires the runtime together.

`Pps` owns the controller thread and the dispatcher, and offers one method per question or command.
Methods block; a door calls them in its bounded threads. Nothing here waits for something to happen:
a door that waits (for a job to finish, for more log lines) subscribes to the notifier's channels
`jobs`, `datums`, `pipelines` or `logs` first, and asks again whenever it is woken.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from dassie.base.clock import Clock, from_micros
from dassie.errors import FailedPrecondition, NotFound
from dassie.meta.database import Database
from dassie.meta.transaction import Tx
from dassie.pfs import branches, commits
from dassie.pfs.graph import Graph
from dassie.pfs.model import DEFAULT_PROJECT, BranchKey, CommitKey, CommitRef
from dassie.pfs.refs import parse_ancestry
from dassie.pps import jobs, pipelines, preview
from dassie.pps.authoring import CLUSTER, Author
from dassie.pps.datums import DatumInputs
from dassie.pps.dispatch import LEASE_SECONDS, Dispatcher
from dassie.pps.executors.api import Executor
from dassie.pps.logs import LogStore
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
from dassie.pps.pipelines import PipelineNotFound
from dassie.pps.pools import Pools
from dassie.pps.records import Records
from dassie.pps.running import Runner, output_ref
from dassie.pps.scheduler import Controller, MasterLog, SpecCache
from dassie.pps.spec import Spec
from dassie.pps.states import DatumState
from dassie.storage.lease import Sessions
from dassie.storage.store import Storage


class Pps:
    """The runtime of pipelines. `start()` brings the controller up, `close()` stops it.

    `sessions` are the upload sessions of this process, for workers to store outputs under.
    """

    def __init__(
        self,
        db: Database,
        graph: Graph,
        storage: Storage,
        sessions: Sessions,
        executor: Executor,
        clock: Clock,
        *,
        lease_seconds: float = LEASE_SECONDS,
    ) -> None:
        self._db = db
        self._graph = graph
        self._storage = storage
        self.log_store = LogStore(db)
        self.dispatcher = Dispatcher(db, clock, sessions, lease_seconds=lease_seconds)
        self._author = Author(db, graph, storage)
        self._specs = SpecCache(db)
        self._records = Records(db, storage, self.dispatcher)
        self._pools = Pools(db, self.dispatcher, executor)
        master = MasterLog(self.log_store, clock)
        self.runner = Runner(graph, db, storage, self.dispatcher, master.note)
        self.controller = Controller(db, self.runner, self.dispatcher, self._pools, master)
        graph.hooks.append(jobs.on_transaction)

    def start(self) -> None:
        """Resume unfinished jobs and start advancing pipelines."""
        self.controller.start()

    def close(self) -> None:
        """Stop the controller and the workers; durable state stays as it is."""
        self.controller.close()
        self._pools.close()

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
        return self._author.create(
            user_spec, update=update, reprocess=reprocess, dry_run=dry_run, user=user
        )

    def inspect_pipeline(self, key: PipelineKey) -> PipelineInfo:
        """The pipeline; `key.name` may carry an ancestry suffix (`edges^`, `edges.1`)."""
        wanted = parse_ancestry(key.name)
        bare = PipelineKey(key.project, wanted.name)
        with self._db.read() as tx:
            info = pipelines.inspect(tx, bare, ancestors=wanted.up, number=wanted.nth or 0)
        return self._with_workers(info)

    def list_pipelines(
        self,
        *,
        projects: Sequence[str] = (),
        name: str = "",
        history: int = 0,
        commit_set: str = "",
    ) -> list[PipelineInfo]:
        """Newest first; `history` 0 = current version, n = n more versions, -1 = all."""
        found: list[PipelineInfo] = []
        with self._db.read() as tx:
            ran = _versions_of_set(tx, commit_set) if commit_set else {}
            for now in pipelines.all_current(tx):
                if (projects and now.key.project not in projects) or (
                    name and now.key.name != name
                ):
                    continue
                if not commit_set:
                    found += pipelines.history(tx, now.key, history)
                elif now.key in ran:
                    found.append(pipelines.inspect(tx, now.key, number=ran[now.key]))
        if name and not found and not commit_set:
            raise PipelineNotFound(PipelineKey(projects[0] if projects else DEFAULT_PROJECT, name))
        return [self._with_workers(info) for info in found]

    def start_pipeline(self, key: PipelineKey, *, user: str = "") -> None:
        """Restore provenance; makes one new job on the current heads."""
        with self._graph.transaction(user=user) as gtx:
            pipelines.start(gtx, key)

    def stop_pipeline(self, key: PipelineKey, *, must_exist: bool = False, user: str = "") -> None:
        """Remove provenance and kill unfinished jobs."""
        with self._graph.transaction(user=user) as gtx:
            if must_exist or pipelines.current(gtx.tx, key) is not None:
                pipelines.stop(gtx, key, user=user)

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
        with self._graph.transaction(user=user) as gtx:
            if must_exist or pipelines.current(gtx.tx, key) is not None:
                pipelines.delete(gtx, key, force=force, keep_repo=keep_repo, user=user)
                self.log_store.delete(gtx.tx, key)

    def delete_pipelines(
        self,
        *,
        projects: Sequence[str] = (),
        force: bool = False,
        keep_repo: bool = False,
        user: str = "",
    ) -> list[PipelineKey]:
        """Remove every pipeline of `projects` (empty = all), downstream ones first."""
        with self._graph.transaction(user=user) as gtx:
            chosen = [
                now.key
                for now in pipelines.all_current(gtx.tx)
                if not projects or now.key.project in projects
            ]
            for key in _downstream_first(gtx.tx, chosen):
                pipelines.delete(gtx, key, force=force, keep_repo=keep_repo, user=user)
                self.log_store.delete(gtx.tx, key)
        return chosen

    def rerun_pipeline(self, key: PipelineKey, *, reprocess: bool = False, user: str = "") -> None:
        """A new job on the current heads; `reprocess` makes it process every datum."""
        self._author.rerun(key, reprocess=reprocess, user=user)

    def cluster_defaults(self) -> str:
        """JSON of the cluster-wide defaults; `{}` when none are set."""
        return self._author.defaults(CLUSTER)

    def project_defaults(self, project: str) -> str:
        """JSON of a project's defaults; `{}` when none are set."""
        return self._author.defaults(project)

    def set_defaults(self, project: str | None, text: str, *, dry_run: bool = False) -> None:
        """Replace the defaults of a project, or of the cluster (`None`)."""
        self._author.set_defaults(project or CLUSTER, text, dry_run=dry_run)

    def _with_workers(self, info: PipelineInfo) -> PipelineInfo:
        pool = self._pools.name_of(info.key)
        return replace(
            info,
            workers_requested=self._pools.requested(info.key),
            workers_available=len(self.dispatcher.workers(pool)) if pool else 0,
            unclaimed_datums=self.dispatcher.unclaimed(pool) if pool else 0,
        )

    # -- jobs --------------------------------------------------------------------------------

    def inspect_job(self, key: JobKey) -> JobInfo:
        """The job as it is now."""
        with self._db.read() as tx:
            return jobs.inspect(tx, key)

    def job_spec(self, job: JobInfo) -> Spec:
        """The spec of the pipeline version that the job runs."""
        return self._specs.of_job(job)

    def job_inputs(self, job: JobInfo) -> list[JobInput]:
        """The commits that the job reads, by input name."""
        spec = self._specs.of_job(job)
        with self._db.read() as tx:
            try:
                output = commits.inspect(tx, output_ref(job))
            except NotFound:  # its output commit was deleted
                return []
        reads = {key.repo: key for key in output.direct_provenance}
        return [
            JobInput(leaf.name, reads[leaf.branch_key.repo], leaf.glob, leaf.lazy)
            for leaf in spec.input.leaves()
            if leaf.branch_key.repo in reads
        ]

    def job_workers(self, key: JobKey) -> list[WorkerInfo]:
        """Workers that process datums of the job now."""
        job = self.inspect_job(key)
        return [
            WorkerInfo(worker, key.pipeline, key.id, datum, from_micros(since) if since else None)
            for worker, datum, since in self.dispatcher.running(job.seq)
        ]

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
        """Newest first (`reverse`: oldest first). `after_seq`: only jobs made after that one.

        `history`: 0 = jobs of the pipeline's current version, n = and of n versions before.
        """
        with self._db.read() as tx:
            if pipeline is not None:
                pipelines.require(tx, pipeline)
            versions = {now.key: now.version for now in pipelines.all_current(tx)}
            wanted = {commits.resolve(tx, ref) for ref in input_commits}
        beyond: int | None = None
        while True:
            with self._db.read() as tx:
                page = jobs.page(
                    tx,
                    projects=projects,
                    pipeline=pipeline,
                    beyond=beyond,
                    after_seq=after_seq,
                    reverse=reverse,
                )
                shown = [
                    job
                    for job in page
                    if (history < 0 or _age(job, versions) <= history)
                    and (not wanted or wanted <= _reads(tx, job))
                ]
            yield from shown
            if not jobs.full_page(page):
                return
            beyond = page[-1].seq

    def inspect_job_set(self, id_: str) -> list[JobInfo]:
        """Every job of a commit set, upstream first."""
        with self._db.read() as tx:
            found = jobs.by_set(tx, id_)
        if not found:
            raise NotFound(f"no commits found for commitset {id_}: it has no jobs")
        return found

    def list_job_sets(
        self, *, projects: Sequence[str] = (), reverse: bool = False
    ) -> Iterator[tuple[str, list[JobInfo]]]:
        """Commit sets that have jobs, newest first, each with its jobs."""
        seen: set[str] = set()
        for job in self.list_jobs(projects=projects, reverse=reverse):
            if job.key.id in seen:
                continue
            seen.add(job.key.id)
            with self._db.read() as tx:
                yield job.key.id, jobs.by_set(tx, job.key.id)

    def stop_job(self, key: JobKey, *, reason: str = "", user: str = "") -> None:
        """KILLED; its output commit finishes with the reason as its error."""
        with self._graph.transaction(user=user) as gtx:
            jobs.stop(gtx, key, reason)
            seq = jobs.inspect(gtx.tx, key).seq
        self.dispatcher.close_job(seq)

    def delete_job(self, key: JobKey, *, user: str = "") -> None:
        """Stop the job when it runs, and forget it; its commits stay."""
        with self._graph.transaction(user=user) as gtx:
            seq = jobs.inspect(gtx.tx, key).seq
            jobs.delete(gtx, key)
        self.dispatcher.close_job(seq)

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
        return self._records.list(job, after=after, reverse=reverse, states=states)

    def preview_datums(self, input_: Mapping[str, Any], *, project: str) -> Iterator[DatumInfo]:
        """The datums that an input (`pps_v2.Input` as JSON) has now, without a pipeline."""
        return preview.datums(self._db, self._storage, input_, project)

    def inspect_datum(self, job: JobKey, datum_id: str) -> DatumInfo:
        """One datum; raises "datum X not found in job Y"."""
        return self._records.inspect(job, datum_id)

    def datum_inputs(self, job: JobKey, ids: Sequence[str]) -> dict[str, DatumInputs]:
        """What some datums of a job read, as far as that is still known."""
        return self._records.inputs(job, ids)

    def restart_datum(self, job: JobKey, data_filters: Sequence[str]) -> None:
        """Try running datums again whose inputs match every filter (a path or a hex hash)."""
        info = self.inspect_job(job)
        wanted = f"datum matching filter [{' '.join(data_filters)}]"
        missing = f"{wanted} could not be found for job ID {job.id}"
        if info.terminal:
            raise FailedPrecondition(f"{missing}: job {job} has already finished")

        def matches(files: DatumInputs) -> bool:
            return all(
                any(
                    text in (file.path, file.path.rstrip("/"), file.node.hash.hex())
                    for file in files
                )
                for text in data_filters
            )

        if not self.dispatcher.restart(info.seq, matches):
            raise FailedPrecondition(f"{missing}: no such datum of job {job} is running now")

    # -- logs --------------------------------------------------------------------------------

    def logs(self, query: LogQuery, *, upto: int | None = None) -> Iterator[LogLine]:
        """Lines in order of time; `upto`: what was stored up to that `log_cursor`."""
        return self.log_store.lines(query, upto=upto)

    def log_cursor(self) -> int:
        """Where the logs end now."""
        return self.log_store.cursor()

    def logs_after(self, query: LogQuery, cursor: int) -> tuple[list[LogLine], int]:
        """Lines stored since `cursor`, and the next cursor: for following."""
        return self.log_store.after(query, cursor)


def _versions_of_set(tx: Tx, id_: str) -> dict[PipelineKey, int]:
    """Which version of each pipeline ran in a commit set."""
    return {job.key.pipeline: job.pipeline_version for job in jobs.by_set(tx, id_)}


def _age(job: JobInfo, versions: Mapping[PipelineKey, int]) -> int:
    """How many versions ago the job's version was current."""
    return versions.get(job.key.pipeline, job.pipeline_version) - job.pipeline_version


def _reads(tx: Tx, job: JobInfo) -> set[CommitKey]:
    try:
        return set(commits.inspect(tx, output_ref(job)).direct_provenance)
    except NotFound:
        return set()


def _downstream_first(tx: Tx, keys: Sequence[PipelineKey]) -> list[PipelineKey]:
    """In an order in which nothing depends on what is deleted."""
    depth = {key: len(_upstream(tx, key)) for key in keys}
    return sorted(keys, key=lambda key: depth[key], reverse=True)


def _upstream(tx: Tx, key: PipelineKey) -> Sequence[BranchKey]:
    now = pipelines.require(tx, key)
    spec = pipelines.spec_of(tx, key, now.version)
    above: set[BranchKey] = set(spec.input_branches)
    for branch in spec.input_branches:
        above.update(branches.inspect(tx, branch).provenance)
    return sorted(above)
