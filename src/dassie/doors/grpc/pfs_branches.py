"""pfs_v2.API, branches. Part of `pfs.PfsService`; every method is one domain call."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from dassie._proto.pfs import pfs_pb2
from dassie.doors.grpc import convert
from dassie.doors.grpc.calls import Call
from dassie.errors import Unimplemented
from dassie.pfs import branches
from dassie.pfs.graph import Graph
from dassie.pfs.model import BranchInfo


class BranchMethods:
    _graph: Graph

    def create_branch(self, request: pfs_pb2.CreateBranchRequest, _call: Call) -> None:
        if request.HasField("trigger"):
            raise Unimplemented("a branch trigger")
        key = convert.branch_key(request.branch)
        # An upsert: the provenance it names is the provenance the branch has afterwards, also when
        # it names none.
        provenance = [convert.branch_key(each) for each in request.provenance]
        never = frozenset(
            convert.branch_key(spec.branch)
            for spec in request.branch_propagation_specs
            if spec.propagation_spec.never
        )
        with self._graph.transaction() as gtx:
            branches.create(
                gtx,
                key,
                head=convert.optional_commit_ref(request.head),
                provenance=provenance,
                never=never,
                new_commit_set=request.new_commit_set,
            )

    def inspect_branch(
        self, request: pfs_pb2.InspectBranchRequest, _call: Call
    ) -> pfs_pb2.BranchInfo:
        with self._graph.snapshot() as tx:
            return convert.branch_info(branches.inspect(tx, convert.branch_key(request.branch)))

    def list_branch(
        self, request: pfs_pb2.ListBranchRequest, _call: Call
    ) -> Iterator[pfs_pb2.BranchInfo]:
        with self._graph.snapshot() as tx:
            infos = list(
                branches.list_(tx, convert.repo_key(request.repo), reverse=request.reverse)
            )
        yield from map(convert.branch_info, infos)

    def delete_branch(self, request: pfs_pb2.DeleteBranchRequest, _call: Call) -> None:
        with self._graph.transaction() as gtx:
            branches.delete(gtx, convert.branch_key(request.branch), force=request.force)

    def walk_branch_provenance(
        self, request: pfs_pb2.WalkBranchProvenanceRequest, _call: Call
    ) -> Iterator[pfs_pb2.BranchInfo]:
        yield from self._walk_branches(branches.walk_provenance, request)

    def walk_branch_subvenance(
        self, request: pfs_pb2.WalkBranchSubvenanceRequest, _call: Call
    ) -> Iterator[pfs_pb2.BranchInfo]:
        yield from self._walk_branches(branches.walk_subvenance, request)

    def _walk_branches(
        self,
        walk: Callable[..., Iterable[BranchInfo]],
        request: pfs_pb2.WalkBranchProvenanceRequest | pfs_pb2.WalkBranchSubvenanceRequest,
    ) -> Iterator[pfs_pb2.BranchInfo]:
        starts = [convert.picked_branch(picker) for picker in request.start]
        with self._graph.snapshot() as tx:
            limit = convert.at_most(request.max_branches, "max_branches")
            infos = list(walk(tx, starts, limit=limit, max_depth=request.max_depth))
        yield from map(convert.branch_info, infos)
