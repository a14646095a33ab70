"""How a chunk's bytes are stored: as they are, or compressed by zstd. Pure.

Compression is tried on a sample first; what does not shrink is stored raw. All of it runs without
the GIL, in the threads that seal packs.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence

import zstandard

from dassie.blob.api import Buffer

RAW, ZSTD = 0, 1
_LEVEL = 1
_SMALL = 64 << 10
_SAMPLE = 16 << 10
_SAMPLE_CHUNKS = 64
_WORTH = 15 / 16
"""A chunk is kept compressed only when that saves at least a sixteenth."""

_local = threading.local()


def compress(chunks: Sequence[Buffer]) -> list[tuple[int, Buffer]]:
    """Codec and stored bytes of each chunk, in order."""
    compressor = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=False)
    stored: list[tuple[int, Buffer]] = [(RAW, chunk) for chunk in chunks]
    small = [i for i, chunk in enumerate(chunks) if len(chunk) <= _SMALL]
    step = -(-len(small) // _SAMPLE_CHUNKS)
    if small and _sample_shrinks(compressor, [chunks[i] for i in small[::step]]):
        squeezed = compressor.multi_compress_to_buffer([bytes(chunks[i]) for i in small])
        for position, i in enumerate(small):
            segment = squeezed[position]
            if len(segment) < len(chunks[i]) * _WORTH:
                stored[i] = (ZSTD, segment.tobytes())
    for i, chunk in enumerate(chunks):
        if len(chunk) > _SMALL and _large_shrinks(compressor, chunk):
            squeezed_chunk = compressor.compress(chunk)
            if len(squeezed_chunk) < len(chunk) * _WORTH:
                stored[i] = (ZSTD, squeezed_chunk)
    return stored


def _sample_shrinks(compressor: zstandard.ZstdCompressor, sample: Sequence[Buffer]) -> bool:
    plain = sum(len(chunk) for chunk in sample)
    return sum(len(compressor.compress(chunk)) for chunk in sample) < plain * _WORTH


def _large_shrinks(compressor: zstandard.ZstdCompressor, chunk: Buffer) -> bool:
    middle = (len(chunk) - _SAMPLE) // 2
    sample = memoryview(chunk)[middle : middle + _SAMPLE]
    return len(compressor.compress(sample)) < _SAMPLE * _WORTH


def decompress(codec: int, stored: bytes, length: int) -> bytes:
    """The plaintext; raises `ValueError` when `stored` cannot be `length` bytes of it."""
    if codec == RAW:
        plain = stored
    elif codec == ZSTD:
        decompressor = getattr(_local, "decompressor", None)
        if decompressor is None:
            decompressor = _local.decompressor = zstandard.ZstdDecompressor()
        try:
            if zstandard.frame_content_size(stored) != length:
                raise ValueError("its compressed form has another length")
            plain = decompressor.decompress(stored)
        except zstandard.ZstdError as error:
            raise ValueError(f"it cannot be decompressed ({error})") from None
    else:
        raise ValueError(f"its codec {codec} is unknown")
    if len(plain) != length:
        raise ValueError(f"it has {len(plain)} bytes instead of {length}")
    return plain
