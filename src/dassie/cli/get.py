"""`get file`: one file to stdout or a local file, a folder with -r.

Folders come through the bulk service, or as a tar stream from a server that does not have it.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

from dassie.cli import grammar
from dassie.cli.grammar import PROJECT, Command
from dassie.cli.progress import Meter
from dassie.client.errors import NotOffered
from dassie.client.refs import DEFAULT_BRANCH
from dassie.errors import (
    DassieError,
    DataLoss,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    Unavailable,
)

if TYPE_CHECKING:
    from dassie.cli.session import Session
    from dassie.client.refs import FileRef

_TRIES = 5
_LONG_S = 2.0
"""A transfer to stdout that took longer is worth a remark."""


def get(session: Session) -> None:
    ref = session.file("file", DEFAULT_BRANCH)
    meter = Meter("got", session.out.stderr, live=_may_draw(session))
    try:
        if session.has("recursive"):
            _folder(session, ref, meter)
        else:
            _one(session, ref, meter)
    finally:
        meter.close()


def _may_draw(session: Session) -> bool:
    """Not over the data itself."""
    to_terminal = not session.text("output") and sys.stdout.isatty()
    return not (session.has("no_progress") or to_terminal)


def _one(session: Session, ref: FileRef, meter: Meter) -> None:
    if not ref.path.strip("/"):
        raise session.wrong("name the file: REPO@BRANCH:/PATH, or take everything with -r")
    offset = session.number("offset")
    total = _inspect(session, ref).size_bytes - offset if meter.live else 0
    output = session.text("output")
    if output not in ("", "-") and not (offset or session.has("retry")):
        size = _by_server(session, ref, output, meter)
        if size is not None:
            meter.close()
            session.out.say(meter.summary(1, size))
            return
    done = 0
    try:
        with _opened(output, ref, resume=offset > 0) as file:
            for piece in _pieces(session, ref, offset, retry=session.has("retry") and bool(output)):
                file.write(piece)
                done += len(piece)
                meter.update(0, done, 0, total)
            file.flush()
    except DassieError as error:
        if "GetFileTAR" in error.message:
            raise FailedPrecondition(
                f"{ref.path} is not one file: get what is there with -r -o FOLDER"
            ) from error
        raise
    meter.close()
    if output or meter.elapsed_s >= _LONG_S:
        session.out.say(meter.summary(1, done))


def _by_server(session: Session, ref: FileRef, output: str, meter: Meter) -> int | None:
    """Let a server on this machine write a large file; its size. `None`: not that way."""
    from dassie.base.passing import PASSED_BYTES
    from dassie.client.download import Progress, download
    from dassie.client.passing import may_pass

    path = _local(output, ref)
    new = not os.path.lexists(path) and path.parent.is_dir()
    if not (may_pass(session.connection.target.host) and (new or path.is_file())):
        return None
    if path.is_symlink() or _large_size(session, ref) < PASSED_BYTES:
        return None

    def report(progress: Progress) -> None:
        meter.update(0, progress.bytes, 0, progress.total_bytes)

    try:
        result = download(
            session.connection,
            ref,
            path.parent,
            place=lambda _: path.name,
            progress=report,
            literal=True,
        )
    except NotOffered:
        return None
    return result.bytes


def _pieces(session: Session, ref: FileRef, offset: int, *, retry: bool) -> Iterator[bytes]:
    """The file's content; with `retry`, a broken connection is taken up where it broke."""
    from dassie._proto.pfs import pfs_pb2
    from dassie.client import messages

    tries = _TRIES if retry else 1
    while True:
        request = pfs_pb2.GetFileRequest(file=messages.file(ref), offset=offset)
        try:
            for piece in session.pfs.GetFile(request):
                offset += len(piece.value)
                tries = _TRIES if retry else 1
                yield piece.value
            return
        except Unavailable as error:
            tries -= 1
            if tries <= 0:
                raise
            session.out.warn(f"{error.message}; trying again at byte {offset:,}")
            time.sleep(1.0)


def _large_size(session: Session, ref: FileRef) -> int:
    """Bytes of a file; 0 for what is none. `GetFile` has the words for why."""
    from dassie._proto.pfs import pfs_pb2

    try:
        info = _inspect(session, ref)
    except DassieError:
        return 0
    return int(info.size_bytes) if info.file_type == pfs_pb2.FILE else 0


def _inspect(session: Session, ref: FileRef) -> Any:
    from dassie._proto.pfs import pfs_pb2
    from dassie.client import messages

    return session.pfs.InspectFile(pfs_pb2.InspectFileRequest(file=messages.file(ref)))


@contextmanager
def _opened(output: str, ref: FileRef, *, resume: bool) -> Iterator[IO[bytes]]:
    """Where the bytes go. A local file appears under its name only when it is complete."""
    if output in ("", "-"):
        yield sys.stdout.buffer
        return
    path = _local(output, ref)
    if resume or (path.exists() and not path.is_file()):
        with path.open("ab" if resume else "wb") as file:
            yield file
        return
    if not path.parent.is_dir():
        raise NotFound(f"no folder {path.parent}, where {path.name} should go")
    # Part of the name: a long one would be too long with more in front and behind.
    scratch = path.with_name(f".{path.name[:60]}.{os.getpid()}.part")
    try:
        with scratch.open("wb") as file:
            yield file
        scratch.replace(path)
    except OSError as error:
        error.filename = str(path)  # not that of the moment
        raise
    finally:
        with suppress(OSError):
            scratch.unlink()


