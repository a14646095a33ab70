"""One worker: takes datums from pachd and works through them until it is told to stop.

Three threads pass slots along two queues, so that fetching the next inputs, running user code and
storing the last outputs overlap:

    fetcher --ready--> main (user code) --finished--> storer (one pack and one report per batch)

A fourth sends heartbeats. Whatever goes wrong beyond a datum ends the worker; its executor starts
another, and pachd gives the datums that it held to somebody else.
"""

from __future__ import annotations

import os
import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

from dassie.pps.sandbox.session import Sandbox, User
from dassie.pps.sandbox.settings import BWRAP, SandboxSettings
from dassie.pps.worker import environment, folders
from dassie.pps.worker.holdings import Holdings
from dassie.pps.worker.link import Link, LogBuffer, RemoteIndex
from dassie.pps.worker.model import Assignment, Line, Result, Task
from dassie.pps.worker.run import Cancelled, Runner, Tools
from dassie.pps.worker.stage import Slot, Stager
from dassie.pps.worker.storing import REPORT_NOW, STOP, Storer
from dassie.storage.store import Storage

LEASE_LIMIT: Final = 256
LEASE_WAIT: Final = 20.0
PREFETCH_BYTES: Final = 256 << 20
"""Inputs of datums that wait for their turn; one datum may always be prefetched, whatever its
size."""
GROUP_DATUMS: Final = 64
GROUP_BYTES: Final = 16 << 20
"""Datums staged at once."""
SESSION_SECONDS: Final = 600.0
"""Age at which a worker asks for a new upload session, since an old one keeps garbage alive."""
STOP_SECONDS: Final = 5.0
"""For storing and reporting what is finished when the worker ends."""

OpenStorage = Callable[[str, RemoteIndex, int], Storage]
"""From what pachd said of the object store, the index, and the upload session."""


