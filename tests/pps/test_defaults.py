"""Which pipelines new defaults touch."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from dassie.errors import InvalidArgument
from dassie.pfs.model import CommitKey
from dassie.pps.defaults import affected
from dassie.pps.model import PipelineInfo, PipelineKey, PipelineType
from dassie.pps.spec import Spec, effective
from dassie.pps.states import JobState, PipelineState
from dassie.pps.summary import Summary, alerts, summarise

NOW = datetime(2025, 1, 1, tzinfo=UTC)


def pipeline(name: str, project: str = "default", **fields: Any) -> PipelineInfo:
    document = {
        "pipeline": {"name": name, "project": {"name": project}},
        "transform": {"cmd": ["true"]},
        "input": {"pfs": {"repo": "in", "glob": "/"}},
        **fields,
    }
    spec = Spec.from_json(effective(document))
    key = PipelineKey(project, name)
    return PipelineInfo(
        key=key,
        version=1,
        spec_commit=CommitKey(key.spec, "0" * 32),
        spec=spec,
        state=PipelineState.RUNNING,
        reason="",
        stopped=False,
        last_job_state=None,
        type=PipelineType.TRANSFORM,
        user_json=json.dumps(document),
        effective_json=json.dumps(spec.json),
        created_at=NOW,
        updated_at=NOW,
    )


def names(infos: list[PipelineInfo]) -> list[str]:
    return [str(info.key) for info in infos]


def test_only_those_whose_effective_spec_changes() -> None:
    pipelines = [
        pipeline("follows"),
        pipeline("says-so-itself", datum_tries=5),
        pipeline("elsewhere", "team"),
    ]
    cluster = '{"create_pipeline_request": {"datum_tries": 5}}'
    assert names(affected(pipelines, cluster, {})) == ["default/follows", "team/elsewhere"]
    team = {"team": '{"create_pipeline_request": {"datum_tries": 3}}'}
    assert names(affected(pipelines, cluster, team)) == ["default/follows"]
    assert affected(pipelines, "{}", {"default": ""}) == []


def test_defaults_that_break_a_pipeline_are_refused() -> None:
    cluster = '{"create_pipeline_request": {"datum_tries": -1}}'
    with pytest.raises(InvalidArgument, match="datum_tries must not be negative"):
        affected([pipeline("p")], cluster, {})


def replaced(info: PipelineInfo, **changes: Any) -> PipelineInfo:
    from dataclasses import replace

    return replace(info, **changes)


def test_summary() -> None:
    infos = [
        pipeline("a"),
        replaced(pipeline("b"), last_job_state=JobState.FAILURE),
        replaced(pipeline("c"), state=PipelineState.PAUSED, stopped=True),
        replaced(pipeline("d", "team"), state=PipelineState.FAILURE, reason="no such user"),
        replaced(pipeline("e", "team"), state=PipelineState.CRASHING),
    ]
    assert summarise(infos) == {
        "default": Summary(active=2, paused=1, unhealthy=1),
        "team": Summary(active=1, failed=1, unhealthy=2),
    }
    assert [alerts(info) for info in infos] == [
        [],
        ["last job ended in FAILURE"],
        [],
        ["pipeline failed: no such user"],
        ["pipeline is crashing"],
    ]
