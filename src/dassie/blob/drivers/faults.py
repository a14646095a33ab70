"""Which error an answer of a store is: one table for all drivers. Pure.

A driver says what it was doing and hands over the answer, or what the transport said. The error's
text names the operation, the object, the place, and the store's own words.
"""

from __future__ import annotations

from dataclasses import dataclass

from dassie.blob.answers import Answer
from dassie.blob.api import BlobNotFound
from dassie.blob.errors import (
    BucketMissing,
    StoreDenied,
    StoreFull,
    StoreRefused,
    StoreThrottled,
    StoreUnavailable,
)
from dassie.errors import DassieError

FULL = frozenset(
    {
        "InsufficientStorage",
        "InsufficientStorageSpace",
        "NoSpaceLeft",
        "QuotaExceeded",
        "ServiceQuotaExceeded",
        "StorageFull",
        "XMinioAdminBucketQuotaExceeded",
        "XMinioBackendDown.StorageFull",
        "XMinioStorageFull",
    }
)
THROTTLED = frozenset(
    {
        "BandwidthLimitExceeded",
        "RequestLimitExceeded",
        "ServerBusy",
        "SlowDown",
        "SlowDownRead",
        "SlowDownWrite",
        "Throttling",
        "ThrottlingException",
        "TooManyRequests",
    }
)
LATER = frozenset(
    {
        "BadDigest",  # the body was changed on its way; so is the next one hardly
        "IncompleteBody",
        "InternalError",
        "NoSuchUpload",  # the store gave the upload up: it starts anew
        "OperationAborted",
        "OperationTimedOut",
        "RequestTimeout",
        "ServiceUnavailable",
        "XAmzContentSHA256Mismatch",
    }
)
DENIED = frozenset(
    {
        "AccessDenied",
        "AccountProblem",
        "AllAccessDisabled",
        "AuthenticationFailed",
        "AuthorizationFailure",
        "AuthorizationPermissionMismatch",
        "ExpiredToken",
        "InvalidAccessKeyId",
        "InvalidSecurity",
        "InvalidToken",
        "NotSignedUp",
        "SignatureDoesNotMatch",
        "TokenRefreshRequired",
        "UserSuspended",
    }
)
NO_BUCKET = frozenset({"ContainerNotFound", "NoSuchBucket"})
NO_KEY = frozenset({"BlobNotFound", "NoSuchKey"})
REGION = frozenset(
    {"AuthorizationHeaderMalformed", "InvalidRegion", "PermanentRedirect", "TemporaryRedirect"}
)
_NO_ROOM = "no space left on device"
"""MinIO says so inside an InternalError."""
_CLOCK_WORDS = ("difference between the request time", "date is too old", "request has expired")


@dataclass(frozen=True, slots=True)
class Doing:
    """What a driver was asked for when it went wrong."""

    operation: str
    """`put`, `get`, `list`, `delete`."""
    key: str
    location: str
    """The store, without credentials."""

    def __str__(self) -> str:
        what = f"object {self.key!r}" if self.operation != "list" else f"keys under {self.key!r}"
        return f"{self.operation} {what} at {self.location}"


def refusal(answer: Answer, doing: Doing) -> DassieError:
    """The error that `answer`, which is no success, stands for."""
    words = answer.words()
    text = f"{doing}: {words}"
    code, status = answer.code, answer.status
    if code in FULL or status == 507 or _NO_ROOM in answer.message.lower():
        return StoreFull(text, words)
    if clock_refused(answer):
        return StoreUnavailable(f"{text}{_clock(answer)}", words)
    if code in NO_BUCKET:
        return BucketMissing(text, words)
    if code in THROTTLED or status in {429, 503}:
        return StoreThrottled(text, words, answer.retry_after_s)
    if code in LATER or status in {408, 425} or (status >= 500 and status not in {501, 505}):
        return StoreUnavailable(text, words, answer.retry_after_s)
    if status == 404:
        return _not_found(answer, doing, text)
    if code in DENIED or (status in {401, 403} and not _spoke_plainly(answer)):
        return StoreDenied(text, words)
    return StoreRefused(f"{text}{_hint(answer)}", words)


def unreachable(said: str, doing: Doing) -> StoreUnavailable:
    """No answer came, or not all of it: `said` is what the transport tells."""
    return StoreUnavailable(f"{doing}: {said}", said)


def clock_refused(answer: Answer) -> bool:
    """Whether the store did not accept the time in the request."""
    if answer.code == "RequestTimeTooSkewed":
        return True
    said = answer.message.lower()
    return answer.status in {400, 401, 403} and any(words in said for words in _CLOCK_WORDS)


def _clock(answer: Answer) -> str:
    told = answer.date
    clock = f" (its clock says {told:%Y-%m-%d %H:%M:%S} UTC)" if told else ""
    return f"; this machine's clock and the store's differ{clock}: set both by NTP"


def _not_found(answer: Answer, doing: Doing, text: str) -> DassieError:
    """A missing object; but only the store itself may say so, not a proxy's page."""
    if doing.operation != "put" and (answer.code in NO_KEY or not (answer.code or answer.message)):
        return BlobNotFound(doing.key)
    if answer.code:
        return StoreRefused(text, answer.words())
    return StoreUnavailable(f"{text}; this is not an object store's answer", answer.words())


def _spoke_plainly(answer: Answer) -> bool:
    """Whether plain HTTP reached a port that wants TLS: some say so with a 403."""
    return "SSL required" in answer.message


def _hint(answer: Answer) -> str:
    if answer.code in REGION and answer.region:
        return f" (the store's region is {answer.region!r})"
    if answer.status == 413 or answer.code == "EntityTooLarge":
        return "; raise the limit of a request's body there, or lower --storage-part-size"
    if _spoke_plainly(answer) or "HTTPS server" in answer.message:
        return "; write https:// in the endpoint"
    return ""
