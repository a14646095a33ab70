"""Rows of `datum_tasks`: what a running job has to do, and how far it is. SQL only.

`scheduler` writes a plan with it, `dispatch` reads what to hand out and stores results, `finishing`
reads them all. Every function takes its transaction first.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, Final

import sqlalchemy as sa

from dassie.errors import FailedPrecondition
from dassie.meta.transaction import Tx
from dassie.pps.results import Result, output_of
from dassie.pps.states import DatumState, JobState
from dassie.pps.tables import PROCESS, datum_tasks, jobs
from dassie.storage.types import Dir

_COUNTER: Final = {
    DatumState.SUCCESS: "data_processed",
    DatumState.FAILED: "data_failed",
    DatumState.RECOVERED: "data_recovered",
}
SWEPT_AT_ONCE: Final = 5000
"""Rows deleted in one transaction."""

_STATS: Final = ("download_us", "process_us", "upload_us", "download_bytes", "upload_bytes")


def pending(tx: Tx, seq: int) -> tuple[int, list[range]]:
    """How many datums a job processes, and the runs of ordinals that have no result yet."""
    table = datum_tasks
    mine = (table.c.job_seq == seq, table.c.kind == PROCESS)
    total = tx.execute(sa.select(sa.func.count()).select_from(table).where(*mine)).scalar() or 0
    waiting = (
        sa.select(table.c.ordinal)
        .where(*mine, table.c.state == int(DatumState.UNKNOWN))
        .order_by(table.c.ordinal)
    )
    runs: list[range] = []
    for (ordinal,) in tx.execute(waiting):
        if runs and runs[-1].stop == ordinal:
            runs[-1] = range(runs[-1].start, ordinal + 1)
        else:
            runs.append(range(ordinal, ordinal + 1))
    return int(total), runs


def mean_bytes(tx: Tx, seq: int) -> int:
    """Mean input size over a sample of a job's datums."""
    sample = tx.execute(
        sa.select(datum_tasks.c.inputs)
        .where(datum_tasks.c.job_seq == seq, datum_tasks.c.kind == PROCESS)
        .limit(64)
    ).all()
    sizes = [sum(file["size"] for file in json.loads(inputs)) for (inputs,) in sample]
    return sum(sizes) // len(sizes) if sizes else 0


def waiting(tx: Tx, seq: int, ordinals: list[int]) -> dict[int, sa.Row[Any]]:
    """Rows without a result, by ordinal."""
    table = datum_tasks
    columns = (table.c.ordinal, table.c.datum_id, table.c.attempt, table.c.inputs)
    found: dict[int, sa.Row[Any]] = {}
    for start in range(0, len(ordinals), 500):
        rows = tx.execute(
            sa.select(*columns).where(
                table.c.job_seq == seq,
                table.c.ordinal.in_(ordinals[start : start + 500]),
                table.c.state == int(DatumState.UNKNOWN),
            )
        )
        found.update((row.ordinal, row) for row in rows)
    return found


def store_results(tx: Tx, seq: int, items: Sequence[tuple[int, Result]]) -> bool:
    """Write results and add them to the job's counters; False when the job has ended."""
    live = sa.select(jobs.c.seq).where(jobs.c.seq == seq, jobs.c.finished_us.is_(None))
    if tx.execute(live).first() is None:
        return False
    table = datum_tasks
    tx.execute(
        sa.update(table)
        .where(table.c.job_seq == seq, table.c.ordinal == sa.bindparam("at"))
        .values(state=sa.bindparam("new_state"), result=sa.bindparam("new_result")),
        [
            {
                "at": ordinal,
                "new_state": int(result.state),
                "new_result": result.to_json(),
            }
            for ordinal, result in items
        ],
    )
    sums: dict[str, int] = {}
    for _, result in items:
        if result.state not in _COUNTER:
            raise FailedPrecondition(f"a datum cannot end in state {result.state.name}")
        counter = _COUNTER[result.state]
        sums[counter] = sums.get(counter, 0) + 1
        for name in _STATS:
            sums[name] = sums.get(name, 0) + getattr(result.stats, name)
    tx.execute(
        sa.update(jobs)
        .where(jobs.c.seq == seq)
        .values({name: jobs.c[name] + amount for name, amount in sums.items()})
    )
    return True


def count_attempt(tx: Tx, seq: int, ordinal: int) -> int:
    """One more worker died with this datum in its hands; how many that makes (0: it has ended)."""
    row = waiting(tx, seq, [ordinal]).get(ordinal)
    if row is None:
        return 0
    tx.execute(
        sa.update(datum_tasks)
        .where(datum_tasks.c.job_seq == seq, datum_tasks.c.ordinal == ordinal)
        .values(attempt=row.attempt + 1)
    )
    return int(row.attempt) + 1


def replace_all(tx: Tx, seq: int, rows: Sequence[dict[str, Any]]) -> None:
    """Write a plan's first rows in place of what a crash may have left of an earlier one."""
    tx.execute(sa.delete(datum_tasks).where(datum_tasks.c.job_seq == seq))
    add(tx, rows)


