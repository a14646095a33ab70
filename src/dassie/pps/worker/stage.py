"""Putting the inputs of datums on disk, before user code sees them.

Each datum is staged into a slot: a folder outside the sandbox, whose content `run.py` moves to
`/pfs` when the datum's turn comes. Small files of several datums are read in one go. A slot also
remembers what it staged, so that a link from `/pfs/out` to an input needs no second upload.
"""

# Millions of files pass here one by one; a Path object for each would be most of the cost.
# ruff: noqa: PTH102, PTH103, PTH108

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from dassie.errors import DassieError, InvalidArgument
from dassie.pps.sandbox.session import User
from dassie.pps.worker import folders
from dassie.pps.worker.model import DatumInput, Task, one_line
from dassie.storage.store import Storage
from dassie.storage.types import Content, Dir

SMALL_FILE: Final = 1 << 20
SECOND: Final = 1_000_000_000

Stamp = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Known:
    """An input file whose content is stored already. `stamp` is `None` where user code cannot have
    changed what the file stands for (named pipes, empty files)."""

    content: Content
    stamp: Stamp | None


@dataclass(slots=True)
class Slot:
    """One staged datum. Keys of `known` and `lazy` are paths below `/pfs`, without leading `/`."""

    task: Task
    folder: str
    known: dict[str, Known] = field(default_factory=dict)
    lazy: dict[str, Content] = field(default_factory=dict)
    staged: bool = False
    error: str = ""
    """Why it could not be staged; one line."""
    download_bytes: int = 0
    download_us: int = 0
    output_bytes: int = 0
    """What lies in it to be stored, after the run."""

    @property
    def pfs(self) -> str:
        """What goes to `/pfs`, before the run and after it."""
        return f"{self.folder}/pfs"

    @property
    def copies(self) -> str:
        """Copies of files outside `/pfs` that links in `/pfs/out` lead to."""
        return f"{self.folder}/copies"


_File = tuple["_Placing", str, Content]
"""A file to be written: where, its path below `/pfs`, what it holds."""


class Stager:
    """Makes slots. One thread at a time may call it."""

    def __init__(self, storage: Storage, folder: str, owner: User | None) -> None:
        self._storage = storage
        self._folder = folder
        self._owner = owner
        self._count = 0
        os.makedirs(folder, mode=0o711, exist_ok=True)
        folders.clear(folder)

    def slot(self, task: Task) -> Slot:
        """A new slot with nothing in it yet."""
        self._count += 1
        return Slot(task, f"{self._folder}/{self._count}")

    def stage(self, slots: Sequence[Slot]) -> None:
        """Fetch the inputs. What fails is said in the slot's `error`; other slots go on."""
        if len(slots) == 1:
            self._stage_one(slots[0])
            return
        try:
            self._stage(slots)
        except (OSError, DassieError):  # find out whose fault it is
            for slot in slots:
                self._stage_one(slot)

    def _stage_one(self, slot: Slot) -> None:
        try:
            self._stage([slot])
        except DassieError as error:
            slot.error = one_line(f"cannot read its input: {error}")
        except OSError as error:
            slot.error = one_line(f"cannot put its input on the worker's disk: {error.strerror}")

    def _stage(self, slots: Sequence[Slot]) -> None:
        started = time.perf_counter()
        waiting: deque[_File] = deque()
        for group in self._storage.read_groups(self._contents(slots, waiting)):
            if isinstance(group, list):
                for whole in group:
                    placing, rel, content = waiting.popleft()
                    placing.write(rel, content, (whole,))
            else:
                placing, rel, content = waiting.popleft()
                placing.write(rel, content, group)
        spent = int((time.perf_counter() - started) * 1e6) // len(slots)
        for slot in slots:
            slot.download_us += spent
            slot.staged, slot.error = True, ""

    def _contents(self, slots: Sequence[Slot], waiting: deque[_File]) -> Iterator[Content]:
        """What the files of all slots hold; which files, goes to the end of `waiting`."""
        for slot in slots:
            placing = _Placing(slot, self._owner)
            for rel, content in self._plan(placing):
                slot.download_bytes += content.size
                waiting.append((placing, rel, content))
                yield content

    def _plan(self, placing: _Placing) -> Iterator[tuple[str, Content]]:
        """Make everything of a datum but the files with content, which are yielded."""
        for item in placing.slot.task.inputs:
            for rel, content in self._files(placing, item):
                if item.lazy:
                    placing.pipe(rel, content)
                elif item.empty_files:
                    placing.empty(rel, content)
                else:
                    yield rel, content

    def _files(self, placing: _Placing, item: DatumInput) -> Iterator[tuple[str, Content]]:
        if item.name in ("", ".", "..", "out", ".env") or "/" in item.name:
            raise InvalidArgument(f"an input cannot be named {item.name!r}")
        if isinstance(item.node, Content):
            yield item.name + item.path, item.node
            return
        base = item.name + item.path.rstrip("/")
        placing.directory(base)
        for entry in self._storage.tree.walk(item.node, "/", dirs=False):
            if not isinstance(entry.node, Dir):
                yield base + entry.path, entry.node


class _Placing:
    """Writes the files of one slot."""

    def __init__(self, slot: Slot, owner: User | None) -> None:
        self.slot = slot
        self._owner = owner
        self._made = {""}
        folders.remove(slot.folder)
        slot.known.clear()
        slot.lazy.clear()
        slot.download_bytes = 0
        os.mkdir(slot.folder, 0o711)
        os.mkdir(slot.pfs, 0o755)

    def directory(self, rel: str) -> None:
        if rel not in self._made:
            self.directory(rel.rpartition("/")[0])
            path = f"{self.slot.pfs}/{rel}"
            os.mkdir(path, 0o755)
            if self._owner is not None:
                os.chown(path, self._owner.uid, self._owner.gid)
            self._made.add(rel)

    def write(self, rel: str, content: Content, pieces: Iterator[bytes] | tuple[bytes]) -> None:
        """A regular file."""
        fd = self._create(rel)
        try:
            for piece in pieces:
                view = memoryview(piece)
                while view:
                    view = view[os.write(fd, view) :]
            # A past time of change lets even a write within the clock's resolution be seen.
            past = time.time_ns() - SECOND
            os.utime(fd, ns=(past, past))
            self.slot.known[rel] = Known(content, stamp_of(os.fstat(fd)))
        finally:
            os.close(fd)

    def empty(self, rel: str, content: Content) -> None:
        """A file without content that stands for one with content."""
        os.close(self._create(rel))
        self.slot.known[rel] = Known(content, None)

    def pipe(self, rel: str, content: Content) -> None:
        """A named pipe, which is filled when user code opens it."""
        self._make_room(rel)
        path = f"{self.slot.pfs}/{rel}"
        os.mkfifo(path, 0o644)
        if self._owner is not None:
            os.chown(path, self._owner.uid, self._owner.gid)
        self.slot.known[rel] = Known(content, None)
        self.slot.lazy[rel] = content

    def _create(self, rel: str) -> int:
        self._make_room(rel)
        fd = os.open(f"{self.slot.pfs}/{rel}", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        if self._owner is not None:
            os.fchown(fd, self._owner.uid, self._owner.gid)
        return fd

    def _make_room(self, rel: str) -> None:
        """Several inputs of one name share a directory; of two files at one path the last wins."""
        self.directory(rel.rpartition("/")[0])
        if rel in self.slot.known:
            os.unlink(f"{self.slot.pfs}/{rel}")
            self.slot.lazy.pop(rel, None)


def stamp_of(status: os.stat_result) -> Stamp:
    """Changes when anybody has written to the file."""
    return (status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
