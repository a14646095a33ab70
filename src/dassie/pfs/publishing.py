"""From a finished write stream to a commit's content: the end of every write. Used by `files`.

The edits are applied to the content that is current, everything is flushed, and one transaction
swaps the root, or starts and finishes a commit. When another stream was faster, the edits are
applied again to what it has left, so that both survive.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import sqlalchemy as sa

from dassie.base.ids import is_commit_set_id
from dassie.errors import Aborted, InvalidArgument
from dassie.meta.transaction import Tx
from dassie.pfs import commits, history, refs, rows
from dassie.pfs.applying import apply
from dassie.pfs.errors import BranchNotFound, CommitFinished, OutputBranch
from dassie.pfs.graph import Graph, GraphTx
from dassie.pfs.model import FILESETS, BranchKey, CommitKey, CommitRef, RepoKey
from dassie.pfs.modification import Modification
from dassie.pfs.tables import branch_provenance, commit_provenance
from dassie.storage.store import Storage
from dassie.storage.types import EMPTY_DIR, Dir

_ATTEMPTS = 25
_IS_OUTPUT_BRANCH = sa.select(
    sa.exists().where(branch_provenance.c.downstream == sa.bindparam("branch"))
)
_IS_OUTPUT_COMMIT = sa.select(
    sa.exists().where(commit_provenance.c.downstream == sa.bindparam("seq"))
)


@dataclass(frozen=True, slots=True)
class Destination:
    """Where edits go: into the open commit, or, without one, into a new commit on the branch.

    head: commit whose content `root` is, in the latter case; the branch may be new.
    """

    branch: BranchKey
    commit: CommitKey | None
    head: CommitKey | None
    root: Dir


class Overtaken(Aborted):
    """Another stream changed the destination first."""


class Publisher:
    """Thread-safe. Streams into one repo take turns here, so that few have to start over; those of
    other processes are noticed in the transaction."""

    def __init__(self, graph: Graph, storage: Storage) -> None:
        self._graph = graph
        self._storage = storage
        self._turns = Turns()

    def check(
        self, target: CommitRef, expected_root_hash: bytes = b"", *, open_only: bool = False
    ) -> None:
        """Raise now what would be raised at the end, before data is moved for nothing."""
        with self._graph.snapshot() as tx:
            found = destination(tx, target)
        _check_expected(found, expected_root_hash)
        if open_only and found.commit is None:
            if found.head is None:
                raise BranchNotFound(found.branch)
            raise CommitFinished(found.head)

    def publish(
        self, target: CommitRef, modification: Modification, expected_root_hash: bytes = b""
    ) -> None:
        """Make the edits the content of `target`."""
        with self._turns.of(target.repo):
            for attempt in range(_ATTEMPTS):
                with self._graph.snapshot() as tx:
                    seen = destination(tx, target)
                _check_expected(seen, expected_root_hash)
                try:
                    self._publish(target, seen, modification)
                    return
                except Overtaken:
                    if attempt == _ATTEMPTS - 1:
                        raise

    def _publish(self, target: CommitRef, seen: Destination, modification: Modification) -> None:
        upload = modification.upload
        root = apply(modification.edits, seen.root, upload)
        upload.flush()
        with self._graph.transaction() as gtx:
            if destination(gtx.tx, target) != seen:
                raise Overtaken(f"{refs.spell(target)} was changed by others again and again")
            commit = _write(gtx, seen, root)
            upload.publish(gtx.tx)
        modification.commit, modification.root = commit, root


def _write(gtx: GraphTx, seen: Destination, root: Dir) -> CommitKey:
    if seen.commit is not None:
        commits.set_root(gtx, seen.commit, root, seen.root)
        return seen.commit
    key = commits.start(gtx, seen.branch)
    return commits.finish(gtx, CommitRef(key.repo, id=key.id), root=root)


def _check_expected(seen: Destination, expected_root_hash: bytes) -> None:
    if expected_root_hash and expected_root_hash != seen.root.hash:
        raise Aborted(
            f"the content of {seen.branch} is not what the client expected: compare again"
        )


def destination(tx: Tx, target: CommitRef) -> Destination:
    """Where edits of `target` go now; raises when they may not go there."""
    if target.repo.name == FILESETS:
        raise InvalidArgument("a file set cannot be changed: compose a new one")
    wanted = target.id or target.branch
    if not wanted:
        rows.require_repo(tx, target.repo)
        raise InvalidArgument(f"write to which branch or commit of repo {target.repo}?")
    name = refs.parse_ancestry(wanted).name
    if is_commit_set_id(name) or name != wanted:
        return _of_commit(tx, target)
    return _of_branch(tx, BranchKey(target.repo, wanted))


def _of_commit(tx: Tx, target: CommitRef) -> Destination:
    row = history.locate(tx, target)
    key = rows.commit_key(row)
    if row.finishing_us is not None:
        raise CommitFinished(key)
    branch = BranchKey(key.repo, row.branch)
    if tx.execute(_IS_OUTPUT_COMMIT, {"seq": row.seq}).scalar():
        raise OutputBranch(branch)
    return Destination(branch, key, None, history.content(tx, row))


def _of_branch(tx: Tx, key: BranchKey) -> Destination:
    place = rows.find_branch(tx, key)
    if place.id is None:
        refs.check_branch_name(key.name)
        return Destination(key, None, None, EMPTY_DIR)
    if tx.execute(_IS_OUTPUT_BRANCH, {"branch": place.id}).scalar():
        raise OutputBranch(key)
    head = CommitKey(key.repo, place.head_set)
    if place.head_finishing_us is None:
        root = history.content(tx, rows.commit_at(tx, place.head))
        return Destination(key, head, None, root)
    return Destination(key, None, head, history.base_content(tx, head, place.head))


class Turns:
    """One lock per repo, kept only while somebody wants it."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._locks: dict[RepoKey, tuple[threading.Lock, int]] = {}

    @contextmanager
    def of(self, repo: RepoKey) -> Iterator[None]:
        with self._guard:
            lock, users = self._locks.get(repo, (threading.Lock(), 0))
            self._locks[repo] = (lock, users + 1)
        try:
            with lock:
                yield
        finally:
            with self._guard:
                lock, users = self._locks.pop(repo)
                if users > 1:
                    self._locks[repo] = (lock, users - 1)
