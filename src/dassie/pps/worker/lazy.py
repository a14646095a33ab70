"""Filling the named pipes of `lazy` inputs while user code runs.

One thread per datum that has such inputs. It finds out which pipes user code has opened, writes the
file's content into them as fast as it is read, and leaves the others alone. User code may remove or
replace what it finds: directories are held open from before it started, and only what is still a
pipe is written to.
"""

from __future__ import annotations

import errno
import logging
import os
import select
import stat
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from dassie.storage.types import Content

log = logging.getLogger(__name__)

SHORTEST_PAUSE: Final = 0.001
LONGEST_PAUSE: Final = 0.02
_OPEN_FLAGS: Final = os.O_WRONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(slots=True)
class _Pipe:
    directory: int
    name: str
    content: Content


@dataclass(slots=True)
class _Stream:
    pieces: Iterator[bytes]
    rest: memoryview = field(default_factory=lambda: memoryview(b""))


class PipeFiller:
    """Serves the pipes below `pfs` from construction until `close`.

    failed: called once when content cannot be read; user code has then seen too little of it.
    """

    def __init__(
        self,
        pfs: str,
        lazy: Mapping[str, Content],
        read: Callable[[Content], Iterator[bytes]],
        failed: Callable[[], None],
    ) -> None:
        self.bytes_written = 0
        self.error = ""
        self._read = read
        self._failed = failed
        self._directories: dict[str, int] = {}
        self._waiting = [self._pipe(pfs, rel, content) for rel, content in lazy.items()]
        self._streams: dict[int, _Stream] = {}
        self._poller = select.poll()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="lazy", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Abandon what is not read; afterwards nothing is written any more."""
        self._stop.set()
        self._thread.join()
        for fd in (*self._streams, *self._directories.values()):
            os.close(fd)

    def _pipe(self, pfs: str, rel: str, content: Content) -> _Pipe:
        folder, _, name = rel.rpartition("/")
        if folder not in self._directories:
            flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
            self._directories[folder] = os.open(f"{pfs}/{folder}", flags)
        return _Pipe(self._directories[folder], name, content)

    def _run(self) -> None:
        pause = SHORTEST_PAUSE
        try:
            while not self._stop.is_set():
                if self._open_wanted():
                    pause = SHORTEST_PAUSE
                if self._streams:
                    for fd, _ in self._poller.poll(pause * 1000):
                        self._advance(fd)
                else:
                    self._stop.wait(pause)
                    pause = min(pause * 1.5, max(LONGEST_PAUSE, len(self._waiting) * 2e-4))
        except Exception as error:  # noqa: BLE001 - the thread's outermost loop
            self.error = f"cannot fill a lazy input: {error}"
            log.warning("%s", self.error)
            self._failed()
            self._close_streams()

    def _open_wanted(self) -> bool:
        """Begin to serve the pipes that user code has opened since the last look."""
        waiting, self._waiting = self._waiting, []
        opened = False
        for pipe in waiting:
            try:
                fd = os.open(pipe.name, _OPEN_FLAGS, dir_fd=pipe.directory)
            except OSError as error:
                if error.errno == errno.ENXIO:  # nobody reads it
                    self._waiting.append(pipe)
                continue
            if not stat.S_ISFIFO(os.fstat(fd).st_mode):
                os.close(fd)
                continue
            opened = True
            self._streams[fd] = _Stream(iter(self._read(pipe.content)))
            self._poller.register(fd, select.POLLOUT)
            if _renew(pipe):
                self._waiting.append(pipe)
        return opened

    def _advance(self, fd: int) -> None:
        """Write as much as the pipe takes; a reader that went away shows as a broken pipe."""
        stream = self._streams[fd]
        try:
            while not self._stop.is_set():
                if not stream.rest:
                    stream.rest = memoryview(next(stream.pieces))
                written = os.write(fd, stream.rest)
                self.bytes_written += written
                stream.rest = stream.rest[written:]
        except BlockingIOError:
            return
        except (StopIteration, BrokenPipeError):
            self._poller.unregister(fd)
            del self._streams[fd]
            os.close(fd)

    def _close_streams(self) -> None:
        while self._streams:
            os.close(self._streams.popitem()[0])


def _renew(pipe: _Pipe) -> bool:
    """Put a new pipe in the place of one that is being read, so that the file can be read again."""
    try:
        status = os.stat(pipe.name, dir_fd=pipe.directory, follow_symlinks=False)
        os.unlink(pipe.name, dir_fd=pipe.directory)
        os.mkfifo(pipe.name, 0o644, dir_fd=pipe.directory)
        os.chown(
            pipe.name,
            status.st_uid,
            status.st_gid,
            dir_fd=pipe.directory,
            follow_symlinks=False,
        )
    except OSError:
        return False
    return True
