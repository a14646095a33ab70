"""What storage costs without doors and clients: `python benchmarks/storage.py [--where DIR]`.

100,000 files of 4 KiB and one of 1 GiB, random bytes: stored, stored again, read back. Prints wall
and CPU seconds. The difference between this and `benchmarks/run.py` is the price of the wire.
"""

from __future__ import annotations

import argparse
import random
import resource
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from dassie.blob.drivers.folder import FolderStore
from dassie.meta.database import Database
from dassie.storage.index import DatabaseIndex
from dassie.storage.sessions import DatabaseSessions
from dassie.storage.store import Storage
from dassie.storage.types import EMPTY_DIR, Content, Dir, Put

FILES, SIZE = 100_000, 4096
MIB = 1 << 20
T = TypeVar("T")


def timed(name: str, action: Callable[[], T]) -> T:
    wall, cpu = time.perf_counter(), time.process_time()
    result = action()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(f"{name:40} {wall:7.2f} s wall {cpu:7.2f} s CPU   peak {peak} MiB", flush=True)
    return result


def small_files(storage: Storage, db: Database) -> None:
    rng = random.Random(1)
    blocks = [rng.randbytes(SIZE - 8) for _ in range(1000)]

    def data(i: int) -> bytes:
        return i.to_bytes(8, "little") + blocks[i % 1000]

    def ingest() -> Dir:
        with storage.session() as upload:
            puts = (Put(f"/d{i // 1000:03}/f{i:06}", upload.put(data(i))) for i in range(FILES))
            root = upload.edit(EMPTY_DIR, puts)
            upload.flush()
            with db.write() as tx:
                upload.publish(tx)
        return root

    root = timed("100,000 x 4 KiB in", ingest)
    timed("the same again", ingest)
    found = [e.node for e in storage.tree.walk(root, "/", dirs=False)]
    contents = [node for node in found if isinstance(node, Content)]
    timed("100,000 x 4 KiB out", lambda: sum(map(len, storage.read_many(contents))))


def large_file(storage: Storage) -> None:
    rng = random.Random(2)
    pieces = [rng.randbytes(MIB) for _ in range(64)]

    def ingest() -> Content:
        with storage.session() as upload:
            writer = upload.writer()
            for i in range(1024):
                piece = bytearray(pieces[i % 64])
                piece[:8] = i.to_bytes(8, "little")
                writer.write(piece)
            content = writer.close()
            upload.flush()
        return content

    content = timed("1 GiB in", ingest)
    timed("the same again", ingest)
    timed("1 GiB out", lambda: sum(map(len, storage.read(content))))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--where", default="/dev/shm", help="folder for the work files")
    folder = Path(tempfile.mkdtemp(prefix="dassie-storage-", dir=parser.parse_args().where))
    try:
        db = Database.open(f"sqlite:///{folder}/meta.db")
        db.create_tables()
        sessions = DatabaseSessions(db)
        storage = Storage(FolderStore(folder / "blob"), DatabaseIndex(db), sessions)
        small_files(storage, db)
        large_file(storage)
        storage.close()
        sessions.close()
        db.close()
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
