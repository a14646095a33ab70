"""One transaction: statements, row changes for the journal, and what happens when it commits.

`Database` makes them; domain functions take one as their first argument.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa

from dassie.meta.journal_format import COUNTER, DELETE, INSERT, UPDATE, Change, encode_changes
from dassie.meta.notify import Topic
from dassie.meta.schema import journal_outbox

Row = Mapping[str, Any]

JOURNAL_COUNTER: Final = "journal"
_NEXT: Final = sa.text(
    "INSERT INTO counters (name, value) VALUES (:name, :count)"
    " ON CONFLICT (name) DO UPDATE SET value = counters.value + :count RETURNING value"
)


class Tx:
    """An open transaction. Belongs to one thread."""

    def __init__(
        self,
        conn: sa.Connection,
        now: datetime,
        *,
        read_only: bool = False,
        exclusive: bool = True,
    ) -> None:
        self.conn = conn
        self.now = now
        """When it began; every instant that it writes is this one."""
        self.read_only = read_only
        self.topics: set[Topic] = set()
        """What is notified after the commit."""
        self.committed: list[Callable[[], None]] = []
        self._changes: list[Change] = []
        self._drawn: dict[str, int] = {}
        self._exclusive = exclusive
        self._completing: list[Callable[[], None]] = []

    def execute(self, statement: sa.Executable, params: Any = None) -> sa.CursorResult[Any]:
        """Run a statement. Rows of journaled tables are changed by the methods below instead."""
        return self.conn.execute(statement, params)

    def notify(self, channel: str, payload: str = "") -> None:
        """Wake who listens to `channel`, once this transaction has committed."""
        self.topics.add((channel, payload))

    def after_commit(self, callback: Callable[[], None]) -> None:
        """Call it once the transaction has committed and its locks are released."""
        self.committed.append(callback)

    def before_commit(self, callback: Callable[[], None]) -> None:
        """Call it inside the transaction, as its last act."""
        self._completing.append(callback)

    def next_id(self, name: str, count: int = 1) -> int:
        """The first of `count` fresh numbers of the counter `name`: 1, 2, 3, …"""
        last: int = self.conn.execute(_NEXT, {"name": name, "count": count}).scalar_one()
        self._drawn[name] = last
        return last - count + 1

    def insert(self, table: sa.Table, row: Row) -> None:
        """Add a row."""
        self.conn.execute(sa.insert(table), dict(row))
        self._note(table, INSERT, row)

    def insert_many(self, table: sa.Table, rows: Sequence[Row]) -> None:
        """Add rows that have the same columns."""
        if not rows:
            return
        self.conn.execute(sa.insert(table), [dict(row) for row in rows])
        for row in rows:
            self._note(table, INSERT, row)

    def update(self, table: sa.Table, key: Row, values: Row) -> int:
        """Change all rows whose columns equal `key`; returns their number."""
        changed = self.conn.execute(sa.update(table).where(*_match(table, key)).values(**values))
        self._note(table, UPDATE, key, values)
        return changed.rowcount

    def update_many(self, table: sa.Table, key: Sequence[str], rows: Sequence[Row]) -> None:
        """Change many rows at once; each of `rows` has the columns `key` and the new values."""
        if not rows:
            return
        # A bound parameter may not be called like a column that is set.
        where = [table.c[name] == sa.bindparam(f"key_{name}") for name in key]
        names = [name for name in rows[0] if name not in key]
        statement = sa.update(table).where(*where).values({n: sa.bindparam(n) for n in names})
        self.conn.execute(
            statement,
            [{f"key_{n}" if n in key else n: value for n, value in row.items()} for row in rows],
        )
        for row in rows:
            self._note(table, UPDATE, {n: row[n] for n in key}, {n: row[n] for n in names})

    def delete(self, table: sa.Table, key: Row) -> int:
        """Remove all rows whose columns equal `key`; returns their number."""
        gone = self.conn.execute(sa.delete(table).where(*_match(table, key)))
        self._note(table, DELETE, key)
        return gone.rowcount

    def complete(self) -> None:
        """Everything that belongs before the commit; `Database` calls it."""
        for callback in self._completing:
            callback()
        if self._changes:
            self._changes += [[COUNTER, name, last] for name, last in self._drawn.items()]
            seq = self.next_id(JOURNAL_COUNTER)
            row = {"seq": seq, "changes": encode_changes(self._changes)}
            self.conn.execute(sa.insert(journal_outbox), row)

    def _note(self, table: sa.Table, kind: str, *rows: Row) -> None:
        if not table.info.get("journal"):
            return
        if not self._exclusive:
            raise RuntimeError(f"{table.name} is journaled: not in a shared write transaction")
        self._changes.append([kind, table.name, *rows])


def _match(table: sa.Table, key: Row) -> list[sa.ColumnElement[bool]]:
    return [table.c[name] == value for name, value in key.items()]
