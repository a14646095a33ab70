"""Put and get one large file in a process of its own; prints how its memory grew, in MiB.

Run by test_memory.py. The store is a folder that holds every put back a little, as a network would.
"""

from __future__ import annotations

import random
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from dassie.blob.api import Buffer
from dassie.blob.drivers.folder import FolderStore
from dassie.blob.wrappers.base import Wrapper
from dassie.daemon.memory import share_one_heap
from tests.cost.setting import MASTER, MIB, setting

PIECE = MIB


class Slow(Wrapper):
    """A store with latency, which copies what it is given as drivers do."""

    def __init__(self, folder: Path) -> None:
        super().__init__(FolderStore(folder, fsync=False))
        self._lock = threading.Lock()
        self._under_way = 0
        self.most = 0

    def put(self, key: str, parts: Sequence[Buffer]) -> None:
        with self._lock:
            self._under_way += 1
            self.most = max(self.most, self._under_way)
        body = b"".join(parts)
        time.sleep(0.1)
        super().put(key, [body])
        with self._lock:
            self._under_way -= 1

    def get_range(self, key: str, offset: int, length: int) -> bytes:
        time.sleep(0.02)
        return bytes(bytearray(super().get_range(key, offset, length)))


def status(name: str) -> float:
    """A line of /proc/self/status, in MiB."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(name + ":"))


def main(folder: Path, size: int) -> None:
    share_one_heap()
    block = bytearray(random.Random(3).randbytes(PIECE))
    blob = Slow(folder / "blob")
    with setting(blob, folder) as place:
        before = status("VmRSS")
        with place.files.modify(MASTER) as modification:
            for number in range(size // PIECE):
                block[:8] = number.to_bytes(8, "little")
                modification.add("/large", bytes(block))
        place.fresh()
        info, pieces = place.files.read(MASTER, "/large")
        assert sum(map(len, pieces)) == info.entry.size == size
        print(status("VmHWM") - before, blob.most)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
