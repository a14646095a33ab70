"""One `Put` stream of the bulk service: messages in, edits and stored chunks out. Blocking.

Called by `bulk`, from one thread at a time. The client has cut and hashed; here every chunk's bytes
are held against its hash, and the hash of a file of several chunks is computed again whenever all
its bytes came through this stream. Large files of a client on this machine come open
(`base.passing`), and are cut and hashed here.
"""

from __future__ import annotations

import logging
import os
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from itertools import accumulate, islice, pairwise
from typing import Final

from dassie._proto.dassie import bulk_pb2
from dassie.base.chunking import MAX_CHUNK_BYTES, MIN_CHUNK_BYTES
from dassie.base.hashing import Buffer, digests, hasher
from dassie.base.passing import Meeting, NotPassed, Passage
from dassie.base.wire import cut_field
from dassie.doors.grpc import convert
from dassie.doors.grpc.calls import parse
from dassie.errors import Aborted, InvalidArgument
from dassie.pfs.files import Files
from dassie.pfs.modification import Modification
from dassie.storage.types import HASH_BYTES, Content
from dassie.storage.writer import FileWriter

_log = logging.getLogger(__name__)

MAX_QUERY: Final = 4096
_CHUNKS, _CHUNK_DATA = 3, 3
"""Field numbers: `PutRequest.chunks`, `Chunks.data`."""
_CHUNKS_TAG: Final = _CHUNKS << 3 | 2
_STEP_BYTES: Final = 64 << 20
"""Of a passed file: read at a time, before looking whether the client is still there."""


class BrokenOff(Aborted):
    def __init__(self) -> None:
        super().__init__("the upload broke off before its end; nothing was written")


