"""One raw exchange with a store: connect, send, read a bounded answer, and say what went wrong.

Names, connections, TLS and HTTP are kept apart, because each has its own remedy. Knows nothing of
S3: `probe.caller` signs what is sent here and reads the answers. Every step has a time limit.
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from dassie.blob.probe import certificates
from dassie.blob.probe.signing import Signed

_PIECE = 256 << 10


class Trouble(StrEnum):
    """Why there is no answer."""

    UNKNOWN_HOST = "unknown host"
    REFUSED = "refused"
    UNREACHABLE = "unreachable"
    TIMEOUT = "timeout"
    CUT = "cut"
    """The connection ended before the answer did."""
    NOT_TLS = "not tls"
    """We spoke TLS; the port answers in plain HTTP."""
    WANTS_TLS = "wants tls"
    """We spoke plain HTTP; the port wants TLS."""
    NOT_HTTP = "not http"
    UNTRUSTED = "untrusted"
    EXPIRED = "expired"
    WRONG_NAME = "wrong name"
    TLS = "tls"
    """Any other failure of TLS."""


@dataclass(frozen=True, slots=True)
class Failure:
    """No answer came."""

    trouble: Trouble
    detail: str = ""
    """In the words of the system or of the TLS library."""
    certificate: certificates.Seen | None = None
    sent: int = 0
    """Bytes of the body that were sent before it failed."""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer as it came."""

    status: int
    headers: dict[str, str]
    """Names in lower case; of repeated ones the last."""
    body: bytes
    whole: bool
    """False: the body is longer than was asked to be read."""
    wait_s: float
    """From the last byte sent to the first of the answer."""
    seconds: float
    """From the first byte sent to the last read."""
    sent_at: float
    """When it was sent, by `time.monotonic`."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How long to wait, in seconds."""

    connect_s: float
    stall_s: float
    request_s: float


@dataclass(frozen=True, slots=True)
class Trust:
    """Whose certificates are accepted."""

    ca_file: str = ""
    insecure: bool = False

    def context(self) -> ssl.SSLContext:
        """Raises OSError or `ssl.SSLError` when the file cannot be used."""
        context = ssl.create_default_context()
        # As strict as the drivers' TLS library: a name must stand in the subjectAltName.
        context.hostname_checks_common_name = False
        if self.ca_file:
            context.load_verify_locations(self.ca_file)
        if self.insecure:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context


