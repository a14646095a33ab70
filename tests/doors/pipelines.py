"""A whole runtime behind a real port: graph, storage, scheduler, doors. Only user code is not real:
workers are threads of the test, and `cmd` names what they do with a datum.

    ["copy"]      every input file lands in the output under its own name
    ["fail"]      the datum fails
    ["gate"]      waits until `Runtime.gate` is set, then copies
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc

from dassie._proto.dassie import explain_pb2_grpc
from dassie._proto.pfs import pfs_pb2
from dassie._proto.pps import pps_pb2, pps_pb2_grpc
from dassie.base.clock import SystemClock
from dassie.blob.drivers.memory import MemoryStore
from dassie.doors.grpc.explain import ExplainService
from dassie.doors.grpc.pps import PpsService
from dassie.errors import PermissionDenied
from dassie.meta.database import Database
from dassie.pfs import branches, commits, repos
from dassie.pfs.graph import Graph
from dassie.pfs.model import BranchKey, CommitRef, RepoKey
from dassie.pps.dispatch import LeasedDatum, Registration
from dassie.pps.executors.api import Pool, WorkerStatus
from dassie.pps.model import LogLine
from dassie.pps.results import Result
from dassie.pps.service import Pps
from dassie.pps.states import DatumState
from dassie.storage.index import DatabaseIndex
from dassie.storage.sessions import DatabaseSessions
from dassie.storage.store import Storage
from dassie.storage.types import EMPTY_DIR, Content, Delete, Dir, Edit, Put
from tests.doors.serving import serving


class Threads:
    """An executor whose workers are threads."""

    def __init__(self) -> None:
        self.runtime: Runtime
        self._wanted: dict[str, int] = {}
        self._threads: list[threading.Thread] = []

    def ensure(self, pool: Pool, count: int) -> None:
        have = self._wanted.get(pool.name, 0)
        self._wanted[pool.name] = count
        for number in range(have, count):
            worker = f"{pool.name}#{number}"
            thread = threading.Thread(target=self._work, args=(pool, worker), daemon=True)
            self._threads.append(thread)
            thread.start()

    def stop(self, pool_name: str) -> None:
        self._wanted.pop(pool_name, None)

    def status(self) -> list[WorkerStatus]:
        return []

    def close(self) -> None:
        self._wanted.clear()
        self.runtime.gate.set()
        for thread in self._threads:
            thread.join(10)

    def _work(self, pool: Pool, worker: str) -> None:
        dispatcher = self.runtime.pps.dispatcher
        woken = threading.Event()
        try:
            registration = dispatcher.register(pool.token, worker)
            dispatcher.on_work(worker, woken.set)
            while pool.name in self._wanted:
                batch = dispatcher.lease(pool.token, worker, 16)
                if not batch:
                    woken.wait(0.05)
                    woken.clear()
                for datum in batch:
                    result = self.runtime.process(registration, worker, datum)
                    dispatcher.report(pool.token, worker, [(datum.token, result)])
        except PermissionDenied:
            return


@dataclass
class Runtime:
    """The server's parts and a client's stubs."""

    graph: Graph
    storage: Storage
    pps: Pps
    gate: threading.Event
    port: int = 0
    ids: list[str] = field(default_factory=list)
    api: Any = None
    explain: Any = None

    def process(self, registration: Registration, worker: str, datum: LeasedDatum) -> Result:
        command = registration.spec.transform.cmd[0]
        line = LogLine(
            SystemClock().now(),
            registration.key,
            f"{command} {datum.datum_id[:8]}",
            job_id=datum.job_id,
            datum_id=datum.datum_id,
            worker=worker,
            user=True,
        )
        self.pps.log_store.append([line])
        if command == "fail":
            return Result(DatumState.FAILED, "exit status 1", tries=3, started_us=1)
        if command == "gate":
            self.gate.wait(20)
        with self.storage.session() as upload:
            edits: list[Edit] = []
            for file in datum.inputs:
                if isinstance(file.node, Dir):
                    for entry in self.storage.tree.walk(file.node, "/", dirs=False):
                        assert isinstance(entry.node, Content)
                        edits.append(Put(file.path.rstrip("/") + entry.path, entry.node))
                else:
                    edits.append(Put(file.path, file.node))
            root = upload.edit(EMPTY_DIR, edits)
            upload.flush()
        return Result(DatumState.SUCCESS, output=root, tries=1, started_us=1)

    # -- data ------------------------------------------------------------------------------

    def create_repo(self, name: str, project: str = "default") -> None:
        with self.graph.transaction() as gtx:
            repos.create(gtx, RepoKey(project, name))
            branches.create(gtx, BranchKey(RepoKey(project, name), "master"))

    def commit(self, repo: str, files: Mapping[str, bytes | None]) -> str:
        """Add (or with None delete) files in one commit; its id."""
        branch = BranchKey(RepoKey("default", repo), "master")
        with self.graph.snapshot() as tx:
            _, root = commits.content(tx, CommitRef(branch.repo, branch=branch.name))
        with self.storage.session() as upload:
            root = upload.edit(
                root,
                [
                    Delete(path) if data is None else Put(path, upload.put(data))
                    for path, data in files.items()
                ],
            )
            upload.flush()
            with self.graph.transaction() as gtx:
                upload.publish(gtx.tx)
                key = commits.start(gtx, branch)
                commits.finish(gtx, CommitRef(key.repo, id=key.id), root=root)
        return key.id

    def files(self, repo: str) -> list[str]:
        with self.graph.snapshot() as tx:
            _, root = commits.content(tx, CommitRef(RepoKey("default", repo), branch="master"))
        return [entry.path for entry in self.storage.tree.walk(root, "/", dirs=False)]

    # -- waiting ---------------------------------------------------------------------------

    def finished(self, pipeline: str, id_: str) -> pps_pb2.JobInfo:
        return self.api.InspectJob(
            pps_pb2.InspectJobRequest(job=job(pipeline, id_), wait=True, details=True), timeout=30
        )

    def until(self, check: Any) -> Any:
        """What `check` gives, as soon as it gives something."""
        deadline = time.monotonic() + 20
        while not (found := check()):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        return found


def job(pipeline: str, id_: str) -> pps_pb2.Job:
    return pps_pb2.Job(pipeline=named(pipeline), id=id_)


def named(pipeline: str) -> pps_pb2.Pipeline:
    return pps_pb2.Pipeline(name=pipeline, project=pfs_pb2.Project(name="default"))


@contextmanager
def runtime(folder: Path) -> Iterator[Runtime]:
    """Everything up, empty."""
    with ExitStack() as stack:
        db = Database.open(f"sqlite:///{folder}/meta.db")
        stack.callback(db.close)
        db.create_tables()
        graph = Graph(db, SystemClock())
        sessions = DatabaseSessions(db)
        stack.callback(sessions.close)
        storage = Storage(MemoryStore(), DatabaseIndex(db), sessions)
        stack.callback(storage.close)
        executor = Threads()
        pps = Pps(db, graph, storage, sessions, executor, SystemClock())
        made = executor.runtime = Runtime(graph, storage, pps, threading.Event())
        pps.start()
        stack.callback(executor.close)
        stack.callback(pps.close)
        services = {
            "pps_v2.API": PpsService(pps, db.notifier, SystemClock()),
            "dassie.explain.v1.Explain": ExplainService(pps),
        }
        made.port = stack.enter_context(serving(services))
        channel = stack.enter_context(grpc.insecure_channel(f"127.0.0.1:{made.port}"))
        made.api = pps_pb2_grpc.APIStub(channel)
        made.explain = explain_pb2_grpc.ExplainStub(channel)
        yield made
