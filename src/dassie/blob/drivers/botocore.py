"""S3 by signature V2, or V4 for stores that need more care, on botocore's plain client.

Made by `blob.open` only when needed: the import alone takes a tenth of a second. Two corrections
of the library: it signs another path than it sends for bucket requests in path style under V2, and
it leaves out the Content-MD5 that older stores want with a batch delete. Its retries are off. It
takes nothing from configuration files and looks for no credentials of its own.
"""

from __future__ import annotations

import base64
import hashlib
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cache
from typing import Any, TypeVar
from urllib.parse import urlsplit

import botocore.session
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
from botocore.handlers import add_expect_header
from botocore.parsers import ResponseParserError

from dassie.blob.answers import Answer
from dassie.blob.api import BlobInfo, BlobNotFound, Buffer
from dassie.blob.drivers.faults import Doing, refusal, unreachable
from dassie.blob.drivers.listing import arranged, folder_by_folder, start_within
from dassie.blob.drivers.transfer import PARTS_AT_ONCE, body_of, one_request
from dassie.blob.drivers.trust import TrustedFile
from dassie.blob.errors import StoreRefused
from dassie.blob.keys import check_key
from dassie.blob.profile import Profile
from dassie.blob.settings import StorageSettings, amazon_host
from dassie.errors import DassieError

_T = TypeVar("_T")
_PAGE = 1000
_FAULTS = (BotoCoreError, HTTPClientError, ClientError, ResponseParserError)
_making_client = threading.Lock()
_NO_FILES = {
    "profile": (None, None, None, None),
    "config_file": (None, None, os.devnull, None),
    "credentials_file": (None, None, os.devnull, None),
}
"""Session variables with their look-ups in environment and files taken out."""


