"""A whole runtime for tests: real database, real storage, real graph; workers are played here."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from dassie.blob.drivers.folder import FolderStore
from dassie.meta.database import Database
from dassie.pfs import commits, repos
from dassie.pfs.files import Files
from dassie.pfs.graph import Graph
from dassie.pfs.model import BranchKey, CommitRef, RepoKey
from dassie.pps.datums import DatumInputs, DatumStats
from dassie.pps.dispatch import LeasedDatum
from dassie.pps.executors.api import Pool, WorkerStatus
from dassie.pps.model import JobInfo, PipelineKey
from dassie.pps.results import Result
from dassie.pps.service import Pps
from dassie.pps.states import DatumState
from dassie.storage.index import DatabaseIndex
from dassie.storage.sessions import DatabaseSessions
from dassie.storage.store import Storage
from dassie.storage.types import EMPTY_DIR, Content, Put

Outputs = Mapping[str, bytes]
UserCode = Callable[[LeasedDatum, "World"], Outputs]


class PlayedExecutor:
    """Remembers what it was asked for; nobody is started."""

    def __init__(self) -> None:
        self.pools: dict[str, Pool] = {}
        self.counts: dict[str, int] = {}
        self.workers: list[WorkerStatus] = []

    def ensure(self, pool: Pool, count: int) -> None:
        self.pools[pool.name] = pool
        self.counts[pool.name] = count

    def stop(self, pool_name: str) -> None:
        self.pools.pop(pool_name, None)
        self.counts.pop(pool_name, None)

    def status(self) -> list[WorkerStatus]:
        return self.workers

    def close(self) -> None:
        self.pools.clear()


class Submitted:
    """Keeps what would be run in other threads."""

    def __init__(self) -> None:
        self.calls: list[tuple[Callable[[PipelineKey], None], PipelineKey]] = []

    def submit(self, function: Callable[[PipelineKey], None], key: PipelineKey) -> None:
        self.calls.append((function, key))


class World:
    """`pps` may be built anew at any time (`restart`), as after a crash."""

    def __init__(self, db: Database, folder: Path) -> None:
        self.db = db
        self.sessions = DatabaseSessions(db, ttl=timedelta(minutes=10))
        self.storage = Storage(FolderStore(folder, fsync=False), DatabaseIndex(db), self.sessions)
        self.runs: list[str] = []
        self._seen = 0
        self.restart()

    def restart(self) -> None:
        """Lose everything that was only in memory."""
        self.graph = Graph(self.db, self.db.clock)
        self.files = Files(self.graph, self.storage)
        self.executor = PlayedExecutor()
        self.pps = Pps(
            self.db,
            self.graph,
            self.storage,
            self.sessions,
            self.executor,
            self.db.clock,
        )

    def close(self) -> None:
        self.pps.close()
        self.storage.close()
        self.sessions.close()

    # -- data ------------------------------------------------------------------------------------

    def repo(self, name: str) -> None:
        with self.graph.transaction() as gtx:
            repos.create(gtx, RepoKey("default", name))

    def put(self, repo: str, files: Mapping[str, bytes | None], branch: str = "master") -> None:
        """One commit; `None` deletes."""
        with self.files.modify(CommitRef(RepoKey("default", repo), branch=branch)) as change:
            for path, data in files.items():
                if data is None:
                    change.delete(path)
                else:
                    change.delete(path)
                    change.add(path, data)

    def read(self, repo: str, commit: str = "", branch: str = "master") -> dict[str, bytes]:
        """Every file of a commit."""
        return self.tree(CommitRef(RepoKey("default", repo), branch=branch, id=commit))

    def tree(self, ref: CommitRef) -> dict[str, bytes]:
        with self.db.read() as tx:
            _, root = commits.content(tx, ref)
        found = {}
        for entry in self.storage.tree.walk(root, "/", dirs=False):
            assert isinstance(entry.node, Content)
            found[entry.path] = b"".join(self.storage.read(entry.node))
        return found

    # -- pipelines -------------------------------------------------------------------------------

    def pipeline(
        self,
        name: str,
        input_: Mapping[str, Any] | str,
        *,
        update: bool = False,
        reprocess: bool = False,
        **fields: Any,
    ) -> PipelineKey:
        if isinstance(input_, str):
            repo, _, glob = input_.partition(":")
            input_ = {"pfs": {"repo": repo, "glob": glob or "/*"}}
        spec = {
            "pipeline": {"name": name},
            "transform": {"cmd": ["true"], "image": "none"},
            "input": input_,
            **fields,
        }
        self.pps.create_pipeline(spec, update=update, reprocess=reprocess)
        return PipelineKey("default", name)

    def turn(self) -> None:
        """What the controller thread does when it wakes, in this thread."""
        controller = self.pps.controller
        threads = controller._threads
        submitted = Submitted()
        controller._threads = submitted  # type: ignore[assignment]
        try:
            controller.turn()
        finally:
            controller._threads = threads
        for function, key in submitted.calls:
            function(key)
        controller._master.flush()

    def settle(self, code: UserCode | None = None, *, turns: int = 50) -> None:
        """Turn and work until no job is unfinished."""
        for _ in range(turns):
            self.turn()
            worked = self.work(code)
            if not worked and not self.unfinished():
                return
        raise AssertionError(f"jobs do not finish: {self.unfinished()}")

    def unfinished(self) -> list[JobInfo]:
        return [job for job in self.pps.list_jobs() if not job.terminal]

    def jobs(self, name: str) -> list[JobInfo]:
        """Oldest first."""
        return list(self.pps.list_jobs(pipeline=PipelineKey("default", name), reverse=True))

    # -- workers ---------------------------------------------------------------------------------

    def work(self, code: UserCode | None = None, limit: int = 512) -> int:
        """One worker per pool takes and processes what there is; how many datums that was."""
        count = 0
        for pool in list(self.executor.pools.values()):
            worker = f"w-{pool.name}"
            if worker not in self.pps.dispatcher.workers(pool.name):
                self.pps.dispatcher.register(pool.token, worker)
            while leased := self.pps.dispatcher.lease(pool.token, worker, limit):
                results = [(datum.token, self.process(datum, code or copy)) for datum in leased]
                assert self.pps.dispatcher.report(pool.token, worker, results) == []
                count += len(leased)
        return count

    def process(self, datum: LeasedDatum, code: UserCode) -> Result:
        self.runs.append(datum.datum_id)
        try:
            outputs = code(datum, self)
        except DatumFailed as failure:
            return Result(failure.state, str(failure), tries=3)
        with self.storage.session() as upload:
            root = upload.edit(
                EMPTY_DIR, [Put(path, upload.put(data)) for path, data in outputs.items()]
            )
            upload.flush()
        return Result(DatumState.SUCCESS, output=root, stats=DatumStats(1, 2, 3, 4, 5), tries=1)

    def inputs(self, files: DatumInputs) -> dict[str, bytes]:
        """What a datum sees below /pfs."""
        seen: dict[str, bytes] = {}
        for file in files:
            if isinstance(file.node, Content):
                seen[f"/{file.name}{file.path}"] = b"".join(self.storage.read(file.node))
                continue
            for entry in self.storage.tree.walk(file.node, "/", dirs=False):
                place = f"/{file.name}{file.path.rstrip('/')}{entry.path}"
                assert isinstance(entry.node, Content)
                seen[place] = b"".join(self.storage.read(entry.node))
        return seen

    def took(self) -> list[str]:
        """Ids of the datums processed since it was asked last."""
        new, self._seen = self.runs[self._seen :], len(self.runs)
        return new


class DatumFailed(Exception):
    """User code fails."""

    def __init__(self, reason: str, state: DatumState = DatumState.FAILED) -> None:
        super().__init__(reason)
        self.state = state


def copy(datum: LeasedDatum, world: World) -> Outputs:
    """User code: `cp` of every input file to the same path, upper-cased."""
    return {
        "/" + path.split("/", 2)[2]: data.upper()
        for path, data in world.inputs(datum.inputs).items()
    }


@contextmanager
def failing(*paths: str) -> Iterator[UserCode]:
    """`copy` that fails for some input paths."""

    def code(datum: LeasedDatum, world: World) -> Outputs:
        for file in datum.inputs:
            if file.path in paths:
                raise DatumFailed(f"exit status 1 on {file.path}")
        return copy(datum, world)

    yield code


def master(repo: str) -> BranchKey:
    return BranchKey(RepoKey("default", repo), "master")