class PutStream:
    """State of one stream."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self._context: AbstractContextManager[Modification] | None = None
        self._modification: Modification | None = None
        self._sequence = ChunkSequence()
        self._waiting: deque[bytes] = deque()
        self._meeting: Meeting | None = None
        self._passage: Passage | None = None
        self._passed: _PassedFile | None = None

    @property
    def is_busy(self) -> bool:
        """Whether there is more to do of what came: `go_on`."""
        return self._passed is not None or bool(self._waiting)

    def take_all(self, messages: Iterable[bytes]) -> list[bulk_pb2.PutResponse]:
        """`take` each, as far as that goes at once."""
        self._waiting.extend(messages)
        return self.go_on()

    def go_on(self) -> list[bulk_pb2.PutResponse]:
        """Read a step of a passed file, or take more messages."""
        answers: list[bulk_pb2.PutResponse] = []
        while self._waiting and self._passed is None:
            answers += self.take(self._waiting.popleft())
        if self._passed is not None:
            answers.append(self._read_passed(self._passed))
        return answers

    def take(self, raw: bytes) -> list[bulk_pb2.PutResponse]:
        """Carry out one serialised `PutRequest`; what is to be answered."""
        if raw[:1] == bytes([_CHUNKS_TAG]):
            _, chunks = cut_field(raw, _CHUNKS)
            self._take_chunks(chunks)
            return []
        request = parse(bulk_pb2.PutRequest, raw)
        body = request.WhichOneof("body")
        if body == "open":
            return self._open(request.open)
        if body == "query":
            return [self._answer(request.query)]
        if body == "passed":
            return self._take_passed(request.passed)
        if body == "files":
            self._take_files(request.files)
        elif body == "deletes":
            for path in request.deletes.paths:
                self._open_modification().delete(path)
        else:
            raise InvalidArgument("a message of the upload says nothing")
        return []

    def finish(self) -> list[bulk_pb2.PutResponse]:
        """The client has half-closed: publish everything at once."""
        modification = self._open_modification()
        context, self._context = self._context, None
        if context is not None:
            context.__exit__(None, None, None)
        done = bulk_pb2.Done(
            root_hash=modification.root.hash,
            files=modification.files,
            new_bytes=modification.upload.new_bytes,
        )
        if modification.commit is not None:
            done.commit.CopyFrom(convert.commit(modification.commit))
        return [bulk_pb2.PutResponse(done=done)]

    def abandon(self) -> None:
        """Drop everything. Harmless after `finish`, whether that succeeded or not."""
        if self._passed is not None:
            self._passed.close()
        for each in (self._meeting, self._passage):
            if each is not None:
                each.close()
        context, self._context = self._context, None
        if context is not None:
            with suppress(BrokenOff):
                context.__exit__(BrokenOff, BrokenOff(), None)

    def _open(self, message: bulk_pb2.Open) -> list[bulk_pb2.PutResponse]:
        if self._modification is not None:
            raise InvalidArgument("open may only be the first message of the upload")
        self._context = self._files.modify(
            convert.commit_ref(message.commit), expected_root_hash=message.expected_root_hash
        )
        self._modification = self._context.__enter__()
        if not message.pass_files:
            return []
        opened = bulk_pb2.Opened()
        if meeting := Meeting.offer():
            self._meeting = meeting
            opened.socket, opened.token = meeting.name, meeting.token
        return [bulk_pb2.PutResponse(opened=opened)]

    def _open_modification(self) -> Modification:
        if self._modification is None:
            raise InvalidArgument("the first message of the upload must be open")
        return self._modification

    def _answer(self, query: bulk_pb2.Query) -> bulk_pb2.PutResponse:
        hashes = split_hashes(query.hashes)
        if len(hashes) > MAX_QUERY:
            raise InvalidArgument(f"a query names {len(hashes)} chunks; {MAX_QUERY} are allowed")
        missing = bytes(self._open_modification().upload.missing(hashes))
        return bulk_pb2.PutResponse(missing=bulk_pb2.Missing(id=query.id, missing=missing))

    def _take_chunks(self, raw: memoryview) -> None:
        upload = self._open_modification().upload
        rest, data = cut_field(raw, _CHUNK_DATA)
        message = parse(bulk_pb2.Chunks, rest)
        hashes, lengths = split_hashes(message.hashes), list(message.lengths)
        if len(hashes) != len(lengths) or sum(lengths) != len(data):
            raise InvalidArgument("a message with chunks contradicts itself about their number")
        if lengths and not (min(lengths) > 0 and max(lengths) <= MAX_CHUNK_BYTES):
            raise InvalidArgument(f"a chunk has 1 to {MAX_CHUNK_BYTES} bytes")
        views = [data[start:end] for start, end in pairwise(accumulate(lengths, initial=0))]
        # A view of a small part would keep the whole message in memory.
        chunks: list[Buffer] = [bytes(v) if 2 * len(v) < len(data) else v for v in views]
        found = digests(chunks)
        if found != hashes:
            wrong = next(name for name, real in zip(hashes, found, strict=True) if name != real)
            raise InvalidArgument(f"chunk {wrong.hex()}: its bytes do not match its hash")
        upload.take_all(hashes, chunks)
        self._sequence.add(hashes, lengths, data)

    def _take_files(self, message: bulk_pb2.Files) -> None:
        modification = self._open_modification()
        hashes, sizes = split_hashes(message.hashes), list(message.sizes)
        chunk_hashes, chunk_lengths = split_hashes(message.chunk_hashes), message.chunk_lengths
        counts = list(message.chunk_counts)
        listed = sum(count for count in counts if count > 1)
        if not (
            len(message.paths) == len(sizes) == len(hashes) == len(counts)
            and listed == len(chunk_hashes) == len(chunk_lengths)
        ):
            raise InvalidArgument("a message with files has columns of different lengths")
        paths = list(message.paths)
        if not listed and list(map(self._sequence.lengths.get, hashes)) == sizes:
            # New small files, all of one chunk that came a moment ago: in a third of the time.
            contents = list(map(Content, hashes, sizes))
        else:
            parts = _parts(hashes, sizes, counts, chunk_hashes, chunk_lengths)
            contents = list(map(self._content, paths, sizes, hashes, parts))
        modification.add_contents(paths, contents, append=message.append)
        self._sequence = ChunkSequence()

    def _take_passed(self, message: bulk_pb2.PassedFile) -> list[bulk_pb2.PutResponse]:
        modification = self._open_modification()
        if self._meeting is None:
            raise InvalidArgument(f"file {message.path}: this stream did not ask to pass files")
        path = modification.check_file(message.path)
        try:
            if self._passage is None:
                self._passage = self._meeting.accept()
            descriptor = self._passage.receive()
        except NotPassed as error:
            _log.info("file %s is sent instead of handed over: %s", path, error)
            return [bulk_pb2.PutResponse(taken=bulk_pb2.Taken(refused=True))]
        writer = modification.upload.writer()
        self._passed = _PassedFile(path, message.append, descriptor, writer)
        return []

    def _read_passed(self, file: _PassedFile) -> bulk_pb2.PutResponse:
        taken = bulk_pb2.Taken()
        if file.read():
            taken.size = file.writer.size
        else:
            self._passed = None
            file.close()
            content = file.writer.close()
            self._open_modification().add_contents([file.path], [content], append=file.append)
            taken.size, taken.hash = content.size, content.hash
        return bulk_pb2.PutResponse(taken=taken)

    def _content(
        self, path: str, size: int, name: bytes, chunks: list[tuple[bytes, int]]
    ) -> Content:
        if len(chunks) > 1:
            self._sequence.check(path, name, chunks)
        elif chunks and self._sequence.lengths.get(name) == size:
            return Content(name, size)  # it came a moment ago
        content = self._open_modification().upload.assemble(name, chunks)
        if content.size != size:
            raise InvalidArgument(f"file {path}: its chunks have {content.size} bytes, not {size}")
        return content


@dataclass(slots=True)
class _PassedFile:
    """An open file of the client, and how much of it was read."""

    path: str
    append: bool
    descriptor: int
    writer: FileWriter

    def read(self) -> bool:
        """Whether there may be more."""
        try:
            return self.writer.fill(self.descriptor, _STEP_BYTES)
        except OSError as error:
            raise InvalidArgument(f"file {self.path}: cannot read it: {error.strerror}") from error

    def close(self) -> None:
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1


class ChunkSequence:
    """The chunks that came since the last file was named: small files, or the next large one.

    Then its hash comes for one more pass over bytes that are in the cache anyway. Small files are
    one chunk, which is verified as such; a sequence that starts with one is not followed.
    """

    def __init__(self) -> None:
        self.lengths: dict[bytes, int] = {}
        """Bytes of each chunk."""
        self._chunks: list[tuple[bytes, int]] = []
        self._whole = hasher()
        self._followed = True

    def add(self, names: list[bytes], lengths: list[int], data: memoryview) -> None:
        """Consecutive chunks, which are together `data`."""
        if not self.lengths and lengths and lengths[0] < MIN_CHUNK_BYTES:
            self._followed = False
        chunks = list(zip(names, lengths, strict=True))
        self.lengths.update(chunks)
        if self._followed:
            self._chunks += chunks
            self._whole.update(data)

    def check(self, path: str, claimed: bytes, chunks: list[tuple[bytes, int]]) -> None:
        """Raise when these very chunks have another hash than the client says."""
        if self._followed and self._chunks == chunks and self._whole.digest() != claimed:
            raise InvalidArgument(f"file {path}: its bytes do not match its hash {claimed.hex()}")


def _parts(
    hashes: list[bytes],
    sizes: list[int],
    counts: list[int],
    chunk_hashes: list[bytes],
    chunk_lengths: Sequence[int],
) -> Iterator[list[tuple[bytes, int]]]:
    """The chunks of each file."""
    listed = zip(chunk_hashes, chunk_lengths, strict=True)
    for name, size, count in zip(hashes, sizes, counts, strict=True):
        if count > 1:
            yield list(islice(listed, count))
        else:
            yield [(name, size)] if count else []


def split_hashes(joined: bytes) -> list[bytes]:
    if len(joined) % HASH_BYTES:
        raise InvalidArgument(f"{len(joined)} bytes are not a list of hashes")
    return [joined[i : i + HASH_BYTES] for i in range(0, len(joined), HASH_BYTES)]
