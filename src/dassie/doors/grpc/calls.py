"""From gRPC calls to plain functions: threads, batches, errors, cancellation. Used by `server` for
every service.

A service is an object with one method per RPC, named in snake case (`GetFileTAR` → `get_file_tar`).
What an object lacks answers "not implemented in Dassie yet". A method is one of:

* `def m(self, request, call) -> Message | None`            blocking; runs in a bounded thread pool
* `def m(self, request, call) -> Iterator[Message | bytes]` for a stream of answers; blocking;
  advanced batch by batch in the pool, which also serialises, so that a slow client holds no thread
  and the event loop only writes
* `async def m(self, request, call) -> Message | None`      for long waits; use `await call.run(f,
  …)` to block
* `async def m(self, request, call)` with `yield`           likewise, for a stream of answers

When the client streams, `request` is a `Requests` and the method must be async. Answers may be
`bytes` that are already serialised. Raise `dassie.errors`; `errors.status_of` maps them. Iterators
may be resumed in another thread, so they must not hold a lock or an open transaction across a
`yield`.
"""

from __future__ import annotations

import asyncio
import inspect
import math
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar

from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.empty_pb2 import Empty
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass

from dassie import errors
from dassie.doors.grpc.errors import status_of
from dassie.doors.grpc.transport.connection import Handler, Status
from dassie.doors.grpc.transport.metadata import Code
from dassie.doors.grpc.transport.stream import Stream

BATCH_BYTES = 1 << 20
BATCH_MESSAGES = 512

_P = ParamSpec("_P")
_T = TypeVar("_T")
_M = TypeVar("_M", bound=Message)


_OUTWARD_WORKERS = 16


