"""Which store, and what was set explicitly about it. Pure: no environment, no files, no network.

`daemon.config` gathers the values; `blob.probe` finds out what was left open; `blob.open` builds.
An empty text means "not set: find out".
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field, fields
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from dassie.errors import InvalidArgument

MIB = 1 << 20

KINDS = {
    "file": "file",
    "s3": "s3",
    "minio": "s3",
    "gs": "gs",
    "gcs": "gs",
    "az": "az",
    "azblob": "az",
    "wasb": "az",
}
"""URL scheme to kind of store."""

CHOICES = {
    "signature": ("", "v2", "v4"),
    "addressing": ("", "path", "virtual"),
    "checksums": ("", "when_required", "md5", "sha256"),
}
"""Values that a pin may take."""


@dataclass(frozen=True, slots=True)
class StorageSettings:
    """One store. Times in seconds, sizes in bytes."""

    kind: str
    """`file`, `s3`, `gs` or `az`."""
    path: str = ""
    """Absolute folder; `file` only."""
    bucket: str = ""
    """Bucket, or container of Azure."""
    prefix: str = ""
    """Put before every key, without slashes at its ends."""
    endpoint: str = ""
    """`https://host:port`, or `host:port` (TLS is tried first); empty: the cloud's own."""
    access_key: str = ""
    """Access key id; the account of Azure."""
    secret_key: str = field(default="", repr=False)
    session_token: str = field(default="", repr=False)
    credentials_file: str = ""
    """Service-account file of Google Cloud."""
    signature: str = ""
    region: str = ""
    addressing: str = ""
    ca_file: str = ""
    """PEM file of certificates to trust beside the system's."""
    insecure: bool = False
    """Accept any certificate."""
    checksums: str = ""
    connect_timeout_s: float = 5.0
    request_timeout_s: float = 60.0
    """For a request as a whole, before what its bytes may take."""
    stall_timeout_s: float = 20.0
    """A transfer that moved no byte for so long has failed."""
    retries: int = 5
    """Further tries after the first."""
    concurrency: int = 16
    """Requests under way at one time."""
    part_bytes: int = 16 * MIB
    """Objects larger than this are sent in parts of it, where the store can."""
    cache_memory_bytes: int = 64 * MIB
    cache_disk_bytes: int = 1024 * MIB
    cache_folder: str = ""
    """Where the disk cache lies; empty: none."""

    @property
    def location(self) -> str:
        """One line for people: where the bytes go, without credentials."""
        if self.kind == "file":
            return f"file:{self.path}"
        where = f"{self.kind}://{self.bucket}"
        where += f"/{self.prefix}" if self.prefix else ""
        return where + (f" at {self.endpoint}" if self.endpoint else "")

    def to_json(self) -> dict[str, Any]:
        """Everything, secrets included: for an authenticated link to a worker only."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> StorageSettings:
        return cls(**value)

    def fingerprint(self) -> str:
        """Changes with whatever a profile depends on (the secret is not part of it)."""
        names = ["kind", "path", "bucket", "prefix", "endpoint", "access_key", "signature"]
        names += ["region", "addressing", "ca_file", "insecure", "checksums"]
        text = json.dumps([getattr(self, name) for name in names])
        return hashlib.sha256(text.encode()).hexdigest()[:16]


_FLAGS = {"insecure"}
_NUMBERS = {
    "connect_timeout_s": float,
    "request_timeout_s": float,
    "stall_timeout_s": float,
    "retries": int,
    "concurrency": int,
    "part_bytes": int,
    "cache_memory_bytes": int,
    "cache_disk_bytes": int,
}
_TEXTS = {"endpoint", "signature", "region", "addressing", "ca_file", "checksums"}
_TEXTS |= {"credentials_file", "cache_folder"}
PARAMETERS = frozenset(_FLAGS | _NUMBERS.keys() | _TEXTS)
"""Settings that may stand in a URL's query (never credentials)."""
_SECRETS = {"access_key", "secret_key", "session_token", "id", "secret", "key", "token", "password"}


