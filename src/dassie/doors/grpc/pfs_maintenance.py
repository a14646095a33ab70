"""pfs_v2.API, the whole at once: Fsck, CheckStorage and DeleteAll. Part of `pfs.PfsService`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from dassie._proto.pfs import pfs_pb2
from dassie.doors.grpc.calls import Call
from dassie.pfs import check, fsck, projects, repos
from dassie.pfs.files import Files
from dassie.pfs.graph import Graph
from dassie.pfs.model import DEFAULT_PROJECT, USER


class MaintenanceMethods:
    _graph: Graph
    _files: Files
    _check_storage: Callable[[], Iterable[str]]

    def fsck(self, _request: pfs_pb2.FsckRequest, _call: Call) -> Iterator[pfs_pb2.FsckResponse]:
        """Streams what is wrong; nothing when all is well. There is nothing that `fix` could
        decide.
        """

        with self._graph.snapshot() as tx:
            broken = list(check.problems(tx))
        for text in broken:
            yield pfs_pb2.FsckResponse(error=text)
        for text in self._check_storage():
            yield pfs_pb2.FsckResponse(error=text)

    def check_storage(
        self, request: pfs_pb2.CheckStorageRequest, _call: Call
    ) -> pfs_pb2.CheckStorageResponse:
        """Are the chunks of a range of hashes there; with `read_chunk_data`, are they intact?"""
        count = fsck.count_chunks(
            self._graph,
            self._files.storage,
            request.chunk_begin,
            request.chunk_end,
            read=request.read_chunk_data,
        )
        return pfs_pb2.CheckStorageResponse(chunk_object_count=count)

    def delete_all(self, _request: object, _call: Call) -> None:
        """Every repo and project; the default project is there again, empty."""
        with self._graph.transaction() as gtx:
            for info in repos.list_(gtx.tx, type=USER):
                repos.delete(gtx, info.key, force=True, internal=True)
            for project in projects.list_(gtx.tx):
                if project.name != DEFAULT_PROJECT:
                    projects.delete(gtx, project.name, force=True)
