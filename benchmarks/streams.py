"""The compatible doors: one AddFile message per file, by generated code and by the official SDK."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import grpc

from benchmarks.dassie_peer import Server
from dassie._proto.pfs import pfs_pb2, pfs_pb2_grpc

LIMITS = [("grpc.max_send_message_length", 20 << 20), ("grpc.max_receive_message_length", 20 << 20)]


def _messages(repo: str, files: list[tuple[str, bytes]]) -> Iterator[pfs_pb2.ModifyFileRequest]:
    commit = pfs_pb2.Commit(
        branch=pfs_pb2.Branch(
            repo=pfs_pb2.Repo(name=repo, type="user", project=pfs_pb2.Project(name="default")),
            name="master",
        )
    )
    yield pfs_pb2.ModifyFileRequest(set_commit=commit)
    for path, data in files:
        request = pfs_pb2.ModifyFileRequest()
        request.add_file.path = path
        request.add_file.raw.value = data
        yield request


def read_tree(root: Path) -> list[tuple[str, bytes]]:
    """Every file below `root` as (path, content): read before the clock starts."""
    return [
        (f"/{path.relative_to(root)}", path.read_bytes()) for path in sorted(root.rglob("*.bin"))
    ]


def modify_file(server: Server, repo: str, files: list[tuple[str, bytes]]) -> float:
    """Seconds of one ModifyFile stream with one AddFile message per file, by the generated
    client."""
    server.pachctl("create", "repo", repo)
    with grpc.insecure_channel(server.address, options=LIMITS) as channel:
        stub = pfs_pb2_grpc.APIStub(channel)
        began = time.perf_counter()
        stub.ModifyFile(_messages(repo, files))
        return time.perf_counter() - began


def official_sdk(server: Server, repo: str, files: list[tuple[str, bytes]]) -> tuple[float, float]:
    """Seconds, and the server's processor seconds among them, through `pachyderm_sdk`: one
    ModifyFile stream
    of its own message classes."""
    from pachyderm_sdk import Client
    from pachyderm_sdk.api import pfs

    host, port = server.address.rsplit(":", 1)
    client = Client(host=host, port=int(port))
    branch = pfs.Branch.from_uri(f"{repo}@master")
    client.pfs.create_repo(repo=pfs.Repo(name=repo))

    def messages() -> Iterator[pfs.ModifyFileRequest]:
        yield pfs.ModifyFileRequest(set_commit=pfs.Commit(branch=branch, repo=branch.repo))
        for path, data in files:
            yield pfs.ModifyFileRequest(add_file=pfs.AddFile(path=path, raw=data))

    before, began = server.cpu_seconds(), time.perf_counter()
    client.pfs.modify_file(messages())
    return time.perf_counter() - began, server.cpu_seconds() - before
