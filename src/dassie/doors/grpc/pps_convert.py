"""pps_v2 messages ↔ the records of `pps.model`, both ways. Pure. Used by the pps and explain
doors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from google.protobuf import json_format
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message

from dassie._proto.pfs import pfs_pb2
from dassie._proto.pps import pps_pb2
from dassie.doors.grpc import convert
from dassie.errors import InvalidArgument
from dassie.pfs.model import CommitKey, RepoKey
from dassie.pps.datums import DatumInputs, DatumStats, InputFile, datum_dir
from dassie.pps.model import (
    DatumInfo,
    JobInfo,
    JobInput,
    JobKey,
    LogLine,
    PipelineInfo,
    PipelineKey,
    WorkerInfo,
)
from dassie.pps.spec import Spec
from dassie.pps.spec_json import check
from dassie.pps.states import DatumState
from dassie.storage.types import Entry

_PIPELINE_DETAILS: Final = frozenset(
    pps_pb2.PipelineInfo.Details.DESCRIPTOR.fields_by_camelcase_name
)
_JOB_DETAILS: Final = frozenset(pps_pb2.JobInfo.Details.DESCRIPTOR.fields_by_camelcase_name)


# -- from the wire ---------------------------------------------------------------------------


def pipeline_key(message: pps_pb2.Pipeline) -> PipelineKey:
    if not message.name:
        raise InvalidArgument("no pipeline specified")
    return PipelineKey(convert.project_name(message.project), message.name)


def job_key(message: pps_pb2.Job) -> JobKey:
    if not message.id:
        raise InvalidArgument("no job specified: its id is not set")
    return JobKey(pipeline_key(message.pipeline), message.id)


def project_names(messages: Sequence[pfs_pb2.Project]) -> tuple[str, ...]:
    return tuple(convert.project_name(message) for message in messages)


def document(message: Message) -> dict[str, Any]:
    """A message as the JSON document that says the same. What is unset is absent."""
    try:
        return json_format.MessageToDict(message)
    except json_format.SerializeToJsonError as error:  # a time or a duration that is none
        raise InvalidArgument(f"{message.DESCRIPTOR.name}: {error}") from None


def create_request(document: Mapping[str, Any]) -> pps_pb2.CreatePipelineRequest:
    """A spec document as a message; raises on fields that it does not have."""
    return json_format.ParseDict(check(document), pps_pb2.CreatePipelineRequest())


def moment(message: Message, field: str) -> datetime | None:
    """A timestamp field, `None` when it is not set."""
    if not message.HasField(field):
        return None
    return convert.moment(getattr(message, field))


def matches(file: InputFile, data_filter: str) -> bool:
    """Whether a data filter, a path or the hash in hex, names this input file."""
    return data_filter in {file.path, file.path.rstrip("/"), file.node.hash.hex()}


# -- to the wire -----------------------------------------------------------------------------


def pipeline(key: PipelineKey) -> pps_pb2.Pipeline:
    return pps_pb2.Pipeline(project=convert.project(key.project), name=key.name)


def job(key: JobKey) -> pps_pb2.Job:
    return pps_pb2.Job(pipeline=pipeline(key.pipeline), id=key.id)


def pipeline_info(info: PipelineInfo) -> pps_pb2.PipelineInfo:
    message = pps_pb2.PipelineInfo(
        pipeline=pipeline(info.key),
        version=info.version,
        spec_commit=convert.commit(info.spec_commit),
        stopped=info.stopped,
        state=f"PIPELINE_{info.state.name}",
        reason=info.reason,
        last_job_state=None if info.last_job_state is None else f"JOB_{info.last_job_state.name}",
        parallelism=info.spec.parallelism,
        type=f"PIPELINE_TYPE_{info.type.name}",
        user_spec_json=info.user_json,
        effective_spec_json=info.effective_json,
    )
    details = message.details
    _fill(details, info.spec, _PIPELINE_DETAILS)
    details.created_at.CopyFrom(convert.timestamp(info.created_at))
    details.updated_at.CopyFrom(convert.timestamp(info.updated_at))
    details.created_by = info.created_by
    details.reason = info.reason
    details.salt = info.salt
    details.workers_requested = info.workers_requested
    details.workers_available = info.workers_available
    details.unclaimed_tasks = info.unclaimed_datums
    return message


def job_info(info: JobInfo) -> pps_pb2.JobInfo:
    """Without details: clients take a set `details` for one that was asked for."""
    message = pps_pb2.JobInfo(
        job=job(info.key),
        pipeline_version=info.pipeline_version,
        output_commit=convert.commit(info.key.output_commit),
        restart=info.restart,
        data_processed=info.data_processed,
        data_skipped=info.data_skipped,
        data_total=info.data_total,
        data_failed=info.data_failed,
        data_recovered=info.data_recovered,
        stats=process_stats(info.stats),
        state=f"JOB_{info.state.name}",
        reason=info.reason,
        created=convert.timestamp(info.created_at),
    )
    if info.started_at is not None:
        message.started.CopyFrom(convert.timestamp(info.started_at))
    if info.finished_at is not None:
        message.finished.CopyFrom(convert.timestamp(info.finished_at))
    return message


def job_details(
    spec: Spec, inputs: Sequence[JobInput], workers: Sequence[WorkerInfo]
) -> pps_pb2.JobInfo.Details:
    """What a job ran with: its pipeline's spec then, and the commits it reads."""
    details = pps_pb2.JobInfo.Details()
    _fill(details, spec, _JOB_DETAILS)
    _set_commits(details.input, {input_.name: input_.commit.id for input_ in inputs})
    for worker in workers:
        status = details.worker_status.add(worker_id=worker.worker_id, job_id=worker.job_id)
        if worker.started_at is not None:
            status.datum_status.started.CopyFrom(convert.timestamp(worker.started_at))
    return details


