"""`put file`: from files, folders, URLs, stdin and archives, as one commit.

Local files go through the bulk service (only missing bytes travel); URLs, archives and servers that
do not have that service get the standard stream.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from dassie.cli import grammar, humanize
from dassie.cli.grammar import PROJECT, Command
from dassie.cli.progress import Census, Meter
from dassie.cli.sources import is_url, open_url, read_text
from dassie.client.errors import NotOffered
from dassie.errors import InvalidArgument, NotFound

if TYPE_CHECKING:
    from dassie.cli.session import Session
    from dassie.client.archives import Opener
    from dassie.client.batches import Source
    from dassie.client.modify import Request, UrlSource
    from dassie.client.refs import FileRef
    from dassie.client.upload import Progress

_URL_SCHEMES = ("http://", "https://", "s3://", "gs://", "gcs://", "as://", "wasb://", "azblob://")
_STDIN = "-"


def put(session: Session) -> None:
    target = session.file("target")
    names = _names(session)
    meter = Meter("put", session.out.stderr, live=not session.has("no_progress"))
    try:
        if session.has("untar"):
            _put_archives(session, target, names, meter)
        elif any(_is_url(name) for name in names):
            _put_by_messages(session, target, names, meter)
        else:
            _put_in_bulk(session, target, names, meter)
    finally:
        meter.close()


def destination(path: str, source: str, *, alone: bool, full_path: bool) -> str:
    """Where a source goes, given the path that was written. Pure.

    A single source goes to that path itself, unless it ends with a slash; several go below it.
    """
    if source == _STDIN:
        if not path.strip("/") or path.endswith("/"):
            raise InvalidArgument("data from stdin needs a file name: REPO@BRANCH:/PATH")
        return path
    if alone and path and not path.endswith("/"):
        return path
    local = not _is_url(source)
    trimmed = (source if local else source.split("?", maxsplit=1)[0]).rstrip("/")
    name = trimmed if full_path and local else trimmed.rpartition("/")[2]
    if name in ("", ".", ".."):
        name = "" if full_path else Path(source).resolve().name
    kept = "/".join(part for part in name.split("/") if part not in ("", ".", ".."))
    return f"{path.rstrip('/')}/{kept}"


def folder_destination(path: str, source: str, *, alone: bool, full_path: bool) -> str:
    """Like `destination`, for the content of a folder: `REPO@BRANCH:/` puts it at the top."""
    if alone and path:
        return "/" + path.strip("/")
    return destination(path, source, alone=alone, full_path=full_path)


def _names(session: Session) -> list[str]:
    """What -f and -i name; stdin when there is neither."""
    names = session.texts("file")
    if listing := session.text("input_file"):
        lines = (line.strip() for line in read_text(listing).splitlines())
        names += [line for line in lines if line and not line.startswith("#")]
    return names or [_STDIN]


def _is_url(name: str) -> bool:
    return name.startswith(_URL_SCHEMES)


def _sources(session: Session, target: FileRef, names: list[str]) -> list[Source]:
    """Those that are no URLs, with their destinations; what is missing is said before anything
    is sent."""
    from dassie.client.batches import Folder, LocalFile, Stream

    alone, full_path = len(names) == 1, session.has("full_path")
    found: list[Source] = []
    for name in names:
        if _is_url(name):
            continue
        if name == _STDIN:
            where = destination(target.path, name, alone=True, full_path=False)
            found.append(Stream(sys.stdin.buffer, where))
        elif Path(name).is_dir():
            if not session.has("recursive"):
                raise InvalidArgument(f"{name} is a folder: put it with -r")
            where = folder_destination(target.path, name, alone=alone, full_path=full_path)
            found.append(Folder(name, where))
        elif not Path(name).exists():
            raise NotFound(f"no file {name}")
        else:
            where = destination(target.path, name, alone=alone, full_path=full_path)
            found.append(LocalFile(name, where))
    if not session.has("append"):
        _check_apart((one.path, one.destination) for one in found if isinstance(one, LocalFile))
    return found


def _check_apart(files: Iterable[tuple[str, str]]) -> None:
    """Refuse two sources for one path: the second would replace the first."""
    taken: dict[str, str] = {}
    for name, where in files:
        other = taken.setdefault(where, name)
        if other != name:
            raise InvalidArgument(
                f"{other} and {name} would both become {where}: keep their folders with"
                " --full-path, join them with --append, or put them one by one"
            )


def _put_in_bulk(session: Session, target: FileRef, names: list[str], meter: Meter) -> None:
    from dassie.client.upload import UploadOptions, upload

    sources = _sources(session, target, names)
    if _STDIN in names and not _has_bulk(session):
        _put_by_messages(session, target, names, meter)
        return

    census = _census(sources) if meter.live else None

    def report(progress: Progress) -> None:
        if progress.complete:
            totals = progress.found_files, progress.found_bytes
        else:
            totals = census.totals(meter.elapsed_s) if census else (0, 0)
        meter.update(progress.files, progress.bytes, *totals)

    options = UploadOptions(
        append=session.has("append"),
        cache_folder=_cache_folder(session),
        deployment=_deployment(session),
        progress=report,
    )
    try:
        result = upload(session.connection, target.commit, sources, options)
    except NotOffered:
        if _STDIN in names:
            raise  # some of it may have been read: sending the rest would be worse
        _put_by_messages(session, target, names, meter)
        return
    meter.close()
    for name in result.passed_over:
        session.out.warn(f"passed over {name}")
    new = min(result.new_bytes, result.bytes)  # the server counts its own records, too
    more = f", {humanize.size(new)} of it new" if result.bytes else ""
    if result.unchanged_files:
        more += f"; {humanize.count(result.unchanged_files, 'file')} unchanged"
    session.out.say(meter.summary(result.files, result.bytes, more))


def _census(sources: list[Source]) -> Census | None:
    from dassie.client.batches import Folder, LocalFile

    files = [one.path for one in sources if isinstance(one, LocalFile)]
    folders = [one.path for one in sources if isinstance(one, Folder)]
    return Census(files, folders) if len(files) + len(folders) == len(sources) else None


def _has_bulk(session: Session) -> bool:
    """Asked where a second try is impossible: stdin can be read once."""
    from google.protobuf import empty_pb2

    version = session.connection.service("version").GetVersion(empty_pb2.Empty())
    return "dassie" in version.additional


def _deployment(session: Session) -> str:
    """What tells this server's cache of seen files from another's; asking the server would cost
    the time that the scan of a folder runs in. A mistake is harmless: the server checks."""
    known = session.config.context().get("cluster_deployment_id") or ""
    return f"{session.config.target()} {known}"


def _cache_folder(session: Session) -> Path | None:
    base = session.environ.get("XDG_CACHE_HOME")
    home = session.environ.get("HOME")
    if session.has("no_cache") or not (base or home):
        return None
    return (Path(base) if base else Path(str(home)) / ".cache") / "dassie"


def _put_by_messages(session: Session, target: FileRef, names: list[str], meter: Meter) -> None:
    from dassie.client.batches import Folder, LocalFile
    from dassie.client.modify import modify, put_folder, put_local, put_stream, put_url

    append, count = session.has("append"), _Count(meter)
    local = _sources(session, target, names)

    urls = list(_url_sources(session, target, names))
    if not append:
        _check_apart((url.url, url.destination) for url in urls if not url.recursive)

    def requests() -> Iterator[Request]:
        for source in local:
            if isinstance(source, Folder):
                yield from put_folder(
                    source.path, source.destination, append=append, report=count.add
                )
            elif isinstance(source, LocalFile):
                yield from put_local(
                    source.path, source.destination, append=append, report=count.add
                )
            else:
                yield from put_stream(
                    source.reader, source.destination, append=append, report=count.add
                )
        for url in urls:
            yield from put_url(url, append=append)
            count.add(1, 0)

    modify(session.connection, target.commit, requests())
    meter.close()
    session.out.say(meter.summary(count.files, count.size))


def _url_sources(session: Session, target: FileRef, names: list[str]) -> Iterator[UrlSource]:
    from dassie.client.modify import UrlSource

    for name in names:
        if _is_url(name):
            where = destination(
                target.path, name, alone=len(names) == 1, full_path=session.has("full_path")
            )
            yield UrlSource(name, where, session.has("recursive"), session.number("parallelism"))


def _put_archives(session: Session, target: FileRef, names: list[str], meter: Meter) -> None:
    """Unpack tar archives (compressed or not) while they are read."""
    from dassie.client.archives import members
    from dassie.client.modify import modify, put_stream

    count = _Count(meter)
    append = session.has("append")
    base = target.path.rstrip("/")
    passed_over: list[str] = []
    openers = [(name, _opener(name)) for name in names]

    def requests() -> Iterator[Request]:
        for name, again in openers:
            with ExitStack() as stack:
                reader = stack.enter_context(again()) if again else sys.stdin.buffer
                for member in members(_said(name), reader, again, passed_over.append):
                    yield from put_stream(
                        member.content, f"{base}/{member.path}", append=append, report=count.add
                    )

    modify(session.connection, target.commit, requests())
    meter.close()
    for one in passed_over:
        session.out.warn(f"passed over {one}")
    session.out.say(meter.summary(count.files, count.size))


def _opener(name: str) -> Opener | None:
    """How to open an archive, as often as wanted; None for stdin."""
    if name == _STDIN:
        return None
    if is_url(name):
        return lambda: open_url(name)
    path = Path(name)
    if path.is_dir():
        raise InvalidArgument(f"{name} is a folder: --untar takes archives")
    if not path.exists():
        raise NotFound(f"no file {name}")
    return lambda: path.open("rb")


def _said(name: str) -> str:
    return "stdin" if name == _STDIN else name


class _Count:
    """Files and bytes handed over so far."""

    def __init__(self, meter: Meter) -> None:
        self.files = 0
        self.size = 0
        self._meter = meter

    def add(self, files: int, size: int) -> None:
        self.files += files
        self.size += size
        self._meter.update(self.files, self.size)


COMMANDS = (
    Command(
        "put file",
        put,
        (grammar.Positional("target", "written REPO@BRANCH[:/PATH]", complete="file"),),
        (
            grammar.many(
                "-f",
                "--file",
                help="a file, folder, URL, or - for stdin (default)",
                metavar="SOURCE",
                complete="path",
            ),
            grammar.text(
                "-i",
                "--input-file",
                help="take sources from this file, one per line",
                metavar="FILE",
                complete="path",
            ),
            grammar.switch("-r", "--recursive", help="folders with everything below them"),
            grammar.switch("-a", "--append", help="append to files that exist; default: replace"),
            grammar.switch("--full-path", help="keep the sources' whole paths"),
            grammar.switch("--untar", help="unpack tar archives, also compressed ones"),
            grammar.number("-p", "--parallelism", help="accepted for Pachyderm's sake", default=10),
            grammar.switch("-c", "--compress", help="accepted for Pachyderm's sake"),
            grammar.switch("--progress", help="show progress on a terminal (the default)"),
            grammar.switch("--no-progress", help="never show it"),
            grammar.switch(
                "--no-cache",
                help="read all files, also those that look unchanged since the last time",
            ),
            PROJECT,
        ),
        "One call is one commit, unless the branch has an open one. A single source goes to the "
        "path itself; several go below it, each by its base name. Of a folder that was put "
        "before, only what changed is read, and only bytes that the server lacks are sent.",
        (
            ("a file, by its own name", "pachctl put file images@master -f liberty.png"),
            ("from another program", "date | pachctl put file logs@master:/today.txt"),
            (
                "a page of the web, which the server fetches",
                "pachctl put file data@master:/page.html -f https://example.com/",
            ),
            ("a folder, at the top of the repo", "pachctl put file -r images@master:/ -f photos"),
            ("an archive's content", "pachctl put file data@master --untar -f data.tar.gz"),
        ),
    ),
)
