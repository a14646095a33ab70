"""Put local files into a repo through the bulk service. Called by the command line.

The client cuts and hashes; the server is asked which chunks it lacks, and only those travel. All
sources of one call arrive as one atomic change. For a folder, a cache of `stat` results makes the
next upload read only what changed (see `stat_cache`).
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dassie.base.wire import with_field
from dassie.client import stat_cache
from dassie.client.batches import Batch, Buffer, Folder, PassedFile, Reader, Source, Tally
from dassie.client.errors import from_call
from dassie.client.handover import Handover
from dassie.client.passing import ToServer, may_pass
from dassie.client.refs import CommitRef
from dassie.client.scan import Directory, scan_ahead
from dassie.errors import Aborted, DataLoss

if TYPE_CHECKING:
    from dassie.client.connection import Connection

_METHOD = "/dassie.bulk.v1.Bulk/Put"
_FRAME_BYTES = 1 << 20
_ASKED_AHEAD = 3
_PUT_CHUNKS, _CHUNK_DATA = 3, 3
"""Field numbers: `PutRequest.chunks`, `Chunks.data`."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an upload is. `found_*` is final once `complete`."""

    files: int
    bytes: int
    found_files: int
    found_bytes: int
    complete: bool


@dataclass(frozen=True, slots=True)
class UploadResult:
    """What happened. files, bytes: named to the server; unchanged files of a folder are not.

    new_bytes: what the server did not have.  passed_over: what is no regular file, and why.
    """

    commit_id: str
    files: int
    bytes: int
    new_bytes: int
    unchanged_files: int
    passed_over: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class UploadOptions:
    """append: to what is there, instead of replacing it.

    cache_folder: where stat caches lie; `None` for none.  deployment: the server's stable id.
    """

    append: bool = False
    cache_folder: Path | None = None
    deployment: str = ""
    progress: Callable[[Progress], None] | None = None


def upload(
    connection: Connection,
    commit: CommitRef,
    sources: Sequence[Source],
    options: UploadOptions = UploadOptions(),
) -> UploadResult:
    """Upload all sources as one change of `commit` (a branch with a finished head gets a new one).

    Raises the server's error, or `OSError` for a local file; then nothing has changed.
    """
    folder = sources[0] if len(sources) == 1 else None
    if options.append or options.cache_folder is None or not isinstance(folder, Folder):
        return _Upload(connection, commit, options, stat_cache.StatCache()).run(sources, False)
    target = f"{commit}:{folder.destination}"
    source = Path(folder.path).resolve()
    file = stat_cache.cache_file(options.cache_folder, options.deployment, target, source)
    cache = stat_cache.load(file)
    scanned = scan_ahead(folder.path, cache.known())
    run = _Upload(connection, commit, options, cache)
    try:
        result = run.run(sources, bool(cache.root_hash), scanned)
    except Aborted:
        if not cache.root_hash:
            raise
        # Somebody else has changed the repo: name every file, but still read only what changed.
        run = _Upload(connection, commit, options, cache)
        result = run.run(sources, False)
    stat_cache.save(run.reader.uploaded, file)
    return result


