"""Every answer that was recorded from a real store, read and diagnosed, status by status."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dassie.blob.answers import parse
from dassie.blob.probe import verdict
from dassie.blob.probe.diagnosis import HEALTHY, Asked, Operation

FOLDER = Path(__file__).with_name("answers")


def recorded() -> list[Any]:
    return [
        pytest.param(json.loads(line), id=f"{path.stem}-{json.loads(line)['case']}")
        for path in sorted(FOLDER.glob("*.jsonl"))
        for line in path.read_text(encoding="utf-8").splitlines()
    ]


def as_asked(values: dict[str, Any]) -> Asked:
    return Asked(
        operation=Operation(values["operation"]),
        endpoint=values.get("endpoint", f"http://{values['host']}"),
        host=values["host"],
        bucket="probe-bkt",
        access_key=values["access_key"],
        signature=values["signature"],
        region=values["region"],
        addressing=values["addressing"],
        body_bytes=1024,
        skew_s=values.get("skew_s"),
    )


@pytest.mark.parametrize("record", recorded())
def test_a_recorded_answer_is_understood(record: dict[str, Any]) -> None:
    answer = parse(record["status"], record["headers"], record["body"].encode())
    asked = as_asked(record["asked"])
    found = verdict.diagnose(answer, asked)

    assert found.kind == record["expect"]
    assert found.words.startswith(str(record["status"]))
    if found.healthy:
        assert not found.historic
        return
    assert found.kind not in HEALTHY
    assert str(record["status"]) in found.message
    if answer.message and answer.xml:
        assert answer.message in found.message
        assert answer.message in found.words
    if asked.operation in {Operation.READ, Operation.LIST}:
        assert found.historic.startswith("storage is unable to discern NotExist errors, ")
        assert found.historic.endswith("should count as NotExist")
        assert answer.message in found.historic
        assert found.log_line == f"{found.historic}: {found.line}"


def test_every_recorded_store_is_there() -> None:
    assert len(list(FOLDER.glob("*.jsonl"))) == 17
    assert len(recorded()) == 661


@pytest.mark.parametrize(
    ("store", "place"), [("swift-2.38.3", "<Region>"), ("minio-2019-03-27", "x-amz-bucket-region")]
)
def test_the_region_is_found_in_a_recorded_refusal(store: str, place: str) -> None:
    lines = (FOLDER / f"{store}.jsonl").read_text(encoding="utf-8").splitlines()
    record = next(r for r in map(json.loads, lines) if r["case"] == "i_region_v4_get_missing")
    answer = parse(record["status"], record["headers"], record["body"].encode())

    assert verdict.expected_region(answer, "us-east-1") == ("z1-a", place)
    # MinIO's message names the region that it refuses: that one is never believed.
    assert verdict.expected_region(answer, "z1-a")[0] != "z1-a"
