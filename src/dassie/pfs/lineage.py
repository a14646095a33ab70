"""Walking from commit to commit: along provenance, and back through a path's history. Reads only.

Called by doors. Every step is one small read, so that a long walk holds no transaction.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from dassie.base.paths import clean
from dassie.errors import Unavailable
from dassie.meta.transaction import Tx
from dassie.pfs import commits
from dassie.pfs.files import Files
from dassie.pfs.model import CommitInfo, CommitKey, CommitRef, CommitState


def walk(
    tx: Tx,
    starts: Sequence[CommitRef],
    step: Callable[[CommitInfo], Sequence[CommitKey]],
    *,
    limit: int = 0,
    max_depth: int = 0,
) -> Iterator[CommitInfo]:
    """What `step` leads to from `starts`, nearest first, each commit once; 0: without limit."""
    first = [commits.inspect(tx, ref) for ref in starts]
    seen = {info.key for info in first}
    waiting = deque((info, 0) for info in first)
    found = 0
    while waiting:
        info, depth = waiting.popleft()
        if max_depth and depth >= max_depth:
            continue
        for key in step(info):
            if key in seen:
                continue
            seen.add(key)
            reached = commits.inspect(tx, CommitRef(key.repo, id=key.id))
            yield reached
            found += 1
            if found == limit:
                return
            waiting.append((reached, depth + 1))


def provenance(info: CommitInfo) -> Sequence[CommitKey]:
    return info.direct_provenance


def subvenance(info: CommitInfo) -> Sequence[CommitKey]:
    return info.direct_subvenance


@dataclass(frozen=True, slots=True)
class Searched:
    """One commit of a search. `changed`: whether the path there is not what it is in the parent."""

    commit: CommitKey
    changed: bool


def changes(files: Files, start: CommitRef, path: str) -> Iterator[Searched]:
    """`start` and its ancestors, newest first. Raises `Unavailable` at an unfinished commit."""
    wanted = clean(path)
    ref: CommitRef | None = start
    while ref is not None:
        with files.graph.snapshot() as tx:
            info = commits.inspect(tx, ref)
        if info.state < CommitState.FINISHED:
            raise Unavailable(f"commit {info.key} not finished")
        ref = CommitRef(info.parent.repo, id=info.parent.id) if info.parent else None
        here = _hash(files, CommitRef(info.key.repo, id=info.key.id), wanted)
        before = _hash(files, ref, wanted) if ref else None
        yield Searched(info.key, here != before)


def _hash(files: Files, ref: CommitRef, path: str) -> bytes | None:
    entry = files.storage.tree.lookup(files.view(ref).root, path)
    return entry.hash if entry is not None else None
