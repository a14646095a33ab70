"""pps_v2.API, jobs and job sets. Part of `pps.PpsService`.

Waiting holds no thread: a call sleeps on the notifier and looks again when its pipeline's jobs
moved.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from datetime import datetime
from itertools import islice
from typing import TypeVar

from dassie._proto.pps import pps_pb2
from dassie.doors.grpc import convert
from dassie.doors.grpc import pps_convert as wire
from dassie.doors.grpc.calls import Call
from dassie.doors.grpc.pps_filters import wanted_states
from dassie.errors import InvalidArgument, NotFound
from dassie.meta.notify import Notifier
from dassie.pps.model import JobInfo, JobKey, PipelineKey
from dassie.pps.service import Pps

RECHECK_S = 30.0
"""Look again after so long without a wake-up."""

_T = TypeVar("_T")


class JobMethods:
    _pps: Pps
    _notifier: Notifier

    async def inspect_job(self, request: pps_pb2.InspectJobRequest, call: Call) -> pps_pb2.JobInfo:
        key = wire.job_key(request.job)
        if request.wait:
            info = await self._finished(key, call)
        else:
            info = await call.run(self._pps.inspect_job, key)
        return await call.run(self._message, info, request.details)

    async def inspect_job_set(
        self, request: pps_pb2.InspectJobSetRequest, call: Call
    ) -> AsyncIterator[pps_pb2.JobInfo]:
        if not request.job_set.id:
            raise InvalidArgument("no job set specified: its id is not set")
        for info in await call.run(self._pps.inspect_job_set, request.job_set.id):
            last = await self._finished(info.key, call) if request.wait else info
            yield await call.run(self._message, last, request.details)

    def list_job(self, request: pps_pb2.ListJobRequest, _call: Call) -> Iterator[pps_pb2.JobInfo]:
        states = wanted_states(request.jqFilter)
        named = request.HasField("pipeline") and bool(request.pipeline.name)
        jobs = self._pps.list_jobs(
            projects=wire.project_names(request.projects),
            pipeline=wire.pipeline_key(request.pipeline) if named else None,
            input_commits=[convert.commit_ref(commit) for commit in request.input_commit],
            history=request.history,
            reverse=request.reverse,
        )
        if states is not None:
            jobs = (job for job in jobs if _is_in(job, states))
        marker = wire.moment(request, "paginationMarker")
        for info in page(jobs, lambda job: job.created_at, marker, request.number, request.reverse):
            yield self._message(info, request.details)

    def list_job_set(
        self, request: pps_pb2.ListJobSetRequest, _call: Call
    ) -> Iterator[pps_pb2.JobSetInfo]:
        states = wanted_states(request.jqFilter)
        sets = self._pps.list_job_sets(
            projects=wire.project_names(request.projects), reverse=request.reverse
        )
        if states is not None:
            sets = (each for each in sets if any(_is_in(job, states) for job in each[1]))
        marker = wire.moment(request, "paginationMarker")
        for id_, jobs in page(
            sets,
            lambda item: max(job.created_at for job in item[1]),
            marker,
            request.number,
            request.reverse,
        ):
            yield pps_pb2.JobSetInfo(
                job_set=pps_pb2.JobSet(id=id_),
                jobs=[self._message(job, request.details) for job in jobs],
            )

    async def subscribe_job(
        self, request: pps_pb2.SubscribeJobRequest, call: Call
    ) -> AsyncIterator[pps_pb2.JobInfo]:
        """Jobs that are not finished yet, oldest first, then every new one."""
        key = wire.pipeline_key(request.pipeline)
        await call.run(self._pps.inspect_pipeline, key)
        last, first = 0, True
        with self._notifier.subscribe(f"jobs:{key}") as subscription:
            while True:
                for info in await call.run(self._jobs_after, key, last):
                    last = max(last, info.seq)
                    if not (first and info.terminal):
                        yield await call.run(self._message, info, request.details)
                first = False
                await subscription.wait_async(RECHECK_S)

    def stop_job(self, request: pps_pb2.StopJobRequest, _call: Call) -> None:
        self._pps.stop_job(wire.job_key(request.job), reason=request.reason)

    def delete_job(self, request: pps_pb2.DeleteJobRequest, _call: Call) -> None:
        self._pps.delete_job(wire.job_key(request.job))

    async def _finished(self, key: JobKey, call: Call) -> JobInfo:
        """The job, once it will not move again."""
        seen = False
        with self._notifier.subscribe(f"jobs:{key.pipeline}") as subscription:
            while True:
                try:
                    info = await call.run(self._pps.inspect_job, key)
                except NotFound:
                    if not seen:
                        raise
                    raise NotFound(f"job {key} was deleted") from None
                if info.terminal:
                    return info
                seen = True
                await subscription.wait_async(RECHECK_S)

    def _jobs_after(self, key: PipelineKey, seq: int) -> list[JobInfo]:
        return list(self._pps.list_jobs(pipeline=key, history=-1, after_seq=seq, reverse=True))

    def _message(self, info: JobInfo, details: bool) -> pps_pb2.JobInfo:
        message = wire.job_info(info)
        if details:
            spec = self._pps.job_spec(info)
            workers = () if info.terminal else self._pps.job_workers(info.key)
            message.details.CopyFrom(wire.job_details(spec, self._pps.job_inputs(info), workers))
        return message


def _is_in(job: JobInfo, states: frozenset[str]) -> bool:
    return f"JOB_{job.state.name}" in states


def page(
    items: Iterable[_T],
    time_of: Callable[[_T], datetime],
    marker: datetime | None,
    number: int,
    reverse: bool,
) -> Iterator[_T]:
    """`number` items (0 = all) beyond `marker`: older ones, or newer ones when `reverse`."""
    wanted = convert.at_most(number, "number")
    if marker is not None:
        items = (
            item
            for item in items
            if (time_of(item) > marker if reverse else time_of(item) < marker)
        )
    return islice(items, wanted or None)
