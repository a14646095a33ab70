"""dassie.bulk.v1.Bulk: the same files as pfs_v2, in frames of about 1 MiB. Used by our own client.

A `Put` stream (`bulk_put`) is worked off by one thread at a time, while the event loop reads ahead
as far as the stream's window goes; that is all the memory a fast client can take. Content is cut
out of messages and put into them (`bulk_get`) without copies (`base.wire`).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from concurrent.futures import Future
from typing import Final

from dassie._proto.dassie import bulk_pb2
from dassie.doors.grpc import convert
from dassie.doors.grpc.bulk_get import frames
from dassie.doors.grpc.bulk_put import PutStream
from dassie.doors.grpc.calls import BATCH_BYTES, Call, Requests
from dassie.pfs.files import Files
from dassie.pfs.views import View
from dassie.storage.types import Entry

_LIST_ENTRY_BYTES: Final = 64
"""Bytes of an entry in a frame beside its path, about."""


class BulkService:
    """Methods as `calls` describes them."""

    def __init__(self, files: Files) -> None:
        self._files = files

    async def put(self, requests: Requests, call: Call) -> AsyncIterator[bulk_pb2.PutResponse]:
        stream = PutStream(self._files)
        working: Future[list[bulk_pb2.PutResponse]] | None = None
        try:
            # All messages there are at once: each change of threads costs as much as a small one.
            while batch := await requests.read_ready():
                working = call.threads.submit(stream.take_all, batch)
                for answer in await asyncio.wrap_future(working):
                    yield answer
                while stream.is_busy:
                    working = call.threads.submit(stream.go_on)
                    for answer in await asyncio.wrap_future(working):
                        yield answer
            working = call.threads.submit(stream.finish)
            for answer in await asyncio.wrap_future(working):
                yield answer
        finally:
            if working is not None:
                # A thread may still be at work for a client that has gone: clean up behind it.
                working.add_done_callback(lambda _: call.threads.submit(stream.abandon))

    def get(self, request: bulk_pb2.GetRequest, _call: Call) -> Iterator[bytes]:
        return frames(self._files, request)

    def list(self, request: bulk_pb2.ListRequest, _call: Call) -> Iterator[bulk_pb2.ListFrame]:
        ref, path = convert.file_ref(request.file)
        if request.glob:
            view, entries = self._files.glob(ref, request.glob)
        elif request.recursive:
            view, entries = self._files.walk(ref, path)
        else:
            view, entries = self._files.list_(ref, path)
        batch: list[Entry] = []
        room = BATCH_BYTES
        first = True
        for entry in entries:
            batch.append(entry)
            room -= len(entry.path) + _LIST_ENTRY_BYTES
            if room < 0:
                yield _list_frame(view, batch)
                batch, room, first = [], BATCH_BYTES, False
        if batch or first:
            yield _list_frame(view, batch)


def _list_frame(view: View, entries: Sequence[Entry]) -> bulk_pb2.ListFrame:
    frame = bulk_pb2.ListFrame(
        paths=[entry.path for entry in entries],
        sizes=[entry.size for entry in entries],
        hashes=b"".join(entry.hash for entry in entries),
        commit=convert.commit(view.commit),
    )
    if view.committed is not None:
        frame.committed.CopyFrom(convert.timestamp(view.committed))
    return frame
