"""Get files, folders or glob matches into a local folder through the bulk service.

Called by the command line. Frames are written as they come, so memory is bounded by a few of them;
large files are written by a server on the same machine (`passing`).
A file appears under its name only when it is complete. Nothing is written outside of the folder,
whatever the server's paths or symbolic links lying in the folder say: every directory is opened
from its parent without following links.
"""

from __future__ import annotations

import os
import stat
import threading
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from dassie.base.passing import Meeting, NotPassed
from dassie.base.wire import cut_field
from dassie.client.errors import from_call
from dassie.client.handover import Handover, Shut
from dassie.client.passing import ForServer, may_pass
from dassie.client.refs import FileRef
from dassie.errors import DataLoss, FailedPrecondition

if TYPE_CHECKING:
    from dassie._proto.dassie.bulk_pb2 import GetFrame, GetRequest
    from dassie.client.connection import Connection

_METHOD = "/dassie.bulk.v1.Bulk/Get"
_FRAME_DATA = 4
"""Field number of `GetFrame.data`."""
_OPEN_DIRECTORIES = 64
_FRAMES_AHEAD = 8
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a download is; totals are what the server announced."""

    files: int
    bytes: int
    total_files: int
    total_bytes: int


@dataclass(frozen=True, slots=True)
class DownloadResult:
    files: int
    bytes: int


Frame = tuple["GetFrame", memoryview]


def download(
    connection: Connection,
    ref: FileRef,
    folder: Path,
    *,
    place: Callable[[str], str],
    progress: Callable[[Progress], None] | None = None,
    literal: bool = False,
) -> DownloadResult:
    """Write what `ref` (a file, directory or glob) means below `folder`, which is made if missing.

    place: path in the repo → path below the folder.  literal: `ref` is no glob.
    Raises the server's error, or `OSError`.
    """
    frames: Handover[Frame] = Handover(_FRAMES_AHEAD)
    meeting = Meeting.offer() if may_pass(connection.target.host) else None
    handing = ForServer(meeting) if meeting is not None else None
    receiving = threading.Thread(
        target=_receive,
        args=(connection, _request(ref, meeting, literal=literal), frames),
        name="download",
        daemon=True,
    )
    receiving.start()
    new_folder = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    files = size = total_files = total_bytes = 0
    try:
        with Tree(folder) as tree:
            for frame, data in frames:
                total_files = total_files or frame.total_files
                total_bytes = total_bytes or frame.total_bytes
                if frame.passed or frame.written:
                    files += _hand_over(tree, frame, handing, place)
                    size += frame.written
                else:
                    files += _write(tree, frame, data, place)
                    size += len(data)
                if progress is not None:
                    progress(Progress(files, size, total_files, total_bytes))
            tree.check_complete()
    except BaseException:
        if new_folder:
            with suppress(OSError):  # something arrived and stays
                folder.rmdir()
        raise
    finally:
        frames.shut()
        receiving.join()
        if handing is not None:
            handing.close()
    if files != total_files:
        raise DataLoss(f"the server announced {total_files} files and sent {files}")
    return DownloadResult(files, size)


def _request(ref: FileRef, meeting: Meeting | None, *, literal: bool) -> GetRequest:
    from dassie._proto.dassie import bulk_pb2
    from dassie.client import messages

    request = bulk_pb2.GetRequest(file=messages.file(ref, ref.path or "/"), allow_glob=not literal)
    if meeting is not None:
        request.socket, request.token = meeting.name, meeting.token
    return request


def _receive(connection: Connection, request: GetRequest, frames: Handover[Frame]) -> None:
    """Body of the receiving thread."""
    import grpc

    from dassie._proto.dassie import bulk_pb2

    get = connection.channel.unary_stream(
        _METHOD, request_serializer=bulk_pb2.GetRequest.SerializeToString
    )
    call = get(request, metadata=connection.metadata)
    try:
        for raw in call:
            rest, data = cut_field(raw, _FRAME_DATA)
            frames.put((bulk_pb2.GetFrame.FromString(rest), data))
        frames.end()
    except Shut:
        call.cancel()
    except grpc.RpcError as error:
        frames.shut(from_call(error, connection.target.address))
    except BaseException as error:  # noqa: BLE001 - raised again by the thread that writes
        frames.shut(error)


def _write(tree: Tree, frame: GetFrame, data: memoryview, place: Callable[[str], str]) -> int:
    """Write a frame; how many files it completes."""
    position = completed = 0
    for path, size, length in zip(frame.paths, frame.sizes, frame.lengths, strict=True):
        end = position + length
        completed += tree.write(place(path), size, data[position:end])
        position = end
    return completed


def _hand_over(
    tree: Tree, frame: GetFrame, handing: ForServer | None, place: Callable[[str], str]
) -> int:
    """Hand over the file that a frame announces, or note what the server has written of it; how
    many files that completes."""
    if not frame.paths:
        return tree.written(frame.written, whole=frame.passed)
    if handing is None:
        raise DataLoss("the server wants a file that this client did not offer")
    descriptor = tree.begin(place(frame.paths[0]), frame.sizes[0])
    with suppress(NotPassed, OSError):  # then the server sends the bytes
        handing.send(descriptor)
    return 0


class Tree:
    """The local folder, written to through open directories. Not thread-safe."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._root = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._directories: OrderedDict[str, int] = OrderedDict()
        self._suffix = f".{os.getpid()}.part"
        self._partial: tuple[str, int] | None = None
        self._missing = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._partial is not None:
            path, descriptor = self._partial
            os.close(descriptor)
            parent, name = self._parent(path)
            os.unlink(self._temporary(name), dir_fd=parent)
        for descriptor in self._directories.values():
            os.close(descriptor)
        os.close(self._root)

    def write(self, path: str, size: int, data: memoryview) -> bool:
        """The next piece of the file at `path`, which has `size` bytes in all; is it complete?"""
        try:
            if self._partial is None and len(data) == size:
                self._write_whole(path, data)
                return True
            descriptor = self._begun(path, size)
            self._missing -= len(data)
            _write_all(descriptor, data)
        except OSError as error:
            raise self._named(error, path) from None
        if self._missing > 0:
            return False
        self._complete()
        return True

    def begin(self, path: str, size: int) -> int:
        """A file that somebody else writes: its descriptor, which stays the tree's."""
        if self._partial is not None:
            raise DataLoss(f"the server sent {path} before {self._partial[0]} was complete")
        try:
            return self._begun(path, size)
        except OSError as error:
            raise self._named(error, path) from None

    def _named(self, error: OSError, path: str) -> OSError:
        """The error with the name that a person knows, not that of the moment."""
        error.filename, error.filename2 = str(self._folder / path), None
        return error

    def written(self, count: int, *, whole: bool) -> bool:
        """Somebody else has written so many bytes of the file begun, or, with `whole`, the rest."""
        self._missing -= count
        if self._partial is None or (whole and self._missing):
            raise DataLoss("the server says that it has written a file of another size")
        if whole:
            self._complete()
        return whole

    def _begun(self, path: str, size: int) -> int:
        """The descriptor of the file being written, which must be this one."""
        if self._partial is None:
            parent, name = self._parent(path)
            self._partial = (path, self._create(name, parent))
            self._missing = size
        started, descriptor = self._partial
        if started != path:
            raise DataLoss(f"the server sent {path} before {started} was complete")
        return descriptor

    def _complete(self) -> None:
        """Give the file being written its name."""
        assert self._partial is not None  # noqa: S101 - narrows the type
        path, descriptor = self._partial
        parent, name = self._parent(path)
        os.close(descriptor)
        self._partial = None
        self._name(name, parent)

    def check_complete(self) -> None:
        if self._partial is not None:
            raise DataLoss(f"the server ended before {self._partial[0]} was complete")

    def _write_whole(self, path: str, data: memoryview) -> None:
        parent, name = self._parent(path)
        descriptor = self._create(name, parent)
        try:
            _write_all(descriptor, data)
        except BaseException:
            os.unlink(self._temporary(name), dir_fd=parent)
            raise
        finally:
            os.close(descriptor)
        self._name(name, parent)

    def _temporary(self, name: str) -> str:
        # A long name plus the suffix may be longer than a name can be.
        return "." + name[:60] + self._suffix

    def _create(self, name: str, parent: int) -> int:
        temporary = self._temporary(name)
        try:
            return os.open(temporary, _NEW_FILE, 0o666, dir_fd=parent)
        except FileExistsError:
            os.unlink(temporary, dir_fd=parent)
            return os.open(temporary, _NEW_FILE, 0o666, dir_fd=parent)

    def _name(self, name: str, parent: int) -> None:
        os.rename(self._temporary(name), name, src_dir_fd=parent, dst_dir_fd=parent)

    def _parent(self, path: str) -> tuple[int, str]:
        """The open directory that holds `path`, and the last element."""
        above, _, name = path.rpartition("/")
        if name in {"", ".", ".."} or "\0" in name:
            raise FailedPrecondition(f"refused to write outside of {self._folder}: {path!r}")
        if not above:
            return self._root, name
        found = self._directories.get(above)
        if found is None:
            found = self._open(above)
        return found, name

    def _open(self, path: str) -> int:
        parent, name = self._parent(path)
        try:
            os.mkdir(name, dir_fd=parent)
        except FileExistsError:
            self._check_directory(path, name, parent)
        descriptor = os.open(name, _DIRECTORY, dir_fd=parent)
        self._directories[path] = descriptor
        if len(self._directories) > _OPEN_DIRECTORIES:
            _, oldest = self._directories.popitem(last=False)
            os.close(oldest)
        return descriptor

    def _check_directory(self, path: str, name: str, parent: int) -> None:
        mode = os.lstat(name, dir_fd=parent).st_mode
        if not stat.S_ISDIR(mode):
            kind = "a symbolic link" if stat.S_ISLNK(mode) else "a file"
            raise FailedPrecondition(
                f"refused to write through {self._folder / path}: it is {kind}, not a folder"
            )


def _write_all(descriptor: int, data: memoryview) -> None:
    while len(data):
        data = data[os.write(descriptor, data) :]
