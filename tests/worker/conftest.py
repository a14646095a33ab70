from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dassie.blob.drivers.memory import MemoryStore
from dassie.pps.sandbox.settings import SandboxSettings
from dassie.pps.worker.link import Link
from dassie.pps.worker.loop import Worker
from dassie.storage.lease import HeldSession
from dassie.storage.store import Storage

from .pachd import TOKEN, Pachd


class Running:
    """A pachd, and a worker in a thread of the test's process."""

    def __init__(self, pachd: Pachd, folder: Path, settings: SandboxSettings) -> None:
        self.pachd = pachd
        self.folder = folder
        self.error: Exception | None = None
        link = Link(pachd.address, TOKEN, "edges-v1-0")
        self.worker = Worker(link, folder, settings, self._open)
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _open(self, url: str, index: Any, session: int) -> Storage:
        return Storage(self.pachd.blob, index, HeldSession(session))

    def _run(self) -> None:
        try:
            self.worker.run()
        except Exception as error:  # noqa: BLE001 - the test looks at it
            self.error = error

    def join(self) -> None:
        self.thread.join(30)
        assert not self.thread.is_alive()


Start = Callable[..., Pachd]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start a pachd with these settings, and one worker; the worker must end well."""
    running: list[Running] = []

    def begin(
        *cmd: str, sandbox: SandboxSettings | None = None, folder: Path | None = None, **more: Any
    ) -> Pachd:
        names = ("tries", "timeout_ms", "env", "batch")
        settings = {name: more.pop(name) for name in names if name in more}
        transform = {"cmd": list(cmd), **more}
        pachd = Pachd(MemoryStore(), transform=transform, **settings)
        running.append(Running(pachd, folder or tmp_path / "worker", sandbox or SandboxSettings()))
        return pachd

    yield begin
    for one in running:
        one.pachd.stop()
        one.join()
        one.pachd.close()
        assert one.error is None, one.error
        assert not list((one.folder / "slots").iterdir())
