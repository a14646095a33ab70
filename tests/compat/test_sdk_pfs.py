"""Versioned data through the SDK: every call of its `pfs` API that is in scope."""

from __future__ import annotations

import io
import re
import threading
from pathlib import Path

import grpc
import pytest
from pachyderm_sdk import Client
from pachyderm_sdk.api import pfs
from pachyderm_sdk.constants import MAX_RECEIVE_MESSAGE_SIZE

from dassie._proto.dassie import bulk_pb2, bulk_pb2_grpc
from dassie._proto.pfs import pfs_pb2
from tests.compat.driving import refused, repo
from tests.crash.pachd import Pachd
from tests.crash.pachd import commit as wire_commit


def put(client: Client, branch: pfs.Branch, files: dict[str, bytes]) -> pfs.Commit:
    with client.pfs.commit(branch=branch) as commit:
        for path, data in files.items():
            commit.put_file_from_bytes(path=path, data=data)
    return pfs.Commit(repo=branch.repo, id=commit.id)


def paths(client: Client, commit: pfs.Commit, path: str = "/") -> list[str]:
    return [each.file.path for each in client.pfs.list_file(file=pfs.File(commit, path))]


def read(client: Client, commit: pfs.Commit, path: str) -> bytes:
    with client.pfs.pfs_file(pfs.File(commit, path)) as file:
        return bytes(file.read())


def test_commit_object(client: Client, branch: pfs.Branch) -> None:
    with client.pfs.commit(branch=branch, description="ours") as commit:
        file = commit.put_file_from_bytes(path="a", data=b"1")
        assert file.path == "a"
        commit.put_file_from_bytes(path="/a", data=b"2", append=True)
        commit.put_file_from_file(path="/b", file=io.BytesIO(b"from a file"))
        commit.put_file_from_file(path="/empty", file=io.BytesIO(b""))
        commit.delete_file(path="/absent")
    info = commit.wait()
    assert info.finished
    assert info.error == ""
    assert info.description == "ours"
    assert info.origin.kind == pfs.OriginKind.USER
    assert info.details.size_bytes == 13
    assert info.commit.id == commit.id
    assert info.commit.repo.name == branch.repo.name
    assert not info.commit.branch
    assert [each.commit.id for each in commit.wait_all()] == [commit.id]
    assert paths(client, commit) == ["/a", "/b", "/empty"]
    assert read(client, commit, "/a") == b"12"
    assert read(client, commit, "/empty") == b""


def test_put_files_of_a_folder(client: Client, branch: pfs.Branch, tmp_path: Path) -> None:
    (tmp_path / "sub" / "deep").mkdir(parents=True)
    (tmp_path / "x.dat").write_bytes(b"x")
    (tmp_path / "sub" / "deep" / "y.dat").write_bytes(b"y" * 3000)
    with client.pfs.commit(branch=branch) as commit:
        commit.put_files(source=tmp_path, path="/top")
    walked = [e.file.path for e in client.pfs.walk_file(file=pfs.File(commit, "/top"))]
    assert walked == ["/top/", "/top/sub/", "/top/sub/deep/", "/top/sub/deep/y.dat", "/top/x.dat"]
    with client.pfs.pfs_tar_file(pfs.File(commit, "/top")) as tar:
        tar.extractall(path=tmp_path / "out", filter="data")
    assert (tmp_path / "out" / "top" / "sub" / "deep" / "y.dat").read_bytes() == b"y" * 3000


def test_tar_of_everything(client: Client, branch: pfs.Branch, tmp_path: Path) -> None:
    commit = put(client, branch, {"/a.dat": b"1", "/child/b.dat": b"2"})
    with client.pfs.pfs_tar_file(pfs.File(commit, "/")) as tar:
        tar.extractall(path=tmp_path, filter="data")
    assert sorted(p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*.dat")) == [
        "a.dat",
        "child/b.dat",
    ]