class Threads:
    """Bounded pools for blocking work; one of each for the whole server: one for work that ends by
    itself, and one for work that waits for strangers' machines."""

    def __init__(self, workers: int) -> None:
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="call")
        self._outward = ThreadPoolExecutor(_OUTWARD_WORKERS, thread_name_prefix="outward")

    def submit(
        self, function: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs
    ) -> Future[_T]:
        return self._pool.submit(function, *args, **kwargs)

    def submit_outward(
        self, function: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs
    ) -> Future[_T]:
        return self._outward.submit(function, *args, **kwargs)

    async def run(self, function: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> _T:
        return await asyncio.wrap_future(self._pool.submit(function, *args, **kwargs))

    def close(self) -> None:
        self._outward.shutdown(wait=True)
        self._pool.shutdown(wait=True)


class Waits:
    """The calls that only wait for something to happen: they end at once when the server stops."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()
        self._stopping = False

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Around such a call; turns the server's stop into `Unavailable`."""
        task = asyncio.current_task()
        if task is None or self._stopping:
            raise errors.Unavailable("the server is stopping: try again later")
        self._tasks.add(task)
        try:
            yield
        except asyncio.CancelledError:
            if not self._stopping:
                raise
            task.uncancel()
            raise errors.Unavailable("the server is stopping: try again later") from None
        finally:
            self._tasks.discard(task)

    def stop(self) -> None:
        self._stopping = True
        for task in self._tasks:
            task.cancel()


@dataclass(frozen=True, slots=True)
class Call:
    """What a method may know about its caller."""

    method: str
    """`package.Service/Method`."""
    metadata: Mapping[str, str]
    threads: Threads
    stream: Stream

    @property
    def timeout(self) -> float:
        """Seconds that the caller gave it; infinite when it set no deadline."""
        return math.inf if self.stream.request.timeout is None else self.stream.request.timeout

    def remaining(self) -> float:
        """Seconds until the caller's deadline."""
        return self.timeout - (time.monotonic() - self.stream.began)

    async def run(self, function: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """Run blocking code in the pool."""
        return await self.threads.run(function, *args, **kwargs)


_Behaviour = Callable[[Any, Call], Awaitable[None]]
"""Reads and answers one call; a failure is raised."""


class Requests:
    """The messages a client streams, in order: `async for` parses them, the other ways leave that
    to a thread."""

    def __init__(self, stream: Stream, kind: type[Message]) -> None:
        self._stream = stream
        self._kind = kind

    async def read_raw(self) -> bytes | None:
        """The next message as sent; `None` when the client has half-closed."""
        return await self._stream.read()

    async def read_ready(self) -> list[bytes]:
        """All messages that have come, at least one (of compressed ones just one); none when the
        client has half-closed."""
        return await self._stream.read_batch(1, 1)

    async def read_batch(self) -> list[bytes]:
        """The next messages as sent, about a batch of them; none when the client has
        half-closed."""
        return await self._stream.read_batch(BATCH_BYTES, BATCH_MESSAGES)

    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    async def __anext__(self) -> Message:
        raw = await self.read_raw()
        if raw is None:
            raise StopAsyncIteration
        return parse(self._kind, raw)


def parse(kind: type[_M], raw: bytes) -> _M:
    """The message in `raw`, or InvalidArgument."""
    message = kind()
    try:
        message.ParseFromString(raw)
    except DecodeError:
        name = kind.DESCRIPTOR.full_name
        raise errors.InvalidArgument(f"{len(raw)} bytes are not a valid {name} message") from None
    return message


def serialise(answer: Message | bytes | None) -> bytes:
    if answer is None:
        return b""
    return answer if isinstance(answer, bytes) else answer.SerializeToString()


class Urgent(bytes):
    """A serialised answer that the client must have before the next one can be made."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Consecutive serialised answers; `error` came after them; `last` when nothing follows."""

    messages: list[bytes]
    last: bool
    error: BaseException | None = None


def take(answers: Iterator[Message | bytes]) -> Batch:
    """Advance a blocking iterator by about one batch. Runs in the pool."""
    messages: list[bytes] = []
    size = 0
    try:
        for answer in answers:
            raw = serialise(answer)
            messages.append(raw)
            size += len(raw)
            full = size >= BATCH_BYTES or len(messages) >= BATCH_MESSAGES
            if full or type(answer) is Urgent:
                return Batch(messages, last=False)
    except Exception as error:  # noqa: BLE001 - it is raised again once what came before it is sent
        return Batch(messages, last=True, error=error)
    return Batch(messages, last=True)


async def send(threads: Threads, stream: Stream, answers: Iterable[Message | bytes]) -> None:
    """Write a blocking iterator to the client, reading one batch ahead. Closes the iterator in any
    case.
    """
    iterator = iter(answers)
    ahead = threads.submit(take, iterator)
    try:
        while True:
            batch = await asyncio.wrap_future(ahead)
            if not batch.last:
                ahead = threads.submit(take, iterator)
            await stream.write(batch.messages)
            if batch.error is not None:
                raise batch.error
            if batch.last:
                return
    finally:
        # The client may have gone while a thread is inside the iterator: close it when that thread
        # is out.
        ahead.add_done_callback(lambda _: close_quietly(iterator))


def close_quietly(iterator: Iterator[Any]) -> None:
    close = getattr(iterator, "close", None)
    if close is not None:
        close()


def snake_case(method: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", method).lower()


def service_handlers(
    service: ServiceDescriptor, implementation: object, threads: Threads, waits: Waits
) -> dict[str, Handler]:
    """A handler for every method of a service, by full name (see the module's text)."""
    handlers = {}
    for method in service.methods:
        function = getattr(implementation, snake_case(method.name), None)
        name = f"{service.full_name}/{method.name}"
        handlers[name] = _handler(name, method, _behaviour(name, method, function, waits), threads)
    return handlers


def _behaviour(
    name: str, method: MethodDescriptor, function: Callable[..., Any] | None, waits: Waits
) -> _Behaviour:
    if function is None:
        return refusal(errors.Unimplemented(name))
    if method.client_streaming and not _is_async(function):
        raise TypeError(f"{name}: a method that reads a stream must be async")
    behaviour = _streaming(function) if method.server_streaming else _single(function)
    if _is_async(function) and not method.client_streaming:
        return _ending_with(waits, behaviour)
    return behaviour


def _handler(
    name: str, method: MethodDescriptor, behaviour: _Behaviour, threads: Threads
) -> Handler:
    kind = GetMessageClass(method.input_type)

    async def handle(stream: Stream) -> Status:
        try:
            metadata = call_metadata(stream)
            call = Call(name, metadata, threads, stream)
            if method.client_streaming:
                await behaviour(Requests(stream, kind), call)
            else:
                await behaviour(await _only_request(stream, kind), call)
        except Exception as error:  # noqa: BLE001 - the one place where failures become statuses
            return status_of(error, name)
        return Code.OK, ""

    return handle


async def _only_request(stream: Stream, kind: type[_M]) -> _M:
    raw = await stream.read()
    if raw is None:
        raise errors.InvalidArgument(f"{stream.request.method}: the call has no request message")
    return parse(kind, raw)


def refusal(error: errors.DassieError) -> _Behaviour:
    async def refuse(_request: Any, _call: Any) -> None:
        raise error

    return refuse


def _ending_with(waits: Waits, behaviour: _Behaviour) -> _Behaviour:
    async def wait(request: Any, call: Any) -> Any:
        with waits.waiting():
            return await behaviour(request, call)

    return wait


def _is_async(function: Callable[..., Any]) -> bool:
    return inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function)


def _single(function: Callable[..., Any]) -> _Behaviour:
    if _is_async(function):

        async def waiting(request: Any, call: Call) -> None:
            await call.stream.write([serialise(await function(request, call))])

        return waiting

    def blocking(request: Any, call: Call) -> bytes:
        return serialise(function(request, call))

    async def threaded(request: Any, call: Call) -> None:
        await call.stream.write([await call.run(blocking, request, call)])

    return threaded


def _streaming(function: Callable[..., Any]) -> _Behaviour:
    if inspect.isasyncgenfunction(function):

        async def waiting(request: Any, call: Call) -> None:
            answers = function(request, call)
            try:
                async for answer in answers:
                    await call.stream.write([serialise(answer)])
            finally:
                await answers.aclose()

        return waiting

    def blocking(request: Any, call: Call) -> Iterator[Message | bytes]:
        yield from function(
            request, call
        )  # a generator, so that not even its first line runs on the loop

    async def threaded(request: Any, call: Call) -> None:
        await send(call.threads, call.stream, blocking(request, call))

    return threaded


def call_metadata(stream: Stream) -> dict[str, str]:
    """Textual metadata of a call. A transaction header that names one is refused; an empty one
    means none.
    """
    metadata = stream.request.metadata
    transaction = metadata.get("pach-transaction", "")
    if transaction:
        raise errors.Unimplemented(f"a call inside transaction {transaction}")
    return metadata


EMPTY = Empty()
"""Answer of calls that have nothing to say."""
