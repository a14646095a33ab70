"""The probe by a driver's own calls: for a folder, Google Cloud Storage and Azure."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace

import pytest
from obstore.exceptions import GenericError

from dassie.base.clock import SystemClock
from dassie.blob.api import BlobNotFound
from dassie.blob.drivers.memory import MemoryStore
from dassie.blob.errors import BucketMissing, StoreDenied, StoreFull, StoreUnavailable
from dassie.blob.open import open_store
from dassie.blob.probe.diagnosis import Kind
from dassie.blob.probe.run import confirm, probe
from dassie.blob.probe.through_driver import cycle
from dassie.blob.profile import Profile
from dassie.blob.settings import StorageSettings
from dassie.blob.wrappers.faulty import FailNth, FaultyStore
from tests.blob.probe.scripted import ScriptedStore, refusal

GOOGLE = StorageSettings("gs", bucket="bkt", prefix="pre")
AZURE = StorageSettings("az", bucket="bkt", prefix="pre", access_key="account", secret_key="QUJD")
NAMES = ["write", "read after write", "ranges", "list", "delete", "missing key"]


def test_a_folder(tmp_path: object) -> None:
    settings = StorageSettings("file", path=str(tmp_path))
    report = probe(settings)
    assert report.ok
    assert [check.name for check in report.checks] == NAMES
    assert report.profile is not None
    assert confirm(settings, report.profile) is None


def test_a_folder_that_cannot_be_made() -> None:
    report = probe(StorageSettings("file", path="/proc/none/here"))
    assert not report.ok
    assert report.diagnosis is not None


def test_a_healthy_store_is_left_as_it_was() -> None:
    store = MemoryStore()
    report = cycle(GOOGLE, store, SystemClock())
    assert report.ok
    assert list(store.list()) == []
    assert {check.status for check in report.checks} == {"ok"}


@pytest.mark.parametrize("number", range(1, 7))
def test_each_step_that_fails_is_named(number: int) -> None:
    store = FaultyStore(MemoryStore(), FailNth(number))
    report = cycle(GOOGLE, store, SystemClock())
    assert report.diagnosis is not None
    assert report.diagnosis.kind is Kind.STORE
    assert report.diagnosis.transient
    failed = [check.name for check in report.checks if check.status == "fail"]
    assert failed == [NAMES[number - 1]]
    assert isinstance(report.diagnosis.error(), StoreUnavailable)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (BucketMissing("no bucket", "404"), Kind.BUCKET_MISSING),
        (StoreDenied("denied", "403"), Kind.DENIED_WRITE),
        (StoreFull("full", "507"), Kind.FULL),
        (StoreDenied("who?", "403 AuthenticationFailed: no"), Kind.WRONG_SECRET),
        (
            StoreDenied(
                "who?", "403 AuthorizationFailure: Server failed to authenticate the request."
            ),
            Kind.WRONG_SECRET,
        ),
        (StoreDenied("who?", "401 Unauthorized"), Kind.WRONG_SECRET),
        (StoreDenied("firewall", "403 AuthorizationFailure: not from there"), Kind.DENIED_WRITE),
    ],
)
def test_errors_of_a_driver(error: Exception, kind: Kind) -> None:
    class Refusing(MemoryStore):
        def put(self, key: str, parts: object) -> None:
            raise error

    report = cycle(GOOGLE, Refusing(), SystemClock())
    assert report.diagnosis is not None
    assert report.diagnosis.kind is kind
    assert type(report.diagnosis.error()) is type(error)


def test_who_gets_no_token_is_told_to_bring_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """As the library said it where no identity service answers: not to be had on demand."""
    text = "Generic GCS error: Error performing token request: Error performing GET http://m/token"

    def refuse(*_: object, **__: object) -> None:
        raise GenericError(f"{text} - HTTP error: error sending request")

    monkeypatch.setattr("obstore.put", refuse)
    report = probe(replace(GOOGLE, endpoint="http://127.0.0.1:9", retries=0))
    assert report.diagnosis is not None
    assert report.diagnosis.kind is Kind.NO_KEYS
    assert report.line.startswith("CREDENTIALS: ")
    assert "no access token was to be had" in report.line
    assert "GOOGLE_APPLICATION_CREDENTIALS" in report.line


def test_other_bytes_are_seen() -> None:
    class Lying(MemoryStore):
        def get(self, key: str) -> bytes:
            return super().get(key)[:-1]

    store = Lying()
    report = cycle(GOOGLE, store, SystemClock())
    assert report.diagnosis is not None
    assert report.diagnosis.kind is Kind.CORRUPTED
    assert list(store.list()) == []


def test_a_profile_is_of_its_settings(tmp_path: object) -> None:
    settings = StorageSettings("file", path=str(tmp_path))
    report = probe(settings)
    assert report.profile == Profile(settings.fingerprint())


def test_a_store_over_plain_http_is_reached_with_the_profile_that_was_found(
    store: ScriptedStore,
) -> None:
    """An emulator of Azure, or its own API behind a proxy: what the probe did, `pachd` can."""
    endpoint = f"http://127.0.0.1:{store.port}/account"
    azure = replace(AZURE, endpoint=endpoint, retries=0)
    report = cycle(azure, MemoryStore(), SystemClock())
    assert report.profile is not None
    store.script = lambda call: refusal(404, "BlobNotFound")
    with closing(open_store(azure, report.profile)) as opened, pytest.raises(BlobNotFound):
        opened.get("cluster")


def test_a_key_that_is_none_is_not_looked_for_in_the_stores_log() -> None:
    report = probe(replace(AZURE, secret_key="no base64!"))
    assert "look at the store's log" not in report.line
    assert "the keys" in report.line
