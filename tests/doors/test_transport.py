"""The transport against gRPC's own client, another HTTP/2 stack, and bytes that no client sends."""

from __future__ import annotations

import asyncio
import gzip
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import unquote

import grpc
import h2.config
import h2.connection
import h2.events
import h2.settings
import pytest

from dassie.doors.grpc.errors import status_of
from dassie.doors.grpc.transport import frames
from dassie.doors.grpc.transport.connection import MAX_FRAME, Handler, Status
from dassie.doors.grpc.transport.frames import ErrorCode, Kind
from dassie.doors.grpc.transport.listener import Listener
from dassie.doors.grpc.transport.messages import Splitter, frame
from dassie.doors.grpc.transport.metadata import Code, parse_timeout, percent_encode
from dassie.doors.grpc.transport.stream import WINDOW, Stream
from dassie.errors import DassieError

MAX_MESSAGE = 20 << 20
UNLIMITED = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]


class Calls:
    """Handlers that do what a test asks for."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.cancelled = threading.Event()
        self.received: list[bytes] = []
        self.gate = asyncio.Event()

    def route(self, method: str) -> Handler:
        handler: Handler = getattr(self, method.rpartition("/")[2])

        async def handle(stream: Stream) -> Status:
            try:
                return await handler(stream)
            except DassieError as error:
                return status_of(error, method)

        return handle

    async def echo(self, stream: Stream) -> Status:
        while (message := await stream.read()) is not None:
            await stream.write([message])
        return Code.OK, ""

    async def batches(self, stream: Stream) -> Status:
        sizes = []
        while batch := await stream.read_batch(1 << 20, 512):
            sizes.append(len(batch))
        await stream.write([b"%d %d" % (sum(sizes), len(sizes))])
        return Code.OK, ""

    async def unpack(self, stream: Stream) -> Status:
        sizes = []
        while batch := await stream.read_batch(1 << 20, 512):
            sizes.append(len(batch))
            assert sum(map(len, batch)) <= 2 << 20
        await stream.write([b"%d %d" % (sum(sizes), len(sizes))])
        return Code.OK, ""

    async def count(self, stream: Stream) -> Status:
        request = await stream.read()
        assert request is not None
        size, number = struct.unpack(">LL", request)
        for _ in range(number):
            await stream.write([bytes(size)])
        return Code.OK, ""

    async def hang(self, stream: Stream) -> Status:
        self.entered.set()
        try:
            while (message := await stream.read()) is not None:
                self.received.append(message)
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        return Code.OK, ""

    async def metadata(self, stream: Stream) -> Status:
        return Code.ABORTED, "100 % of Ünïcode\n" + stream.request.metadata.get("key", "-")

    async def refuse(self, _stream: Stream) -> Status:
        return Code.FAILED_PRECONDITION, "no"

    async def slow(self, stream: Stream) -> Status:
        self.entered.set()
        await asyncio.sleep(0.3)
        await stream.write([b"done"])
        return Code.OK, ""


@contextmanager
def listening(calls: Calls, grace: float = 0.1) -> Iterator[int]:
    ready = threading.Event()
    port = 0
    loop: asyncio.AbstractEventLoop
    done: asyncio.Event

    async def serve() -> None:
        nonlocal port, loop, done
        loop, done = asyncio.get_running_loop(), asyncio.Event()
        listener = Listener(calls.route, MAX_MESSAGE)
        port = await listener.start("127.0.0.1", 0)
        ready.set()
        await done.wait()
        await listener.stop(grace)

    thread = threading.Thread(target=asyncio.run, args=(serve(),), daemon=True)
    thread.start()
    assert ready.wait(5)
    try:
        yield port
    finally:
        loop.call_soon_threadsafe(done.set)
        thread.join(20)
        assert not thread.is_alive()


@pytest.fixture
def calls() -> Calls:
    return Calls()


@pytest.fixture
def port(calls: Calls) -> Iterator[int]:
    with listening(calls) as port:
        yield port


@pytest.fixture
def channel(port: int) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(f"127.0.0.1:{port}", options=UNLIMITED) as channel:
        yield channel


# -- gRPC's own client


@pytest.mark.parametrize("size", [0, 1, 4, 5, 16_384, WINDOW - 5, WINDOW, WINDOW + 1, MAX_MESSAGE])
def test_messages_of_any_size_go_both_ways(channel: grpc.Channel, size: int) -> None:
    sent = [bytes([7]) * size, b"", b"end"]
    assert list(channel.stream_stream("/t/echo")(iter(sent))) == sent


@pytest.mark.parametrize("compression", [grpc.Compression.Gzip, grpc.Compression.Deflate])
def test_compressed_requests(channel: grpc.Channel, compression: grpc.Compression) -> None:
    sent = [b"a" * 100_000, b"b"]
    answers = channel.stream_stream("/t/echo")(iter(sent), compression=compression)
    assert list(answers) == sent


def test_compressed_messages_are_unpacked_when_they_are_read(port: int, calls: Calls) -> None:
    client = H2Client(port)
    client.start("unpack", ("grpc-encoding", "gzip"))
    client.send_all(compressed(bytes(1 << 20)) * 100 + frame(b"plain") + b"plain")
    client.finish()
    assert Splitter(MAX_MESSAGE).feed(memoryview(client.data)) == [b"101 101"]


@pytest.mark.parametrize(
    ("message", "code"),
    [
        pytest.param(b"no gzip", Code.INVALID_ARGUMENT, id="none"),
        pytest.param(gzip.compress(bytes(1000))[:-1], Code.INVALID_ARGUMENT, id="cut off"),
        pytest.param(gzip.compress(b"1") * 2, Code.INVALID_ARGUMENT, id="goes on"),
        pytest.param(gzip.compress(bytes(MAX_MESSAGE)), Code.OK, id="the largest"),
        pytest.param(
            gzip.compress(bytes(MAX_MESSAGE + 1)), Code.RESOURCE_EXHAUSTED, id="too large"
        ),
    ],
)
@pytest.mark.parametrize("method", ["echo", "batches"])
def test_damaged_compression(port: int, method: str, message: bytes, code: Code) -> None:
    client = H2Client(port)
    client.start(method, ("grpc-encoding", "gzip"))
    client.send_all(compressed(b"good") + b"\1" + len(message).to_bytes(4, "big") + message)
    client.finish()
    assert client.status() is code


def test_an_unknown_compression(port: int) -> None:
    client = H2Client(port)
    client.start("echo", ("grpc-encoding", "snappy"))
    client.send(b"\1" + frame(b"x")[1:] + b"x", end=True)
    client.finish()
    assert client.status() is Code.UNIMPLEMENTED
    assert b"gzip" in client.trailers[b"grpc-accept-encoding"]


def test_many_small_messages_come_in_few_batches(channel: grpc.Channel) -> None:
    call = channel.stream_unary("/t/batches")
    total, batches = map(int, call(bytes(100) for _ in range(5000)).split())
    assert total == 5000
    assert batches <= 5000 / 512 + 2


def test_large_messages_come_in_batches_too(channel: grpc.Channel) -> None:
    call = channel.stream_unary("/t/batches")
    for size, number in [(WINDOW // 2 - 3, 9), (MAX_MESSAGE, 2), (700_000, 20)]:
        assert int(call(bytes(size) for _ in range(number)).split()[0]) == number


def test_a_slow_reader_slows_the_server_down(channel: grpc.Channel) -> None:
    answers = channel.unary_stream("/t/count")(struct.pack(">LL", 1 << 20, 40))
    assert sum(len(answer) for answer in answers) == 40 << 20


def test_status_and_metadata(channel: grpc.Channel) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        channel.unary_unary("/t/metadata")(b"", metadata=(("key", "value"),))
    assert caught.value.code() is grpc.StatusCode.ABORTED
    assert caught.value.details() == "100 % of Ünïcode\nvalue"


def test_a_deadline_cancels_the_handler(channel: grpc.Channel, calls: Calls) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        channel.unary_unary("/t/hang")(b"", timeout=0.2)
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert calls.cancelled.wait(5)


def test_a_refused_stream_stops_the_client(channel: grpc.Channel) -> None:
    def endless() -> Iterator[bytes]:
        while True:
            yield bytes(100_000)

    with pytest.raises(grpc.RpcError) as caught:
        channel.stream_unary("/t/refuse")(endless())
    assert caught.value.code() is grpc.StatusCode.FAILED_PRECONDITION


def test_many_calls_share_a_connection(channel: grpc.Channel) -> None:
    call = channel.unary_stream("/t/count")
    answers = [call(struct.pack(">LL", 50_000, 20)) for _ in range(50)]
    assert all(sum(map(len, each)) == 1_000_000 for each in answers)


def test_stopping_lets_running_calls_end(calls: Calls) -> None:
    with listening(calls, grace=5) as port:
        channel = grpc.insecure_channel(f"127.0.0.1:{port}")
        future = channel.unary_unary("/t/slow").future(b"")
        assert calls.entered.wait(5)
    assert future.result(5) == b"done"
    channel.close()


def test_stopping_ends_calls_that_take_too_long(calls: Calls) -> None:
    with listening(calls, grace=0.1) as port:
        channel = grpc.insecure_channel(f"127.0.0.1:{port}")
        future = channel.unary_unary("/t/hang").future(b"")
        assert calls.entered.wait(5)
    assert future.code() is grpc.StatusCode.UNAVAILABLE
    channel.close()


# -- another HTTP/2 stack, with small windows


def compressed(message: bytes) -> bytes:
    packed = gzip.compress(message)
    return b"\1" + len(packed).to_bytes(4, "big") + packed


class H2Client:
    """A call by the `h2` package over a plain socket."""

    def __init__(self, port: int, window: int = 65_535) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True))
        self.h2.initiate_connection()
        self.h2.update_settings({h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: window})
        self.stream = self.h2.get_next_available_stream_id()
        self.data = b""
        self.trailers: dict[bytes, bytes] = {}
        self.ended = False
        self.was_reset = False

    def start(self, method: str, *more: tuple[str, str]) -> None:
        headers = [
            (":method", "POST"),
            (":scheme", "http"),
            (":path", f"/t/{method}"),
            (":authority", "localhost"),
            ("content-type", "application/grpc"),
            ("te", "trailers"),
            *more,
        ]
        self.h2.send_headers(self.stream, headers)
        self.flush()

    def send(self, data: bytes, *, end: bool = False) -> None:
        self.h2.send_data(self.stream, data, end_stream=end)
        self.flush()

    def send_all(self, data: bytes) -> None:
        """As many frames as it takes, as windows allow, and the end of the stream."""
        while data:
            window = self.h2.local_flow_control_window(self.stream)
            size = min(window, self.h2.max_outbound_frame_size)
            if size > 0:
                self.send(data[:size])
                data = data[size:]
            else:
                self.receive()
        self.send(b"", end=True)

    def flush(self) -> None:
        self.socket.sendall(self.h2.data_to_send())

    def finish(self) -> None:
        """Read until the call has ended."""
        while not self.ended:
            self.receive()

    def receive(self) -> None:
        received = self.socket.recv(65_536)
        assert received, "the server hung up"
        for event in self.h2.receive_data(received):
            if isinstance(event, h2.events.DataReceived):
                self.data += event.data
                self.h2.acknowledge_received_data(event.flow_controlled_length, self.stream)
            elif isinstance(event, h2.events.TrailersReceived | h2.events.ResponseReceived):
                self.trailers.update(event.headers)
            elif isinstance(event, h2.events.StreamReset):
                self.ended = self.was_reset = True
            elif isinstance(event, h2.events.StreamEnded):
                self.ended = True
        self.flush()

    def status(self) -> Code:
        return Code(int(self.trailers[b"grpc-status"]))


def test_small_windows_of_the_client(port: int) -> None:
    client = H2Client(port, window=1000)
    client.start("count")
    request = struct.pack(">LL", 50_000, 4)
    client.send(frame(request) + request, end=True)
    client.finish()
    assert Splitter(MAX_MESSAGE).feed(memoryview(client.data)) == [bytes(50_000)] * 4
    assert client.status() is Code.OK


def test_messages_cut_anywhere(port: int) -> None:
    client = H2Client(port)
    client.start("echo")
    sent = b"".join(frame(each) + each for each in (b"one", b"", b"three"))
    for at in range(len(sent)):
        client.send(sent[at : at + 1], end=at == len(sent) - 1)
    client.finish()
    assert client.data == sent


def test_a_stream_that_ends_inside_a_message(port: int) -> None:
    client = H2Client(port)
    client.start("echo")
    client.send(frame(b"12345") + b"123", end=True)
    client.finish()
    assert client.status() is Code.INVALID_ARGUMENT


def test_a_message_that_is_too_long(port: int) -> None:
    client = H2Client(port)
    client.start("echo")
    client.send(b"\0" + (MAX_MESSAGE + 1).to_bytes(4, "big"))
    client.finish()
    assert client.status() is Code.RESOURCE_EXHAUSTED


def test_a_client_that_vanishes_is_no_end_of_stream(port: int, calls: Calls) -> None:
    client = H2Client(port)
    client.start("hang")
    client.send(frame(b"whole") + b"whole" + frame(b"half") + b"ha")
    assert calls.entered.wait(5)
    client.socket.close()
    assert calls.cancelled.wait(5)
    assert calls.received == [b"whole"]


# -- bytes that no client sends


class Raw:
    def __init__(self, port: int, greeting: bytes = frames.PREFACE + frames.settings({})) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        self.socket.sendall(greeting)

    def until_closed(self) -> bytes:
        received = b""
        while data := self.socket.recv(65_536):
            received += data
        return received

    def go_away(self) -> ErrorCode:
        """Why the server ended the connection."""
        received, at = self.until_closed(), 0
        while at < len(received):
            length, kind, _, _ = frames.parse_head(received, at)
            payload = received[at + frames.HEAD_BYTES : at + frames.HEAD_BYTES + length]
            if kind == Kind.GOAWAY:
                return ErrorCode(int.from_bytes(payload[4:8], "big"))
            at += frames.HEAD_BYTES + length
        raise AssertionError("no GOAWAY")


ALL = frames.END_HEADERS | frames.END_STREAM
BEGUN = frames.frame(Kind.HEADERS, 0, 1)
MORE_HEADERS = frames.frame(Kind.CONTINUATION, 0, 1, bytes(60_000))


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (frames.head(MAX_FRAME + 1, Kind.DATA, 0, 1), ErrorCode.FRAME_SIZE_ERROR),
        (frames.frame(Kind.DATA, 0, 1, b"x"), ErrorCode.PROTOCOL_ERROR),
        (frames.frame(Kind.DATA, 0, 0, b"x"), ErrorCode.PROTOCOL_ERROR),
        (frames.frame(Kind.HEADERS, ALL, 2, b"\x88"), ErrorCode.PROTOCOL_ERROR),
        (frames.frame(Kind.HEADERS, ALL, 1, b"\xff\xff\xff"), ErrorCode.COMPRESSION_ERROR),
        (frames.frame(Kind.HEADERS, ALL | frames.PADDED, 1, b"\x09"), ErrorCode.PROTOCOL_ERROR),
        (BEGUN + frames.frame(Kind.PING, 0, 0, bytes(8)), ErrorCode.PROTOCOL_ERROR),
        (frames.frame(Kind.CONTINUATION, 4, 1, b"\x88"), ErrorCode.PROTOCOL_ERROR),
        (BEGUN + MORE_HEADERS * 2, ErrorCode.ENHANCE_YOUR_CALM),
        (frames.frame(Kind.WINDOW_UPDATE, 0, 0, bytes(4)), ErrorCode.FLOW_CONTROL_ERROR),
        (frames.window_update(0, frames.MAX_WINDOW), ErrorCode.FLOW_CONTROL_ERROR),
        (frames.frame(Kind.WINDOW_UPDATE, 0, 0, b"x"), ErrorCode.FRAME_SIZE_ERROR),
        (frames.frame(Kind.SETTINGS, 0, 0, b"12345"), ErrorCode.FRAME_SIZE_ERROR),
        (frames.settings({frames.Setting.MAX_FRAME_SIZE: 1}), ErrorCode.PROTOCOL_ERROR),
        (frames.frame(Kind.PING, 0, 0, b"short"), ErrorCode.FRAME_SIZE_ERROR),
        (frames.frame(Kind.PUSH_PROMISE, 0, 1), ErrorCode.PROTOCOL_ERROR),
    ],
)  # fmt: skip
def test_broken_frames_end_the_connection(port: int, sent: bytes, code: ErrorCode) -> None:
    raw = Raw(port)
    raw.socket.sendall(sent)
    assert raw.go_away() is code


def test_a_browser_is_told_what_this_is(port: int) -> None:
    raw = Raw(port, b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
    assert raw.until_closed().startswith(b"HTTP/1.1 505")


def test_what_is_no_grpc_call_gets_an_http_status(port: int) -> None:
    client = H2Client(port)
    headers = [(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "x")]
    client.h2.send_headers(client.stream, headers, end_stream=True)
    client.flush()
    client.finish()
    assert client.trailers[b":status"] == b"405"


def test_the_server_answers_after_all_that(channel: grpc.Channel, port: int) -> None:
    for _ in range(50):
        Raw(port).socket.close()
    assert list(channel.stream_stream("/t/echo")(iter([b"x"]))) == [b"x"]


# -- pure parts


@pytest.mark.parametrize(
    ("value", "seconds"),
    [(b"5S", 5), (b"100m", 0.1), (b"2M", 120), (b"1H", 3600), (b"", None), (b"x", None)],
)
def test_timeouts(value: bytes, seconds: float | None) -> None:
    assert parse_timeout(value) == seconds


def test_percent_encoding() -> None:
    assert percent_encode("a b%é\n") == b"a b%25%C3%A9%0A"


@pytest.mark.parametrize("message", ["é" * 10_000, "x" * 10_000, "x" * 5998 + "%%%"])
def test_a_long_message_is_cut_between_characters(message: str) -> None:
    encoded = percent_encode(message)
    assert 5990 < len(encoded) <= 6000
    assert message.startswith(unquote(encoded.decode(), errors="ignore"))


def test_a_client_that_pings_and_never_reads(port: int) -> None:
    raw = Raw(port)
    pings = frames.frame(Kind.PING, 0, 0, bytes(8)) * 10_000

    def flood() -> None:
        for _ in range(300):
            raw.socket.sendall(pings)

    with pytest.raises(OSError, match=r"reset|[Bb]roken"):
        flood()
