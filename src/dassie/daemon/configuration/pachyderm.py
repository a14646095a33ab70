"""Pachyderm's own names for storage settings: tables, and their translation. Pure.

A name is known here by its key in the secret `pachyderm-storage-secret` (`minio-bucket`); the
variable is its twin in upper case (`MINIO_BUCKET`). What has no counterpart is ignored with a
warning, never in silence.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from dassie.daemon.configuration.sources import Layer, Said
from dassie.daemon.configuration.values import switch
from dassie.errors import InvalidArgument

SECRET_FOLDER: Final = "/pachyderm-storage-secret"  # noqa: S105 - a path that everybody knows

TLS: Final = "tls"
"""Not a setting of its own: gives an endpoint without a scheme one."""

Names = dict[str, Said]
"""What was said, by key."""

PLACES: Final = {
    "storage-backend": "kind of store: AMAZON, MINIO, GOOGLE, MICROSOFT or LOCAL",
    "storage-url": "as --storage",
    "amazon-bucket": "bucket, for AMAZON",
    "minio-bucket": "bucket, for MINIO",
    "google-bucket": "bucket, for GOOGLE",
    "microsoft-container": "container, for MICROSOFT",
    "pach-root": "folder, for LOCAL",
    "storage-host-path": "folder, for LOCAL, where pach-root is not set",
}
"""What says where the store is."""

SETTINGS: Final = {
    "amazon-id": "access_key",
    "amazon-secret": "secret_key",
    "amazon-token": "session_token",
    "amazon-region": "region",
    "custom-endpoint": "endpoint",
    "disable-ssl": TLS,
    "no-verify-ssl": "insecure",
    "retries": "retries",
    "timeout": "request_timeout_s",
    "part-size": "part_bytes",
    "minio-id": "access_key",
    "minio-secret": "secret_key",
    "minio-endpoint": "endpoint",
    "minio-secure": TLS,
    "minio-signature": "signature",
    "is-s3v2": "signature",
    "google-cred": "credentials_file",
    "microsoft-id": "access_key",
    "microsoft-secret": "secret_key",
    "storage-upload-concurrency-limit": "concurrency",
}
"""What becomes a setting of ours."""

_NO_COMPACTION: Final = "there is no compaction"
_NO_VAULT: Final = "credentials are not fetched from Vault: give an access key and its secret"
IGNORED: Final = {
    "amazon-distribution": "objects are read from the bucket, not through CloudFront",
    "upload-acl": "objects get the bucket's own access rules",
    "reverse": "names of objects are spread evenly as they are",
    "log-options": "requests are not logged one by one",
    "max-upload-parts": "objects are small enough for a few parts",
    "amazon-vault-addr": _NO_VAULT,
    "amazon-vault-role": _NO_VAULT,
    "amazon-vault-token": _NO_VAULT,
    "storage-download-concurrency-limit": "--storage-concurrency holds for all requests",
    "storage-put-file-concurrency-limit": "--threads limits calls",
    "storage-disk-cache-size": "it counts objects; --storage-cache-disk-size takes bytes",
    "storage-memory-cache-size": "it counts objects; --storage-cache-memory-size takes bytes",
    "storage-chunk-gc-period": "--gc-period holds for chunks too",
    "storage-compaction-max-fanin": _NO_COMPACTION,
    "storage-compaction-shard-size-threshold": _NO_COMPACTION,
    "storage-compaction-shard-count-threshold": _NO_COMPACTION,
    "storage-filesets-max-open": _NO_COMPACTION,
    "storage-level-factor": _NO_COMPACTION,
    "storage-memory-threshold": _NO_COMPACTION,
}
"""What cannot be honoured, and why."""

_VAGUE: Final = {"retries", "timeout", "reverse", "log-options"}
"""Variables that other programs may use too: they count beside a bucket of Pachyderm's only."""

_SPELLINGS: Final = {"obj-log-opts": "log-options", "iss3v2": "is-s3v2", "is-s3-v2": "is-s3v2"}
_KEYS: Final = PLACES.keys() | SETTINGS.keys() | IGNORED.keys()

_KINDS: Final = {"AMAZON": "s3", "MINIO": "s3", "GOOGLE": "gs", "MICROSOFT": "az", "LOCAL": "file"}
_BUCKETS: Final = {
    "AMAZON": "amazon-bucket",
    "MINIO": "minio-bucket",
    "GOOGLE": "google-bucket",
    "MICROSOFT": "microsoft-container",
}
_FAMILIES: Final = {
    "s3": ("AMAZON", "MINIO"),
    "gs": ("GOOGLE",),
    "az": ("MICROSOFT",),
    "file": (),
}
_PARAMETERS: Final = {
    "accelerate",
    "awssdk",
    "dualstack",
    "fips",
    "hostname_immutable",
    "kmskeyid",
    "profile",
    "rate_limiter_capacity",
    "request_checksum_calculation",
    "response_checksum_validation",
    "ssetype",
}
"""Of a STORAGE_URL, where Pachyderm's library knows them."""


def key_of(name: str) -> str:
    """The key that `name` spells, in whatever case and with `_` or `-`; empty: none of theirs."""
    folded = name.lower().replace("_", "-")
    folded = _SPELLINGS.get(folded, folded)
    return folded if folded in _KEYS else ""


def variable_of(key: str) -> str:
    """The environment variable that is the twin of a key."""
    special = {"log-options": "OBJ_LOG_OPTS", "is-s3v2": "IS_S3V2"}
    return special.get(key) or key.upper().replace("-", "_")


