"""What is wrong with a store, and what to do about it: the kinds, and the line that says so. Pure.

`transport` and `verdict` make diagnoses of single failures and answers, `detect` and `writing` of
several together. Each kind names one thing to mend.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from dassie.blob.errors import (
    BucketMissing,
    StoreDenied,
    StoreFull,
    StoreRefused,
    StoreUnavailable,
)
from dassie.errors import DassieError


class Kind(StrEnum):
    """What an answer, or the lack of one, means."""

    # Answers that a healthy store gives.
    OK = "ok"
    MISSING_KEY = "missing key"
    MISSING_UPLOAD = "missing upload"
    KEY_EXISTS = "key exists"
    BAD_RANGE = "bad range"
    # No answer.
    UNKNOWN_HOST = "unknown host"
    REFUSED = "connection refused"
    UNREACHABLE = "unreachable"
    TIMEOUT = "timeout"
    CUT = "connection cut"
    TLS_UNKNOWN_CA = "unknown CA"
    TLS_EXPIRED = "certificate expired"
    TLS_WRONG_NAME = "certificate for another name"
    TLS_AUTHORITY = "CA certificate as server certificate"
    TLS_OTHER = "TLS"
    PLAIN_ON_TLS_PORT = "plain HTTP on a TLS port"
    TLS_ON_PLAIN_PORT = "TLS on a plain HTTP port"
    # Somebody else answered, or in between.
    NOT_S3 = "not S3"
    MOVED = "redirected"
    ENDPOINT_NAME = "endpoint name"
    HOST_REWRITTEN = "Host rewritten"
    BODY_LIMIT = "body limit"
    # Who we are.
    NO_KEYS = "no access key"
    UNKNOWN_KEY = "unknown access key"
    USER_LOCKED = "user locked"
    WRONG_SECRET = "wrong secret"  # noqa: S105 - a kind of diagnosis
    TOKEN_EXPIRED = "session token"  # noqa: S105
    CLOCK = "clock skew"
    # How we ask.
    REGION = "region"
    REGION_PINNED = "region pinned wrong"
    SIGNATURE = "signature"
    SIGNATURE_PINNED = "signature pinned wrong"
    V2_REFUSED = "V2 on a V4-only store"
    ADDRESSING = "addressing"
    ADDRESSING_PINNED = "addressing pinned wrong"
    CHECKSUMS = "checksums rejected"
    MD5_WANTED = "Content-MD5 wanted"
    NOT_IMPLEMENTED = "not implemented"
    # What we may.
    BUCKET_MISSING = "bucket missing"
    DENIED_READ = "no permission to read"
    DENIED_LIST = "no permission to list"
    DENIED_WRITE = "no permission to write"
    DENIED_DELETE = "no permission to delete"
    READ_ONLY = "read-only store"
    FULL = "full or over quota"
    # What it does to data.
    FRAMING = "framing stored as data"
    CORRUPTED = "data corrupted"
    STALE_READ = "no read after write"
    STALE_DELETE = "read after delete"
    STALE_LIST = "listing incomplete"
    # What is in the bucket.
    PACHYDERM = "bucket of Pachyderm"
    FOREIGN = "foreign objects"
    # The rest.
    NOT_FOUND = "not found"
    THROTTLED = "throttled"
    STORE = "store error"
    WRITE_TIMEOUT = "writes are not answered"
    UNEXPLAINED = "unexplained refusal"


HEALTHY = frozenset(
    {Kind.OK, Kind.MISSING_KEY, Kind.MISSING_UPLOAD, Kind.KEY_EXISTS, Kind.BAD_RANGE}
)
TRANSIENT = frozenset(
    {
        Kind.UNKNOWN_HOST,
        Kind.REFUSED,
        Kind.UNREACHABLE,
        Kind.TIMEOUT,
        Kind.CUT,
        Kind.THROTTLED,
        Kind.STORE,
        Kind.WRITE_TIMEOUT,
    }
)
"""May pass by itself: the store, or the way to it, is not up."""

_DENIED = frozenset(
    {
        Kind.UNKNOWN_KEY,
        Kind.USER_LOCKED,
        Kind.WRONG_SECRET,
        Kind.TOKEN_EXPIRED,
        Kind.DENIED_READ,
        Kind.DENIED_LIST,
        Kind.DENIED_WRITE,
        Kind.DENIED_DELETE,
    }
)

_LABELS = {
    "ENDPOINT": {Kind.UNKNOWN_HOST, Kind.REFUSED, Kind.UNREACHABLE, Kind.NOT_S3, Kind.MOVED}
    | {Kind.ENDPOINT_NAME},
    "TLS": {Kind.TLS_UNKNOWN_CA, Kind.TLS_EXPIRED, Kind.TLS_WRONG_NAME, Kind.TLS_AUTHORITY}
    | {Kind.TLS_OTHER, Kind.PLAIN_ON_TLS_PORT, Kind.TLS_ON_PLAIN_PORT},
    "PROXY": {Kind.HOST_REWRITTEN, Kind.BODY_LIMIT},
    "CREDENTIALS": {Kind.NO_KEYS, Kind.UNKNOWN_KEY, Kind.WRONG_SECRET, Kind.TOKEN_EXPIRED}
    | {Kind.USER_LOCKED},
    "CLOCK": {Kind.CLOCK},
    "REGION": {Kind.REGION, Kind.REGION_PINNED},
    "SIGNATURE": {Kind.SIGNATURE, Kind.SIGNATURE_PINNED, Kind.V2_REFUSED},
    "ADDRESSING": {Kind.ADDRESSING, Kind.ADDRESSING_PINNED},
    "CHECKSUMS": {Kind.CHECKSUMS, Kind.MD5_WANTED},
    "BUCKET": {Kind.BUCKET_MISSING, Kind.PACHYDERM, Kind.FOREIGN},
    "PERMISSION": {Kind.DENIED_READ, Kind.DENIED_LIST, Kind.DENIED_WRITE, Kind.DENIED_DELETE},
    "QUOTA": {Kind.FULL},
    "DATA": {Kind.FRAMING, Kind.CORRUPTED, Kind.STALE_READ, Kind.STALE_DELETE} | {Kind.STALE_LIST},
}
_LABEL_OF = {kind: label for label, kinds in _LABELS.items() for kind in kinds}


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """One finding: what is so, in the store's own words where it spoke, and what to do."""

    kind: Kind
    message: str
    remedy: str = ""
    words: str = ""
    """The answer it rests on: status, code, message."""
    historic: str = ""
    """What Pachyderm would have printed here: people search their logs for it."""
    retry_after_s: float | None = None

    @property
    def healthy(self) -> bool:
        return self.kind in HEALTHY

    @property
    def transient(self) -> bool:
        return self.kind in TRANSIENT

    @property
    def label(self) -> str:
        """In one word, what to look at."""
        return _LABEL_OF.get(self.kind, "STORE")

    @property
    def line(self) -> str:
        """For people, one line."""
        return f"{self.label}: {self.message}" + (f": {self.remedy}" if self.remedy else "")

    @property
    def log_line(self) -> str:
        """For the log: led by the sentence that Pachyderm's users know."""
        return f"{self.historic}: {self.line}" if self.historic else self.line

    def error(self) -> DassieError:
        """To be raised: of the category that retries and doors go by."""
        if self.transient:
            return StoreUnavailable(self.line, self.words, self.retry_after_s)
        if self.kind is Kind.BUCKET_MISSING:
            return BucketMissing(self.line, self.words)
        if self.kind is Kind.FULL:
            return StoreFull(self.line, self.words)
        if self.kind in _DENIED:
            return StoreDenied(self.line, self.words)
        return StoreRefused(self.line, self.words)


class Operation(StrEnum):
    """What was asked for, as far as it changes what an answer means."""

    READ = "read"
    HEAD = "head"
    LIST = "list"
    WRITE = "write"
    DELETE = "delete"
    UPLOAD = "multipart upload"
    OTHER = "ask"


@dataclass(frozen=True, slots=True)
class Asked:
    """The circumstances of one request."""

    operation: Operation = Operation.READ
    endpoint: str = ""
    """With its scheme."""
    host: str = ""
    """The header Host that was sent."""
    bucket: str = ""
    access_key: str = ""
    """Empty: the request was not signed."""
    signature: str = "v4"
    region: str = ""
    addressing: str = "path"
    body_bytes: int = 0
    skew_s: float | None = None
    """The store's clock minus ours, where its answer told."""

    @property
    def signed(self) -> bool:
        return bool(self.access_key)


def setting(name: str, value: str) -> str:
    """How a setting is changed, for a remedy."""
    return f"--storage-{name.replace('_', '-')} {value} (or {name}={value} in the storage URL)"


def historic_sentence(message: str) -> str:
    """The line of Pachyderm's log for a store whose answer to a missing key it could not read."""
    return f'storage is unable to discern NotExist errors, "{message}" should count as NotExist'
