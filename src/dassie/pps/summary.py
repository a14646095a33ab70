"""Counts of pipelines by how they are, per project. Pure; `pps_v2.API/PipelinesSummary`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from dassie.pps.model import PipelineInfo
from dassie.pps.states import JobState, PipelineState

_UNHEALTHY: Final = frozenset({PipelineState.CRASHING, PipelineState.RESTARTING})
_BAD_JOBS: Final = frozenset({JobState.FAILURE, JobState.KILLED, JobState.UNRUNNABLE})


@dataclass(slots=True)
class Summary:
    """Each pipeline is active, paused or failed; `unhealthy` ones are counted beside that."""

    active: int = 0
    paused: int = 0
    failed: int = 0
    unhealthy: int = 0


def summarise(pipelines: Iterable[PipelineInfo]) -> dict[str, Summary]:
    """Counts by project, for projects that have pipelines."""
    found: dict[str, Summary] = {}
    for info in pipelines:
        summary = found.setdefault(info.key.project, Summary())
        if info.state == PipelineState.FAILURE:
            summary.failed += 1
        elif info.stopped or info.state == PipelineState.PAUSED:
            summary.paused += 1
        else:
            summary.active += 1
        if alerts(info):
            summary.unhealthy += 1
    return found


def alerts(info: PipelineInfo) -> list[str]:
    """What is wrong with a pipeline now, one line each; empty when it is well."""
    lines = []
    reason = f": {info.reason}" if info.reason else ""
    if info.state == PipelineState.FAILURE:
        lines.append(f"pipeline failed{reason}")
    elif info.state in _UNHEALTHY:
        lines.append(f"pipeline is {info.state.name.lower()}{reason}")
    # Stopping a pipeline kills its job: that is no ill.
    killed = info.last_job_state == JobState.KILLED
    if info.last_job_state in _BAD_JOBS and not (info.stopped and killed):
        lines.append(f"last job ended in {info.last_job_state.name}")
    return lines
