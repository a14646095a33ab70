"""Where a client on the same machine hands over open files, instead of sending their bytes. Used by
`bulk_put`, one for each stream that asks.

The socket has a name that no file has: it can be reached by whoever reaches the server's port from
the same machine, and by nobody else. The name and a token are told to the client over its call, so
a descriptor belongs to the stream it is meant for. A client can only pass what it may read itself.
"""

from __future__ import annotations

import os
import secrets
import socket
import stat
import sys
import time
from typing import Final, Self

from dassie.errors import InvalidArgument

_WAIT_S: Final = 10.0
_STRANGER_S: Final = 1.0
_TOKEN_BYTES: Final = 16


class Inlet:
    """Listens from the start; `receive` blocks."""

    def __init__(self) -> None:
        self.name = f"dassie-{secrets.token_hex(16)}"
        self.token = secrets.token_bytes(_TOKEN_BYTES)
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._connection: socket.socket | None = None
        self._listener.bind(f"\0{self.name}")
        self._listener.listen()

    @classmethod
    def open(cls) -> Self | None:
        """`None` where the system has no such sockets."""
        return cls() if sys.platform == "linux" else None

    def receive(self) -> int:
        """The next descriptor; the caller closes it. Raises `InvalidArgument` when none comes, or
        when it is of something else than a regular file."""
        if self._connection is None:
            self._connection = self._accept()
        try:
            _, descriptors, _, _ = socket.recv_fds(self._connection, 1, 1, socket.MSG_CMSG_CLOEXEC)
        except OSError as error:
            raise _missing() from error
        if not descriptors:
            raise _missing()
        descriptor = descriptors[0]
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise InvalidArgument("an open file was handed over that is no regular file")
        return descriptor

    def close(self) -> None:
        self._listener.close()
        if self._connection is not None:
            self._connection.close()

    def _accept(self) -> socket.socket:
        """The connection of whoever has the token; others are sent away."""
        deadline = time.monotonic() + _WAIT_S
        while (left := deadline - time.monotonic()) > 0:
            self._listener.settimeout(left)
            try:
                connection, _ = self._listener.accept()
            except TimeoutError:
                break
            connection.settimeout(_STRANGER_S)
            if _has_token(connection, self.token):
                connection.settimeout(_WAIT_S)
                return connection
            connection.close()
        raise _missing()


def _has_token(connection: socket.socket, token: bytes) -> bool:
    try:
        return secrets.compare_digest(connection.recv(_TOKEN_BYTES + 1), token)
    except OSError:
        return False


def _missing() -> InvalidArgument:
    return InvalidArgument("the client announced an open file and did not hand it over")
