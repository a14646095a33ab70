"""What of the pipelines' data the collector must keep, beside the content of commits.

Handed to `storage.gc.Collector` by the daemon, together with the roots of PFS.
"""

from __future__ import annotations

from collections.abc import Iterator

from dassie.meta.transaction import Tx
from dassie.pps import tasks
from dassie.storage.types import Dir


def roots(tx: Tx) -> Iterator[Dir]:
    """Outputs of datums whose job has not finished."""
    yield from tasks.outputs(tx)
