"""Error texts against the patterns that Pachyderm's clients use."""

from __future__ import annotations

import re

import pytest

from dassie.errors import AlreadyExists, NotFound, Unavailable
from dassie.pfs import errors
from dassie.pfs.model import BranchKey, CommitKey, RepoKey

REPO = RepoKey("default", "images")
BRANCH = BranchKey(REPO, "master")
COMMIT = CommitKey(REPO, "0123456789ab4def0123456789abcdef")


@pytest.mark.parametrize(
    ("error", "pattern"),
    [
        (errors.CommitNotFound(COMMIT), r"commit [^ ]+ not found"),
        (errors.CommitSetNotFound(COMMIT.id), r"no commits found for commitset"),
        (errors.CommitDeleted(COMMIT), r"commit [^ ]+ was deleted"),
        (errors.CommitFinished(COMMIT), r"commit [^ ]+ has already finished"),
        (errors.CommitFailed(COMMIT), r"commit [^ ]+ finished with an error"),
        (errors.RepoExists(REPO), r"repo [^ ]+ already exists"),
        (errors.RepoNotFound(REPO), r"repo .* not found"),
        (errors.BranchNotFound(BRANCH), r"branch [^ ]+ not found in repo [^ ]*/[^ ]+"),
        (errors.FileNotFound("/a", COMMIT), r"file .+ not found"),
        (errors.OutputCommitNotFinished(COMMIT), r"output commit .+ not finished"),
        (errors.CommitNotFinished(COMMIT), r"commit .+ not finished"),
        (errors.BaseCommitNotFinished(COMMIT, COMMIT), r"base commit .+ unfinished"),
        (errors.ParentNotFinished(COMMIT), r"parent commit .* has not been finished"),
        (errors.OutputBranch(BRANCH), r"cannot start a commit on an output branch"),
        (errors.BranchesOfOneRepo(REPO, [BRANCH]), r"multiple branches from the same repo"),
    ],
)
def test_wording(error: Exception, pattern: str) -> None:
    assert re.search(pattern, str(error))


def test_categories() -> None:
    assert issubclass(errors.RepoNotFound, NotFound)
    assert issubclass(errors.ProjectExists, AlreadyExists)
    assert issubclass(errors.CommitNotFinished, Unavailable)
