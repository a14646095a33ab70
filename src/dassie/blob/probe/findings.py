"""From what was learnt to the rows of the table. Pure. Called by `probe.run`."""

from __future__ import annotations

from dassie.blob.probe.detect import Detected
from dassie.blob.probe.diagnosis import Diagnosis, Kind
from dassie.blob.probe.report import Check
from dassie.blob.probe.writing import OBJECT_BYTES, Learnt

_FAILS_AT = {
    "endpoint": {
        Kind.UNKNOWN_HOST,
        Kind.REFUSED,
        Kind.UNREACHABLE,
        Kind.TIMEOUT,
        Kind.CUT,
        Kind.NOT_S3,
        Kind.MOVED,
        Kind.ENDPOINT_NAME,
    },
    "TLS": {
        Kind.TLS_UNKNOWN_CA,
        Kind.TLS_EXPIRED,
        Kind.TLS_WRONG_NAME,
        Kind.TLS_AUTHORITY,
        Kind.TLS_OTHER,
        Kind.PLAIN_ON_TLS_PORT,
        Kind.TLS_ON_PLAIN_PORT,
    },
    "clock": {Kind.CLOCK},
    "region": {Kind.REGION, Kind.REGION_PINNED},
    "signature": {
        Kind.SIGNATURE,
        Kind.SIGNATURE_PINNED,
        Kind.V2_REFUSED,
        Kind.HOST_REWRITTEN,
    },
    "keys": {Kind.NO_KEYS, Kind.UNKNOWN_KEY, Kind.WRONG_SECRET, Kind.TOKEN_EXPIRED}
    | {Kind.USER_LOCKED},
    "addressing": {Kind.ADDRESSING, Kind.ADDRESSING_PINNED},
    "bucket": {Kind.BUCKET_MISSING},
    "list": {Kind.DENIED_LIST, Kind.DENIED_READ},
}
"""Of the rows before the first write, the one that a kind belongs to."""


def checks_of(
    detected: Detected | None, learnt: Learnt, figures: dict[str, float]
) -> tuple[Check, ...]:
    """The rows, in the order in which things were looked at."""
    if detected is None:
        return _unreached(learnt.diagnosis) + _skipped()
    return _reached(detected, learnt, figures) + _written(learnt, figures)


def _unreached(found: Diagnosis | None) -> tuple[Check, ...]:
    rows = []
    failed = False
    for name, kinds in _FAILS_AT.items():
        if failed or found is None:
            rows.append(Check(name, "skip"))
        elif found.kind in kinds:
            failed = True
            rows.append(Check(name, "fail", str(found.kind), found.message))
        else:
            rows.append(Check(name, "ok" if _past(name, found) else "skip"))
    if not failed and found is not None:
        rows.append(Check("answer", "fail", str(found.kind), found.message))
    return tuple(rows)


def _past(name: str, found: Diagnosis) -> bool:
    """Whether a failure of this kind proves that the row `name` is in order."""
    names = list(_FAILS_AT)
    at = next((row for row, kinds in _FAILS_AT.items() if found.kind in kinds), "")
    sent = found.kind is not Kind.NO_KEYS
    return sent and bool(at) and names.index(name) < names.index(at) and name in {"endpoint", "TLS"}


def _skipped() -> tuple[Check, ...]:
    names = ["write", "read after write", "ranges", "conditional put", "multipart"]
    names += ["batch delete", "delete", "missing key"]
    return tuple(Check(name, "skip") for name in names)


def _reached(detected: Detected, learnt: Learnt, figures: dict[str, float]) -> tuple[Check, ...]:
    manner = detected.manner
    stale = next((note.message for note in learnt.notes if note.kind is Kind.STALE_LIST), "")
    warned = {note.kind for note in detected.notes}
    tls = "https" if manner.scheme == "https" else "plain"
    skew = figures.get("clock_skew_s")
    latency = figures.get("latency_s")
    server = detected.listing.answer.server if detected.listing.answer else ""
    return (
        Check("endpoint", "ok", "", f"{manner.endpoint}{f', server {server!r}' if server else ''}"),
        Check("TLS", "warn" if Kind.TLS_AUTHORITY in warned else "ok", tls),
        Check(
            "clock",
            "warn" if skew and abs(skew) > 60 else "ok",
            "" if skew is None else f"{skew:+.0f} s",
            "the store's minus ours" if skew else "",
        ),
        Check("region", "ok", manner.region),
        Check(
            "signature",
            "warn" if warned & {Kind.SIGNATURE, Kind.HOST_REWRITTEN} else "ok",
            manner.signature.upper(),
        ),
        Check("keys", "ok"),
        Check("addressing", "ok", manner.addressing),
        Check("bucket", "ok"),
        Check("list", "warn" if stale else "ok", f"V{detected.list_version}", stale),
        Check("latency", "ok", _milliseconds(latency), "median of the requests without a body"),
    )


def _written(learnt: Learnt, figures: dict[str, float]) -> tuple[Check, ...]:
    found = learnt.diagnosis
    rows: list[Check] = []
    failed = False

    def row(name: str, *, done: bool, check: Check) -> None:
        nonlocal failed
        if done:
            rows.append(check)
        elif failed or found is None:
            rows.append(Check(name, "skip"))
        else:
            failed = True
            rows.append(Check(name, "fail", str(found.kind), found.message))

    put, get = figures.get("put_bytes_per_s"), figures.get("get_bytes_per_s")
    size = f"{OBJECT_BYTES >> 20} MiB"
    row("write", done=learnt.written, check=Check("write", "ok", _rate(put), size))
    read = Check("read after write", "ok", _rate(get), f"{size}, as written")
    row("read after write", done=learnt.read_back, check=read)
    if learnt.read_back:
        rows.append(_yes("ranges", learnt.ranges, "a range is not answered by 206"))
        rows.append(_conditional(learnt.conditional_put))
        rows.append(_yes("multipart", learnt.multipart, "objects are sent in one piece"))
        batch = learnt.batch_delete
        row(
            "batch delete",
            done=batch or learnt.deleted,
            check=_yes("batch delete", batch, "objects are deleted one by one"),
        )
    done = Check("delete", "ok", "", "gone at once")
    row("delete", done=learnt.deleted or bool(learnt.missing_key), check=done)
    told = Check("missing key", "ok", learnt.missing_key, "told from a missing bucket or a denial")
    row("missing key", done=learnt.missing_key == "404", check=told)
    return tuple(rows)


def _conditional(said: str) -> Check:
    notes = {"ignored": "it overwrites; Dassie does not rely on it", "refused": "not needed"}
    return Check("conditional put", "ok" if said else "skip", said, notes.get(said, ""))


def _yes(name: str, has: bool, otherwise: str) -> Check:
    return Check(name, "ok" if has else "warn", "yes" if has else "no", "" if has else otherwise)


def _milliseconds(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds * 1000:.1f} ms"


def _rate(bytes_s: float | None) -> str:
    return "" if not bytes_s else f"{bytes_s / 1e6:.0f} MB/s"