class BotocoreStore:
    """A `BlobStore` in a bucket."""

    def __init__(self, settings: StorageSettings, profile: Profile) -> None:
        self._settings = settings
        self._profile = profile
        self._location = settings.location
        self._bucket = settings.bucket
        self._prefix = settings.prefix + "/" if settings.prefix else ""
        self._md5 = profile.content_md5 or profile.signature == "v2" or profile.checksums == "md5"
        # Some stores do not look at the signed hash, and without TLS a byte may change on the way.
        self._md5 = self._md5 or profile.endpoint.startswith("http://")
        self._sort = folder_by_folder(profile.server)
        self._trusted = TrustedFile("" if settings.insecure else settings.ca_file)
        verify = False if settings.insecure else self._trusted.path
        self._reading = _client(settings, profile, verify, settings.stall_timeout_s)
        self._writing = _client(settings, profile, verify, settings.request_timeout_s)
        self._pool = ThreadPoolExecutor(PARTS_AT_ONCE, thread_name_prefix="s3-part")

    def put(self, key: str, parts: Sequence[Buffer]) -> None:
        body = body_of(key, parts)
        doing = Doing("put", key, self._location)
        place = self._place(key)
        part = self._settings.part_bytes
        if one_request(len(body), part) or not self._profile.multipart:
            sent = {"Body": body, **self._checks(body)}
            self._ask(doing, lambda: self._writing.put_object(**place, **sent))
        else:
            self._put_parts(doing, place, memoryview(body), part)

    def get(self, key: str) -> bytes:
        doing = Doing("get", key, self._location)
        return self._ask(doing, lambda: self._read(self._place(key)))

    def get_range(self, key: str, offset: int, length: int) -> bytes:
        if not length:
            return b""
        place = {**self._place(key), "Range": f"bytes={offset}-{offset + length - 1}"}
        doing = Doing("get", key, self._location)
        try:
            return self._read(place, offset, length)
        except _FAULTS as error:
            if isinstance(error, ClientError) and answer_of(error.response).status == 416:
                return b""
            raise translated(doing, error) from None

    def list(self, prefix: str = "", after: str = "") -> Iterator[BlobInfo]:
        found = self._listed(prefix, after)
        return arranged(found, prefix, after, sort=self._sort)

    def delete(self, keys: Iterable[str]) -> None:
        wanted = list(keys)
        for key in wanted:
            check_key(key)
        if not self._profile.batch_delete:
            list(self._pool.map(self._delete_one, wanted))
            return
        for first in range(0, len(wanted), _PAGE):
            self._delete_batch(wanted[first : first + _PAGE])

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._reading.close()
        self._writing.close()
        self._trusted.close()

    def _place(self, key: str) -> dict[str, Any]:
        return {"Bucket": self._bucket, "Key": self._prefix + key}

    def _checks(self, body: Buffer) -> dict[str, str]:
        """Checksums as headers; the library would send some of its own as a trailer."""
        checks = {}
        if self._md5:
            checks["ContentMD5"] = _md5(body)
        if self._profile.checksums == "sha256":
            checks["ChecksumSHA256"] = base64.b64encode(hashlib.sha256(body).digest()).decode()
        return checks

    def _read(self, place: dict[str, Any], offset: int = 0, length: int | None = None) -> bytes:
        answer = self._reading.get_object(**place)
        body = answer["Body"]
        with body:
            data: bytes = body.read()
        announced = answer.get("ContentLength")
        if announced is not None and len(data) != announced:
            raise HTTPClientError(error=f"{len(data)} of {announced} bytes came")
        if length is None or "ContentRange" in answer:
            return data
        return data[offset : offset + length]  # the range was not heeded: it is the whole object

    def _listed(self, prefix: str, after: str) -> Iterator[BlobInfo]:
        doing = Doing("list", prefix, self._location)
        first = self._profile.list_version == 1
        ask = self._reading.list_objects if first else self._reading.list_objects_v2
        asked = {"Bucket": self._bucket, "Prefix": self._prefix + prefix, "MaxKeys": _PAGE}
        start = start_within(prefix, after)
        where = {"Marker" if first else "StartAfter": self._prefix + start} if start else {}
        while True:
            page: dict[str, Any] = self._ask(doing, lambda: ask(**asked, **where))  # noqa: B023
            found = page.get("Contents", [])
            for item in found:
                key = item["Key"].removeprefix(self._prefix)
                yield BlobInfo(key, item["Size"], item["LastModified"].timestamp())
            if not page.get("IsTruncated"):
                return
            onward = _onward(page, first=first)
            if onward == where:
                raise StoreRefused(f"{doing}: the listing does not go on after {onward}")
            where = onward

    def _delete_batch(self, keys: Sequence[str]) -> None:
        doing = Doing("delete", keys[0], self._location)
        objects = [{"Key": self._prefix + key} for key in keys]
        delete = {"Objects": objects, "Quiet": True}
        answer = self._ask(
            doing, lambda: self._writing.delete_objects(Bucket=self._bucket, Delete=delete)
        )
        for fault in answer.get("Errors", []):
            code = fault.get("Code", "")
            if code not in {"NoSuchKey", "404"}:
                said = Answer(200, code=code, message=fault.get("Message", ""), xml=True)
                name = str(fault.get("Key", "")).removeprefix(self._prefix)
                raise refusal(said, replace(doing, key=name))

    def _delete_one(self, key: str) -> None:
        try:
            self._ask(
                Doing("delete", key, self._location),
                lambda: self._writing.delete_object(**self._place(key)),
            )
        except BlobNotFound:
            return

    def _put_parts(self, doing: Doing, place: dict[str, Any], body: memoryview, size: int) -> None:
        upload = self._ask(doing, lambda: self._writing.create_multipart_upload(**place))
        there = {**place, "UploadId": upload["UploadId"]}

        def send(number: int) -> dict[str, Any]:
            piece = bytes(body[(number - 1) * size : number * size])
            sent = {"Body": piece, "PartNumber": number, **self._checks(piece)}
            answer = self._ask(doing, lambda: self._writing.upload_part(**there, **sent))
            return {"PartNumber": number, "ETag": answer["ETag"]}

        try:
            done = list(self._pool.map(send, range(1, -(-len(body) // size) + 1)))
            self._ask(
                doing,
                lambda: self._writing.complete_multipart_upload(
                    **there, MultipartUpload={"Parts": done}
                ),
            )
        except BaseException:
            self._abort(there)
            raise

    def _abort(self, there: dict[str, Any]) -> None:
        try:
            self._writing.abort_multipart_upload(**there)
        except _FAULTS:
            return  # what made the upload fail is the news; the store expires its parts

    def _ask(self, doing: Doing, action: Callable[[], _T]) -> _T:
        try:
            return action()
        except _FAULTS as error:
            raise translated(doing, error) from None


def translated(doing: Doing, error: Exception) -> DassieError:
    """The error of ours that an exception of the library stands for."""
    if isinstance(error, ClientError):
        return refusal(answer_of(error.response), doing)
    said = " ".join(str(error).split())
    if "CERTIFICATE_VERIFY_FAILED" in said:
        said = f"the certificate is refused: {said.rpartition('CERTIFICATE_VERIFY_FAILED]')[2]}"
    return unreachable(said[:300], doing)


def _onward(page: dict[str, Any], *, first: bool) -> dict[str, str]:
    """Where the next page starts: as the store says, else after the last key of this one."""
    if not first and page.get("NextContinuationToken"):
        return {"ContinuationToken": page["NextContinuationToken"]}
    keys = [item["Key"] for item in page.get("Contents", [])]
    last = (page.get("NextMarker") if first else "") or (keys[-1] if keys else "")
    return {"Marker" if first else "StartAfter": last}


def answer_of(response: Any) -> Answer:
    """The answer that the library has taken apart."""
    error, meta = response.get("Error", {}), response.get("ResponseMetadata", {})
    code = str(error.get("Code", ""))
    given = "" if code.isdecimal() else code
    message = str(error.get("Message") or "")
    if not given:  # the library's own words: a number for an empty body, nothing for a page
        message = "" if code == "404" else message or "a page that is no S3 answer"
    headers = {str(name).lower(): str(text) for name, text in meta.get("HTTPHeaders", {}).items()}
    return Answer(
        status=int(meta.get("HTTPStatusCode", 0)),
        code=given,
        message=message,
        region=error.get("Region") or headers.get("x-amz-bucket-region", ""),
        headers=headers,
        xml=bool(given),
    )


@cache
def _session() -> Any:
    """One for all clients: it reads the descriptions of the services, which takes long."""
    return botocore.session.Session(session_vars=_NO_FILES)


def _client(
    settings: StorageSettings, profile: Profile, verify: str | bool | None, read_timeout_s: float
) -> Any:
    v2 = profile.signature == "v2"
    signature: Any = ("s3" if v2 else "s3v4") if settings.access_key else UNSIGNED
    config = Config(
        signature_version=signature,
        s3={"addressing_style": profile.addressing, "payload_signing_enabled": True},
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        retries={"total_max_attempts": 1},
        connect_timeout=settings.connect_timeout_s,
        read_timeout=read_timeout_s,
        max_pool_connections=max(settings.concurrency, PARTS_AT_ONCE),
        tcp_keepalive=True,
        user_agent_extra="dassie",
    )
    region = profile.region or "us-east-1"
    with _making_client:
        client = _session().create_client(
            "s3",
            region_name=region,
            endpoint_url=profile.endpoint or f"https://{amazon_host(region)}",
            aws_access_key_id=settings.access_key or None,
            aws_secret_access_key=settings.secret_key or None,
            aws_session_token=settings.session_token or None,
            verify=verify,
            config=config,
        )
    if v2 and profile.addressing == "path":
        client.meta.events.register("before-sign.s3", _sign_what_is_sent)
    client.meta.events.register("before-sign.s3.DeleteObjects", _add_md5)
    # Some stores never answer "100 Continue", and some close the connection instead.
    client.meta.events.unregister("before-call.s3", add_expect_header)
    return client


def _sign_what_is_sent(request: Any, **_: Any) -> None:
    request.auth_path = urlsplit(request.url).path


def _add_md5(request: Any, **_: Any) -> None:
    request.headers["Content-MD5"] = _md5(request.data)


def _md5(body: Buffer | str) -> str:
    data = body.encode() if isinstance(body, str) else body
    return base64.b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode()
