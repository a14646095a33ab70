"""Between the wire's messages and the domain's records, both ways. Pure.

Used by every module of this door. Unset fields get the defaults that Pachyderm's server gives them:
project `default`, repo type `user`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from google.protobuf.timestamp_pb2 import Timestamp

from dassie._proto.pfs import pfs_pb2
from dassie.errors import InvalidArgument
from dassie.pfs.model import (
    DEFAULT_PROJECT,
    FILESETS,
    USER,
    BranchInfo,
    BranchKey,
    CommitInfo,
    CommitKey,
    CommitRef,
    CommitState,
    Origin,
    ProjectInfo,
    RepoInfo,
    RepoKey,
)
from dassie.storage.types import Dir, Entry

_ORIGINS = {
    Origin.USER: pfs_pb2.OriginKind.USER,
    Origin.AUTO: pfs_pb2.OriginKind.AUTO,
    Origin.FSCK: pfs_pb2.OriginKind.FSCK,
}

# -- from the wire
# -----------------------------------------------------------------------------------


def project_name(project: pfs_pb2.Project) -> str:
    return project.name or DEFAULT_PROJECT


def repo_key(repo: pfs_pb2.Repo) -> RepoKey:
    if not repo.name:
        raise InvalidArgument("no repo specified")
    return RepoKey(project_name(repo.project), repo.name, repo.type or USER)


def branch_key(branch: pfs_pb2.Branch) -> BranchKey:
    if not branch.name:
        raise InvalidArgument(f"no branch name specified (repo {repo_key(branch.repo)})")
    return BranchKey(repo_key(branch.repo), branch.name)


def commit_ref(commit: pfs_pb2.Commit) -> CommitRef:
    """Clients name a commit's repo directly, or by its branch, or both."""
    direct = commit.repo if commit.repo.name else commit.branch.repo
    if not direct.name:
        raise InvalidArgument("no repo specified for the commit")
    return CommitRef(repo_key(direct), branch=commit.branch.name, id=commit.id)


def optional_commit_ref(commit: pfs_pb2.Commit) -> CommitRef | None:
    """`None` when the field says nothing; a repo alone says nothing."""
    return commit_ref(commit) if commit.id or commit.branch.name else None


def file_ref(file: pfs_pb2.File) -> tuple[CommitRef, str]:
    return commit_ref(file.commit), file.path


def moment(timestamp: Timestamp) -> datetime:
    try:
        return timestamp.ToDatetime(tzinfo=UTC)
    except (OverflowError, ValueError):
        seconds, nanos = timestamp.seconds, timestamp.nanos
        raise InvalidArgument(f"not a time: {seconds} s and {nanos} ns since 1970") from None


def origin(kind: int) -> Origin | None:
    """Which commits a request wants; 0 is all."""
    try:
        return Origin(kind) if kind else None
    except ValueError:
        raise InvalidArgument(f"no such origin kind: {kind}") from None


def at_most(number: int, field: str) -> int:
    """How many answers a request wants; 0 is without limit."""
    if number < 0:
        raise InvalidArgument(f"{field} must be non-negative, not {number}")
    return min(number, sys.maxsize)


def file_set_ref(file_set_id: str) -> CommitRef:
    """A file set, as the commit that reads accept for it."""
    return CommitRef(RepoKey(DEFAULT_PROJECT, FILESETS), id=file_set_id)


def picked_repo(picker: pfs_pb2.RepoPicker) -> RepoKey:
    name = picker.name
    if not name.name:
        raise InvalidArgument("the repo picker names no repo")
    return RepoKey(name.project.name or DEFAULT_PROJECT, name.name, name.type or USER)


def picked_branch(picker: pfs_pb2.BranchPicker) -> BranchKey:
    if not picker.name.name:
        raise InvalidArgument("the branch picker names no branch")
    return BranchKey(picked_repo(picker.name.repo), picker.name.name)


def picked_commit(picker: pfs_pb2.CommitPicker) -> CommitRef:
    """A picker, in the form that the ancestry syntax has for it."""
    kind = picker.WhichOneof("picker")
    if kind == "branch_head":
        branch = picked_branch(picker.branch_head)
        return CommitRef(branch.repo, branch=branch.name)
    if kind == "id":
        return CommitRef(picked_repo(picker.id.repo), id=picker.id.id)
    if kind == "ancestor":
        start = picked_commit(picker.ancestor.start)
        steps = f"^{picker.ancestor.offset}"
        if start.id:
            return CommitRef(start.repo, branch=start.branch, id=start.id + steps)
        return CommitRef(start.repo, branch=start.branch + steps)
    if kind == "branch_root":
        branch = picked_branch(picker.branch_root.branch)
        # The picker counts from 0, the syntax from 1.
        return CommitRef(branch.repo, branch=f"{branch.name}.{picker.branch_root.offset + 1}")
    raise InvalidArgument("the commit picker picks nothing")


