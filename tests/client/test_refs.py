"""References as people write them."""

from __future__ import annotations

import pytest

from dassie.client.refs import (
    CommitRef,
    FileRef,
    RepoRef,
    is_commit_id,
    parse_branch,
    parse_commit,
    parse_file,
    parse_job,
    parse_pipeline,
    parse_repo,
)
from dassie.errors import InvalidArgument

ID = "0123456789ab4cdef0123456789abcde"
IMAGES = RepoRef("default", "images")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("images", IMAGES),
        ("vision/images", RepoRef("vision", "images")),
        ("edges.meta", RepoRef("default", "edges", "meta")),
        ("vision/edges.spec", RepoRef("vision", "edges", "spec")),
    ],
)
def test_repo(text: str, expected: RepoRef) -> None:
    assert parse_repo(text) == expected
    assert parse_repo(str(expected)) == expected


def test_repo_takes_the_project_it_is_given() -> None:
    assert parse_repo("images", "vision") == RepoRef("vision", "images")
    assert parse_repo("other/images", "vision") == RepoRef("other", "images")


@pytest.mark.parametrize("text", ["", "a b", "images@master", "images:/x", "edges.odd", "a/b/c"])
def test_repo_refuses(text: str) -> None:
    with pytest.raises(InvalidArgument):
        parse_repo(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("images@master", CommitRef(IMAGES, branch="master")),
        ("images@master^2", CommitRef(IMAGES, branch="master^2")),
        ("images@master.3", CommitRef(IMAGES, branch="master.3")),
        (f"images@{ID}", CommitRef(IMAGES, id=ID)),
        (f"images@{ID}~1", CommitRef(IMAGES, id=f"{ID}~1")),
        (f"images@master={ID}", CommitRef(IMAGES, branch="master", id=ID)),
    ],
)
def test_commit(text: str, expected: CommitRef) -> None:
    assert parse_commit(text) == expected


def test_commit_needs_a_branch_unless_there_is_a_default() -> None:
    with pytest.raises(InvalidArgument, match="repo@branch-or-commit"):
        parse_commit("images")
    assert parse_commit("images", default_branch="master") == CommitRef(IMAGES, "master")


def test_a_branch_is_not_an_id() -> None:
    assert parse_branch("images@staging").branch == "staging"
    with pytest.raises(InvalidArgument):
        parse_branch(f"images@{ID}")


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("images@master:/a.png", "/a.png"),
        ("images@master", ""),
        ("images@master:", ""),
        ("images@master:/a:b@c", "/a:b@c"),
    ],
)
def test_file(text: str, path: str) -> None:
    assert parse_file(text) == FileRef(CommitRef(IMAGES, branch="master"), path)


def test_file_of_the_default_branch() -> None:
    assert parse_file("images:/a", default_branch="master").path == "/a"
    with pytest.raises(InvalidArgument):
        parse_file("images:/a")


def test_pipeline_and_job() -> None:
    assert str(parse_pipeline("edges^2", "vision")) == "vision/edges^2"
    assert str(parse_job(f"vision/edges@{ID}")) == f"vision/edges@{ID}"
    with pytest.raises(InvalidArgument):
        parse_job("edges")


def test_an_id_has_a_4_in_thirteenth_place() -> None:
    assert is_commit_id(ID)
    assert is_commit_id(f"{ID}^3")
    assert not is_commit_id("0" * 32)
    assert not is_commit_id("master")
