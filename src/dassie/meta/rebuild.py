"""An empty database from the journal: the newest checkpoint that is whole, then every transaction
after it.

`storage.recover` does the same for the chunk index, from pack footers. What was never finished, and
what is not journaled (file sets, logs, progress of jobs), is gone.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from typing import Any

import sqlalchemy as sa

from dassie.errors import DataLoss, FailedPrecondition
from dassie.meta.database import Database
from dassie.meta.journal import LAST, Journal, ObjectStore, before, journaled_tables
from dassie.meta.journal_format import (
    CHECKPOINT_PREFIX,
    COUNTER,
    DELETE,
    INSERT,
    JOURNAL_PREFIX,
    UPDATE,
    Change,
    Entry,
    checkpoint_seq,
    decode_checkpoint,
    decode_journal,
    decode_row,
    decode_value,
    journal_span,
)
from dassie.meta.schema import counters, metadata
from dassie.meta.transaction import JOURNAL_COUNTER, Tx

_log = logging.getLogger(__name__)

_PER_TRANSACTION = 1000
"""Journal entries replayed in one transaction."""
_UNFINISHED = "rebuild"
"""A counter that exists while a rebuild is under way."""


def rebuild(store: ObjectStore, db: Database) -> int:
    """Fill the empty database; the number of the last transaction it has then (0: no journal).

    One that was cut short is continued.
    """
    if _is_unfinished(db):
        with db.read() as tx:
            last: int = tx.execute(LAST).scalar() or 0
    else:
        with db.read() as tx:
            _require_empty(tx)
        last = _load_checkpoint(store, db)
    batch: list[Entry] = []
    for entry in _entries(store, last):
        if entry.seq != last + 1:
            raise DataLoss(
                f"the journal has no transactions {last + 1} to {entry.seq - 1}: objects with the"
                f" prefix {JOURNAL_PREFIX!r} are missing"
            )
        last = entry.seq
        batch.append(entry)
        if len(batch) == _PER_TRANSACTION:
            _replay(db, batch)
            batch = []
    _replay(db, batch)
    with db.write() as tx:
        tx.execute(sa.delete(counters).where(counters.c.name == _UNFINISHED))
    return last


def open_journal(db: Database, store: ObjectStore) -> Journal:
    """The journal of `db`; rebuilds the database first when it is new and the store is not."""
    if _is_unfinished(db) or (is_new(db) and _has_journal(store)):
        rebuild(store, db)
    return Journal(db, store)


def _has_journal(store: ObjectStore) -> bool:
    return any(True for prefix in (CHECKPOINT_PREFIX, JOURNAL_PREFIX) for _ in store.list(prefix))


def is_new(db: Database) -> bool:
    """Whether nothing was ever done with the database, and no rebuild of it has begun."""
    with db.read() as tx:
        return tx.execute(sa.select(counters.c.name).limit(1)).first() is None


def _is_unfinished(db: Database) -> bool:
    with db.read() as tx:
        found = sa.select(counters.c.name).where(counters.c.name == _UNFINISHED)
        return tx.execute(found).first() is not None


def _require_empty(tx: Tx) -> None:
    for table in journaled_tables():
        if tx.execute(sa.select(sa.exists(sa.select(sa.literal(1)).select_from(table)))).scalar():
            raise FailedPrecondition(
                f"a database is rebuilt from the journal only when it is empty: it has {table.name}"
            )


def _load_checkpoint(store: ObjectStore, db: Database) -> int:
    """Load the newest checkpoint that is whole; the number of its last transaction, 0 without."""
    for key in reversed([item.key for item in store.list(CHECKPOINT_PREFIX)]):
        data = store.get(key)
        try:
            with db.write() as tx:
                for part in decode_checkpoint(key, data):
                    rows = [dict(zip(part.columns, row, strict=True)) for row in part.rows]
                    if rows:
                        tx.conn.execute(sa.insert(_table(part.table)), rows)
                _set_counter(tx, _UNFINISHED, 1)
        except DataLoss as error:
            _log.warning("rebuilding without a checkpoint: %s", error)
        else:
            return checkpoint_seq(key)
    return 0


def _entries(store: ObjectStore, last: int) -> Iterator[Entry]:
    """Transactions after `last`, in order. Objects may overlap: a crash can come between writing
    one and noting that it was written."""
    seen = last
    for item in store.list(JOURNAL_PREFIX, after=before(last)):
        if journal_span(item.key)[1] <= seen:
            continue
        for entry in decode_journal(item.key, store.get(item.key)):
            if entry.seq > seen:
                seen = entry.seq
                yield entry


def _replay(db: Database, entries: Sequence[Entry]) -> None:
    if not entries:
        return
    with db.write() as tx:
        for entry in entries:
            for change in entry.changes:
                _apply(tx, change)
        _set_counter(tx, JOURNAL_COUNTER, entries[-1].seq)
        _set_counter(tx, _UNFINISHED, 1)


def _apply(tx: Tx, change: Change) -> None:
    kind, name, *values = change
    if kind == COUNTER:
        _set_counter(tx, name, values[0])
        return
    table = _table(name)
    if kind == INSERT:
        tx.conn.execute(sa.insert(table), decode_row(values[0]))
    elif kind == UPDATE:
        query = sa.update(table).where(*_match(table, values[0]))
        tx.conn.execute(query.values(**decode_row(values[1])))
    elif kind == DELETE:
        tx.conn.execute(sa.delete(table).where(*_match(table, values[0])))
    else:
        raise DataLoss(f"the journal has a change of unknown kind {kind!r}")


def _match(table: sa.Table, key: dict[str, Any]) -> list[sa.ColumnElement[bool]]:
    return [table.c[name] == decode_value(value) for name, value in key.items()]


def _table(name: str) -> sa.Table:
    table = metadata.tables.get(name)
    if table is None:
        raise DataLoss(f"the journal has rows of table {name!r}, which this version does not know")
    return table


def _set_counter(tx: Tx, name: str, value: int) -> None:
    changed = tx.execute(sa.update(counters).where(counters.c.name == name).values(value=value))
    if not changed.rowcount:
        tx.execute(sa.insert(counters), {"name": name, "value": value})
