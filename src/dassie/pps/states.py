"""State tables of pipelines, jobs and datums. Pure.

Numbers are those of `pps_v2.PipelineState`, `JobState` and `DatumState`; they are not in the order
of time. `MOVES` of each table says which state may follow which; `check_*` raise `IllegalMove` for
every other one, and nothing else in the code base decides whether a move is legal.
`docs/states.md` is generated from these tables (`render`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import Final, TypeVar

from dassie.errors import FailedPrecondition


class PipelineState(IntEnum):
    """What a pipeline is doing; `pps_v2.PipelineState`."""

    STARTING = 1
    RUNNING = 2
    RESTARTING = 3
    FAILURE = 4
    PAUSED = 5
    STANDBY = 6
    CRASHING = 7


class JobState(IntEnum):
    """How far a job is; `pps_v2.JobState`."""

    CREATED = 1
    STARTING = 2
    RUNNING = 3
    FAILURE = 4
    SUCCESS = 5
    KILLED = 6
    EGRESSING = 7
    FINISHING = 8
    UNRUNNABLE = 9


class DatumState(IntEnum):
    """How a datum ended, or that it has not; `pps_v2.DatumState`.

    `UNKNOWN` is a datum that waits for a worker. `SKIPPED` is never stored: a datum is skipped in
    every job but the one that its record names.
    """

    UNKNOWN = 0
    FAILED = 1
    SUCCESS = 2
    SKIPPED = 3
    STARTING = 4
    RECOVERED = 5


class IllegalMove(FailedPrecondition):
    """A state was asked to become one that may not follow it."""

    def __init__(self, what: str, old: IntEnum, new: IntEnum) -> None:
        super().__init__(f"{what} cannot go from {old.name} to {new.name}")
        self.old = old
        self.new = new


_State = TypeVar("_State", bound=IntEnum)

_P, _J, _D = PipelineState, JobState, DatumState

# A stopped or updated pipeline may be in any state, so PAUSED and STARTING follow all of them.
_ANY_P: Final = frozenset({_P.STARTING, _P.PAUSED, _P.FAILURE})
PIPELINE_MOVES: Final[Mapping[PipelineState, frozenset[PipelineState]]] = {
    _P.STARTING: _ANY_P | {_P.RUNNING, _P.STANDBY, _P.RESTARTING, _P.CRASHING},
    _P.RUNNING: _ANY_P | {_P.STANDBY, _P.RESTARTING, _P.CRASHING},
    _P.STANDBY: _ANY_P | {_P.RUNNING, _P.RESTARTING},
    _P.RESTARTING: _ANY_P | {_P.RUNNING, _P.STANDBY, _P.CRASHING},
    _P.CRASHING: _ANY_P | {_P.RUNNING, _P.RESTARTING},
    _P.PAUSED: _ANY_P | {_P.RUNNING, _P.STANDBY},
    _P.FAILURE: frozenset({_P.STARTING}),
}

_STOPPED_J: Final = frozenset({_J.FAILURE, _J.KILLED})
JOB_MOVES: Final[Mapping[JobState, frozenset[JobState]]] = {
    _J.CREATED: _STOPPED_J | {_J.STARTING, _J.RUNNING, _J.FINISHING, _J.SUCCESS, _J.UNRUNNABLE},
    _J.STARTING: _STOPPED_J | {_J.CREATED, _J.RUNNING, _J.FINISHING, _J.SUCCESS, _J.UNRUNNABLE},
    _J.RUNNING: _STOPPED_J | {_J.STARTING, _J.EGRESSING, _J.FINISHING, _J.SUCCESS},
    _J.EGRESSING: _STOPPED_J | {_J.FINISHING, _J.SUCCESS},
    _J.FINISHING: _STOPPED_J | {_J.RUNNING, _J.SUCCESS},
    _J.SUCCESS: frozenset(),
    _J.FAILURE: frozenset(),
    _J.KILLED: frozenset(),
    _J.UNRUNNABLE: frozenset(),
}

DATUM_MOVES: Final[Mapping[DatumState, frozenset[DatumState]]] = {
    _D.UNKNOWN: frozenset({_D.STARTING}),
    _D.STARTING: frozenset({_D.UNKNOWN, _D.SUCCESS, _D.FAILED, _D.RECOVERED}),
    _D.SUCCESS: frozenset(),
    _D.FAILED: frozenset(),
    _D.RECOVERED: frozenset(),
    _D.SKIPPED: frozenset(),
}

PIPELINE_INITIAL: Final = _P.STARTING
JOB_INITIAL: Final = _J.CREATED
DATUM_INITIAL: Final = _D.UNKNOWN
JOB_TERMINAL: Final = frozenset(state for state, after in JOB_MOVES.items() if not after)
DATUM_TERMINAL: Final = frozenset({_D.SUCCESS, _D.FAILED, _D.RECOVERED})


def is_terminal(state: JobState) -> bool:
    """Whether a job in this state will never move again."""
    return state in JOB_TERMINAL


def check_pipeline(name: str, old: PipelineState, new: PipelineState) -> None:
    """Raise `IllegalMove` unless pipeline `name` may go from `old` to `new`; staying is a move."""
    if new != old and new not in PIPELINE_MOVES[old]:
        raise IllegalMove(f"pipeline {name}", old, new)


def check_job(name: str, old: JobState, new: JobState) -> None:
    """Raise `IllegalMove` unless job `name` may go from `old` to `new`.

    A finished job does not even stay: whoever finishes it a second time has lost a race.
    """
    if old in JOB_TERMINAL or (new != old and new not in JOB_MOVES[old]):
        raise IllegalMove(f"job {name}", old, new)


def check_datum(name: str, old: DatumState, new: DatumState) -> None:
    """Raise `IllegalMove` unless datum `name` may go from `old` to `new`."""
    if new not in DATUM_MOVES[old]:
        raise IllegalMove(f"datum {name}", old, new)


def render() -> str:
    """`docs/states.md`: every table as a list of moves and a diagram."""
    parts = [
        "# States",
        "",
        "Generated from `src/dassie/pps/states.py` by `scripts/generate-states`; do not edit.",
    ]
    parts += _section("Pipeline", PIPELINE_INITIAL, _plain(PIPELINE_MOVES))
    parts += _section("Job", JOB_INITIAL, _plain(JOB_MOVES))
    datum: dict[DatumState, frozenset[DatumState]] = {
        state: after for state, after in DATUM_MOVES.items() if state != _D.SKIPPED
    }
    parts += _section("Datum", DATUM_INITIAL, _plain(datum))
    return "\n".join(parts) + "\n"


def _plain(moves: Mapping[_State, frozenset[_State]]) -> dict[IntEnum, list[IntEnum]]:
    return {state: [new for new in sorted(after) if new != state] for state, after in moves.items()}


def _section(title: str, initial: IntEnum, moves: Mapping[IntEnum, Sequence[IntEnum]]) -> list[str]:
    lines = ["", f"## {title}", "", "```mermaid", "stateDiagram-v2", f"  [*] --> {initial.name}"]
    for state, after in moves.items():
        lines += [f"  {state.name} --> {new.name}" for new in after]
        if not after:
            lines.append(f"  {state.name} --> [*]")
    lines += ["```", "", "| state | number | may become |", "|---|---|---|"]
    for state, after in moves.items():
        names = ", ".join(new.name for new in after) or "nothing: it is final"
        lines.append(f"| {state.name} | {int(state)} | {names} |")
    return lines
