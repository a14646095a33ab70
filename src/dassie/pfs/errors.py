"""Errors of the version graph and of files, with the wording that Pachyderm's clients match on.

Clients look for substrings ("commit … not found", "has already finished"): the texts are part of
the wire contract. `tests/pfs/test_graph_errors.py` holds them against the clients' own patterns.
"""

from __future__ import annotations

from collections.abc import Iterable

from dassie.errors import (
    AlreadyExists,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    Unavailable,
)
from dassie.pfs.model import BranchKey, CommitKey, RepoKey


class ProjectNotFound(NotFound):
    def __init__(self, name: str) -> None:
        super().__init__(f'project "{name}" not found')
        self.name = name


class ProjectExists(AlreadyExists):
    def __init__(self, name: str) -> None:
        super().__init__(f"project {name} already exists")
        self.name = name


class ProjectNotEmpty(FailedPrecondition):
    def __init__(self, name: str, repos: Iterable[RepoKey]) -> None:
        listed = ", ".join(map(str, repos))
        super().__init__(
            f"cannot delete project {name}: it still has repos: {listed}"
            " (delete them first, or use force)"
        )
        self.name = name


class RepoNotFound(NotFound):
    def __init__(self, repo: RepoKey) -> None:
        super().__init__(f"repo {repo} not found")
        self.repo = repo


class RepoExists(AlreadyExists):
    def __init__(self, repo: RepoKey) -> None:
        super().__init__(f"repo {repo} already exists")
        self.repo = repo


class RepoOwned(FailedPrecondition):
    """The repo belongs to a pipeline and goes with it."""

    def __init__(self, repo: RepoKey, pipeline: str) -> None:
        super().__init__(
            "cannot delete a repo associated with a pipeline - delete the pipeline instead"
            f" (repo {repo}, pipeline {pipeline})"
        )
        self.repo = repo
        self.pipeline = pipeline


class BranchOwned(FailedPrecondition):
    """A pipeline writes to the branch: what it depends on follows from the pipeline."""

    def __init__(self, branch: BranchKey, pipeline: str, what: str) -> None:
        super().__init__(
            f"cannot {what} branch {branch}: it belongs to pipeline {pipeline}"
            " - update, stop or delete the pipeline instead"
        )
        self.branch = branch
        self.pipeline = pipeline


class BranchNotFound(NotFound):
    def __init__(self, branch: BranchKey) -> None:
        super().__init__(f'branch "{branch.name}" not found in repo {branch.repo}')
        self.branch = branch


class BranchExists(AlreadyExists):
    def __init__(self, branch: BranchKey) -> None:
        super().__init__(f'branch "{branch.name}" already exists in repo {branch.repo}')
        self.branch = branch


class BranchInProvenance(FailedPrecondition):
    """Other branches depend on the branch directly."""

    def __init__(self, branch: BranchKey, dependents: Iterable[BranchKey]) -> None:
        listed = ", ".join(map(str, dependents))
        super().__init__(
            f"branch {branch} cannot be deleted because it's in the direct provenance of {listed}"
        )
        self.branch = branch


class BranchHeadForeign(FailedPrecondition):
    """A branch's head must be a commit of the branch's own repo."""

    def __init__(self, branch: BranchKey, head: CommitKey) -> None:
        super().__init__(
            f"branch {branch} and its head {head} must belong to the same repo {branch.repo}"
        )


class OwnProvenance(FailedPrecondition):
    def __init__(self, branch: BranchKey) -> None:
        super().__init__(
            f"repo {branch.repo} cannot be in the provenance of its own branch {branch}"
        )


class ProvenanceCycle(FailedPrecondition):
    def __init__(self, cycle: Iterable[BranchKey]) -> None:
        path = " -> ".join(map(str, cycle))
        super().__init__(f"cycle detected because of the provenance {path}")


class BranchesOfOneRepo(FailedPrecondition):
    """(repo, set id) would be ambiguous."""

    def __init__(self, repo: RepoKey, branches: Iterable[BranchKey]) -> None:
        listed = ", ".join(map(str, branches))
        super().__init__(
            f'multiple branches from the same repo, "{repo}", cannot participate in a DAG'
            f" ({listed})"
        )
        self.repo = repo


