"""Logs of pipelines: stored by the system itself, in compressed segments, one row per batch.

Workers send batches of lines through the worker door; the controller adds its own (`worker` empty).
A segment's row says which pipeline, which jobs and which span of time it covers, so that a query
decompresses only what may match. Whoever follows waits on the notifier's channel `logs`.
"""

from __future__ import annotations

import heapq
import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import sqlalchemy as sa
import zstandard

from dassie.base.clock import from_micros, to_micros
from dassie.meta.database import Database, Tx
from dassie.pps.model import LogLine, LogQuery, PipelineKey
from dassie.pps.tables import log_segments

LONGEST_LINE: Final = 64 * 1024
"""Characters kept of one line; user code that prints without newlines must not fill the store."""

_PAGE: Final = 64
_TURN: Final = "log segments"
"""Counter whose row is locked until the commit: segments become visible in the order of `seq`."""


class LogStore:
    """Append, query, and forget what is old."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def append(self, lines: Sequence[LogLine]) -> None:
        """Store lines; lines of one pipeline and worker become one segment."""
        groups: dict[tuple[PipelineKey, str], list[LogLine]] = {}
        for line in lines:
            groups.setdefault((line.pipeline, line.worker), []).append(line)
        rows = [_segment(key, worker, group) for (key, worker), group in groups.items()]
        if not rows:
            return
        with self._db.write(shared=True) as tx:
            tx.next_id(_TURN)  # else PostgreSQL may show a number before a lower one
            tx.execute(sa.insert(log_segments), rows)
            for key, _ in groups:
                tx.notify("logs", str(key))

    def cursor(self) -> int:
        """Number of the newest segment, 0 without any: `after` it is what comes later."""
        with self._db.read() as tx:
            return _newest(tx)

    def lines(self, query: LogQuery, *, upto: int | None = None) -> Iterator[LogLine]:
        """Matching lines in order of time; `upto`: only from segments up to that cursor."""
        if query.tail > 0:
            yield from self._tail(query, upto)
            return
        yield from _merge(self._segments(query, upto), query)

    def after(self, query: LogQuery, cursor: int) -> tuple[list[LogLine], int]:
        """Matching lines of segments stored after `cursor`, and the new cursor."""
        with self._db.read() as tx:
            newest = _newest(tx)
            where = [*_where(query), log_segments.c.seq > cursor]
            rows = tx.execute(
                sa.select(log_segments).where(*where).order_by(log_segments.c.seq)
            ).all()
        lines = [line for row in rows for line in _decode(row, query)]
        return sorted(lines, key=lambda line: line.at), max(newest, cursor)

    def prune(self, *, before_us: int, max_bytes: int) -> int:
        """Forget segments that ended before `before_us`, then the oldest beyond `max_bytes`."""
        with self._db.write() as tx:
            gone = tx.execute(
                sa.delete(log_segments).where(log_segments.c.last_us < before_us)
            ).rowcount
            total = tx.execute(sa.select(sa.func.sum(log_segments.c.size))).scalar() or 0
            if total > max_bytes:
                gone += _prune_oldest(tx, total - max_bytes)
        return gone

    def delete(self, tx: Tx, key: PipelineKey) -> None:
        """Forget everything of a pipeline that is gone, and wake those who follow it."""
        tx.execute(
            sa.delete(log_segments).where(
                log_segments.c.project == key.project, log_segments.c.pipeline == key.name
            )
        )
        tx.notify("logs", str(key))

    def _segments(self, query: LogQuery, upto: int | None) -> Iterator[sa.Row[Any]]:
        """Rows in order of their first line, read in pages so that no transaction stays open."""
        table = log_segments
        last = (-1, -1)
        while True:
            where = [*_where(query), sa.tuple_(table.c.first_us, table.c.seq) > sa.tuple_(*last)]
            if upto is not None:
                where.append(table.c.seq <= upto)
            with self._db.read() as tx:
                rows = tx.execute(
                    sa.select(table)
                    .where(*where)
                    .order_by(table.c.first_us, table.c.seq)
                    .limit(_PAGE)
                ).all()
            yield from rows
            if len(rows) < _PAGE:
                return
            last = (rows[-1].first_us, rows[-1].seq)

    def _tail(self, query: LogQuery, upto: int | None) -> list[LogLine]:
        """The newest lines: segments from the newest end on, until older ones cannot matter."""
        table = log_segments
        where = _where(query)
        if upto is not None:
            where.append(table.c.seq <= upto)
        newest: list[tuple[int, int, LogLine]] = []
        order = 0
        offset = 0
        while True:
            with self._db.read() as tx:
                rows = tx.execute(
                    sa.select(table)
                    .where(*where)
                    .order_by(table.c.last_us.desc(), table.c.seq.desc())
                    .limit(_PAGE)
                    .offset(offset)
                ).all()
            offset += len(rows)
            for row in rows:
                if len(newest) == query.tail and row.last_us < newest[0][0]:
                    return [line for _, _, line in sorted(newest, key=_at)]
                for line in reversed(list(_decode(row, query))):
                    order -= 1
                    item = (to_micros(line.at), order, line)
                    if len(newest) < query.tail:
                        heapq.heappush(newest, item)
                    else:
                        heapq.heappushpop(newest, item)
            if len(rows) < _PAGE:
                return [line for _, _, line in sorted(newest, key=_at)]


def _at(item: tuple[int, int, LogLine]) -> tuple[int, int]:
    return item[:2]


def _newest(tx: Tx) -> int:
    return int(tx.execute(sa.select(sa.func.max(log_segments.c.seq))).scalar() or 0)


def _where(query: LogQuery) -> list[sa.ColumnElement[bool]]:
    table = log_segments
    where: list[sa.ColumnElement[bool]] = []
    if query.pipeline is not None:
        where += [
            table.c.project == query.pipeline.project,
            table.c.pipeline == query.pipeline.name,
        ]
    if query.projects:
        where.append(table.c.project.in_(query.projects))
    if query.job_id:
        where.append(table.c.jobs.contains(query.job_id, autoescape=True))
    if query.master:
        where.append(table.c.worker == "")
    if query.since is not None:
        where.append(table.c.last_us >= to_micros(query.since))
    return where


def _merge(rows: Iterable[sa.Row[Any]], query: LogQuery) -> Iterator[LogLine]:
    """Lines of overlapping segments in order of time, holding only those that may still move."""
    held: list[tuple[int, int, LogLine]] = []
    order = 0
    for row in rows:
        while held and held[0][0] <= row.first_us:
            yield heapq.heappop(held)[2]
        for line in _decode(row, query):
            order += 1
            heapq.heappush(held, (to_micros(line.at), order, line))
    while held:
        yield heapq.heappop(held)[2]


def _segment(key: PipelineKey, worker: str, lines: Sequence[LogLine]) -> dict[str, Any]:
    text = "\n".join(
        json.dumps(
            [
                to_micros(line.at),
                line.job_id,
                line.datum_id,
                line.user,
                line.message[:LONGEST_LINE],
            ],
            separators=(",", ":"),
        )
        for line in lines
    )
    times = [to_micros(line.at) for line in lines]
    data = zstandard.ZstdCompressor(level=3).compress(text.encode())
    return {
        "project": key.project,
        "pipeline": key.name,
        "worker": worker,
        "jobs": " ".join(sorted({line.job_id for line in lines if line.job_id})),
        "first_us": min(times),
        "last_us": max(times),
        "lines": len(lines),
        "size": len(data),
        "data": data,
    }


def _decode(row: sa.Row[Any], query: LogQuery) -> Iterator[LogLine]:
    key = PipelineKey(row.project, row.pipeline)
    since = to_micros(query.since) if query.since is not None else None
    text = zstandard.ZstdDecompressor().decompress(row.data).decode()
    for raw in text.split("\n"):
        at_us, job_id, datum_id, user, message = json.loads(raw)
        if (
            (since is not None and at_us < since)
            or (query.job_id and job_id != query.job_id)
            or (query.datum_id and datum_id != query.datum_id)
            or (query.datums is not None and datum_id not in query.datums)
        ):
            continue
        yield LogLine(from_micros(at_us), key, message, job_id, datum_id, row.worker, user)


def _prune_oldest(tx: Tx, excess: int) -> int:
    """Delete the oldest segments that hold at least `excess` bytes together."""
    table = log_segments
    rows = tx.execute(sa.select(table.c.seq, table.c.size).order_by(table.c.last_us, table.c.seq))
    doomed: list[int] = []
    for row in rows:
        if excess <= 0:
            break
        doomed.append(row.seq)
        excess -= row.size
    for start in range(0, len(doomed), 500):
        tx.execute(sa.delete(table).where(table.c.seq.in_(doomed[start : start + 500])))
    return len(doomed)
