"""The only place that builds the server's objects and connects them. Called by `main`.

Order matters twice: what is built first is used by what comes later, and stopping goes the other
way round.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from dassie.base.clock import SystemClock
from dassie.blob.api import BlobStore
from dassie.blob.profile import Profile
from dassie.daemon import cluster, memory, storage
from dassie.daemon.background import Chore
from dassie.daemon.config import Config
from dassie.doors.grpc.admin import AdminService
from dassie.doors.grpc.auth import EnterpriseService, auth_off, identity_off
from dassie.doors.grpc.bulk import BulkService
from dassie.doors.grpc.calls import Threads
from dassie.doors.grpc.explain import ExplainService
from dassie.doors.grpc.pfs import PfsService
from dassie.doors.grpc.pps import PpsService
from dassie.doors.grpc.server import Server
from dassie.doors.grpc.transactions import TransactionService
from dassie.doors.grpc.version import VersionService
from dassie.doors.grpc.worker import WorkerService
from dassie.doors.readiness import Readiness
from dassie.errors import NotFound
from dassie.meta import journal_check
from dassie.meta.database import Database
from dassie.meta.migrate import migrate
from dassie.meta.rebuild import is_new, open_journal
from dassie.meta.transaction import Tx
from dassie.pfs import fsck, projects, views
from dassie.pfs.files import Files
from dassie.pfs.filesets import FileSets
from dassie.pfs.graph import Graph
from dassie.pps import roots as pps_roots
from dassie.pps.executors.process import ProcessExecutor
from dassie.pps.sandbox.settings import SandboxSettings
from dassie.pps.service import Pps
from dassie.storage.gc import SKEW, Collector, Policy
from dassie.storage.index import DatabaseIndex
from dassie.storage.recover import recover
from dassie.storage.sessions import DatabaseSessions
from dassie.storage.store import Storage
from dassie.storage.types import Content, Dir

_log = logging.getLogger(__name__)

FILE_SET_SWEEP_S = 30.0
MEMORY_SWEEP_S = 20.0


class Daemon:
    """Everything that runs in `pachd`. Constructing it blocks; the rest are coroutines
    of one loop.
    """

    def __init__(self, config: Config, profile: Profile) -> None:
        """`profile`: how the object store is spoken to, from `storage.prepare`."""
        self._config = config
        self._address = ""
        self._readiness = Readiness()
        clock = SystemClock()
        self._store = storage.opened(config.storage, profile, self._readiness.set)
        blob = self._store.blob
        self._database = Database.open(config.database_url, clock=clock)
        migrate(self._database)
        self._cluster_id = _claim(config, self._store, self._database)
        # First the index: as long as the graph is not begun, a crash leaves a database that is new.
        if is_new(self._database):
            _recover_index(self._database, blob)
        self._journal = open_journal(self._database, blob)
        self._sessions = DatabaseSessions(self._database)
        # The lock of the data folder covers a database in it: nobody else uses that.
        alone = not config.database
        if alone:
            self._sessions.end_all()
        index = DatabaseIndex(self._database)
        self._storage = Storage(blob, index, self._sessions, limits=storage.limits(config.storage))
        self._graph = Graph(self._database, clock, journal=self._journal)
        files = Files(self._graph, self._storage)
        file_sets = FileSets(self._database, files)
        executor = ProcessExecutor(
            lambda: self._address, config.data / "workers", _sandbox_settings(config)
        )
        self._pps = Pps(self._database, self._graph, self._storage, self._sessions, executor, clock)
        policy = Policy(
            grace=timedelta(seconds=config.gc_grace), skew=timedelta(0) if alone else SKEW
        )
        self._collector = Collector(self._database, self._storage, policy, self._journal.superseded)
        self._chores = [
            Chore("file-sets", FILE_SET_SWEEP_S, file_sets.sweep),
            Chore("collector", config.gc_period, self._collect),
            Chore("memory", MEMORY_SWEEP_S, memory.give_back),
        ]
        services = self._services(
            files, file_sets, index, storage.for_worker(config.storage, profile)
        )
        self._server = Server(services, Threads(config.threads), self._readiness)

    def _services(
        self, files: Files, file_sets: FileSets, index: DatabaseIndex, for_worker: str
    ) -> dict[str, object]:
        """What answers calls, by full service name."""
        notifier, pps = self._database.notifier, self._pps
        return {
            "admin_v2.API": AdminService(self._cluster_id, self._project_exists, self._readiness),
            "auth_v2.API": auth_off(),
            "dassie.bulk.v1.Bulk": BulkService(files),
            "dassie.explain.v1.Explain": ExplainService(pps),
            "dassie.worker.v1.Worker": WorkerService(
                pps.dispatcher, pps.log_store, index, for_worker
            ),
            "enterprise_v2.API": EnterpriseService(),
            "identity_v2.API": identity_off(),
            "pfs_v2.API": PfsService(
                files,
                file_sets,
                notifier,
                pps.project_defaults,
                self._damage,
            ),
            "pps_v2.API": PpsService(pps, notifier, self._database.clock),
            "transaction_v2.API": TransactionService(),
            "versionpb_v2.API": VersionService(),
        }

    async def start(self) -> int:
        """Listen, then resume what an earlier server left unfinished; the port."""
        port = await self._server.start(self._config.host, self._config.port)
        self._address = f"{self._config.host}:{port}"
        await asyncio.to_thread(self._pps.start)
        self._journal.start()
        for chore in self._chores:
            chore.start()
        return port

    async def stop(self) -> None:
        """Refuse new calls, let running ones end, stop workers and chores, close what is open."""
        await asyncio.gather(
            self._server.stop(self._config.stop_grace), asyncio.to_thread(self._pps.close)
        )
        await asyncio.to_thread(self._close)

    def _close(self) -> None:
        for chore in self._chores:
            chore.stop()
        with contextlib.ExitStack() as stack:
            stack.callback(self._store.close)
            stack.callback(self._database.close)
            stack.callback(self._sessions.close)
            stack.callback(self._journal.close)
            stack.callback(self._storage.close)

    def _damage(self) -> Iterator[str]:
        """What is wrong with what is stored."""
        yield from fsck.damage(self._graph, self._storage)
        yield from journal_check.damage(self._store.plain)

    def _project_exists(self, name: str) -> bool:
        with self._graph.snapshot() as tx:
            try:
                projects.inspect(tx, name)
            except NotFound:
                return False
        return True

    def _collect(self) -> None:
        # Where another server has taken the store over, nothing of it may be deleted.
        cluster.verify(self._store.plain, self._cluster_id, self._config.storage.location)
        report = self._collector.run_once(_roots)
        if report.deleted or report.condemned or report.repacked:
            _log.info(
                "collector: %d packs condemned, %d repacked, %d deleted (%d bytes freed)",
                len(report.condemned),
                len(report.repacked),
                len(report.deleted),
                report.freed_bytes,
            )


def _roots(tx: Tx) -> Iterator[Dir | Content]:
    """Everything that the collector must keep."""
    yield from views.roots(tx)
    yield from pps_roots.roots(tx)


def _recover_index(database: Database, blob: BlobStore) -> None:
    """A new database gets to know the packs that the object store may have."""
    found = recover(blob, database)
    if found.packs:
        _log.warning("found %d packs with %d chunks again", found.packs, found.chunks)
    for key, reason in found.damaged.items():
        _log.error("pack %s is damaged: %s", key, reason)


def _claim(config: Config, store: storage.Opened, database: Database) -> str:
    """The id of this cluster, which the object store is marked with."""
    own_folder = config.storage.kind == "file" and Path(config.storage.path).is_relative_to(
        config.data
    )
    return cluster.claim(
        store.plain,
        config.data,
        location=config.storage.location,
        # A store inside the data folder goes with it: its lock covers both.
        adopt=config.adopt or own_folder,
        has_past=not is_new(database),
    )


def _sandbox_settings(config: Config) -> SandboxSettings:
    return SandboxSettings(
        mode=config.sandbox,
        read_only=config.exposed,
        hidden=(str(config.data), *(str(Path(path).absolute()) for path in config.secret_paths)),
    )
