"""A pachd for workers in tests: the real wire protocol and real storage, datums from a list."""

# ruff: noqa: N802 - gRPC names the methods

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import grpc

from dassie._proto.dassie import worker_pb2 as pb
from dassie._proto.dassie import worker_pb2_grpc
from dassie.blob.api import BlobStore
from dassie.pps.worker.link import TOKEN_KEY
from dassie.storage.lease import HeldSession
from dassie.storage.store import Storage
from dassie.storage.types import EMPTY_DIR, ChunkLocation, Content, Dir, Put

TOKEN = "secret-token"
TIMEOUT = 60.0


class MemoryIndex:
    """`ChunkIndex` in a dict."""

    def __init__(self) -> None:
        self.places: dict[bytes, ChunkLocation] = {}

    def find(self, hashes: list[bytes]) -> dict[bytes, ChunkLocation]:
        return {key: self.places[key] for key in hashes if key in self.places}

    def add_pack(self, key: str, size: int, entries: list[tuple[bytes, ChunkLocation]]) -> None:
        for name, place in entries:
            self.places.setdefault(name, place)


@dataclass
class Pachd(worker_pb2_grpc.WorkerServicer):
    """Hands out `datums` and keeps what comes back. Everything may be set before workers start."""

    blob: BlobStore
    transform: Mapping[str, Any] = field(default_factory=dict)
    tries: int = 1
    timeout_ms: int = 0
    env: Mapping[str, str] = field(default_factory=dict)
    storage_json: str = ""
    batch: int = 10
    heartbeat_ms: int = 50

    def __post_init__(self) -> None:
        self.index = MemoryIndex()
        self.storage = Storage(self.blob, self.index, HeldSession(1))
        self.waiting: list[pb.Datum] = []
        self.results: dict[str, pb.Result] = {}
        self.lines: list[pb.LogLine] = []
        self.kill: set[str] = set()
        self.restart: set[str] = set()
        self.beats: list[pb.HeartbeatRequest] = []
        self.registered: list[pb.RegisterRequest] = []
        self.refuse: set[str] = set()
        self.packs = 0
        self.reports = 0
        self.stopped = False
        self._count = 0
        self._changed = threading.Condition()
        self._server = grpc.server(ThreadPoolExecutor(8))
        worker_pb2_grpc.add_WorkerServicer_to_server(self, self._server)
        self.address = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        self._server.start()

    # -- for tests ---------------------------------------------------------------------------

    def put(self, data: bytes) -> Content:
        return self.tree({"/f": data}, Content)

    def tree(self, files: Mapping[str, bytes], kind: type = Dir) -> Any:
        """Store files; the directory, or the only file's content."""
        with self.storage.session() as upload:
            puts = [Put(path, upload.put(data)) for path, data in files.items()]
            root = upload.edit(EMPTY_DIR, puts)
            upload.flush()
        return root if kind is Dir else puts[0].node

    def datum(self, *inputs: pb.Input, env: Mapping[str, str] | None = None, **more: Any) -> str:
        """Queue a datum; returns its id."""
        with self._changed:
            self._count += 1
            name = f"{self._count:064x}"
            self.waiting.append(
                pb.Datum(
                    lease=f"lease-{self._count}",
                    job_id="a" * 32,
                    datum_id=name,
                    inputs=inputs,
                    env=env or {},
                    **more,
                )
            )
            self._changed.notify_all()
            return name

    def file(self, name: str, path: str, data: bytes, **more: Any) -> pb.Input:
        content = self.put(data)
        return pb.Input(
            name=name,
            path=path,
            hash=content.hash,
            ref=content.ref or b"",
            size=content.size,
            **more,
        )

    def folder(self, name: str, path: str, files: Mapping[str, bytes], **more: Any) -> pb.Input:
        root = self.tree(files)
        return pb.Input(
            name=name,
            path=path,
            hash=root.hash,
            ref=root.ref or b"",
            size=root.size,
            files=root.files,
            **more,
        )

    def result(self, datum: str) -> pb.Result:
        """Wait for a datum's result."""
        with self._changed:
            assert self._changed.wait_for(lambda: datum in self.results, TIMEOUT), self.text()
            return self.results[datum]

    def wait(self, what: Any) -> None:
        with self._changed:
            assert self._changed.wait_for(what, TIMEOUT), self.text()

    def outputs(self, datum: str) -> dict[str, bytes]:
        """Everything that a successful datum wrote."""
        result = self.result(datum)
        assert result.outcome == pb.SUCCESS, (result.reason, self.text())
        out = result.output
        root = Dir(out.hash, out.ref or None, out.size, out.files)
        entries = self.storage.tree.walk(root, "/", dirs=False)
        files = {entry.path: b"".join(self.storage.read(entry.node)) for entry in entries}
        assert (root.files, root.size) == (len(files), sum(map(len, files.values())))
        return files

    def reason(self, datum: str) -> str:
        """Why a datum failed."""
        result = self.result(datum)
        assert result.outcome == pb.FAILED, self.text()
        assert "\n" not in result.reason
        return result.reason

    def text(self, *, user: bool | None = None) -> str:
        with self._changed:
            return "\n".join(
                line.message for line in self.lines if user is None or line.user == user
            )

    def stop(self) -> None:
        with self._changed:
            self.stopped = True
            self._changed.notify_all()

    def close(self) -> None:
        self.stop()
        self._server.stop(0.2).wait()

    # -- dassie.worker.v1.Worker -------------------------------------------------------------

    def _check(self, context: grpc.ServicerContext) -> None:
        if dict(context.invocation_metadata()).get(TOKEN_KEY) != TOKEN:
            context.abort(grpc.StatusCode.PERMISSION_DENIED, "wrong token")

    def Register(self, request: Any, context: Any) -> pb.RegisterResponse:
        self._check(context)
        with self._changed:
            self.registered.append(request)
            self._changed.notify_all()
        return pb.RegisterResponse(
            project="default",
            pipeline="edges",
            pipeline_version=1,
            transform_json=json.dumps(dict(self.transform)),
            storage_json=self.storage_json,
            datum_tries=self.tries,
            datum_timeout_ms=self.timeout_ms,
            env=self.env,
            heartbeat_ms=self.heartbeat_ms,
            session=1,
        )

    def Lease(self, request: Any, context: Any) -> pb.LeaseResponse:
        self._check(context)
        deadline = time.monotonic() + request.wait_ms / 1000
        with self._changed:
            while not self.waiting and not self.stopped and context.is_active():
                if time.monotonic() >= deadline:
                    break
                self._changed.wait(min(0.5, max(0.0, deadline - time.monotonic())))
            count = min(request.max, self.batch)
            taken, self.waiting = self.waiting[:count], self.waiting[count:]
            return pb.LeaseResponse(datums=taken, stop=self.stopped and not taken)

    def Report(self, request: Any, context: Any) -> pb.ReportResponse:
        self._check(context)
        with self._changed:
            self.reports += 1
            refused = [r.lease for r in request.results if r.lease in self.refuse]
            self.results |= {r.datum_id: r for r in request.results if r.lease not in refused}
            self._changed.notify_all()
        return pb.ReportResponse(refused=refused)

    def Heartbeat(self, request: Any, context: Any) -> pb.HeartbeatResponse:
        self._check(context)
        with self._changed:
            self.beats.append(request)
            self._changed.notify_all()
            restart, self.restart = self.restart, set()
            return pb.HeartbeatResponse(kill=self.kill, restart=restart)

    def Log(self, request: Any, context: Any) -> pb.LogResponse:
        self._check(context)
        with self._changed:
            self.lines.extend(request.lines)
            self._changed.notify_all()
        return pb.LogResponse()

    def FindChunks(self, request: Any, context: Any) -> pb.FindChunksResponse:
        self._check(context)
        hashes = [request.hashes[i : i + 32] for i in range(0, len(request.hashes), 32)]
        found = self.index.find(hashes)
        places = [found[name] for name in hashes if name in found]
        packs = list(dict.fromkeys(place.pack for place in places))
        return pb.FindChunksResponse(
            found=bytes(name in found for name in hashes),
            packs=packs,
            pack=[packs.index(place.pack) for place in places],
            offsets=[place.offset for place in places],
            stored=[place.stored for place in places],
            lengths=[place.length for place in places],
            codecs=bytes(place.codec for place in places),
        )

    def AddPack(self, request: Any, context: Any) -> pb.AddPackResponse:
        self._check(context)
        hashes = [request.hashes[i : i + 32] for i in range(0, len(request.hashes), 32)]
        rows: Iterable[Any] = zip(
            hashes, request.offsets, request.stored, request.lengths, request.codecs, strict=True
        )
        entries = [(h, ChunkLocation(request.key, o, s, n, c)) for h, o, s, n, c in rows]
        with self._changed:
            self.packs += 1
            self.index.add_pack(request.key, request.size, entries)
        return pb.AddPackResponse()
