"""References as users write them."""

from __future__ import annotations

import pytest

from dassie.errors import InvalidArgument
from dassie.pfs.model import BranchKey, CommitRef, RepoKey
from dassie.pfs.refs import (
    Ancestry,
    check_project_name,
    parse_ancestry,
    parse_branch,
    parse_commit,
    parse_file,
    parse_repo,
    spell,
)

ID = "0123456789ab4def0123456789abcdef"
IMAGES = RepoKey("default", "images")


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("master", Ancestry("master")),
        ("master^", Ancestry("master", 1)),
        ("master^^", Ancestry("master", 2)),
        ("master^3", Ancestry("master", 3)),
        ("master~", Ancestry("master", 1)),
        ("master~~~", Ancestry("master", 3)),
        ("master~2", Ancestry("master", 2)),
        ("master^0", Ancestry("master", 0)),
        ("master.3", Ancestry("master", 0, 3)),
        ("master.3^", Ancestry("master", 1, 3)),
        ("master.3~2", Ancestry("master", 2, 3)),
        (f"{ID}^2", Ancestry(ID, 2)),
    ],
)
def test_ancestry(text: str, want: Ancestry) -> None:
    assert parse_ancestry(text) == want


@pytest.mark.parametrize(
    "text", ["a^~", "a~^", "a^^2", "a^2^", "a^2.1", "a.", "a.x", "a.0", "a.2^2", "a.1^", "a^x"]
)
def test_ancestry_that_means_nothing(text: str) -> None:
    with pytest.raises(InvalidArgument, match="invalid reference"):
        parse_ancestry(text)


def test_repos() -> None:
    assert parse_repo("images") == IMAGES
    assert parse_repo("lab/images.meta") == RepoKey("lab", "images", "meta")
    assert parse_repo("images", "lab") == RepoKey("lab", "images")
    assert str(parse_repo("lab/images.spec")) == "lab/images.spec"
    for bad in ("", "/images", "lab/", "a/b/c", "images."):
        with pytest.raises(InvalidArgument):
            parse_repo(bad)


def test_branches_and_commits() -> None:
    assert parse_branch("images@dev") == BranchKey(IMAGES, "dev")
    assert parse_commit("images@dev^2") == CommitRef(IMAGES, branch="dev^2")
    assert parse_commit(f"images@{ID}^") == CommitRef(IMAGES, id=f"{ID}^")
    assert parse_commit(f"images@dev={ID}") == CommitRef(IMAGES, branch="dev", id=ID)
    assert parse_commit("images") == CommitRef(IMAGES, branch="master")
    assert spell(parse_commit("images@dev^2")) == "default/images@dev^2"
    for bad in ("images@", "images@dev="):
        with pytest.raises(InvalidArgument):
            parse_commit(bad)
    with pytest.raises(InvalidArgument):
        parse_branch("images")


def test_files() -> None:
    assert parse_file("lab/images@master:/a:b@c") == (
        CommitRef(RepoKey("lab", "images"), branch="master"),
        "/a:b@c",
    )
    assert parse_file("images@master") == (CommitRef(IMAGES, branch="master"), "")


@pytest.mark.parametrize("name", ["", "-a", "_a", "a" * 52, "a.b"])
def test_project_names(name: str) -> None:
    with pytest.raises(InvalidArgument, match="project name"):
        check_project_name(name)
