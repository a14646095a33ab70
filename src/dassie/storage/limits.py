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
    fetch_threads: threads that read packs; 0: whoever reads does it in its own thread.
    ahead_bytes: plaintext that all readers of the process together have fetched ahead of use.
    ahead_batches: batches that one reader has fetched ahead.
    seal_threads: threads that compress and store packs.
    packs_in_flight: packs of one upload that are being stored at a time.
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
    fetch_threads: int = 0
    ahead_bytes: int = 0
    ahead_batches: int = 0
    seal_threads: int = 2
    packs_in_flight: int = 2
    edit_batch: int = 1 << 16

    @classmethod
    def remote(cls, concurrency: int = 16) -> Limits:
        """For a store behind a network, which may be asked `concurrency` things at a time.

        A request costs as much time as a megabyte or two, so gaps are read along; and one stream
        moves less than the line can, so several packs are under way, read ahead and written.
        """
        writers = max(1, min(4, concurrency))
        return cls(
            pack_bytes=10 * MIB,
            buffer_bytes=48 * MIB,
            probe_bytes=2 * MIB,
            read_bytes=16 * MIB,
            read_gap=MIB,
            fetch_threads=max(1, min(16, concurrency)),
            ahead_bytes=64 * MIB,
            ahead_batches=4,
            seal_threads=writers,
            packs_in_flight=writers,
        )
