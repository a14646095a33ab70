"""What a store says of a body it has taken: its MD5, in most stores. Pure.

Some stores do not look at the hash that a request is signed with, so a byte that changes on an
unencrypted way would be kept for ever. Drivers compare the ETag of the answer with this.
"""

from __future__ import annotations

import hashlib
import re

_DIGEST = re.compile(r"[0-9a-f]{32}(-[0-9]+)?")


def expected(body: bytes, part_bytes: int = 0) -> str:
    """The ETag of `body`, sent in parts of that size or (0) whole."""
    if not part_bytes:
        return _md5(body).hex()
    view = memoryview(body)
    parts = [_md5(view[at : at + part_bytes]) for at in range(0, len(body), part_bytes)]
    return f"{_md5(b''.join(parts)).hex()}-{len(parts)}"


def differs(told: str | None, body: bytes, part_bytes: int = 0) -> bool:
    """Whether the ETag `told` has the form of a digest, and is another body's."""
    said = (told or "").removeprefix("W/").strip('"').lower()
    return bool(_DIGEST.fullmatch(said)) and said != expected(body, part_bytes)


def _md5(data: bytes | memoryview) -> bytes:
    return hashlib.md5(data, usedforsecurity=False).digest()
