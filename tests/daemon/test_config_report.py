"""`pachd config`: everything is shown, secrets are not."""

from __future__ import annotations

import json
from pathlib import Path

from dassie.daemon.config import load
from dassie.daemon.configuration import pachyderm, report, settings
from tests.daemon.memory_files import MemoryFiles

DOCUMENT = Path(__file__).parents[2] / "docs" / "configuration.md"
ENVIRONMENT = {
    "HOME": "/h",
    "AWS_ACCESS_KEY_ID": "KEYID",
    "AWS_SECRET_ACCESS_KEY": "HUSH",
    "AWS_SESSION_TOKEN": "HUSH2",
    "DASSIE_DATABASE": "postgresql://me:HUSH3@db/dassie",
    "DASSIE_STORAGE": "s3://bucket/p?endpoint=http://h:1",
    "AWS_REGION": "far",
}


def test_every_setting_is_shown_with_its_source() -> None:
    loaded = load(["config", "-o", "json", "--port", "1"], ENVIRONMENT, MemoryFiles({}))
    assert (loaded.command, loaded.output) == ("config", "json")
    shown = json.loads(report.as_json(loaded))
    rows = {row["setting"]: row for row in shown["settings"]}
    assert len(rows) == len(settings.SERVER) + 1 + len(settings.STORAGE)
    assert (rows["port"]["value"], rows["port"]["source"]) == (1, "flag --port")
    assert rows["storage_endpoint"]["value"] == "http://h:1"
    assert rows["storage_endpoint"]["source"] == "environment DASSIE_STORAGE: endpoint"
    assert rows["storage_region"]["value"] == report.FOUND_OUT
    assert rows["storage_secret_key"]["value"] == "set"
    assert rows["storage_secret_key"]["source"] == "environment AWS_SECRET_ACCESS_KEY"
    assert rows["database"]["value"] == "postgresql+psycopg://me:****@db/dassie"
    assert len(shown["warnings"]) == 1


def test_no_form_shows_a_secret() -> None:
    loaded = load(["config"], ENVIRONMENT, MemoryFiles({}))
    for text in (report.as_json(loaded), report.as_text(loaded), repr(loaded)):
        assert "HUSH" not in text


def test_a_folder_has_nothing_to_say_of_requests() -> None:
    text = report.as_text(load([], {"HOME": "/h"}, MemoryFiles({})))
    assert "storage       file:/h/.local/share/dassie/objects           default" in text
    assert "retries" not in text


def test_the_document_names_every_setting_and_every_name_of_pachyderm() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    for setting in (*settings.SERVER, *settings.ACCESS, *settings.PINS, *settings.CREDENTIALS):
        for name in (setting.flag, setting.variable):
            assert not name or f"`{name}`" in text, name
    for key in (*pachyderm.PLACES, *pachyderm.SETTINGS, *pachyderm.IGNORED):
        assert f"`{pachyderm.variable_of(key)}`" in text, key
