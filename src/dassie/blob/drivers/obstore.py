"""S3 by signature V4, Google Cloud Storage and Azure, on the `obstore` library.

Made by `blob.open`. Bodies are sent whole with their length and a signed hash, never chunked with
trailers. The library's own retries are off, and it takes nothing from the environment that
decides where bytes go or who asks. Reads and writes have a client each: the library's
stall timeout counts from the start of a request, so it would cut a long upload short.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import obstore
from obstore.exceptions import BaseError
from obstore.store import AzureStore, GCSStore, ObjectStore, S3Store

from dassie.blob.api import BlobInfo, BlobNotFound, Buffer
from dassie.blob.drivers import etag
from dassie.blob.drivers.faults import Doing, refusal, unreachable
from dassie.blob.drivers.listing import arranged, folder_by_folder, start_within
from dassie.blob.drivers.obstore_words import (
    answer_of,
    certificate_fault,
    token_fault,
    transport_words,
)
from dassie.blob.drivers.transfer import (
    PARTS_AT_ONCE,
    body_of,
    one_request,
    time_for,
)
from dassie.blob.errors import StoreRefused, TokenUnavailable
from dassie.blob.profile import Profile
from dassie.blob.settings import StorageSettings, amazon_host
from dassie.errors import DassieError, InvalidArgument

_T = TypeVar("_T")
_PAGE = 1000


class CertificateRefused(StoreRefused):
    """The TLS library of this driver takes no self-signed CA certificate as a server's own."""


class ObstoreStore:
    """A `BlobStore` in a bucket."""

    def __init__(self, settings: StorageSettings, profile: Profile) -> None:
        self._location = settings.location
        self._settings = settings
        self._ranges = profile.ranges
        self._sort = folder_by_folder(profile.server)
        # TLS lets nothing be changed on the way.
        plain = settings.kind == "s3" and profile.endpoint.startswith("http://")
        self._etags = {True, False} if plain else set()
        """Whether bodies sent whole, and those sent in parts, have an ETag that tells their MD5."""
        reading, writing = _client_options(settings, profile)
        self._reading = _connect(settings, profile, reading)
        self._writing = _connect(settings, profile, writing)

    def put(self, key: str, parts: Sequence[Buffer]) -> None:
        body = body_of(key, parts)
        part = self._settings.part_bytes
        whole = one_request(len(body), part)
        doing = Doing("put", key, self._location)
        answer = self._ask(
            doing,
            lambda: obstore.put(
                self._writing,
                key,
                body,
                use_multipart=not whole,
                chunk_size=part,
                max_concurrency=PARTS_AT_ONCE,
            ),
        )
        if whole in self._etags and etag.differs(answer["e_tag"], body, 0 if whole else part):
            self._compare(doing, body)
            self._etags.discard(whole)

    def _compare(self, doing: Doing, body: bytes) -> None:
        """What the store has against what was sent. Where it is the same, its ETags are no MD5."""
        if self.get(doing.key) != body:
            raise unreachable("the body was changed on its way; the store kept it so", doing)

    def get(self, key: str) -> bytes:
        doing = Doing("get", key, self._location)
        return self._ask(doing, lambda: bytes(obstore.get(self._reading, key).bytes()))

    def get_range(self, key: str, offset: int, length: int) -> bytes:
        if not length:
            return b""
        if not self._ranges:
            return self.get(key)[offset : offset + length]
        doing = Doing("get", key, self._location)
        try:
            data = obstore.get_range(self._reading, key, start=offset, length=length)
            return bytes(data)
        except (BaseError, OSError) as error:
            text = str(error)
            answer = answer_of(text)
            if answer and (answer.status == 416 or answer.code == "InvalidRange"):
                return b""
            if "non-partial response" not in text:
                raise self._translated(doing, error) from None
        self._ranges = False
        return self.get_range(key, offset, length)

    def list(self, prefix: str = "", after: str = "") -> Iterator[BlobInfo]:
        found = self._listed(prefix, after)
        return arranged(found, prefix, after, sort=self._sort)

    def delete(self, keys: Iterable[str]) -> None:
        wanted = list(keys)
        if not wanted:
            return
        if self._settings.kind == "s3":
            self._remove(wanted[0], wanted)
            return
        for key in wanted:
            self._remove(key, key)

    def _listed(self, prefix: str, after: str) -> Iterator[BlobInfo]:
        """The library knows only whole folders as prefixes: there may be others before."""
        folder = prefix.rpartition("/")[0]
        within = f"{folder}/" if folder else ""
        start = max(start_within(within, after), start_within(within, prefix.removesuffix("/")))
        doing = Doing("list", prefix, self._location)
        pages = obstore.list(self._reading, folder or None, offset=start or None, chunk_size=_PAGE)
        while page := self._ask(doing, lambda: next(pages, None)):
            for item in page:
                yield BlobInfo(item["path"], item["size"], item["last_modified"].timestamp())

    def _remove(self, first: str, what: str | Sequence[str]) -> None:
        with suppress(BlobNotFound):
            doing = Doing("delete", first, self._location)
            self._ask(doing, lambda: obstore.delete(self._writing, what))

    def close(self) -> None:
        """Nothing to do: the connections go with the object."""

    def _ask(self, doing: Doing, action: Callable[[], _T]) -> _T:
        try:
            return action()
        except (BaseError, OSError) as error:
            raise self._translated(doing, error) from None

    def _translated(self, doing: Doing, error: Exception) -> DassieError:
        text = str(error)
        token = token_fault(text)
        if token:
            return TokenUnavailable(f"{doing}: no access token was to be had: {token}", token)
        answer = answer_of(text)
        if answer is not None:
            return refusal(answer, doing)
        if certificate_fault(text) == "CaUsedAsEndEntity":
            return CertificateRefused(f"{doing}: {transport_words(text)}", transport_words(text))
        return unreachable(transport_words(text), doing)


