"""States of pipelines, jobs and datums: their short names, colours, and `--state` filters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dassie.cli.output import Output
    from dassie.cli.session import Session

_COLOURS = {
    "success": "green",
    "running": "green",
    "standby": "green",
    "skipped": "green",
    "failure": "red",
    "failed": "red",
    "crashing": "red",
    "killed": "red",
    "unrunnable": "red",
    "paused": "yellow",
    "restarting": "yellow",
    "recovered": "yellow",
}


def short(name: str) -> str:
    """`JOB_SUCCESS` → `success`."""
    for prefix in ("JOB_STATE_", "JOB_", "PIPELINE_STATE_", "PIPELINE_"):
        name = name.removeprefix(prefix)
    return name.lower()


def painted(name: str, out: Output) -> str:
    word = short(name)
    colour = _COLOURS.get(word)
    return out.paint(word, colour) if colour else word


def job(state: int, out: Output) -> str:
    from dassie._proto.pps import pps_pb2

    return painted(pps_pb2.JobState.Name(state), out)


def job_word(state: int) -> str:
    from dassie._proto.pps import pps_pb2

    return short(pps_pb2.JobState.Name(state))


def datum(state: int, out: Output) -> str:
    from dassie._proto.pps import pps_pb2

    return painted(pps_pb2.DatumState.Name(state), out)


def pipeline(info: Any, out: Output) -> str:
    from dassie._proto.pps import pps_pb2

    return painted(pps_pb2.PipelineState.Name(info.state), out)


def last_job(info: Any, out: Output) -> str:
    return job(info.last_job_state, out) if info.last_job_state else ""


def pipeline_and_job(info: Any, out: Output) -> str:
    """`running / success`; `-` where no job has run yet."""
    return f"{pipeline(info, out)} / {last_job(info, out) or '-'}"


def is_over(state: int) -> bool:
    """Has the job ended?"""
    return job_word(state) in {"success", "failure", "killed", "unrunnable"}


def job_states(session: Session) -> set[int]:
    """The job states that `--state` names."""
    from dassie._proto.pps import pps_pb2

    return _wanted(session, pps_pb2.JobState)


def pipeline_states(session: Session) -> set[int]:
    """The pipeline states that `--state` names."""
    from dassie._proto.pps import pps_pb2

    return _wanted(session, pps_pb2.PipelineState)


def datum_states(session: Session) -> set[Any]:
    """The datum states that `--state` names."""
    from dassie._proto.pps import pps_pb2

    return _wanted(session, pps_pb2.DatumState)


def _wanted(session: Session, enum: Any) -> set[int]:
    values = {short(name): value for name, value in enum.items() if short(name) != "unknown"}
    wanted = set()
    for written in session.texts("state"):
        for word in written.split(","):
            if short(word.strip().upper()) not in values:
                known = ", ".join(sorted(values))
                raise session.wrong(f'unknown state "{word}": one of {known}')
            wanted.add(values[short(word.strip().upper())])
    return wanted
