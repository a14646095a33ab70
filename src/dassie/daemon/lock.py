"""One server per data folder: an advisory lock that tells who holds it. Called by `main`.

The kernel drops the lock with the process, however that ends, so there are no stale locks to clean
up.
"""

from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path
from types import TracebackType
from typing import Self

from dassie.errors import FailedPrecondition

FILE = "pachd.lock"


class FolderLock:
    """Holds `folder` from `__enter__` to `__exit__`; FailedPrecondition when another
    process does.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._descriptor = -1

    def __enter__(self) -> Self:
        descriptor = os.open(self._folder / FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            # Not flock: that a process which is just being forked, and will become a worker, would
            # hold too, for a moment longer than a server that is killed then.
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            holder = _holder(descriptor)
            os.close(descriptor)
            raise FailedPrecondition(
                f"the data folder {self._folder} is in use by {holder};"
                " stop that server or choose another folder with --data"
            ) from None
        self._descriptor = descriptor
        self._write({"pid": os.getpid()})
        return self

    def announce(self, address: str) -> None:
        """Tell others where the holder listens."""
        self._write({"pid": os.getpid(), "address": address})

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        # The file stays: removing it would let two servers lock two files of one name.
        os.ftruncate(self._descriptor, 0)
        os.close(self._descriptor)

    def _write(self, record: dict[str, object]) -> None:
        text = json.dumps(record).encode()
        os.pwrite(self._descriptor, text.ljust(256), 0)


def _holder(descriptor: int) -> str:
    """Text for a message; the holder may have written nothing yet."""
    try:
        record = json.loads(os.pread(descriptor, 256, 0))
    except ValueError:
        return "another pachd that is just starting"
    address = record.get("address")
    where = f" listening on {address}" if address else ", which is just starting"
    return f"another pachd (process {record.get('pid')}{where})"
