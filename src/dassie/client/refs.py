"""What people write for a repo, branch, commit, file, pipeline or job, parsed. Pure.

The grammar is Pachyderm's: `[project/]repo[.type][@branch-or-commit[ancestry]][:path]`, also
`repo@branch=commit:path`. Ancestry suffixes (`^`, `~2`, `.3`) are passed on: the server resolves
them. Called by the command line and by `messages.py`; knows nothing of protobuf.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from dassie.errors import InvalidArgument

DEFAULT_PROJECT = "default"
DEFAULT_BRANCH = "master"
REPO_TYPES = ("user", "meta", "spec")

_COMMIT_ID = re.compile(r"[0-9a-f]{12}4[0-9a-f]{19}")
_ANCESTRY = re.compile(r"[\^~.].*$", re.DOTALL)
_NAME = re.compile(r"[a-zA-Z0-9_-]+")


@dataclass(frozen=True, slots=True)
class RepoRef:
    project: str
    name: str
    type: str = "user"

    def __str__(self) -> str:
        suffix = "" if self.type == "user" else f".{self.type}"
        return f"{self.project}/{self.name}{suffix}"


@dataclass(frozen=True, slots=True)
class CommitRef:
    """A branch, a commit id, or both; whichever carries the ancestry suffix as written."""

    repo: RepoRef
    branch: str = ""
    id: str = ""

    def __str__(self) -> str:
        return f"{self.repo}@{'='.join(part for part in (self.branch, self.id) if part)}"


@dataclass(frozen=True, slots=True)
class FileRef:
    commit: CommitRef
    path: str = ""

    def __str__(self) -> str:
        return f"{self.commit}:{self.path}"


@dataclass(frozen=True, slots=True)
class PipelineRef:
    project: str
    name: str

    def __str__(self) -> str:
        return f"{self.project}/{self.name}"


@dataclass(frozen=True, slots=True)
class JobRef:
    pipeline: PipelineRef
    id: str

    def __str__(self) -> str:
        return f"{self.pipeline}@{self.id}"


def is_commit_id(text: str) -> bool:
    """Is this the id of a commit set (32 hex digits, the 13th a 4), with or without ancestry?"""
    return _COMMIT_ID.fullmatch(_ANCESTRY.sub("", text)) is not None


def parse_repo(text: str, project: str = DEFAULT_PROJECT) -> RepoRef:
    """`repo`, `project/repo`, `repo.meta`."""
    if not text:
        raise InvalidArgument("a repo needs a name")
    if "@" in text or ":" in text:
        raise InvalidArgument(f'expected a repo, got "{text}": write it without @branch and :path')
    head, slash, rest = text.partition("/")
    name = rest if slash else head
    project = head if slash else project
    name, dot, kind = name.partition(".")
    if dot and kind not in REPO_TYPES:
        raise InvalidArgument(f'repo "{text}" has unknown type "{kind}": user, meta or spec')
    _check_name("repo", text, name)
    return RepoRef(project, name, kind or "user")


def parse_branch(text: str, project: str = DEFAULT_PROJECT) -> CommitRef:
    """`repo@branch`; the branch must be there and may not be a commit id."""
    ref = parse_commit(text, project, default_branch="")
    if not ref.branch:
        raise InvalidArgument(f'expected repo@branch, got "{text}"')
    return ref


def parse_commit(
    text: str, project: str = DEFAULT_PROJECT, *, default_branch: str | None = None
) -> CommitRef:
    """`repo@branch`, `repo@id`, `repo@branch=id`; `default_branch` allows a bare repo."""
    repo_text, at, rest = text.partition("@")
    repo = parse_repo(repo_text, project)
    if not at or not rest:
        if default_branch is None:
            raise InvalidArgument(f'expected repo@branch-or-commit, got "{text}"')
        return CommitRef(repo, branch=default_branch)
    if ":" in rest:
        raise InvalidArgument(f'expected repo@branch-or-commit, got "{text}": remove the :path')
    branch, equals, commit_id = rest.partition("=")
    if equals:
        return CommitRef(repo, branch=branch, id=commit_id)
    return CommitRef(repo, id=rest) if is_commit_id(rest) else CommitRef(repo, branch=rest)


def parse_file(
    text: str, project: str = DEFAULT_PROJECT, *, default_branch: str | None = None
) -> FileRef:
    """`repo@branch-or-commit[:path]`; the path starts after the first colon behind the `@`."""
    repo_text, at, rest = text.partition("@")
    if at:
        commit_text, _, path = rest.partition(":")
        return FileRef(parse_commit(f"{repo_text}@{commit_text}", project), path)
    repo_text, _, path = text.partition(":")
    if default_branch is None:
        raise InvalidArgument(f'expected repo@branch-or-commit:/path, got "{text}"')
    return FileRef(parse_commit(repo_text, project, default_branch=default_branch), path)


def parse_pipeline(text: str, project: str = DEFAULT_PROJECT) -> PipelineRef:
    """`pipeline` or `project/pipeline`; an ancestry suffix (older versions) stays in the name."""
    head, slash, rest = text.partition("/")
    if not text or (slash and not rest):
        raise InvalidArgument(f'expected a pipeline, got "{text}"')
    return PipelineRef(head, rest) if slash else PipelineRef(project, head)


def parse_job(text: str, project: str = DEFAULT_PROJECT) -> JobRef:
    """`pipeline@job`."""
    pipeline, at, job_id = text.partition("@")
    if not at or not job_id:
        raise InvalidArgument(f'expected pipeline@job-id, got "{text}"')
    return JobRef(parse_pipeline(pipeline, project), job_id)


def _check_name(kind: str, text: str, name: str) -> None:
    if not _NAME.fullmatch(name):
        raise InvalidArgument(
            f'{kind} name "{text}" is invalid: only alphanumeric characters, underscores and '
            "dashes are allowed"
        )
