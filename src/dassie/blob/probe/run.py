"""The probe as a whole: what the daemon calls at start, and `pachd doctor`.

`StoreProbe` for a start (one request when a saved profile still holds), `probe` for a report.
"""

from __future__ import annotations

import logging
import statistics
import time
from collections.abc import Callable

from dassie.base.clock import Clock, SystemClock
from dassie.blob.probe import through_driver
from dassie.blob.probe.caller import MOST_REQUESTS, BudgetSpentError, Caller
from dassie.blob.probe.detect import Detected, detect, random_key
from dassie.blob.probe.diagnosis import Diagnosis, Kind, Operation
from dassie.blob.probe.findings import checks_of
from dassie.blob.probe.report import Report
from dassie.blob.probe.signing import Manner, Request
from dassie.blob.probe.writing import Learnt, WriteProbe
from dassie.blob.profile import Profile
from dassie.blob.settings import StorageSettings

_log = logging.getLogger(__name__)

_THOROUGH_REQUESTS = 50
_TIMED_GETS = 7
_SMALL_SKEW_S = 60.0

Pause = Callable[[float], None]


def probe(
    settings: StorageSettings,
    *,
    clock: Clock | None = None,
    thorough: bool = False,
    pause: Pause = time.sleep,
) -> Report:
    """Find out everything about the store. `thorough` may take more requests: for `doctor`."""
    clock = clock or SystemClock()
    if settings.kind != "s3":
        return through_driver.probe(settings, clock)
    budget = _THOROUGH_REQUESTS if thorough else MOST_REQUESTS
    caller = Caller(settings, clock, budget=budget, pause=pause)
    try:
        return _probe(caller, thorough=thorough)
    finally:
        caller.close()


def confirm(
    settings: StorageSettings, profile: Profile, *, clock: Clock | None = None
) -> Diagnosis | None:
    """One request: None when the store still answers as `profile` says."""
    if settings.kind != "s3":
        return through_driver.confirm(settings)
    caller = Caller(settings, clock or SystemClock())
    caller.cleaning = True  # nothing is repeated: it is one request
    scheme, _, host = profile.endpoint.partition("://")
    manner = Manner(scheme, host, profile.signature, profile.region, profile.addressing)
    try:
        heard = caller.ask(Request("GET", random_key(settings)), manner, Operation.READ)
    finally:
        caller.close()
    expected = Kind.DENIED_READ if profile.missing_key == "403" else Kind.MISSING_KEY
    return None if heard.kind is expected else heard.verdict


class StoreProbe:
    """What `daemon.storage` asks at start: a profile, or what stands in the way of one."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()

    def detect(self, settings: StorageSettings) -> Profile | Diagnosis:
        """Find out everything, and log what deserves a look."""
        report = probe(settings, clock=self._clock)
        for note in report.notes:
            _log.warning("object store %s: %s", settings.location, note.line)
        if report.profile is not None:
            return report.profile
        return report.diagnosis or Diagnosis(Kind.UNEXPLAINED, report.line)

    def confirm(self, settings: StorageSettings, profile: Profile) -> Profile | Diagnosis:
        """One request: `profile` when it still holds."""
        return confirm(settings, profile, clock=self._clock) or profile


def _probe(caller: Caller, *, thorough: bool) -> Report:
    learnt = Learnt()
    detected: Detected | None = None
    try:
        found = detect(caller)
    except BudgetSpentError:
        found = Diagnosis(
            Kind.UNEXPLAINED,
            f"the store's answers led nowhere after {caller.requests} requests",
            "look at its log, and pin what is known of it",
        )
    if isinstance(found, Diagnosis):
        learnt.diagnosis = found
    else:
        detected = found
        if thorough:
            _time_reads(caller, detected.manner)
        learnt = WriteProbe(caller, detected, thorough=thorough).run()
    return _report(caller, detected, learnt)


def _time_reads(caller: Caller, manner: Manner) -> None:
    caller.waits.clear()
    request = Request("GET", random_key(caller.settings))
    for _ in range(_TIMED_GETS):
        caller.ask(request, manner, Operation.READ)


def _report(caller: Caller, detected: Detected | None, learnt: Learnt) -> Report:
    settings = caller.settings
    notes = [*(detected.notes if detected else ()), *learnt.notes]
    skew = caller.skew_s
    if skew is not None and abs(skew) > _SMALL_SKEW_S and learnt.diagnosis is None:
        notes.append(_skewed(skew))
    profile = None
    if detected is not None and learnt.diagnosis is None:
        profile = _profile(settings, detected, learnt, skew or 0.0)
    figures = {}
    if caller.waits:
        figures["latency_s"] = statistics.median(caller.waits)
    if learnt.put_bytes_s:
        figures["put_bytes_per_s"] = learnt.put_bytes_s
    if learnt.get_bytes_s:
        figures["get_bytes_per_s"] = learnt.get_bytes_s
    if skew is not None:
        figures["clock_skew_s"] = skew
    return Report(
        settings.location,
        checks_of(detected, learnt, figures),
        profile,
        learnt.diagnosis,
        tuple(notes),
        caller.requests,
        learnt.marked,
        figures,
    )


def _skewed(skew_s: float) -> Diagnosis:
    way = "ahead of" if skew_s > 0 else "behind"
    return Diagnosis(
        Kind.CLOCK,
        f"the store's clock is {abs(skew_s):.0f} s {way} ours; stores refuse more than 300 to 900",
        "set the clock (NTP) of this machine or of the store",
    )


def _profile(
    settings: StorageSettings, detected: Detected, learnt: Learnt, skew_s: float
) -> Profile:
    manner = detected.manner
    answer = detected.listing.answer
    return Profile(
        fingerprint=settings.fingerprint(),
        endpoint=manner.endpoint,
        signature=manner.signature,
        region=manner.region,
        addressing=manner.addressing,
        checksums=learnt.checksums,
        content_md5=learnt.checksums == "md5",
        conditional_put=learnt.conditional_put,
        list_version=detected.list_version,
        batch_delete=learnt.batch_delete,
        multipart=learnt.multipart,
        ranges=learnt.ranges,
        missing_key=learnt.missing_key or "404",
        server=answer.server if answer else "",
        skew_s=skew_s,
    )
