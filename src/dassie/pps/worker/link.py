"""The worker's side of `dassie.worker.v1`: everything that a worker says to pachd.

The only module of the worker that knows the wire. All methods block and may be called from any
thread. While pachd cannot be reached calls are repeated for `PATIENCE` seconds; then, or when pachd
does not know this worker any more, they raise `LinkLost`, which ends the worker: its executor
starts another one.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import grpc

from dassie._proto.dassie import worker_pb2 as pb
from dassie._proto.dassie import worker_pb2_grpc
from dassie.pps.worker import model
from dassie.storage.types import ChunkLocation, Content, Dir

log = logging.getLogger(__name__)

TOKEN_KEY: Final = "dassie-worker-token"  # noqa: S105 - the name, not the secret
PATIENCE: Final = 20.0
LOG_SECONDS: Final = 0.3
LOG_BYTES: Final = 64 << 10
LOG_LIMIT: Final = 4 << 20
"""Bytes of log lines that may wait; whoever logs more waits, so that no line is lost."""
INDEX_CACHE: Final = 200_000
"""Chunk locations that are remembered."""
MESSAGE_LIMIT: Final = 20 << 20
FIND_BATCH: Final = 4096


class LinkLost(Exception):
    """pachd is gone, or does not want this worker any more."""


@dataclass(frozen=True, slots=True)
class Offer:
    """Answer to a request for work."""

    tasks: tuple[model.Task, ...]
    stop: bool


class Link:
    """One worker's connection to pachd."""

    def __init__(self, address: str, token: str, worker_id: str) -> None:
        self.worker_id = worker_id
        self._channel = grpc.insecure_channel(
            address,
            options=[
                ("grpc.max_receive_message_length", MESSAGE_LIMIT),
                ("grpc.max_send_message_length", MESSAGE_LIMIT),
                ("grpc.enable_http_proxy", 0),
            ],
        )
        self._stub = worker_pb2_grpc.WorkerStub(self._channel)  # type: ignore[no-untyped-call]
        self._metadata = ((TOKEN_KEY, token),)
        self._closing = threading.Event()

    def register(self, pid: int, sandbox: str) -> model.Assignment:
        """Enter this worker; whatever it had leased before is given up."""
        request = pb.RegisterRequest(worker_id=self.worker_id, pid=pid, sandbox=sandbox)
        answer = self._call(self._stub.Register, request)
        return model.Assignment(
            project=answer.project,
            pipeline=answer.pipeline,
            version=answer.pipeline_version,
            code=model.UserCode.from_json(answer.transform_json),
            storage=answer.storage_json,
            tries=max(1, answer.datum_tries),
            timeout=answer.datum_timeout_ms / 1000 or None,
            env=dict(answer.env),
            heartbeat=(answer.heartbeat_ms or 2000) / 1000,
            session=answer.session,
        )

    def lease(self, limit: int, wait: float) -> Offer:
        """Up to `limit` datums; waits up to `wait` seconds when there are none."""
        request = pb.LeaseRequest(worker_id=self.worker_id, max=limit, wait_ms=int(wait * 1000))
        answer = self._call(self._stub.Lease, request, timeout=wait + 30)
        return Offer(tuple(_task(datum) for datum in answer.datums), answer.stop)

    def report(self, results: Sequence[model.Result]) -> set[str]:
        """Hand in results; returns the leases that had expired, whose results were dropped."""
        request = pb.ReportRequest(
            worker_id=self.worker_id, results=[_result(result) for result in results]
        )
        return set(self._call(self._stub.Report, request).refused)

    def heartbeat(self, leases: Sequence[str], running: str, running_since_us: int) -> model.Orders:
        """Keep leases alive."""
        request = pb.HeartbeatRequest(
            worker_id=self.worker_id,
            leases=leases,
            running=running,
            running_since_us=running_since_us,
        )
        answer = self._call(self._stub.Heartbeat, request)
        return model.Orders(frozenset(answer.kill), frozenset(answer.restart))

    def log(self, lines: Sequence[model.Line]) -> None:
        """Hand in log lines."""
        request = pb.LogRequest(
            worker_id=self.worker_id,
            lines=[
                pb.LogLine(
                    ts_us=line.ts_us,
                    job_id=line.job_id,
                    datum_id=line.datum_id,
                    user=line.user,
                    message=line.message,
                )
                for line in lines
            ],
        )
        self._call(self._stub.Log, request)

    def find_chunks(self, hashes: bytes) -> pb.FindChunksResponse:
        """Look up 32-byte hashes, one after the other."""
        answer: pb.FindChunksResponse = self._call(
            self._stub.FindChunks, pb.FindChunksRequest(hashes=hashes)
        )
        return answer

    def add_pack(self, request: pb.AddPackRequest) -> None:
        """Record a pack that is in the object store."""
        self._call(self._stub.AddPack, request)

    def close(self) -> None:
        self._closing.set()
        self._channel.close()

    def _call(self, method: Callable[..., Any], request: Any, *, timeout: float = 30) -> Any:
        """Call with the token; repeat while pachd is not there."""
        give_up = time.monotonic() + PATIENCE
        pause = 0.05
        while True:
            try:
                return method(request, metadata=self._metadata, timeout=timeout)
            except grpc.RpcError as error:
                code, details = error.code(), error.details()
            except ValueError:  # the channel was closed
                raise LinkLost("the connection to pachd was closed") from None
            if code not in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED):
                raise LinkLost(f"pachd refused: {details} ({code.name})")
            if time.monotonic() > give_up:
                raise LinkLost(f"pachd cannot be reached: {details}")
            if self._closing.wait(pause):
                raise LinkLost("the connection to pachd was closed")
            pause = min(pause * 2, 1.0)


