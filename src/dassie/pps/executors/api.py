"""The executor contract: keep N long-lived workers of a pipeline alive, and nothing else.

The scheduler says what it wants (`ensure`, `stop`), reads what is (`status`), and never learns how
a worker is started. Work itself does not pass here: workers lease datums from pachd over
`dassie.worker.v1`. Every method may be called from any thread, returns at once (except `close`) and
is idempotent; what it asked for happens in the background.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Pool:
    """The workers of one version of one pipeline.

    name: unique among live pools; a new pipeline version is a new pool.
    token: secret that its workers show to pachd with every call (metadata `dassie-worker-token`).
    """

    name: str
    project: str
    pipeline: str
    version: int
    token: str = field(repr=False)


class WorkerState(Enum):
    STARTING = "starting"
    RUNNING = "running"
    BACKING_OFF = "backing off"
    """It died and is started again after a pause; `WorkerStatus.error` says why it died."""
    STOPPING = "stopping"


@dataclass(frozen=True, slots=True)
class WorkerStatus:
    """One worker as the executor sees it; a place that waits for a restart has a status too."""

    worker_id: str
    pool: str
    state: WorkerState
    pid: int | None
    since: datetime
    restarts: int = 0
    """Deaths in a row; back to 0 once a worker has lived for a while."""
    error: str = ""
    """One line: the last thing a dead worker said, e.g. why no sandbox can be made here."""


class Executor(Protocol):
    """Implementations: `process.ProcessExecutor`; containers and Kubernetes come later."""

    def ensure(self, pool: Pool, count: int) -> None:
        """From now on `count` workers of this pool are wanted; too many are stopped."""

    def stop(self, pool_name: str) -> None:
        """No worker of this pool is wanted any more. An unknown pool is not an error."""

    def status(self) -> list[WorkerStatus]:
        """All workers, and the places of dead ones, in pool and worker order."""

    def close(self) -> None:
        """Stop every worker and wait until they are gone. Nothing may be called after it."""
