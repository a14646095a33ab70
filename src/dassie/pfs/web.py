"""The content behind a web address, piece by piece. Called by the doors for `AddFile` with a URL.

Whoever may write a file may make the server fetch one, so a fetch is kept on a short lead: http and
https only (also after a redirect, of which few are followed), never an address of the local link,
where clouds keep their machines' credentials, and an end to waiting for a silent peer. Content of
any size takes the memory of one piece. Blocks; knows nothing of commits.
"""

from __future__ import annotations

import base64
import http.client
import ipaddress
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Final
from urllib import request as urllib
from urllib.error import HTTPError, URLError
from urllib.parse import SplitResult, quote, unquote, urlsplit

from dassie.errors import Aborted, FailedPrecondition, InvalidArgument, NotFound, Unimplemented

PIECE_BYTES: Final = 1 << 20
SILENCE_S: Final = 60.0
"""How long the other side may say nothing."""
MAX_REDIRECTS: Final = 10

_OBJECT_STORES: Final = frozenset(
    {"s3", "minio", "gs", "gcs", "azblob", "wasb", "wasbs", "as", "abfs", "abfss"}
)
_GONE: Final = frozenset({404, 410})


class Fetch:
    """One download. `pieces` runs in one thread; any other may `abort` it."""

    def __init__(self, url: str, *, silence_s: float = SILENCE_S) -> None:
        """Raises when the URL is not one that can be fetched at all."""
        self._parts = _checked(url)
        self._silence_s = silence_s
        self._lock = threading.Lock()
        self._aborted = False
        self._socket: socket.socket | None = None
        self.name = _without_secrets(self._parts)
        """The URL as it may be shown: neither password nor query."""

    def pieces(self) -> Iterator[bytes]:
        """All of the content, or an error; nothing for an empty answer."""
        with self._open() as answer:
            while True:
                try:
                    piece = answer.read(PIECE_BYTES)
                except (OSError, http.client.HTTPException) as error:
                    raise self._broken(error) from None
                if self._aborted:
                    raise self._broken(None)
                if not piece:
                    break
                yield piece
            # What `read` with a size does not notice.
            if answer.length:
                raise FailedPrecondition(
                    f"cannot fetch {self.name}: the answer broke off {answer.length} bytes"
                    " before its end"
                )

    def abort(self) -> None:
        """Make `pieces` end with an error soon, also when it is waiting for the other side."""
        with self._lock:
            self._aborted = True
            if self._socket is not None:
                with suppress(OSError):
                    self._socket.shutdown(socket.SHUT_RDWR)

    def connected(self, connection: socket.socket) -> None:
        """Told of every connection before anything is sent on it; refuses where it leads."""
        with self._lock:
            self._socket = connection
            if self._aborted:
                raise self._broken(None)
        peer = connection.getpeername()
        if isinstance(peer, tuple) and _is_link_local(peer[0]):
            raise InvalidArgument(
                f"cannot fetch {self.name}: {peer[0]} is an address of the server's local link"
            )

    def _open(self) -> http.client.HTTPResponse:
        parts = self._parts
        url = parts._replace(netloc=parts.netloc.rpartition("@")[2], fragment="").geturl()
        request = urllib.Request(quote(url, safe=_RESERVED))  # noqa: S310 - checked when made
        request.add_header("User-Agent", "dassie")
        if parts.username is not None:
            secret = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
            # "Unredirected": for this host only.
            request.add_unredirected_header(
                "Authorization", f"Basic {base64.b64encode(secret).decode()}"
            )
        try:
            answer: http.client.HTTPResponse = _opener(self).open(request, timeout=self._silence_s)
        except HTTPError as error:
            error.close()
            raise self._refused(error) from None
        except (URLError, OSError, http.client.HTTPException, ValueError) as error:
            raise self._broken(error) from None
        return answer

    def _refused(self, error: HTTPError) -> FailedPrecondition | NotFound:
        kind = NotFound if error.code in _GONE else FailedPrecondition
        said = " ".join(str(error.reason).split())[:200]
        if 300 <= error.code < 400:
            return FailedPrecondition(f"cannot fetch {self.name}: redirected badly: {said}")
        return kind(f"cannot fetch {self.name}: the server there answered {error.code} {said}")

    def _broken(self, error: Exception | None) -> FailedPrecondition | Aborted:
        if self._aborted:
            return Aborted(f"the fetch of {self.name} was given up")
        reason = error.reason if isinstance(error, URLError) else error
        if isinstance(reason, TimeoutError):
            return FailedPrecondition(
                f"cannot fetch {self.name}: no answer for {self._silence_s:g} s"
            )
        return FailedPrecondition(f"cannot fetch {self.name}: {reason or 'the connection broke'}")


_RESERVED: Final = "!#$%&'()*+,/:;=?@[]~"


def _checked(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise InvalidArgument(f"{url!r} is not a URL: {error}") from None
    if parts.scheme in _OBJECT_STORES:
        raise Unimplemented(f"putting files from {parts.scheme}: URLs (http and https work)")
    if parts.scheme not in {"http", "https"}:
        raise InvalidArgument(
            f"cannot fetch {url!r}: a URL to put a file from starts with http:// or https://"
        )
    if not host:
        raise InvalidArgument(f"{_without_secrets(parts)!r} names no host")
    return parts


def _without_secrets(parts: SplitResult) -> str:
    bare = parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="")
    return bare.geturl()


def _is_link_local(host: str) -> bool:
    address = ipaddress.ip_address(host.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return address.is_link_local or address.is_multicast


class _Plain(http.client.HTTPConnection):
    def __init__(self, fetch: Fetch, host: str, **options: Any) -> None:
        super().__init__(host, **options)
        self._fetch = fetch

    def connect(self) -> None:
        super().connect()
        self._fetch.connected(self.sock)


class _Secure(http.client.HTTPSConnection):
    def __init__(self, fetch: Fetch, host: str, **options: Any) -> None:
        super().__init__(host, **options)
        self._fetch = fetch

    def connect(self) -> None:
        super().connect()
        self._fetch.connected(self.sock)


class _PlainHandler(urllib.HTTPHandler):
    def __init__(self, fetch: Fetch) -> None:
        super().__init__()
        self._fetch = fetch

    def http_open(self, req: urllib.Request) -> http.client.HTTPResponse:
        return self.do_open(lambda host, **options: _Plain(self._fetch, host, **options), req)


class _SecureHandler(urllib.HTTPSHandler):
    def __init__(self, fetch: Fetch) -> None:
        super().__init__()
        self._fetch = fetch

    def https_open(self, req: urllib.Request) -> http.client.HTTPResponse:
        context = ssl.create_default_context()
        return self.do_open(
            lambda host, **options: _Secure(self._fetch, host, **options), req, context=context
        )


class _Redirects(urllib.HTTPRedirectHandler):
    max_redirections = MAX_REDIRECTS


def _opener(fetch: Fetch) -> urllib.OpenerDirector:
    """Knows http, https and proxies of the environment: no files, no ftp, no cookies."""
    opener = urllib.OpenerDirector()
    for handler in (
        urllib.ProxyHandler(),
        _PlainHandler(fetch),
        _SecureHandler(fetch),
        urllib.HTTPDefaultErrorHandler(),
        _Redirects(),
        urllib.HTTPErrorProcessor(),
        urllib.UnknownHandler(),
    ):
        opener.add_handler(handler)
    return opener