def parse_url(url: str) -> StorageSettings:
    """The store that `url` names, or `InvalidArgument` saying how to write it.

    `file:/folder`, `s3://bucket/prefix?endpoint=https://host:port`, `minio://host:port/bucket`,
    `gs://bucket/prefix`, `az://container/prefix`.
    """
    parts = urlsplit(url)
    kind = KINDS.get(parts.scheme)
    if kind is None:
        raise InvalidArgument(
            f"storage URL {url[:60]!r} has no known scheme: write file:///folder, "
            "s3://bucket/prefix?endpoint=https://host:port, gs://bucket or az://container"
        )
    if "@" in parts.netloc:
        raise InvalidArgument(
            "a storage URL must not hold credentials: set AWS_ACCESS_KEY_ID and "
            "AWS_SECRET_ACCESS_KEY, an AWS profile, or --storage-secret-file instead"
        )
    if kind == "file":
        if parts.netloc not in {"", "localhost"} or not parts.path.startswith("/"):
            raise InvalidArgument(f"storage URL {url!r}: write file:///absolute/path")
        return StorageSettings("file", path=unquote(parts.path))
    return _bucket_url(kind, parts.scheme, parts.netloc, parts.path, parts.query)


def _bucket_url(kind: str, scheme: str, host: str, path: str, query: str) -> StorageSettings:
    values: dict[str, Any] = {}
    elements = [unquote(element) for element in path.split("/") if element]
    if scheme == "minio":
        values["endpoint"] = host
        host, elements = (elements[0], elements[1:]) if elements else ("", [])
    if not host:
        raise InvalidArgument(f"the storage URL names no bucket: write {scheme}://bucket/prefix")
    plain = False
    for name, text in parse_qsl(query, keep_blank_values=True):
        folded = name.replace("-", "_")
        if folded.lower() == "disablessl":
            plain = _flag(name, text)
        elif folded.lower() in {"s3forcepathstyle", "use_path_style"}:
            values["addressing"] = "path" if _flag(name, text) else "virtual"
        else:
            values[folded] = _parameter(name, folded, text)
    endpoint = values.get("endpoint", "")
    if plain and endpoint and "://" not in endpoint:
        values["endpoint"] = f"http://{endpoint}"
    return checked(StorageSettings(kind, bucket=host, prefix="/".join(elements), **values))


def _parameter(name: str, folded: str, text: str) -> Any:
    if folded in _SECRETS:
        raise InvalidArgument(
            f"a storage URL must not hold credentials ({name}): use the environment or a file"
        )
    if folded not in PARAMETERS:
        raise InvalidArgument(
            f"storage URL: unknown parameter {name!r}; known are {', '.join(sorted(PARAMETERS))}"
        )
    if folded in _FLAGS:
        return _flag(name, text)
    if folded in _NUMBERS:
        try:
            return _NUMBERS[folded](text)
        except ValueError:
            raise InvalidArgument(f"storage URL: {name} must be a number, not {text!r}") from None
    return text


def _flag(name: str, text: str) -> bool:
    if text.lower() in {"", "1", "true", "yes", "on"}:
        return True
    if text.lower() in {"0", "false", "no", "off"}:
        return False
    raise InvalidArgument(f"storage URL: {name} must be true or false, not {text!r}")


def amazon_host(region: str) -> str:
    """Where Amazon serves S3 in a region."""
    ending = ".cn" if region.startswith("cn-") else ""
    return f"s3.{region}.amazonaws.com{ending}"


def checked(settings: StorageSettings) -> StorageSettings:
    """The same settings, or `InvalidArgument` naming the one that cannot be."""
    for name, choices in CHOICES.items():
        if getattr(settings, name) not in choices:
            raise InvalidArgument(
                f"storage {name} must be one of {', '.join(choices[1:])}, "
                f"not {getattr(settings, name)!r}"
            )
    for name, kind in _NUMBERS.items():
        lowest = 0 if name.startswith("cache") or name == "retries" else 1e-3
        if not getattr(settings, name) >= lowest:
            raise InvalidArgument(f"storage {name} must be at least {lowest:g} ({kind.__name__})")
    return settings


def names() -> list[str]:
    """All settings by name, in the order they are shown."""
    return [item.name for item in fields(StorageSettings)]
