"""Keep other processes of the same user out of the memory and environment of this one."""

from __future__ import annotations

import ctypes
from typing import Final

_PR_SET_DUMPABLE: Final = 4


def keep_memory_private() -> None:
    """No tracing, no `/proc/<pid>/environ` or `mem`, no core dump; programs that this one starts
    are as usual. Root can look all the same.
    """
    ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