class RemoteIndex:
    """`ChunkIndex` over a link, with a memory. Thread-safe.

    What it remembers stays true as long as the worker's upload session, under which it was found,
    is alive; `forget` when a new one begins.
    """

    def __init__(self, link: Link, limit: int = INDEX_CACHE) -> None:
        self._link = link
        self._limit = limit
        self._lock = threading.Lock()
        self._known: OrderedDict[bytes, ChunkLocation] = OrderedDict()

    def find(self, hashes: list[bytes]) -> dict[bytes, ChunkLocation]:
        """Locations of those hashes that are stored; the others are absent."""
        with self._lock:
            found = {key: self._known[key] for key in hashes if key in self._known}
        missing = [key for key in dict.fromkeys(hashes) if key not in found]
        for start in range(0, len(missing), FIND_BATCH):
            batch = missing[start : start + FIND_BATCH]
            fresh = _locations(batch, self._link.find_chunks(b"".join(batch)))
            found.update(fresh)
            self._remember(fresh)
        return found

    def add_pack(self, key: str, size: int, entries: list[tuple[bytes, ChunkLocation]]) -> None:
        """Record a pack that is durable in the object store."""
        self._link.add_pack(
            pb.AddPackRequest(
                key=key,
                size=size,
                hashes=b"".join(chunk for chunk, _ in entries),
                offsets=[at.offset for _, at in entries],
                stored=[at.stored for _, at in entries],
                lengths=[at.length for _, at in entries],
                codecs=bytes(at.codec for _, at in entries),
            )
        )
        self._remember(dict(entries))

    def forget(self) -> None:
        with self._lock:
            self._known.clear()

    def _remember(self, locations: dict[bytes, ChunkLocation]) -> None:
        with self._lock:
            self._known.update(locations)
            while len(self._known) > self._limit:
                self._known.popitem(last=False)


class LogBuffer:
    """Gathers log lines and hands them in, in order, from a thread of its own.

    failed: called once, from that thread, when pachd cannot be reached any more.
    """

    def __init__(
        self, send: Callable[[Sequence[model.Line]], None], failed: Callable[[Exception], None]
    ) -> None:
        self._send = send
        self._failed = failed
        self._lines: list[model.Line] = []
        self._bytes = 0
        self._in_flight = 0
        self._urgent = self._closed = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="logs", daemon=True)
        self._thread.start()

    def add(self, lines: Sequence[model.Line]) -> None:
        """Queue lines; waits while too much is queued already."""
        with self._changed:
            while self._bytes > LOG_LIMIT and not self._closed:
                self._changed.wait()
            first = not self._lines
            self._lines.extend(lines)
            self._bytes += sum(len(line.message) for line in lines) + 32 * len(lines)
            if first or self._bytes >= LOG_BYTES:
                self._changed.notify_all()

    def flush(self) -> None:
        """Wait until everything queued so far is with pachd."""
        with self._changed:
            self._urgent = True
            self._changed.notify_all()
            while (self._lines or self._in_flight) and not self._closed:
                self._changed.wait()

    def close(self) -> None:
        self.flush()
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join(2)

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._lines:
                    if self._closed:
                        return
                    self._changed.wait()
                self._changed.wait_for(
                    lambda: self._urgent or self._closed or self._bytes >= LOG_BYTES, LOG_SECONDS
                )
                batch, self._lines = self._lines, []
                self._in_flight, self._bytes, self._urgent = len(batch), 0, False
                self._changed.notify_all()
            try:
                for start in range(0, len(batch), 1000):
                    self._send(batch[start : start + 1000])
            except Exception as error:  # noqa: BLE001 - the thread's outermost loop
                with self._changed:
                    self._closed = True
                    self._changed.notify_all()
                self._failed(error)
                return
            with self._changed:
                self._in_flight = 0
                self._changed.notify_all()


def _locations(hashes: list[bytes], answer: pb.FindChunksResponse) -> dict[bytes, ChunkLocation]:
    found = [key for key, flag in zip(hashes, answer.found, strict=True) if flag]
    return {
        key: ChunkLocation(answer.packs[pack], offset, stored, length, codec)
        for key, pack, offset, stored, length, codec in zip(
            found,
            answer.pack,
            answer.offsets,
            answer.stored,
            answer.lengths,
            answer.codecs,
            strict=True,
        )
    }


def _task(datum: pb.Datum) -> model.Task:
    return model.Task(
        lease=datum.lease,
        job_id=datum.job_id,
        datum_id=datum.datum_id,
        attempt=datum.attempt,
        inputs=tuple(_input(item) for item in datum.inputs),
        env=dict(datum.env),
        timeout=datum.timeout_ms / 1000 or None,
    )


def _input(item: pb.Input) -> model.DatumInput:
    node: Content | Dir
    if item.path.endswith("/"):
        node = Dir(item.hash, item.ref or None, item.size, item.files)
    else:
        node = Content(item.hash, item.size, item.ref or None)
    return model.DatumInput(item.name, item.path, node, item.lazy, item.empty_files)


def _result(result: model.Result) -> pb.Result:
    message = pb.Result(
        lease=result.lease,
        job_id=result.job_id,
        datum_id=result.datum_id,
        outcome=result.outcome.name,
        reason=result.reason,
        download_bytes=result.download_bytes,
        upload_bytes=result.upload_bytes,
        download_us=result.download_us,
        process_us=result.process_us,
        upload_us=result.upload_us,
        tries=result.tries,
        started_us=result.started_us,
    )
    if result.output is not None:
        root = result.output
        message.output.CopyFrom(
            pb.Output(hash=root.hash, ref=root.ref or b"", size=root.size, files=root.files)
        )
    return message
