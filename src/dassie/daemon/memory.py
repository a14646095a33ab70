"""How the C library keeps freed memory. Called first thing by processes that move file contents."""

from __future__ import annotations

import ctypes
from typing import Final

_M_ARENA_MAX: Final = -8


def share_one_heap() -> None:
    """Let all threads use one heap; to be called before any is started.

    The C library gives threads heaps of their own and keeps in each what was freed, up to 32 MiB a
    piece: with packs on their way in several threads that is twice what is in use. Small objects
    have Python's own allocator, so nobody waits for anybody.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, 1)
