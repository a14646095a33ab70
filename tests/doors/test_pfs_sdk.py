"""PFS through the official SDK."""

from __future__ import annotations

import io
import re
from datetime import timedelta

import grpc
import pytest
from betterproto.lib.google.protobuf import Any
from pachyderm_sdk import Client
from pachyderm_sdk.api import pfs
from pachyderm_sdk.errors import AuthServiceNotActivated


@pytest.fixture
def repo(sdk: Client, name: str) -> pfs.Repo:
    made = pfs.Repo(name=name, type="user", project=pfs.Project(name="default"))
    sdk.pfs.create_repo(repo=made)
    return made


@pytest.fixture
def branch(repo: pfs.Repo) -> pfs.Branch:
    return pfs.Branch(repo=repo, name="master")


def file(commit: pfs.Commit, path: str) -> pfs.File:
    return pfs.File(commit=commit, path=path)


def put(sdk: Client, branch: pfs.Branch, **files: bytes) -> pfs.Commit:
    """A finished commit with files at `/<keyword>`."""
    with sdk.pfs.commit(branch=branch) as commit:
        for path, data in files.items():
            commit.put_file_from_bytes(path=f"/{path}", data=data)
    return pfs.Commit(repo=branch.repo, id=commit.id)


def code(caught: pytest.ExceptionInfo[grpc.RpcError]) -> grpc.StatusCode:
    found: grpc.StatusCode = caught.value.code()
    return found


def test_version_and_cluster(sdk: Client) -> None:
    version = sdk.get_version()
    assert (version.major, version.minor) == (2, 12)
    info = sdk.admin.inspect_cluster()
    assert info.warnings_ok
    assert info.warnings == []
    assert info.id == sdk.admin.inspect_cluster().id != ""


def test_auth_is_off(sdk: Client) -> None:
    with pytest.raises(AuthServiceNotActivated, match="the auth service is not activated"):
        sdk.auth.who_am_i()


def test_repos(sdk: Client, repo: pfs.Repo) -> None:
    info = sdk.pfs.inspect_repo(repo=repo)
    assert info.repo == repo
    assert repo.name in {info.repo.name for info in sdk.pfs.list_repo()}
    with pytest.raises(grpc.RpcError, match="already exists") as caught:
        sdk.pfs.create_repo(repo=repo)
    assert code(caught) is grpc.StatusCode.ALREADY_EXISTS
    sdk.pfs.create_repo(repo=repo, description="new", update=True)
    assert sdk.pfs.inspect_repo(repo=repo).description == "new"
    sdk.pfs.delete_repo(repo=repo)
    assert not sdk.pfs.repo_exists(repo)
    sdk.pfs.delete_repo(repo=repo, force=True)
    with pytest.raises(grpc.RpcError, match=r"repo .* not found"):
        sdk.pfs.inspect_repo(repo=repo)


def test_projects(sdk: Client, name: str) -> None:
    project = pfs.Project(name=name)
    sdk.pfs.create_project(project=project, description="d")
    assert sdk.pfs.inspect_project(project=project).description == "d"
    assert sdk.pfs.inspect_project_v2(project=project).defaults_json == "{}"
    assert {"default", name} <= {info.project.name for info in sdk.pfs.list_project()}
    sdk.pfs.create_repo(repo=pfs.Repo(name="r", type="user", project=project))
    with pytest.raises(grpc.RpcError, match="cannot delete project") as caught:
        sdk.pfs.delete_project(project=project)
    assert code(caught) is grpc.StatusCode.FAILED_PRECONDITION
    sdk.pfs.delete_repos(projects=[project])
    sdk.pfs.delete_project(project=project)
    assert not sdk.pfs.project_exists(project)


def test_a_commit_holds_what_was_put(sdk: Client, branch: pfs.Branch) -> None:
    commit = put(sdk, branch, a=b"hello", empty=b"")
    info = sdk.pfs.inspect_commit(commit=commit, wait=pfs.CommitState.FINISHED)
    assert info.commit.repo == branch.repo
    assert info.commit.branch == pfs.Branch()
    assert info.details.size_bytes == 5
    assert info.finished
    assert sdk.pfs.inspect_file(file=file(commit, "/empty")).size_bytes == 0
    with sdk.pfs.pfs_file(file=file(commit, "/a")) as opened:
        assert opened.read() == b"hello"
    assert b"".join(m.value for m in sdk.pfs.get_file(file=file(commit, "/a"), offset=3)) == b"lo"


def test_a_large_file_goes_both_ways(sdk: Client, branch: pfs.Branch) -> None:
    data = bytes(range(256)) * (45 << 12)
    with sdk.pfs.commit(branch=branch) as commit:
        commit.put_file_from_file(path="/big", file=io.BytesIO(data))
    with sdk.pfs.pfs_file(file=file(commit, "/big")) as opened:
        assert opened.read() == data


