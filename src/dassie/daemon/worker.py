"""Entry point of a worker process: `python -m dassie.daemon.worker`.

An executor starts it with one JSON line on standard input:

    {"address": "127.0.0.1:30650", "token": "…", "worker_id": "…", "folder": "/…", "sandbox": {…}}

and keeps standard input open: its end means that the worker is not wanted any more. The worker
writes the line `ready` to standard output once pachd knows it. The object store's address comes
from pachd. Exit status 0: told to stop; 1: the last line on standard error
says why. The worker never outlives its executor.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from dassie.daemon.memory import share_one_heap
from dassie.daemon.storage import open_for_worker
from dassie.errors import DassieError
from dassie.pps.sandbox.settings import SandboxSettings
from dassie.pps.worker import folders
from dassie.pps.worker.link import Link, LinkLost, RemoteIndex
from dassie.pps.worker.loop import Worker
from dassie.storage.lease import HeldSession
from dassie.storage.store import Storage

PR_SET_PDEATHSIG: Final = 1
STOP_SECONDS: Final = 8.0
"""A worker that has not ended so long after it was told to ends at once."""
SWITCH_SECONDS: Final = 0.001
"""How long a thread may hold the interpreter while the one that runs user code waits for it."""

log = logging.getLogger(__name__)


def main() -> int:
    """Read the order, work, exit."""
    share_one_heap()
    parent = os.getppid()
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        return 1  # the executor died before the kernel was told
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s", stream=sys.stderr)
    order = json.loads(sys.stdin.buffer.readline())
    os.umask(0o022)
    sys.setswitchinterval(SWITCH_SECONDS)
    try:
        _work(order)
    except (DassieError, LinkLost) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def _work(order: dict[str, Any]) -> None:
    folder = _folder(Path(order["folder"]))
    link = Link(order["address"], order["token"], order["worker_id"])
    settings = SandboxSettings.from_json(order.get("sandbox", {}))
    worker = Worker(link, folder, settings, _open_storage, ready=_say_ready)
    _stop_with_input(worker.stop)
    signal.signal(signal.SIGTERM, lambda *_: _stop(worker.stop))
    try:
        worker.run()
    finally:
        with contextlib.suppress(OSError, subprocess.CalledProcessError):
            folders.remove(str(folder))


def _folder(path: Path) -> Path:
    """The worker's own folder, with nothing left of a worker before it. Others may pass through
    (user code that runs as another user must reach what is below), but not look into it."""
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True, exist_ok=True)
    path.chmod(0o711)
    return path


def _say_ready() -> None:
    sys.stdout.write("ready\n")
    sys.stdout.flush()


def _open_storage(told: str, index: RemoteIndex, session: int) -> Storage:
    blob, limits = open_for_worker(told)
    return Storage(blob, index, HeldSession(session), limits=limits)


def _stop_with_input(stop: Callable[[], None]) -> None:
    """Stop when the executor closes our standard input, or dies."""

    def watch() -> None:
        while sys.stdin.buffer.read(1):
            pass
        _stop(stop)

    threading.Thread(target=watch, name="executor", daemon=True).start()


def _stop(stop: Callable[[], None]) -> None:
    """Ask for the end, and enforce it."""
    timer = threading.Timer(STOP_SECONDS, lambda: os._exit(0))
    timer.daemon = True
    timer.start()
    stop()


if __name__ == "__main__":
    code = main()
    logging.shutdown()
    sys.stderr.flush()
    os._exit(code)  # threads that wait for pachd shall not delay the end
