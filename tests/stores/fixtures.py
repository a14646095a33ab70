"""Fixtures that share running stores within one test process. Imported by tests/conftest.py."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.stores import RunningStore, TestCA, available, start
from tests.stores.recipes import RECIPES

REQUIRED = "DASSIE_TEST_STORES"
"""Names, by comma, of the stores that must be there: the Makefile sets it."""


class Stores:
    """Starts a store when it is first asked for and keeps it until the session ends."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._running: dict[tuple[str, bool], RunningStore] = {}
        self._failed: dict[str, str] = {}
        self.ca = TestCA(folder / "ca")

    def get(self, name: str, *, tls: bool = False) -> RunningStore:
        """A running store, shared by all tests of this process: use a prefix or bucket of your
        own. The test is skipped where the store is not installed, and fails where it must be."""
        if (name, tls) not in self._running:
            if name != "hostile" and name not in available():
                said = f"object store {name} is not installed (make test-stores installs it)"
                if name in os.environ.get(REQUIRED, "").split(","):
                    pytest.fail(f"{said}, and {REQUIRED} asks for it")
                pytest.skip(said)
            self._start(name, tls)
        return self._running[name, tls]

    def _start(self, name: str, tls: bool) -> None:
        both = name in RECIPES and RECIPES[name].both
        folder = self._folder / (f"{name}-tls" if tls and not both else name)
        store = start(name, folder, tls=self.ca if tls or both else None)
        if both and store.twin is not None:
            self._running[name, True] = store
            self._running[name, False] = store.twin
        else:
            self._running[name, tls] = store

    def stop(self) -> None:
        for store in self._running.values():
            if store.program is not None:
                store.program.stop()
        self._running.clear()


@pytest.fixture(scope="session")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stores]:
    """The object stores of this test process."""
    running = Stores(tmp_path_factory.mktemp("stores"))
    yield running
    running.stop()
