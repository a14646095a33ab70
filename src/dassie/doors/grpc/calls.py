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
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar

import grpc
import grpc.aio
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.empty_pb2 import Empty
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass
from grpc.aio import EOF  # type: ignore[attr-defined]

from dassie import errors
from dassie.doors.grpc.errors import status_of

BATCH_BYTES = 1 << 20
BATCH_MESSAGES = 512

_P = ParamSpec("_P")
_T = TypeVar("_T")
_M = TypeVar("_M", bound=Message)
_Behaviour = Callable[[Any, Any], Awaitable[Any]]


class Threads:
    """A bounded pool for blocking work; one for the whole server."""

    def __init__(self, workers: int) -> None:
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="call")

    def submit(
        self, function: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs
    ) -> Future[_T]:
        return self._pool.submit(function, *args, **kwargs)

    async def run(self, function: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> _T:
        return await asyncio.wrap_future(self._pool.submit(function, *args, **kwargs))

    def close(self) -> None:
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
    context: grpc.aio.ServicerContext[Any, Any]

    async def run(self, function: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """Run blocking code in the pool."""
        return await self.threads.run(function, *args, **kwargs)


class Requests:
    """The messages a client streams, in order: `async for` parses them, `read_raw` leaves that to a
    thread.
    """

    def __init__(self, context: grpc.aio.ServicerContext[Any, Any], kind: type[Message]) -> None:
        self._context = context
        self._kind = kind

    async def read_raw(self) -> bytes | None:
        """The next message as sent; `None` when the client has half-closed."""
        raw = await self._context.read()
        return None if raw is EOF else raw

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
            if size >= BATCH_BYTES or len(messages) >= BATCH_MESSAGES:
                return Batch(messages, last=False)
    except Exception as error:  # noqa: BLE001 - it is raised again once what came before it is sent
        return Batch(messages, last=True, error=error)
    return Batch(messages, last=True)


async def send(threads: Threads, context: Any, answers: Iterable[Message | bytes]) -> None:
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
            for raw in batch.messages:
                await context.write(raw)
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


def service_handler(
    service: ServiceDescriptor, implementation: object, threads: Threads, waits: Waits
) -> grpc.GenericRpcHandler[Any, Any]:
    """gRPC handler of a whole service on `implementation` (see the module's text)."""
    handlers = {}
    for method in service.methods:
        function = getattr(implementation, snake_case(method.name), None)
        handlers[method.name] = _method_handler(method, function, threads, waits)
    return grpc.method_handlers_generic_handler(service.full_name, handlers)


def _method_handler(
    method: MethodDescriptor,
    function: Callable[..., Any] | None,
    threads: Threads,
    waits: Waits,
) -> Any:
    name = f"{method.containing_service.full_name}/{method.name}"
    kind = GetMessageClass(method.input_type)
    behaviour: _Behaviour
    if function is None:
        behaviour = refusal(errors.Unimplemented(name))
    elif method.server_streaming:
        behaviour = _streaming(function)
    else:
        behaviour = _single(function)
    if method.client_streaming and function is not None and not _is_async(function):
        raise TypeError(f"{name}: a method that reads a stream must be async")
    if function is not None and _is_async(function) and not method.client_streaming:
        behaviour = _ending_with(waits, behaviour)

    async def handle(request: Any, context: Any) -> Any:
        try:
            call = Call(name, call_metadata(context), threads, context)
            parsed = Requests(context, kind) if method.client_streaming else parse(kind, request)
            return await behaviour(parsed, call)
        except Exception as error:  # noqa: BLE001 - the one place where failures become statuses
            code, text = status_of(error, name)
        return await context.abort(code, text)

    return _rpc_handler(method.client_streaming, method.server_streaming, handle)


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

        async def waiting(request: Any, call: Call) -> bytes:
            return serialise(await function(request, call))

        return waiting

    def blocking(request: Any, call: Call) -> bytes:
        return serialise(function(request, call))

    async def threaded(request: Any, call: Call) -> bytes:
        return await call.run(blocking, request, call)

    return threaded


def _streaming(function: Callable[..., Any]) -> _Behaviour:
    if inspect.isasyncgenfunction(function):

        async def waiting(request: Any, call: Call) -> None:
            answers = function(request, call)
            try:
                async for answer in answers:
                    await call.context.write(serialise(answer))
            finally:
                await answers.aclose()

        return waiting

    def blocking(request: Any, call: Call) -> Iterator[Message | bytes]:
        yield from function(
            request, call
        )  # a generator, so that not even its first line runs on the loop

    async def threaded(request: Any, call: Call) -> None:
        await send(call.threads, call.context, blocking(request, call))

    return threaded


def _rpc_handler(client_streaming: bool, server_streaming: bool, handle: _Behaviour) -> Any:
    """Raw bytes in and out: parsing and serialising happen where we say, not on the event loop."""
    if client_streaming:
        kind = (
            grpc.stream_stream_rpc_method_handler
            if server_streaming
            else grpc.stream_unary_rpc_method_handler
        )
    else:
        kind = (
            grpc.unary_stream_rpc_method_handler
            if server_streaming
            else grpc.unary_unary_rpc_method_handler
        )
    return kind(handle, None, None)


def call_metadata(context: Any) -> dict[str, str]:
    """Textual metadata of a call. A transaction header that names one is refused; an empty one
    means none.
    """
    metadata = {
        key: value for key, value in context.invocation_metadata() or () if isinstance(value, str)
    }
    transaction = metadata.get("pach-transaction", "")
    if transaction:
        raise errors.Unimplemented(f"a call inside transaction {transaction}")
    return metadata


EMPTY = Empty()
"""Answer of calls that have nothing to say."""
