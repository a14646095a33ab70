"""From settings to a working object store: learn how it wants to be spoken to, or say what is
wrong. Called by `main` before anything else is built; workers get the outcome over their link.
"""

from __future__ import annotations

import json
import logging
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Protocol

from dassie.blob.api import BlobStore
from dassie.blob.errors import StoreRefused
from dassie.blob.open import open_store, uncached
from dassie.blob.probe.diagnosis import Diagnosis
from dassie.blob.profile import Profile
from dassie.blob.settings import MIB, StorageSettings
from dassie.blob.wrappers.health import Check, Health, HealthStore, Side
from dassie.blob.wrappers.patience import PatientStore
from dassie.daemon import cluster
from dassie.daemon.privacy import keep_memory_private
from dassie.errors import InvalidArgument
from dassie.storage.limits import Limits

_log = logging.getLogger(__name__)

PROFILE_FILE: Final = "storage-profile.json"
LONGEST_PAUSE_S: Final = 5.0
CHECK_TIMEOUT_S: Final = 5.0
WORKER_CACHE_BYTES: Final = 16 * MIB
WORKER_PATIENCE_S: Final = 3600.0
"""For how long a worker waits for a store that was there; its datum fails then."""


class Probe(Protocol):
    """How a store is asked (`blob.probe.run.StoreProbe` is one)."""

    def detect(self, settings: StorageSettings) -> Profile | Diagnosis:
        """Find out everything."""

    def confirm(self, settings: StorageSettings, profile: Profile) -> Profile | Diagnosis:
        """One request, to see whether what is known still holds."""


class Stopped(Exception):
    """The server was told to stop while it waited for the store."""


def prepare(
    settings: StorageSettings,
    profile_file: Path,
    *,
    wait_s: float = 60.0,
    stopping: threading.Event | None = None,
    probe: Probe | None = None,
) -> Profile:
    """How to speak to the store: as it was learnt before, if that still holds, or found out now.

    Waits up to `wait_s` for a store that does not answer, and says so once. Raises `StoreRefused`
    with the diagnosis, a line for people; `Stopped` when `stopping` is set meanwhile.
    """
    if settings.kind == "file":
        return Profile(settings.fingerprint())
    probe = probe or _probe()
    stopping = stopping or threading.Event()
    give_up, pause, said = time.monotonic() + wait_s, 0.5, False
    saved = _saved(profile_file, settings)
    while True:
        found = _ask(settings, saved, probe)
        if isinstance(found, Profile):
            if found != saved:
                _save(profile_file, found)
            how = " (as learnt before)" if found == saved else ""
            _log.info("object store %s: %s%s", settings.location, found.line(), how)
            return found
        left = give_up - time.monotonic()
        if not found.transient or left <= 0:
            break
        if not said:
            said = True
            _say(f"waiting up to {wait_s:.0f} s for the object store: {found.line}")
        if stopping.wait(min(pause, left)):
            raise Stopped
        pause = min(2 * pause, LONGEST_PAUSE_S)
    text = f"object store {settings.location}: {found.log_line}"
    _log.error("cannot start: %s", text)
    raise StoreRefused(text, found.words)


def _probe() -> Probe:
    from dassie.blob.probe.run import StoreProbe  # a server on a folder does without

    return StoreProbe()


def _ask(settings: StorageSettings, saved: Profile | None, probe: Probe) -> Profile | Diagnosis:
    """What was learnt is confirmed; where the store's answers have changed, learn anew."""
    if saved is None:
        return probe.detect(settings)
    found = probe.confirm(settings, saved)
    if isinstance(found, Profile) or found.transient:
        return found
    _log.warning("%s: what was learnt does not hold now: %s", settings.location, found.line)
    return probe.detect(settings)


def _say(text: str) -> None:
    _log.warning("%s", text)
    print(f"pachd: {text}", file=sys.stderr, flush=True)


def _saved(path: Path, settings: StorageSettings) -> Profile | None:
    try:
        profile = Profile.from_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (InvalidArgument, UnicodeDecodeError) as error:
        _log.warning("%s is of no use, the store is asked again: %s", path, error)
        return None
    return profile if profile.fingerprint == settings.fingerprint() else None


def _save(path: Path, profile: Profile) -> None:
    fresh = path.with_suffix(".new")
    fresh.write_text(profile.to_json(), encoding="utf-8")
    fresh.replace(path)


@dataclass(frozen=True, slots=True)
class Opened:
    """A store in use. `close` ends its checks too."""

    blob: BlobStore
    plain: BlobStore
    """The same without the read cache: for the marker, which may change."""
    checked: BlobStore
    """What its health asks: without patience."""

    def close(self) -> None:
        self.blob.close()
        self.checked.close()


def opened(settings: StorageSettings, profile: Profile, changed: Callable[[str], None]) -> Opened:
    """The store for the server, watched; `changed` is told when it stops and starts to work."""
    asking = replace(
        settings,
        retries=0,
        cache_memory_bytes=0,
        cache_disk_bytes=0,
        cache_folder="",
        connect_timeout_s=min(settings.connect_timeout_s, CHECK_TIMEOUT_S),
        request_timeout_s=min(settings.request_timeout_s, CHECK_TIMEOUT_S),
        stall_timeout_s=min(settings.stall_timeout_s, CHECK_TIMEOUT_S),
    )
    checked = open_store(asking, profile)
    health = Health(settings.location, _check(checked), changed)

    def watched(store: BlobStore) -> BlobStore:
        return HealthStore(store, health, fail_fast=settings.kind != "file")

    blob = open_store(settings, profile, around=watched)
    return Opened(blob, uncached(blob), checked)


def _check(store: BlobStore) -> Check:
    """Reading the cluster's marker, or writing it again as it is."""

    def check(side: Side) -> None:
        data = store.get(cluster.MARKER)
        if side is Side.WRITES:
            store.put(cluster.MARKER, [data])

    return check


def limits(settings: StorageSettings) -> Limits:
    """Sizes and threads that fit the store."""
    return Limits() if settings.kind == "file" else Limits.remote(settings.concurrency)


def for_worker(settings: StorageSettings, profile: Profile) -> str:
    """What a worker needs to open the store itself. Holds secrets: for its link only."""
    own = replace(
        settings, cache_memory_bytes=WORKER_CACHE_BYTES, cache_disk_bytes=0, cache_folder=""
    )
    return json.dumps({"settings": own.to_json(), "profile": profile.to_json()})


def open_for_worker(text: str) -> tuple[BlobStore, Limits]:
    """The other end of `for_worker`; nothing is asked or written."""
    value: dict[str, Any] = json.loads(text)
    settings = StorageSettings.from_json(value["settings"])
    if settings.secret_key:
        keep_memory_private()  # from here on this process holds what user code must not find

    def patient(store: BlobStore) -> BlobStore:
        return store if settings.kind == "file" else PatientStore(store, WORKER_PATIENCE_S)

    profile = Profile.from_json(value["profile"])
    return open_store(settings, profile, around=patient), limits(settings)
