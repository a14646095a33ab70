"""Datums of a job, as clients ask for them: from rows while it runs, from its meta commit after.

The facade calls this. A killed job has no meta tree of its own: its rows are kept for a while, and
say how far it was. An unrunnable job never had datums.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
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
    DatumInputs,
    DatumRecord,
    Why,
    decode_inputs,
    record_path,
)
from dassie.pps.dispatch import Dispatcher
from dassie.pps.model import DatumInfo, JobInfo, JobKey
from dassie.pps.results import Result
from dassie.pps.states import DatumState, JobState
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
            row = tasks.find(tx, job.seq, datum_id) if _has_rows(job) else None
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
        """In order of id. Each batch is seen as of its own moment: a job may end in between."""
        position = after
        while True:
            with self._db.read() as tx:
                job = jobs.inspect(tx, key)
                rows = (
                    tasks.by_id(tx, job.seq, position, _BATCH, reverse=reverse)
                    if _has_rows(job)
                    else []
                )
                root = _meta_root(tx, job)
            kept = list(islice(self._ids(root, position, reverse=reverse), _BATCH))
            ids, more = _next_ids([row.datum_id for row in rows], kept, reverse=reverse)
            for info in self._batch(job, root, ids, rows):
                if not states or info.state in states:
                    yield info
            if not more:
                return
            position = ids[-1]

    def inputs(self, key: JobKey, ids: Sequence[str]) -> dict[str, DatumInputs]:
        """Inputs of those of the datums that are known, by id."""
        with self._db.read() as tx:
            job = jobs.find(tx, key)
            if job is None:
                return {}
            rows = tasks.inputs(tx, job.seq, ids) if _has_rows(job) else {}
            root = _meta_root(tx, job)
        found = {id_: decode_inputs(text) for id_, text in rows.items()}
        rest = [id_ for id_ in ids if id_ not in found]
        return found | {record.id: record.inputs for record in self._read(root, rest)}

    def _batch(
        self, job: JobInfo, root: Dir, ids: Sequence[str], rows: Sequence[sa.Row[Any]]
    ) -> Iterator[DatumInfo]:
        leased = self._dispatcher.leased_ordinals(job.seq)
        by_id = {row.datum_id: row for row in rows}
        rest = [id_ for id_ in ids if id_ not in by_id]
        records: dict[str, DatumRecord] = {record.id: record for record in self._read(root, rest)}
        for id_ in ids:
            row = by_id.get(id_)
            if row is not None and row.kind == PROCESS:
                yield self._from_row(job, row, leased)
            elif row is None and id_ in records:
                yield _info(job, records[id_])

    def _ids(self, root: Dir, after: str, *, reverse: bool) -> Iterator[str]:
        """Ids that have a record in a meta tree."""
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
        if job.terminal:
            result = replace(result, output=None)  # nothing keeps it
        return DatumInfo(job.key, state, record_of(job, row, result))


def _next_ids(
    left: Sequence[str], right: Sequence[str], *, reverse: bool
) -> tuple[list[str], bool]:
    """The next ids of two sorted listings, of which each may go on when it is a full batch; and
    whether there are more. Nothing beyond the end of a listing that goes on is known yet."""
    full = [ids[-1] for ids in (left, right) if len(ids) == _BATCH]
    ids = sorted({*left, *right}, reverse=reverse)
    if not full:
        return ids, False
    end = max(full) if reverse else min(full)
    return [id_ for id_ in ids if (id_ >= end if reverse else id_ <= end)], True


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


def _has_rows(job: JobInfo) -> bool:
    """May there be rows that say more than a tree?"""
    return not job.terminal or (job.state == JobState.KILLED and job.started_at is not None)


def _meta_root(tx: Tx, job: JobInfo) -> Dir:
    """The tree with the job's records: its own when it has ended, its base's while it runs, and
    when it was killed (as long as rows say what was to be done beside)."""
    if job.terminal and _has_rows(job) and not tasks.any_of(tx, job.seq):
        return EMPTY_DIR
    set_id = jobs.base_of(tx, job.seq) if _has_rows(job) else job.key.id
    if not set_id:
        return EMPTY_DIR
    try:
        key = JobKey(job.key.pipeline, set_id).meta_commit
        return commits.inspect(tx, CommitRef(key.repo, id=key.id)).root or EMPTY_DIR
    except NotFound:
        return EMPTY_DIR
