"""How the C library keeps freed memory. For processes that move file contents."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path
from typing import Final

KEPT_BYTES: Final = 400 << 20
"""More than usual work takes. Below it nothing is given back: to have memory again takes longer
than to use what is there."""
_M_ARENA_MAX: Final = -8
_STATM: Final = Path("/proc/self/statm")


def share_one_heap() -> None:
    """Let all threads use one heap; to be called before any is started.

    The C library gives threads heaps of their own and keeps in each what was freed, up to 32 MiB a
    piece: with packs on their way in several threads that is twice what is in use. Small objects
    have Python's own allocator, so nobody waits for anybody.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, 1)


def give_back(kept: int = KEPT_BYTES) -> None:
    """Return what was freed to the system, when the process has more than `kept` bytes.

    By itself the C library returns only what lies above the last block in use, so one object that
    came late keeps the memory of a burst, such as hundreds of readers at once, for good.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None and _STATM.exists() and resident_bytes() > kept:
        trim(0)


def resident_bytes() -> int:
    """Memory that this process takes now; Linux."""
    return int(_STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
