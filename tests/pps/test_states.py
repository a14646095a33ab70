"""State tables: legal moves pass, all others raise, the page is in step."""

from itertools import product
from pathlib import Path

import pytest

from dassie._proto.pps import pps_pb2
from dassie.pps import states
from dassie.pps.states import (
    DATUM_MOVES,
    JOB_MOVES,
    JOB_TERMINAL,
    PIPELINE_MOVES,
    DatumState,
    IllegalMove,
    JobState,
    PipelineState,
)


def test_numbers_are_those_of_the_wire() -> None:
    for pipeline in PipelineState:
        assert pps_pb2.PipelineState.Name(pipeline) == f"PIPELINE_{pipeline.name}"
    for job in JobState:
        assert pps_pb2.JobState.Name(job) == f"JOB_{job.name}"
    for datum in DatumState:
        assert pps_pb2.DatumState.Name(datum) == datum.name


@pytest.mark.parametrize(("old", "new"), list(product(JobState, JobState)))
def test_jobs_move_as_the_table_says(old: JobState, new: JobState) -> None:
    legal = new in JOB_MOVES[old] or (old == new and old not in JOB_TERMINAL)
    if legal:
        states.check_job("p@1", old, new)
    else:
        with pytest.raises(IllegalMove, match=rf"job p@1 cannot go from {old.name} to {new.name}"):
            states.check_job("p@1", old, new)


@pytest.mark.parametrize(("old", "new"), list(product(PipelineState, PipelineState)))
def test_pipelines_move_as_the_table_says(old: PipelineState, new: PipelineState) -> None:
    if new == old or new in PIPELINE_MOVES[old]:
        states.check_pipeline("default/p", old, new)
    else:
        with pytest.raises(IllegalMove):
            states.check_pipeline("default/p", old, new)


@pytest.mark.parametrize(("old", "new"), list(product(DatumState, DatumState)))
def test_datums_move_as_the_table_says(old: DatumState, new: DatumState) -> None:
    if new in DATUM_MOVES[old]:
        states.check_datum("d", old, new)
    else:
        with pytest.raises(IllegalMove):
            states.check_datum("d", old, new)


def test_only_an_update_leaves_failure() -> None:
    assert PIPELINE_MOVES[PipelineState.FAILURE] == {PipelineState.STARTING}


def test_crashing_is_not_entered_from_standby() -> None:
    assert PipelineState.CRASHING not in PIPELINE_MOVES[PipelineState.STANDBY]


def test_terminal_jobs() -> None:
    assert {s.name for s in JobState if states.is_terminal(s)} == {
        "SUCCESS",
        "FAILURE",
        "KILLED",
        "UNRUNNABLE",
    }


def test_page_is_in_step() -> None:
    page = Path(__file__).parents[2] / "docs" / "states.md"
    assert page.read_text() == states.render(), "run scripts/generate-states"