def test_listings(sdk: Client, branch: pfs.Branch) -> None:
    with sdk.pfs.commit(branch=branch) as commit:
        for path in ("/a/b/file3", "/a/file2", "/f1"):
            commit.put_file_from_bytes(path=path, data=b"x")
    walked = [info.file.path for info in sdk.pfs.walk_file(file=file(commit, "/a"))]
    assert walked == ["/a/", "/a/b/", "/a/b/file3", "/a/file2"]
    listed = [info.file.path for info in sdk.pfs.list_file(file=file(commit, "/"))]
    assert listed == ["/a/", "/f1"]
    page = sdk.pfs.list_file(
        file=file(commit, "/"), pagination_marker=file(commit, "/a/"), number=1
    )
    assert [info.file.path for info in page] == ["/f1"]
    assert list(sdk.pfs.list_file(file=file(commit, "/missing"))) == []
    found = sdk.pfs.glob_file(commit=commit, pattern="/**{2,3}")
    assert [info.file.path for info in found] == ["/a/b/file3", "/a/file2"]
    assert sdk.pfs.inspect_file(file=file(commit, "/a")).file_type == pfs.FileType.DIR
    assert sdk.pfs.path_exists(file(commit, "/f1"))
    assert not sdk.pfs.path_exists(file(commit, "/f2"))
    with sdk.pfs.pfs_tar_file(file=file(commit, "/")) as archive:
        names = {member.name.strip("/") for member in archive if member.isfile()}
    assert names == {"a/b/file3", "a/file2", "f1"}


def test_diff(sdk: Client, branch: pfs.Branch) -> None:
    put(sdk, branch, same=b"1", gone=b"2", changed=b"3")
    with sdk.pfs.commit(branch=branch) as commit:
        commit.delete_file(path="/gone")
        commit.put_file_from_bytes(path="/changed", data=b"4")
        commit.put_file_from_bytes(path="/added", data=b"5")
    found = {
        (pair.new_file.file.path or "", pair.old_file.file.path or "")
        for pair in sdk.pfs.diff_file(new_file=file(commit, "/"))
    }
    assert found >= {("/changed", "/changed"), ("/added", ""), ("", "/gone")}
    assert not any("/same" in pair for pair in found)


def test_copy_and_append(sdk: Client, branch: pfs.Branch) -> None:
    first = put(sdk, branch, a=b"1")
    with sdk.pfs.commit(branch=branch) as commit:
        commit.copy_file(src=file(first, "/a"), dst="/b")
        commit.put_file_from_bytes(path="/a", data=b"2", append=True)
    with sdk.pfs.pfs_file(file=file(commit, "/a")) as opened:
        assert opened.read() == b"12"
    with sdk.pfs.pfs_file(file=file(commit, "/b")) as opened:
        assert opened.read() == b"1"


def test_open_commits(sdk: Client, branch: pfs.Branch) -> None:
    open_ = sdk.pfs.start_commit(branch=branch)
    with pytest.raises(grpc.RpcError, match=r"parent commit .* has not been finished"):
        sdk.pfs.start_commit(branch=branch)
    sdk.pfs.finish_commit(commit=open_)
    with pytest.raises(grpc.RpcError, match="has already finished"):
        sdk.pfs.finish_commit(commit=open_)
    sdk.pfs.finish_commit(commit=sdk.pfs.start_commit(branch=branch))


def test_branches_and_ancestry(sdk: Client, branch: pfs.Branch) -> None:
    first, second = put(sdk, branch, a=b"1"), put(sdk, branch, a=b"2")
    info = sdk.pfs.inspect_branch(branch=branch)
    assert info.head.id == second.id
    parent = pfs.Commit(repo=branch.repo, branch=pfs.Branch(repo=branch.repo, name="master^"))
    assert sdk.pfs.inspect_commit(commit=parent).commit.id == first.id
    other = pfs.Branch(repo=branch.repo, name="other")
    sdk.pfs.create_branch(branch=other, head=first)
    sdk.pfs.create_branch(branch=other, head=first)
    assert {b.branch.name for b in sdk.pfs.list_branch(repo=branch.repo)} == {"master", "other"}
    sdk.pfs.delete_branch(branch=other)
    assert not sdk.pfs.branch_exists(other)
    ids = [info.commit.id for info in sdk.pfs.list_commit(repo=branch.repo)]
    assert ids[:2] == [second.id, first.id]


def test_commit_sets_follow_provenance(sdk: Client, branch: pfs.Branch, name: str) -> None:
    downstream = pfs.Repo(name=f"{name}-out", type="user", project=branch.repo.project)
    sdk.pfs.create_repo(repo=downstream)
    out = pfs.Branch(repo=downstream, name="master")
    sdk.pfs.create_branch(branch=out, provenance=[branch])
    commit = put(sdk, branch, a=b"1")
    found = sdk.pfs.inspect_commit_set(commit_set=pfs.CommitSet(id=commit.id))
    assert [info.commit.repo.name for info in found] == [name, f"{name}-out"]
    sets = [info.commit_set.id for info in sdk.pfs.list_commit_set(project=branch.repo.project)]
    assert sets[0] == commit.id
    with pytest.raises(grpc.RpcError, match="cannot start a commit on an output branch"):
        sdk.pfs.start_commit(branch=out)


