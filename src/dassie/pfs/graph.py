"""The version graph's transactions: what every change goes through, and what happens at its end.

Doors and pipelines open one with `Graph.transaction()` and call the functions of `projects`,
`repos`, `branches`, `commits`. At the end: validate the provenance, propagate, run the hooks of the
layers above, commit; then the journal, so that nothing acknowledged as finished can be lost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from dassie.base.clock import Clock
from dassie.meta.database import Database
from dassie.meta.journal import Journal
from dassie.meta.transaction import Tx
from dassie.pfs import projects
from dassie.pfs.propagate import propagate, validate
from dassie.pfs.transaction import FinishHook, GraphTx

Hook = Callable[[GraphTx], None]


class Graph:
    """Repos, branches, commits and their provenance."""

    def __init__(self, db: Database, clock: Clock, *, journal: Journal | None = None) -> None:
        self.db = db
        self.clock = clock
        self.hooks: list[Hook] = []
        """Run at the end of each transaction, after propagation."""
        self.finish_hooks: list[FinishHook] = []
        self._journal = journal
        with db.read() as tx:
            complete = projects.has_default(tx)
        if not complete:
            with self.transaction() as gtx:
                projects.ensure_default(gtx)

    @contextmanager
    def transaction(self, *, user: str = "") -> Iterator[GraphTx]:
        """One write transaction; at its normal end it propagates and commits."""
        with self.db.write() as tx:
            gtx = GraphTx(tx, user, self.finish_hooks)
            yield gtx
            _settle(gtx)
            for hook in self.hooks:
                hook(gtx)
            # What a hook changed has consequences too; hooks do not run for those again.
            _settle(gtx)
        if self._journal is not None:
            if gtx.durable:
                self._journal.flush()
            else:
                self._journal.nudge()

    def snapshot(self) -> AbstractContextManager[Tx]:
        """A consistent view, for reading."""
        return self.db.read()


def _settle(gtx: GraphTx) -> None:
    validate(gtx)
    propagate(gtx)


__all__ = ["Graph", "GraphTx", "Hook"]
