"""pfs_v2.API, commits: start, finish, clear, inspect, list, find, and waiting for them. Part of
`pfs.PfsService`.

Waiting holds no thread: a waiter subscribes to the database's notifications first, looks, and
sleeps until woken.
"""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Callable, Container, Iterator, Sequence
from itertools import takewhile

from dassie._proto.pfs import pfs_pb2
from dassie.doors.grpc import convert
from dassie.doors.grpc.calls import Call
from dassie.errors import NotFound
from dassie.meta.notify import Notifier
from dassie.pfs import commits, lineage, repos
from dassie.pfs.files import Files
from dassie.pfs.graph import Graph
from dassie.pfs.model import CommitInfo, CommitKey, CommitRef, Origin, RepoKey

CHANNEL = "commits"
FIND_RESERVE = 0.15
"""Part of a search's time that is kept for saying how far it came."""
REMEMBERED = 1000
"""Commits that a subscription knows it has sent."""
LOOK_AGAIN_S = 30.0
"""Notifications are a hint: a waiter looks at least this often."""


class CommitWaits:
    """Waiting for a commit to reach a state."""

    _graph: Graph
    _notifier: Notifier

    async def wait_or_gone(self, key: CommitKey, state: int, call: Call) -> CommitInfo | None:
        """As `wait`; `None` when the commit was deleted meanwhile."""
        try:
            return await self.wait(CommitRef(key.repo, id=key.id), state, call)
        except NotFound:
            return None

    async def wait(self, ref: CommitRef, state: int, call: Call) -> CommitInfo:
        """The commit, once it has reached `state`."""
        info = await call.run(self._inspect, ref)
        if info.state >= state:
            return info
        # The ref may be a branch, whose head can move on: wait for the commit it is now.
        ref = CommitRef(info.key.repo, id=info.key.id)
        with self._notifier.subscribe(CHANNEL) as subscription:
            while True:
                info = await call.run(self._inspect, ref)
                if info.state >= state:
                    return info
                await subscription.wait_async(LOOK_AGAIN_S)

    def _inspect(self, ref: CommitRef) -> CommitInfo:
        with self._graph.snapshot() as tx:
            return commits.inspect(tx, ref)


