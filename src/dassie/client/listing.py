"""Listings through the bulk service: thousands of files per message. Called by the command line."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from dassie.client.refs import FileRef

if TYPE_CHECKING:
    from dassie.client.connection import Connection


class Listed(NamedTuple):
    """A file, or a folder, whose path ends with `/`. The commit is the one that was resolved."""

    path: str
    size: int
    commit: Any
    committed: Any


def listing(
    connection: Connection, ref: FileRef, *, recursive: bool = False, glob: str = ""
) -> Iterator[Listed]:
    """One level of a folder, everything below it, or what a pattern matches, in order of path."""
    from dassie._proto.dassie import bulk_pb2
    from dassie.client import messages

    request = bulk_pb2.ListRequest(
        file=messages.file(ref, ref.path or "/"), recursive=recursive, glob=glob
    )
    for frame in connection.service("bulk").List(request):
        for path, size in zip(frame.paths, frame.sizes, strict=True):
            yield Listed(path, size, frame.commit, frame.committed)
