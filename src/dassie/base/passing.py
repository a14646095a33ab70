"""Handing open files from one process to another on the same machine. Linux; for bulk transfers.

One side offers a socket and tells the other its name and a token over their call; the other
connects. The name is one that no file has: it can be reached by whoever reaches the server's port
from the same machine, and by nobody else; the token ties a connection to its call. Whoever passes a
file can only pass what it may open itself.
"""

from __future__ import annotations

import os
import secrets
import socket
import stat
import sys
import time
from typing import Final, Self

PASSED_BYTES: Final = 8 << 20
"""Files from this size on are passed: handing one over costs a round trip or two."""
_WAIT_S: Final = 10.0
_STRANGER_S: Final = 1.0
_TOKEN_BYTES: Final = 16


class NotPassed(Exception):
    """No file came, or one that is of no use; the text says why."""


class Meeting:
    """A socket where one other process is expected."""

    def __init__(self) -> None:
        self.name = f"dassie-{secrets.token_hex(16)}"
        self.token = secrets.token_bytes(_TOKEN_BYTES)
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._listener.bind(f"\0{self.name}")
        self._listener.listen()

    @classmethod
    def offer(cls) -> Self | None:
        """`None` where the system has no such sockets."""
        return cls() if sys.platform == "linux" else None

    def accept(self) -> Passage:
        """The connection of whoever has the token; others are sent away. Blocks; `NotPassed`."""
        deadline = time.monotonic() + _WAIT_S
        while (left := deadline - time.monotonic()) > 0:
            self._listener.settimeout(left)
            try:
                connection, _ = self._listener.accept()
            except TimeoutError:
                break
            except OSError as error:
                raise NotPassed(f"the socket for open files is gone: {error.strerror}") from error
            connection.settimeout(_STRANGER_S)
            if _has_token(connection, self.token):
                return Passage(connection)
            connection.close()
        raise NotPassed("nobody came to the socket for open files")

    def close(self) -> None:
        self._listener.close()


class Passage:
    """A connection over which open files go."""

    def __init__(self, connection: socket.socket) -> None:
        connection.settimeout(_WAIT_S)
        self._connection = connection

    @classmethod
    def to(cls, name: str, token: bytes) -> Self | None:
        """To a `Meeting`; `None` when it is out of reach: on another machine after all, behind a
        tunnel, or in a container."""
        if not name or sys.platform != "linux":
            return None
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            connection.connect(f"\0{name}")
            connection.send(token)
        except OSError:
            connection.close()
            return None
        return cls(connection)

    def send(self, descriptor: int) -> None:
        """Hand over an open file; it may be closed after return. Raises `OSError`."""
        socket.send_fds(self._connection, [b"\0"], [descriptor])

    def receive(self) -> int:
        """The next descriptor, of a regular file; the caller closes it. Blocks; `NotPassed`."""
        try:
            _, descriptors, _, _ = socket.recv_fds(self._connection, 1, 1, socket.MSG_CMSG_CLOEXEC)
        except OSError as error:
            raise NotPassed("an open file was announced and not handed over") from error
        if not descriptors:
            raise NotPassed("an open file was announced and not handed over")
        descriptor = descriptors[0]
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise NotPassed("an open file was handed over that is no regular file")
        return descriptor

    def close(self) -> None:
        self._connection.close()


def _has_token(connection: socket.socket, token: bytes) -> bool:
    try:
        return secrets.compare_digest(connection.recv(_TOKEN_BYTES + 1), token)
    except OSError:
        return False
