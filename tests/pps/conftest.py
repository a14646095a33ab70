"""Fixtures of the pipeline runtime."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from dassie.meta.database import Database
from tests.pps.world import World


@pytest.fixture
def world(db: Database, tmp_path: Path) -> Iterator[World]:
    world = World(db, tmp_path / "blob")
    yield world
    world.close()
