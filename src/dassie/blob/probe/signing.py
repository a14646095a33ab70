"""Signing one request, by botocore's own signers: V4, V2, or not at all. Pure but for the clock
that is handed in.

Libraries hide the answers that the probe must see, so it sends its requests itself; the signatures
are still not ours. Called by `probe.caller`.
"""

from __future__ import annotations

import hashlib
from base64 import b64encode
from dataclasses import dataclass, field, replace
from datetime import datetime
from email.utils import formatdate
from typing import Any
from urllib.parse import quote

from botocore.auth import SIGV4_TIMESTAMP, HmacV1Auth, S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from dassie.blob.settings import StorageSettings


@dataclass(frozen=True, slots=True)
class Manner:
    """One way of speaking to a store: what the probe has to find out."""

    scheme: str
    host: str
    """Of the endpoint, with its port where that is not the scheme's own."""
    signature: str
    """`v4` or `v2`."""
    region: str
    addressing: str
    """`path` or `virtual`."""

    @property
    def endpoint(self) -> str:
        return f"{self.scheme}://{self.host}"


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked for, before it is known how the store wants to be asked."""

    method: str
    key: str = ""
    """Empty: the bucket itself."""
    query: tuple[tuple[str, str], ...] = ()
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    def with_headers(self, **headers: str) -> Request:
        """The same with further headers; underscores in names stand for dashes."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return replace(self, headers={**self.headers, **named})


@dataclass(frozen=True, slots=True)
class Signed:
    """Ready to be sent: `target` is the path with its query."""

    method: str
    host: str
    target: str
    headers: dict[str, str]
    body: bytes


def sign(request: Request, manner: Manner, settings: StorageSettings, now: datetime) -> Signed:
    """`request` to the bucket of `settings`, signed for the instant `now`."""
    bucket = quote(settings.bucket, safe="")
    key = quote(request.key, safe="/-._~")
    full_path = f"/{bucket}/{key}" if key else f"/{bucket}"
    host, path = manner.host, full_path
    if manner.addressing == "virtual":
        host, path = f"{settings.bucket}.{manner.host}", f"/{key}"
    target = path
    if request.query:
        target += "?" + "&".join(_parameter(name, value) for name, value in request.query)
    unsigned = AWSRequest(
        method=request.method,
        url=f"{manner.scheme}://{host}{target}",
        headers={**request.headers, "Host": host},
        data=request.body,
        auth_path=full_path,
    )
    keys = Credentials(settings.access_key, settings.secret_key, settings.session_token or None)
    if settings.access_key:
        _signer(manner, keys, now).add_auth(unsigned)
    headers = dict(unsigned.headers.items())
    # Not among what is signed: a proxy may count differently.
    if request.body or request.method in {"PUT", "POST"}:
        headers["Content-Length"] = str(len(request.body))
    return Signed(request.method, host, target, headers, request.body)


def md5(body: bytes) -> str:
    """The header Content-MD5 of `body`."""
    return b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()


def sha256(body: bytes) -> str:
    """The header x-amz-checksum-sha256 of `body`."""
    return b64encode(hashlib.sha256(body).digest()).decode()


def _parameter(name: str, value: str) -> str:
    # A sub-resource without a value is written bare: V2 signs it as it stands.
    return f"{name}={quote(value, safe='-._~')}" if value else name


def _signer(manner: Manner, keys: Credentials, now: datetime) -> Any:
    if manner.signature == "v2":
        return _V2(keys, now)
    return _V4(keys, manner.region, now)


class _V4(S3SigV4Auth):  # type: ignore[misc]
    """V4 for an instant that is given: the probe's clock is an argument."""

    def __init__(self, keys: Credentials, region: str, now: datetime) -> None:
        super().__init__(keys, "s3", region)
        self._now = now

    def _modify_request_before_signing(self, request: AWSRequest) -> None:
        request.context["timestamp"] = self._now.strftime(SIGV4_TIMESTAMP)
        super()._modify_request_before_signing(request)


class _V2(HmacV1Auth):  # type: ignore[misc]
    """V2 for an instant that is given."""

    def __init__(self, keys: Credentials, now: datetime) -> None:
        super().__init__(keys)
        self._now = now

    def _get_date(self) -> str:
        return formatdate(self._now.timestamp(), usegmt=True)
