"""Reasons: each names what made the difference."""

from dataclasses import replace

from dassie.pps.datums import DatumInputs, DatumRecord, InputFile, datum_hash, datum_id
from dassie.pps.explain import Settings, decide, skipped
from dassie.pps.states import DatumState
from dassie.storage.types import Content

A, B = Content(b"\x01" * 32, 1), Content(b"\x02" * 32, 1)
LIBERTY = InputFile("images", "default", "images", "master", "c1", "/liberty.png", A)
MODEL = InputFile("model", "default", "model", "master", "c1", "/", A)
INPUTS: DatumInputs = (LIBERTY, MODEL)
CHANGED: DatumInputs = (replace(LIBERTY, node=B), MODEL)


def hash_of(inputs: DatumInputs, salt: str = "") -> str:
    return datum_hash(datum_id(inputs), inputs, salt)


def record(state: DatumState = DatumState.SUCCESS) -> DatumRecord:
    return DatumRecord("job1", datum_id(INPUTS), hash_of(INPUTS), state, INPUTS)


def test_new() -> None:
    why = decide(INPUTS, hash_of(INPUTS), None)
    assert why is not None
    assert why.decision == "new datum"
    assert why.changed == ("images:/liberty.png is new", "model:/ is new")


def test_nothing_changed() -> None:
    assert decide(INPUTS, hash_of(INPUTS), record()) is None
    assert skipped(record()) == "nothing changed since job job1"


def test_changed_file() -> None:
    why = decide(CHANGED, hash_of(CHANGED), record())
    assert why is not None
    assert why.decision == "images:/liberty.png changed"
    assert why.changed == ("images:/liberty.png changed",)
    assert why.previous_job == "job1"


def test_failed_and_recovered_are_never_skipped() -> None:
    for state, said in ((DatumState.FAILED, "failed"), (DatumState.RECOVERED, "recovered")):
        why = decide(INPUTS, hash_of(INPUTS), record(state))
        assert why is not None
        assert said in why.decision


def test_reprocess() -> None:
    why = decide(INPUTS, hash_of(INPUTS, "s"), record(), Settings(salt_changed=True))
    assert why is not None
    assert why.decision == "pipeline was reprocessed"
    assert why.changed == ("salt changed (reprocess)",)


def test_every_job() -> None:
    why = decide(INPUTS, hash_of(INPUTS), record(), Settings(skips=False))
    assert why is not None
    assert why.decision == "reprocess_spec is every_job"


def test_references_do_not_count() -> None:
    old = (replace(LIBERTY, reference=True),)
    new = (replace(LIBERTY, reference=True, node=B),)
    base = DatumRecord("job1", datum_id(old), hash_of(old), DatumState.SUCCESS, old)
    assert decide(new, hash_of(new), base) is None


def test_many_changes_are_counted() -> None:
    old = tuple(replace(LIBERTY, name=f"i{n}") for n in range(6))
    new = tuple(replace(file, node=B) for file in old)
    base = DatumRecord("job1", datum_id(old), hash_of(old), DatumState.SUCCESS, old)
    why = decide(new, hash_of(new), base)
    assert why is not None
    assert why.decision.endswith("i2:/liberty.png changed and 3 more")
    assert len(why.changed) == 6
