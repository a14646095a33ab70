"""References → protobuf messages, as the official clients send them. Pure.

Called by the command line and by the transfers beside it. Importing this module imports protobuf:
the command line does so inside functions only.
"""

from __future__ import annotations

from dassie._proto.pfs import pfs_pb2
from dassie._proto.pps import pps_pb2
from dassie.client.refs import CommitRef, FileRef, JobRef, PipelineRef, RepoRef


def project(name: str) -> pfs_pb2.Project:
    return pfs_pb2.Project(name=name)


def repo(ref: RepoRef) -> pfs_pb2.Repo:
    return pfs_pb2.Repo(project=project(ref.project), name=ref.name, type=ref.type)


def branch(ref: CommitRef) -> pfs_pb2.Branch:
    return pfs_pb2.Branch(repo=repo(ref.repo), name=ref.branch)


def commit(ref: CommitRef) -> pfs_pb2.Commit:
    message = pfs_pb2.Commit(repo=repo(ref.repo), id=ref.id)
    if ref.branch:
        message.branch.CopyFrom(branch(ref))
    return message


def file(ref: FileRef, path: str | None = None) -> pfs_pb2.File:
    return pfs_pb2.File(commit=commit(ref.commit), path=ref.path if path is None else path)


def pipeline(ref: PipelineRef) -> pps_pb2.Pipeline:
    return pps_pb2.Pipeline(project=project(ref.project), name=ref.name)


def job(ref: JobRef) -> pps_pb2.Job:
    return pps_pb2.Job(pipeline=pipeline(ref.pipeline), id=ref.id)


def repo_text(message: pfs_pb2.Repo) -> str:
    """How a repo of an answer is written on the command line."""
    name = message.name if message.type in ("", "user") else f"{message.name}.{message.type}"
    return f"{message.project.name}/{name}" if message.project.name else name


def commit_text(message: pfs_pb2.Commit) -> str:
    """How a commit of an answer is written on the command line."""
    return f"{repo_text(message.repo)}@{message.id or message.branch.name}"
