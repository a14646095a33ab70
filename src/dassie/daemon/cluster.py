"""Which server a bucket belongs to: the marker object, and the claim at start. Called by `wiring`.

Two servers that write under one prefix would collect each other's packs as garbage. So the
first start leaves the object `cluster` there, and every start compares it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from dassie.base.ids import new_id
from dassie.blob.api import BlobNotFound, BlobStore
from dassie.errors import DataLoss, FailedPrecondition

MARKER: Final = "cluster"
FORMAT: Final = 1
FILE: Final = "cluster-id"


def content(cluster_id: str) -> bytes:
    """The marker's bytes: the same for the same server, so that writing it again is harmless."""
    return json.dumps({"cluster_id": cluster_id, "format": FORMAT}, sort_keys=True).encode()


def owner(blob: BlobStore) -> str:
    """The id in the marker; empty when there is none."""
    try:
        data = blob.get(MARKER)
    except BlobNotFound:
        return ""
    try:
        value = json.loads(data)
        found, written = str(value["cluster_id"]), value["format"]
    except (ValueError, TypeError, KeyError):
        raise DataLoss(
            f"object {MARKER!r} in the object store is not a cluster's marker, or damaged: if the"
            " store is this server's and nobody else's, remove it, and it is written anew"
        ) from None
    if written != FORMAT:
        raise FailedPrecondition(
            f"the object store is of a newer version of Dassie (format {written}, not {FORMAT})"
        )
    return found


def claim(blob: BlobStore, folder: Path, *, location: str, adopt: bool, has_past: bool) -> str:
    """The id of this server, which the store belongs to from now on if it did not before.

    `folder`: the data folder. `adopt`: a store of another server may be taken over.
    `has_past`: the database is in use, so that it cannot become another server's.
    """
    own, found = _own(folder), owner(blob)
    if not found:
        own = own or new_id()
        _keep(folder, own)
        blob.put(MARKER, [content(own)])
        verify(blob, own, location)
        return own
    if found == own:
        return own
    if not adopt:
        raise FailedPrecondition(_foreign(found, own, location))
    if own and has_past:
        raise FailedPrecondition(
            f"{location} belongs to Dassie cluster {found}, the data folder {folder} to {own}: "
            "to take the first over, start with an empty --data folder (and database); "
            f"if only {FILE} in the folder is damaged, remove that and start with --adopt"
        )
    _keep(folder, found)
    return found


def verify(blob: BlobStore, own: str, location: str) -> None:
    """Raise `FailedPrecondition` when the store is another server's by now."""
    found = owner(blob)
    if found != own:
        raise FailedPrecondition(
            _foreign(found, own, location)
            if found
            else f"{location} has lost its object {MARKER!r}: was the bucket emptied or replaced?"
        )


def _foreign(found: str, own: str, location: str) -> str:
    ours = f"this server is {own}" if own else "this server is new"
    return (
        f"{location} is used by another Dassie cluster, {found} ({ours}): choose another prefix "
        f"or bucket, or, when that server is gone for good, take its data over with --adopt"
    )


def _own(folder: Path) -> str:
    """Empty when there is none."""
    path = folder / FILE
    try:
        text = path.read_text(encoding="ascii").strip()
        int(text or "0", 16)
    except FileNotFoundError:
        return ""
    except ValueError:
        raise DataLoss(
            f"{path} is damaged: remove it and start with --adopt, which takes the store's id"
        ) from None
    return text


def _keep(folder: Path, cluster_id: str) -> None:
    (folder / FILE).write_text(cluster_id, encoding="ascii")
