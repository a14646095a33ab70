"""One `Get` of the bulk service: files out, in frames. Blocking. Called by `bulk`.

Directories are not named: each file's path says which it lies in. Large files of a client on this
machine are written here, into files that it hands over (`base.passing`).
"""

from __future__ import annotations

import logging
import os
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final

from dassie._proto.dassie import bulk_pb2
from dassie.base.passing import PASSED_BYTES, NotPassed, Passage
from dassie.base.wire import with_field
from dassie.doors.grpc import convert
from dassie.doors.grpc.calls import BATCH_BYTES, Urgent
from dassie.errors import InvalidArgument
from dassie.pfs.files import Files
from dassie.storage.types import Dir, Entry

_log = logging.getLogger(__name__)

_FRAME_DATA: Final = 4
"""Field number of `GetFrame.data`."""
_STEP_BYTES: Final = 64 << 20
"""Of a file that the client has handed over: written at a time, before saying so."""
_CHUNKS_AHEAD: Final = 4
"""Chunks that wait to be written."""


def frames(files: Files, request: bulk_pb2.GetRequest) -> Iterator[bytes]:
    """Serialised `GetFrame`s."""
    if request.offset:
        yield from _rest_of_file(files, request)
        return
    ref, path = convert.file_ref(request.file)
    _, named, contents = files.contents(ref, path, literal=not request.allow_glob)
    opened = passage = Passage.to(request.socket, request.token)
    frame = Frame(named)
    try:
        for entries, data in contents:
            if isinstance(data, list):
                for entry, whole in zip(entries, data, strict=True):
                    if not isinstance(entry.node, Dir):
                        frame.add(entry, whole)
                        if frame.full:
                            yield frame.take()
            elif passage is not None and entries[0].node.size >= PASSED_BYTES:
                yield frame.take()
                frame.add(entries[0], b"")
                yield Urgent(frame.take(passed=True))
                descriptor = _received(passage, entries[0].path)
                if descriptor is not None:
                    yield from _written(descriptor, entries[0].path, data)
                else:
                    passage = None  # it will not be better with the next one
                    yield from _in_frames(frame, entries[0], data)
            else:
                yield from _in_frames(frame, entries[0], data)
    finally:
        if opened is not None:
            opened.close()
    yield frame.take()


def _rest_of_file(files: Files, request: bulk_pb2.GetRequest) -> Iterator[bytes]:
    ref, path = convert.file_ref(request.file)
    info, pieces = files.read(ref, path, request.offset)
    frame = Frame([info.entry])
    yield from _in_frames(frame, info.entry, pieces)
    yield frame.take()


def _received(passage: Passage, path: str) -> int | None:
    """The file that the client hands over for `path`, unless it does not."""
    try:
        return passage.receive()
    except NotPassed as error:
        _log.info("file %s is sent instead of written: %s", path, error)
        return None


def _in_frames(frame: Frame, entry: Entry, chunks: Iterable[bytes]) -> Iterator[bytes]:
    for chunk in chunks:
        frame.add(entry, chunk)
        if frame.full:
            yield frame.take()


def _written(descriptor: int, path: str, chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Write a file that was announced into what the client has opened for it."""
    writing: deque[Future[int]] = deque()
    written = 0
    try:
        # Reading and verifying go on meanwhile.
        with ThreadPoolExecutor(1, thread_name_prefix="write") as writer:
            for chunk in chunks:
                writing.append(writer.submit(_write, descriptor, path, chunk))
                if len(writing) > _CHUNKS_AHEAD:
                    written += writing.popleft().result()
                if written >= _STEP_BYTES:
                    yield Urgent(bulk_pb2.GetFrame(written=written).SerializeToString())
                    written = 0
            written += sum(future.result() for future in writing)
        # The last word comes when the whole has been verified.
        yield Urgent(bulk_pb2.GetFrame(written=written, passed=True).SerializeToString())
    finally:
        os.close(descriptor)


def _write(descriptor: int, path: str, data: bytes) -> int:
    """How many bytes that were."""
    view = memoryview(data)
    try:
        while view:
            view = view[os.write(descriptor, view) :]
    except OSError as error:
        raise InvalidArgument(f"file {path}: cannot write it: {error.strerror}") from error
    return len(data)


class Frame:
    """A `GetFrame` in the making. The first one taken says how much there is in all."""

    def __init__(self, named: Sequence[Entry]) -> None:
        self._totals = bulk_pb2.GetFrame(
            total_bytes=sum(entry.size for entry in named),
            total_files=sum(e.node.files if isinstance(e.node, Dir) else 1 for e in named),
        )
        self._begin()

    def _begin(self) -> None:
        self._paths: list[str] = []
        self._sizes: list[int] = []
        self._data: list[bytes] = []
        self._size = 0

    @property
    def full(self) -> bool:
        return self._size >= BATCH_BYTES

    def add(self, entry: Entry, data: bytes) -> None:
        self._paths.append(entry.path)
        self._sizes.append(entry.node.size)
        self._data.append(data)
        # An empty file takes room too.
        self._size += len(data) + len(entry.path)

    def take(self, *, passed: bool = False) -> bytes:
        message, self._totals = self._totals, bulk_pb2.GetFrame()
        message.paths.extend(self._paths)
        message.sizes.extend(self._sizes)
        message.lengths.extend(map(len, self._data))
        message.passed = passed
        raw = b"".join(with_field(message.SerializeToString(), _FRAME_DATA, self._data))
        self._begin()
        return raw
