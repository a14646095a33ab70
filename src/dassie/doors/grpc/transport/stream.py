"""One call: the messages that came and were not read yet, and those that could not be sent yet.

A handler reads and writes; the connection feeds it and drains it. Everything happens on one event
loop.

Flow control: a client may have `WINDOW` bytes on their way or unread, and, when nothing complete is
waiting to be read, as much more as the message that has begun still lacks. So messages may be
larger than the window, and memory stays bounded.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from typing import Protocol

from dassie.doors.grpc.transport import messages
from dassie.doors.grpc.transport.metadata import Code, Request
from dassie.errors import DassieError, InvalidArgument

WINDOW = 2 << 20
_LOW_WINDOW = WINDOW // 4
_HIGH_WATER = 1 << 20
"""Bytes a handler may have waiting to be sent before `write` waits."""
_JOIN_BYTES = 64 << 10


class Carrier(Protocol):
    """What a stream needs of its connection."""

    def grant(self, stream: Stream, bytes_: int) -> None:
        """Let the client send so many bytes more on this stream."""

    def pump(self, stream: Stream) -> None:
        """Send what windows allow."""


class Stream:
    """One call of a client. Handlers use `request`, `read`, `read_batch` and `write`."""

    def __init__(
        self, id_: int, request: Request, carrier: Carrier, send_window: int, max_message: int
    ) -> None:
        self.id = id_
        self.request = request
        self.began = time.monotonic()
        self.task: asyncio.Task[None] | None = None
        self.timer: asyncio.TimerHandle | None = None
        self.gone = False
        """Whether the client has given up: nothing can be sent any more."""
        self.expired = False
        """Whether the client's deadline has passed."""
        self.half_closed = False
        """Whether the client has sent everything."""
        self.opened = False
        """Whether the answer's headers are on their way."""
        self.closing: tuple[Code, str] | None = None
        """How the call ended, to be sent after everything else."""
        self.send_window = send_window
        self.out: deque[memoryview] = deque()
        self._out_bytes = 0
        self._carrier = carrier
        self._splitter = messages.Splitter(max_message, request.encoding)
        self._queue: deque[bytes | messages.Packed] = deque()
        self._queue_bytes = 0
        """As they came: compressed messages count, and are kept, compressed."""
        self._window = WINDOW
        self._error: DassieError | None = None
        self._reader: asyncio.Future[None] | None = None
        self._goal = (1, 1)
        self._writer: asyncio.Future[None] | None = None

    # -- for handlers

    async def read(self) -> bytes | None:
        """The next message; `None` once the client has half-closed."""
        await self._wait(1, 1)
        if not self._queue:
            return None
        message = self._pop()
        self._grant()
        return message

    async def read_batch(self, size: int, count: int) -> list[bytes]:
        """All messages there are, once they are about `size` bytes or `count` in number or the last
        ones; of compressed ones about `size` bytes. Nothing once the client has half-closed.

        One wake-up for many small messages is what makes them cheap.
        """
        await self._wait(min(size, WINDOW // 2), count)
        batch = self._take(size)
        self._grant()
        return batch

    async def write(self, batch: Sequence[bytes]) -> None:
        """Send messages; waits while too much is waiting to be sent."""
        if len(batch) == 1 and len(batch[0]) >= _JOIN_BYTES:
            parts = [messages.frame(batch[0]), batch[0]]
        else:
            pieces: list[bytes] = []
            for message in batch:
                pieces += (messages.frame(message), message)
            parts = [b"".join(pieces)]
        for part in parts:
            if part:
                self.out.append(memoryview(part))
                self._out_bytes += len(part)
        self._carrier.pump(self)
        while self._out_bytes > _HIGH_WATER:
            self._writer = asyncio.get_running_loop().create_future()
            await self._writer

    def end(self, code: Code, text: str = "") -> None:
        """Send the status, after everything that was written."""
        self.closing = (code, text)
        if code is not Code.OK and not self.opened:
            self.out.clear()
        self._carrier.pump(self)

    # -- for the connection

    def receive(self, data: memoryview, flow_bytes: int, *, ended: bool) -> bool:
        """Take the payload of a DATA frame; `False` when the client has overrun its window."""
        self._window -= flow_bytes
        if self._window < 0:
            return False
        if self._error is None:
            try:
                for message in self._splitter.feed(data):
                    self._queue.append(message)
                    self._queue_bytes += len(message)
                if ended and self._splitter.inside:
                    raise InvalidArgument("the stream ends inside a message")
            except DassieError as error:
                self._error = error
        if ended:
            self.half_closed = True
        elif self._window < WINDOW - _LOW_WINDOW:
            self._grant()
        if self._reader is not None:
            self._wake_reader()
        return True

    @property
    def gathering(self) -> bool:
        """Whether a reader waits for many more small messages than have come."""
        return self._reader is not None and self._goal[1] > 1 and len(self._queue) >= 8

    def sent(self, bytes_: int) -> None:
        """So much of `out` is on its way."""
        self._out_bytes -= bytes_
        self.send_window -= bytes_
        if self._writer is not None and self._out_bytes <= _HIGH_WATER:
            if not self._writer.done():
                self._writer.set_result(None)
            self._writer = None

    def drop(self) -> None:
        """The client has gone: end the handler."""
        self.gone = True
        self.out.clear()
        self.stop()

    def expire(self) -> None:
        self.expired = True
        self.stop()

    def stop(self) -> None:
        if self.task is not None:
            self.task.cancel()

    def _grant(self) -> None:
        """Give the client the window back that reading has freed."""
        if self.half_closed or self.gone:
            return
        target = WINDOW - self._queue_bytes
        if not self._queue:
            target = max(target, self._splitter.missing)
        more = target - self._window
        if more >= _LOW_WINDOW:
            self._window += more
            self._carrier.grant(self, more)

    def _pop(self) -> bytes:
        message = self._queue.popleft()
        self._queue_bytes -= len(message)
        return message if isinstance(message, bytes) else message.unpack()

    def _take(self, size: int) -> list[bytes]:
        """Waiting messages, up to the first that cannot be unpacked."""
        batch: list[bytes] = []
        while self._queue and size > 0:
            packed = not isinstance(self._queue[0], bytes)
            try:
                batch.append(self._pop())
            except DassieError as error:
                self._error = error
                self._queue.clear()
                self._queue_bytes = 0
            else:
                size -= len(batch[-1]) if packed else 0
        if self._error is not None and not batch:
            raise self._error
        return batch

    async def _wait(self, size: int, count: int) -> None:
        """Until there are so many bytes or messages, or no more can come."""
        while not self._satisfied(size, count):
            self._goal = (size, count)
            self._reader = asyncio.get_running_loop().create_future()
            try:
                await self._reader
            finally:
                self._reader = None
        if self._error is not None and not self._queue:
            raise self._error

    def _satisfied(self, size: int, count: int) -> bool:
        if self.half_closed or self._error is not None:
            return True
        if not self._queue:
            return False
        # When the window is used up, waiting for more would be waiting for ever.
        return self._queue_bytes >= size or len(self._queue) >= count or self._window < _LOW_WINDOW

    def _wake_reader(self) -> None:
        reader = self._reader
        if reader is not None and not reader.done() and self._satisfied(*self._goal):
            reader.set_result(None)
