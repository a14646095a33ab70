"""Identifiers of commit sets, sessions, file sets: 32 hex digits of a random (version 4) UUID.

A branch name may not look like one: `repo@x` must say whether `x` is a branch or a commit.
"""

from __future__ import annotations

import re
import uuid

_COMMIT_SET_ID = re.compile(r"[0-9a-f]{12}4[0-9a-f]{19}")


def new_id() -> str:
    """A fresh random id."""
    return uuid.uuid4().hex


def is_commit_set_id(text: str) -> bool:
    """Whether `text` has the form of an id: 32 hex digits, the 13th of them the version, 4."""
    return _COMMIT_SET_ID.fullmatch(text) is not None
