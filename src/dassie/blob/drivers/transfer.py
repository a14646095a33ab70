"""Rules that the drivers of remote stores share: when to use parts, how long a transfer may take.
Pure."""

from __future__ import annotations

from collections.abc import Sequence

from dassie.blob.api import Buffer
from dassie.blob.keys import check_key
from dassie.blob.settings import StorageSettings

PARTS_AT_ONCE = 4
"""Parts of one object under way at one time."""
SLOWEST = 512 << 10
"""Bytes a second, beyond the time of a request; a transfer slower than this has failed. A pack on a
connection that died in silence is sent again soon enough for its client to be waiting still."""


def body_of(key: str, parts: Sequence[Buffer]) -> bytes:
    """One body of all parts; the caller's buffers are not kept."""
    check_key(key)
    if len(parts) == 1 and isinstance(parts[0], bytes):
        return parts[0]
    return b"".join(parts)


def one_request(size: int, part_bytes: int) -> bool:
    """Whether an object of `size` bytes is sent whole: a pack always is."""
    return size <= 2 * part_bytes


def time_for(settings: StorageSettings, size: int) -> float:
    """Seconds that a request moving `size` bytes may take."""
    return settings.request_timeout_s + size / SLOWEST