def add(tx: Tx, rows: Sequence[dict[str, Any]]) -> None:
    """Write more rows of a plan."""
    if rows:
        tx.execute(sa.insert(datum_tasks), list(rows))


def page(tx: Tx, seq: int, beyond: int, limit: int) -> Sequence[sa.Row[Any]]:
    """Whole rows in order, beginning beyond an ordinal."""
    return tx.execute(
        sa.select(datum_tasks)
        .where(datum_tasks.c.job_seq == seq, datum_tasks.c.ordinal > beyond)
        .order_by(datum_tasks.c.ordinal)
        .limit(limit)
    ).all()


def find(tx: Tx, seq: int, datum_id: str) -> sa.Row[Any] | None:
    """The row of one datum."""
    return tx.execute(
        sa.select(datum_tasks).where(
            datum_tasks.c.job_seq == seq, datum_tasks.c.datum_id == datum_id
        )
    ).first()


def by_id(
    tx: Tx, seq: int, after: str, limit: int, *, reverse: bool = False
) -> Sequence[sa.Row[Any]]:
    """Whole rows in order of datum id, beginning beyond `after` (empty: at the end)."""
    column = datum_tasks.c.datum_id
    where = [datum_tasks.c.job_seq == seq]
    if after:
        where.append(column < after if reverse else column > after)
    order = column.desc() if reverse else column.asc()
    return tx.execute(sa.select(datum_tasks).where(*where).order_by(order).limit(limit)).all()


def inputs(tx: Tx, seq: int, ids: Sequence[str]) -> dict[str, str]:
    """The inputs of some datums, as JSON, by id."""
    table = datum_tasks
    found: dict[str, str] = {}
    for start in range(0, len(ids), 500):
        rows = tx.execute(
            sa.select(table.c.datum_id, table.c.inputs).where(
                table.c.job_seq == seq, table.c.datum_id.in_(ids[start : start + 500])
            )
        )
        found.update((row.datum_id, row.inputs) for row in rows)
    return found


def sweep(tx: Tx, seq: int) -> bool:
    """Delete some rows of a job that has ended; whether there may be more."""
    table = datum_tasks
    first = sa.select(sa.func.min(table.c.ordinal)).where(table.c.job_seq == seq)
    low = tx.execute(first).scalar()
    if low is None:
        return False
    tx.execute(
        sa.delete(table).where(table.c.job_seq == seq, table.c.ordinal < low + SWEPT_AT_ONCE)
    )
    return True


def leftovers(tx: Tx) -> list[int]:
    """Jobs that have ended and still have rows, which nobody needs. Skips from job to job, whatever
    rows they have.

    A killed job has no meta tree: its rows are all that says which datums it had, and so those of a
    pipeline's last killed job stay until the next one is killed, or the job is deleted.
    """
    table = datum_tasks
    lowest = sa.func.min(table.c.job_seq)
    seqs = sa.select(lowest.label("seq")).cte("seqs", recursive=True)
    following = sa.select(lowest).where(table.c.job_seq > seqs.c.seq).scalar_subquery()
    seqs = seqs.union_all(sa.select(following).where(seqs.c.seq.is_not(None)))
    live = sa.select(jobs.c.seq).where(jobs.c.finished_us.is_(None))
    found = tx.execute(
        sa.select(seqs.c.seq).where(seqs.c.seq.is_not(None), seqs.c.seq.not_in(live))
    )
    return [seq for seq in found.scalars() if not _is_last_killed(tx, seq)]


def _is_last_killed(tx: Tx, seq: int) -> bool:
    row = tx.execute(sa.select(jobs).where(jobs.c.seq == seq)).first()
    if row is None or row.state != int(JobState.KILLED) or row.started_us is None:
        return False
    later = sa.select(jobs.c.seq).where(
        jobs.c.project == row.project,
        jobs.c.pipeline == row.pipeline,
        jobs.c.seq > seq,
        jobs.c.state == int(JobState.KILLED),
        jobs.c.started_us.is_not(None),
    )
    return tx.execute(later.limit(1)).first() is None


def any_of(tx: Tx, seq: int) -> bool:
    """Does the job have rows?"""
    mine = sa.select(datum_tasks.c.ordinal).where(datum_tasks.c.job_seq == seq)
    return tx.execute(mine.limit(1)).first() is not None


def outputs(tx: Tx) -> Iterator[Dir]:
    """Trees that results of running jobs refer to, which no commit does yet."""
    live = sa.select(jobs.c.seq).where(jobs.c.finished_us.is_(None))
    rows = tx.execute(
        sa.select(datum_tasks.c.result).where(
            datum_tasks.c.result.is_not(None), datum_tasks.c.job_seq.in_(live)
        )
    )
    for (text,) in rows:
        node = output_of(json.loads(text))
        if node is not None:
            yield node
