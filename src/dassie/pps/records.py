"""Datums of a job, as clients ask for them: from rows while it runs, from its meta commit after.

The facade calls this. A job that has ended without a meta tree of its own (killed, unrunnable) has
no datums to show.
"""

from __future__ import annotations

import heapq
import json
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, Final

import sqlalchemy as sa

from dassie.errors import NotFound
from dassie.meta.database import Database
from dassie.meta.transaction import Tx
from dassie.pfs import commits
from dassie.pfs.model import CommitRef
from dassie.pps import jobs, tasks
from dassie.pps.datums import (
    META_DIR,
    DatumId,
    DatumRecord,
    Why,
    decode_inputs,
    record_path,
)
from dassie.pps.dispatch import Dispatcher
from dassie.pps.model import DatumInfo, JobInfo, JobKey
from dassie.pps.results import Result
from dassie.pps.states import DatumState
from dassie.pps.tables import PROCESS
from dassie.storage.store import Storage
from dassie.storage.types import EMPTY_DIR, Content, Dir

_BATCH: Final = 200


class DatumNotFound(NotFound):
    def __init__(self, datum_id: str, job: JobKey) -> None:
        super().__init__(f"datum {datum_id} not found in job {job}")


class Records:
    """Reads datum records. Holds no transaction across a `yield`."""

    def __init__(self, db: Database, storage: Storage, dispatcher: Dispatcher) -> None:
        self._db = db
        self._storage = storage
        self._dispatcher = dispatcher

    def inspect(self, key: JobKey, datum_id: str) -> DatumInfo:
        with self._db.read() as tx:
            job = jobs.inspect(tx, key)
            row = tasks.find(tx, job.seq, datum_id)
            root = _meta_root(tx, job)
        if row is not None:
            if row.kind != PROCESS:
                raise DatumNotFound(datum_id, key)
            return self._from_row(job, row, self._dispatcher.leased_ordinals(job.seq))
        for record in self._read(root, [datum_id]):
            return _info(job, record)
        raise DatumNotFound(datum_id, key)

    def list(
        self,
        key: JobKey,
        *,
        after: str = "",
        reverse: bool = False,
        states: Sequence[DatumState] = (),
    ) -> Iterator[DatumInfo]:
        """In order of id."""
        with self._db.read() as tx:
            job = jobs.inspect(tx, key)
            rows = tasks.ids(tx, job.seq)
            root = _meta_root(tx, job)
        shown = sorted((id_ for id_, kind in rows.items() if kind == PROCESS), reverse=reverse)
        kept = (id_ for id_ in self._ids(root, after, reverse=reverse) if id_ not in rows)
        ids = heapq.merge(shown, kept, reverse=reverse)
        wanted = (id_ for id_ in ids if not after or (id_ < after if reverse else id_ > after))
        while batch := list(islice(wanted, _BATCH)):
            for info in self._batch(job, root, batch, set(rows)):
                if not states or info.state in states:
                    yield info

    def _batch(
        self, job: JobInfo, root: Dir, ids: list[str], in_rows: set[str]
    ) -> Iterator[DatumInfo]:
        leased = self._dispatcher.leased_ordinals(job.seq)
        found: dict[str, DatumInfo] = {}
        with self._db.read() as tx:
            for row in tasks.several(tx, job.seq, [id_ for id_ in ids if id_ in in_rows]):
                found[row.datum_id] = self._from_row(job, row, leased)
        rest = [id_ for id_ in ids if id_ not in found]
        if rest and len(found) + len(rest) == len(ids) and in_rows.intersection(rest):
            # The job has ended between two batches: its records are in its meta commit now.
            with self._db.read() as tx:
                root = _meta_root(tx, jobs.inspect(tx, job.key))
        for record in self._read(root, rest):
            found[record.id] = _info(job, record)
        for id_ in ids:
            if id_ in found:
                yield found[id_]

    def _ids(self, root: Dir, after: str, *, reverse: bool) -> Iterator[str]:
        if not root.files:
            return
        start = f"{META_DIR}/{after}/" if after else ""
        for entry in self._storage.tree.list(root, META_DIR, after=start, reverse=reverse):
            yield entry.path.rstrip("/").rpartition("/")[2]

    def _read(self, root: Dir, ids: Sequence[str]) -> Iterator[DatumRecord]:
        if not root.files:
            return
        there: list[Content] = []
        for id_ in ids:
            entry = self._storage.tree.lookup(root, record_path(id_))
            if entry is not None and isinstance(entry.node, Content):
                there.append(entry.node)
        for text in self._storage.read_many(there):
            yield DatumRecord.from_json(text)

    def _from_row(self, job: JobInfo, row: sa.Row[Any], leased: set[int]) -> DatumInfo:
        state = DatumState(row.state)
        if state == DatumState.UNKNOWN and row.ordinal in leased:
            state = DatumState.STARTING
        result = Result.from_json(state, row.result) if row.result else Result(state)
        return DatumInfo(job.key, state, record_of(job, row, result))


def record_of(job: JobInfo, row: sa.Row[Any], result: Result, image_id: str = "") -> DatumRecord:
    """The record that a row of `datum_tasks` comes to."""
    decision, changed, previous_job = json.loads(row.why)
    return DatumRecord(
        job=job.key.id,
        id=DatumId(row.datum_id),
        hash=row.datum_hash,
        state=result.state,
        inputs=decode_inputs(row.inputs),
        reason=result.reason,
        why=Why(decision, tuple(changed), previous_job),
        output=result.output,
        stats=result.stats,
        tries=result.tries,
        index=row.ordinal,
        image_id=image_id,
        started_us=result.started_us,
    )


def _info(job: JobInfo, record: DatumRecord) -> DatumInfo:
    return DatumInfo(job.key, record.state_in(job.key.id), record)


def _meta_root(tx: Tx, job: JobInfo) -> Dir:
    """The tree with the job's records: its own when it has ended, its base's while it runs."""
    set_id = job.key.id if job.terminal else jobs.base_of(tx, job.seq)
    if not set_id:
        return EMPTY_DIR
    try:
        key = JobKey(job.key.pipeline, set_id).meta_commit
        return commits.inspect(tx, CommitRef(key.repo, id=key.id)).root or EMPTY_DIR
    except NotFound:
        return EMPTY_DIR
