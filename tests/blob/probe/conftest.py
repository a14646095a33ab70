"""A scripted store for each test that asks for one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.blob.probe.scripted import ScriptedStore, running


@pytest.fixture
def store() -> Iterator[ScriptedStore]:
    with running() as made:
        yield made