# -- to the wire
# -------------------------------------------------------------------------------------


def timestamp(moment_: datetime) -> Timestamp:
    stamp = Timestamp()
    stamp.FromDatetime(moment_)
    return stamp


def project(name: str) -> pfs_pb2.Project:
    return pfs_pb2.Project(name=name)


def repo(key: RepoKey) -> pfs_pb2.Repo:
    return pfs_pb2.Repo(name=key.name, type=key.type, project=project(key.project))


def branch(key: BranchKey) -> pfs_pb2.Branch:
    return pfs_pb2.Branch(repo=repo(key.repo), name=key.name)


def commit(key: CommitKey) -> pfs_pb2.Commit:
    """Answers name a commit by repo and id only: its branch is no part of its identity."""
    return pfs_pb2.Commit(repo=repo(key.repo), id=key.id)


def project_info(info: ProjectInfo) -> pfs_pb2.ProjectInfo:
    return pfs_pb2.ProjectInfo(
        project=project(info.name),
        description=info.description,
        created_at=timestamp(info.created_at),
        created_by=info.created_by,
        metadata=info.metadata,
    )


def repo_info(info: RepoInfo, *, details: bool = True) -> pfs_pb2.RepoInfo:
    message = pfs_pb2.RepoInfo(
        repo=repo(info.key),
        created=timestamp(info.created_at),
        description=info.description,
        branches=[branch(key) for key in info.branches],
        size_bytes_upper_bound=info.size_bytes,
        metadata=info.metadata,
    )
    if details:
        message.details.size_bytes = info.size_bytes
    return message


def branch_info(info: BranchInfo) -> pfs_pb2.BranchInfo:
    return pfs_pb2.BranchInfo(
        branch=branch(info.key),
        head=commit(info.head),
        provenance=[branch(key) for key in info.provenance],
        subvenance=[branch(key) for key in info.subvenance],
        direct_provenance=[branch(key) for key in info.direct_provenance],
        branch_propagation_specs=[
            pfs_pb2.BranchPropagationSpec(
                branch=branch(key), propagation_spec=pfs_pb2.PropagationSpec(never=True)
            )
            for key in sorted(info.never_propagate)
        ],
        metadata=info.metadata,
        created_by=info.created_by,
        created_at=timestamp(info.created_at),
        updated_at=timestamp(info.updated_at),
    )


def commit_info(info: CommitInfo) -> pfs_pb2.CommitInfo:
    last = info.finished_at or info.finishing_at or info.started_at
    message = pfs_pb2.CommitInfo(
        commit=commit(info.key),
        origin=pfs_pb2.CommitOrigin(kind=_ORIGINS[info.origin]),
        description=info.description,
        child_commits=[commit(key) for key in info.children],
        started=timestamp(info.started_at),
        direct_provenance=[commit(key) for key in info.direct_provenance],
        direct_subvenance=[commit(key) for key in info.direct_subvenance],
        error=info.error,
        size_bytes_upper_bound=info.size_bytes,
        metadata=info.metadata,
        created_by=info.created_by,
        created_at=timestamp(info.started_at),
        updated_at=timestamp(last),
    )
    if info.parent is not None:
        message.parent_commit.CopyFrom(commit(info.parent))
    if info.finishing_at is not None:
        message.finishing.FromDatetime(info.finishing_at)
    if info.finished_at is not None:
        message.finished.FromDatetime(info.finished_at)
    if info.state is CommitState.FINISHED:
        # Content is validated as it is written, so there is nothing to time at the end.
        message.details.size_bytes = info.size_bytes
        message.details.compacting_time.SetInParent()
        message.details.validating_time.SetInParent()
    return message


def file_info(
    key: CommitKey, entry: Entry, committed: datetime | None, datum: str = ""
) -> pfs_pb2.FileInfo:
    message = _blank(key, committed, datum)
    _fill(message, entry)
    return message


def file_infos(
    key: CommitKey, entries: Iterable[Entry], committed: datetime | None
) -> Iterator[bytes]:
    """Serialised `FileInfo`s of one commit. One message is filled again and again: a long listing
    costs a microsecond or two for each entry."""
    message = _blank(key, committed, "")
    for entry in entries:
        _fill(message, entry)
        yield message.SerializeToString()


def _blank(key: CommitKey, committed: datetime | None, datum: str) -> pfs_pb2.FileInfo:
    message = pfs_pb2.FileInfo(file=pfs_pb2.File(commit=commit(key), datum=datum))
    if committed is not None:
        message.committed.FromDatetime(committed)
    return message


def _fill(message: pfs_pb2.FileInfo, entry: Entry) -> None:
    node = entry.node
    message.file.path = entry.path
    message.file_type = pfs_pb2.DIR if isinstance(node, Dir) else pfs_pb2.FILE
    message.size_bytes = node.size
    message.hash = node.hash
