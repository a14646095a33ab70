"""Listings through the bulk service: thousands of files per message. Called by the command line."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from dassie.client.refs import FileRef

if TYPE_CHECKING:
    from dassie.client.connection import Connection


_HASH_BYTES = 32


class Listed(NamedTuple):
    """A file, or a folder, whose path ends with `/`. The commit is the one that was resolved."""

    path: str
    size: int
    hash: bytes
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
        commit, committed, hashes = frame.commit, frame.committed, frame.hashes
        for number, (path, size) in enumerate(zip(frame.paths, frame.sizes, strict=True)):
            start = number * _HASH_BYTES
            yield Listed(path, size, hashes[start : start + _HASH_BYTES], commit, committed)
