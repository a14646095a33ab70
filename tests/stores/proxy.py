"""A proxy in front of a store that counts requests and injects faults (`tests.stores.faults`).

Speaks HTTP/1.1 both ways, one thread per client connection, bodies streamed; may terminate TLS.
Used as `with Proxy(store.endpoint, plan=…) as proxy: … store.behind(proxy.endpoint) …`; `plan` and
`latency_s` may be changed at any time. It keeps Host as the client sent it, so signatures hold.
"""

from __future__ import annotations

import itertools
import socket
import ssl
import struct
import threading
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Self
from urllib.parse import unquote, urlsplit

from tests.stores.ca import Certificate
from tests.stores.faults import Answer, Fault, Plan, Request
from tests.stores.relay import CHUNKED, Broken, Head, Wire, shifted_date

NONE = Fault()
HARD = struct.pack("ii", 1, 0)


@dataclass(frozen=True)
class Exchange:
    """One request that is over."""

    request: Request
    status: int
    """0: no answer was given."""
    received: int
    """Bytes of the request's body."""
    sent: int
    """Bytes of the answer's body."""


class Proxy:
    """See the module's text. Thread-safe."""

    def __init__(
        self,
        target: str,
        *,
        plan: Plan | None = None,
        latency_s: float = 0.0,
        certificate: Certificate | None = None,
    ) -> None:
        parts = urlsplit(target)
        self._target = (parts.hostname or "127.0.0.1", parts.port or 80)
        self._target_tls = parts.scheme == "https"
        self._context = certificate.server_context() if certificate else None
        self.plan = plan
        self.latency_s = latency_s
        self.exchanges: list[Exchange] = []
        """Those that are over."""
        self.struck: list[Request] = []
        """Those that met a fault."""
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self._running = 0
        """Requests that are being answered."""
        self._all_over = threading.Condition(self._lock)
        self._open: set[socket.socket] = set()
        self._closed = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port = self._listener.getsockname()[1]
        self.endpoint = f"{'https' if certificate else 'http'}://127.0.0.1:{self.port}"
        self._accept(self._listener)

    # -- what tests look at -------------------------------------------------------------------

    def count(self, kind: str = "") -> int:
        """Requests so far, of one kind or all."""
        self._settle()
        return sum(not kind or kind == one.request.kind for one in list(self.exchanges))

    def kinds(self) -> Counter[str]:
        self._settle()
        return Counter(one.request.kind for one in list(self.exchanges))

    def clear(self) -> None:
        """Forget what was counted."""
        self._settle()
        self.exchanges.clear()
        self.struck.clear()

    def _settle(self) -> None:
        """A client has its answer a moment before that is noted here."""
        with self._all_over:
            self._all_over.wait_for(lambda: self._running == 0, 0.2)

    # -- coming and going ---------------------------------------------------------------------

    def down(self) -> None:
        """Refuse connections and cut those that are open, as a machine that is gone."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()

    def up(self) -> None:
        """Take connections again, on the same port."""
        self._listener = socket.create_server(("127.0.0.1", self.port), backlog=256)
        self._accept(self._listener)

    def up_again(self) -> None:
        """`up`, if it is down."""
        if self._listener.fileno() < 0:
            self.up()

    def cut(self) -> None:
        """Reset every open connection."""
        with self._lock:
            connections = list(self._open)
        for connection in connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._closed.set()
        self.down()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # -- one connection -----------------------------------------------------------------------

    def _accept(self, listener: socket.socket) -> None:
        def run() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

        threading.Thread(target=run, daemon=True, name="proxy").start()

    def _serve(self, connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        upstream = _Upstream(self._target, tls=self._target_tls)
        with self._lock:
            self._open.add(connection)
        plain = connection
        try:
            if self._context is not None:
                connection = self._context.wrap_socket(connection, server_side=True)
            client = Wire(connection)
            while not self._closed.is_set() and self._exchange(client, upstream):
                pass
        except _Reset:
            with suppress(OSError):
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, HARD)
        except (OSError, Broken, ssl.SSLError):
            pass
        finally:
            with self._lock:
                self._open.discard(plain)
            connection.close()
            upstream.close()

    def _exchange(self, client: Wire, upstream: _Upstream) -> bool:
        """One request and its answer; whether the connection goes on."""
        head = client.read_head()
        if head is None:
            return False
        request = self._request(head)
        fault = (self.plan(request) if self.plan else None) or NONE
        if fault is not NONE:
            self.struck.append(request)
        under_way = _UnderWay(self, client, upstream, head, fault)
        status = 0
        with self._lock:
            self._running += 1
        try:
            self._wait(self.latency_s + fault.delay_s)
            under_way.at("before")
            status = under_way.run()
        finally:
            done = Exchange(request, status, under_way.received, under_way.sent)
            self.exchanges.append(done)
            with self._all_over:
                self._running -= 1
                self._all_over.notify_all()
        return under_way.goes_on

    def _wait(self, seconds: float) -> None:
        if seconds > 0:
            self._closed.wait(seconds)

    def _request(self, head: Head) -> Request:
        method, target, _ = head.first.split(" ", 2)
        path, _, query = target.partition("?")
        bucket, _, key = unquote(path).lstrip("/").partition("/")
        length = int(head.get("content-length") or 0)
        named = {name.lower(): value for name, value in head.fields}
        return Request(next(self._numbers), method, bucket, key, query, named, length)


class _Reset(Exception):
    """The client's connection is to be closed hard."""


