"""Absolute paths inside a repository: one canonical spelling. Pure. Everybody uses it.

A canonical path starts with `/` and does not end with it, except the root, which is `/`. Whether a
path is a file or a directory is not a matter of spelling here; listings append `/` to directories.
"""

from __future__ import annotations

from dassie.errors import InvalidArgument

MAX_ELEMENTS = 500
MAX_BYTES = 1 << 16
"""Far more than any file system takes; a listing has to fit into messages."""
_SHOWN = 200


def clean(path: str) -> str:
    """The canonical spelling of `path`; `""`, `"."` and `"/"` are the root.

    One trailing slash is dropped. Raises `InvalidArgument` for what cannot be a path.
    """
    if path in {"", ".", "/"}:
        return "/"
    if "\0" in path:
        raise InvalidArgument(f"NUL is not allowed in path {path!r}")
    try:
        size = len(path.encode())
    except UnicodeEncodeError:
        raise InvalidArgument(
            f"bytes that are not UTF-8 are not allowed in path {path!r}"
        ) from None
    if size > MAX_BYTES:
        start = f"{path[:_SHOWN]!r}…"
        raise InvalidArgument(f"more than {MAX_BYTES} bytes are not allowed in path {start}")
    body = path.removeprefix("/").removesuffix("/")
    if body.count("/") >= MAX_ELEMENTS:
        raise InvalidArgument(f"more than {MAX_ELEMENTS} elements are not allowed in path {path!r}")
    for element in body.split("/"):
        if element in {"", ".", ".."}:
            what = "an empty element" if not element else f"element {element!r}"
            raise InvalidArgument(f"{what} is not allowed in path {path!r}")
    return "/" + body


def split(path: str) -> list[str]:
    """Elements of a canonical path; the root has none."""
    return path[1:].split("/") if path != "/" else []


def join(*parts: str) -> str:
    """The canonical path made of the elements of all parts (each a path or an element)."""
    return clean("/".join(stripped for part in parts if (stripped := part.strip("/"))))


def parent(path: str) -> str:
    """Directory that holds a canonical path; the root is its own parent."""
    return path.rpartition("/")[0] or "/"


def basename(path: str) -> str:
    """Last element of a canonical path; empty for the root."""
    return path.rpartition("/")[2]
