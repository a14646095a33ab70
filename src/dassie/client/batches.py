"""Local files → batches of chunks and file records, ready to be sent. Called by `upload.py`.

Runs in a thread of its own, so that reading, cutting and hashing overlap sending. Small files are
one chunk each and are gathered; a large file is read through a few reused windows and cut where the
server would cut it. Memory is bounded by the windows and by the batches in flight, whatever the
size of the files. Knows nothing of gRPC.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from blake3 import blake3

from dassie.base.chunking import MAX_CHUNK_BYTES, MIN_CHUNK_BYTES, Cutter
from dassie.base.passing import PASSED_BYTES
from dassie.client.handover import Handover
from dassie.client.passing import ToServer
from dassie.client.scan import Directory, scan
from dassie.client.stat_cache import HASH_BYTES, StatCache

WINDOW_BYTES = 2 * MAX_CHUNK_BYTES
WINDOWS = 4
BATCH_FILES = 1024
BATCH_BYTES = 4 << 20

_READ = os.O_RDONLY | os.O_CLOEXEC

Buffer = bytes | bytearray | memoryview


@dataclass(frozen=True, slots=True)
class Folder:
    """Everything below a local folder goes below `destination`."""

    path: str
    destination: str


@dataclass(frozen=True, slots=True)
class LocalFile:
    """One local file goes to the path `destination`."""

    path: str
    destination: str


@dataclass(frozen=True, slots=True)
class Stream:
    """What `reader` still yields goes to the path `destination`."""

    reader: BinaryIO
    destination: str


Source = Folder | LocalFile | Stream


@dataclass(slots=True)
class Tally:
    """Counts that the reading thread raises and others read. `complete`: nothing more will be
    found."""

    found_files: int = 0
    found_bytes: int = 0
    complete: bool = False
    passed_over: list[str] = field(default_factory=list)


@dataclass(slots=True)
class FileColumns:
    """Records of whole files, column by column, as the wire has them."""

    paths: list[str] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    hashes: list[bytes] = field(default_factory=list)
    chunk_counts: list[int] = field(default_factory=list)
    chunk_hashes: list[bytes] = field(default_factory=list)
    chunk_lengths: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class PassedFile:
    """An open file that the server shall read itself; it stays open until that has happened."""

    descriptor: int
    path: str


@dataclass(slots=True)
class Batch:
    """Chunks to offer, and the files that are complete once they are stored.

    data: per chunk its bytes, or the path of the file to read them from if the server lacks them.
    window: lent to this batch; goes back when it is sent.
    passed: instead of all that, one file.
    """

    hashes: list[bytes] = field(default_factory=list)
    data: list[Buffer | str] = field(default_factory=list)
    files: FileColumns = field(default_factory=FileColumns)
    size: int = 0
    window: bytearray | None = None
    full: bool = False
    passed: PassedFile | None = None

    def add(self, path: str, size: int, digest: bytes, data: Buffer | str) -> None:
        """A file of one chunk, or of none."""
        files = self.files
        files.paths.append(path)
        files.sizes.append(size)
        files.hashes.append(digest)
        if size:
            self.hashes.append(digest)
            self.data.append(data)
            files.chunk_counts.append(1)
        else:
            files.chunk_counts.append(0)
        self.size += size
        self.full = self.size >= BATCH_BYTES or len(files.paths) >= BATCH_FILES


class Reader:
    """Turns sources into batches. `run` is the body of the reading thread.

    skip_known: files that look as they did at the last upload are there already; say nothing.
    passage: for large files, when the server is on this machine.
    """

    def __init__(
        self, cache: StatCache, *, skip_known: bool, tally: Tally, passage: ToServer | None = None
    ) -> None:
        self.batches: Handover[Batch] = Handover(3)
        self.windows: Handover[bytearray] = Handover(WINDOWS)
        self.taken: Handover[bytes] = Handover(1)
        """Hashes of passed files, as the server has read them."""
        self.uploaded = StatCache()
        """What the cache shall hold when the upload has succeeded."""
        self._cache = cache
        self._skip_known = skip_known
        self._tally = tally
        self._passage = passage
        self._batch = Batch()
        self._lent = 0

    def run(self, sources: Sequence[Source], scanned: Iterator[Directory] | None = None) -> None:
        """Read everything; `scanned` is the scan of the first folder if it was started before."""
        try:
            for source in sources:
                if isinstance(source, Folder):
                    self._folder(source, scanned or scan(source.path, self._cache.known()))
                    scanned = None
                elif isinstance(source, LocalFile):
                    size = Path(source.path).stat().st_size
                    self._found(1, size)
                    self._file(source.path, source.destination, size)
                    self._hand_over_if_full()
                else:
                    self._found(1, 0)
                    self._large(source.reader, source.destination, b"")
                    self._hand_over_if_full()
            self._tally.complete = True
            self._hand_over()
            self.batches.end()
        except BaseException as error:  # noqa: BLE001 - raised again by the thread that sends
            self.batches.shut(error)

    def stop(self) -> None:
        """Wake the reading thread and end it."""
        self.batches.shut()
        self.windows.shut()
        self.taken.shut()

    def _found(self, files: int, size: int) -> None:
        self._tally.found_files += files
        self._tally.found_bytes += size

    def _folder(self, source: Folder, directories: Iterator[Directory]) -> None:
        for directory in directories:
            below = f"{directory.path}/" if directory.path else ""
            self._tally.passed_over += [below + text for text in directory.passed_over]
            if directory.names:
                destination = "/".join(part for part in (source.destination.rstrip("/"), below))
                self._directory(directory, f"{source.path}/{below}", destination)

    def _directory(self, directory: Directory, local: str, destination: str) -> None:
        names, sizes = directory.file_names(), directory.sizes()
        hashes, known = self._known_hashes(directory, names)
        read_at: dict[int, int] = {}
        if self._skip_known:
            self._found(len(directory.changed), sum(sizes[index] for index in directory.changed))
        else:
            self._found(len(names), sum(sizes))
        # Opened from here, a file costs a quarter less than by its whole path.
        folder = os.open(local or ".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            for index in directory.changed if self._skip_known else range(len(names)):
                name, at = names[index], index * HASH_BYTES
                if known[index] and sizes[index] <= MIN_CHUNK_BYTES:
                    digest = bytes(hashes[at : at + HASH_BYTES])
                    self._batch.add(destination + name, sizes[index], digest, local + name)
                else:
                    read_at[index] = time.time_ns()
                    try:
                        digest = self._file(name, destination + name, sizes[index], folder)
                    except OSError as error:
                        error.filename = local + name  # a person needs the folder, too
                        raise
                    hashes[at : at + HASH_BYTES] = digest
                if self._batch.full:
                    self._hand_over()
        finally:
            os.close(folder)
        self.uploaded.remember(directory, bytes(hashes), read_at)

    def _known_hashes(self, directory: Directory, names: list[str]) -> tuple[bytearray, bytearray]:
        """Per file the hash known from the last upload, and a 1 where it may be trusted."""
        known = bytearray(b"\1") * len(names)
        for index in directory.changed:
            known[index] = 0
        before = self._cache.directories.get(directory.path)
        if before is None:
            return bytearray(HASH_BYTES * len(names)), known
        if before.known.names == directory.names:
            return bytearray(before.hashes), known
        hashes = bytearray(HASH_BYTES * len(names))
        old_names = before.known.names.decode().split("\0")
        places = {name: place * HASH_BYTES for place, name in enumerate(old_names)}
        for index, name in enumerate(names):
            if known[index]:
                at = places[name]
                hashes[index * HASH_BYTES : (index + 1) * HASH_BYTES] = before.hashes[
                    at : at + HASH_BYTES
                ]
        return hashes, known

    def _file(self, local: str, destination: str, size: int, folder: int | None = None) -> bytes:
        """Read one file (in the open `folder`), which had `size` bytes a moment ago; the hash of
        its content."""
        descriptor = os.open(local, _READ, dir_fd=folder)
        try:
            if size >= PASSED_BYTES and (hash_ := self._pass(descriptor, destination)):
                return hash_
            # Asking for much more than there is costs more than the reading.
            data = os.read(descriptor, min(size, MIN_CHUNK_BYTES) + 1)
            if len(data) == size <= MIN_CHUNK_BYTES:
                digest = blake3(data).digest()
                self._batch.add(destination, len(data), digest, data)
            else:
                with os.fdopen(descriptor, "rb", buffering=0, closefd=False) as reader:
                    digest = self._large(reader, destination, data)
        finally:
            os.close(descriptor)
        return digest

    def _pass(self, descriptor: int, destination: str) -> bytes:
        """Let the server read a file; the hash of what it found, empty when it does not."""
        if self._passage is None or not self._passage.is_open():
            return b""
        self._hand_over()
        self._batch.passed = PassedFile(descriptor, destination)
        self._hand_over()
        found = self.taken.get()
        if not found:
            self._passage = None
        return found

    def _large(self, reader: BinaryIO, destination: str, head: bytes) -> bytes:
        """A file in windows; `head` was read from it already. The hash of its content."""
        self._hand_over()
        whole, cutter, files = blake3(), Cutter(), FileColumns()
        rest: Buffer = head
        size, ended = 0, False
        while not ended:
            window = self._window()
            window[: len(rest)] = rest
            filled, ended = _fill(reader, window, len(rest))
            view = memoryview(window)[:filled]
            position = 0
            for length in cutter.cut(view, final=ended):
                chunk = view[position : position + length]
                position += length
                self._batch.hashes.append(blake3(chunk).digest())
                self._batch.data.append(chunk)
                files.chunk_lengths.append(length)
            whole.update(view[:position])
            files.chunk_hashes += self._batch.hashes
            size += position
            rest = bytes(view[position:])
            self._batch.window, self._batch.size = window, position
            if ended:
                self._complete(files, destination, size, whole.digest())
            self._hand_over()
        return whole.digest()

    def _complete(self, files: FileColumns, path: str, size: int, digest: bytes) -> None:
        files.paths, files.sizes, files.hashes = [path], [size], [digest]
        files.chunk_counts = [len(files.chunk_hashes)]
        if len(files.chunk_hashes) < 2:
            files.chunk_hashes, files.chunk_lengths = [], []
        self._batch.files = files

    def _window(self) -> bytearray:
        if self._lent < WINDOWS:
            self._lent += 1
            return bytearray(WINDOW_BYTES)
        return self.windows.get()

    def _hand_over_if_full(self) -> None:
        if self._batch.full:
            self._hand_over()

    def _hand_over(self) -> None:
        if self._batch.hashes or self._batch.files.paths or self._batch.passed:
            self.batches.put(self._batch)
        self._batch = Batch()


def _fill(reader: BinaryIO, window: bytearray, start: int) -> tuple[int, bool]:
    """Read until the window is full or the stream ends: bytes in the window, whether it ended."""
    readinto: Callable[[memoryview], int | None] | None = getattr(reader, "readinto", None)
    view = memoryview(window)
    position = start
    while position < len(window):
        if readinto is not None:
            got = readinto(view[position:]) or 0
        else:
            data = reader.read(min(1 << 20, len(window) - position))
            got = len(data)
            view[position : position + got] = data
        if got == 0:
            return position, True
        position += got
    return position, False
