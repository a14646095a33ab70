"""Both designs of trees, end to end: `python benchmarks/trees/measure.py [--files 1000000]`.

Each design runs in a process of its own, on the same durable folder store, with the same tree of
directories of 1,000 files. Prints the table of design note 0001: wall time (best of the repeats),
CPU time (their median), bytes written, and peak memory. On a busy machine use `--rounds 3`: the
designs take turns, and the best of each number is printed.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from sorted_runs import Commit, Record, SortedRuns

from dassie.base.glob import Glob
from dassie.blob.drivers.folder import FolderStore
from dassie.meta.database import Database
from dassie.storage.index import DatabaseIndex
from dassie.storage.sessions import DatabaseSessions
from dassie.storage.store import Storage
from dassie.storage.types import EMPTY_DIR, Content, Dir, Put

PER_DIRECTORY = 1000
CHANGES = 100
Row = tuple[str, float, float, int]


def path_of(i: int) -> str:
    return f"/d{i // PER_DIRECTORY:04}/f{i:07}.bin"


class Clock:
    """Collects rows of measurements."""

    def __init__(self) -> None:
        self.rows: list[Row] = []

    def measure(
        self, name: str, action: Callable[[], object], repeats: int, written: Callable[[], int]
    ) -> None:
        walls, cpus = [], []
        before = written()
        for _ in range(repeats):
            wall, cpu = time.perf_counter(), time.process_time()
            action()
            walls.append(time.perf_counter() - wall)
            cpus.append(time.process_time() - cpu)
        bytes_each = (written() - before) // repeats
        self.rows.append((name, min(walls) * 1e3, statistics.median(cpus) * 1e3, bytes_each))

    def peak(self, name: str) -> None:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        self.rows.append((f"peak memory after {name}, MiB", peak, 0, 0))


def drain(items: Iterator[object]) -> int:
    return sum(1 for _ in items)


def prolly(files: int, folder: Path, clock: Clock) -> None:
    rng = random.Random(1)
    db = Database.open(f"sqlite:///{folder}/meta.db")
    db.create_tables()
    blob = FolderStore(folder / "blob")
    sessions = DatabaseSessions(db)
    storage = Storage(blob, DatabaseIndex(db), sessions)

    def written() -> int:
        return sum(info.size for info in blob.list())

    roots: list[Dir] = []

    def build() -> None:
        with storage.session() as upload:
            every = (Put(path_of(i), Content(rng.randbytes(32), i % 5000)) for i in range(files))
            roots.append(upload.edit(EMPTY_DIR, every))
            upload.flush()
            with db.write() as tx:
                upload.publish(tx)

    def change() -> None:
        with storage.session() as upload:
            chosen = rng.sample(range(files), CHANGES)
            edits = [Put(path_of(i), Content(rng.randbytes(32), 7)) for i in chosen]
            roots.append(upload.edit(roots[-1], edits))
            upload.flush()
            with db.write() as tx:
                upload.publish(tx)

    tree = storage.tree
    clock.measure("build", build, 1, written)
    clock.peak("build")
    clock.measure("finish, 100 changes", change, 10, written)
    last, before = roots[-1], roots[-2]
    measure_reads(
        clock,
        written,
        {
            "list a directory": lambda: drain(tree.list(last, "/d0050")),
            "inspect a directory": lambda: tree.lookup(last, "/d0050"),
            "inspect /": lambda: tree.lookup(last, "/"),
            "diff, 100 changes": lambda: drain(tree.diff(before, last)),
            "glob /d0050/*1.bin": lambda: drain(tree.glob(last, Glob.parse("/d0050/*1.bin"))),
            "walk everything": lambda: drain(tree.walk(last, "/")),
        },
    )
    clock.peak("everything")
    sessions.close()
    storage.close()
    db.close()


def runs(files: int, folder: Path, clock: Clock) -> None:
    rng = random.Random(1)
    store = SortedRuns(FolderStore(folder / "blob"))
    # The row that publishes a commit costs both designs a transaction.
    db = Database.open(f"sqlite:///{folder}/meta.db")
    db.create_tables()
    commits: list[Commit] = []

    def written() -> int:
        return store.written

    def publish() -> None:
        with db.write() as tx:
            tx.conn.exec_driver_sql("UPDATE sessions SET expires_at = 0")

    def build() -> None:
        every = (Record(path_of(i), i % 5000, rng.getrandbits(256), 1) for i in range(files))
        commits.append(store.build(every))
        publish()

    def change() -> None:
        chosen = rng.sample(range(files), CHANGES)
        edits = [Record(path_of(i), 7, rng.getrandbits(256), 1) for i in chosen]
        commits.append(store.finish(commits[-1], edits))
        publish()

    clock.measure("build", build, 1, written)
    clock.peak("build")
    clock.measure("finish, 100 changes", change, 10, written)
    last, before = commits[-1], commits[-2]
    glob = Glob.parse("/d0050/*1.bin")

    def matches() -> int:
        return sum(1 for r in store.scan(last, "/d0050/", "/d00500") if glob.match(r.path))

    measure_reads(
        clock,
        written,
        {
            "list a directory": lambda: drain(store.scan(last, "/d0050/", "/d00500")),
            "inspect a directory": lambda: store.inspect(last, "/d0050/"),
            "inspect /": lambda: store.inspect(last, "/"),
            "diff, 100 changes": lambda: drain(store.diff(before, last)),
            "glob /d0050/*1.bin": matches,
            "walk everything": lambda: drain(store.scan(last, "", "\U0010ffff")),
        },
    )
    compacted: list[Commit] = []
    clock.measure(
        "compaction of base and 10 runs", lambda: compacted.append(store.compact(last)), 1, written
    )
    clock.measure(
        "diff across a compaction", lambda: drain(store.diff(before, compacted[0])), 1, written
    )
    clock.peak("everything")
    db.close()


def measure_reads(
    clock: Clock, written: Callable[[], int], actions: dict[str, Callable[[], object]]
) -> None:
    for name, action in actions.items():
        action()
        clock.measure(name, action, 1 if name == "walk everything" else 9, written)


DESIGNS = {"prolly": prolly, "runs": runs}


def run_design(name: str, files: int, where: str) -> list[Row]:
    command = [sys.executable, __file__, "--design", name, "--files", str(files), "--where", where]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
    return [tuple(row) for row in json.loads(done.stdout)]


def report(files: int, where: str, rounds: int) -> None:
    found: dict[str, dict[str, Row]] = {name: {} for name in DESIGNS}
    for _ in range(rounds):
        for name, rows in found.items():
            for row in run_design(name, files, where):
                best = rows.get(row[0], row)
                rows[row[0]] = (row[0], min(row[1], best[1]), min(row[2], best[2]), row[3])
    names = list(dict.fromkeys(name for rows in found.values() for name in rows))
    print(f"{files:,} files in directories of {PER_DIRECTORY:,}; wall ms / CPU ms / KiB written\n")
    print("| | prolly trees | sorted runs |\n|---|---|---|")
    for name in names:
        cells = []
        for rows in found.values():
            if name not in rows:
                cells.append("–")
                continue
            _, wall, cpu, written = rows[name]
            cell = f"{wall:,.2f}" + (f" / {cpu:,.2f}" if cpu else "")
            cells.append(cell + (f" / {written / 1024:,.0f}" if written else ""))
        print(f"| {name} | {' | '.join(cells)} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=1, help="alternate; the best counts")
    parser.add_argument("--where", default="/dev/shm", help="folder for the work files")
    parser.add_argument("--design", choices=DESIGNS)
    options = parser.parse_args()
    if options.design is None:
        report(options.files, options.where, options.rounds)
        return
    folder = Path(tempfile.mkdtemp(prefix="dassie-trees-", dir=options.where))
    try:
        clock = Clock()
        DESIGNS[options.design](options.files, folder, clock)
        json.dump(clock.rows, sys.stdout)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
