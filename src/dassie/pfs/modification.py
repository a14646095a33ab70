"""One write stream: takes data as it comes, stores it, and remembers what to do with it.

`Files.modify` makes one and applies it when the stream ends. Data goes to storage at once, so a
stream of any length needs little memory; nothing is reachable before the end. Not thread-safe.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from dassie.base.chunking import MIN_CHUNK_BYTES
from dassie.base.paths import clean
from dassie.blob.api import Buffer
from dassie.errors import InvalidArgument
from dassie.pfs.edits import EditBuffer
from dassie.pfs.model import CommitKey, CommitRef
from dassie.pfs.reading import find
from dassie.pfs.views import View
from dassie.storage.store import Storage
from dassie.storage.types import EMPTY_DIR, Content, Dir
from dassie.storage.upload import Upload
from dassie.storage.writer import FileWriter

_FEW = 4
_UNSETTLED = 150_000
"""Files of one stream that are held in memory, at about 500 bytes each."""


class Modification:
    """Edits in stream order: each call means the state that the calls before it have left.

    commit, root: where it went and what is there now; set when the stream has been applied.
    """

    def __init__(
        self, storage: Storage, upload: Upload, open_source: Callable[[CommitRef], View]
    ) -> None:
        self.upload = upload
        self.edits = EditBuffer()
        self.files = 0
        """How many times a file was begun."""
        self.commit: CommitKey | None = None
        self.root: Dir = EMPTY_DIR
        self._storage = storage
        self._open_source = open_source
        self._at: tuple[str, str] | None = None
        self._path, self._datum = "", ""
        self._pieces: list[Buffer] = []
        self._waiting = 0
        self._writer: FileWriter | None = None

    @staticmethod
    def check_file(path: str) -> str:
        """The path in its usual form. Raises `InvalidArgument` when no file can have it."""
        cleaned = clean(path)
        if cleaned == "/" or path.endswith("/"):
            raise InvalidArgument(f"{path!r} names a directory: not allowed in path of a file")
        return cleaned

    def add(self, path: str, data: Buffer, datum: str = "") -> None:
        """Append to a file. Consecutive calls for one path make one file of any size."""
        if self._at != (path, datum):
            self._end_file()
            self._path, self._datum = self.check_file(path), datum
            self._at = (path, datum)
        if self._writer is None:
            self._pieces.append(data)
            self._waiting += len(data)
            # One message alone may hold a whole large file; `put` takes that as it is.
            if len(self._pieces) > 1 and self._waiting > MIN_CHUNK_BYTES:
                self._writer = self.upload.writer()
                for piece in self._pieces:
                    self._writer.write(piece)
                self._pieces = []
        else:
            self._writer.write(data)

    def add_all(self, paths: Sequence[str], data: Sequence[bytes]) -> None:
        """`add` each. Small files go on as one list, for half of what they cost one by one."""
        if len(paths) <= _FEW or not _are_small_files(paths, data):
            for path, piece in zip(paths, data, strict=True):
                self.add(path, piece)
            return
        # The first may go on with the file before, and the last may go on after this.
        self.add(paths[0], data[0])
        self._end_file()
        contents = self.upload.put_all(data[1:-1])
        self.files += len(contents)
        self.edits.add_all(paths[1:-1], contents)
        self._settle()
        self.add(paths[-1], data[-1])

    def add_contents(
        self, paths: Sequence[str], contents: Sequence[Content], *, append: bool = False
    ) -> None:
        """Files whose contents this stream's `upload` holds already."""
        self._end_file()
        if not _are_clean(paths):
            paths = [self.check_file(path) for path in paths]
        self.files += len(paths)
        if append:
            for path, content in zip(paths, contents, strict=True):
                self.edits.add(path, content)
        else:
            self.edits.put(paths, contents)
        self._settle()

    def delete(self, path: str, datum: str = "") -> None:
        """Remove a file or directory; with a trailing `/`, a directory only. Missing is fine."""
        self._end_file()
        if path.endswith("/") or clean(path) == "/":
            self.edits.delete_directory(clean(path))
        else:
            self.edits.delete(clean(path), datum)

    def copy(
        self, dst: str, src: CommitRef, src_path: str, append: bool = False, datum: str = ""
    ) -> None:
        """Copy a file or directory of a finished commit, by reference."""
        self._end_file()
        view = self._open_source(src)
        entry = find(self._storage.tree, view, src_path)
        if isinstance(entry.node, Dir):
            self.edits.graft(clean(dst), entry.node, append=append)
            return
        path = self.check_file(dst)
        self.files += 1
        if not append:
            self.edits.delete(path, datum)
        self.edits.add(path, entry.node, datum)

    def close(self) -> None:
        """Nothing more will come."""
        self._end_file()

    def _end_file(self) -> None:
        if self._at is None:
            return
        if self._writer is not None:
            content, self._writer = self._writer.close(), None
        else:
            pieces = self._pieces
            content = self.upload.put(pieces[0] if len(pieces) == 1 else b"".join(pieces))
        self._pieces, self._waiting, self._at = [], 0, None
        self.files += 1
        self.edits.add(self._path, content, self._datum)
        self._settle()

    def _settle(self) -> None:
        """Keep memory bounded, however long the stream is."""
        if self.edits.unsettled >= _UNSETTLED:
            self.edits.settle(lambda files: self.upload.put_files(EMPTY_DIR, files))


def _are_small_files(paths: Sequence[str], data: Sequence[bytes]) -> bool:
    """Is each piece certainly one for itself, of one chunk?"""
    sizes = list(map(len, data))
    return (
        min(sizes) > 0
        and max(sizes) <= MIN_CHUNK_BYTES
        and len(set(paths)) == len(paths)
        and _are_clean(paths)
    )


def _are_clean(paths: Sequence[str]) -> bool:
    """Are all of these certainly paths of files as `clean` returns them? Looks at all at once."""
    if not paths:
        return True
    joined = "\0".join(paths)
    return (
        joined.isascii()
        and joined.startswith("/")
        and not joined.endswith("/")
        and joined.count("\0/") == len(paths) - 1 == joined.count("\0")
        and not any(text in joined for text in ("//", "/.", "/\0"))
    )
