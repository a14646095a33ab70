"""`pachd doctor`: the table, the JSON, the exit status."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from dassie.blob.settings import StorageSettings
from dassie.daemon import doctor
from tests.blob.probe.scripted import ScriptedStore, refusal, running


@pytest.fixture
def store() -> Iterator[ScriptedStore]:
    with running() as made:
        yield made


def test_a_store_that_works(store: ScriptedStore, capsys: pytest.CaptureFixture[str]) -> None:
    assert doctor.run(store.settings) == 0
    shown = capsys.readouterr().out
    assert max(map(len, shown.splitlines())) <= doctor.WIDEST
    for row in ("latency", "write", "read after write", "ranges", "multipart", "missing key"):
        assert f"\n{row} " in shown
    assert "MB/s" in shown
    assert " ms" in shown
    assert "profile: signature V4" in shown
    assert "OK: s3://bkt/pre" in shown
    assert store.settings.secret_key not in shown.replace("ASK", "")
    assert store.objects == {}


def test_a_store_that_does_not(store: ScriptedStore, capsys: pytest.CaptureFixture[str]) -> None:
    store.script = lambda call: refusal(404, "NoSuchBucket", "The specified bucket does not exist")
    assert doctor.run(store.settings) == 1
    shown = capsys.readouterr().out
    assert "FAIL  bucket missing" in shown
    assert "BUCKET: keys, clock and signature are accepted" in shown
    assert max(map(len, shown.splitlines())) <= doctor.WIDEST


def test_json_has_keys_that_stay(store: ScriptedStore, capsys: pytest.CaptureFixture[str]) -> None:
    assert doctor.run(store.settings, "json") == 0
    shown = json.loads(capsys.readouterr().out)
    assert set(shown) == {
        "ok",
        "location",
        "line",
        "diagnosis",
        "notes",
        "checks",
        "profile",
        "figures",
        "requests",
    }
    assert shown["ok"] is True
    assert shown["profile"]["signature"] == "v4"
    assert {"put_bytes_per_s", "get_bytes_per_s", "latency_s"} <= set(shown["figures"])
    assert {"name", "status", "figure", "note"} == set(shown["checks"][0])


def test_json_of_a_failure(store: ScriptedStore, capsys: pytest.CaptureFixture[str]) -> None:
    settings = replace(store.settings, endpoint="http://no-such-host.invalid")
    assert doctor.run(settings, "json") == 1
    shown = json.loads(capsys.readouterr().out)
    assert shown["ok"] is False
    assert shown["diagnosis"]["kind"] == "unknown host"
    assert shown["profile"] is None


def test_a_folder_has_no_profile_to_show(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert doctor.run(StorageSettings("file", path=str(tmp_path))) == 0
    shown = " ".join(capsys.readouterr().out.split())  # lines are wrapped
    assert "profile:" not in shown
    assert f"OK: file:{tmp_path} can be used" in shown


def test_nothing_is_claimed_of_a_store_that_was_not_asked(
    store: ScriptedStore, capsys: pytest.CaptureFixture[str]
) -> None:
    assert doctor.run(replace(store.settings, access_key="")) == 1
    shown = capsys.readouterr().out
    assert "  ok" not in shown
    assert "CREDENTIALS: no access key is set" in shown
