"""Storing contents and trees. `Storage.session()` makes an `Upload`; doors and workers use it.

An upload gathers chunks, asks the index which are new, packs those and stores the packs in the
background. What it returns (`Content`, `Dir`) may be put into a tree at once, but must not be made
reachable before `flush` and, inside that transaction, `publish`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future
from itertools import compress, islice
from typing import TYPE_CHECKING

from dassie.base.chunking import MAX_CHUNK_BYTES, MIN_CHUNK_BYTES
from dassie.base.hashing import Hasher, digest, digests
from dassie.blob.api import Buffer
from dassie.errors import InvalidArgument
from dassie.storage import chunklist, edit
from dassie.storage.chunks import ChunkReader
from dassie.storage.contents import PlainReader, chunks_of, read_content
from dassie.storage.errors import UnknownChunk
from dassie.storage.node import Node
from dassie.storage.nodes import NodeCache, NodeReader
from dassie.storage.packer import Packer, PackPool
from dassie.storage.trees import Trees
from dassie.storage.types import EMPTY, EMPTY_DIR, ChunkIndex, ChunkLocation, Content, Dir, Edit
from dassie.storage.warm import warm
from dassie.storage.writer import FileWriter

if TYPE_CHECKING:
    from dassie.meta.transaction import Tx

_KNOWN_LIMIT = 1 << 16


class Upload:
    """One stream of writes. Not thread-safe. Memory is bounded, whatever it stores."""

    def __init__(
        self,
        pool: PackPool,
        index: ChunkIndex,
        reader: ChunkReader,
        cache: NodeCache,
        session: int,
    ) -> None:
        self._index = index
        self._reader = reader
        self._cache = cache
        self._probe_chunks = pool.limits.probe_chunks
        self._probe_bytes = pool.limits.probe_bytes
        self._edit_batch = pool.limits.edit_batch
        self._pool = pool
        self._packer = Packer(pool)
        self._unprobed: dict[bytes, Buffer] = {}
        self._unprobed_bytes = 0
        self._unchecked: dict[bytes, int] = {}
        self._known: dict[bytes, int] = {}
        self._absent: set[bytes] = set()
        self._session = session
        self.reader = PlainReader(self.read_chunks)
        """Reads stored chunks, and those of this upload."""
        self.tree = Trees(NodeReader(self.read_chunks, cache))
        """Reads stored trees, and those of this upload."""
        self.new_bytes = 0
        """Plaintext bytes of chunks that were not stored before."""

    # -- contents

    def put(self, data: Buffer) -> Content:
        """Store a whole file that is in memory."""
        size = len(data)
        if size > MIN_CHUNK_BYTES:
            writer = FileWriter(self)
            writer.write(data)
            return writer.close()
        if not size:
            return EMPTY
        # From here on this is `take`, spelled out: it runs once for every small file there is.
        name = digest(data)
        gathered = self._unprobed
        if name not in gathered:
            gathered[name] = data if type(data) is bytes else bytes(data)
            self._unprobed_bytes += size
            if self._unprobed_bytes >= self._probe_bytes or len(gathered) >= self._probe_chunks:
                self._probe()
        return Content(name, size)

    def put_all(self, files: Sequence[bytes]) -> list[Content]:
        """`put` each; none of them may be empty or larger than `MIN_CHUNK_BYTES`."""
        names = digests(files)
        self.take_all(names, files)
        return [Content(name, len(data)) for name, data in zip(names, files, strict=True)]

    def writer(self) -> FileWriter:
        """Store a file piece by piece."""
        return FileWriter(self)

    def append(self, base: Content, parts: Iterable[Buffer]) -> Content:
        """The content `base` + `parts`. Reads all of `base`: a hash covers the whole."""
        if base.size <= MIN_CHUNK_BYTES:
            writer = FileWriter(self)
            for piece in read_content(self.reader, base, 0, None):
                writer.write(piece)
        else:
            # Cuts before the last chunk depend on nothing behind them: they stay.
            chunks = list(chunks_of(self.read_chunks, base))
            start = chunks[-1][0]
            writer = FileWriter(self, [(name, length) for _, name, length in chunks[:-1]])
            for piece in read_content(self.reader, base, 0, start):
                writer.pass_over(piece)
            for piece in read_content(self.reader, base, start, None):
                writer.write(piece)
        for part in parts:
            writer.write(part)
        return writer.close()

    # -- chunks cut elsewhere

    def missing(self, hashes: list[bytes]) -> list[bool]:
        """Which of these chunks would have to be sent."""
        here = self._packer.known(hashes)
        here.update(name for name in hashes if name in self._unprobed)
        found = self._index.find([name for name in hashes if name not in here])
        if len(self._known) + len(found) > _KNOWN_LIMIT:
            self._known.clear()
        self._known.update((name, place.length) for name, place in found.items())
        missing = [name not in found and name not in here for name in hashes]
        if len(self._absent) > _KNOWN_LIMIT:
            self._absent.clear()
        self._absent.update(compress(hashes, missing))
        return missing

    def add_chunk(self, hash: bytes, data: Buffer, *, verify: bool = True) -> None:  # noqa: A002
        """Take a chunk that the other side cut."""
        if not 0 < len(data) <= MAX_CHUNK_BYTES:
            raise InvalidArgument(f"a chunk has 1 to {MAX_CHUNK_BYTES} bytes, not {len(data)}")
        if verify and digest(data) != hash:
            raise InvalidArgument(f"chunk {hash.hex()}: its bytes do not match its hash")
        self.take(hash, data if type(data) is bytes else bytes(data))

    def assemble(self, hash: bytes, chunks: list[tuple[bytes, int]]) -> Content:  # noqa: A002
        """A content from chunks that were added, or that `missing` said are stored.

        Raises `UnknownChunk`, here or at the latest in `flush`, for one that is neither. The hash
        of a content of several chunks is the sender's word; every full read checks it.
        """
        for name, length in chunks:
            self._expect(name, length)
        if len(chunks) > 1:
            return Content(hash, sum(n for _, n in chunks), chunklist.store(chunks, self.take))
        name, size = chunks[0] if chunks else (EMPTY.hash, 0)
        if name != hash:
            raise InvalidArgument(f"content {hash.hex()}: its only chunk is {name.hex()}")
        return Content(hash, size)

    # -- trees

    def edit(self, root: Dir, edits: Iterable[Edit]) -> Dir:
        """The tree `root` after `edits`, in their order; see `storage.edit` for what that means.

        An endless stream of edits is applied in batches; only then is a contradiction that a later
        batch would resolve an error.
        """
        stream = iter(edits)
        nodes = _NodeStore(self, self._cache)
        while batch := list(islice(stream, self._edit_batch)):
            root = edit.apply(nodes, root, batch)
        return root if root.ref is not None else EMPTY_DIR

    def put_files(self, root: Dir, files: Mapping[str, Content]) -> Dir:
        """The tree `root` with these files; as `edit` with a `Put` of each, for less."""
        nodes = _NodeStore(self, self._cache)
        paths = sorted(files)
        for start in range(0, len(paths), self._edit_batch):
            batch = paths[start : start + self._edit_batch]
            root = edit.put_files(nodes, root, batch, [files[path] for path in batch])
        return root if root.ref is not None else EMPTY_DIR

    # -- making it durable and reachable

    def flush(self) -> None:
        """Everything so far is durable and indexed when this returns."""
        self._probe()
        self._check_expected()
        self._packer.flush()

    def publish(self, tx: Tx) -> None:
        """In the transaction that makes the result reachable; raises `Aborted` when it is too late.

        Everything must have been flushed.
        """
        if self._unprobed or self._unchecked or not self._packer.is_flushed:
            raise AssertionError("an upload is published before it was flushed")
        # Not at the top: workers upload too, and have no database.
        from dassie.storage.sessions import check

        check(tx, self._session)

    def close(self) -> None:
        """Give up memory; what was not flushed is lost."""
        self._unprobed, self._unprobed_bytes = {}, 0
        self._packer.close()

    # -- used by the writer of files and of nodes

    def hash_later(self, whole: Hasher, data: Buffer) -> Future[object]:
        """Go on with a hash in another thread."""
        return self._pool.hash_later(whole, data)

    def take(self, name: bytes, data: Buffer) -> None:
        """Keep a chunk whose name is right and whose bytes will not change."""
        if name in self._unprobed:
            return
        self._unprobed[name] = data
        self._unprobed_bytes += len(data)
        if self._unprobed_bytes >= self._probe_bytes or len(self._unprobed) >= self._probe_chunks:
            self._probe()

    def take_all(self, names: Sequence[bytes], chunks: Sequence[Buffer]) -> None:
        """`take` each."""
        self._unprobed.update(zip(names, chunks, strict=True))
        # What comes twice counts twice: then the index is asked a little earlier.
        self._unprobed_bytes += sum(map(len, chunks))
        if self._unprobed_bytes >= self._probe_bytes or len(self._unprobed) >= self._probe_chunks:
            self._probe()

    def read_chunks(self, names: list[bytes]) -> list[bytes]:
        """Chunks by name, also those of this upload that are not stored or not recorded yet."""
        here: dict[bytes, bytes] = {}
        placed: list[tuple[bytes, ChunkLocation]] = []
        rest: list[bytes] = []
        for name in dict.fromkeys(names):
            if (data := self._pending(name)) is not None:
                here[name] = bytes(data)
            elif (place := self._packer.place(name)) is not None:
                placed.append((name, place))
            else:
                rest.append(name)
        if not here and not placed:
            return self._reader.read(names)
        here.update(self._reader.read_placed(placed))
        here.update(zip(rest, self._reader.read(rest), strict=True))
        return [here[name] for name in names]

    def _pending(self, name: bytes) -> Buffer | None:
        data = self._unprobed.get(name)
        return data if data is not None else self._packer.get(name)

    def _probe(self) -> None:
        """Ask the index about the gathered chunks; pass the new ones on to be packed."""
        gathered = self._unprobed
        if not gathered:
            return
        self._unprobed, self._unprobed_bytes = {}, 0
        for name in self._packer.known(gathered):
            del gathered[name]
        # What `missing` did not find a moment ago needs no second look; should somebody else have
        # stored it since, it lies in two packs, and the index names one.
        for name in self._index.find([name for name in gathered if name not in self._absent]):
            del gathered[name]
        self._absent.difference_update(gathered)
        if gathered:
            self.new_bytes += self._packer.add(gathered)

    def _expect(self, name: bytes, length: int) -> None:
        have = self._length(name)
        if have is None:
            self._unchecked[name] = length
            if len(self._unchecked) >= self._probe_chunks:
                self._check_expected()
        elif have != length:
            raise _wrong_length(name, have, length)

    def _length(self, name: bytes) -> int | None:
        """Length of a chunk of this upload, or of one that `missing` found."""
        if (data := self._pending(name)) is not None:
            return len(data)
        if (place := self._packer.place(name)) is not None:
            return place.length
        return self._known.get(name)

    def _check_expected(self) -> None:
        unchecked, self._unchecked = self._unchecked, {}
        stored = self._index.find(list(unchecked)) if unchecked else {}
        for name, length in unchecked.items():
            place = stored.get(name)
            have = place.length if place is not None else self._length(name)
            if have is None:
                raise UnknownChunk(name)
            if have != length:
                raise _wrong_length(name, have, length)


def _wrong_length(name: bytes, have: int, length: int) -> InvalidArgument:
    return InvalidArgument(f"chunk {name.hex()} has {have} bytes, not {length}")


class _NodeStore(NodeReader):
    """Nodes for editing: reads through the upload, and stores new ones in it."""

    def __init__(self, upload: Upload, cache: NodeCache) -> None:
        super().__init__(upload.read_chunks, cache)
        self._upload = upload

    def put(self, ref: bytes, node: Node, data: bytes) -> None:
        self._upload.take(ref, data)
        self._cache.add(ref, node)

    def warm(self, root: Dir, paths: Sequence[str]) -> None:
        warm(self, root, paths)
