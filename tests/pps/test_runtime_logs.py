"""Logs: order over segments, filters, tail, following, retention."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

from dassie.base.clock import to_micros
from dassie.meta.database import Database
from dassie.pps.logs import LONGEST_LINE, LogStore
from dassie.pps.model import LogLine, LogQuery, PipelineKey

P = PipelineKey("default", "p")
Q = PipelineKey("other", "q")
START = datetime(2025, 1, 1, tzinfo=UTC)
JOB_A, JOB_B = "a" * 32, "b" * 32


def line(second: float, text: str, key: PipelineKey = P, **fields: str) -> LogLine:
    values: dict[str, str] = {"worker": "w1", **fields}
    return LogLine(START + timedelta(seconds=second), key, text, user=True, **values)  # type: ignore[arg-type]


def texts(store: LogStore, query: LogQuery) -> list[str]:
    return [found.message for found in store.lines(query)]


def test_lines_come_back_as_they_were_and_in_order(db: Database) -> None:
    store = LogStore(db)
    first = line(0, "α\tβ", job_id=JOB_A, datum_id="d" * 64)
    store.append([first, line(4, "four")])
    store.append([line(1, "one", worker="w2"), line(2, "two", worker="w2"), line(9, "nine")])
    store.append([line(3, "three", worker="")])
    assert next(store.lines(LogQuery(pipeline=P))) == first
    assert texts(store, LogQuery(pipeline=P)) == ["α\tβ", "one", "two", "three", "four", "nine"]
    assert texts(store, LogQuery(pipeline=P, master=True)) == ["three"]
    assert texts(store, LogQuery(pipeline=P, since=START + timedelta(seconds=3))) == [
        "three",
        "four",
        "nine",
    ]


def test_filters(db: Database) -> None:
    store = LogStore(db)
    store.append(
        [
            line(0, "a0", job_id=JOB_A, datum_id="1"),
            line(1, "a1", job_id=JOB_A, datum_id="2"),
            line(2, "b0", job_id=JOB_B, datum_id="1"),
            line(3, "q", Q, job_id=JOB_A),
        ]
    )
    assert texts(store, LogQuery(job_id=JOB_A)) == ["a0", "a1", "q"]
    assert texts(store, LogQuery(pipeline=P, job_id=JOB_A)) == ["a0", "a1"]
    assert texts(store, LogQuery(pipeline=P, datum_id="1")) == ["a0", "b0"]
    assert texts(store, LogQuery(pipeline=P, datums=frozenset("2"))) == ["a1"]
    assert texts(store, LogQuery(pipeline=P, datums=frozenset("1"), tail=1)) == ["b0"]
    assert texts(store, LogQuery(job_id=JOB_A, datums=frozenset("1"), tail=1)) == ["a0"]
    assert texts(store, LogQuery(projects=["other"])) == ["q"]
    assert texts(store, LogQuery(pipeline=P, job_id="a" * 31)) == []


def test_tail_looks_at_overlapping_segments(db: Database) -> None:
    store = LogStore(db)
    store.append([line(second, f"w1-{second}") for second in range(0, 100, 2)])
    store.append([line(second, f"w2-{second}", worker="w2") for second in range(1, 100, 2)])
    for number in range(200, 280):
        store.append([line(number, f"late-{number}")])
    everything = texts(store, LogQuery(pipeline=P))
    assert len(everything) == 180
    for count in (1, 3, 79, 85, 1000):
        assert texts(store, LogQuery(pipeline=P, tail=count)) == everything[-count:]


def test_following_misses_nothing(db: Database) -> None:
    store = LogStore(db)
    store.append([line(0, "old")])
    cursor = store.cursor()
    store.append([line(1, "new"), line(2, "elsewhere", Q)])
    assert [found.message for found in store.lines(LogQuery(pipeline=P), upto=cursor)] == ["old"]
    lines, cursor = store.after(LogQuery(pipeline=P), cursor)
    assert [found.message for found in lines] == ["new"]
    assert store.after(LogQuery(pipeline=P), cursor) == ([], cursor)


def test_following_begins_before_the_first_line(db: Database) -> None:
    store = LogStore(db)
    cursor = store.cursor()
    store.append([line(0, "first")])
    lines, cursor = store.after(LogQuery(pipeline=P), cursor)
    assert [found.message for found in lines] == ["first"]
    assert store.after(LogQuery(pipeline=P), cursor) == ([], cursor)


def test_following_misses_nothing_of_many_workers(db: Database) -> None:
    """What commits late must not have a number that those who follow have passed."""
    store = LogStore(db)
    expected = {f"{worker}-{number}" for worker in range(6) for number in range(15)}

    def work(worker: int) -> None:
        for number in range(15):
            store.append([line(number, f"{worker}-{number}", worker=f"w{worker}")])

    cursor, seen = store.cursor(), []
    with ThreadPoolExecutor(6) as pool:
        workers = [pool.submit(work, worker) for worker in range(6)]
        ended = False
        while not ended:
            ended = all(worker.done() for worker in workers)
            lines, cursor = store.after(LogQuery(pipeline=P), cursor)
            seen += [found.message for found in lines]
    assert sorted(seen) == sorted(expected)


def test_long_and_empty_lines(db: Database) -> None:
    store = LogStore(db)
    store.append([])
    store.append([line(0, ""), line(1, "x" * (LONGEST_LINE + 5)), line(2, "a\nb")])
    assert [len(text) for text in texts(store, LogQuery(pipeline=P))] == [0, LONGEST_LINE, 3]


def test_retention_by_age_and_by_size(db: Database) -> None:
    store = LogStore(db)
    for number in range(10):
        store.append([line(number, f"line {number}")])
    before = to_micros(START + timedelta(seconds=3))
    assert store.prune(before_us=before, max_bytes=1 << 30) == 3
    assert len(texts(store, LogQuery(pipeline=P))) == 7
    assert store.prune(before_us=0, max_bytes=100) > 0
    left = texts(store, LogQuery(pipeline=P))
    assert 0 < len(left) < 7
    assert left[-1] == "line 9"
    with db.write() as tx:
        store.delete(tx, P)
    assert texts(store, LogQuery(pipeline=P)) == []