def test_pfs_file_reads_like_a_file(client: Client, branch: pfs.Branch) -> None:
    data = bytes(range(256)) * 100_000
    commit = put(client, branch, {"/big": data, "/lines": b"one\ntwo\n"})
    with client.pfs.pfs_file(pfs.File(commit, "/big")) as file:
        assert file.read(10) == data[:10]
        assert file.read() == data[10:]
    with client.pfs.pfs_file(pfs.File(commit, "/lines")) as file:
        assert [bytes(line) for line in file] == [b"one\n", b"two\n"]
    offset = client.pfs.get_file(file=pfs.File(commit, "/big"), offset=len(data) - 3)
    assert b"".join(each.value for each in offset) == data[-3:]
    assert MAX_RECEIVE_MESSAGE_SIZE >= 20 << 20
    for path, text in (("/absent", r"file .* not found"), ("/", "Use GetFileTAR instead")):
        with pytest.raises(ValueError, match="PFSFile") as caught:
            client.pfs.pfs_file(pfs.File(commit, path))
        assert re.search(text, str(caught.value.__cause__))


def test_open_commits_block_and_release(client: Client, branch: pfs.Branch) -> None:
    commit = client.pfs.start_commit(branch=branch)
    with pytest.raises(grpc.RpcError, match=r"parent commit .* has not been finished"):
        client.pfs.start_commit(branch=branch)
    client.pfs.put_file_from_bytes(commit=commit, path="/f", data=b"1")
    assert read(client, commit, "/f") == b"1"
    client.pfs.clear_commit(commit=commit)
    assert paths(client, commit) == []
    waiting: list[pfs.CommitInfo] = []
    waiter = threading.Thread(target=lambda: waiting.append(client.pfs.wait_commit(commit)))
    waiter.start()
    client.pfs.finish_commit(commit=commit, description="later")
    waiter.join(10)
    assert waiting[0].description == "later"
    with pytest.raises(grpc.RpcError, match=r"commit .* has already finished"):
        client.pfs.finish_commit(commit=commit)
    with pytest.raises(grpc.RpcError, match="already finished"):
        client.pfs.put_file_from_bytes(commit=commit, path="/f", data=b"1")
    with pytest.raises(grpc.RpcError, match="cannot clear finished commit"):
        client.pfs.clear_commit(commit=commit)
    assert client.pfs.start_commit(branch=branch).id != commit.id


def test_commits_with_errors_are_not_bases(client: Client, branch: pfs.Branch) -> None:
    put(client, branch, {"/good": b""})
    bad = client.pfs.start_commit(branch=branch)
    client.pfs.put_file_from_bytes(commit=bad, path="/bad", data=b"")
    client.pfs.finish_commit(commit=bad, error="went wrong")
    assert client.pfs.inspect_commit(commit=bad).error == "went wrong"
    assert paths(client, put(client, branch, {"/next": b""})) == ["/good", "/next"]


def test_writes_without_an_open_commit(client: Client, branch: pfs.Branch) -> None:
    where = pfs.Commit(repo=branch.repo, branch=branch)
    client.pfs.put_file_from_bytes(commit=where, path="/a", data=b"1")
    first = client.pfs.inspect_branch(branch=branch).head
    client.pfs.put_file_from_bytes(commit=where, path="/b", data=b"2")
    client.pfs.delete_file(commit=where, path="/a")
    client.pfs.copy_file(commit=where, src=pfs.File(first, "/a"), dst="/dir/copy")
    assert paths(client, where) == ["/b", "/dir/"]
    assert read(client, where, "/dir/copy") == b"1"
    commits = list(client.pfs.list_commit(repo=branch.repo))
    assert len([each for each in commits if each.origin.kind == pfs.OriginKind.USER]) == 4
    fresh = pfs.Branch(repo=branch.repo, name="fresh")
    client.pfs.put_file_from_bytes(
        commit=pfs.Commit(branch=fresh, repo=branch.repo), path="/x", data=b""
    )
    assert client.pfs.branch_exists(branch=fresh)


