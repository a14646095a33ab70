"""A store that lies on demand: an S3 door over a dict, in this process.

It keeps aws-chunked framing as data, as some servers really do, and more for each name in `lies`
(`LIES` says what). It checks no signature. Started by `start_hostile` or `start("hostile", …)`.
"""

from __future__ import annotations

import hashlib
import re
import socket
import threading
import time
from base64 import b64decode
from contextlib import suppress
from datetime import UTC, datetime
from urllib.parse import parse_qs, unquote
from xml.sax.saxutils import escape

from tests.stores.ca import TestCA
from tests.stores.relay import Broken, Head, Wire, shifted_date
from tests.stores.running import RunningStore

LIES = {
    "framing": "chunk framing is stored as data (always on)",
    "web-page": "every GET gets a front page and 200",
    "v2-only": "a V4 signature is refused as an unknown type",
    "v4-only": "a V2 signature is refused",
    "wrong-region": "every V4 region is refused, and the one just refused is named as expected",
    "elsewhere": "every V4 region but mars-1 is refused with a redirect, the region in a header",
    "needs-md5": "a PUT without Content-MD5 is refused",
    "no-condition": "a conditional PUT overwrites",
    "refuses-condition": "a conditional PUT is not implemented",
    "missing-403": "a missing key is forbidden",
    "missing-bucket": "there is no bucket",
    "missing-200": "a missing key is an empty object",
    "forgets": "a PUT is acknowledged and not kept",
    "corrupts": "a PUT is kept with one bit changed",
    "etag-of-kept": "the ETag is that of what is kept",
    "etag-random": "the ETag looks like a digest and is none",
    "cuts": "a PUT is kept without its last byte",
    "undead": "a deleted key can still be read",
    "read-only": "writes are refused",
    "no-delete": "deletes are refused",
    "no-list": "lists are refused",
    "list-v1": "a V2 list is answered as V1 and never says there is more",
    "empty-list": "lists are empty",
    "no-range": "a range is ignored",
    "no-multipart": "multipart uploads are not implemented",
    "no-batch": "batch deletes are not implemented",
    "silent-writes": "a write is never answered, as on a full Ceph",
    "full": "a write is refused for its quota",
    "skewed": "the clock is an hour ahead, and requests are refused for it",
    "small-body": "bodies above 1 MiB are refused by a proxy in front",
}
REGION = re.compile(r"Credential=[^/]+/\d{8}/([^/]+)/s3")
NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
Reply = tuple[int, dict[str, str], bytes]