def test_subscribing(sdk: Client, branch: pfs.Branch) -> None:
    sdk.pfs.create_branch(branch=branch)
    feed = sdk.pfs.subscribe_commit(
        repo=branch.repo, branch="master", state=pfs.CommitState.FINISHED
    )
    first = next(feed)
    second = put(sdk, branch, a=b"1")
    assert first.commit.id != second.id
    assert next(feed).commit.id == second.id


def test_subscribing_from_a_commit(sdk: Client, branch: pfs.Branch) -> None:
    commits = [put(sdk, branch, a=b"%d" % number) for number in range(4)]
    other = put(sdk, pfs.Branch(repo=branch.repo, name="other"), a=b"x")
    feed = sdk.pfs.subscribe_commit(
        repo=branch.repo, from_=commits[1], state=pfs.CommitState.FINISHED
    )
    assert [next(feed).commit.id for _ in range(3)] == [commits[2].id, commits[3].id, other.id]
    feed = sdk.pfs.subscribe_commit(repo=branch.repo, branch="other", from_=commits[1])
    assert next(feed).commit.id == other.id


def test_find_commits(sdk: Client, branch: pfs.Branch) -> None:
    first = put(sdk, branch, a=b"1")
    put(sdk, branch, b=b"1")
    third = put(sdk, branch, a=b"2")
    start = pfs.Commit(repo=branch.repo, branch=branch)
    found = list(sdk.pfs.find_commits(start=start, file_path="/a"))
    assert [each.found_commit.id for each in found[:-1]] == [third.id, first.id]
    assert found[-1].commits_searched >= 3


def test_file_sets(sdk: Client, branch: pfs.Branch) -> None:
    with sdk.pfs.commit(branch=branch) as commit:
        commit.put_file_from_bytes(path="/a", data=b"1")
    whole = sdk.pfs.get_file_set(commit=pfs.Commit(repo=branch.repo, id=commit.id)).file_set_id
    sdk.pfs.renew_file_set(file_set_id=whole, ttl_seconds=60)
    composed = sdk.pfs.compose_file_set(file_set_ids=[whole], ttl_seconds=60).file_set_id
    assert re.fullmatch("[0-9a-f]{32}", composed)
    assert sdk.pfs.shard_file_set(file_set_id=composed).shards
    open_ = sdk.pfs.start_commit(branch=pfs.Branch(repo=branch.repo, name="copy"))
    sdk.pfs.add_file_set(commit=open_, file_set_id=composed)
    sdk.pfs.finish_commit(commit=open_)
    with sdk.pfs.pfs_file(file=file(open_, "/a")) as opened:
        assert opened.read() == b"1"


def test_a_failing_writer_still_finishes_the_commit(sdk: Client, branch: pfs.Branch) -> None:
    def write() -> None:
        with sdk.pfs.commit(branch=branch) as commit:
            commit.put_file_from_bytes(path="/a", data=b"1")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write()
    info = sdk.pfs.inspect_commit(commit=pfs.Commit(repo=branch.repo, branch=branch))
    assert info.finished - info.started < timedelta(minutes=1)


def test_the_check_finds_nothing(sdk: Client, branch: pfs.Branch) -> None:
    put(sdk, branch, a=b"1")
    assert [answer.error for answer in sdk.pfs.fsck()] == []


def test_check_storage(sdk: Client, branch: pfs.Branch) -> None:
    put(sdk, branch, a=b"x", b=b"y")
    every = sdk.pfs.check_storage(read_chunk_data=True).chunk_object_count
    assert every >= 2
    half = sdk.pfs.check_storage(chunk_end=b"\x80").chunk_object_count
    assert half + sdk.pfs.check_storage(chunk_begin=b"\x80").chunk_object_count == every


def test_the_cache(sdk: Client, name: str) -> None:
    request = pfs.ModifyFileRequest(add_file=pfs.AddFile(path="/a", raw=b"x"))
    made = sdk.pfs.create_file_set(iter([request])).file_set_id
    value = Any(type_url="mine", value=b"about " + made.encode())
    sdk.pfs.put_cache(key=name, value=value, file_set_ids=[made], tag=f"{name}-tag")
    assert sdk.pfs.get_cache(key=name).value == value
    sdk.pfs.clear_cache(tag_prefix=f"{name}-other")
    assert sdk.pfs.get_cache(key=name).value == value
    sdk.pfs.clear_cache(tag_prefix=name)
    with pytest.raises(grpc.RpcError) as caught:
        sdk.pfs.get_cache(key=name)
    assert code(caught) is grpc.StatusCode.NOT_FOUND
    with pytest.raises(grpc.RpcError) as caught:
        sdk.pfs.put_cache(key=name, value=value, file_set_ids=["0" * 32])
    assert code(caught) is grpc.StatusCode.NOT_FOUND
