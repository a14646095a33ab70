"""A prototype of the other design: a commit is a list of immutable sorted runs (an LSM tree).

Just enough of it, and as favourable to it as honesty allows, to measure it against
`dassie.storage`: real blocks, compressed, verified by hash, in the same durable object store, with
a block cache. A commit writes one small run, and runs are merged off the commit path.

A record of a directory holds what the run changes in the directory's totals. Its hash is the sum of
the hashes of the files below, the only kind that can be updated without reading the directory. That
is weaker than a hash of hashes: who may choose many contents can make two directories collide.
"""

from __future__ import annotations

import heapq
import struct
import uuid
from bisect import bisect_left, bisect_right
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import NamedTuple

import zstandard

from dassie.base.hashing import digest
from dassie.blob.api import BlobStore

BLOCK = 512
MODULUS = 1 << 256


class Record(NamedTuple):
    """A file (size, hash, 1), a deleted file (0, 0, 0), or changes of a directory's totals."""

    path: str
    size: int
    hash: int
    files: int


class Run:
    """One immutable sorted run: an object of blocks, and the first path of each block in memory."""

    def __init__(self, key: str, firsts: list[str], spans: list[tuple[int, int, bytes]]) -> None:
        self.key = key
        self.firsts = firsts
        self.spans = spans


class Commit(NamedTuple):
    """Runs from the oldest (the base) to the newest."""

    runs: tuple[Run, ...]


class SortedRuns:
    """The store."""

    def __init__(self, blob: BlobStore, cache_blocks: int = 700) -> None:
        self._blob = blob
        self._cache: OrderedDict[tuple[str, int], list[Record]] = OrderedDict()
        self._cache_blocks = (
            cache_blocks  # of decoded records: about as many bytes as Dassie's cache
        )
        self.written = 0

    # -- runs

    def write_run(self, records: Iterable[Record]) -> Run:
        """Write sorted records."""
        key = f"run/{uuid.uuid4().hex}"
        parts: list[bytes] = []
        firsts: list[str] = []
        spans: list[tuple[int, int, bytes]] = []
        offset = 0
        block: list[Record] = []
        compressor = zstandard.ZstdCompressor(level=1)

        def cut() -> None:
            nonlocal offset, block
            plain = encode(block)
            data = compressor.compress(plain)
            parts.append(data)
            firsts.append(block[0].path)
            spans.append((offset, len(data), digest(plain)))
            offset += len(data)
            block = []

        for record in records:
            block.append(record)
            if len(block) == BLOCK:
                cut()
        if block:
            cut()
        index = "\0".join(firsts).encode()
        table = b"".join(struct.pack("<QI32s", *span) for span in spans)
        parts += [index, table, struct.pack("<QQ", len(index), len(table))]
        self._blob.put(key, parts)
        self.written += sum(map(len, parts))
        return Run(key, firsts, spans)

    def _block(self, run: Run, i: int) -> list[Record]:
        cached = self._cache.get((run.key, i))
        if cached is not None:
            self._cache.move_to_end((run.key, i))
            return cached
        offset, length, name = run.spans[i]
        plain = zstandard.decompress(self._blob.get_range(run.key, offset, length))
        if digest(plain) != name:
            raise ValueError("corrupt block")
        records = decode(plain)
        self._cache[run.key, i] = records
        if len(self._cache) > self._cache_blocks:
            self._cache.popitem(last=False)
        return records

    def _get(self, run: Run, path: str) -> Record | None:
        i = bisect_right(run.firsts, path) - 1
        if i < 0:
            return None
        block = self._block(run, i)
        j = bisect_left(block, (path,))
        return block[j] if j < len(block) and block[j].path == path else None

    def _scan(self, run: Run, low: str, high: str) -> Iterator[Record]:
        i = max(0, bisect_right(run.firsts, low) - 1)
        while i < len(run.firsts) and run.firsts[i] < high:
            block = self._block(run, i)
            yield from block[bisect_left(block, (low,)) : bisect_left(block, (high,))]
            i += 1

    # -- commits

    def build(self, files: Iterable[Record]) -> Commit:
        """A base run from files in path order; totals of directories are summed up on the way."""
        return Commit((self.write_run(_with_directories(files)),))

    def finish(self, base: Commit, changes: Iterable[Record]) -> Commit:
        """A commit that changes some files: one small run."""
        changed = sorted(changes)
        totals: dict[str, list[int]] = {}
        for record in changed:
            old = self.lookup(base, record.path)
            size, files, name = record.size, record.files, record.hash
            if old is not None:
                size, files, name = size - old.size, files - old.files, name - old.hash
            for directory in _ancestors(record.path):
                total = totals.setdefault(directory, [0, 0, 0])
                total[0] += size
                total[1] += name
                total[2] += files
        folders = [Record(p, s, h % MODULUS, n) for p, (s, h, n) in totals.items()]
        return Commit((*base.runs, self.write_run(sorted([*changed, *folders]))))

    def lookup(self, commit: Commit, path: str) -> Record | None:
        """A file: the newest run that names it decides."""
        for run in reversed(commit.runs):
            record = self._get(run, path)
            if record is not None:
                return record if record.files else None
        return None

    def inspect(self, commit: Commit, directory: str) -> tuple[int, int, int]:
        """Size, number of files and hash of a directory: summed over the runs."""
        found = [r for run in commit.runs if (r := self._get(run, directory)) is not None]
        total = sum(r.hash for r in found) % MODULUS
        return sum(r.size for r in found), sum(r.files for r in found), total

    def scan(self, commit: Commit, low: str, high: str) -> Iterator[Record]:
        """Files in a range of paths, newest wins."""
        ranked = [
            ((record.path, -rank, record) for record in self._scan(run, low, high))
            for rank, run in enumerate(commit.runs)
        ]
        last = ""
        for path, _, record in heapq.merge(*ranked) if len(ranked) > 1 else ranked[0]:
            if path == last or path[-1] == "/":
                continue
            last = path
            if record.files:
                yield record

    def diff(self, old: Commit, new: Commit) -> Iterator[tuple[Record | None, Record | None]]:
        """What differs. Runs that both have are left out; without any, everything is compared."""
        shared = set(old.runs) & set(new.runs)
        if not shared:
            yield from self._compare(old, new)
            return
        own = [run for run in {*old.runs, *new.runs} if run not in shared]
        paths = {r.path for run in own for r in self._scan(run, "", "\U0010ffff")}
        for path in sorted(path for path in paths if path[-1] != "/"):
            left, right = self.lookup(old, path), self.lookup(new, path)
            if left != right:
                yield left, right

    def _compare(self, old: Commit, new: Commit) -> Iterator[tuple[Record | None, Record | None]]:
        both = heapq.merge(
            ((r.path, 0, r) for r in self.scan(old, "", "\U0010ffff")),
            ((r.path, 1, r) for r in self.scan(new, "", "\U0010ffff")),
        )
        for _, group in groupby(both, key=lambda item: item[0]):
            sides: list[Record | None] = [None, None]
            for _, side, record in group:
                sides[side] = record
            if sides[0] != sides[1]:
                yield sides[0], sides[1]

    def compact(self, commit: Commit) -> Commit:
        """Merge all runs into one base."""
        return self.build(self.scan(commit, "", "\U0010ffff"))


