"""A small S3 server whose answers a test decides: for what no real store here does.

It keeps objects in memory, checks no signatures, and answers as a healthy store would, unless the
script says otherwise.
"""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from dassie.blob.settings import StorageSettings

BUCKET = "bkt"


@dataclass(frozen=True)
class Call:
    """One request as it reached the server."""

    number: int
    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    body: bytes

    @property
    def key(self) -> str:
        return self.path.lstrip("/").partition("/")[2]

    @property
    def signature(self) -> str:
        given = self.headers.get("authorization", "")
        return "v4" if given.startswith("AWS4-") else "v2" if given else ""

    @property
    def region(self) -> str:
        found = re.search(r"Credential=[^/]+/\d+/([^/]+)/", self.headers.get("authorization", ""))
        return found.group(1) if found else ""

    @property
    def lists(self) -> bool:
        return self.method == "GET" and not self.key and "location" not in self.query


@dataclass(frozen=True)
class Said:
    """An answer."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


def refusal(status: int, code: str, message: str = "", more: str = "", **headers: str) -> Said:
    """A refusal as S3 writes it."""
    body = (
        f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{message}</Message>{more}</Error>"
    )
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Said(status, body.encode(), {"Content-Type": "application/xml", **named})


def page(text: str, status: int = 200, **headers: str) -> Said:
    """A web page."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    body = f"<!DOCTYPE html><html><body>{text}</body></html>".encode()
    return Said(status, body, {"Content-Type": "text/html", **named})


Script = Callable[[Call], Said | None]


class ScriptedStore:
    """See the module's text."""

    def __init__(self) -> None:
        self.script: Script = lambda call: None
        self.objects: dict[str, bytes] = {}
        self.uploads: dict[str, dict[int, bytes]] = {}
        self.calls: list[Call] = []
        self.released = threading.Event()
        """Ends answers that are being held back."""
        self.port = 0

    @property
    def settings(self) -> StorageSettings:
        return StorageSettings(
            "s3",
            bucket=BUCKET,
            prefix="pre",
            endpoint=f"http://127.0.0.1:{self.port}",
            access_key="AK",
            secret_key="SK",
            connect_timeout_s=2,
            request_timeout_s=5,
            stall_timeout_s=5,
        )

    def answer(self, call: Call) -> Said:
        said = self.script(call)
        return said if said is not None else self.healthy(call)

    def healthy(self, call: Call) -> Said:
        """What a store that behaves would say."""
        if "location" in call.query:
            return Said(200, b"<LocationConstraint></LocationConstraint>")
        if call.lists:
            return self.listed(call)
        if call.method == "POST" and "delete" in call.query:
            for key in re.findall(rb"<Key>([^<]*)</Key>", call.body):
                self.objects.pop(key.decode(), None)
            return Said(200, b"<DeleteResult></DeleteResult>")
        if "uploads" in call.query or "uploadId" in call.query:
            return self._upload(call)
        if call.method == "PUT":
            if "if-none-match" in call.headers and call.key in self.objects:
                return refusal(412, "PreconditionFailed")
            self.objects[call.key] = call.body
            return Said(200)
        if call.method == "DELETE":
            self.objects.pop(call.key, None)
            return Said(204)
        return self._read(call)

    def listed(self, call: Call, version: int = 2) -> Said:
        keys = "".join(f"<Contents><Key>{key}</Key></Contents>" for key in sorted(self.objects))
        count = "<KeyCount>0</KeyCount>" if version == 2 else "<Marker></Marker>"
        return Said(200, f"<ListBucketResult>{count}{keys}</ListBucketResult>".encode())

    def _upload(self, call: Call) -> Said:
        upload = call.query.get("uploadId", [""])[0]
        if "uploads" in call.query:
            self.uploads["u1"] = {}
            return Said(200, b"<Initiated><UploadId>u1</UploadId></Initiated>")
        if upload not in self.uploads:
            return refusal(404, "NoSuchUpload")
        if call.method == "PUT":
            number = int(call.query["partNumber"][0])
            self.uploads[upload][number] = call.body
            return Said(200, headers={"ETag": f'"{hashlib.sha1(call.body).hexdigest()}"'})
        parts = self.uploads.pop(upload)
        if call.method == "POST":
            self.objects[call.key] = b"".join(parts[number] for number in sorted(parts))
        return Said(200 if call.method == "POST" else 204)

    def _read(self, call: Call) -> Said:
        if call.key not in self.objects:
            return refusal(404, "NoSuchKey", "The specified key does not exist.")
        data = self.objects[call.key]
        found = re.fullmatch(r"bytes=(\d+)-(\d+)", call.headers.get("range", ""))
        if not found:
            return Said(200, data)
        first, last = int(found.group(1)), min(int(found.group(2)), len(data) - 1)
        told = {"Content-Range": f"bytes {first}-{last}/{len(data)}"}
        return Said(206, data[first : last + 1], told)


def _handler(store: ScriptedStore) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            parts = urlsplit(self.path)
            call = Call(
                len(store.calls) + 1,
                self.command,
                unquote(parts.path),
                parse_qs(parts.query, keep_blank_values=True),
                {name.lower(): value for name, value in self.headers.items()},
                self.rfile.read(int(self.headers.get("Content-Length", 0))),
            )
            store.calls.append(call)
            said = store.answer(call)
            self.send_response(said.status)
            for name, value in said.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(said.body)))
            self.end_headers()
            self.wfile.write(said.body)

        do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _serve  # noqa: N815

        def log_message(self, *given: Any) -> None:
            pass

        def log_error(self, *given: Any) -> None:
            pass

    return Handler


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no error of the server."""


@contextmanager
def running() -> Iterator[ScriptedStore]:
    """A scripted store on a port of its own."""
    store = ScriptedStore()
    server = _Server(("127.0.0.1", 0), _handler(store))
    store.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield store
    finally:
        store.released.set()
        server.shutdown()
        server.server_close()
        thread.join()
