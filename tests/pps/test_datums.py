"""Datum identity, hash and record."""

from dataclasses import replace

import pytest
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st

from dassie.errors import DataLoss
from dassie.pps.datums import (
    DatumRecord,
    DatumStats,
    InputFile,
    Why,
    datum_hash,
    datum_id,
    decode_inputs,
    encode_inputs,
)
from dassie.pps.states import DatumState
from dassie.storage.types import Content, Dir

A, B = b"\x01" * 32, b"\x02" * 32
FILE = InputFile("in", "default", "images", "master", "c" * 32, "/a.png", Content(A, 5))


def test_id_is_the_documented_hash() -> None:
    parts = [b"in", b"default", b"images", b"master", b"/a.png"]
    plain = b"".join(part + len(part).to_bytes(8, "big") for part in parts)
    assert datum_id([FILE]) == blake3(plain).hexdigest()
    assert datum_hash(datum_id([FILE]), [FILE], "salt") == (
        blake3(datum_id([FILE]).encode() + A + b"salt").hexdigest()
    )


@pytest.mark.parametrize(
    "change",
    [
        {"name": "other"},
        {"project": "other"},
        {"repo": "other"},
        {"repo_type": "meta"},
        {"branch": "other"},
        {"path": "/a.png/"},
    ],
)
def test_id_depends_on_which_file_it_is(change: dict[str, str]) -> None:
    assert datum_id([replace(FILE, **change)]) != datum_id([FILE])


def test_id_does_not_depend_on_content_or_commit() -> None:
    other = replace(FILE, commit="d" * 32, node=Content(B, 6), lazy=True, reference=True)
    assert datum_id([other]) == datum_id([FILE])


def test_hash_depends_on_content_and_salt_but_not_on_references() -> None:
    id_ = datum_id([FILE])
    changed = replace(FILE, node=Content(B, 5))
    assert datum_hash(id_, [changed], "") != datum_hash(id_, [FILE], "")
    assert datum_hash(id_, [FILE], "s") != datum_hash(id_, [FILE], "")
    assert datum_hash(id_, [replace(FILE, reference=True)], "") == datum_hash(
        id_, [replace(changed, reference=True)], ""
    )


names = st.text(min_size=1, max_size=8)
hashes = st.binary(min_size=32, max_size=32)
numbers = st.integers(0, 1 << 40)
dirs = st.builds(Dir, hashes, st.none() | hashes, numbers, numbers)
files = st.builds(
    InputFile,
    name=names,
    project=names,
    repo=names,
    branch=names,
    commit=names,
    path=names,
    node=st.builds(Content, hashes, numbers, st.none() | hashes) | dirs,
    repo_type=st.sampled_from(["user", "meta"]),
    lazy=st.booleans(),
    empty_files=st.booleans(),
    reference=st.booleans(),
)
records = st.builds(
    DatumRecord,
    job=names,
    id=st.just("1" * 64),
    hash=st.just("2" * 64),
    state=st.sampled_from(DatumState),
    inputs=st.lists(files, max_size=3).map(tuple),
    reason=st.text(max_size=20),
    why=st.builds(Why, st.text(max_size=9), st.lists(names, max_size=2).map(tuple), names),
    output=st.none() | dirs,
    stats=st.builds(DatumStats, *[numbers] * 5),
    tries=numbers,
    index=numbers,
    image_id=names,
    started_us=numbers,
)


@given(records)
def test_record_round_trip(record: DatumRecord) -> None:
    assert DatumRecord.from_json(record.to_json()) == record


@given(st.lists(files, max_size=3).map(tuple))
def test_inputs_round_trip(inputs: tuple[InputFile, ...]) -> None:
    assert decode_inputs(encode_inputs(inputs)) == inputs


def test_record_is_compact() -> None:
    record = DatumRecord("j", datum_id([FILE]), "h", DatumState.SUCCESS, (FILE,))
    assert b'"reason"' not in record.to_json()
    assert len(record.to_json()) < 400


def test_record_format_is_stable() -> None:
    record = DatumRecord(
        job="0" * 32,
        id=datum_id([FILE]),
        hash="ab",
        state=DatumState.FAILED,
        inputs=(FILE,),
        reason="exit status 1",
        why=Why("new datum", ("in:/a.png is new",)),
        output=Dir(B, A, 3, 1),
        stats=DatumStats(process_us=7),
        tries=3,
        started_us=9,
    )
    assert record.to_json().decode() == (
        '{"job":"00000000000000000000000000000000","id":"' + record.id + '","hash":"ab",'
        '"state":"FAILED","reason":"exit status 1",'
        '"why":{"decision":"new datum","changed":["in:/a.png is new"]},'
        '"inputs":[{"name":"in","project":"default","repo":"images","branch":"master",'
        '"commit":"cccccccccccccccccccccccccccccccc","path":"/a.png","hash":"'
        + "01"
        * 32
        + '","size":5}],'
        '"output":{"hash":"' + "02" * 32 + '","size":3,"ref":"' + "01" * 32 + '","files":1},'
        '"stats":{"process_us":7},"tries":3,"started":9}'
    )


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b'{"job":"j"}', b"\xff"])
def test_damaged_records_are_data_loss(data: bytes) -> None:
    with pytest.raises(DataLoss, match="datum record is damaged"):
        DatumRecord.from_json(data)


def test_kept_from_an_earlier_job_is_skipped() -> None:
    record = DatumRecord("j1", datum_id([FILE]), "h", DatumState.SUCCESS, (FILE,))
    assert record.state_in("j1") == DatumState.SUCCESS
    assert record.state_in("j2") == DatumState.SKIPPED
