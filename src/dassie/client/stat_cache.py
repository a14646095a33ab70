"""What was uploaded from a folder, and how each file looked to `stat` then. Called by `upload.py`.

One file per server, target and folder, below the user's cache directory; losing it costs time, not
correctness. With the directory hash that the server reported, it says: as long as the target still
has that hash, files that look the same need neither be read nor named.

A file whose time stamps are younger than `RACY_NS` when it is read might be written again without
its time stamps changing (their granularity is up to two seconds on some file systems): its row is
spoiled, so that it counts as changed the next time.
"""

from __future__ import annotations

import contextlib
import json
import os
import struct
import tempfile
from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dassie.client.scan import COLUMNS, Directory, Known

RACY_NS = 2_000_000_000
HASH_BYTES = 32
_MAGIC = b"DASSIES1"
_HEADER = struct.Struct("<8s32sI")
_LENGTHS = struct.Struct("<III")
_MTIME, _CTIME = 3, 4
_SPOILED = -1


@dataclass(slots=True)
class Uploaded:
    """One directory as it was uploaded: what it looked like, and each file's content hash."""

    known: Known
    hashes: bytes


@dataclass(slots=True)
class StatCache:
    """The content of one cache file. `root_hash` is empty when nothing is known."""

    root_hash: bytes = b""
    directories: dict[str, Uploaded] = field(default_factory=dict)

    def known(self) -> dict[str, Known]:
        """What a scan compares with."""
        return {path: uploaded.known for path, uploaded in self.directories.items()}

    def remember(self, directory: Directory, hashes: bytes, read_at_ns: Mapping[int, int]) -> None:
        """Note a directory: a hash per file, and when reading began of those that were read."""
        stats = array("q")
        stats.frombytes(directory.stats)
        count = len(stats) // COLUMNS
        for index, moment in read_at_ns.items():
            youngest = max(stats[_MTIME * count + index], stats[_CTIME * count + index])
            if moment - youngest < RACY_NS:
                stats[_CTIME * count + index] = _SPOILED
        self.directories[directory.path] = Uploaded(Known(directory.names, stats.tobytes()), hashes)


def cache_file(folder: Path, deployment: str, target: str, source: Path) -> Path:
    """Where the cache of uploads from `source` to `target` (repo, branch, path) lies."""
    from blake3 import blake3

    name = blake3(json.dumps([deployment, target, str(source)]).encode()).hexdigest()[:32]
    return folder / f"{name}.uploaded"


def load(file: Path) -> StatCache:
    """An empty cache when there is none, or when it is damaged or of another version."""
    from blake3 import blake3

    try:
        data = file.read_bytes()
    except OSError:
        return StatCache()
    body, checksum = data[:-HASH_BYTES], data[-HASH_BYTES:]
    if len(data) < _HEADER.size + HASH_BYTES or blake3(body).digest() != checksum:
        return StatCache()
    magic, root_hash, count = _HEADER.unpack_from(body)
    if magic != _MAGIC:
        return StatCache()
    cache, position = StatCache(root_hash), _HEADER.size
    for _ in range(count):
        lengths = _LENGTHS.unpack_from(body, position)
        position += _LENGTHS.size
        parts = []
        for length in (*lengths, lengths[2] // (8 * COLUMNS) * HASH_BYTES):
            parts.append(body[position : position + length])
            position += length
        path = parts[0].decode()
        cache.directories[path] = Uploaded(Known(parts[1], parts[2]), parts[3])
    return cache


def save(cache: StatCache, file: Path) -> None:
    """Replace the cache file. Failing to is no error: the next upload reads more, that is all."""
    from blake3 import blake3

    parts = [_HEADER.pack(_MAGIC, cache.root_hash, len(cache.directories))]
    for path, uploaded in cache.directories.items():
        encoded, known = path.encode(), uploaded.known
        parts.append(_LENGTHS.pack(len(encoded), len(known.names), len(known.stats)))
        parts += (encoded, known.names, known.stats, uploaded.hashes)
    body = b"".join(parts)
    with contextlib.suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor, temporary = tempfile.mkstemp(dir=file.parent, suffix=".part")
        try:
            with os.fdopen(descriptor, "wb") as opened:
                opened.write(body)
                opened.write(blake3(body).digest())
            Path(temporary).replace(file)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