def _ancestors(path: str) -> list[str]:
    return [path[: i + 1] for i, char in enumerate(path) if char == "/"]


def _with_directories(files: Iterable[Record]) -> list[Record]:
    """Records of files and of the directories above them, in order of path."""
    totals: dict[str, list[int]] = {}
    records = []
    for record in files:
        records.append(record)
        for directory in _ancestors(record.path):
            total = totals.setdefault(directory, [0, 0, 0])
            total[0] += record.size
            total[1] += record.hash
            total[2] += 1
    records += [Record(p, s, h % MODULUS, n) for p, (s, h, n) in totals.items()]
    records.sort()
    return records


def encode(block: list[Record]) -> bytes:
    """Columns: paths, signed sizes, signed counts, hashes."""
    count = len(block)
    paths = "\0".join(r.path for r in block).encode()
    return b"".join(
        (
            struct.pack("<II", count, len(paths)),
            paths,
            struct.pack(f"<{count}q", *(r.size for r in block)),
            struct.pack(f"<{count}q", *(r.files for r in block)),
            *(r.hash.to_bytes(32, "little") for r in block),
        )
    )


def decode(data: bytes) -> list[Record]:
    """The inverse of `encode`."""
    count, length = struct.unpack_from("<II", data)
    at = 8 + length
    paths = data[8:at].decode().split("\0")
    sizes = struct.unpack_from(f"<{count}q", data, at)
    files = struct.unpack_from(f"<{count}q", data, at + 8 * count)
    at += 16 * count
    hashes = [int.from_bytes(data[i : i + 32], "little") for i in range(at, at + 32 * count, 32)]
    return list(map(Record, paths, sizes, hashes, files))
