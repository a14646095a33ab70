"""dassie.worker.v1.Worker: what workers say to pachd. Every call shows its pool's token.

A request for work waits on the event loop, not in a thread, however many workers are idle; and
heartbeats are answered there too, so that a busy server does not take its workers for dead.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from google.protobuf.json_format import MessageToJson, ParseDict

from dassie._proto.dassie import worker_pb2 as pb
from dassie._proto.pps import pps_pb2
from dassie.base.clock import from_micros
from dassie.doors.grpc.calls import Call
from dassie.errors import InvalidArgument
from dassie.pps.datums import DatumStats, InputFile
from dassie.pps.dispatch import Dispatcher, LeasedDatum
from dassie.pps.logs import LogStore
from dassie.pps.model import LogLine
from dassie.pps.results import Result
from dassie.pps.states import DatumState
from dassie.storage.types import HASH_BYTES, ChunkIndex, ChunkLocation, Dir

TOKEN_KEY: Final = "dassie-worker-token"  # noqa: S105 - the name, not the secret
LARGEST_LEASE: Final = 512
LONGEST_WAIT_S: Final = 60.0

_STATES: Final = {
    pb.Outcome.SUCCESS: DatumState.SUCCESS,
    pb.Outcome.FAILED: DatumState.FAILED,
    pb.Outcome.RECOVERED: DatumState.RECOVERED,
}


class WorkerService:
    """Methods as `calls` describes them.

    `storage`: how workers reach the object store, keys included; told to those alone that show the
    token of their pool.
    """

    def __init__(
        self, dispatcher: Dispatcher, logs: LogStore, index: ChunkIndex, storage: str
    ) -> None:
        self._dispatcher = dispatcher
        self._logs = logs
        self._index = index
        self._storage = storage

    def register(self, request: pb.RegisterRequest, call: Call) -> pb.RegisterResponse:
        if not request.worker_id:
            raise InvalidArgument("a worker must have an id: worker_id is not set")
        known = self._dispatcher.register(_token(call), request.worker_id)
        spec = known.spec
        transform = ParseDict(spec.json["transform"], pps_pb2.Transform())
        return pb.RegisterResponse(
            project=known.key.project,
            pipeline=known.key.name,
            pipeline_version=known.version,
            transform_json=MessageToJson(transform, indent=None),
            storage_json=self._storage,
            datum_tries=spec.datum_tries,
            datum_timeout_ms=round((spec.datum_timeout_s or 0) * 1000),
            env=dict(known.env),
            heartbeat_ms=round(self._dispatcher.heartbeat_seconds * 1000),
            session=known.session,
        )

    async def lease(self, request: pb.LeaseRequest, call: Call) -> pb.LeaseResponse:
        token, worker = _token(call), request.worker_id
        loop = asyncio.get_running_loop()
        give_up = loop.time() + min(request.wait_ms / 1000, LONGEST_WAIT_S)
        work = asyncio.Event()

        def wake() -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(work.set)

        undo = self._dispatcher.on_work(worker, wake)
        try:
            while True:
                work.clear()
                if not self._dispatcher.wanted(token, worker):
                    return pb.LeaseResponse(stop=True)
                if self._dispatcher.has_work(worker):
                    taken = await call.run(self._take, token, request)
                    if taken.datums:
                        return taken
                try:
                    await asyncio.wait_for(work.wait(), give_up - loop.time())
                except TimeoutError:
                    return pb.LeaseResponse()
        finally:
            undo()

    def _take(self, token: str, request: pb.LeaseRequest) -> pb.LeaseResponse:
        limit = max(1, min(request.max, LARGEST_LEASE))
        leased = self._dispatcher.lease(token, request.worker_id, limit)
        return pb.LeaseResponse(datums=[_datum(datum) for datum in leased])

    def report(self, request: pb.ReportRequest, call: Call) -> pb.ReportResponse:
        results = [(item.lease, _result(item)) for item in request.results]
        refused = self._dispatcher.report(_token(call), request.worker_id, results)
        return pb.ReportResponse(refused=refused)

    async def heartbeat(self, request: pb.HeartbeatRequest, call: Call) -> pb.HeartbeatResponse:
        kill, restart = self._dispatcher.heartbeat(
            _token(call),
            request.worker_id,
            request.leases,
            request.running,
            request.running_since_us,
        )
        return pb.HeartbeatResponse(kill=sorted(kill), restart=sorted(restart))

    def log(self, request: pb.LogRequest, call: Call) -> pb.LogResponse:
        key = self._dispatcher.pipeline_of(_token(call))
        self._logs.append(
            [
                LogLine(
                    from_micros(line.ts_us),
                    key,
                    line.message,
                    line.job_id,
                    line.datum_id,
                    request.worker_id,
                    line.user,
                )
                for line in request.lines
            ]
        )
        return pb.LogResponse()

    def find_chunks(self, request: pb.FindChunksRequest, call: Call) -> pb.FindChunksResponse:
        self._dispatcher.pipeline_of(_token(call))
        hashes = _hashes(request.hashes)
        places = self._index.find(hashes)
        found = [places[name] for name in hashes if name in places]
        packs = list(dict.fromkeys(place.pack for place in found))
        number = {pack: at for at, pack in enumerate(packs)}
        return pb.FindChunksResponse(
            found=bytes(name in places for name in hashes),
            packs=packs,
            pack=[number[place.pack] for place in found],
            offsets=[place.offset for place in found],
            stored=[place.stored for place in found],
            lengths=[place.length for place in found],
            codecs=bytes(place.codec for place in found),
        )

    def add_pack(self, request: pb.AddPackRequest, call: Call) -> pb.AddPackResponse:
        self._dispatcher.pipeline_of(_token(call))
        columns = (request.offsets, request.stored, request.lengths, request.codecs)
        hashes = _hashes(request.hashes)
        if any(len(column) != len(hashes) for column in columns):
            raise InvalidArgument(f"pack {request.key!r}: its columns are not of one length")
        entries = [
            (name, ChunkLocation(request.key, offset, stored, length, codec))
            for name, offset, stored, length, codec in zip(hashes, *columns, strict=True)
        ]
        self._index.add_pack(request.key, request.size, entries)
        return pb.AddPackResponse()


def _token(call: Call) -> str:
    return call.metadata.get(TOKEN_KEY, "")


def _hashes(joined: bytes) -> list[bytes]:
    if len(joined) % HASH_BYTES:
        raise InvalidArgument(f"{len(joined)} bytes are not a list of {HASH_BYTES}-byte hashes")
    return [joined[at : at + HASH_BYTES] for at in range(0, len(joined), HASH_BYTES)]


def _datum(datum: LeasedDatum) -> pb.Datum:
    return pb.Datum(
        lease=datum.token,
        job_id=datum.job_id,
        datum_id=datum.datum_id,
        attempt=datum.attempt,
        inputs=_inputs(datum.inputs),
        env=dict(datum.env),
    )


def _inputs(files: Sequence[InputFile]) -> list[pb.Input]:
    return [
        pb.Input(
            name=file.name,
            path=file.path,
            hash=file.node.hash,
            ref=file.node.ref or b"",
            size=file.node.size,
            files=file.node.files if isinstance(file.node, Dir) else 0,
            lazy=file.lazy,
            empty_files=file.empty_files,
        )
        for file in files
    ]


def _result(item: pb.Result) -> Result:
    state = _STATES.get(item.outcome)
    if state is None:
        raise InvalidArgument(f"datum {item.datum_id}: outcome {item.outcome} is not known")
    output = None
    if state == DatumState.SUCCESS and item.output.files:
        out = item.output
        output = Dir(out.hash, out.ref or None, out.size, out.files)
    return Result(
        state,
        item.reason,
        output,
        DatumStats(
            item.download_us,
            item.process_us,
            item.upload_us,
            item.download_bytes,
            item.upload_bytes,
        ),
        item.tries,
        item.started_us,
    )