class Wire:
    """A connection to one host and port, kept between exchanges. Not for several threads."""

    def __init__(self, *, tls: bool, host: str, trust: Trust, limits: Limits) -> None:
        self._tls = tls
        self._name, self._port = split_host(host, tls=tls)
        self._trust = trust
        self._limits = limits
        self._connection: http.client.HTTPConnection | None = None
        self._sent = 0
        self.leaf_is_ca = False
        """The server's certificate is marked as that of an authority; some clients refuse it."""

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def take_sent(self) -> int:
        """Requests sent since this was last asked."""
        sent, self._sent = self._sent, 0
        return sent

    def exchange(self, signed: Signed, read: int = 64 << 10) -> Reply | Failure:
        """Send `signed` and read at most `read` bytes of the answer's body."""
        kept = self._connection is not None
        outcome = self._exchange(signed, read)
        if kept and isinstance(outcome, Failure) and outcome.trouble is Trouble.CUT:
            # A kept connection may have been closed by the other side at any time.
            outcome = self._exchange(signed, read)
        return outcome

    def _exchange(self, signed: Signed, read: int) -> Reply | Failure:
        begin = time.monotonic()
        connection = self._connection or self._connect()
        if isinstance(connection, Failure):
            return connection
        self._connection = connection
        sent = 0
        with _deadline(connection, self._limits.request_s) as expired:
            try:
                broken = None
                start = time.monotonic()
                self._sent += 1
                _send_head(connection, signed)
                try:
                    for piece in _pieces(signed.body):
                        connection.send(piece)
                        sent += len(piece)
                except TimeoutError:
                    raise
                except OSError as error:
                    # Refused early, before all of the body was taken: the answer may be there.
                    broken = error
                last = time.monotonic()
                response = connection.getresponse()
                wait = time.monotonic() - last
                body = b"" if signed.method == "HEAD" else response.read(read)
                whole = response.isclosed() or not response.read(1)
                if not whole or broken or response.will_close:
                    self.close()
                headers = {name.lower(): value for name, value in response.getheaders()}
                seconds = time.monotonic() - start
                return Reply(response.status, headers, body, whole, wait, seconds, start)
            except (OSError, http.client.HTTPException) as error:
                self.close()
                trouble, detail = self._failed(error, late=expired.is_set())
                return Failure(trouble, detail, None, sent, time.monotonic() - begin)

    def _failed(self, error: Exception, *, late: bool) -> tuple[Trouble, str]:
        if late or isinstance(error, TimeoutError):
            return Trouble.TIMEOUT, "no answer in time"
        if isinstance(error, http.client.RemoteDisconnected):
            return Trouble.CUT, str(error)
        if isinstance(error, http.client.BadStatusLine):
            line = str(error)
            # A TLS alert, as a server writes it that got no greeting.
            if not self._tls and line.lstrip("'\"").startswith(("\x15\x03", "\\x15\\x03")):
                return Trouble.WANTS_TLS, "it answers with a TLS alert"
            return Trouble.NOT_HTTP, f"answered {line[:60]!r}"
        if isinstance(error, http.client.IncompleteRead):
            return Trouble.CUT, "the answer ended before its announced length"
        if isinstance(error, http.client.HTTPException):
            return Trouble.NOT_HTTP, str(error)
        return Trouble.CUT, _words(error)

    def _connect(self) -> http.client.HTTPConnection | Failure:
        plain = self._dial()
        if isinstance(plain, Failure):
            return plain
        sock: socket.socket = plain
        if self._tls:
            secured = self._secure(plain)
            if isinstance(secured, Failure):
                plain.close()
                return secured
            sock = secured
        sock.settimeout(self._limits.stall_s)
        connection = http.client.HTTPConnection(self._name, self._port)
        connection.auto_open = 0
        connection.sock = sock
        return connection

    def _dial(self) -> socket.socket | Failure:
        begin = time.monotonic()
        addresses = _resolve(self._name, self._port, self._limits.connect_s)
        if isinstance(addresses, Failure):
            return addresses
        failure = Failure(Trouble.UNREACHABLE, "no address")
        for family, kind, protocol, _, address in addresses:
            sock = socket.socket(family, kind, protocol)
            sock.settimeout(self._limits.connect_s)
            try:
                sock.connect(address)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                return sock
            except ConnectionRefusedError as error:
                failure = Failure(Trouble.REFUSED, _words(error))
            except TimeoutError:
                failure = Failure(Trouble.TIMEOUT, "no connection in time")
            except OSError as error:
                failure = Failure(Trouble.UNREACHABLE, _words(error))
            sock.close()
        return Failure(failure.trouble, failure.detail, seconds=time.monotonic() - begin)

    def _secure(self, plain: socket.socket) -> ssl.SSLSocket | Failure:
        try:
            context = self._trust.context()
        except OSError as error:
            detail = f"the file of trusted certificates {self._trust.ca_file!r}: {_words(error)}"
            return Failure(Trouble.TLS, detail)
        try:
            sock = context.wrap_socket(plain, server_hostname=self._name)
        except ssl.SSLCertVerificationError as error:
            return self._distrusted(error)
        except ssl.SSLError as error:
            reason = error.reason or ""
            if reason in _NOT_TLS or self._answers_plainly():
                return Failure(Trouble.NOT_TLS, reason)
            return Failure(Trouble.TLS, _words(error))
        except TimeoutError:
            if self._answers_plainly():
                return Failure(Trouble.NOT_TLS, "no TLS greeting")
            return Failure(Trouble.TIMEOUT, "no TLS greeting in time")
        except OSError as error:
            if self._answers_plainly():
                return Failure(Trouble.NOT_TLS, _words(error))
            return Failure(Trouble.CUT, _words(error))
        der = sock.getpeercert(binary_form=True) or b""
        self.leaf_is_ca = certificates.is_authority(der)
        return sock

    def _distrusted(self, error: ssl.SSLCertVerificationError) -> Failure:
        """Why the certificate was not accepted, with what can be said of it."""
        if error.verify_code in _NAME_CODES:
            trouble = Trouble.WRONG_NAME
        elif error.verify_code in _DATE_CODES:
            trouble = Trouble.EXPIRED
        else:
            trouble = Trouble.UNTRUSTED
        seen = None
        plain = self._dial()
        if isinstance(plain, socket.socket):
            with contextlib.suppress(OSError), contextlib.closing(plain):
                seen = certificates.look(plain, self._name, self._trust.ca_file)
        return Failure(trouble, error.verify_message, seen)

    def _answers_plainly(self) -> bool:
        """Whether this port speaks HTTP without TLS."""
        sock = self._dial()
        if isinstance(sock, Failure):
            return False
        with contextlib.closing(sock):
            try:
                sock.sendall(f"HEAD / HTTP/1.0\r\nHost: {self._name}\r\n\r\n".encode())
                return sock.recv(5) == b"HTTP/"
            except OSError:
                return False

    def speaks_tls(self) -> bool:
        """Whether this port answers a TLS greeting, whatever its certificate."""
        sock = self._dial()
        if isinstance(sock, Failure):
            return False
        with contextlib.closing(sock):
            try:
                certificates.greet(sock, self._name).close()
            except (OSError, ValueError):
                return False
            return True


