"""`pachd` as a process: one line, one server per folder, a clean end, and a database
that was lost.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import grpc
import pytest
from google.protobuf import empty_pb2

from dassie._proto.pfs import pfs_pb2
from tests.crash.pachd import BIN, Pachd, branch, commit, repo

Finished = subprocess.CompletedProcess[str]


def run(*flags: str, **environment: str) -> Finished:
    return subprocess.run(
        [BIN / "pachd", *flags],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, **environment},
    )


@pytest.fixture
def server(tmp_path: Path) -> Pachd:
    return Pachd(tmp_path)


def put(server: Pachd, name: str, path: str, data: bytes) -> None:
    add = pfs_pb2.AddFile(path=path)
    add.raw.value = data
    target = pfs_pb2.Commit(branch=branch(name))
    requests = [
        pfs_pb2.ModifyFileRequest(set_commit=target),
        pfs_pb2.ModifyFileRequest(add_file=add),
    ]
    server.pfs.ModifyFile(iter(requests))


def get(server: Pachd, name: str, path: str) -> bytes:
    request = pfs_pb2.GetFileRequest(file=pfs_pb2.File(commit=commit(name), path=path))
    return b"".join(part.value for part in server.pfs.GetFile(request))


def test_help_and_version_say_what_there_is() -> None:
    text = run("--help").stdout
    assert "--port" in text
    assert "DASSIE_DATA" in text
    assert run("--version").stdout.startswith("pachd 0.")


def test_a_wrong_flag_is_a_usage_error() -> None:
    finished = run("--port", "abc")
    assert finished.returncode == 2
    assert finished.stderr == "pachd: --port must be a number, not 'abc' (from the flag --port)\n"


def test_it_serves_with_no_configuration_at_all(tmp_path: Path) -> None:
    environment = {**os.environ, "HOME": str(tmp_path), "PORT": "0"}
    for name in ("XDG_DATA_HOME", "DASSIE_DATA", "DASSIE_DATABASE"):
        environment.pop(name, None)
    process = subprocess.Popen([BIN / "pachd"], stdout=subprocess.PIPE, text=True, env=environment)
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line.startswith("pachd listens on 127.0.0.1:")
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0
    assert process.stdout.read() == ""
    process.stdout.close()
    folder = tmp_path / ".local" / "share" / "dassie"
    assert "listening on" in (folder / "pachd.log").read_text()


def test_a_second_server_on_the_folder_is_refused(server: Pachd) -> None:
    server.start()
    try:
        assert server.process is not None
        finished = run("--data", str(server.folder / "data"), "--port", "0")
        assert finished.returncode == 1
        assert f"process {server.process.pid} listening on {server.address}" in finished.stderr
        assert finished.stderr.count("\n") == 1
    finally:
        server.stop()


def test_a_port_that_is_taken_is_said(server: Pachd, tmp_path: Path) -> None:
    server.start()
    try:
        port = server.address.rpartition(":")[2]
        finished = run("--data", str(tmp_path / "other"), "--port", port)
        assert finished.returncode == 1
        assert f"cannot listen on 127.0.0.1:{port}: another server uses the port" in finished.stderr
    finally:
        server.stop()


def test_a_folder_that_cannot_be_used_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    finished = run("--data", str(tmp_path / "file"), "--port", "0")
    assert finished.returncode == 1
    assert "cannot use the data folder" in finished.stderr


def test_data_survives_a_restart_and_the_cluster_stays_the_same(server: Pachd) -> None:
    server.start()
    server.pfs.CreateRepo(pfs_pb2.CreateRepoRequest(repo=repo("r")))
    put(server, "r", "/a", b"data")
    server.stop()
    identity = (server.folder / "data" / "cluster-id").read_text()
    server.start()
    assert get(server, "r", "/a") == b"data"
    server.stop()
    assert (server.folder / "data" / "cluster-id").read_text() == identity


def test_stopping_ends_calls_that_only_wait(tmp_path: Path) -> None:
    server = Pachd(tmp_path, "--stop-grace", "1h")
    server.start()
    server.pfs.CreateRepo(pfs_pb2.CreateRepoRequest(repo=repo("r")))
    feed = server.pfs.SubscribeCommit(
        pfs_pb2.SubscribeCommitRequest(repo=repo("r"), branch="master")
    )
    put(server, "r", "/a", b"x")
    next(feed)
    assert server.process is not None
    server.process.terminate()
    with pytest.raises(grpc.RpcError) as caught:
        next(feed)
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    assert server.process.wait(30) == 0
    server.channel.close()


def test_a_lost_database_loses_nothing_that_was_finished(server: Pachd) -> None:
    server.start()
    server.pfs.CreateRepo(pfs_pb2.CreateRepoRequest(repo=repo("r"), description="kept"))
    put(server, "r", "/a", b"first")
    put(server, "r", "/b", bytes(3 << 20))
    server.stop()
    for file in (server.folder / "data").glob("metadata.db*"):
        file.unlink()
    server.start()
    try:
        info = server.pfs.InspectRepo(pfs_pb2.InspectRepoRequest(repo=repo("r")))
        assert info.description == "kept"
        assert get(server, "r", "/a") == b"first"
        assert get(server, "r", "/b") == bytes(3 << 20)
        assert [answer.error for answer in server.pfs.Fsck(pfs_pb2.FsckRequest())] == []
    finally:
        server.stop()


def test_a_flipped_byte_is_an_error_that_names_file_commit_and_pack(server: Pachd) -> None:
    server.start()
    server.pfs.CreateRepo(pfs_pb2.CreateRepoRequest(repo=repo("r")))
    put(server, "r", "/a", os.urandom(300_000))
    head = server.pfs.InspectCommit(pfs_pb2.InspectCommitRequest(commit=commit("r"))).commit.id
    server.stop()
    packs = sorted((server.folder / "data" / "objects").rglob("pack/**/*"))
    (pack,) = [path for path in packs if path.is_file() and path.stat().st_size > 300_000]
    content = bytearray(pack.read_bytes())
    content[150_000] ^= 1
    pack.chmod(0o600)
    pack.write_bytes(content)
    server.start()
    try:
        with pytest.raises(grpc.RpcError) as caught:
            get(server, "r", "/a")
        assert caught.value.code() is grpc.StatusCode.DATA_LOSS
        for word in ("/a", head, pack.name):
            assert word in caught.value.details()
    finally:
        server.stop()


def test_either_database_serves(tmp_path: Path, database_url: str) -> None:
    server = Pachd(tmp_path, "--postgres-url", database_url)
    for round_ in (b"1", b"2"):
        server.start()
        server.pfs.CreateRepo(pfs_pb2.CreateRepoRequest(repo=repo("r"), update=True))
        put(server, "r", "/a", round_)
        server.stop()
    server.start()
    assert get(server, "r", "/a") == b"12"
    server.stop()


def test_deleting_everything_leaves_an_empty_default_project(server: Pachd) -> None:
    server.start()
    project = pfs_pb2.Project(name="other")
    server.pfs.CreateProject(pfs_pb2.CreateProjectRequest(project=project))
    for name in ("a", "b"):
        server.pfs.CreateRepo(pfs_pb2.CreateRepoRequest(repo=repo(name)))
    out = pfs_pb2.CreateBranchRequest(branch=branch("b"), provenance=[branch("a")])
    server.pfs.CreateBranch(out)
    put(server, "a", "/a", b"x")
    server.pfs.DeleteAll(empty_pb2.Empty())
    assert list(server.pfs.ListRepo(pfs_pb2.ListRepoRequest())) == []
    projects = server.pfs.ListProject(pfs_pb2.ListProjectRequest())
    assert [info.project.name for info in projects] == ["default"]
    server.stop()


def test_the_module_runs_too() -> None:
    finished = subprocess.run(
        [sys.executable, "-m", "dassie.daemon.main", "--version"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.stdout.startswith("pachd ")
