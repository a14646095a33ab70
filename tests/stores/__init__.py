"""Real object stores that the tests start by themselves, and what goes wrong in front of them.

`start(name, folder)` starts one; the fixture `stores` (tests/stores/fixtures.py) shares them within
a test process. `tests.stores.proxy` sits in front of one and injects faults, `tests.stores.hostile`
is a store that lies, `tests.stores.ca` makes certificates.
"""

from __future__ import annotations

import os

from tests.stores.ca import TestCA
from tests.stores.processes import NotStarted
from tests.stores.recipes import RECIPES, installed, start
from tests.stores.running import RunningStore

__all__ = ["EVERY_CASE", "NAMES", "NotStarted", "RunningStore", "TestCA", "available", "start"]

NAMES = tuple(RECIPES)
"""Every real store that could be there."""


EVERY_CASE = os.environ.get("DASSIE_TEST_MATRIX") == "full"
"""Whether every case is wanted on every store (`make test-stores`), or a choice of them that fits
the ten minutes of `make test`."""


def available() -> list[str]:
    """The stores that can be started here."""
    return [name for name in NAMES if installed(name)]