def test_exists(client: Client, branch: pfs.Branch) -> None:
    commit = put(client, branch, {"/dir/file": b""})
    missing = repo("no-such-repo")
    no_branch = pfs.Branch(repo=branch.repo, name="none")
    no_commit = pfs.Commit(repo=branch.repo, id="0" * 12 + "4" + "0" * 19)
    assert client.pfs.project_exists(pfs.Project(name="default"))
    assert not client.pfs.project_exists(pfs.Project(name="none"))
    assert client.pfs.repo_exists(branch.repo)
    assert not client.pfs.repo_exists(missing)
    assert not client.pfs.repo_exists(repo("x", project="no-such-project"))
    assert client.pfs.branch_exists(branch)
    assert not client.pfs.branch_exists(no_branch)
    assert not client.pfs.branch_exists(pfs.Branch(repo=missing, name="master"))
    assert client.pfs.commit_exists(commit)
    assert not client.pfs.commit_exists(no_commit)
    for path in ("/dir", "/dir/", "dir/file", "/dir/file/", "/"):
        assert client.pfs.path_exists(pfs.File(commit, path)), path
    assert not client.pfs.path_exists(pfs.File(commit, "/none"))
    with pytest.raises(ValueError, match="commit"):
        client.pfs.path_exists(pfs.File(no_commit, "/none"))


def test_walk_list_glob_diff(client: Client, branch: pfs.Branch) -> None:
    first = put(client, branch, {"/a/b/file3.dat": b"3", "/a/file2.dat": b"2"})
    second = put(client, branch, {"/a/file2.dat": b"22", "/file1.dat": b"1"})
    walked = [e.file.path for e in client.pfs.walk_file(file=pfs.File(first, "/a"))]
    assert walked == ["/a/", "/a/b/", "/a/b/file3.dat", "/a/file2.dat"]
    assert paths(client, second, "/a") == ["/a/b/", "/a/file2.dat"]
    assert paths(client, second, "/nothing/there") == []
    info = client.pfs.inspect_file(file=pfs.File(second, "/a"))
    assert (info.file.path, info.file_type, info.size_bytes) == ("/a/", pfs.FileType.DIR, 3)
    assert info.committed == client.pfs.inspect_commit(commit=second).finishing
    page = client.pfs.list_file(
        file=pfs.File(second, "/"), pagination_marker=pfs.File(second, "/a/"), number=5
    )
    assert [each.file.path for each in page] == ["/file1.dat"]
    back = client.pfs.list_file(file=pfs.File(second, "/"), number=1, reverse=True)
    assert [each.file.path for each in back] == ["/file1.dat"]
    for pattern, found in {
        "/*": ["/a/", "/file1.dat"],
        "*.dat": ["/file1.dat"],
        "**.dat": ["/a/b/file3.dat", "/a/file2.dat", "/file1.dat"],
        "/a/{b,file2.dat}": ["/a/b/", "/a/file2.dat"],
        "/a/!(b)": ["/a/file2.dat"],
        "/file[0-9].dat": ["/file1.dat"],
        "/": ["/"],
        "/zzz*": [],
    }.items():
        assert [
            e.file.path for e in client.pfs.glob_file(commit=second, pattern=pattern)
        ] == found, pattern
    diff = client.pfs.diff_file(new_file=pfs.File(second, "/"), old_file=pfs.File(first, "/"))
    changes = [(d.new_file.file.path or None, d.old_file.file.path or None) for d in diff]
    assert ("/file1.dat", None) in changes
    assert ("/a/file2.dat", "/a/file2.dat") in changes
    assert not any("file3" in str(change) for change in changes)
    against_parent = client.pfs.diff_file(new_file=pfs.File(second, "/"))
    assert len(list(against_parent)) == len(changes)
    with refused("NOT_FOUND", r"file .* not found"):
        client.pfs.inspect_file(file=pfs.File(second, "/nope"))
    with refused("NOT_FOUND", "not found"):
        list(client.pfs.walk_file(file=pfs.File(second, "/nope")))


def test_long_names_fit_into_listings(client: Client, pachd: Pachd, branch: pfs.Branch) -> None:
    names = [f"/{number:03}{'n' * 60_000}" for number in range(400)]
    pachd.put(branch.repo.name, dict.fromkeys(names, b""))
    where = wire_commit(branch.repo.name)
    assert paths(client, pfs.Commit(repo=branch.repo, branch=branch)) == names
    request = bulk_pb2.ListRequest(file=pfs_pb2.File(commit=where, path="/"))
    frames = bulk_pb2_grpc.BulkStub(pachd.channel).List(request)
    assert [path for frame in frames for path in frame.paths] == names


