"""A gRPC server in a thread of the test, on a port of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from dassie.doors.grpc.calls import Threads
from dassie.doors.grpc.server import Server


@contextmanager
def serving(implementations: Mapping[str, object], *, workers: int = 8) -> Iterator[int]:
    """Serve until the block ends; gives the port."""
    started = threading.Event()
    port = 0
    stop: asyncio.Event
    loop: asyncio.AbstractEventLoop

    async def serve() -> None:
        nonlocal port, stop, loop
        loop = asyncio.get_running_loop()
        stop = asyncio.Event()
        server = Server(implementations, Threads(workers))
        port = await server.start("127.0.0.1", 0)
        started.set()
        await stop.wait()
        await server.stop(1)

    thread = threading.Thread(target=asyncio.run, args=(serve(),), daemon=True)
    thread.start()
    assert started.wait(10)
    try:
        yield port
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(20)
        assert not thread.is_alive()
