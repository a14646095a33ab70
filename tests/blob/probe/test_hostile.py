"""The probe on a store that lies: each lie is found out, or does no harm."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from dassie.blob.probe.caller import MOST_REQUESTS
from dassie.blob.probe.diagnosis import Kind
from dassie.blob.probe.run import probe
from dassie.blob.settings import StorageSettings
from tests.stores.hostile import LIES, Hostile

REFUSED = {
    "web-page": Kind.NOT_S3,
    "missing-403": Kind.DENIED_READ,
    "missing-bucket": Kind.BUCKET_MISSING,
    "missing-200": Kind.STALE_DELETE,
    "forgets": Kind.STALE_READ,
    "corrupts": Kind.CORRUPTED,
    "cuts": Kind.CORRUPTED,
    "undead": Kind.STALE_DELETE,
    "read-only": Kind.DENIED_WRITE,
    "no-delete": Kind.DENIED_DELETE,
    "no-list": Kind.DENIED_LIST,
    "silent-writes": Kind.WRITE_TIMEOUT,
    "full": Kind.FULL,
    "skewed": Kind.CLOCK,
    "small-body": Kind.BODY_LIMIT,
}
LEARNT = {
    "framing": {},
    "v2-only": {"signature": "v2"},
    "v4-only": {"signature": "v4"},
    # No region to be had: V2 signs without one.
    "wrong-region": {"signature": "v2"},
    "elsewhere": {"region": "mars-1"},
    "needs-md5": {"checksums": "md5", "content_md5": True},
    "no-condition": {"conditional_put": "ignored"},
    "refuses-condition": {"conditional_put": "refused"},
    # Cannot be told from a listing that is short.
    "list-v1": {},
    "empty-list": {},
    "no-range": {"ranges": False},
    "no-multipart": {"multipart": False},
    "no-batch": {"batch_delete": False},
    # The probe reads back what it wrote; it is the drivers that look at ETags.
    "etag-of-kept": {},
    "etag-random": {},
}


@pytest.fixture
def hostile() -> Iterator[Hostile]:
    store = Hostile()
    yield store
    store.close()


def settings(store: Hostile) -> StorageSettings:
    return StorageSettings(
        "s3",
        bucket="dassie",
        endpoint=store.endpoint,
        access_key="AK",
        secret_key="SK",
        request_timeout_s=2,
        stall_timeout_s=1,
    )


def test_every_lie_has_its_line_here() -> None:
    assert LIES.keys() == REFUSED.keys() | LEARNT.keys()


@pytest.mark.parametrize("lie", REFUSED)
def test_a_lie_that_forbids_to_start(hostile: Hostile, lie: str) -> None:
    hostile.lies = {lie}
    report = probe(settings(hostile), pause=lambda _: None)
    assert report.diagnosis is not None, report.line
    assert report.diagnosis.kind is REFUSED[lie]
    assert len(hostile.requests) <= MOST_REQUESTS


@pytest.mark.parametrize("lie", LEARNT)
def test_a_lie_that_is_learnt(hostile: Hostile, lie: str) -> None:
    hostile.lies = {lie}
    report = probe(settings(hostile), pause=lambda _: None)
    assert report.profile is not None, report.line
    assert replace(report.profile, **LEARNT[lie]) == report.profile
    assert [note.kind for note in report.notes if note.kind is Kind.STALE_LIST] == (
        [Kind.STALE_LIST] if lie == "empty-list" else []
    )
    assert hostile.objects == {}
    assert len(hostile.requests) <= MOST_REQUESTS
