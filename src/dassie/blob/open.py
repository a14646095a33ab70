"""From a URL to an object store. Called by the daemon's wiring and by workers."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

from dassie.blob.api import BlobStore
from dassie.blob.folder import FolderStore
from dassie.errors import InvalidArgument, Unimplemented


def open_store(url: str) -> BlobStore:
    """The store that `url` names: `file:/path` or `file:///path`."""
    parts = urlsplit(url)
    if parts.scheme == "file":
        if parts.netloc not in {"", "localhost"} or not parts.path.startswith("/"):
            raise InvalidArgument(f"storage URL {url!r}: write file:///absolute/path")
        return FolderStore(unquote(parts.path))
    if parts.scheme in {"s3", "minio", "gs", "az", "azblob", "wasb", "memory"}:
        raise Unimplemented(f"object storage {parts.scheme!r} (only file: so far)")
    raise InvalidArgument(f"storage URL {url!r} has no known scheme (file:///path)")
