"""The data that benchmarks put in: made anew for each run, random bytes with no file extension
that invites parsing."""

from __future__ import annotations

import mmap
import os
import random
from dataclasses import dataclass
from pathlib import Path

MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Sizes:
    """How large the workloads are. `quick` is for trying the harness, not for figures."""

    large_bytes: int = 1024 * MIB
    small_files: int = 100_000
    small_bytes: int = 4096
    changed: int = 100
    datums: int = 1_000
    many_datums: int = 10_000

    @classmethod
    def quick(cls) -> Sizes:
        return cls(64 * MIB, 5_000, 4096, 20, 100, 500)


def large_file(path: Path, size: int) -> None:
    """Random bytes, written in pieces of 16 MiB."""
    generator = random.Random(size)
    with path.open("wb") as out:
        for start in range(0, size, 16 * MIB):
            out.write(generator.randbytes(min(16 * MIB, size - start)))


def insert_in_the_middle(source: Path, target: Path, inserted: int = MIB) -> None:
    """`target` = `source` with `inserted` random bytes in its middle."""
    middle = source.stat().st_size // 2
    with source.open("rb") as data, target.open("wb") as out:
        remaining = middle
        while remaining:
            piece = data.read(min(16 * MIB, remaining))
            out.write(piece)
            remaining -= len(piece)
        out.write(os.urandom(inserted))
        while piece := data.read(16 * MIB):
            out.write(piece)


def small_tree(root: Path, sizes: Sizes) -> None:
    """`small_files` files of `small_bytes` each, 1,000 to a folder."""
    generator = random.Random(7)
    for start in range(0, sizes.small_files, 1000):
        folder = root / f"d{start // 1000:04d}"
        folder.mkdir(parents=True)
        for number in range(start, min(start + 1000, sizes.small_files)):
            (folder / f"f{number:06d}.bin").write_bytes(generator.randbytes(sizes.small_bytes))


def change_some(root: Path, sizes: Sizes) -> None:
    """Write `changed` files of the tree anew, spread evenly; each call changes others."""
    files = sorted(root.rglob("*.bin"))
    step = max(1, len(files) // sizes.changed)
    offset = random.randrange(step)
    for path in files[offset::step][: sizes.changed]:
        path.write_bytes(os.urandom(sizes.small_bytes))


def touch_memory(size: int = 3 << 30) -> None:
    """Make the machine have `size` bytes of free memory at hand.

    A virtual machine's host takes free memory back, and giving it again costs the guest up to three
    seconds of CPU per GiB: whichever tool comes first would pay for those after it.
    """
    piece = bytes(16 << 20)
    with mmap.mmap(-1, size) as memory:
        for _ in range(0, size, len(piece)):
            memory.write(piece)