def from_environment(environment: Mapping[str, str]) -> Names:
    """All of their names that are set."""
    names: Names = {}
    for variable, text in environment.items():
        if text and (variable.isupper() or variable == "isS3V2"):
            key = key_of(variable) if "-" not in variable else ""
            if key:
                names[key] = Said(text, f"environment {variable}")
    if not any(key in names for key in (*_BUCKETS.values(), "storage-backend", "custom-endpoint")):
        for key in _VAGUE:
            names.pop(key, None)
    return names


def place(names: Names) -> tuple[Said | None, str]:
    """URL of the store that the names speak of (None: they name none), and the backend."""
    said = names.get("storage-backend")
    backend = said.text.upper() if said else ""
    if backend and backend not in _KINDS:
        raise InvalidArgument(
            f"STORAGE_BACKEND must be one of {', '.join(_KINDS)}, not {backend!r}"
            f" (from the {said.source if said else ''})"
        )
    url = names.get("storage-url")
    if not backend and not url:
        backend = next((each for each, key in _BUCKETS.items() if key in names), "")
    if url:
        return url, backend
    if backend == "LOCAL":
        folder = names.get("pach-root") or names.get("storage-host-path")
        return (Said(f"file:{folder.text}", folder.source) if folder else None), backend
    if not backend:
        return None, ""
    bucket = names.get(_BUCKETS[backend])
    if bucket is None:
        key = _BUCKETS[backend]
        raise InvalidArgument(
            f"STORAGE_BACKEND={backend} needs {variable_of(key)} (or a file {key} in the secret)"
        )
    text = bucket.text.partition("://")[2] or bucket.text
    return Said(f"{_KINDS[backend]}://{text}", bucket.source), backend


def translated(names: Names, *, kind: str, backend: str, warnings: list[str]) -> list[Layer]:
    """Layers of settings for a store of `kind`; adds to `warnings`."""
    families = [backend] if backend in _FAMILIES[kind] else list(_FAMILIES[kind])
    prefixes = tuple(f"{each.lower()}-" for each in families)
    own = tuple(f"{each.lower()}-" for each in _KINDS if each != "LOCAL")
    layers: list[Layer] = [{} for _ in families]
    general: Layer = {}
    for key, said in names.items():
        setting = SETTINGS.get(key)
        if setting is None:
            continue
        if key.startswith(own):
            for layer, prefix in zip(layers, prefixes, strict=True):
                if key.startswith(prefix):
                    layer[setting] = _value(key, said)
        elif kind == "s3":
            general[setting] = _value(key, said)
    warnings += _hard_coded_region(names, layers)
    if kind == "s3" and "custom-endpoint" in names and "MINIO" not in families[:1]:
        general.setdefault("addressing", Said("path", names["custom-endpoint"].source))
    found = [layer for layer in (*layers, general) if layer]
    return [{name: said for name, said in layer.items() if said.text} for layer in found]


def ignored(names: Names) -> list[str]:
    """One line for everything that has no counterpart here."""
    reasons: dict[str, list[str]] = {}
    for key, said in names.items():
        if key in IGNORED:
            reasons.setdefault(IGNORED[key], []).append(said.source.rpartition(" ")[2])
    if not reasons:
        return []
    text = "; ".join(f"{', '.join(each)} ({why})" for why, each in reasons.items())
    return [f"settings of Pachyderm that have no effect here: {text}"]


def usual_url(said: Said) -> tuple[Said, list[str]]:
    """A STORAGE_URL without the parameters that only Pachyderm's library knows, and warnings."""
    parts = urlsplit(said.text.removeprefix("test-") if "minio" in said.text[:12] else said.text)
    pairs = parse_qsl(parts.query, keep_blank_values=True)
    kept = [(name, text) for name, text in pairs if name.lower() not in _PARAMETERS]
    dropped = [name for name, _ in pairs if name.lower() in _PARAMETERS]
    warnings = [f"the {said.source}: ignored {', '.join(dropped)}"] if dropped else []
    text = urlunsplit(parts._replace(query=urlencode(kept, safe=":/"))) if dropped else said.text
    return Said(text.removeprefix("test-"), said.source), warnings


def _value(key: str, said: Said) -> Said:
    """The value as our setting has it."""
    if key in {"minio-signature", "is-s3v2"}:
        return Said("v2" if _truth(key, said) else "", said.source)
    if key == "google-cred" and said.text.lstrip().startswith("{"):
        raise InvalidArgument(
            f"the {said.source} holds Google's keys themselves: put them into a file and set "
            "GOOGLE_APPLICATION_CREDENTIALS to its path"
        )
    if key == "disable-ssl":
        return Said("false" if _truth(key, said) else "true", said.source)
    return said


def _truth(key: str, said: Said) -> bool:
    try:
        return switch(said.text)
    except ValueError:
        raise InvalidArgument(
            f"{variable_of(key)} must be true or false, not {said.text!r} (from the {said.source})"
        ) from None


def _hard_coded_region(names: Names, layers: list[Layer]) -> list[str]:
    """`pachctl deploy custom` wrote us-east-1 for every store; that says nothing about this one."""
    region, endpoint = names.get("amazon-region"), names.get("custom-endpoint")
    if region is None or endpoint is None or region.text != "us-east-1":
        return []
    for layer in layers:
        layer.pop("region", None)
    text = (
        "amazon-region us-east-1 beside a custom endpoint is what Pachyderm wrote for every store: "
        "the region is found out instead (to insist on it: --storage-region us-east-1)"
    )
    return [text]
