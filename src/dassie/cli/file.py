"""`copy`, `delete`, `inspect`, `list` and `glob file`; `put`, `get` and `diff` have own modules."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Any

from dassie.cli import grammar, humanize
from dassie.cli.documents import plain_files
from dassie.cli.grammar import FULL_TIMESTAMPS, NO_PAGER, PROJECT, Command
from dassie.cli.output import Columns, Output
from dassie.client.errors import NotOffered
from dassie.client.listing import Listed, listing
from dassie.client.refs import DEFAULT_BRANCH, FileRef

if TYPE_CHECKING:
    from dassie.cli.session import Session

_WRITTEN = "written REPO@BRANCH-OR-COMMIT:/PATH"
_FILE = grammar.Positional("file", _WRITTEN, complete="file")


def copy(session: Session) -> None:
    """To a path with a slash behind it, a file goes by its own name, as with `put file`."""
    from dassie._proto.pfs import pfs_pb2
    from dassie.client import messages
    from dassie.client.modify import copy as copy_request
    from dassie.client.modify import modify

    source, target = session.file("source"), session.file("destination")
    if not target.path:
        raise session.wrong("name the path to copy to: REPO@BRANCH:/PATH")
    path = target.path
    if path.endswith("/"):
        wanted = pfs_pb2.InspectFileRequest(file=messages.file(source, source.path or "/"))
        if session.pfs.InspectFile(wanted).file_type == pfs_pb2.FILE:
            path += source.path.rstrip("/").rpartition("/")[2]
    request = copy_request(source, path, append=session.has("append"))
    modify(session.connection, target.commit, [request])


def delete(session: Session) -> None:
    """The path must be named, and must exist: a slip must not empty a branch."""
    from dassie._proto.pfs import pfs_pb2
    from dassie.client import messages
    from dassie.client.modify import delete as delete_request
    from dassie.client.modify import modify

    ref = session.file("file")
    if not ref.path:
        raise session.wrong('name what to delete: REPO@BRANCH:/PATH (":/" is everything)')
    path = ref.path
    found = session.pfs.InspectFile(pfs_pb2.InspectFileRequest(file=messages.file(ref)))
    if found.file_type == pfs_pb2.DIR:
        if not session.has("recursive"):
            raise session.wrong(f"{path} is a folder: delete it with -r")
        path = path.rstrip("/") + "/"
    modify(session.connection, ref.commit, [delete_request(path)])


def inspect(session: Session) -> None:
    from dassie._proto.pfs import pfs_pb2
    from dassie.client import messages

    out = session.out
    ref = session.file("file", DEFAULT_BRANCH)
    request = pfs_pb2.InspectFileRequest(file=messages.file(ref, ref.path or "/"))
    out.record(session.pfs.InspectFile(request), lambda info: describe(info, out))


def list_(session: Session) -> None:
    ref = session.file("file", DEFAULT_BRANCH)
    if not session.has("reverse"):
        try:
            _from_frames(session, ref, recursive=session.has("recursive"))
            return
        except NotOffered:
            pass
    session.out.listing(_infos(session, ref), columns(session))


def glob(session: Session) -> None:
    from dassie._proto.pfs import pfs_pb2
    from dassie.client import messages

    ref = session.file("file", DEFAULT_BRANCH)
    pattern = ref.path or "/"
    try:
        _from_frames(session, replace(ref, path=""), glob=pattern)
        return
    except NotOffered:
        pass
    request = pfs_pb2.GlobFileRequest(commit=messages.commit(ref.commit), pattern=pattern)
    session.out.listing(session.pfs.GlobFile(request), columns(session))


def columns(session: Session) -> Columns:
    """The table of files; with --full, also which commit they are of and when it was finished."""

    def cells(info: Any) -> list[str]:
        return _cells(
            session,
            Listed(info.file.path, info.size_bytes, info.hash, info.file.commit, info.committed),
        )

    return Columns(_headers(session), cells)


def _infos(session: Session, ref: FileRef) -> Iterator[Any]:
    """Messages of the standard methods."""
    from dassie._proto.pfs import pfs_pb2
    from dassie.client import messages

    request = pfs_pb2.ListFileRequest(
        file=messages.file(ref, ref.path or "/"),
        number=session.number("number"),
        reverse=session.has("reverse"),
    )
    if not session.has("recursive"):
        yield from session.pfs.ListFile(request)
        return
    walk = pfs_pb2.WalkFileRequest(file=request.file, number=request.number)
    for info in session.pfs.WalkFile(walk):
        if info.file_type == pfs_pb2.FILE:
            yield info


def _from_frames(
    session: Session, ref: FileRef, *, recursive: bool = False, glob: str = ""
) -> None:
    """The listing, from the bulk service. Nothing is printed before its first answer."""
    listed = listing(session.connection, ref, recursive=recursive, glob=glob)
    wanted = (one for one in listed if not (recursive and one.path.endswith("/")))
    number = session.number("number")
    shown = islice(wanted, number) if number else wanted
    if session.out.format == "table":
        session.out.table(_headers(session), (_cells(session, one) for one in shown))
    else:
        session.out.documents(plain_files(shown))


def _is_full(session: Session) -> bool:
    return session.has("full") or session.has("full_timestamps")


def _headers(session: Session) -> tuple[str, ...]:
    full = ("COMMIT", "NAME", "TYPE", "COMMITTED", "SIZE")
    return full if _is_full(session) else ("SIZE", "NAME")


def _cells(session: Session, one: Listed) -> list[str]:
    size = humanize.size(one.size)
    if not _is_full(session):
        return [size, one.path]
    kind = "dir" if one.path.endswith("/") else "file"
    return [one.commit.id, one.path, kind, session.out.when(one.committed), size]


def describe(info: Any, out: Output) -> list[tuple[str, str]]:
    from dassie.client import messages

    return [
        ("Path", info.file.path),
        ("Commit", messages.commit_text(info.file.commit)),
        ("Type", file_type(info)),
        ("Size", humanize.size(info.size_bytes)),
        ("Committed", out.when(info.committed)),
        ("Datum", info.file.datum),
        ("Hash", info.hash.hex()),
    ]


def file_type(info: Any) -> str:
    from dassie._proto.pfs import pfs_pb2

    return {pfs_pb2.FILE: "file", pfs_pb2.DIR: "dir"}.get(info.file_type, "-")


COMMANDS = (
    Command(
        "copy file",
        copy,
        (
            grammar.Positional("source", _WRITTEN, complete="file"),
            grammar.Positional("destination", "written REPO@BRANCH:/PATH", complete="file"),
        ),
        (grammar.switch("-a", "--append", help="append to what is there"), PROJECT),
        "Copies by reference: no data moves, whatever the size. The source may be a folder, whose "
        "content goes below the destination. A file keeps its name if the destination ends with /.",
        (
            (
                "publish a result",
                "pachctl copy file montage@master:/montage.png site@master:/front.png",
            ),
        ),
    ),
    Command(
        "delete file",
        delete,
        (grammar.Positional("file", "written REPO@BRANCH:/PATH", complete="file"),),
        (grammar.switch("-r", "--recursive", help="a folder with everything in it"), PROJECT),
        "Makes a commit without the file; older commits keep it.",
    ),
    Command("inspect file", inspect, (_FILE,), (PROJECT, FULL_TIMESTAMPS), formats=True),
    Command(
        "list file",
        list_,
        (_FILE,),
        (
            grammar.switch("-r", "--recursive", help="all files below, without folders"),
            grammar.switch("--full", help="commit, type and time of each, too"),
            grammar.number("-n", "--number", help="at most this many"),
            grammar.switch("--reverse", help="in reverse order of path (with --number)"),
            PROJECT,
            FULL_TIMESTAMPS,
            NO_PAGER,
        ),
        "Without a branch, that is REPO or REPO:/PATH, branch master is meant.",
        (
            ("the top folder", "pachctl list file images@master"),
            ("a folder of the commit before", "pachctl list file images@master^:/cats"),
        ),
        formats=True,
    ),
    Command(
        "glob file",
        glob,
        (grammar.Positional("file", "written REPO@BRANCH-OR-COMMIT:PATTERN", complete="file"),),
        (
            grammar.switch("--full", help="commit, type and time of each, too"),
            PROJECT,
            FULL_TIMESTAMPS,
            NO_PAGER,
        ),
        "Patterns: * (not across /), **, ?, [a-z], {a,b}, !(x), @(x|y). Quote them.",
        (("all photographs", "pachctl glob file 'images@master:/**.png'"),),
        formats=True,
    ),
)
