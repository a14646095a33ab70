"""Listings in byte order from stores that list otherwise. Pure.

S3 lists by the bytes of the whole key. Stores over a tree of folders (SeaweedFS) list folder by
folder, so `a/b` comes before `a-c`; they also take "after `a`" to be after the folder `a`. Where
no name has a `-` or a `.`, as with all keys that Dassie writes, both orders are the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from dassie.blob.api import BlobInfo
from dassie.blob.keys import check_key
from dassie.errors import InvalidArgument

_BEFORE_SLASH = re.compile(r"[-.]")
_FOLDER_BY_FOLDER = ("seaweedfs",)


def folder_by_folder(server: str) -> bool:
    """Whether the store that calls itself `server` is known to list like that."""
    return server.lower().startswith(_FOLDER_BY_FOLDER)


def start_below(key: str) -> str:
    """A key shortly before `key`: in both orders, all that is greater than `key` follows it."""
    head = _BEFORE_SLASH.split(key)[0] if is_key(key) else ""
    if not head:
        return ""
    shorter, last = head[:-1], chr(ord(head[-1]) - 1)
    if last.isalnum():
        return f"{shorter}{last}zzzz"
    # To start after a folder itself would leave out what is in it.
    folder = head if head.endswith("/") else shorter
    return start_below(folder[:-1]) if folder.endswith("/") else shorter


def start_within(prefix: str, after: str) -> str:
    """`start_below(after)` if keys with `prefix` may follow it there, else nothing.

    To a start that comes before its prefix Garage answers with an empty list.
    """
    start = start_below(after)
    return start if start.startswith(prefix) and start != prefix else ""


def arranged(
    found: Iterable[BlobInfo], prefix: str, after: str, *, sort: bool
) -> Iterator[BlobInfo]:
    """Of what the store lists, the keys that begin with `prefix` and follow `after`, in order.

    With `sort` they are gathered first. Without, they pass through one by one; should the store
    prove to list otherwise, the rest is gathered: what then comes late is not lost.
    """
    wanted = _wanted(iter(found), prefix, after)
    if sort:
        yield from _sorted(wanted)
        return
    last = ""
    for info in wanted:
        if info.key < last:
            yield from _sorted([info, *wanted])
            return
        if info.key != last:
            yield info
            last = info.key


def is_key(key: str) -> bool:
    """Whether `key` is one of ours; others may put objects beside."""
    try:
        check_key(key)
    except InvalidArgument:
        return False
    return True


def _wanted(found: Iterator[BlobInfo], prefix: str, after: str) -> Iterator[BlobInfo]:
    place = prefix.split("/")
    for info in found:
        key = info.key
        if key.startswith(prefix):
            if key > after and is_key(key):
                yield info
        elif key > prefix and key.split("/") > place:
            return


def _sorted(found: Iterable[BlobInfo]) -> Iterator[BlobInfo]:
    last = ""
    for info in sorted(found, key=lambda info: info.key):
        if info.key != last:
            yield info
            last = info.key
