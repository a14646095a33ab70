"""The journal: committed changes of the version graph, kept as immutable objects beside the data.

A transaction's changes of journaled tables lie in `journal_outbox` when it commits. `flush` writes
what lies there as one object, for however many transactions wait (group commit); it is called
before anything finished is acknowledged. A flush that fails undoes nothing: it is tried again in
the background, and said in the log. A checkpoint holds whole tables, so that a rebuild need not
replay everything, and what came before the last two is `superseded`. Objects are written once;
nothing here deletes one.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Sequence
from typing import Any, Final, Protocol

import sqlalchemy as sa

from dassie.errors import DassieError, DataLoss, FailedPrecondition
from dassie.meta.database import Database
from dassie.meta.journal_format import (
    CHECKPOINT_PREFIX,
    JOURNAL_PREFIX,
    ROWS_PER_LINE,
    TableRows,
    checkpoint_key,
    checkpoint_seq,
    decode_checkpoint,
    encode_checkpoint,
    encode_journal,
    journal_key,
    journal_span,
)
from dassie.meta.schema import counters, journal_outbox, metadata
from dassie.meta.transaction import JOURNAL_COUNTER, Tx

_log = logging.getLogger(__name__)

CHECKPOINT_EVERY: Final = 2000
"""Journal objects between two checkpoints."""
BATCH: Final = 500
"""Transactions in one journal object, at most."""
_CHECKPOINTS_KEPT: Final = 2
_KEEP_FLUSHED: Final = 200
"""Rows of the outbox that may stay after they were written: removing them is a transaction too."""
_IDLE_S: Final = 1.0
_LONGEST_PAUSE_S: Final = 30.0

_WAITING = (
    sa.select(journal_outbox.c.seq, journal_outbox.c.changes)
    .where(journal_outbox.c.seq > sa.bindparam("flushed"))
    .order_by(journal_outbox.c.seq)
    .limit(BATCH)
)
LAST = sa.select(counters.c.value).where(counters.c.name == JOURNAL_COUNTER)
"""Number of the last transaction in the journal or its outbox."""


class StoredObject(Protocol):
    @property
    def key(self) -> str: ...


class ObjectStore(Protocol):
    """What the journal asks of the object store; `blob.api.BlobStore` is one."""

    def put(self, key: str, parts: Sequence[bytes], /) -> None: ...

    def get(self, key: str, /) -> bytes: ...

    def list(self, prefix: str = "", after: str = "") -> Iterator[StoredObject]: ...


class JournalAhead(FailedPrecondition):
    """The object store knows of transactions that the database has not."""

    def __init__(self, stored: int, known: int) -> None:
        super().__init__(
            f"the metadata database is older than the data: the journal in the object store ends"
            f" at transaction {stored}, the database at {known}. Restore the right database, or"
            " start with an empty one to rebuild it from the journal"
        )


class Journal:
    """Writes the journal of one database into one object store. Usable from many threads."""

    def __init__(self, db: Database, store: ObjectStore) -> None:
        """Raises `JournalAhead` when the database is not the one that the journal is of."""
        self._db = db
        self._store = store
        self._lock = threading.Lock()
        self._rows_kept = 0
        self._objects = 0
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        stored, self._flushed, self._objects, whole = _stored(store)
        with db.read() as tx:
            known: int = tx.execute(LAST).scalar() or 0
            waiting = tx.execute(_WAITING, {"flushed": stored}).first()
        if stored > known:
            raise JournalAhead(stored, known)
        if not whole or (known > stored and (waiting is None or waiting.seq > stored + 1)):
            _log.warning("objects of the journal are missing: a checkpoint will replace them")
            self._objects = CHECKPOINT_EVERY

    def start(self) -> None:
        """Begin working in the background: late flushes, checkpoints."""
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
        self._thread.start()
        self._wake.set()

    def close(self) -> None:
        """Write what waits and stop."""
        self._stopping.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        self.flush()

    def nudge(self) -> None:
        """Something waits that nobody needs to wait for."""
        self._wake.set()

    def flush(self) -> bool:
        """Write everything that was committed before this call; `False` when that failed and will
        be tried again."""
        try:
            # Whoever comes while another one writes waits here, and finds it done mostly.
            with self._lock:
                while self._write_batch():
                    pass
        except DassieError as error:
            _log.warning("the journal could not be written, trying again: %s", error)
            self._wake.set()
            return False
        return True

    def checkpoint(self) -> int:
        """Write all journaled tables as one object; the number of the last transaction in it."""
        with self._db.read() as tx:
            last: int = tx.execute(LAST).scalar() or 0
            parts = encode_checkpoint(last, _dump(tx))
        if last:
            self._store.put(checkpoint_key(last), parts)
        self._objects = 0
        return last

    def superseded(self) -> list[str]:
        """Keys of objects that a rebuild will not ask for: what lies before the last checkpoint but
        one, when that can be read. So one damaged checkpoint costs nothing."""
        checkpoints = [item.key for item in self._store.list(CHECKPOINT_PREFIX)]
        if len(checkpoints) < _CHECKPOINTS_KEPT:
            return []
        oldest = checkpoints[-_CHECKPOINTS_KEPT]
        old = checkpoints[:-_CHECKPOINTS_KEPT]
        for item in self._store.list(JOURNAL_PREFIX):
            first, last = journal_span(item.key)
            if first > checkpoint_seq(oldest):
                break
            if last <= checkpoint_seq(oldest):
                old.append(item.key)
        try:
            for _ in decode_checkpoint(oldest, self._store.get(oldest)) if old else ():
                pass
        except DataLoss as error:
            _log.warning("keeping the whole journal, as a checkpoint is damaged: %s", error)
            return []
        return old

    def _write_batch(self) -> bool:
        """Write one object; whether more waits."""
        with self._db.read() as tx:
            rows = tx.execute(_WAITING, {"flushed": self._flushed}).all()
        if not rows:
            return False
        entries = [(row.seq, row.changes) for row in rows]
        first, last = entries[0][0], entries[-1][0]
        self._store.put(journal_key(first, last), encode_journal(entries))
        self._flushed = last
        self._objects += 1
        self._rows_kept += len(rows)
        if self._rows_kept >= _KEEP_FLUSHED:
            with self._db.write() as tx:
                tx.execute(sa.delete(journal_outbox).where(journal_outbox.c.seq <= last))
            self._rows_kept = 0
        return len(rows) == BATCH

    def _run(self) -> None:
        pause = _IDLE_S
        while not self._stopping.is_set():
            self._wake.wait()
            self._wake.clear()
            # Several nudges in a short time are one flush.
            if not self._stopping.wait(pause):
                pause = _IDLE_S if self.run_once() else min(pause * 2, _LONGEST_PAUSE_S)

    def run_once(self) -> bool:
        """What the background does: flush, and a checkpoint when one is due."""
        if not self.flush():
            return False
        if self._objects >= CHECKPOINT_EVERY:
            try:
                self.checkpoint()
            except DassieError as error:
                _log.warning("the journal's checkpoint could not be written: %s", error)
                return False
        return True


def _stored(store: ObjectStore) -> tuple[int, int, int, bool]:
    """The last transaction in the store, the last one in a journal object (0: none was looked at),
    the number of journal objects since a checkpoint, and whether none is missing between."""
    last = journaled = objects = 0
    for item in store.list(CHECKPOINT_PREFIX):
        last = checkpoint_seq(item.key)
    seen, whole = last, True
    for item in store.list(JOURNAL_PREFIX, after=before(last)):
        first, journaled_here = journal_span(item.key)
        whole = whole and first <= seen + 1
        seen, journaled = max(seen, journaled_here), max(journaled, journaled_here)
        objects += 1
    return max(last, journaled), journaled, objects, whole


def before(seq: int) -> str:
    """A key that sorts before every journal object with a transaction after `seq`."""
    return journal_key(max(0, seq - BATCH), 0)


def journaled_tables() -> list[sa.Table]:
    """All journaled tables, those referred to before those that refer."""
    return [table for table in metadata.sorted_tables if table.info.get("journal")]


def _dump(tx: Tx) -> Iterator[TableRows]:
    for table in [*journaled_tables(), counters]:
        columns = [column.name for column in table.columns]
        # By primary key: a commit's parent comes before the commit.
        found: sa.CursorResult[Any] = tx.execute(
            sa.select(table).order_by(*table.primary_key).execution_options(yield_per=ROWS_PER_LINE)
        )
        for rows in found.partitions():
            yield TableRows(table.name, columns, [list(row) for row in rows])
