"""Names, and the texts that refer to things: `project/repo.type@branch^2:/path`. Pure.

Ancestry: `^` and `~` count parents from the commit (`^`, `^^`, `^3`, `~2`); `.N` counts from the
first commit of the history, which is 1; `.5^2` is both, in that order.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from dassie.base.ids import is_commit_set_id
from dassie.pfs.errors import BadName, BadRef
from dassie.pfs.model import DEFAULT_PROJECT, USER, BranchKey, CommitRef, RepoKey

DEFAULT_BRANCH = "master"
LONGEST_PROJECT_NAME = 51

_NAME = re.compile(r"[a-zA-Z0-9_-]+")
_NAME_RULE = "only alphanumeric characters, underscores, and dashes are allowed"
_ANCESTRY = re.compile(r"(?P<name>[^.^~]*)(?:\.(?P<nth>\d+))?(?P<up>\^+|~+|[\^~]\d+|)")


@dataclass(frozen=True, slots=True)
class Ancestry:
    """A name (branch or id) and the way from it: the `nth` commit of its history (the first is 1;
    `None`: the commit itself), then `up` parents."""

    name: str
    up: int = 0
    nth: int | None = None


def parse_ancestry(text: str) -> Ancestry:
    """Split a branch name or commit id from its ancestry suffix."""
    match = _ANCESTRY.fullmatch(text)
    if match is None:
        raise BadRef(text, "want NAME, NAME^, NAME^^, NAME^3, NAME~3, NAME.3 or NAME.3^1")
    suffix = match["up"]
    # A digit means one mark and a number; without one every mark is a parent.
    up = int(suffix[1:]) if suffix[-1:].isdigit() else len(suffix)
    nth = None if match["nth"] is None else int(match["nth"])
    if nth == 0:
        raise BadRef(text, "commits are counted from 1")
    if nth is not None and up >= nth:
        raise BadRef(text, f"commit {nth} of a history has fewer than {up} ancestors")
    return Ancestry(match["name"], up, nth)


def check_repo_name(name: str) -> None:
    """Raise unless `name` may name a repo."""
    _check("repo", name)


def check_branch_name(name: str) -> None:
    """Raise unless `name` may name a branch: it must not be mistaken for a commit."""
    _check("branch", name)
    if is_commit_set_id(name):
        raise BadName("branch", name, "it looks like a commit id (a UUID without dashes)")


def check_project_name(name: str) -> None:
    """Raise unless `name` may name a project."""
    _check("project", name)
    if len(name) > LONGEST_PROJECT_NAME:
        raise BadName("project", name, f"longer than {LONGEST_PROJECT_NAME} characters")
    if not name[0].isalnum():
        raise BadName("project", name, "it must start with an alphanumeric character")


def _check(kind: str, name: str) -> None:
    if _NAME.fullmatch(name) is None:
        raise BadName(kind, name, _NAME_RULE if name else "it must not be empty")


def parse_repo(text: str, project: str = DEFAULT_PROJECT) -> RepoKey:
    """`[project/]repo[.type]`."""
    before, slash, name = text.rpartition("/")
    if slash:
        project = before
    name, dot, kind = name.partition(".")
    if not name or not project or "/" in project or (dot and not kind):
        raise BadRef(text, "want [PROJECT/]REPO[.TYPE]")
    return RepoKey(project, name, kind or USER)


def parse_branch(text: str, project: str = DEFAULT_PROJECT) -> BranchKey:
    """`[project/]repo@branch`."""
    repo, at, branch = text.partition("@")
    if not at or not branch:
        raise BadRef(text, "want REPO@BRANCH")
    return BranchKey(parse_repo(repo, project), branch)


def parse_commit(text: str, project: str = DEFAULT_PROJECT) -> CommitRef:
    """`[project/]repo@branch-or-id`, with an ancestry suffix; also `repo@branch=id`."""
    repo_text, at, rest = text.partition("@")
    repo = parse_repo(repo_text, project)
    if not at:
        return CommitRef(repo, branch=DEFAULT_BRANCH)
    branch, equals, commit = rest.partition("=")
    if not branch or (equals and not commit):
        raise BadRef(text, "want REPO@BRANCH-OR-COMMIT or REPO@BRANCH=COMMIT")
    if equals:
        return CommitRef(repo, branch=branch, id=commit)
    if is_commit_set_id(parse_ancestry(branch).name):
        return CommitRef(repo, id=branch)
    return CommitRef(repo, branch=branch)


def parse_file(text: str, project: str = DEFAULT_PROJECT) -> tuple[CommitRef, str]:
    """`repo@branch-or-id[:path]`; the path is `""` when there is none."""
    commit, _, path = text.partition(":")
    return parse_commit(commit, project), path


def spell(ref: CommitRef) -> str:
    """A reference as error texts show it."""
    return f"{ref.repo}@{ref.id or ref.branch}"
