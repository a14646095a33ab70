"""One connection: HTTP/2 frames in and out, streams, windows. Made by `listener` for each client.

Malformed input ends the connection with GOAWAY and a reason; it never reaches a handler. Nothing
here knows what is called: `route` finds a handler for a method name.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable
from typing import Final

import hpack

from dassie.doors.grpc.transport import frames, metadata
from dassie.doors.grpc.transport.frames import ErrorCode, Kind, Setting, Violation
from dassie.doors.grpc.transport.metadata import Code
from dassie.doors.grpc.transport.stream import WINDOW, Stream

_log = logging.getLogger(__name__)

Status = tuple[Code, str]
Handler = Callable[[Stream], Awaitable[Status]]
"""Serves one call, and says how it ended. Must not raise but for being cancelled."""

MAX_STREAMS: Final = 1024
MAX_HEADER_BYTES: Final = 64 << 10
MAX_FRAME: Final = 256 << 10
_CONNECTION_WINDOW: Final = 256 << 20
_BUFFER_BYTES: Final = 64 << 10
_FLUSH_BYTES: Final = 256 << 10
_MAX_BACKLOG: Final = 4 << 20
_GREETING_S: Final = 20.0
"""How long a client may take to say anything at all."""
_GATHER_S: Final = 0.001
"""How long to let small messages gather in the socket when a reader waits for many of them."""
_SMALL_READ: Final = 16 << 10


class Connection(asyncio.BufferedProtocol):
    """Server side of one HTTP/2 connection."""

    def __init__(
        self,
        route: Callable[[str], Handler],
        max_message: int,
        closed: Callable[[Connection], None],
    ) -> None:
        self._route = route
        self._max_message = max_message
        self._closed = closed
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray(_BUFFER_BYTES)
        self._filled = 0
        self._greeted = False
        self._decoder = hpack.Decoder(max_header_list_size=MAX_HEADER_BYTES)
        self._headers: tuple[int, bool, bytearray] | None = None
        """Stream, END_STREAM and block of headers that CONTINUATION goes on with."""
        self._streams: dict[int, Stream] = {}
        self._last_id = 0
        self._draining = False
        self._received = 0
        self._send_window = frames.INITIAL_WINDOW
        self._peer_window = frames.INITIAL_WINDOW
        self._peer_frame = frames.MIN_FRAME_BYTES
        self._blocked: dict[int, Stream] = {}
        """Streams with something to send that windows or the socket did not let through."""
        self._pending: list[bytes | memoryview] = []
        self._pending_bytes = 0
        self._flushing = False
        self._paused = False

    # -- what asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - narrows the type
        self._transport = transport
        transport.set_write_buffer_limits(high=1 << 20)
        _keep_alive(transport.get_extra_info("socket"))
        self._loop.call_later(_GREETING_S, self._close_unless_greeted)

    def get_buffer(self, _hint: int) -> memoryview:
        return memoryview(self._buffer)[self._filled :]

    def buffer_updated(self, count: int) -> None:
        self._filled += count
        try:
            gathering = self._take_frames()
            self._check_backlog()
        except Violation as error:
            self._fail(error.code, str(error))
            return
        if gathering and count < _SMALL_READ and self._transport is not None:
            self._transport.pause_reading()
            self._loop.call_later(_GATHER_S, self._resume_reading)

    def _close_unless_greeted(self) -> None:
        if not self._greeted:
            self.close()

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, _error: Exception | None) -> None:
        self._transport = None
        for stream in list(self._streams.values()):
            self._forget(stream)
            stream.drop()
        self._closed(self)

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        self._pump_blocked()

    # -- what the listener calls

    def drain(self) -> None:
        """Take no more calls; close when the last one has ended."""
        self._draining = True
        self._write(frames.go_away(self._last_id, ErrorCode.NO_ERROR))
        self._close_if_drained()

    def stop_calls(self) -> None:
        """End what still runs."""
        for stream in list(self._streams.values()):
            stream.stop()

    def close(self) -> None:
        if self._transport is not None:
            self._flush()
            self._transport.close()

    # -- what streams call

    def grant(self, stream: Stream, bytes_: int) -> None:
        self._write(frames.window_update(stream.id, bytes_))

    def pump(self, stream: Stream) -> None:
        if stream.gone or self._transport is None:
            return
        closing = stream.closing
        if not stream.opened and (stream.out or closing is None):
            stream.opened = True
            self._write(frames.frame(Kind.HEADERS, frames.END_HEADERS, stream.id, metadata.OPENING))
        while stream.out:
            view = stream.out[0]
            count = min(len(view), stream.send_window, self._send_window, self._peer_frame)
            if count <= 0 or self._paused or self._pending_bytes >= _FLUSH_BYTES:
                self._blocked[stream.id] = stream
                return
            if count == len(view):
                stream.out.popleft()
            else:
                stream.out[0] = view[count:]
            self._write(frames.head(count, Kind.DATA, 0, stream.id))
            self._write(view[:count])
            self._send_window -= count
            stream.sent(count)
        self._blocked.pop(stream.id, None)
        if closing is not None and stream.id in self._streams:
            self._send_closing(stream, *closing)

    def _send_closing(self, stream: Stream, code: Code, text: str) -> None:
        block = metadata.closing(code, text)
        if not stream.opened:
            block = metadata.OPENING + block
        flags = frames.END_HEADERS | frames.END_STREAM
        self._write(frames.frame(Kind.HEADERS, flags, stream.id, block))
        if not stream.half_closed:
            # The client may be sending still, and need not.
            self._write(frames.reset(stream.id, ErrorCode.NO_ERROR))
        self._forget(stream)
        self._close_if_drained()

    # -- reading

    def _resume_reading(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    def _take_frames(self) -> bool:
        """Handle every complete frame in the buffer; whether a reader waits for many more."""
        view = memoryview(self._buffer)
        at = 0 if self._greeted else self._take_preface()
        gathering = False
        parse_head = frames.HEAD.unpack_from
        while self._filled - at >= frames.HEAD_BYTES:
            high, low, kind, flags, stream_id = parse_head(view, at)
            length = high << 8 | low
            if length > MAX_FRAME:
                raise Violation(ErrorCode.FRAME_SIZE_ERROR, f"a frame of {length} bytes")
            end = at + frames.HEAD_BYTES + length
            if end > self._filled:
                break
            payload = view[at + frames.HEAD_BYTES : end]
            at = end
            if kind == Kind.DATA:
                gathering = self._on_data(payload, flags, stream_id & frames.MAX_WINDOW)
            else:
                self._on_frame(kind, payload, flags, stream_id & frames.MAX_WINDOW)
        self._keep_rest(view, at)
        return gathering

    def _check_backlog(self) -> None:
        """Answers to pings and settings pile up when a client asks and does not read."""
        if self._paused and self._transport is not None:
            backlog = self._transport.get_write_buffer_size()
            if backlog > _MAX_BACKLOG:
                raise Violation(ErrorCode.ENHANCE_YOUR_CALM, f"{backlog} bytes were not read")

    def _take_preface(self) -> int:
        if not frames.PREFACE.startswith(self._buffer[: min(self._filled, len(frames.PREFACE))]):
            raise Violation(ErrorCode.PROTOCOL_ERROR, "this port speaks gRPC over HTTP/2")
        if self._filled < len(frames.PREFACE):
            return 0
        self._greeted = True
        self._greet()
        return len(frames.PREFACE)

    def _greet(self) -> None:
        self._write(
            frames.settings(
                {
                    Setting.MAX_CONCURRENT_STREAMS: MAX_STREAMS,
                    Setting.INITIAL_WINDOW_SIZE: WINDOW,
                    Setting.MAX_FRAME_SIZE: MAX_FRAME,
                    Setting.MAX_HEADER_LIST_SIZE: MAX_HEADER_BYTES,
                }
            )
            + frames.window_update(0, _CONNECTION_WINDOW - frames.INITIAL_WINDOW)
        )

    def _keep_rest(self, view: memoryview, at: int) -> None:
        """Move what is left of an incomplete frame to the front, and make room for all of it."""
        rest = self._filled - at
        if at and rest:
            view[:rest] = bytes(view[at : self._filled])
        self._filled = rest
        if rest >= frames.HEAD_BYTES and self._greeted:
            needed = frames.HEAD_BYTES + frames.parse_head(view, 0)[0]
            if needed > len(self._buffer):
                grown = bytearray(frames.HEAD_BYTES + MAX_FRAME)
                grown[:rest] = view[:rest]
                self._buffer = grown

    def _on_frame(self, kind: int, payload: memoryview, flags: int, stream_id: int) -> None:
        if self._headers is not None and kind != Kind.CONTINUATION:
            raise Violation(ErrorCode.PROTOCOL_ERROR, "headers broke off")
        if kind == Kind.HEADERS:
            fragment = frames.header_fragment(payload, flags)
            ended = bool(flags & frames.END_STREAM)
            self._on_headers(stream_id, bytearray(fragment), flags, ended=ended)
        elif kind == Kind.CONTINUATION:
            self._on_continuation(stream_id, payload, flags)
        elif kind == Kind.WINDOW_UPDATE:
            self._on_window_update(stream_id, frames.parse_long(payload, "WINDOW_UPDATE"))
        elif kind == Kind.RST_STREAM:
            frames.parse_long(payload, "RST_STREAM")
            self._on_reset(stream_id)
        elif kind == Kind.SETTINGS:
            self._on_settings(payload, flags)
        elif kind == Kind.PING:
            if len(payload) != 8:
                raise Violation(ErrorCode.FRAME_SIZE_ERROR, "PING is not 8 bytes")
            if not flags & frames.ACK:
                self._write(frames.frame(Kind.PING, frames.ACK, 0, bytes(payload)))
        elif kind == Kind.PUSH_PROMISE:
            raise Violation(ErrorCode.PROTOCOL_ERROR, "a client cannot push")
        # GOAWAY: the client ends the connection itself. PRIORITY and unknown kinds: ignored.

    def _on_data(self, payload: memoryview, flags: int, stream_id: int) -> bool:
        if self._headers is not None or stream_id == 0 or stream_id > self._last_id:
            raise Violation(ErrorCode.PROTOCOL_ERROR, "DATA on a stream that is not open")
        self._received += len(payload)
        if self._received >= _CONNECTION_WINDOW // 4:
            self._write(frames.window_update(0, self._received))
            self._received = 0
        stream = self._streams.get(stream_id)
        if stream is None or stream.half_closed:
            return False  # an ended call whose client has not heard of it yet
        data = frames.body(payload, flags) if flags & frames.PADDED else payload
        ended = bool(flags & frames.END_STREAM)
        if not stream.receive(data, len(payload), ended=ended):
            self._reset(stream, ErrorCode.FLOW_CONTROL_ERROR)
        return stream.gathering

    def _on_continuation(self, stream_id: int, payload: memoryview, flags: int) -> None:
        if self._headers is None or self._headers[0] != stream_id or not payload:
            raise Violation(ErrorCode.PROTOCOL_ERROR, "CONTINUATION of nothing")
        _, ended, block = self._headers
        block += payload
        self._on_headers(stream_id, block, flags, ended=ended)

    def _on_headers(self, stream_id: int, block: bytearray, flags: int, *, ended: bool) -> None:
        if len(block) > MAX_HEADER_BYTES:
            raise Violation(ErrorCode.ENHANCE_YOUR_CALM, "too many headers")
        if not flags & frames.END_HEADERS:
            self._headers = (stream_id, ended, block)
            return
        self._headers = None
        try:
            headers = self._decoder.decode(bytes(block), raw=True)
        except hpack.HPACKError as error:
            raise Violation(ErrorCode.COMPRESSION_ERROR, f"headers: {error}") from error
        if stream_id in self._streams:
            if ended:
                self._streams[stream_id].receive(memoryview(b""), 0, ended=True)
        elif stream_id % 2 == 0:
            raise Violation(ErrorCode.PROTOCOL_ERROR, f"stream {stream_id} is not a client's")
        elif stream_id > self._last_id:
            self._last_id = stream_id
            self._open(stream_id, [(bytes(n), bytes(v)) for n, v in headers], ended=ended)

    def _open(self, stream_id: int, headers: list[metadata.Header], *, ended: bool) -> None:
        """A new call."""
        if self._draining or len(self._streams) >= MAX_STREAMS:
            self._write(frames.reset(stream_id, ErrorCode.REFUSED_STREAM))
            return
        try:
            request = metadata.parse_request(headers)
        except metadata.NotGrpc as refusal:
            flags = frames.END_HEADERS | frames.END_STREAM
            block = metadata.http_error(refusal.status)
            self._write(frames.frame(Kind.HEADERS, flags, stream_id, block))
            return
        stream = Stream(stream_id, request, self, self._peer_window, self._max_message)
        self._streams[stream_id] = stream
        if ended:
            stream.receive(memoryview(b""), 0, ended=True)
        if request.timeout is not None:
            stream.timer = self._loop.call_later(request.timeout, stream.expire)
        stream.task = self._loop.create_task(self._serve(stream, self._route(request.method)))

    async def _serve(self, stream: Stream, handler: Handler) -> None:
        try:
            code, text = await handler(stream)
        except asyncio.CancelledError:
            code, text = Code.UNAVAILABLE, "the server is stopping: try again later"
            if stream.expired:
                code, text = Code.DEADLINE_EXCEEDED, "Deadline Exceeded"
        except Exception:  # noqa: BLE001 - a bug in a handler must end in a status
            _log.exception("a handler of %s raised", stream.request.method)
            code, text = Code.INTERNAL, "internal error (the server's log has the details)"
        if not stream.gone:
            stream.end(code, text)

    def _on_window_update(self, stream_id: int, bytes_: int) -> None:
        if stream_id == 0:
            self._send_window += bytes_
            if bytes_ == 0 or self._send_window > frames.MAX_WINDOW:
                raise Violation(ErrorCode.FLOW_CONTROL_ERROR, "WINDOW_UPDATE out of range")
            self._pump_blocked()
            return
        stream = self._streams.get(stream_id)
        if stream is None:
            return
        stream.send_window += bytes_
        if bytes_ == 0 or stream.send_window > frames.MAX_WINDOW:
            self._reset(stream, ErrorCode.FLOW_CONTROL_ERROR)
        elif stream_id in self._blocked:
            self.pump(stream)

    def _on_settings(self, payload: memoryview, flags: int) -> None:
        if flags & frames.ACK:
            return
        for key, value in frames.parse_settings(payload):
            if key == Setting.INITIAL_WINDOW_SIZE:
                if value > frames.MAX_WINDOW:
                    raise Violation(ErrorCode.FLOW_CONTROL_ERROR, f"window of {value}")
                for stream in self._streams.values():
                    stream.send_window += value - self._peer_window
                self._peer_window = value
            elif key == Setting.MAX_FRAME_SIZE:
                if not frames.MIN_FRAME_BYTES <= value <= frames.MAX_FRAME_BYTES:
                    raise Violation(ErrorCode.PROTOCOL_ERROR, f"frame size of {value}")
                self._peer_frame = min(value, 1 << 20)
        self._write(frames.frame(Kind.SETTINGS, frames.ACK, 0))
        self._pump_blocked()

    def _on_reset(self, stream_id: int) -> None:
        stream = self._streams.get(stream_id)
        if stream is not None:
            self._forget(stream)
            stream.drop()
            self._close_if_drained()

    def _reset(self, stream: Stream, code: ErrorCode) -> None:
        self._write(frames.reset(stream.id, code))
        self._on_reset(stream.id)

    # -- writing

    def _write(self, data: bytes | memoryview) -> None:
        """Collect what one turn of the event loop has to say, and send it together."""
        self._pending.append(data)
        self._pending_bytes += len(data)
        if not self._flushing:
            self._flushing = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flushing = False
        pending, self._pending, self._pending_bytes = self._pending, [], 0
        if self._transport is None or not pending:
            return
        self._transport.write(b"".join(pending))
        if self._blocked and not self._paused:
            self._pump_blocked()

    def _pump_blocked(self) -> None:
        """Each waiting stream in turn; one that is blocked again goes to the end of the queue."""
        if self._send_window <= 0:
            return
        for stream_id in list(self._blocked):
            if self._paused or self._pending_bytes >= _FLUSH_BYTES:
                return
            stream = self._blocked.pop(stream_id, None)
            if stream is not None:
                self.pump(stream)

    def _forget(self, stream: Stream) -> None:
        self._streams.pop(stream.id, None)
        self._blocked.pop(stream.id, None)
        if stream.timer is not None:
            stream.timer.cancel()

    def _close_if_drained(self) -> None:
        if self._draining and not self._streams:
            self.close()

    def _fail(self, code: ErrorCode, text: str) -> None:
        _log.info("closing a connection: %s (%s)", text, code.name)
        if self._paused and self._transport is not None:
            self._transport.abort()  # it does not read what we have to say
            return
        if self._greeted:
            self._write(frames.go_away(self._last_id, code, text))
        else:
            self._write(b"HTTP/1.1 505 HTTP Version Not Supported\r\nconnection: close\r\n\r\n")
        self.close()


def _keep_alive(connection: socket.socket | None) -> None:
    """Notice within a minute that a client's machine is gone."""
    if connection is None or connection.family not in (socket.AF_INET, socket.AF_INET6):
        return
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3)):
        if hasattr(socket, option):
            connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