class CommitMethods(CommitWaits):
    _files: Files

    def start_commit(self, request: pfs_pb2.StartCommitRequest, _call: Call) -> pfs_pb2.Commit:
        with self._graph.transaction() as gtx:
            key = commits.start(
                gtx,
                convert.branch_key(request.branch),
                parent=convert.optional_commit_ref(request.parent),
                description=request.description,
            )
        message = convert.commit(key)
        # The one answer that names the branch: clients go on with what they get here.
        message.branch.CopyFrom(request.branch)
        message.branch.repo.CopyFrom(message.repo)
        return message

    def finish_commit(self, request: pfs_pb2.FinishCommitRequest, _call: Call) -> None:
        with self._graph.transaction() as gtx:
            commits.finish(
                gtx,
                convert.commit_ref(request.commit),
                description=request.description,
                error=request.error,
                force=request.force,
            )

    def clear_commit(self, request: pfs_pb2.ClearCommitRequest, _call: Call) -> None:
        with self._graph.transaction() as gtx:
            commits.clear(gtx, convert.commit_ref(request.commit))

    async def inspect_commit(
        self, request: pfs_pb2.InspectCommitRequest, call: Call
    ) -> pfs_pb2.CommitInfo:
        ref = convert.commit_ref(request.commit)
        info = await self.wait(ref, request.wait, call)
        return convert.commit_info(info)

    def list_commit(
        self, request: pfs_pb2.ListCommitRequest, _call: Call
    ) -> Iterator[pfs_pb2.CommitInfo]:
        started_before = (
            convert.moment(request.started_time) if request.HasField("started_time") else None
        )
        number = convert.at_most(request.number, "number")
        with self._graph.snapshot() as tx:
            infos = list(
                commits.list_(
                    tx,
                    _listed_repo(request),
                    from_=convert.optional_commit_ref(getattr(request, "from")),
                    to=convert.optional_commit_ref(request.to),
                    number=number,
                    reverse=request.reverse,
                    origin=convert.origin(request.origin_kind),
                    started_before=started_before,
                )
            )
        yield from map(convert.commit_info, infos)

    def find_commits(
        self, request: pfs_pb2.FindCommitsRequest, call: Call
    ) -> Iterator[pfs_pb2.FindCommitsResponse]:
        """Commits that changed a path, and at the end how far the search came.

        A caller with a deadline gets what was found in most of its time rather than an error.
        """
        start = convert.commit_ref(request.start)
        searched = found = 0
        last = None
        for last in lineage.changes(self._files, start, request.file_path):
            searched += 1
            if last.changed:
                found += 1
                yield pfs_pb2.FindCommitsResponse(
                    found_commit=convert.commit(last.commit), commits_searched=searched
                )
            if found == request.limit > 0 or out_of_time(call):
                break
        if last is not None:
            yield pfs_pb2.FindCommitsResponse(
                last_searched_commit=convert.commit(last.commit), commits_searched=searched
            )

    def walk_commit_provenance(
        self, request: pfs_pb2.WalkCommitProvenanceRequest, _call: Call
    ) -> Iterator[pfs_pb2.CommitInfo]:
        yield from self._walk_commits(lineage.provenance, request)

    def walk_commit_subvenance(
        self, request: pfs_pb2.WalkCommitSubvenanceRequest, _call: Call
    ) -> Iterator[pfs_pb2.CommitInfo]:
        yield from self._walk_commits(lineage.subvenance, request)

    def _walk_commits(
        self,
        step: Callable[[CommitInfo], Sequence[CommitKey]],
        request: pfs_pb2.WalkCommitProvenanceRequest | pfs_pb2.WalkCommitSubvenanceRequest,
    ) -> Iterator[pfs_pb2.CommitInfo]:
        starts = [convert.picked_commit(picker) for picker in request.start]
        with self._graph.snapshot() as tx:
            infos = list(
                lineage.walk(
                    tx, starts, step, limit=request.max_commits, max_depth=request.max_depth
                )
            )
        yield from map(convert.commit_info, infos)

    async def subscribe_commit(
        self, request: pfs_pb2.SubscribeCommitRequest, call: Call
    ) -> AsyncIterator[pfs_pb2.CommitInfo]:
        """Every commit of the repo or branch, oldest first, each once, each when it has reached the
        state.
        """
        repo = convert.repo_key(request.repo)
        from_ = convert.optional_commit_ref(getattr(request, "from"))
        origin = convert.origin(request.origin_kind)
        seen: dict[CommitKey, None] = {}
        if from_ is not None:
            seen.update(dict.fromkeys(await call.run(self._up_to, from_)))
        with self._notifier.subscribe(CHANNEL) as subscription:
            while True:
                fresh = await call.run(self._unseen, repo, origin, seen)
                for commit in fresh:
                    seen[commit.key] = None
                    if request.branch and commit.branch != request.branch:
                        continue
                    info = await self.wait_or_gone(commit.key, request.state, call)
                    if info is not None:
                        yield convert.commit_info(info)
                # Newer commits come before older ones, so the newest are all that need be known;
                # a few more, because commits can be deleted.
                for key in list(seen)[:-REMEMBERED]:
                    del seen[key]
                if not fresh:
                    await subscription.wait_async(LOOK_AGAIN_S)

    def _up_to(self, ref: CommitRef) -> list[CommitKey]:
        """A commit and its ancestors, as many as need be remembered, oldest first."""
        with self._graph.snapshot() as tx:
            key = commits.resolve(tx, ref)
            to = CommitRef(key.repo, id=key.id)
            known = [info.key for info in commits.list_(tx, key.repo, to=to, number=REMEMBERED)]
        known.reverse()
        return known

    def _unseen(
        self, repo: RepoKey, origin: Origin | None, seen: Container[CommitKey]
    ) -> list[CommitInfo]:
        """Commits that were not seen, oldest first. Stops reading at the newest one that was."""
        with self._graph.snapshot() as tx:
            repos.inspect(tx, repo)
            listed = commits.list_(tx, repo, origin=origin)
            found = list(takewhile(lambda info: info.key not in seen, listed))
        found.reverse()
        return found


def _listed_repo(request: pfs_pb2.ListCommitRequest) -> RepoKey:
    """The repo to list: clients that list a branch may say so in `to` only."""
    if request.HasField("repo"):
        return convert.repo_key(request.repo)
    return convert.commit_ref(request.to).repo


def out_of_time(call: Call) -> bool:
    """Whether only the reserve of a caller's time is left."""
    return call.timeout < math.inf and call.remaining() < FIND_RESERVE * call.timeout
