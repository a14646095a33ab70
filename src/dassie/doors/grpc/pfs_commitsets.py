"""pfs_v2.API, commit sets: all commits, in all repos, of one change. Part of `pfs.PfsService`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

from dassie._proto.pfs import pfs_pb2
from dassie.doors.grpc import convert
from dassie.doors.grpc.calls import Call
from dassie.doors.grpc.pfs_commits import CommitWaits
from dassie.errors import InvalidArgument
from dassie.pfs import commitsets
from dassie.pfs.model import CommitInfo, CommitState


class CommitSetMethods(CommitWaits):
    async def inspect_commit_set(
        self, request: pfs_pb2.InspectCommitSetRequest, call: Call
    ) -> AsyncIterator[pfs_pb2.CommitInfo]:
        """Upstream before downstream; with `wait`, what is finished already first."""
        if not request.commit_set.id:
            raise InvalidArgument("no commit set specified")
        infos = await call.run(self._members, request.commit_set.id)
        unfinished = []
        for info in infos:
            if request.wait and info.state < CommitState.FINISHED:
                unfinished.append(info.key)
            else:
                yield convert.commit_info(info)
        for key in unfinished:
            finished = await self.wait_or_gone(key, CommitState.FINISHED, call)
            if finished is not None:
                yield convert.commit_info(finished)

    def _members(self, set_id: str) -> list[CommitInfo]:
        with self._graph.snapshot() as tx:
            return commitsets.inspect(tx, set_id)

    def list_commit_set(
        self, request: pfs_pb2.ListCommitSetRequest, _call: Call
    ) -> Iterator[pfs_pb2.CommitSetInfo]:
        with self._graph.snapshot() as tx:
            found = list(commitsets.list_(tx, request.project.name))
        for info in found:
            yield pfs_pb2.CommitSetInfo(
                commit_set=pfs_pb2.CommitSet(id=info.id),
                commits=map(convert.commit_info, info.commits),
            )
