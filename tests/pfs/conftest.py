"""A version graph to work on, on both databases."""

from __future__ import annotations

import pytest

from dassie.base.clock import ManualClock
from dassie.meta.database import Database
from dassie.pfs.graph import Graph


@pytest.fixture
def graph(db: Database) -> Graph:
    """An empty graph without a journal."""
    return Graph(db, ManualClock())
