"""Starting the programs of a store: free ports, a log file, an end that comes with the tests' own.

Used by `tests.stores.recipes`. A program dies when the test process does, however that ends: its
parent is one thread that lives as long as the process, and the kernel is told to kill it with it.
"""

from __future__ import annotations

import http.client
import os
import random
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

READY_S = 60.0
POLL_S = 0.05
LOOPBACK = "127.0.0.1"

_PARENT = ThreadPoolExecutor(1, thread_name_prefix="stores")
_DIE_WITH_PARENT = (
    "import ctypes, os, signal, sys; ctypes.CDLL(None).prctl(1, signal.SIGKILL); "
    "os.execvp(sys.argv[1], sys.argv[1:])"
)


class NotStarted(Exception):
    """A store did not come up; the text ends with what its program said."""


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on, below those the system hands out by itself."""
    ports: set[int] = set()
    while len(ports) < count:
        port = random.randrange(20000, 31000)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with suppress(OSError):
                probe.bind((LOOPBACK, port))
                ports.add(port)
    return list(ports)


class Program:
    """One running program."""

    def __init__(
        self, command: Sequence[str | Path], log: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        self.log = log
        self._command = [sys.executable, "-ISc", _DIE_WITH_PARENT, *map(str, command)]
        inherited = {"PATH": os.environ.get("PATH", ""), "HOME": str(log.parent), "LANG": "C.UTF-8"}
        self._environment = {**inherited, **(environment or {})}
        self._process = _PARENT.submit(self._start).result()

    def _start(self) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as output:
            return subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=self.log.parent,
                env=self._environment,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    def pause(self) -> None:
        """Stop answering without closing a connection, as a hung machine does."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def stop(self) -> None:
        """Kill the program and what it started."""
        self._signal(signal.SIGKILL)
        self._process.wait()

    def restart(self) -> None:
        """Start it again, on the same ports and data."""
        self.stop()
        self._process = _PARENT.submit(self._start).result()

    def _signal(self, number: int) -> None:
        if self._process.poll() is None:
            for pid in [*_children(self.pid), self.pid]:
                with suppress(ProcessLookupError):
                    os.kill(pid, number)

    def said(self) -> str:
        """The end of its log."""
        return self.log.read_text(errors="replace")[-2000:] if self.log.exists() else ""

    def wait(self, ready: Callable[[], bool]) -> None:
        """Until `ready`; `NotStarted` when the program ends first or takes too long."""
        deadline = time.monotonic() + READY_S
        while not ready():
            code = self._process.poll()
            if code is not None or time.monotonic() > deadline:
                self.stop()
                raise NotStarted(f"{self.log.stem} (exit status {code}): {self.said()}")
            time.sleep(POLL_S)


def _children(pid: int) -> list[int]:
    """All processes under `pid`; some make sessions of their own."""
    found: list[int] = []
    with suppress(OSError):
        for text in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            found += [*_children(int(text)), int(text)]
    return found


def answers(port: int, *, tls: bool = False, path: str = "/", below: int = 500) -> bool:
    """Whether an HTTP server on `port` answers with a status under `below`."""
    timeout = 5.0
    connection: http.client.HTTPConnection
    if tls:
        context = ssl._create_unverified_context()
        connection = http.client.HTTPSConnection(LOOPBACK, port, timeout=timeout, context=context)
    else:
        connection = http.client.HTTPConnection(LOOPBACK, port, timeout=timeout)
    try:
        connection.request("GET", path)
        return connection.getresponse().status < below
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