class _Upload:
    """One `Put` stream. The reading thread fills batches; gRPC's thread draws requests; the
    caller's thread receives answers.
    """

    def __init__(
        self,
        connection: Connection,
        commit: CommitRef,
        options: UploadOptions,
        cache: stat_cache.StatCache,
    ) -> None:
        self._connection = connection
        self._commit = commit
        self._options = options
        self._cache = cache
        self._passage = ToServer() if may_pass(connection.target.host) else None
        self._answers: Handover[bytes] = Handover(2 * _ASKED_AHEAD)
        self._taken: Handover[bytes] = Handover(1)
        self._failure: BaseException | None = None
        self._tally = Tally()
        self._sent_files = 0
        self._sent_bytes = 0
        self._taken_bytes = 0

    def run(
        self,
        sources: Sequence[Source],
        skip_known: bool,
        scanned: Iterator[Directory] | None = None,
    ) -> UploadResult:
        self.reader = Reader(
            self._cache, skip_known=skip_known, tally=self._tally, passage=self._passage
        )
        reading = threading.Thread(
            target=self.reader.run, args=(sources, scanned), name="upload-read", daemon=True
        )
        reading.start()
        try:
            done = self._call(self._cache.root_hash if skip_known else b"")
        finally:
            self.reader.stop()
            self._answers.shut()
            self._taken.shut()
            if self._passage is not None:
                self._passage.close()
            reading.join()
        self.reader.uploaded.root_hash = done.root_hash
        names = sum(uploaded.known.names.count(b"\0") + 1 for uploaded in self._directories())
        return UploadResult(
            commit_id=done.commit.id,
            files=self._sent_files,
            bytes=self._sent_bytes,
            new_bytes=done.new_bytes,
            unchanged_files=max(0, names - self._sent_files),
            passed_over=tuple(self._tally.passed_over),
        )

    def _directories(self) -> list[stat_cache.Uploaded]:
        return list(self.reader.uploaded.directories.values())

    def _call(self, expected_root_hash: bytes) -> Any:
        import grpc

        from dassie._proto.dassie import bulk_pb2

        put = self._connection.channel.stream_stream(
            _METHOD,
            request_serializer=None,
            response_deserializer=bulk_pb2.PutResponse.FromString,
        )
        call = put(self._requests(expected_root_hash), metadata=self._connection.metadata)
        done = None
        try:
            for answer in call:
                body = answer.WhichOneof("body")
                if body == "missing":
                    self._answers.put(answer.missing.missing)
                elif body == "taken":
                    self._on_taken(answer.taken)
                elif body == "done":
                    done = answer.done
                elif body == "opened" and self._passage is not None:
                    self._passage.settle(answer.opened.socket, answer.opened.token)
        except grpc.RpcError as error:
            if self._failure is not None:
                raise self._failure from None
            raise from_call(error, self._connection.target.address) from error
        finally:
            call.cancel()  # when the caller was interrupted; else there is nothing left to cancel
        if done is None:
            raise DataLoss("the server ended the upload without confirming it")
        return done

    def _requests(self, expected_root_hash: bytes) -> Iterator[bytes]:
        """Serialised requests, drawn by gRPC's own thread. Asks a few batches ahead of sending."""
        from dassie._proto.dassie import bulk_pb2
        from dassie.client import messages

        try:
            opening = bulk_pb2.Open(
                commit=messages.commit(self._commit),
                expected_root_hash=expected_root_hash,
                pass_files=self._passage is not None,
            )
            yield bulk_pb2.PutRequest(open=opening).SerializeToString()
            asked: deque[Batch] = deque()
            for number, batch in enumerate(self.reader.batches):
                if batch.passed is not None:
                    while asked:
                        yield from self._send(asked.popleft())
                    yield from self._pass(batch.passed)
                    continue
                if batch.hashes:
                    query = bulk_pb2.Query(id=number, hashes=b"".join(batch.hashes))
                    yield bulk_pb2.PutRequest(query=query).SerializeToString()
                asked.append(batch)
                if len(asked) == _ASKED_AHEAD:
                    yield from self._send(asked.popleft())
            while asked:
                yield from self._send(asked.popleft())
        except GeneratorExit:
            raise  # the call has ended, and knows why
        except BaseException as error:
            # gRPC turns this into a cancelled call without a word about its cause.
            self._failure = error
            raise

    def _send(self, batch: Batch) -> Iterator[bytes]:
        if batch.hashes:
            yield from self._missing_chunks(batch, self._answers.get())
        if batch.window is not None:
            batch.data.clear()
            self.reader.windows.put(batch.window)
        if batch.files.paths:
            yield self._files(batch)
            self._sent_files += len(batch.files.paths)
        self._sent_bytes += batch.size
        self._report()

    def _pass(self, file: PassedFile) -> Iterator[bytes]:
        """Hand over an open file; the reader is told how the server fared with it."""
        from dassie._proto.dassie import bulk_pb2

        assert self._passage is not None  # noqa: S101 - else there would be no such batch
        try:
            self._passage.send(file.descriptor)
        except OSError:
            self.reader.taken.put(b"")
            return
        passed = bulk_pb2.PassedFile(path=file.path, append=self._options.append)
        yield bulk_pb2.PutRequest(passed=passed).SerializeToString()
        self.reader.taken.put(self._taken.get())

    def _on_taken(self, taken: Any) -> None:
        """The server has read more of a passed file, or all of it, or will not. Nothing is sent
        meanwhile."""
        self._sent_bytes += taken.size - self._taken_bytes
        self._taken_bytes = taken.size
        if taken.hash or taken.refused:
            self._taken_bytes = 0
            self._sent_files += bool(taken.hash)
        self._report()
        if taken.hash or taken.refused:
            self._taken.put(taken.hash)

    def _missing_chunks(self, batch: Batch, missing: bytes) -> Iterator[bytes]:
        hashes: list[bytes] = []
        data: list[Buffer] = []
        size = 0
        for index in range(len(batch.hashes)):
            if not missing[index]:
                continue
            piece = batch.data[index]
            if isinstance(piece, str):
                piece = _read_again(piece, batch.hashes[index])
            hashes.append(batch.hashes[index])
            data.append(piece)
            size += len(piece)
            if size >= _FRAME_BYTES:
                yield _chunks(hashes, data)
                hashes, data, size = [], [], 0
        if hashes:
            yield _chunks(hashes, data)

    def _files(self, batch: Batch) -> bytes:
        from dassie._proto.dassie import bulk_pb2

        columns = batch.files
        files = bulk_pb2.Files(
            paths=columns.paths,
            sizes=columns.sizes,
            hashes=b"".join(columns.hashes),
            chunk_counts=columns.chunk_counts,
            chunk_hashes=b"".join(columns.chunk_hashes),
            chunk_lengths=columns.chunk_lengths,
            append=self._options.append,
        )
        return bulk_pb2.PutRequest(files=files).SerializeToString()

    def _report(self) -> None:
        if self._options.progress is not None:
            tally = self._tally
            self._options.progress(
                Progress(
                    files=self._sent_files,
                    bytes=self._sent_bytes,
                    found_files=tally.found_files,
                    found_bytes=tally.found_bytes,
                    complete=tally.complete,
                )
            )


def _chunks(hashes: list[bytes], data: list[Buffer]) -> bytes:
    from dassie._proto.dassie import bulk_pb2

    chunks = bulk_pb2.Chunks(hashes=b"".join(hashes), lengths=list(map(len, data)))
    inner = with_field(chunks.SerializeToString(), _CHUNK_DATA, data)
    return b"".join(with_field(b"", _PUT_CHUNKS, inner))


def _read_again(path: str, expected: bytes) -> bytes:
    """The content of a file that was not read because its hash was known, but is wanted now."""
    from blake3 import blake3

    data = Path(path).read_bytes()
    if blake3(data).digest() != expected:
        raise Aborted(f"{path} changed while it was uploaded; nothing was stored: try again")
    return data
