"""A graph transaction: what it has changed so far, and the row writes that every change comes to.

`Graph.transaction` makes one; the modules of the nouns write through it, so that one place keeps
the commit set's id, knows what must propagate, and notifies.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from dassie.base.clock import to_micros
from dassie.base.ids import new_id
from dassie.meta.transaction import Tx
from dassie.pfs import tables
from dassie.pfs.errors import InconsistentCommit
from dassie.pfs.model import BranchKey, CommitKey, Origin
from dassie.storage.types import Dir

_TAKEN = sa.select(tables.commits.c.seq).where(
    tables.commits.c.set_id == sa.bindparam("set_id"),
    tables.commits.c.repo_id.in_(sa.bindparam("repo_ids", expanding=True)),
)

FinishHook = Callable[["GraphTx", CommitKey], None]
"""Called when a commit has been finished, inside the transaction."""


@dataclass(frozen=True, slots=True)
class NewCommit:
    """A commit to be made on a branch."""

    repo_id: int
    branch: BranchKey
    parent: int | None
    """Its number."""
    origin: Origin
    provenance: tuple[int, ...] = ()
    """Numbers of the commits it depends on; `earlier(place)` for one of the same batch."""
    root: Dir | None = None
    description: str = ""
    finished: bool = False


def earlier(place: int) -> int:
    """Stands for the number, not known yet, of the commit at `place` in the same batch."""
    return -1 - place


class GraphTx:
    """An open write transaction on the version graph."""

    def __init__(self, tx: Tx, user: str = "", finish_hooks: Sequence[FinishHook] = ()) -> None:
        self.tx = tx
        self._finish_hooks = finish_hooks
        self.user = user
        self.now_us = to_micros(tx.now)
        self.changed_branches: set[int] = set()
        """Numbers of branches whose head or provenance changed since the last propagation."""
        self.rewired_branches: set[int] = set()
        """Numbers of branches that have another provenance since then, and not none."""
        self.bare_heads: set[int] = set()
        """Numbers of commits that get their provenance at the end of the transaction."""
        self.new_commits: list[CommitKey] = []
        """Commits made so far."""
        self.durable = False
        """Whether the journal must hold this before the caller hears of success."""
        self._set_id = ""
        self._preferred = ""
        self._made: dict[int, CommitKey] = {}

    @property
    def commit_set_id(self) -> str:
        """The id that every commit of this transaction carries."""
        if not self._set_id:
            self._set_id = new_id()
        return self._set_id

    @property
    def set_id_if_any(self) -> str:
        """The id, if something carries it already; else empty."""
        return self._set_id

    def prefer_commit_set(self, set_id: str) -> None:
        """Let propagation go on with an existing commit set, if it can: see `settle_commit_set`."""
        self._preferred = set_id

    def settle_commit_set(self, repo_ids: Collection[int]) -> None:
        """Before commits are made in these repos: take the preferred set unless one of the repos
        has a commit in it already, or this transaction has an id."""
        set_id, self._preferred = self._preferred, ""
        if not set_id or self._set_id:
            return
        taken = self.tx.execute(_TAKEN, {"set_id": set_id, "repo_ids": list(repo_ids)}).first()
        if taken is None:
            self._set_id = set_id

    def add_commits(self, commits: Sequence[NewCommit]) -> list[int]:
        """Make commits, upstream before downstream; returns their numbers."""
        if not commits:
            return []
        first = self.tx.next_id(tables.COMMIT_SEQ, len(commits))
        numbers = list(range(first, first + len(commits)))
        rows = []
        for seq, new in zip(numbers, commits, strict=True):
            existing = self._made.get(new.repo_id)
            if existing is not None:
                raise InconsistentCommit(new.branch, existing)
            key = CommitKey(new.branch.repo, self.commit_set_id)
            self._made[new.repo_id] = key
            self.new_commits.append(key)
            rows.append(self._commit_row(seq, new))
        self.tx.insert_many(tables.commits, rows)
        edges = [
            {"downstream": seq, "upstream": numbers[-1 - upstream] if upstream < 0 else upstream}
            for seq, new in zip(numbers, commits, strict=True)
            for upstream in new.provenance
        ]
        self.tx.insert_many(tables.commit_provenance, edges)
        self.tx.notify("commits")
        return numbers

    def _commit_row(self, seq: int, new: NewCommit) -> dict[str, object]:
        done = self.now_us if new.finished else None
        return {
            "seq": seq,
            "repo_id": new.repo_id,
            "set_id": self.commit_set_id,
            "branch": new.branch.name,
            "origin": int(new.origin),
            "description": new.description,
            "parent": new.parent,
            "started_us": self.now_us,
            "finishing_us": done,
            "finished_us": done,
            "error": "",
            **tree_columns(new.root),
            "created_by": self.user,
            "metadata": "{}",
        }

    def add_branch(self, repo_id: int, name: str, head: int) -> int:
        """Make a branch; returns its number."""
        number = self.tx.next_id(tables.BRANCH_ID)
        row = {
            "id": number,
            "repo_id": repo_id,
            "name": name,
            "head": head,
            "created_us": self.now_us,
            "updated_us": self.now_us,
            "created_by": self.user,
            "metadata": "{}",
        }
        self.tx.insert(tables.branches, row)
        self.changed_branches.add(number)
        self.tx.notify("branches")
        return number

    def move_heads(self, heads: Sequence[tuple[int, int]]) -> None:
        """Let branches (by number) have other heads; propagation follows by itself."""
        if not heads:
            return
        self.tx.update_many(
            tables.branches,
            ("id",),
            [{"id": branch, "head": head, "updated_us": self.now_us} for branch, head in heads],
        )
        self.changed_branches.update(branch for branch, _ in heads)
        self.tx.notify("branches")

    def finished(self, commit: CommitKey) -> None:
        """A commit was finished: it must not be lost, and others may care."""
        self.durable = True
        for hook in self._finish_hooks:
            hook(self, commit)

    def take_changed(self) -> tuple[set[int], set[int]]:
        """The changed and the rewired branches, which are then forgotten."""
        taken = self.changed_branches, self.rewired_branches
        self.changed_branches, self.rewired_branches = set(), set()
        return taken


def tree_columns(root: Dir | None) -> dict[str, object]:
    """A `Dir` as columns."""
    if root is None:
        return {"root_hash": None, "root_ref": None, "root_size": None, "root_files": None}
    return {
        "root_hash": root.hash,
        "root_ref": root.ref,
        "root_size": root.size,
        "root_files": root.files,
    }
