"""What a key may look like: one rule for all drivers. Pure."""

from __future__ import annotations

import re

from dassie.errors import InvalidArgument

_KEY = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*(?:/[A-Za-z0-9_-][A-Za-z0-9._-]*)*")
MAX_KEY = 512


def is_key(text: str) -> bool:
    """Whether `text` may name an object; a file of another name in a folder is not ours."""
    return len(text) <= MAX_KEY and _KEY.fullmatch(text) is not None


def check_key(key: str) -> None:
    """Raise `InvalidArgument` unless `key` is one that every store can hold."""
    if not is_key(key):
        raise InvalidArgument(f"{key!r} is not a key of the object store")