def _client_options(
    settings: StorageSettings, profile: Profile
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Options of the client that reads and of the one that writes."""
    common: dict[str, Any] = {
        "allow_http": profile.endpoint.startswith("http://"),
        "allow_invalid_certificates": settings.insecure,
        "connect_timeout": timedelta(seconds=settings.connect_timeout_s),
        "pool_max_idle_per_host": str(settings.concurrency),
    }
    if settings.ca_file:
        try:
            common["root_certificate"] = Path(settings.ca_file).read_bytes()
        except OSError as error:
            raise InvalidArgument(
                f"storage ca_file {settings.ca_file!r}: {error.strerror}"
            ) from None
    most = timedelta(seconds=time_for(settings, 2 * settings.part_bytes))
    reading = {**common, "timeout": most}
    reading["read_timeout"] = timedelta(seconds=settings.stall_timeout_s)
    return reading, {**common, "timeout": most}


def _connect(settings: StorageSettings, profile: Profile, client: dict[str, Any]) -> ObjectStore:
    retry: Any = {"max_retries": 0, "retry_timeout": timedelta(seconds=1)}
    prefix = settings.prefix or None
    options: Any = client
    try:
        if settings.kind == "gs":
            config: Any = _google(settings)
            return GCSStore(
                settings.bucket, prefix=prefix, config=config, client_options=options,
                retry_config=retry,
            )  # fmt: skip
        if settings.kind == "az":
            config = _azure(settings)
            return AzureStore(
                settings.bucket, prefix=prefix, config=config, client_options=options,
                retry_config=retry,
            )  # fmt: skip
        config = _s3(settings, profile)
        provider: Any = None if config["skip_signature"] else _credentials(settings)
        return S3Store(
            settings.bucket, prefix=prefix, config=config, client_options=options,
            retry_config=retry, credential_provider=provider,
        )  # fmt: skip
    except (BaseError, ValueError) as error:
        raise InvalidArgument(
            f"storage {settings.location}: {str(error).splitlines()[0]}"
        ) from None


def _credentials(settings: StorageSettings) -> Callable[[], dict[str, Any]]:
    """The keys by way of a callback: given as options, a session token of the environment would
    join them."""
    given: dict[str, Any] = {
        "access_key_id": settings.access_key,
        "secret_access_key": settings.secret_key,
        "expires_at": None,
    }
    if settings.session_token:
        given["token"] = settings.session_token
    return lambda: given


def _s3(settings: StorageSettings, profile: Profile) -> dict[str, Any]:
    virtual = profile.addressing == "virtual"
    region = profile.region or "us-east-1"
    endpoint = profile.endpoint or f"https://{amazon_host(region)}"
    if virtual:
        scheme, _, host = endpoint.partition("://")
        endpoint = f"{scheme}://{settings.bucket}.{host}"
    config: dict[str, Any] = {
        "endpoint": endpoint,
        "aws_endpoint_url_s3": endpoint,
        "region": region,
        "virtual_hosted_style_request": virtual,
        "unsigned_payload": False,
        "skip_signature": not settings.access_key,
        "disable_bulk_delete": not profile.batch_delete,
    }
    if profile.checksums == "sha256":
        config["checksum_algorithm"] = "SHA256"
    return config


def _google(settings: StorageSettings) -> dict[str, Any]:
    config: dict[str, Any] = {}
    if settings.credentials_file:
        config["application_credentials"] = settings.credentials_file
    if settings.endpoint:
        config["base_url"] = settings.endpoint
        config["skip_signature"] = not settings.credentials_file
    return config


def _azure(settings: StorageSettings) -> dict[str, Any]:
    config: dict[str, Any] = {"account_name": settings.access_key}
    if settings.secret_key:
        config["account_key"] = settings.secret_key
    if settings.endpoint:
        config["endpoint"] = settings.endpoint
    return config
