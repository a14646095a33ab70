"""pps_v2.API, datums and logs. Part of `pps.PpsService`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import timedelta
from itertools import islice
from typing import Final, TypeVar

from dassie._proto.pps import pps_pb2
from dassie.base.clock import Clock
from dassie.doors.grpc import convert
from dassie.doors.grpc import pps_convert as wire
from dassie.doors.grpc.calls import Call, Requests
from dassie.doors.grpc.pps_jobs import RECHECK_S
from dassie.errors import FailedPrecondition, InvalidArgument
from dassie.meta.notify import Notifier
from dassie.pfs.model import DEFAULT_PROJECT
from dassie.pps.datums import DatumInputs
from dassie.pps.model import DatumInfo, JobKey, LogLine, LogQuery, PipelineKey
from dassie.pps.service import Pps

_T = TypeVar("_T")

_DEFAULT_SINCE: Final = timedelta(hours=24)
_DEFAULT_BATCH: Final = 100
"""Datums that CreateDatum sends when the client does not say how many."""
_LOG_BATCH: Final = 512


class DatumMethods:
    _pps: Pps
    _notifier: Notifier
    _clock: Clock

    def list_datum(
        self, request: pps_pb2.ListDatumRequest, _call: Call
    ) -> Iterator[pps_pb2.DatumInfo]:
        if request.HasField("job") == request.HasField("input"):
            raise InvalidArgument("list datum needs a job or an input, and not both")
        number = convert.at_most(request.number, "number")
        states = wire.datum_states(request.filter.state)
        if request.HasField("job"):
            datums = self._pps.list_datums(
                wire.job_key(request.job),
                after=request.paginationMarker,
                reverse=request.reverse,
                states=states,
            )
        else:
            datums = self._preview(request.input)
            if request.paginationMarker or request.reverse:
                raise InvalidArgument(
                    "datums of an input have no order yet: paginationMarker and reverse need a job"
                )
            if states:
                datums = (info for info in datums if info.state in states)
        for info in islice(datums, number or None):
            yield wire.datum_info(info)

    def inspect_datum(self, request: pps_pb2.InspectDatumRequest, _call: Call) -> pps_pb2.DatumInfo:
        if not request.datum.id:
            raise InvalidArgument("no datum specified: its id is not set")
        job = wire.job_key(request.datum.job)
        return wire.datum_info(self._pps.inspect_datum(job, request.datum.id))

    def restart_datum(self, request: pps_pb2.RestartDatumRequest, _call: Call) -> None:
        self._pps.restart_datum(wire.job_key(request.job), list(request.data_filters))

    async def create_datum(
        self, requests: Requests, call: Call
    ) -> AsyncIterator[pps_pb2.DatumInfo]:
        """A batch for each request, until there are no more datums; the first one says of what."""
        datums: Iterator[DatumInfo] | None = None
        async for request in requests:
            kind = request.WhichOneof("body")
            if datums is None:
                if kind != "start":
                    raise InvalidArgument("the first message of CreateDatum must be start")
                datums = await call.run(self._preview, request.start.input)
            elif kind != "continue":
                raise InvalidArgument("CreateDatum was started already: continue is expected")
            number = getattr(request, kind).number
            if number < 0:
                raise InvalidArgument("number must be non-negative")
            batch = await call.run(take, datums, number or _DEFAULT_BATCH)
            for info in batch:
                yield wire.datum_info(info)
            if len(batch) < (number or _DEFAULT_BATCH):
                return

    def _preview(self, input_: pps_pb2.Input) -> Iterator[DatumInfo]:
        if _has_cron(input_):
            raise FailedPrecondition(
                "can't list datums with a cron input,"
                " there will be no datums until the pipeline is created"
            )
        return self._pps.preview_datums(wire.document(input_), project=DEFAULT_PROJECT)

    async def get_logs(
        self, request: pps_pb2.GetLogsRequest, call: Call
    ) -> AsyncIterator[pps_pb2.LogMessage]:
        query = self._log_query(request)
        await call.run(self._check_named, query)
        query = replace(query, datums=await call.run(self._filtered_datums, request, query))
        data = _LogData(self._pps)
        with self._notifier.subscribe("logs") as subscription:
            cursor = await call.run(self._pps.log_cursor)
            stored = self._pps.logs(query, upto=cursor)
            while lines := await call.run(take, stored, _LOG_BATCH):
                for message in await call.run(data.messages, lines):
                    yield message
            while request.follow:
                await subscription.wait_async(RECHECK_S)
                lines, cursor = await call.run(self._pps.logs_after, query, cursor)
                if not lines:  # what is followed may be gone
                    await call.run(self._check_named, query)
                for message in await call.run(data.messages, lines):
                    yield message

    def _log_query(self, request: pps_pb2.GetLogsRequest) -> LogQuery:
        pipeline: PipelineKey | None = None
        job_id, datum_id = request.job.id, request.datum.id
        for message in (request.pipeline, request.job.pipeline, request.datum.job.pipeline):
            if message.name:
                pipeline = wire.pipeline_key(message)
                break
        job_id = job_id or request.datum.job.id
        if (datum_id or request.data_filters) and pipeline is None and not job_id:
            raise InvalidArgument("must specify a pipeline or a job to filter logs by datum")
        if request.tail < 0:
            raise InvalidArgument("tail must be non-negative")
        since = _DEFAULT_SINCE
        if request.HasField("since") and request.since.ToNanoseconds():
            since = wire.timedelta_of(request.since)
        return LogQuery(
            pipeline=pipeline,
            job_id=job_id,
            datum_id=datum_id,
            master=request.master,
            since=self._clock.now() - since,
            tail=request.tail,
        )

    def _check_named(self, query: LogQuery) -> None:
        """Raise when what is asked about does not exist: silence would look like no output."""
        if query.pipeline is not None and query.job_id:
            self._pps.inspect_job(JobKey(query.pipeline, query.job_id))
        elif query.pipeline is not None:
            self._pps.inspect_pipeline(query.pipeline)

    def _filtered_datums(
        self, request: pps_pb2.GetLogsRequest, query: LogQuery
    ) -> frozenset[str] | None:
        """Ids of datums whose inputs match every data filter; `None` when there is no filter."""
        if not request.data_filters:
            return None
        job = self._log_job(query)
        if job is None:
            return frozenset()
        return frozenset(
            info.record.id
            for info in self._pps.list_datums(job)
            if all(
                any(wire.matches(file, data) for file in info.record.inputs)
                for data in request.data_filters
            )
        )

    def _log_job(self, query: LogQuery) -> JobKey | None:
        """The job whose datums data filters are about: the one asked for, or the newest."""
        if query.pipeline is None:
            raise InvalidArgument("data filters need a pipeline")
        if query.job_id:
            return JobKey(query.pipeline, query.job_id)
        newest = next(iter(self._pps.list_jobs(pipeline=query.pipeline)), None)
        return newest.key if newest is not None else None


class _LogData:
    """Knows what the datums of log lines read: neighbouring lines are mostly of the same ones."""

    def __init__(self, pps: Pps) -> None:
        self._pps = pps
        self._known: dict[tuple[JobKey, str], DatumInputs] = {}

    def messages(self, lines: list[LogLine]) -> list[pps_pb2.LogMessage]:
        """Blocks; asks once for each job."""
        places = {(JobKey(each.pipeline, each.job_id), each.datum_id) for each in lines}
        known = {place: self._known[place] for place in places if place in self._known}
        missing: dict[JobKey, list[str]] = {}
        for job, datum in places - known.keys():
            if datum:
                missing.setdefault(job, []).append(datum)
        for job, ids in missing.items():
            for datum, inputs in self._pps.datum_inputs(job, ids).items():
                known[job, datum] = inputs
        self._known = known
        return [
            wire.log_message(
                line, known.get((JobKey(line.pipeline, line.job_id), line.datum_id), ())
            )
            for line in lines
        ]


def take(items: Iterator[_T], number: int) -> list[_T]:
    """Up to `number` items; blocks."""
    return list(islice(items, number))


def _has_cron(input_: pps_pb2.Input) -> bool:
    return input_.HasField("cron") or any(
        _has_cron(child)
        for children in (input_.cross, input_.union, input_.join, input_.group)
        for child in children
    )
