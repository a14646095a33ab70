"""The version graph as dicts, the obvious way: what `dassie.pfs` must agree with.

Nothing here is shared with the implementation but the records of `model`. Each operation says which
errors are right (`wrong_…`), and what it does to the dicts when none is.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from dassie.pfs import errors
from dassie.pfs.model import BranchKey, CommitKey, Origin, RepoKey
from dassie.storage.types import EMPTY_DIR, Dir

Errors = set[type[Exception]]


@dataclass
class Commit:
    branch: str
    parent: CommitKey | None
    origin: Origin
    root: Dir | None
    finished: bool = False
    error: str = ""
    provenance: set[CommitKey] = field(default_factory=set)


@dataclass
class Branch:
    head: CommitKey
    provenance: dict[BranchKey, bool] = field(default_factory=dict)
    """Upstream branch → never propagate."""


@dataclass
class Model:
    repos: set[RepoKey] = field(default_factory=set)
    branches: dict[BranchKey, Branch] = field(default_factory=dict)
    commits: dict[CommitKey, Commit] = field(default_factory=dict)
    """In the order they were made."""
    set_id: str = ""
    """Of the operation that is applied."""

    # -- questions ---------------------------------------------------------------------------------

    def upstream(self, branch: BranchKey) -> set[BranchKey]:
        found: set[BranchKey] = set()
        for up in self.branches[branch].provenance:
            found |= {up} | self.upstream(up)
        return found

    def downstream(self, branch: BranchKey) -> set[BranchKey]:
        return {b for b in self.branches if branch in self.upstream(b)}

    def dependents(self, branches: Iterable[BranchKey]) -> set[BranchKey]:
        wanted = set(branches)
        return {key for key, b in self.branches.items() if wanted & set(b.provenance)}

    def of_repo(self, repo: RepoKey) -> list[BranchKey]:
        return [branch for branch in self.branches if branch.repo == repo]

    def children(self, key: CommitKey) -> set[CommitKey]:
        return {child for child, commit in self.commits.items() if commit.parent == key}

    def is_open(self, key: CommitKey) -> bool:
        return not self.commits[key].finished

    def base(self, key: CommitKey | None) -> Dir | None:
        """Content of the nearest commit without an error; `None`: it is not finished."""
        while key is not None and self.commits[key].error:
            key = self.commits[key].parent
        if key is None:
            return EMPTY_DIR
        return None if self.is_open(key) else self.commits[key].root

    def content(self, key: CommitKey) -> Dir | None:
        commit = self.commits[key]
        return self.base(commit.parent) if commit.root is None else commit.root

    # -- operations --------------------------------------------------------------------------------

    def wrong_start(self, branch: BranchKey) -> Errors:
        if branch.repo not in self.repos:
            return {errors.RepoNotFound}
        known = self.branches.get(branch)
        if known is None:
            return set()
        if known.provenance:
            return {errors.OutputBranch}
        if self.is_open(known.head):
            return {errors.ParentNotFinished}
        # A head that ended with an error may stand on one that is still open.
        return set() if self.base(known.head) is not None else {errors.BaseCommitNotFinished}

    def start(self, branch: BranchKey) -> None:
        known = self.branches.get(branch)
        parent = known.head if known else None
        key = self._commit(branch, parent, Origin.USER, self.base(parent))
        self._point(branch, key)
        self._propagate({branch})

    def wrong_finish(self, key: CommitKey, root: Dir | None, error: str) -> Errors:
        commit = self.commits[key]
        if commit.finished:
            return {errors.CommitFinished}
        if root is None and not error and self.content(key) is None:
            return {errors.BaseCommitNotFinished}
        return set()

    def finish(self, key: CommitKey, root: Dir | None, error: str) -> None:
        commit = self.commits[key]
        if root is not None:
            commit.root = root
        elif not error:
            commit.root = self.content(key)
        commit.finished, commit.error = True, error

    def wrong_branch(
        self, key: BranchKey, provenance: dict[BranchKey, bool] | None, head: CommitKey | None
    ) -> Errors:
        found: Errors = set()
        named = [key, *(provenance or ())]
        if any(branch.repo not in self.repos for branch in named):
            found.add(errors.RepoNotFound)
        if provenance and any(up.repo == key.repo for up in provenance):
            found.add(errors.OwnProvenance)
        if head is not None and head.repo != key.repo:
            found.add(errors.BranchHeadForeign)
        missing = [up.repo for up in provenance or () if up not in self.branches]
        if len(set(missing)) < len(missing):
            found.add(errors.InconsistentCommit)
        return found or self._wrong_dag(key, provenance)

    def _wrong_dag(self, key: BranchKey, provenance: dict[BranchKey, bool] | None) -> Errors:
        if provenance is None:
            return set()
        nodes = {branch: set(b.provenance) for branch, b in self.branches.items()}
        for up in provenance:
            nodes.setdefault(up, set())
        nodes[key] = set(provenance)
        above = {branch: _reach(nodes, branch) for branch in nodes}
        if any(branch in above[branch] for branch in nodes):
            return {errors.ProvenanceCycle}
        for branch in nodes:
            around = above[branch] | {b for b in nodes if branch in above[b]} | {branch}
            if len({b.repo for b in around}) < len(around):
                return {errors.BranchesOfOneRepo}
        return set()

    def create_branch(
        self, key: BranchKey, provenance: dict[BranchKey, bool] | None, head: CommitKey | None
    ) -> None:
        for up in provenance or ():
            if up not in self.branches:
                self._start_empty(up)
        changed = set()
        if head is not None and (key not in self.branches or self.branches[key].head != head):
            self._point(key, head)
            changed.add(key)
        bare = key not in self.branches
        if bare and provenance:
            self._point(key, self._commit(key, None, Origin.AUTO, None))
        elif bare:
            self._start_empty(key)
        rewired = set()
        if provenance is not None and provenance != self.branches[key].provenance:
            self.branches[key].provenance = dict(provenance)
            rewired = {key} if provenance else set()
        if bare and provenance:
            made = self.commits[self.branches[key].head]
            made.provenance = {self.branches[up].head for up in provenance}
            rewired = set()
        self._propagate(changed, rewired)

    def wrong_delete_branch(self, key: BranchKey, *, force: bool) -> Errors:
        if key.repo not in self.repos:
            return {errors.RepoNotFound}
        if key not in self.branches:
            return {errors.BranchNotFound}
        return {errors.BranchInProvenance} if self.dependents([key]) and not force else set()

    def delete_branch(self, key: BranchKey) -> None:
        del self.branches[key]
        for branch in self.branches.values():
            branch.provenance.pop(key, None)

    def wrong_delete_repo(self, repo: RepoKey, *, force: bool) -> Errors:
        outside = {b for b in self.dependents(self.of_repo(repo)) if b.repo != repo}
        return {errors.BranchInProvenance} if outside and not force else set()

    def delete_repo(self, repo: RepoKey) -> None:
        for branch in self.of_repo(repo):
            self.delete_branch(branch)
        self.commits = {key: c for key, c in self.commits.items() if key.repo != repo}
        for commit in self.commits.values():
            commit.provenance = {up for up in commit.provenance if up.repo != repo}
        self.repos.discard(repo)

    # -- inside ------------------------------------------------------------------------------------

    def _commit(
        self, branch: BranchKey, parent: CommitKey | None, origin: Origin, root: Dir | None
    ) -> CommitKey:
        key = CommitKey(branch.repo, self.set_id)
        assert self.set_id, "the model makes a commit where the graph made none"
        assert key not in self.commits
        self.commits[key] = Commit(branch.name, parent, origin, root)
        return key

    def _start_empty(self, branch: BranchKey) -> None:
        key = self._commit(branch, None, Origin.AUTO, EMPTY_DIR)
        self.commits[key].finished = True
        self._point(branch, key)

    def _point(self, branch: BranchKey, head: CommitKey) -> None:
        known = self.branches.setdefault(branch, Branch(head))
        known.head = head

    def _propagate(self, changed: set[BranchKey], rewired: Iterable[BranchKey] = ()) -> None:
        moved, due = set(changed), set(rewired)
        # Upstream first: whatever is upstream has fewer branches upstream of itself.
        for key in sorted(self.branches, key=lambda b: len(self.upstream(b))):
            branch = self.branches[key]
            heads = {self.branches[up].head for up in branch.provenance}
            loud = {up for up, never in branch.provenance.items() if not never}
            stale = key in changed and not (
                {self.branches[up].head for up in loud} <= self.commits[branch.head].provenance
            )
            if key not in due and not stale and not loud & moved:
                continue
            made = self._commit(key, branch.head, Origin.AUTO, None)
            self.commits[made].provenance = heads
            branch.head = made
            moved.add(key)


def _reach(nodes: dict[BranchKey, set[BranchKey]], start: BranchKey) -> set[BranchKey]:
    found: set[BranchKey] = set()
    frontier = set(nodes[start])
    while frontier:
        found |= frontier
        frontier = {up for branch in frontier for up in nodes[branch]} - found
    return found