class _Upstream:
    """The connection to the store that belongs to one client connection."""

    def __init__(self, target: tuple[str, int], *, tls: bool) -> None:
        self._target = target
        self._tls = tls
        self._wire: Wire | None = None

    def wire(self) -> Wire:
        if self._wire is not None and self._wire.stale():
            self.close()
        if self._wire is None:
            connection = socket.create_connection(self._target, timeout=300)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._tls:
                connection = ssl._create_unverified_context().wrap_socket(connection)
            self._wire = Wire(connection)
        return self._wire

    def close(self) -> None:
        if self._wire is not None:
            self._wire.close()
        self._wire = None


class _UnderWay:
    """One exchange on its way through."""

    def __init__(
        self, proxy: Proxy, client: Wire, upstream: _Upstream, head: Head, fault: Fault
    ) -> None:
        self._proxy = proxy
        self._client = client
        self._upstream = upstream
        self._head = head
        self._fault = fault
        self.received = 0
        self.sent = 0
        self.goes_on = (head.get("connection") or "").lower() != "close"

    def run(self) -> int:
        if self._fault.answer is not None:
            return self._answer(self._fault.answer)
        wire = self._upstream.wire()
        self._forward(wire)
        self.at("after")
        answer = wire.read_head()
        while answer is not None and answer.status < 200:
            answer = wire.read_head()
        if answer is None:
            raise _Reset
        self._return(wire, answer)
        return answer.status

    def at(self, place: str) -> None:
        """Do what the fault says for this place."""
        if self._fault.stall == place:
            self._proxy._wait(self._fault.stall_s)
        if self._fault.reset == place:
            raise _Reset

    def _answer(self, answer: Answer) -> int:
        """Instead of the store."""
        if self._head.get("expect"):
            self.goes_on = False  # the body stays where it is
        else:
            self.received = self._client.copy_body(self._head, None)
        body = answer.body.encode()
        fields = {"Content-Length": str(len(body)), "Date": shifted_date(self._fault.date_shift_s)}
        fields |= answer.headers
        if not self.goes_on:
            fields["Connection"] = "close"
        given = Head(f"HTTP/1.1 {answer.status} Injected", list(fields.items()))
        self._client.send(given.encode() + (b"" if self._head.is_head else body))
        self.sent = len(body)
        return answer.status

    def _forward(self, wire: Wire) -> None:
        head = self._head
        if head.get("expect"):
            head = head.without("expect")
            self._client.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        if self._fault.host:
            head = head.replacing("Host", self._fault.host)
        wire.send(head.encode())
        self.received = self._client.copy_body(head, wire, *self._amid("request", head))

    def _amid(self, place: str, head: Head) -> tuple[int, _Touch | None]:
        """Where in a body something happens, and what."""
        length = int(head.get("content-length") or 0)
        fault = self._fault
        active = place in (fault.stall, fault.reset, fault.flip)
        active = active or (place == "answer" and fault.truncate)
        if not active or (not length and head.body != CHUNKED):
            return 0, None
        return min(int(length * fault.at), max(length - 1, 0)), _Touch(self, fault, place)

    def _return(self, wire: Wire, answer: Head) -> None:
        """Bring the store's answer to the client."""
        whole = answer
        if self._fault.date_shift_s:
            answer = answer.replacing("Date", shifted_date(self._fault.date_shift_s))
        if self._fault.length_off_by and answer.get("content-length") is not None:
            declared = max(0, int(answer.get("content-length") or 0) + self._fault.length_off_by)
            answer = answer.replacing("Content-Length", str(declared))
            self.goes_on = False
        self._client.send(answer.encode())
        if self._head.is_head or whole.status in (204, 304):
            return
        self.sent = wire.copy_body(whole, self._client, *self._amid("answer", whole), answer=True)
        if whole.body == "close" or (whole.get("connection") or "").lower() == "close":
            self.goes_on = False


class _Touch:
    """What happens amid a body, called once with the piece that starts there."""

    def __init__(self, under_way: _UnderWay, fault: Fault, place: str) -> None:
        self._under_way = under_way
        self._fault = fault
        self._place = place

    def __call__(self, piece: memoryview) -> None:
        if self._fault.flip == self._place:
            piece[0] ^= 0x10
        self._under_way.at(self._place)
        if self._place == "answer" and self._fault.truncate:
            raise Broken("truncated on purpose")
