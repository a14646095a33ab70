"""What happens between settings and a store in use: profiles, waiting, markers."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from dassie.blob.drivers.memory import MemoryStore
from dassie.blob.errors import StoreRefused
from dassie.blob.probe.diagnosis import Diagnosis, Kind
from dassie.blob.profile import Profile
from dassie.blob.settings import StorageSettings, parse_url
from dassie.daemon import cluster, storage
from dassie.errors import DataLoss, FailedPrecondition

SETTINGS = replace(parse_url("s3://b?endpoint=http://h:1"), access_key="K", secret_key="HUSH")
LEARNT = Profile(SETTINGS.fingerprint(), region="z1-a")
DOWN = Diagnosis(Kind.REFUSED, "nothing listens at h:1", "start it")
WRONG = Diagnosis(
    Kind.REGION_PINNED, "region is wrong", "set it", "400", "storage is unable to discern"
)


class Scripted:
    """A probe that answers from a list."""

    def __init__(self, *answers: Profile | Diagnosis) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    def detect(self, settings: StorageSettings) -> Profile | Diagnosis:
        self.asked.append("detect")
        return self.answers.pop(0)

    def confirm(self, settings: StorageSettings, profile: Profile) -> Profile | Diagnosis:
        self.asked.append("confirm")
        return self.answers.pop(0)


def test_what_was_learnt_is_kept_and_confirmed(tmp_path: Path) -> None:
    file = tmp_path / "profile.json"
    probe = Scripted(LEARNT, LEARNT)
    for _ in range(2):
        assert storage.prepare(SETTINGS, file, probe=probe) == LEARNT
    assert probe.asked == ["detect", "confirm"]
    assert "HUSH" not in file.read_text()


def test_other_settings_or_a_broken_file_mean_learning_anew(tmp_path: Path) -> None:
    file = tmp_path / "profile.json"
    storage.prepare(SETTINGS, file, probe=Scripted(LEARNT))
    other = replace(SETTINGS, region="other")
    probe = Scripted(replace(LEARNT, fingerprint=other.fingerprint()))
    storage.prepare(other, file, probe=probe)
    assert probe.asked == ["detect"]
    file.write_text("{")
    probe = Scripted(LEARNT)
    assert storage.prepare(SETTINGS, file, probe=probe) == LEARNT
    assert probe.asked == ["detect"]


def test_a_store_that_has_changed_is_asked_again(tmp_path: Path) -> None:
    file = tmp_path / "profile.json"
    storage.prepare(SETTINGS, file, probe=Scripted(LEARNT))
    changed = replace(LEARNT, region="z2-b")
    probe = Scripted(WRONG, changed)
    assert storage.prepare(SETTINGS, file, probe=probe) == changed
    assert probe.asked == ["confirm", "detect"]
    assert Profile.from_json(file.read_text()) == changed


def test_a_store_that_is_down_is_waited_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    probe = Scripted(DOWN, DOWN, LEARNT)
    assert storage.prepare(SETTINGS, tmp_path / "p", probe=probe, wait_s=30) == LEARNT
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "waiting up to 30 s" in said
    assert "nothing listens at h:1" in said


def test_waiting_ends(tmp_path: Path) -> None:
    with pytest.raises(StoreRefused, match="nothing listens at h:1"):
        storage.prepare(SETTINGS, tmp_path / "p", probe=Scripted(DOWN), wait_s=0)
    stopping = threading.Event()
    stopping.set()
    with pytest.raises(storage.Stopped):
        storage.prepare(SETTINGS, tmp_path / "p", probe=Scripted(DOWN), stopping=stopping)


def test_what_waiting_does_not_cure_is_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(StoreRefused) as caught:
        storage.prepare(SETTINGS, tmp_path / "p", probe=Scripted(WRONG))
    for text in ("storage is unable to discern", "region is wrong", "set it"):
        assert text in str(caught.value)
    assert not (tmp_path / "p").exists()


def test_a_folder_is_not_asked(tmp_path: Path) -> None:
    settings = StorageSettings("file", path=str(tmp_path))
    storage.prepare(settings, tmp_path / "p", probe=Scripted())
    assert not (tmp_path / "p").exists()


def test_workers_get_everything_and_a_small_cache() -> None:
    told = json.loads(storage.for_worker(replace(SETTINGS, cache_folder="/c"), LEARNT))
    settings = StorageSettings.from_json(told["settings"])
    assert (settings.secret_key, settings.cache_folder) == ("HUSH", "")
    assert settings.cache_memory_bytes == storage.WORKER_CACHE_BYTES
    assert Profile.from_json(told["profile"]) == LEARNT


# -- whose the store is ----------------------------------------------------------------------


def claim(blob: MemoryStore, folder: Path, *, adopt: bool = False, has_past: bool = False) -> str:
    folder.mkdir(exist_ok=True)
    return cluster.claim(blob, folder, location="s3://b", adopt=adopt, has_past=has_past)


def test_the_first_server_marks_the_store_and_finds_it_again(tmp_path: Path) -> None:
    blob = MemoryStore()
    own = claim(blob, tmp_path / "a")
    assert json.loads(blob.get("cluster")) == {"cluster_id": own, "format": 1}
    assert claim(blob, tmp_path / "a", has_past=True) == own


def test_another_server_is_refused_with_what_to_do(tmp_path: Path) -> None:
    blob = MemoryStore()
    own = claim(blob, tmp_path / "a")
    for has_past in (False, True):
        with pytest.raises(FailedPrecondition, match=rf"another Dassie cluster, {own}.*--adopt"):
            claim(blob, tmp_path / "b", has_past=has_past)
    assert not (tmp_path / "b" / "cluster-id").exists()


def test_a_new_server_may_take_over_one_with_a_past_may_not(tmp_path: Path) -> None:
    blob, other = MemoryStore(), MemoryStore()
    own = claim(blob, tmp_path / "a")
    assert claim(blob, tmp_path / "b", adopt=True) == own
    claim(other, tmp_path / "c")
    with pytest.raises(FailedPrecondition, match="empty --data folder"):
        claim(blob, tmp_path / "c", adopt=True, has_past=True)


def test_a_server_that_is_older_than_the_marker_keeps_its_id(tmp_path: Path) -> None:
    (tmp_path / "cluster-id").write_text("0123")
    assert claim(MemoryStore(), tmp_path, has_past=True) == "0123"


@pytest.mark.parametrize("damage", [b"0123\xb74567", b"01s3"])
def test_a_damaged_id_is_named_and_can_be_taken_from_the_store(
    tmp_path: Path, damage: bytes
) -> None:
    blob = MemoryStore()
    own = claim(blob, tmp_path)
    (tmp_path / "cluster-id").write_bytes(damage)
    with pytest.raises(DataLoss, match=r"cluster-id is damaged: remove it"):
        claim(blob, tmp_path, has_past=True)
    (tmp_path / "cluster-id").unlink()
    assert claim(blob, tmp_path, adopt=True, has_past=True) == own


def test_a_damaged_marker_is_written_anew_once_it_is_removed(tmp_path: Path) -> None:
    blob = MemoryStore()
    own = claim(blob, tmp_path)
    blob.delete([cluster.MARKER])
    blob.put(cluster.MARKER, [b"\xff{"])
    with pytest.raises(DataLoss, match=r"'cluster'.*remove it, and it is written anew"):
        claim(blob, tmp_path, has_past=True)
    blob.delete([cluster.MARKER])
    assert claim(blob, tmp_path, has_past=True) == own
    assert cluster.owner(blob) == own


def test_a_store_that_was_taken_over_is_noticed(tmp_path: Path) -> None:
    blob = MemoryStore()
    own = claim(blob, tmp_path)
    cluster.verify(blob, own, "s3://b")
    blob.put("cluster", [cluster.content("another")])
    with pytest.raises(FailedPrecondition, match="another Dassie cluster, another"):
        cluster.verify(blob, own, "s3://b")
    blob.delete(["cluster"])
    with pytest.raises(FailedPrecondition, match="lost its object"):
        cluster.verify(blob, own, "s3://b")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"cluster_id": "x"}'])
def test_a_marker_that_is_none(text: str, tmp_path: Path) -> None:
    blob = MemoryStore()
    blob.put("cluster", [text.encode()])
    with pytest.raises(DataLoss, match="not a cluster's marker"):
        claim(blob, tmp_path)
    blob.put("cluster", [b'{"cluster_id": "x", "format": 2}'])
    with pytest.raises(FailedPrecondition, match="newer version"):
        claim(blob, tmp_path)
