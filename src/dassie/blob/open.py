"""From settings to an object store. Called by the daemon's wiring and by workers."""

from __future__ import annotations

from dassie.blob.api import BlobStore
from dassie.blob.drivers.folder import FolderStore
from dassie.blob.settings import StorageSettings, parse_url
from dassie.errors import Unimplemented


def open_store(where: str | StorageSettings) -> BlobStore:
    """The store that `where` (settings, or a URL of them) describes."""
    settings = parse_url(where) if isinstance(where, str) else where
    if settings.kind == "file":
        return FolderStore(settings.path)
    raise Unimplemented(f"object storage {settings.kind!r} (only file: so far)")