def test_branches(client: Client, branch: pfs.Branch) -> None:
    client.pfs.create_branch(branch=branch)
    client.pfs.create_branch(branch=branch)
    empty = client.pfs.inspect_branch(branch=branch).head
    info = client.pfs.inspect_commit(commit=empty, wait=pfs.CommitState.FINISHED)
    assert info.finished
    assert info.origin.kind == pfs.OriginKind.AUTO
    stream = client.pfs.subscribe_commit(repo=branch.repo, branch="master")
    assert next(stream).commit.id == empty.id
    commit = put(client, branch, {"/f": b""})
    assert next(stream).commit.id == commit.id
    other = pfs.Branch(repo=branch.repo, name="other")
    client.pfs.create_branch(branch=other, head=commit)
    assert client.pfs.inspect_branch(branch=other).head.id == commit.id
    assert {b.branch.name for b in client.pfs.list_branch(repo=branch.repo)} == {"master", "other"}
    names = {each.name for each in client.pfs.inspect_repo(repo=branch.repo).branches}
    assert names == {"master", "other"}
    client.pfs.delete_branch(branch=other)
    assert client.pfs.commit_exists(commit)
    with refused("NOT_FOUND", r"branch .* not found in repo"):
        client.pfs.delete_branch(branch=other)


def test_provenance(client: Client, branch: pfs.Branch, name: str) -> None:
    down = pfs.Branch(repo=repo(f"{name}-down"), name="master")
    client.pfs.create_repo(repo=down.repo)
    client.pfs.create_branch(branch=down, provenance=[branch])
    commit = put(client, branch, {"/f": b""})
    infos = list(client.pfs.inspect_commit_set(commit_set=pfs.CommitSet(id=commit.id)))
    assert [each.commit.repo.name for each in infos] == [name, f"{name}-down"]
    sub = client.pfs.inspect_commit(commit=commit).direct_subvenance
    assert [each.repo.name for each in sub] == [f"{name}-down"]
    with pytest.raises(grpc.RpcError, match="cannot start a commit on an output branch"):
        client.pfs.start_commit(branch=down)
    with pytest.raises(grpc.RpcError, match="direct provenance"):
        client.pfs.delete_branch(branch=branch)
    with pytest.raises(grpc.RpcError, match="cycle detected"):
        client.pfs.create_branch(branch=branch, provenance=[down])
    assert any(each.commit_set.id == commit.id for each in client.pfs.list_commit_set())


def test_ancestry(client: Client, branch: pfs.Branch) -> None:
    made = [put(client, branch, {f"/{n}": b""}).id for n in range(3)]

    def at(suffix: str) -> str:
        where = pfs.Branch(repo=branch.repo, name=f"master{suffix}")
        return client.pfs.inspect_commit(
            commit=pfs.Commit(repo=branch.repo, branch=where)
        ).commit.id

    assert [at(""), at("^"), at("^^"), at("~2"), at("^1")] == [
        made[2],
        made[1],
        made[0],
        made[0],
        made[1],
    ]
    by_id = pfs.Commit(repo=branch.repo, id=f"{made[2]}^2")
    assert client.pfs.inspect_commit(commit=by_id).commit.id == made[0]
    for bad in ("^9", "^~", "^^2"):
        with pytest.raises(grpc.RpcError):
            at(bad)
    listed = list(client.pfs.list_commit(repo=branch.repo, number=2))
    assert [each.commit.id for each in listed] == made[:0:-1]
    to, from_ = pfs.Commit(repo=branch.repo, id=made[2]), pfs.Commit(repo=branch.repo, id=made[0])
    some = client.pfs.list_commit(repo=branch.repo, to=to, from_=from_)
    assert [each.commit.id for each in some] == made[:0:-1]