_NOT_TLS = {"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "HTTPS_PROXY_REQUEST", "UNKNOWN_PROTOCOL"}
_NOT_TLS |= {"PACKET_LENGTH_TOO_LONG", "RECORD_LAYER_FAILURE"}
# Of OpenSSL's X509_V_ERR_*.
_DATE_CODES = {9, 10, 13, 14}
_NAME_CODES = {62, 63, 64}


def split_host(host: str, *, tls: bool) -> tuple[str, int]:
    """Name and port of `name`, `name:port`, `[v6]` or `[v6]:port`; ValueError for anything else."""
    name, colon, port = host.rpartition(":")
    if not colon or host.endswith("]"):
        name, port = host, ""
    number = int(port) if port else (443 if tls else 80)
    name = name.strip("[]")
    if not name or not 0 < number < 65536:
        raise ValueError(f"{host!r} is not host or host:port")
    return name, number


def _resolve(
    name: str, port: int, limit_s: float
) -> list[tuple[int, int, int, str, tuple]] | Failure:  # type: ignore[type-arg]
    """Addresses of `name`. The system's resolver knows no time limit: it gets a thread."""
    found: list[object] = []

    def ask() -> None:
        try:
            found.append(socket.getaddrinfo(name, port, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError) as error:
            found.append(error)

    thread = threading.Thread(target=ask, name="resolve", daemon=True)
    thread.start()
    thread.join(limit_s)
    if not found:
        return Failure(Trouble.TIMEOUT, f"the name {name!r} was not resolved in time")
    if isinstance(found[0], Exception):
        return Failure(Trouble.UNKNOWN_HOST, _words(found[0]))
    return found[0]  # type: ignore[return-value]


def _send_head(connection: http.client.HTTPConnection, signed: Signed) -> None:
    connection.putrequest(signed.method, signed.target, skip_host=True, skip_accept_encoding=True)
    for name, value in signed.headers.items():
        connection.putheader(name, value)
    connection.endheaders()


def _pieces(body: bytes) -> Iterator[memoryview]:
    """Sent one by one, so that the time limit is one for standing still."""
    view = memoryview(body)
    for at in range(0, len(view), _PIECE):
        yield view[at : at + _PIECE]


@contextlib.contextmanager
def _deadline(connection: http.client.HTTPConnection, limit_s: float) -> Iterator[threading.Event]:
    """Cut the connection after `limit_s`, however busy it looks."""
    expired = threading.Event()
    sock = connection.sock

    def cut() -> None:
        expired.set()
        with contextlib.suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(limit_s, cut)
    timer.daemon = True
    timer.start()
    try:
        yield expired
    finally:
        timer.cancel()


def _words(error: BaseException) -> str:
    """The system's words for `error`, without its number."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__
