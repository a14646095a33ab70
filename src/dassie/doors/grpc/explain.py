"""dassie.explain.v1.Explain: why each datum of a job ran or was skipped."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from dassie._proto.dassie import explain_pb2
from dassie.doors.grpc import pps_convert as wire
from dassie.doors.grpc.calls import Call
from dassie.pps import explain
from dassie.pps.model import DatumInfo, JobKey
from dassie.pps.service import Pps
from dassie.pps.states import DatumState

_WAITING: Final = frozenset({DatumState.UNKNOWN, DatumState.STARTING})


class ExplainService:
    def __init__(self, pps: Pps) -> None:
        self._pps = pps

    def why(
        self, request: explain_pb2.WhyRequest, _call: Call
    ) -> Iterator[explain_pb2.DatumReason]:
        job = wire.job_key(request.job)
        if request.datum_id:
            found = iter([self._pps.inspect_datum(job, request.datum_id)])
        else:
            found = self._pps.list_datums(job)
        # Asked before the datums are: a job that ends meanwhile has none that waits.
        idle = "not run" if self._pps.inspect_job(job).terminal else "waiting"
        for info in found:
            yield _reason(job, info, idle)


def _reason(job: JobKey, info: DatumInfo, idle: str) -> explain_pb2.DatumReason:
    """`idle`: what became of a datum without a result."""
    record = info.record
    message = explain_pb2.DatumReason(
        state=info.state.name,
        paths=[file.label for file in record.inputs],
    )
    message.datum.id = record.id
    message.datum.job.CopyFrom(wire.job(job))
    if info.state == DatumState.SKIPPED:
        message.decision = "skipped"
        message.reason = explain.skipped(record)
        previous = record.job
    else:
        message.decision = idle if info.state in _WAITING else "ran"
        message.reason = record.why.decision
        message.changed.extend(record.why.changed)
        previous = record.why.previous_job
    if previous:
        message.previous_job.CopyFrom(wire.job(JobKey(job.pipeline, previous)))
    return message
