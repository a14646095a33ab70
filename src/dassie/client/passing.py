"""Handing open files to a server on this machine, which then reads them itself. Used by `upload`.

Saves sending every byte through a connection and taking it in again. The server says where; when
that cannot be reached – it is on another machine after all, behind a tunnel, or in a container –
bytes are sent as ever.
"""

from __future__ import annotations

import socket
import sys
import threading
from typing import Final

PASSED_BYTES: Final = 8 << 20
"""Files from this size on are passed: handing one over costs two round trips."""
_LOOPBACK: Final = ("127.", "::1", "localhost")


def may_pass(host: str) -> bool:
    """Whether a server at `host` looks as if it was on this machine."""
    return sys.platform == "linux" and host.startswith(_LOOPBACK)


class Passage:
    """The way for one upload. `settle` ends the waiting in `is_open`, and so does `close`."""

    def __init__(self) -> None:
        self._settled = threading.Event()
        self._socket: socket.socket | None = None

    def settle(self, name: str, token: bytes) -> None:
        """Try the socket that the server named."""
        if name:
            passage = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            try:
                passage.connect(f"\0{name}")
                passage.send(token)
            except OSError:
                passage.close()
            else:
                self._socket = passage
        self._settled.set()

    def is_open(self) -> bool:
        """Whether files can be passed; waits until that is known."""
        self._settled.wait()
        return self._socket is not None

    def send(self, descriptor: int) -> None:
        """Hand over an open file; it may be closed after return. Raises `OSError`."""
        if self._socket is None:
            raise BrokenPipeError("there is no way to hand over files")
        socket.send_fds(self._socket, [b"\0"], [descriptor])

    def close(self) -> None:
        self._settled.set()
        if self._socket is not None:
            self._socket.close()
