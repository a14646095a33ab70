"""The delta of an input, over trees as storage really keeps them."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from hypothesis import given, settings

from dassie.base.glob import Glob
from dassie.blob.drivers.memory import MemoryStore
from dassie.pps.datums import datum_id
from dassie.pps.inputs import datums, delta
from dassie.pps.spec import PfsInput
from dassie.storage.lease import HeldSession
from dassie.storage.store import Storage
from dassie.storage.types import EMPTY_DIR, ChunkLocation, Dir, Entry, Put
from tests.pps.test_inputs import Files, content, content_of, input_of, inputs, rename, trees


class Index:
    """A chunk index in a dict."""

    def __init__(self) -> None:
        self._chunks: dict[bytes, ChunkLocation] = {}

    def find(self, hashes: list[bytes]) -> dict[bytes, ChunkLocation]:
        return {name: self._chunks[name] for name in hashes if name in self._chunks}

    def add_pack(self, key: str, size: int, entries: list[tuple[bytes, ChunkLocation]]) -> None:
        self._chunks.update(entries)


class Stored:
    """A `Lister` over trees in storage, by repo name."""

    def __init__(self, storage: Storage, commit: str, roots: Mapping[str, Dir]) -> None:
        self._storage = storage
        self._commit = commit
        self.roots = roots

    def commit(self, leaf: PfsInput) -> str:
        return self._commit

    def glob(self, leaf: PfsInput) -> Iterator[Entry]:
        return self._storage.tree.glob(self.roots[leaf.repo], Glob.parse(leaf.glob))

    def lookup(self, leaf: PfsInput, path: str) -> Entry | None:
        return self._storage.tree.lookup(self.roots[leaf.repo], path)


def store(storage: Storage, base: Dir, files: Files) -> Dir:
    with storage.session() as upload:
        edits = [Put(path, upload.put(data)) for path, data in files.items()]
        root = upload.edit(base, edits)
        upload.flush()
    return root


@settings(max_examples=100, deadline=None)
@given(inputs.map(lambda raw: rename(raw, "i")), trees, trees, trees, trees)
def test_delta_over_stored_trees(
    raw: dict[str, Any], r0: Files, r1: Files, s0: Files, s1: Files
) -> None:
    storage = Storage(MemoryStore(), Index(), HeldSession(1))
    try:
        before, after = (
            Stored(
                storage,
                commit,
                {"r": store(storage, EMPTY_DIR, r), "s": store(storage, EMPTY_DIR, s)},
            )
            for commit, r, s in (("old", r0, s0), ("new", r1, s1))
        )
        input_ = input_of(raw)

        def diff(leaf: PfsInput) -> Iterable[tuple[Entry | None, Entry | None]]:
            return storage.tree.diff(before.roots[leaf.repo], after.roots[leaf.repo])

        state = {datum_id(d): d for d in datums(input_, before)}
        for change in delta(input_, before, after, diff):
            assert content_of(change.old) == content_of(state.get(change.id))
            if change.new is None:
                del state[change.id]
            else:
                state[change.id] = change.new
        assert content(state) == content({datum_id(d): d for d in datums(input_, after)})
    finally:
        storage.close()