def _fill(details: Message, spec: Spec, names: frozenset[str]) -> None:
    """Copy the fields that `details` and a spec have in common."""
    common = {name: value for name, value in spec.json.items() if name in names}
    json_format.ParseDict({**common, "input": spec.input.json}, details)


def _set_commits(input_: pps_pb2.Input, commits: Mapping[str, str]) -> None:
    if input_.HasField("pfs"):
        input_.pfs.commit = commits.get(input_.pfs.name, "")
    for child in (*input_.cross, *input_.union):
        _set_commits(child, commits)


def process_stats(stats: DatumStats) -> pps_pb2.ProcessStats:
    return pps_pb2.ProcessStats(
        download_time=duration_us(stats.download_us),
        process_time=duration_us(stats.process_us),
        upload_time=duration_us(stats.upload_us),
        download_bytes=stats.download_bytes,
        upload_bytes=stats.upload_bytes,
    )


def duration_us(microseconds: int) -> Duration:
    message = Duration()
    message.FromMicroseconds(microseconds)
    return message


def timedelta_of(message: Duration) -> timedelta:
    """A duration field; raises on one that Python cannot hold."""
    try:
        return message.ToTimedelta()
    except (OverflowError, ValueError):
        raise InvalidArgument(f"a duration of {message.seconds} s is out of range") from None


def datum_info(info: DatumInfo) -> pps_pb2.DatumInfo:
    """A datum that was kept from an earlier job names that job, as Pachyderm does."""
    record = info.record
    message = pps_pb2.DatumInfo(
        datum=pps_pb2.Datum(id=record.id),
        state=info.state.name,
        stats=process_stats(record.stats),
        data=[_input_info(file) for file in record.inputs],
        image_id=record.image_id,
    )
    if info.job.id:
        owner = JobKey(info.job.pipeline, record.job or info.job.id)
        message.datum.job.CopyFrom(job(owner))
        message.pfs_state.CopyFrom(
            pfs_pb2.File(commit=convert.commit(info.job.meta_commit), path=datum_dir(record.id))
        )
    return message


def _input_info(file: InputFile) -> pfs_pb2.FileInfo:
    repo = RepoKey(file.project, file.repo, file.repo_type)
    entry = Entry(file.path, file.node)
    return convert.file_info(CommitKey(repo, file.commit), entry, None)


def log_message(line: LogLine, inputs: DatumInputs = ()) -> pps_pb2.LogMessage:
    """`inputs`: what the line's datum reads."""
    return pps_pb2.LogMessage(
        project_name=line.pipeline.project,
        pipeline_name=line.pipeline.name,
        job_id=line.job_id,
        worker_id=line.worker,
        datum_id=line.datum_id,
        master=line.master,
        user=line.user,
        ts=convert.timestamp(line.at),
        message=line.message,
        data=[pps_pb2.InputFile(path=file.path, hash=file.node.hash) for file in inputs],
    )


def datum_states(values: Sequence[int]) -> list[DatumState]:
    """States of a filter; raises on a number that is no state."""
    try:
        return [DatumState(value) for value in values]
    except ValueError as error:
        raise InvalidArgument(f"filter.state: {error}") from None
