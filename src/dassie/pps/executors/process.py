"""Executor `process`: workers are processes of this machine, children of pachd.

One thread supervises all of them. It alone starts processes, because the kernel kills a worker when
the *thread* that started it ends. A worker that dies is started again after a pause that grows with
every death in a row; nothing of pachd's environment is passed on to it, and what it must know comes
on its standard input.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import queue
import select
import shutil
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import dassie
from dassie.pps.executors.api import Pool, WorkerState, WorkerStatus
from dassie.pps.sandbox.settings import SandboxSettings

log = logging.getLogger(__name__)

POLL_SECONDS: Final = 0.1
FIRST_PAUSE: Final = 0.2
LONGEST_PAUSE: Final = 30.0
HEALTHY_SECONDS: Final = 10.0
"""A worker that lived so long is not on its way down: the pause starts small again."""
STOP_SECONDS: Final = 10.0
LAST_LINES: Final = 20
ENVIRONMENT: Final = {
    "PATH": os.defpath,
    "LANG": "C.UTF-8",
    "GRPC_VERBOSITY": "NONE",
    "PYTHONPATH": str(Path(dassie.__file__).parents[1]),
}
"""All that a worker gets of an environment; user code gets none of it."""


@dataclass(slots=True)
class _Place:
    """Room for one worker of a pool; the processes in it come and go."""

    pool: Pool
    number: int
    process: subprocess.Popen[bytes] | None = None
    worker_id: str = ""
    shown_id: str = ""
    state: WorkerState = WorkerState.STARTING
    since: datetime = field(default_factory=lambda: datetime.now(UTC))
    started: float = 0.0
    restarts: int = 0
    starts: int = 0
    due: float = 0.0
    """When to start it (monotonic), or when to kill it while it is stopping."""
    error: str = ""
    said: deque[str] = field(default_factory=lambda: deque(maxlen=LAST_LINES))
    reader: threading.Thread | None = None

    def enter(self, state: WorkerState) -> None:
        self.state, self.since, self.shown_id = state, datetime.now(UTC), self.worker_id


class ProcessExecutor:
    """`Executor` over processes.

    address: where workers reach pachd.  root: folder for their files; its content is removed.
    """

    def __init__(
        self, address: Callable[[], str] | str, root: Path, sandbox: SandboxSettings
    ) -> None:
        self._address = address
        self._root = root
        self._sandbox = sandbox
        self._lock = threading.Lock()
        self._wanted: dict[str, tuple[Pool, int]] = {}
        self._places: dict[tuple[str, int], _Place] = {}
        self._wake: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._closing = False
        shutil.rmtree(root, ignore_errors=True)
        root.mkdir(parents=True, exist_ok=True)
        root.chmod(0o711)
        self._thread = threading.Thread(target=self._supervise, name="executor", daemon=True)
        self._thread.start()

    def ensure(self, pool: Pool, count: int) -> None:
        """From now on `count` workers of this pool are wanted; too many are stopped."""
        with self._lock:
            self._wanted[pool.name] = (pool, count)
        self._wake.put(None)

    def stop(self, pool_name: str) -> None:
        """No worker of this pool is wanted any more."""
        with self._lock:
            self._wanted.pop(pool_name, None)
        self._wake.put(None)

    def status(self) -> list[WorkerStatus]:
        """All workers, and the places of dead ones, in pool and worker order."""
        with self._lock:
            places = [self._places[key] for key in sorted(self._places)]
            return [
                WorkerStatus(
                    worker_id=place.shown_id,
                    pool=place.pool.name,
                    state=place.state,
                    pid=place.process.pid
                    if place.process and place.state is not WorkerState.BACKING_OFF
                    else None,
                    since=place.since,
                    restarts=place.restarts,
                    error=place.error,
                )
                for place in places
            ]

    def close(self) -> None:
        """Stop every worker and wait until they are gone."""
        with self._lock:
            self._wanted.clear()
            self._closing = True
        self._wake.put(None)
        self._thread.join()
        shutil.rmtree(self._root, ignore_errors=True)

    # -- the supervisor's thread -------------------------------------------------------------

    def _supervise(self) -> None:
        while True:
            with contextlib.suppress(queue.Empty):
                self._wake.get(timeout=POLL_SECONDS)
            with self._lock:
                try:
                    self._reconcile(time.monotonic())
                except Exception:
                    log.exception("looking after the workers failed; trying again")
                if self._closing and not self._places:
                    return

    def _reconcile(self, now: float) -> None:
        """One look at what is and what should be."""
        for name, (pool, count) in self._wanted.items():
            for number in range(count):
                if (name, number) not in self._places:
                    self._places[name, number] = _Place(pool, number)
        for key, place in list(self._places.items()):
            wanted = key[0] in self._wanted and key[1] < self._wanted[key[0]][1]
            if place.process is not None and place.process.poll() is not None:
                self._bury(place, now)
            if not wanted:
                if place.process is None:
                    del self._places[key]
                else:
                    self._end(place, now)
            elif place.process is None and now >= place.due:
                self._start(place, now)
            elif place.state is not WorkerState.RUNNING and _is_ready(place.process):
                place.enter(WorkerState.RUNNING)
                place.error = ""

    def _start(self, place: _Place, now: float) -> None:
        pool = place.pool
        place.starts += 1
        place.worker_id = f"{pool.project}-{pool.pipeline}-v{pool.version}-{place.number}"
        place.worker_id += f"-{os.urandom(3).hex()}"
        folder = self._root / place.worker_id
        try:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "dassie.daemon.worker"],
                env=ENVIRONMENT,
                cwd=self._root,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        except OSError as error:
            place.error = f"cannot start a worker: {error.strerror}"
            self._pause(place, now)
            return
        order = {
            "address": self._address if isinstance(self._address, str) else self._address(),
            "token": pool.token,
            "worker_id": place.worker_id,
            "folder": str(folder),
            "sandbox": self._sandbox.to_json(),
        }
        place.process, place.started = process, now
        if not place.restarts:  # until it works, a restarted one is shown as the dead one it was
            place.enter(WorkerState.STARTING)
        place.said.clear()
        place.reader = threading.Thread(target=_listen, args=(place, process), daemon=True)
        place.reader.start()
        if process.stdin is not None:
            try:
                process.stdin.write(json.dumps(order).encode() + b"\n")
                process.stdin.flush()
            except BrokenPipeError:
                pass  # it is dead already, and the next look will find out

    def _bury(self, place: _Place, now: float) -> None:
        """A worker has died, or has ended as it was told."""
        process, place.process = place.process, None
        if process is None:
            return
        if place.reader is not None:
            place.reader.join(1)
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream is not None:
                with contextlib.suppress(BrokenPipeError):
                    stream.close()
        folder = self._root / place.worker_id
        if folder.exists():  # it could not remove it itself
            threading.Thread(target=shutil.rmtree, args=(folder, True), daemon=True).start()
        if now - place.started > HEALTHY_SECONDS:
            place.restarts = 0
        if process.returncode != 0 and place.state is not WorkerState.STOPPING:
            place.error = place.said[-1] if place.said else _ending(process.returncode)
            log.warning("worker %s ended: %s", place.worker_id, place.error)
        self._pause(place, now)

    def _pause(self, place: _Place, now: float) -> None:
        place.due = now + min(FIRST_PAUSE * 2**place.restarts, LONGEST_PAUSE)
        place.restarts += 1
        place.enter(WorkerState.BACKING_OFF)

    def _end(self, place: _Place, now: float) -> None:
        """Ask a worker to stop, kill it when it takes too long."""
        process = place.process
        if process is None:
            return
        if place.state is not WorkerState.STOPPING:
            place.enter(WorkerState.STOPPING)
            place.due = now + STOP_SECONDS
            if process.stdin is not None:
                with contextlib.suppress(BrokenPipeError):
                    process.stdin.close()
        elif now > place.due:
            process.kill()


def _is_ready(process: subprocess.Popen[bytes] | None) -> bool:
    """Whether the worker has said, by a line on its standard output, that pachd knows it."""
    if process is None or process.stdout is None:
        return False
    descriptor = process.stdout.fileno()
    return bool(select.select([descriptor], [], [], 0)[0] and os.read(descriptor, 64))


def _listen(place: _Place, process: subprocess.Popen[bytes]) -> None:
    """Pass on what a worker says, and remember the last of it."""
    if process.stderr is None:
        return
    for line in process.stderr:
        text = line.decode("utf-8", "replace").rstrip()
        if text:
            place.said.append(text)
            log.info("worker %s: %s", place.worker_id, text)


def _ending(code: int) -> str:
    if code < 0:
        return f"killed by signal {-code}"
    return f"exit status {code}"