def test_file_sets(client: Client, branch: pfs.Branch) -> None:
    def files(**data: bytes) -> str:
        requests = [
            pfs.ModifyFileRequest(add_file=pfs.AddFile(path=f"/{key}", raw=value))
            for key, value in data.items()
        ]
        made: str = client.pfs.create_file_set(iter(requests)).file_set_id
        return made

    one, two = files(a=b"1", b=b"2"), files(c=b"3")
    both = client.pfs.compose_file_set(file_set_ids=[one, two], ttl_seconds=60).file_set_id
    as_commit = pfs.Commit(repo=pfs.Repo(name="__filesets__", type="user"), id=both)
    assert paths(client, as_commit) == ["/a", "/b", "/c"]
    client.pfs.renew_file_set(file_set_id=both, ttl_seconds=100)
    with client.pfs.commit(branch=branch) as commit:
        commit.put_file_from_bytes(path="/z", data=b"")
        client.pfs.add_file_set(commit=commit, file_set_id=both)
    assert paths(client, commit) == ["/a", "/b", "/c", "/z"]
    total = client.pfs.get_file_set(commit=commit, type=pfs.GetFileSetRequestFileSetType.TOTAL)
    again = pfs.Commit(repo=as_commit.repo, id=total.file_set_id)
    assert paths(client, again) == ["/a", "/b", "/c", "/z"]
    assert len(client.pfs.shard_file_set(file_set_id=both).shards) >= 1
    for ttl in (-1, 100_000):
        with pytest.raises(grpc.RpcError, match="ttl"):
            client.pfs.renew_file_set(file_set_id=both, ttl_seconds=ttl)
    with refused("NOT_FOUND", "not found"):
        client.pfs.renew_file_set(file_set_id="f" * 32, ttl_seconds=60)


def test_a_url_is_refused_in_words(client: Client, branch: pfs.Branch) -> None:
    where = pfs.Commit(repo=branch.repo, branch=branch)
    client.pfs.create_branch(branch=branch)
    with refused("UNIMPLEMENTED", "not implemented in Dassie yet"):
        client.pfs.put_file_from_url(commit=where, path="/f", url="s3://bucket/x")
    with refused("FAILED_PRECONDITION", "cannot fetch https://localhost:1/x"):
        client.pfs.put_file_from_url(commit=where, path="/f", url="https://localhost:1/x")
    assert paths(client, where) == []


def test_projects_and_summaries(client: Client, branch: pfs.Branch, name: str) -> None:
    project = pfs.Project(name=name.replace("_", "-")[:40])
    client.pfs.create_project(project=project, description="first")
    with refused("ALREADY_EXISTS", "already exists"):
        client.pfs.create_project(project=project)
    client.pfs.create_project(project=project, description="second", update=True)
    assert client.pfs.inspect_project(project=project).description == "second"
    inside = pfs.Repo(name=branch.repo.name, type="user", project=project)
    client.pfs.create_repo(repo=inside)
    found = client.pfs.list_repo(type="user", projects=[project])
    assert [each.repo.project.name for each in found] == [project.name]
    (summary,) = client.pfs.repos_summary(projects=[pfs.ProjectPicker(name=project.name)]).summaries
    assert summary.user_repo_count == 1
    with refused("FAILED_PRECONDITION", "cannot delete project"):
        client.pfs.delete_project(project=project)
    gone = client.pfs.delete_repos(projects=[project])
    assert [each.name for each in gone.repos] == [branch.repo.name]
    client.pfs.delete_project(project=project)
    with refused("NOT_FOUND", "project .* not found"):
        client.pfs.inspect_project(project=project)
    assert client.pfs.repo_exists(branch.repo)


def test_repos(client: Client, branch: pfs.Branch) -> None:
    where = branch.repo
    with refused("ALREADY_EXISTS", f"repo default/{where.name} already exists"):
        client.pfs.create_repo(repo=where)
    client.pfs.create_repo(repo=where, description="now", update=True)
    assert client.pfs.inspect_repo(repo=where).description == "now"
    put(client, branch, {"/f": b"12345"})
    info = client.pfs.inspect_repo(repo=where)
    assert info.details.size_bytes == info.size_bytes_upper_bound == 5
    short = pfs.Repo(name=where.name)
    assert client.pfs.inspect_repo(repo=short).repo.type == "user"
    assert client.pfs.delete_repo(repo=where).deleted
    assert not client.pfs.delete_repo(repo=where, force=True).deleted
    with refused("NOT_FOUND", rf"repo default/{where.name} not found"):
        client.pfs.inspect_repo(repo=where)


def test_find_commits_and_fsck(client: Client, branch: pfs.Branch) -> None:
    made = [put(client, branch, {path: b"x"}) for path in ("/f", "/g", "/h")]
    answers = list(client.pfs.find_commits(start=made[-1], file_path="/f"))
    assert [each.found_commit.id for each in answers if each.found_commit] == [made[0].id]
    assert answers[-1].commits_searched >= 3
    assert [each.error for each in client.pfs.fsck() if each.error] == []