class CommitNotFound(NotFound):
    """`name` is what was asked for: a key, or a repo and what was written behind `@`."""

    def __init__(self, name: CommitKey | str) -> None:
        super().__init__(f"commit {name} not found")
        self.name = name


class ParentNotFound(NotFound):
    def __init__(self, name: CommitKey | str) -> None:
        super().__init__(f"parent commit {name} not found")
        self.name = name


class AncestorNotFound(NotFound):
    """`^N` or `.N` lead beyond the first or the last commit."""

    def __init__(self, name: str, start: CommitKey, length: int) -> None:
        super().__init__(
            f"commit {name} not found: {start} and its ancestors are {length} commit(s)"
        )


class CommitSetNotFound(NotFound):
    def __init__(self, set_id: str) -> None:
        super().__init__(f"no commits found for commitset {set_id}")
        self.set_id = set_id


class FileNotFound(NotFound):
    def __init__(self, path: str, commit: CommitKey) -> None:
        super().__init__(f"file {path} not found in repo {commit.repo} at commit {commit.id}")
        self.path = path
        self.commit = commit


class CommitExists(AlreadyExists):
    def __init__(self, commit: CommitKey) -> None:
        super().__init__(f"commit {commit} already exists")
        self.commit = commit


class CommitNotFinished(Unavailable):
    def __init__(self, commit: CommitKey) -> None:
        super().__init__(f"commit {commit} not finished")
        self.commit = commit


class ParentNotFinished(FailedPrecondition):
    def __init__(self, parent: CommitKey) -> None:
        super().__init__(f"parent commit {parent} has not been finished")
        self.commit = parent


class OutputCommitNotFinished(Unavailable):
    def __init__(self, commit: CommitKey) -> None:
        super().__init__(f"output commit {commit} not finished")
        self.commit = commit


class BaseCommitNotFinished(Unavailable):
    def __init__(self, commit: CommitKey, base: CommitKey) -> None:
        super().__init__(f"base commit {base} for commit {commit} unfinished")
        self.commit = commit
        self.base = base


class CommitFinished(FailedPrecondition):
    def __init__(self, commit: CommitKey) -> None:
        super().__init__(f"commit {commit} has already finished")
        self.commit = commit


class CommitFailed(FailedPrecondition):
    def __init__(self, commit: CommitKey) -> None:
        super().__init__(f"commit {commit} finished with an error")
        self.commit = commit


class CommitDeleted(NotFound):
    def __init__(self, commit: CommitKey) -> None:
        super().__init__(f"commit {commit} was deleted")
        self.commit = commit


class FinishedCannotClear(FailedPrecondition):
    def __init__(self, commit: CommitKey) -> None:
        super().__init__(f"cannot clear finished commit {commit}")
        self.commit = commit


class OutputBranch(FailedPrecondition):
    """Only propagation makes commits on a branch with provenance."""

    def __init__(self, branch: BranchKey) -> None:
        super().__init__(f"cannot start a commit on an output branch: {branch}")
        self.branch = branch


class OutputCommitOfPipeline(FailedPrecondition):
    """Only the pipeline's job finishes its output."""

    def __init__(self, commit: CommitKey, pipeline: str) -> None:
        super().__init__(
            f"cannot finish output commit {commit} of pipeline {pipeline}: use 'stop job' instead"
        )
        self.commit = commit


class InconsistentCommit(FailedPrecondition):
    """One commit per repo and commit set."""

    def __init__(self, branch: BranchKey, existing: CommitKey) -> None:
        super().__init__(
            f"inconsistent dependencies: cannot create commit from {branch}"
            f" - commit {existing} of the same repo is already in this commit set"
        )


class BadName(InvalidArgument):
    def __init__(self, kind: str, name: str, reason: str) -> None:
        super().__init__(f"{kind} name {name!r} invalid: {reason}")


class BadRef(InvalidArgument):
    """`project/repo@branch^2:/path` in a form that means nothing."""

    def __init__(self, text: str, reason: str) -> None:
        super().__init__(f"invalid reference {text!r}: {reason}")