def _local(output: str, ref: FileRef) -> Path:
    """In a folder, a file keeps its name. A name with a slash behind it means a folder."""
    path = Path(output)
    if output.endswith("/"):
        path.mkdir(parents=True, exist_ok=True)
    return path / ref.path.rstrip("/").rpartition("/")[2] if path.is_dir() else path


def _folder(session: Session, ref: FileRef, meter: Meter) -> None:
    if session.number("offset"):
        raise session.wrong("--offset is for one file, not with -r")
    if session.text("output") in ("", "-"):
        raise session.wrong("say where the files go: -o FOLDER")
    folder, base = Path(session.text("output")), _base(session, ref)
    try:
        files, size = _in_bulk(session, ref, folder, meter, base)
    except NotOffered:
        files, size = _from_tar(session, ref, folder, meter, base)
    meter.close()
    session.out.say(meter.summary(files, size))


def _in_bulk(
    session: Session, ref: FileRef, folder: Path, meter: Meter, base: str
) -> tuple[int, int]:
    from dassie.client.download import Progress, download

    def report(progress: Progress) -> None:
        meter.update(progress.files, progress.bytes, progress.total_files, progress.total_bytes)

    def place(name: str) -> str:
        return relative(name, base)

    result = download(session.connection, ref, folder, place=place, progress=report)
    return result.files, result.bytes


def _from_tar(
    session: Session, ref: FileRef, folder: Path, meter: Meter, base: str
) -> tuple[int, int]:
    import tarfile

    from dassie._proto.pfs import pfs_pb2
    from dassie.client import messages

    request = pfs_pb2.GetFileRequest(file=messages.file(ref, ref.path or "/"))
    reader = _StreamReader(piece.value for piece in session.pfs.GetFileTAR(request))
    files = size = 0
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with tarfile.open(fileobj=cast("IO[bytes]", reader), mode="r|") as archive:
            for member in archive:
                name = relative(member.name, base)
                if not member.isreg() or not name:
                    continue
                member.name = name
                archive.extract(member, folder, set_attrs=False, filter="data")
                files += 1
                size += member.size
                meter.update(files, size)
    except tarfile.ReadError as error:
        raise DataLoss(f"the server's archive breaks off: {error}") from None
    except tarfile.FilterError as error:
        raise FailedPrecondition(f"refused to write outside of {folder}: {error}") from None
    return files, size


def _base(session: Session, ref: FileRef) -> str:
    """The folder that stays off local paths. A name may look like a pattern; the name goes first,
    as on the server."""
    fixed = fixed_prefix(ref.path)
    if fixed == "/" + ref.path.strip("/"):
        return fixed
    try:
        _inspect(session, ref)
    except (NotFound, InvalidArgument):
        return fixed
    return "/" + ref.path.strip("/")


def fixed_prefix(pattern: str) -> str:
    """The folder that everything a pattern matches lies in. Pure.

    `/a/b` → `/a/b`; `/a/*.png` → `/a`.
    """
    from dassie.base.glob import Glob

    try:
        fixed = Glob.parse(pattern).literal_prefix
    except InvalidArgument:  # then it can only be a name
        fixed = tuple(pattern.strip("/").split("/"))
    return "/" + "/".join(fixed) if any(fixed) else ""


def relative(name: str, base: str) -> str:
    """A path of the repo below `base`; a file that is `base` itself keeps its last name. Pure."""
    path = "/" + name.strip("/")
    if path == base:
        return path.rpartition("/")[2]
    return path.removeprefix(base).strip("/")


class _StreamReader:
    """What `tarfile` needs of a file: `read`, over pieces that arrive."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._left = memoryview(b"")

    def read(self, size: int = -1) -> bytes:
        found: list[Any] = []
        missing = size
        while missing != 0:
            if not self._left:
                piece = next(self._pieces, b"")
                if not piece:
                    break
                self._left = memoryview(piece)
            taken = self._left[:missing] if missing > 0 else self._left
            self._left = self._left[len(taken) :]
            found.append(taken)
            missing -= len(taken)
        return b"".join(found)


COMMANDS = (
    Command(
        "get file",
        get,
        (grammar.Positional("file", "written REPO@BRANCH-OR-COMMIT:/PATH", complete="file"),),
        (
            grammar.text(
                "-o",
                "--output",
                help="write to this file or folder, not to stdout",
                metavar="PATH",
                complete="path",
            ),
            grammar.switch("-r", "--recursive", help="a folder, or all that a pattern matches"),
            grammar.number("--offset", help="leave out that many bytes of the file"),
            grammar.switch(
                "--retry", help="go on where it stopped if the connection breaks (with -o)"
            ),
            grammar.switch("--progress", help="show progress on a terminal (the default)"),
            grammar.switch("--no-progress", help="never show it"),
            PROJECT,
        ),
        "Paths may be patterns, as for `glob file`. With -r, files are written below the folder "
        "by their paths behind what the pattern fixes: `-r images@master:/cats -o out` writes "
        "/cats/tom.png to out/tom.png.",
        (
            ("look at a text", "pachctl get file logs@master:/today.txt"),
            ("everything", "pachctl get file -r images@master:/ -o photos"),
        ),
    ),
)