class Hostile:
    """The server. Thread-safe enough for tests."""

    def __init__(self, ca: TestCA | None = None, lies: set[str] | None = None) -> None:
        self.lies = lies or set()
        self.objects: dict[str, tuple[bytes, float]] = {}
        self.requests: list[str] = []
        self._context = ca.good().server_context() if ca else None
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        port = self._listener.getsockname()[1]
        self.endpoint = f"{'https' if ca else 'http'}://127.0.0.1:{port}"
        threading.Thread(target=self._accept, daemon=True, name="hostile").start()

    def close(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with suppress(OSError, Broken):
            if self._context is not None:
                connection = self._context.wrap_socket(connection, server_side=True)
            wire = Wire(connection)
            while (head := wire.read_head()) is not None:
                if head.get("expect"):
                    wire.send(b"HTTP/1.1 100 Continue\r\n\r\n")
                body = wire.read_body(head)
                reply = self._answer(head, body)
                if reply is None:
                    time.sleep(3600)
                    return
                status, fields, text = reply
                fields = {"Date": shifted_date(3600 if "skewed" in self.lies else 0), **fields}
                fields["Content-Length"] = str(len(text))
                sent = Head(f"HTTP/1.1 {status} Said", list(fields.items())).encode()
                wire.send(sent if head.is_head else sent + text)
        connection.close()

    # -- what it says -------------------------------------------------------------------------

    def _answer(self, head: Head, body: bytes) -> Reply | None:
        method, target, _ = head.first.split(" ", 2)
        path, _, query = target.partition("?")
        _, _, key = unquote(path).lstrip("/").partition("/")
        self.requests.append(f"{method} {key or '?' + query}")
        refused = self._refused(method, head, body)
        if refused is not None:
            return refused
        if method in {"PUT", "POST"} and "silent-writes" in self.lies:
            return None
        asked = parse_qs(query, keep_blank_values=True)
        if not key:
            return self._bucket(method, asked, body)
        if asked.keys() & {"uploads", "uploadId"} and "no-multipart" in self.lies:
            return _error(501, "NotImplemented", "Not here.")
        if method == "PUT":
            return self._put(key, head, body)
        if method == "DELETE":
            return self._delete([key])
        return self._get(key, head)

    def _refused(self, method: str, head: Head, body: bytes) -> Reply | None:
        """An answer to anything that may not come in."""
        lies, authorization = self.lies, head.get("authorization") or ""
        if "web-page" in lies and method in {"GET", "HEAD"}:
            return 200, {"Content-Type": "text/html"}, b"<html><h1>Welcome</h1></html>"
        if "small-body" in lies and len(body) > 1 << 20:
            return 413, {"Content-Type": "text/html", "Server": "nginx/1.22.1"}, b"<html>413</html>"
        if "skewed" in lies:
            return _error(
                403,
                "RequestTimeTooSkewed",
                "The difference between the request time and the server's time is too large.",
            )
        v2 = authorization.startswith("AWS ")
        if "v2-only" in lies and not v2:
            return _error(400, "InvalidArgument", "Unsupported Authorization Type")
        if "v4-only" in lies and v2:
            return _error(
                400,
                "InvalidRequest",
                "The authorization mechanism you have provided is not supported. "
                "Please use AWS4-HMAC-SHA256.",
            )
        return self._wrong_region(authorization)

    def _wrong_region(self, authorization: str) -> Reply | None:
        found = REGION.search(authorization)
        if found and "wrong-region" in self.lies:
            return _error(
                400,
                "AuthorizationHeaderMalformed",
                "The authorization header is malformed; the region is wrong; "
                f"expecting '{found[1]}'.",
            )
        if found and "elsewhere" in self.lies and found[1] != "mars-1":
            status, fields, body = _error(
                301,
                "PermanentRedirect",
                "The bucket you are attempting to access must be addressed using the "
                "specified endpoint.",
            )
            return status, {**fields, "x-amz-bucket-region": "mars-1"}, body
        return None

    def _bucket(self, method: str, asked: dict[str, list[str]], body: bytes) -> Reply:
        if "missing-bucket" in self.lies and method != "PUT":
            return _error(404, "NoSuchBucket", "The specified bucket does not exist")
        if method == "POST" and "delete" in asked:
            if "no-batch" in self.lies:
                return _error(501, "NotImplemented", "Not here.")
            keys = [unquote(key) for key in re.findall(r"<Key>([^<]*)</Key>", body.decode())]
            status, fields, text = self._delete(keys)
            done = f'<DeleteResult xmlns="{NAMESPACE}"></DeleteResult>'.encode()
            return (200, _XML, done) if status == 204 else (status, fields, text)
        if method == "GET" and "location" in asked:
            return 200, _XML, f'<LocationConstraint xmlns="{NAMESPACE}"/>'.encode()
        if method == "GET":
            return self._list(asked)
        return 200, {}, b""

    def _list(self, asked: dict[str, list[str]]) -> Reply:
        if "no-list" in self.lies:
            return _error(403, "AccessDenied", "Access Denied")
        one = {name: values[0] for name, values in asked.items()}
        v2 = one.get("list-type") == "2" and "list-v1" not in self.lies
        after = one.get("continuation-token") or one.get("start-after") or one.get("marker") or ""
        keys = sorted(k for k in self.objects if k.startswith(one.get("prefix", "")) and k > after)
        if "empty-list" in self.lies:
            keys = []
        most = int(one.get("max-keys", 1000))
        shown, more = keys[:most], len(keys) > most
        items = "".join(self._item(key) for key in shown)
        last = escape(shown[-1]) if shown else ""
        token = f"<NextContinuationToken>{last}</NextContinuationToken>"
        text = (
            f'<ListBucketResult xmlns="{NAMESPACE}"><Name>b</Name><MaxKeys>{most}</MaxKeys>'
            f"<KeyCount>{len(shown)}</KeyCount><IsTruncated>{str(more).lower()}</IsTruncated>"
            f"{token if v2 and more else ''}{items}</ListBucketResult>"
        )
        return 200, _XML, text.encode()

    def _item(self, key: str) -> str:
        data, modified = self.objects[key]
        when = datetime.fromtimestamp(modified, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
        return (
            f"<Contents><Key>{escape(key)}</Key><LastModified>{when}</LastModified>"
            f"<ETag>&quot;{_etag(data)}&quot;</ETag><Size>{len(data)}</Size>"
            "<StorageClass>STANDARD</StorageClass></Contents>"
        )

    def _put(self, key: str, head: Head, body: bytes) -> Reply:
        lies = self.lies
        if "missing-bucket" in lies:
            return _error(404, "NoSuchBucket", "The specified bucket does not exist")
        if "read-only" in lies:
            return _error(403, "AccessDenied", "Access Denied")
        if "full" in lies:
            return _error(403, "QuotaExceeded", "The quota is used up")
        digest = head.get("content-md5")
        if digest is None and "needs-md5" in lies:
            return _error(400, "InvalidRequest", "Missing required header for this request: MD5")
        if digest is not None and b64decode(digest) != _md5(body):
            return _error(400, "BadDigest", "The Content-MD5 you specified did not match")
        if head.get("if-none-match"):
            if "refuses-condition" in lies:
                return _error(501, "NotImplemented", "Conditions are not implemented")
            if key in self.objects and "no-condition" not in lies:
                return _error(412, "PreconditionFailed", "It is there already")
        etag = {"ETag": f'"{_etag(body)}"'}
        if "corrupts" in lies and body:
            body = bytes([body[0] ^ 1]) + body[1:]
        if "cuts" in lies:
            body = body[:-1]
        if "etag-of-kept" in lies:
            etag["ETag"] = f'"{_etag(body)}"'
        if "etag-random" in lies:
            etag["ETag"] = f'"{_etag(key.encode())}"'
        if "forgets" not in lies:
            self.objects[key] = (body, time.time())
        return 200, etag, b""

    def _delete(self, keys: list[str]) -> Reply:
        if self.lies & {"read-only", "no-delete"}:
            return _error(403, "AccessDenied", "Access Denied")
        if "undead" not in self.lies:
            for key in keys:
                self.objects.pop(key, None)
        return 204, {}, b""

    def _get(self, key: str, head: Head) -> Reply:
        if "missing-bucket" in self.lies:
            return _error(404, "NoSuchBucket", "The specified bucket does not exist")
        found = self.objects.get(key)
        if found is None:
            if "missing-200" in self.lies:
                return 200, {}, b""
            if "missing-403" in self.lies:
                return _error(403, "AccessDenied", "Access Denied")
            return _error(404, "NoSuchKey", "The specified key does not exist.")
        data, modified = found
        when = datetime.fromtimestamp(modified, UTC).strftime("%a, %d %b %Y %H:%M:%S GMT")
        fields = {"ETag": f'"{_etag(data)}"', "Last-Modified": when}
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", head.get("range") or "")
        if asked is None or "no-range" in self.lies:
            return 200, fields, data
        first, last = int(asked[1]), int(asked[2] or len(data))
        if first >= len(data):
            return _error(416, "InvalidRange", "The requested range is not satisfiable")
        part = data[first : last + 1]
        fields["Content-Range"] = f"bytes {first}-{first + len(part) - 1}/{len(data)}"
        return 206, fields, part


_XML = {"Content-Type": "application/xml"}


def _error(status: int, code: str, message: str) -> Reply:
    text = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{message}</Message></Error>"
    return status, _XML, text.encode()


def _md5(data: bytes) -> bytes:
    return hashlib.md5(data, usedforsecurity=False).digest()


def _etag(data: bytes) -> str:
    return _md5(data).hex()


def start_hostile(ca: TestCA | None = None, *lies: str) -> tuple[RunningStore, Hostile]:
    """A lying store and its handle; `lies` are names of `LIES`."""
    unknown = set(lies) - LIES.keys()
    assert not unknown, f"no such lies: {unknown}"
    server = Hostile(ca, set(lies))
    store = RunningStore(
        "hostile",
        server.endpoint,
        "AKTEST",
        "SKTEST123456",
        tls=ca is not None,
        ca_file=str(ca.file) if ca else "",
    )
    return store, server
