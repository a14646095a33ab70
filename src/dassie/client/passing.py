"""Whether large files are handed over open to the server, which then reads or writes them itself.

Saves moving every byte through a connection. Only to a server on this machine; when that turns out
to be far away after all, bytes are moved as ever. See `base.passing`.
"""

from __future__ import annotations

import sys
import threading
from typing import Final

from dassie.base.passing import Meeting, Passage

_LOOPBACK: Final = ("127.", "::1", "localhost")


def may_pass(host: str) -> bool:
    """Whether a server at `host` looks as if it was on this machine."""
    return sys.platform == "linux" and host.startswith(_LOOPBACK)


class ToServer:
    """For one upload. `settle` ends the waiting in `is_open`, and so does `close`."""

    def __init__(self) -> None:
        self._settled = threading.Event()
        self._passage: Passage | None = None

    def settle(self, name: str, token: bytes) -> None:
        """Try the socket that the server named."""
        self._passage = Passage.to(name, token)
        self._settled.set()

    def is_open(self) -> bool:
        """Whether files can be passed; waits until that is known."""
        self._settled.wait()
        return self._passage is not None

    def send(self, descriptor: int) -> None:
        """Raises `OSError`."""
        if self._passage is None:
            raise BrokenPipeError("there is no way to hand over files")
        self._passage.send(descriptor)

    def close(self) -> None:
        self._settled.set()
        if self._passage is not None:
            self._passage.close()


class ForServer:
    """For one download: the server comes to `meeting` if it can."""

    def __init__(self, meeting: Meeting) -> None:
        self.meeting = meeting
        self._passage: Passage | None = None

    def send(self, descriptor: int) -> None:
        """Raises `OSError`, or `NotPassed` when the server is not there."""
        if self._passage is None:
            self._passage = self.meeting.accept()
        self._passage.send(descriptor)

    def close(self) -> None:
        self.meeting.close()
        if self._passage is not None:
            self._passage.close()
