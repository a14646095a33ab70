"""pfs_v2.API, file sets: trees that belong to no commit yet, and the cache that may keep
them. Part of `pfs.PfsService`."""

from __future__ import annotations

from dassie._proto.pfs import pfs_pb2
from dassie.doors.grpc import convert
from dassie.doors.grpc.calls import Call, Requests
from dassie.doors.grpc.pfs_modify import Writing, feed
from dassie.pfs.cache import Cache
from dassie.pfs.filesets import DEFAULT_TTL_S, FileSets


class FileSetMethods:
    _file_sets: FileSets
    _cache: Cache

    async def create_file_set(
        self, requests: Requests, call: Call
    ) -> pfs_pb2.CreateFileSetResponse:
        writing = Writing(self._file_sets.create)
        await feed(requests, call, writing)
        return _created(writing.commit_id)

    def get_file_set(
        self, request: pfs_pb2.GetFileSetRequest, _call: Call
    ) -> pfs_pb2.CreateFileSetResponse:
        id_ = self._file_sets.get(
            convert.commit_ref(request.commit), diff=request.type == pfs_pb2.GetFileSetRequest.DIFF
        )
        return _created(id_)

    def add_file_set(self, request: pfs_pb2.AddFileSetRequest, _call: Call) -> None:
        self._file_sets.add(convert.commit_ref(request.commit), request.file_set_id)

    def renew_file_set(self, request: pfs_pb2.RenewFileSetRequest, _call: Call) -> None:
        self._file_sets.renew(request.file_set_id, request.ttl_seconds)

    def compose_file_set(
        self, request: pfs_pb2.ComposeFileSetRequest, _call: Call
    ) -> pfs_pb2.CreateFileSetResponse:
        ttl_s = request.ttl_seconds or DEFAULT_TTL_S
        return _created(self._file_sets.compose(list(request.file_set_ids), ttl_s))

    def put_cache(self, request: pfs_pb2.PutCacheRequest, _call: Call) -> None:
        value = request.value.SerializeToString()
        self._cache.put(request.key, value, list(request.file_set_ids), request.tag)

    def get_cache(self, request: pfs_pb2.GetCacheRequest, _call: Call) -> pfs_pb2.GetCacheResponse:
        answer = pfs_pb2.GetCacheResponse()
        answer.value.ParseFromString(self._cache.get(request.key))
        return answer

    def clear_cache(self, request: pfs_pb2.ClearCacheRequest, _call: Call) -> None:
        self._cache.clear(request.tag_prefix)

    def shard_file_set(
        self, request: pfs_pb2.ShardFileSetRequest, _call: Call
    ) -> pfs_pb2.ShardFileSetResponse:
        shards = self._file_sets.shard(request.file_set_id, request.num_files, request.size_bytes)
        return pfs_pb2.ShardFileSetResponse(
            shards=[pfs_pb2.PathRange(lower=each.lower, upper=each.upper) for each in shards]
        )


def _created(id_: str) -> pfs_pb2.CreateFileSetResponse:
    return pfs_pb2.CreateFileSetResponse(file_set_id=id_)
