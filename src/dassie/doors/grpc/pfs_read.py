"""pfs_v2.API, everything that reads files. Part of `pfs.PfsService`.

Domain iterators are lazy and hold no transaction; they are advanced and serialised in threads, one
batch at a time (see `calls`).
"""

from __future__ import annotations

from collections.abc import Iterator

from google.protobuf.wrappers_pb2 import BytesValue

from dassie._proto.pfs import pfs_pb2
from dassie.doors.grpc import convert
from dassie.doors.grpc.calls import BATCH_BYTES, Call
from dassie.errors import InvalidArgument, Unimplemented
from dassie.pfs.files import Files
from dassie.pfs.reading import FileInfo, PathRange


class ReadMethods:
    _files: Files

    def get_file(self, request: pfs_pb2.GetFileRequest, _call: Call) -> Iterator[BytesValue]:
        _refuse_export(request)
        ref, path = convert.file_ref(request.file)
        _, pieces = self._files.read(ref, path, request.offset)
        messages = _messages(pieces)
        # Of an empty file there is one empty message: python-pachyderm 7 takes the first unasked.
        yield next(messages, BytesValue())
        yield from messages

    def get_file_tar(self, request: pfs_pb2.GetFileRequest, _call: Call) -> Iterator[BytesValue]:
        _refuse_export(request)
        ref, path = convert.file_ref(request.file)
        yield from _messages(self._files.tar(ref, path, _path_range(request.path_range)))

    def inspect_file(self, request: pfs_pb2.InspectFileRequest, _call: Call) -> pfs_pb2.FileInfo:
        ref, path = convert.file_ref(request.file)
        return _file_info(self._files.inspect(ref, path))

    def list_file(self, request: pfs_pb2.ListFileRequest, _call: Call) -> Iterator[bytes]:
        ref, path = convert.file_ref(request.file)
        view, entries = self._files.list_(
            ref,
            path,
            marker=request.paginationMarker.path,
            number=request.number,
            reverse=request.reverse,
        )
        yield from convert.file_infos(view.commit, entries, view.committed)

    def walk_file(self, request: pfs_pb2.WalkFileRequest, _call: Call) -> Iterator[bytes]:
        ref, path = convert.file_ref(request.file)
        view, entries = self._files.walk(
            ref,
            path,
            marker=request.paginationMarker.path,
            number=request.number,
            reverse=request.reverse,
        )
        yield from convert.file_infos(view.commit, entries, view.committed)

    def glob_file(self, request: pfs_pb2.GlobFileRequest, _call: Call) -> Iterator[bytes]:
        view, entries = self._files.glob(
            convert.commit_ref(request.commit), request.pattern, _path_range(request.path_range)
        )
        yield from convert.file_infos(view.commit, entries, view.committed)

    def diff_file(
        self, request: pfs_pb2.DiffFileRequest, _call: Call
    ) -> Iterator[pfs_pb2.DiffFileResponse]:
        if not request.HasField("new_file"):
            raise InvalidArgument("new_file is not set")
        new, path = convert.file_ref(request.new_file)
        old, old_path = None, ""
        if request.HasField("old_file"):
            old, old_path = convert.file_ref(request.old_file)
        for before, after in self._files.diff(new, path, old, old_path, shallow=request.shallow):
            answer = pfs_pb2.DiffFileResponse()
            if after is not None:
                answer.new_file.CopyFrom(_file_info(after))
            if before is not None:
                answer.old_file.CopyFrom(_file_info(before))
            yield answer


def _refuse_export(request: pfs_pb2.GetFileRequest) -> None:
    if request.URL:
        raise Unimplemented("getting a file into an object store by URL")


def _path_range(wanted: pfs_pb2.PathRange) -> PathRange:
    return PathRange(wanted.lower, wanted.upper)


def _file_info(info: FileInfo) -> pfs_pb2.FileInfo:
    return convert.file_info(info.commit, info.entry, info.committed)


def _messages(pieces: Iterator[bytes]) -> Iterator[BytesValue]:
    """Messages of about 1 MiB, where the transport is fastest: larger pieces are cut."""
    for piece in pieces:
        if len(piece) <= BATCH_BYTES:
            yield BytesValue(value=piece)
            continue
        for start in range(0, len(piece), BATCH_BYTES):
            yield BytesValue(value=piece[start : start + BATCH_BYTES])