class Worker:
    """Everything one worker process does. `run` in the main thread, `stop` from anywhere."""

    def __init__(
        self,
        link: Link,
        folder: Path,
        settings: SandboxSettings,
        open_storage: OpenStorage,
        ready: Callable[[], None] = lambda: None,
    ) -> None:
        """ready: called once pachd knows this worker."""
        self._ready_signal = ready
        self._link = link
        self._folder = folder.resolve()
        self._settings = settings
        self._open_storage = open_storage
        self._holdings = Holdings()
        self._ready: queue.SimpleQueue[Slot | None] = queue.SimpleQueue()
        self._index = RemoteIndex(link)
        self._logs = LogBuffer(link.log, self._fail)
        self._sandbox: Sandbox | None = None
        self._current_mode = ""
        self._failure: Exception | None = None
        self._registered_at = 0.0

    def run(self) -> None:
        """Work until pachd says stop. Raises what ended the worker otherwise."""
        sandbox = self._current_sandbox()
        try:
            assignment = self._register(sandbox.mode)
            self._ready_signal()
            user = user_of(assignment.code.user, sandbox)
            storage = self._open_storage(assignment.storage, self._index, assignment.session)
            stager = Stager(
                storage, str(self._folder / "slots"), user if isinstance(user, User) else None
            )
            runner = Runner(self._tools(storage, stager), assignment, self._env(assignment), user)
            self._start("heartbeat", lambda: self._beat(assignment.heartbeat))
            self._start("fetch", lambda: self._fetch(stager))
            storer = Storer(storage, self._report)
            storing = self._start("store", storer.run)
            self._work(runner, storer)
            storer.put(STOP)
            storing.join(STOP_SECONDS)
            if self._failure is None:
                self._logs.close()
        finally:
            self._holdings.stop()
            if self._sandbox is not None:
                self._sandbox.close()
            self._link.close()
        if self._failure is not None:
            raise self._failure

    def stop(self) -> None:
        """Give up the datum in hand, report what is finished, and return from `run`."""
        self._holdings.stop()
        self._ready.put(None)
        sandbox = self._sandbox
        if sandbox is not None:
            sandbox.kill()

    # -- threads -----------------------------------------------------------------------------

    def _work(self, runner: Runner, storer: Storer) -> None:
        """Main thread: user code on one datum after the other."""
        reported = True
        while True:
            if not reported and self._ready.empty():
                storer.put(REPORT_NOW)
                reported = True
            slot = self._ready.get()
            if slot is None:
                return
            self._holdings.start(slot.task)
            try:
                result, outputs = runner.process(slot)
            except Cancelled:
                self._holdings.drop([slot.task.lease])
                folders.remove(slot.folder)
                continue
            storer.put((slot, result, outputs))
            reported = False

    def _fetch(self, stager: Stager) -> None:
        """Lease datums and stage them, a little ahead of the main thread."""
        most = 0
        while self._holdings.wait_for_room(most):
            if time.monotonic() - self._registered_at > SESSION_SECONDS:
                self._renew_session()
            offer = self._link.lease(LEASE_LIMIT, LEASE_WAIT)
            if offer.stop:
                break
            most = max(1, len(offer.tasks) // 2) if offer.tasks else most
            self._holdings.take(offer.tasks)
            for group in groups(offer.tasks):
                size = sum(task.bytes_to_fetch for task in group)
                if not self._holdings.wait_for_bytes(size, PREFETCH_BYTES):
                    return
                slots = [stager.slot(task) for task in group]
                for slot in slots:
                    self._holdings.staging(slot.task, slot.task.bytes_to_fetch)
                stager.stage(slots)
                for slot in slots:
                    self._ready.put(slot)
        self._ready.put(None)

    def _beat(self, seconds: float) -> None:
        while True:
            time.sleep(seconds)
            orders = self._link.heartbeat(*self._holdings.snapshot())
            if self._holdings.obey(orders) and self._sandbox is not None:
                self._sandbox.kill()

    def _start(self, name: str, body: Callable[[], None]) -> threading.Thread:
        def run() -> None:
            try:
                body()
            except Exception as error:  # noqa: BLE001 - the thread's outermost loop
                self._fail(error)

        thread = threading.Thread(target=run, name=name, daemon=True)
        thread.start()
        return thread

    def _fail(self, error: Exception) -> None:
        """Something beyond a datum went wrong in another thread: end the worker."""
        if self._failure is None:
            self._failure = error
            self.stop()

    # -- pieces ------------------------------------------------------------------------------

    def _register(self, mode: str) -> Assignment:
        self._registered_at = time.monotonic()
        return self._link.register(os.getpid(), mode if mode == BWRAP else "none")

    def _renew_session(self) -> None:
        """Registering gives up what is held, so nothing may be held."""
        if self._holdings.wait_until_empty():
            self._register(self._current_mode)
            self._index.forget()

    def _current_sandbox(self) -> Sandbox:
        """The sandbox, or a new one when it was lost. Main thread only."""
        if self._sandbox is None or self._sandbox.lost:
            if self._sandbox is not None:
                self._sandbox.close()
            self._sandbox = Sandbox.start(self._settings, self._folder, self._link.worker_id)
            self._current_mode = self._sandbox.mode
        return self._sandbox

    def _tools(self, storage: Storage, stager: Stager) -> Tools:
        return Tools(
            sandbox=self._current_sandbox,
            pfs=str(self._folder / "pfs"),
            stager=stager,
            storage=storage,
            control=self._holdings,
            say=self._say,
        )

    def _env(self, assignment: Assignment) -> dict[str, str]:
        sandbox = self._current_sandbox()
        return environment.of_worker(
            assignment,
            worker_id=self._link.worker_id,
            pfs=sandbox.pfs,
            home=sandbox.home,
            scratch=sandbox.scratch,
        )

    def _say(self, task: Task, user: bool, lines: list[str]) -> None:
        now = time.time_ns() // 1000
        self._logs.add([Line(now, task.job_id, task.datum_id, user, line) for line in lines])

    def _report(self, results: Sequence[Result]) -> None:
        """Log lines first, so that they are there when the datum is seen to have ended."""
        self._logs.flush()
        self._link.report(results)  # what it refuses is somebody else's by now
        self._holdings.drop(result.lease for result in results)


def groups(tasks: Sequence[Task]) -> Iterator[list[Task]]:
    """Datums to be staged together: some at once when small, alone when large. Pure."""
    group: list[Task] = []
    size = 0
    for task in tasks:
        if group and (len(group) >= GROUP_DATUMS or size + task.bytes_to_fetch > GROUP_BYTES):
            yield group
            group, size = [], 0
        group.append(task)
        size += task.bytes_to_fetch
    if group:
        yield group


def user_of(name: str, sandbox: Sandbox) -> User | str | None:
    """`transform.user`, or why user code cannot run as that user; nothing where none is given."""
    if not name:
        return None
    user = sandbox.lookup(name)
    if os.geteuid() == 0:
        return user if isinstance(user, User) else f"transform.user: {user}"
    if isinstance(user, User) and user.uid == os.geteuid():
        return None
    return (
        f"transform.user: cannot run as user {name!r}: pachd runs as uid {os.geteuid()}, and only "
        "root can run user code as somebody else"
    )
