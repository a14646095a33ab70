"""Why a datum is processed or skipped. Pure; called by planning, answers kept in the record.

A datum is skipped when its record from the base job says SUCCESS with the same hash, and the
pipeline skips at all. Otherwise the reason names what is different.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from dassie.pps.datums import DatumInputs, DatumRecord, InputFile, Why
from dassie.pps.states import DatumState

NEW: Final = "new datum"
FAILED: Final = "datum failed last time"
RECOVERED: Final = "datum was recovered by err_cmd last time, so it has no output"
REPROCESSED: Final = "pipeline was reprocessed"
EVERY_JOB: Final = "reprocess_spec is every_job"
_NAMED: Final = 3
"""Changed files that the one-line reason names; the others are counted."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What beside the inputs decides whether datums are processed.

    `skips` is false for reprocess_spec `every_job`; `salt_changed` when the pipeline has another
    salt than the base job's.
    """

    skips: bool = True
    salt_changed: bool = False


def decide(
    inputs: DatumInputs, hash_: str, previous: DatumRecord | None, settings: Settings = Settings()
) -> Why | None:
    """Why the datum with these inputs has to be processed; `None` when it may be skipped.

    `previous` is the datum's record in the base job.
    """
    if previous is None:
        return Why(NEW, tuple(f"{file.label} is new" for file in inputs))
    if settings.skips and previous.state == DatumState.SUCCESS and previous.hash == hash_:
        return None
    changed = changes(inputs, previous.inputs)
    reasons = [] if not changed else [_named(changed)]
    if settings.salt_changed:
        reasons.append(REPROCESSED)
        changed = [*changed, "salt changed (reprocess)"]
    if previous.state == DatumState.FAILED:
        reasons.append(FAILED)
    elif previous.state == DatumState.RECOVERED:
        reasons.append(RECOVERED)
    if not reasons and not settings.skips:
        reasons.append(EVERY_JOB)
    # The hash covers content and salt only, so what is left is the salt.
    return Why("; ".join(reasons) or REPROCESSED, tuple(changed), previous.job)


def changes(new: DatumInputs, old: DatumInputs) -> list[str]:
    """One phrase per input file that counts and has other content than it had."""
    before = {_place(file): file for file in old}
    phrases = []
    for file in new:
        was = before.get(_place(file))
        if was is None:
            phrases.append(f"{file.label} is new")
        elif was.node.hash != file.node.hash and not file.reference:
            phrases.append(f"{file.label} changed")
        elif was.reference and not file.reference:
            phrases.append(f"{file.label} is not a reference input any more")
    return phrases


def skipped(record: DatumRecord) -> str:
    """The line for a datum that was kept from an earlier job."""
    return f"nothing changed since job {record.job}"


def _place(file: InputFile) -> tuple[str, str, str, str, str]:
    return file.name, file.project, file.full_repo, file.branch, file.path


def _named(phrases: list[str]) -> str:
    if len(phrases) <= _NAMED:
        return ", ".join(phrases)
    return f"{', '.join(phrases[:_NAMED])} and {len(phrases) - _NAMED} more"
