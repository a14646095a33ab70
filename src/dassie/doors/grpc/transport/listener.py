"""A listening port: makes a `Connection` for every client, and drains them all at the end."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Callable

from dassie.doors.grpc.transport.connection import Connection, Handler
from dassie.errors import Unavailable


class Listener:
    """Used from one event loop."""

    def __init__(self, route: Callable[[str], Handler], max_message: int) -> None:
        """`route`: method name (`package.Service/Method`) → its handler, for any name."""
        self._route = route
        self._max_message = max_message
        self._server: asyncio.Server | None = None
        self._connections: set[Connection] = set()
        self._empty = asyncio.Event()

    async def start(self, host: str, port: int) -> int:
        """Listen; the port that it is, also when `port` is 0."""
        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.create_server(self._accept, host, port, backlog=512)
        except OSError as error:
            text = "another server uses the port"
            if error.errno != errno.EADDRINUSE:
                text = error.strerror or str(error)
            raise Unavailable(f"cannot listen on {host}:{port}: {text}") from error
        bound: int = self._server.sockets[0].getsockname()[1]
        return bound

    async def stop(self, grace: float) -> None:
        """No new calls; running ones get `grace` seconds, then they are told that it is over."""
        if self._server is None:
            return
        self._server.close()
        for connection in list(self._connections):
            connection.drain()
        await self._wait_empty(grace)
        for connection in list(self._connections):
            connection.stop_calls()
        await self._wait_empty(1.0)
        for connection in list(self._connections):
            connection.close()

    async def _wait_empty(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                while self._connections:
                    self._empty.clear()
                    await self._empty.wait()
        except TimeoutError:
            pass

    def _accept(self) -> Connection:
        connection = Connection(self._route, self._max_message, self._lost)
        self._connections.add(connection)
        return connection

    def _lost(self, connection: Connection) -> None:
        self._connections.discard(connection)
        self._empty.set()
