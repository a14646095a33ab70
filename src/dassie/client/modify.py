"""Writes through the standard ModifyFile stream: one message per file, one atomic change.

For what the bulk service does not do (URLs, deletes, copies, archives being unpacked), and for
servers that do not have it. Called by the command line.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from dassie._proto.pfs import pfs_pb2
from dassie.client import messages
from dassie.client.refs import CommitRef, FileRef

if TYPE_CHECKING:
    from dassie.client.connection import Connection

MESSAGE_BYTES = 1 << 20
"""Of file content per message: far below the limit of 20 MiB, so that memory stays small."""

Request = pfs_pb2.ModifyFileRequest
Report = Callable[[int, int], None]
"""Told (files, bytes) that have just been handed over."""


@dataclass(frozen=True, slots=True)
class UrlSource:
    """Fetched by the server."""

    url: str
    destination: str
    recursive: bool = False
    concurrency: int = 0


def modify(connection: Connection, target: CommitRef, requests: Iterable[Request]) -> None:
    """Send one stream; it applies as a whole when it ends, and not at all when it breaks."""

    def stream() -> Iterator[Request]:
        yield Request(set_commit=messages.commit(target))
        yield from requests

    failure: list[BaseException] = []

    def guarded() -> Iterator[Request]:
        # gRPC swallows what a request iterator raises: keep it, it is the better error.
        try:
            yield from stream()
        except Exception as error:
            failure.append(error)
            raise

    try:
        connection.pfs.ModifyFile(guarded())
    except Exception:
        if failure:
            raise failure[0] from None
        raise


def put_stream(
    reader: BinaryIO, destination: str, *, append: bool = False, report: Report | None = None
) -> Iterator[Request]:
    """A file's content, replacing what is there or appended to it. Empty files exist too."""
    if not append:
        yield Request(delete_file=pfs_pb2.DeleteFile(path=destination))
    first = True
    while True:
        data = reader.read(MESSAGE_BYTES)
        if data or first:
            add = pfs_pb2.AddFile(path=destination)
            add.raw.value = data
            yield Request(add_file=add)
            if report:
                report(1 if first else 0, len(data))
        if not data:
            return
        first = False


def put_local(
    path: str, destination: str, *, append: bool = False, report: Report | None = None
) -> Iterator[Request]:
    with Path(path).open("rb") as reader:
        yield from put_stream(reader, destination, append=append, report=report)


def put_folder(
    path: str, destination: str, *, append: bool = False, report: Report | None = None
) -> Iterator[Request]:
    """Every regular file below a folder, in order of path."""
    for folder, names, files in os.walk(path):
        names.sort()
        below = Path(folder).relative_to(path).as_posix()
        base = destination.rstrip("/") + ("" if below == "." else f"/{below}")
        for name in sorted(files):
            local = Path(folder) / name
            if local.is_file():
                yield from put_local(str(local), f"{base}/{name}", append=append, report=report)


def put_url(source: UrlSource, *, append: bool = False) -> Iterator[Request]:
    if not append:
        yield Request(delete_file=pfs_pb2.DeleteFile(path=source.destination))
    add = pfs_pb2.AddFile(path=source.destination)
    add.url.CopyFrom(
        pfs_pb2.AddFile.URLSource(
            URL=source.url, recursive=source.recursive, concurrency=source.concurrency
        )
    )
    yield Request(add_file=add)


def delete(path: str) -> Request:
    return Request(delete_file=pfs_pb2.DeleteFile(path=path))


def copy(source: FileRef, destination: str, *, append: bool = False) -> Request:
    return Request(
        copy_file=pfs_pb2.CopyFile(
            dst=destination, src=messages.file(source, source.path or "/"), append=append
        )
    )
