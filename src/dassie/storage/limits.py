"""Sizes that bound memory and objects. Passed to `Storage`; tests make them small."""

from __future__ import annotations

from dataclasses import dataclass

MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Limits:
    """
    pack_bytes: plaintext gathered before a pack is sealed.
    pack_chunks: the same, in chunks.
    record_chunks: chunks of stored packs gathered before the index is told of them.
    buffer_bytes: plaintext that all uploads of the process together keep waiting in memory.
    probe_chunks, probe_bytes: chunks gathered before the index is asked which of them it knows.
    cache_bytes: decoded tree nodes kept.
    read_bytes: one read of a pack at most.
    read_gap: unwanted bytes between two chunks read along to save a request.
    seal_threads: threads that compress and store packs.
    edit_batch: edits of a tree applied at once; bounds the memory of an endless stream of edits.
    """

    pack_bytes: int = 24 * MIB
    pack_chunks: int = 1 << 16
    record_chunks: int = 1 << 16
    buffer_bytes: int = 128 * MIB
    probe_chunks: int = 2048
    probe_bytes: int = 8 * MIB
    cache_bytes: int = 96 * MIB
    read_bytes: int = 4 * MIB
    read_gap: int = 64 << 10
    seal_threads: int = 2
    edit_batch: int = 1 << 16
