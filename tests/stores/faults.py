"""What a proxy can do to a request, and when: values and plans for `tests.stores.proxy`. Pure."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase


@dataclass(frozen=True)
class Request:
    """A request as the plan sees it, before its body was read."""

    number: int
    """Counted from 1 over the whole life of the proxy."""
    method: str
    bucket: str
    key: str
    """Empty for requests on the bucket (list, batch delete, location)."""
    query: str
    headers: Mapping[str, str] = field(repr=False)
    """By lower-case name."""
    length: int
    """Bytes of its body; 0 when it says nothing."""

    @property
    def kind(self) -> str:
        """`put`, `get`, `head`, `delete`, `list`, `batch-delete`, `part`, `multipart`, …"""
        method = self.method.lower()
        if not self.key:
            return {"get": "list", "post": "batch-delete"}.get(method, f"bucket-{method}")
        if "uploadId=" in self.query:
            return {"put": "part", "post": "multipart"}.get(method, f"multipart-{method}")
        return "multipart" if method == "post" else method


@dataclass(frozen=True)
class Answer:
    """An answer that the proxy gives instead of the store."""

    status: int
    body: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Fault:
    """What to do to one request; fields combine. Places are `before` (nothing was forwarded),
    `request` (amid its body), `after` (the store did it, the answer is lost), `answer` (amid the
    answer's body)."""

    delay_s: float = 0.0
    """Added latency."""
    reset: str = ""
    """Close the connection hard, there."""
    stall: str = ""
    """Move no byte for `stall_s`, there."""
    stall_s: float = 30.0
    flip: str = ""
    """Change one bit of the body: `request` or `answer`."""
    answer: Answer | None = None
    """Given instead of asking the store."""
    truncate: bool = False
    """End the connection, orderly, amid the answer's body."""
    length_off_by: int = 0
    """Added to the Content-Length that the answer declares."""
    at: float = 0.5
    """Where "amid" is, as a part of the body's length."""
    date_shift_s: float = 0.0
    """Added to the answer's Date."""
    host: str = ""
    """Sent to the store as Host."""


Plan = Callable[[Request], Fault | None]


def error(status: int, code: str, message: str, **headers: str) -> Fault:
    """An S3 error answer."""
    body = (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f"<Error><Code>{code}</Code><Message>{message}</Message>"
        "<RequestId>tx-proxy</RequestId></Error>"
    )
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Fault(answer=Answer(status, body, {"Content-Type": "application/xml", **named}))


INTERNAL = error(500, "InternalError", "We encountered an internal error. Please try again.")
SLOW_DOWN = error(503, "SlowDown", "Please reduce your request rate.", Retry_After="1")
BAD_GATEWAY = Fault(
    answer=Answer(502, "<html><h1>502 Bad Gateway</h1>nginx</html>", {"Content-Type": "text/html"})
)
DENIED = error(403, "AccessDenied", "Access Denied.")
EXPIRED_TOKEN = error(403, "ExpiredToken", "The provided token has expired.")
SKEWED = error(
    403,
    "RequestTimeTooSkewed",
    "The difference between the request time and the current time is too large.",
)
NO_BUCKET = error(404, "NoSuchBucket", "The specified bucket does not exist.")
FULL = error(507, "InsufficientStorage", "There is not enough space on the volumes.")
QUOTA = error(403, "QuotaExceeded", "The quota of this bucket is used up.")
TOO_LARGE = Fault(
    answer=Answer(
        413, "<html><h1>413 Request Entity Too Large</h1>nginx</html>", {"Server": "nginx/1.22.1"}
    )
)


@dataclass(frozen=True)
class Match:
    """Which requests a plan is about; empty: all."""

    kind: str = ""
    """Kinds by comma (`Request.kind`)."""
    key: str = "*"
    """A glob over the key."""

    def __call__(self, request: Request) -> bool:
        kinds = self.kind.split(",") if self.kind else [request.kind]
        return request.kind in kinds and fnmatchcase(request.key, self.key)


ANY = Match()
WRITES = Match("put,part,multipart,delete,batch-delete")
READS = Match("get,list,head")


def always(fault: Fault, match: Match = ANY) -> Plan:
    return lambda request: fault if match(request) else None


def every(n: int, fault: Fault, match: Match = ANY) -> Plan:
    """Each `n`-th matching request, not the first; but no object twice in a row, which a client
    that repeats what failed need not outlast."""
    struck: set[str] = set()

    def spare(request: Request) -> bool:
        if request.key in struck:
            struck.discard(request.key)
            return True
        struck.add(request.key)
        return False

    return _numbered(fault, match, lambda number: number % n == 0, spare)


def first(n: int, fault: Fault, match: Match = ANY) -> Plan:
    """The first `n` matching requests."""
    return _numbered(fault, match, lambda number: number <= n)


def after(n: int, fault: Fault, match: Match = ANY) -> Plan:
    """All matching requests but the first `n`."""
    return _numbered(fault, match, lambda number: number > n)


def any_of(*plans: Plan) -> Plan:
    """The first of `plans` that has something to do; each of them sees every request."""

    def plan(request: Request) -> Fault | None:
        decided = [one(request) for one in plans]
        return next((fault for fault in decided if fault is not None), None)

    return plan


def _numbered(
    fault: Fault,
    match: Match,
    chosen: Callable[[int], bool],
    spare: Callable[[Request], bool] = lambda _: False,
) -> Plan:
    numbers = itertools.count(1)
    lock = threading.Lock()

    def plan(request: Request) -> Fault | None:
        if not match(request):
            return None
        with lock:
            struck = chosen(next(numbers)) and not spare(request)
        return fault if struck else None

    return plan
