"""The probe of stores that are reached through a driver only: a folder, Google Cloud, Azure.

A plain cycle of write, read, list and delete by the driver's own calls, whose errors are mapped
already. Called by `probe.run`; leaves nothing behind.
"""

from __future__ import annotations

import re
import time
import uuid
from contextlib import closing, suppress

from dassie.base.clock import Clock
from dassie.blob.api import BlobNotFound, BlobStore
from dassie.blob.errors import (
    BucketMissing,
    StoreDenied,
    StoreFull,
    StoreRefused,
    StoreUnavailable,
    TokenUnavailable,
)
from dassie.blob.open import assumed, open_store
from dassie.blob.probe.diagnosis import Diagnosis, Kind
from dassie.blob.probe.report import Check, Report
from dassie.blob.profile import Profile
from dassie.blob.settings import StorageSettings
from dassie.errors import (
    DassieError,
    NotFound,
    PermissionDenied,
    ResourceExhausted,
    Unavailable,
)

_BYTES = 8 << 20
_STEPS = ("write", "read after write", "ranges", "list", "delete", "missing key")


def probe(settings: StorageSettings, clock: Clock) -> Report:
    """The cycle, up to the first step that fails."""
    try:
        store = open_store(settings)
    except DassieError as error:
        found = diagnose(error, "open")
        return Report(settings.location, _rows([], found), None, found)
    with closing(store):
        return cycle(settings, store, clock)


def confirm(settings: StorageSettings) -> Diagnosis | None:
    """One request: that a missing key is told."""
    try:
        with closing(open_store(settings)) as store:
            store.get(f"probe/{uuid.uuid4().hex}")
    except BlobNotFound:
        return None
    except DassieError as error:
        return diagnose(error, "missing key")
    return Diagnosis(Kind.NOT_S3, f"{settings.location} has a key that nobody wrote")


def cycle(settings: StorageSettings, store: BlobStore, clock: Clock) -> Report:
    """Write, read back, list, delete."""
    key = f"probe/{uuid.uuid4().hex}"
    body = bytes(range(256)) * (_BYTES // 256)
    rows: list[Check] = []
    figures: dict[str, float] = {}
    found = None
    try:
        begin = clock.monotonic()
        store.put(key, [body])
        figures["put_bytes_per_s"] = _BYTES / max(clock.monotonic() - begin, 1e-6)
        rows.append(_row(figures["put_bytes_per_s"]))
        begin = clock.monotonic()
        found = _same(store.get(key), body)
        if found is None:
            figures["get_bytes_per_s"] = _BYTES / max(clock.monotonic() - begin, 1e-6)
            rows.append(_row(figures["get_bytes_per_s"], "read after write"))
            found = _same(store.get_range(key, 100, 1000), body[100:1100])
        if found is None:
            rows.append(Check("ranges", "ok", "yes"))
            found = _rest(store, key, rows, figures)
    except DassieError as error:
        found = diagnose(error, _STEPS[len(rows)])
    finally:
        with suppress(DassieError):
            store.delete([key])
    profile = None
    if found is None:
        # What the store was reached with: the driver goes by its scheme.
        profile = Profile(settings.fingerprint(), endpoint=assumed(settings).endpoint)
    return Report(
        settings.location, _rows(rows, found), profile, found, requests=6, figures=figures
    )


def _rest(
    store: BlobStore, key: str, rows: list[Check], figures: dict[str, float]
) -> Diagnosis | None:
    if key not in [info.key for info in store.list(key)]:
        return Diagnosis(
            Kind.STALE_READ,
            "an object was not listed right after it was written",
            "Dassie needs a store that shows what was written at once",
        )
    rows.append(Check("list", "ok"))
    store.delete([key])
    rows.append(Check("delete", "ok"))
    begin = time.monotonic()
    try:
        store.get(key)
    except BlobNotFound:
        figures["latency_s"] = time.monotonic() - begin
        rows.append(Check("missing key", "ok", f"{figures['latency_s'] * 1000:.1f} ms"))
        return None
    return Diagnosis(
        Kind.STALE_DELETE,
        "an object was still read after its deletion",
        "do not use an eventually consistent replica or gateway cache",
    )


def diagnose(error: DassieError, step: str) -> Diagnosis:
    """The finding that an error of a driver amounts to."""
    words = str(getattr(error, "answer", ""))
    kinds: list[tuple[type[DassieError], Kind]] = [
        (BucketMissing, Kind.BUCKET_MISSING),
        (StoreFull, Kind.FULL),
        (ResourceExhausted, Kind.FULL),
        (StoreRefused, Kind.UNEXPLAINED),
        (TokenUnavailable, Kind.NO_KEYS),
        (StoreUnavailable, Kind.STORE),
        (Unavailable, Kind.STORE),
        (NotFound, Kind.STALE_READ),
    ]
    if isinstance(error, StoreDenied) and _UNKNOWN_TO_IT.search(words):
        kind = Kind.WRONG_SECRET
    elif isinstance(error, StoreDenied | PermissionDenied):
        kind = {"list": Kind.DENIED_LIST, "delete": Kind.DENIED_DELETE}.get(
            step, Kind.DENIED_WRITE if step == "write" else Kind.DENIED_READ
        )
    else:
        kind = next((kind for cls, kind in kinds if isinstance(error, cls)), Kind.UNEXPLAINED)
    otherwise = "look at the store's log"
    if step == "open":
        otherwise = "check the storage URL and the keys and files that belong to it"
    return Diagnosis(kind, str(error), _REMEDIES.get(kind, otherwise), words)


_UNKNOWN_TO_IT = re.compile(r"^401\b|AuthenticationFailed|failed to authenticate")
"""Azure and Google do not know who asks; a known one without the right is refused otherwise."""

_REMEDIES = {
    Kind.WRONG_SECRET: "check the account's name and its key",
    Kind.NO_KEYS: "give a service account's file (--storage-credentials-file or "
    "GOOGLE_APPLICATION_CREDENTIALS) or Azure's account key, if this machine has no identity of "
    "its own there",
    Kind.BUCKET_MISSING: "create the bucket (Azure: the container), or correct its name",
    Kind.FULL: "make room, or raise the quota",
    Kind.DENIED_WRITE: "give this server the right to write there",
    Kind.DENIED_READ: "give this server the right to read there",
    Kind.DENIED_LIST: "give this server the right to list there",
    Kind.DENIED_DELETE: "give this server the right to delete there",
    Kind.STORE: "check that the store runs and can be reached from here",
}


def _same(got: bytes, wanted: bytes) -> Diagnosis | None:
    if got == wanted:
        return None
    return Diagnosis(
        Kind.CORRUPTED,
        f"what was read is not what was written ({len(wanted)} bytes, {len(got)} came back)",
        "do not keep data in it; look at the disks and at what lies in between",
    )


def _row(bytes_s: float, name: str = "write") -> Check:
    return Check(name, "ok", f"{bytes_s / 1e6:.0f} MB/s", f"{_BYTES >> 20} MiB")


def _rows(done: list[Check], found: Diagnosis | None) -> tuple[Check, ...]:
    rows = list(done)
    for step in _STEPS[len(done) :]:
        failing = found is not None and len(rows) == len(done)
        figure, note = (str(found.kind), found.message) if failing and found else ("", "")
        rows.append(Check(step, "fail" if failing else "skip", figure, note))
    return tuple(rows)
