"""Every setting of the server: its flag, its variable, what it means. Pure tables.

Flags, variables, `pachd config`, `--help` and the check of `docs/configuration.md` all follow from
them.
"""

from __future__ import annotations

from dataclasses import MISSING, dataclass, fields
from typing import Any, Final

from dassie.blob.settings import StorageSettings
from dassie.daemon.configuration.values import NUMBER, SIZE, SWITCH, TEXT, TIME

LEVELS: Final = ("debug", "info", "warning", "error")


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting. An empty flag or variable: it cannot be given that way."""

    name: str
    flag: str
    variable: str
    meaning: str
    kind: str = TEXT
    default: str = ""
    """In words, for people; empty: the value itself."""
    secret: bool = False

    @property
    def placeholder(self) -> str:
        return self.flag.rpartition("-")[2].upper()


SERVER: Final = (
    Setting(
        "data",
        "--data",
        "DASSIE_DATA",
        "folder for everything this server keeps",
        default="$XDG_DATA_HOME/dassie or ~/.local/share/dassie",
    ),
    Setting("host", "--host", "DASSIE_HOST", "address to listen on"),
    Setting("port", "--port", "PORT", "port to listen on; 0 takes a free one", NUMBER),
    Setting(
        "database",
        "--postgres-url",
        "DASSIE_DATABASE",
        "postgresql://user:password@host/name, for a cluster",
        default="SQLite in the data folder",
        secret=True,
    ),
    Setting(
        "log_level", "--log-level", "DASSIE_LOG_LEVEL", "one of " + ", ".join(LEVELS), default=""
    ),
    Setting("threads", "--threads", "DASSIE_THREADS", "calls that run at the same time", NUMBER),
    Setting(
        "sandbox",
        "--sandbox",
        "DASSIE_SANDBOX",
        "user code is shut in by: bwrap, auto or plain (nothing)",
    ),
    Setting(
        "expose",
        "--expose",
        "DASSIE_EXPOSE",
        "further paths that user code may read: /a,/b:/seen/as",
        default="none",
    ),
    Setting(
        "gc_period", "--gc-period", "STORAGE_GC_PERIOD", "seconds between collections; 0: off", TIME
    ),
    Setting("gc_grace", "--gc-grace", "DASSIE_GC_GRACE", "seconds for which garbage is kept", TIME),
    Setting(
        "stop_grace", "--stop-grace", "DASSIE_STOP_GRACE", "seconds for calls on SIGTERM", TIME
    ),
    Setting(
        "storage_wait",
        "--storage-wait",
        "DASSIE_STORAGE_WAIT",
        "seconds to wait at start for a store that does not answer",
        TIME,
    ),
    Setting(
        "adopt",
        "--adopt",
        "",
        "take over the bucket of a Dassie server that is gone for good",
        SWITCH,
    ),
)
"""Fields of `daemon.config.Config`, but for the store."""

STORAGE_URL: Final = Setting(
    "storage",
    "--storage",
    "DASSIE_STORAGE",
    "URL of the object store: s3://bucket/prefix?endpoint=https://host:port, gs://bucket, "
    "az://container, file:///folder",
    default="a folder in the data folder",
)
SECRET_FILE: Final = Setting(
    "storage_secret_file",
    "--storage-secret-file",
    "DASSIE_STORAGE_SECRET_FILE",
    "file of access_key=… and secret_key=… lines, or JSON, or a folder with a file for each",
    default="none",
)
PROFILE: Final = Setting(
    "storage_profile",
    "--storage-profile",
    "AWS_PROFILE",
    "section of the AWS profile files to take",
    default="default",
)
ACCESS: Final = (STORAGE_URL, SECRET_FILE, PROFILE)
"""How the store and its credentials are named."""

_PIN_ROWS: Final = {
    "endpoint": (TEXT, "where the store is: https://host:port, or host:port (TLS is tried first)"),
    "region": (TEXT, "region to sign for"),
    "signature": (TEXT, "v4 or v2"),
    "addressing": (TEXT, "path or virtual (bucket in the host name)"),
    "checksums": (TEXT, "when_required, md5 or sha256"),
    "ca_file": (TEXT, "PEM file of certificates to trust beside the system's"),
    "insecure": (SWITCH, "accept any certificate"),
    "credentials_file": (TEXT, "service-account file of Google Cloud"),
    "connect_timeout_s": (TIME, "seconds for a connection"),
    "request_timeout_s": (TIME, "seconds for a request"),
    "stall_timeout_s": (TIME, "seconds without a byte after which a transfer has failed"),
    "retries": (NUMBER, "further tries after the first"),
    "concurrency": (NUMBER, "requests under way at one time"),
    "part_bytes": (SIZE, "size of the parts in which larger objects are sent"),
    "cache_memory_bytes": (SIZE, "memory for what was read"),
    "cache_disk_bytes": (SIZE, "disk space for what was read; 0: none"),
    "cache_folder": (TEXT, "folder of the disk cache"),
}
_FOUND_OUT: Final = {"region", "signature", "addressing", "checksums"}
_DEFAULT_WORDS: Final = {
    "endpoint": "the cloud's own",
    "ca_file": "none",
    "credentials_file": "none",
    "cache_folder": "cache in the data folder",
}


def _pin(name: str, kind: str, meaning: str) -> Setting:
    word = name.removesuffix("_s").replace("_bytes", "_size")
    return Setting(
        name,
        "--storage-" + word.replace("_", "-"),
        "DASSIE_STORAGE_" + word.upper(),
        meaning,
        kind,
        "found out" if name in _FOUND_OUT else _DEFAULT_WORDS.get(name, ""),
    )


PINS: Final = tuple(_pin(name, kind, meaning) for name, (kind, meaning) in _PIN_ROWS.items())
"""Fields of `StorageSettings` that may be given one by one."""

CREDENTIALS: Final = (
    Setting("access_key", "", "DASSIE_STORAGE_ACCESS_KEY", "access key id, or Azure's account"),
    Setting("secret_key", "", "DASSIE_STORAGE_SECRET_KEY", "its secret", secret=True),
    Setting("session_token", "", "DASSIE_STORAGE_SESSION_TOKEN", "of borrowed keys", secret=True),
)
"""Never flags: a list of processes shows those to everybody."""

STORAGE: Final = {setting.name: setting for setting in (*PINS, *CREDENTIALS)}

PIN_DEFAULTS: Final[dict[str, Any]] = {
    field.name: field.default
    for field in fields(StorageSettings)
    if field.name in STORAGE and field.default is not MISSING
}
