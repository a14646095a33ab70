"""Failures of storage that callers treat specially."""

from __future__ import annotations

from dassie.errors import DataLoss, FailedPrecondition, InvalidArgument
from dassie.storage.types import Content

COLLISION = "file / directory path collision"
DUPLICATE = "duplicate path output by different datums"


class PathConflict(FailedPrecondition):
    """Edits contradict each other or the tree: two writers of one path, or a file that is also a
    directory."""

    def __init__(self, path: str, what: str) -> None:
        super().__init__(f"{what} ({path})")
        self.path = path
        self.what = what


class Damage(DataLoss):
    """Bytes are lost. `content`: whose, as far as that is known where it is raised."""

    content: Content | None = None


class CorruptChunk(Damage):
    """Stored bytes do not have the hash they are stored under."""

    def __init__(
        self, chunk: bytes, pack: str, what: str = "its bytes do not match its hash"
    ) -> None:
        super().__init__(f"chunk {chunk.hex()} in pack {pack!r} is damaged: {what}")
        self.chunk = chunk
        self.pack = pack


class WrongContent(Damage):
    """Every chunk is as it was stored, but together they are not what they are said to be."""

    def __init__(self, content: Content) -> None:
        super().__init__(
            f"content {content.hash.hex()}: its chunks are as they were stored, but together they "
            "are not what its hash says"
        )
        self.content = content


class MissingChunk(Damage):
    """A chunk that something refers to is not stored."""

    def __init__(self, chunk: bytes, what: str = "it is in no pack") -> None:
        super().__init__(f"chunk {chunk.hex()} is missing: {what}")
        self.chunk = chunk


class CorruptPack(DataLoss):
    """A pack's footer cannot be read."""

    def __init__(self, pack: str, what: str) -> None:
        super().__init__(f"pack {pack!r} is damaged: {what}")
        self.pack = pack


class UnknownChunk(InvalidArgument):
    """A client names a chunk that it has not sent and that is not stored."""

    def __init__(self, chunk: bytes) -> None:
        super().__init__(f"chunk {chunk.hex()} is neither stored nor part of this upload")
        self.chunk = chunk
