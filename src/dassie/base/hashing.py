"""The one hash of the system: BLAKE3 with 32 bytes. Pure. Everybody uses it.

The function releases the GIL on buffers large enough to matter, so it scales over threads.
"""

from __future__ import annotations

from blake3 import blake3

Buffer = bytes | bytearray | memoryview


def digest(data: Buffer) -> bytes:
    """BLAKE3-256 of `data`."""
    return blake3(data).digest()


def hasher() -> blake3:
    """An incremental hasher: `.update(data)`, `.digest()`."""
    return blake3()
