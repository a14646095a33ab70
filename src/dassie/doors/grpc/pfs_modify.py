"""pfs_v2.API, the stream that writes: ModifyFile. Part of `pfs.PfsService`; `feed` serves file sets
too.

One message may carry 4 KiB, and a stream a hundred thousand of them. So the event loop only
collects raw messages; a thread parses and applies a batch while the loop collects the next one. At
most two batches of a stream are in memory, which is how a fast client is slowed down.

A file that comes from a URL is fetched when its turn comes in the stream, in a pool of its own: a
slow web server must not hold the threads that answer calls.
"""

from __future__ import annotations

from asyncio import wrap_future
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager, suppress
from typing import TYPE_CHECKING, Any

from dassie._proto.pfs import pfs_pb2
from dassie.doors.grpc import convert
from dassie.doors.grpc.calls import Call, Requests, parse
from dassie.errors import Aborted, InvalidArgument
from dassie.pfs.files import Files
from dassie.pfs.modification import Modification

if TYPE_CHECKING:
    from dassie.pfs.web import Fetch


class ModifyMethods:
    _files: Files

    async def modify_file(self, requests: Requests, call: Call) -> None:
        first = await requests.read_raw()
        if first is None:
            raise InvalidArgument("the stream is empty; its first message must be set_commit")
        message = parse(pfs_pb2.ModifyFileRequest, first)
        if message.WhichOneof("body") != "set_commit":
            raise InvalidArgument("the first message of the stream must be set_commit")
        ref = convert.commit_ref(message.set_commit)
        await feed(requests, call, Writing(lambda: self._files.modify(ref)))


class Interrupted(Aborted):
    """The client went away before it had closed its stream: nothing of it is kept."""

    def __init__(self) -> None:
        super().__init__("the stream broke off before its end; nothing was written")


class Writing:
    """One stream's writes. Its methods block; they are called one after the other, from
    any thread.
    """

    def __init__(self, open_: Callable[[], AbstractContextManager[Modification]]) -> None:
        self._open = open_
        self._context: AbstractContextManager[Modification] | None = None
        self._modification: Modification | None = None
        self._fetch: Fetch | None = None
        self._stopped = False

    def apply(self, batch: Sequence[bytes]) -> Sequence[bytes]:
        """Parse and apply serialised `ModifyFileRequest`s, in order, up to one that says to fetch
        a URL. Returns what is left: that one and all behind it; see `fetch`.
        """
        if self._modification is None:
            self._context = self._open()
            self._modification = self._context.__enter__()
        modification = self._modification
        paths: list[str] = []
        data: list[bytes] = []
        left: Sequence[bytes] = ()
        for position, raw in enumerate(batch):
            message = parse(pfs_pb2.ModifyFileRequest, raw)
            if message.WhichOneof("body") == "add_file":
                added = message.add_file
                if added.HasField("url"):
                    left = batch[position:]
                    break
                if not added.datum:
                    paths.append(added.path)
                    data.append(added.raw.value)
                    continue
            modification.add_all(paths, data)
            paths, data = [], []
            _apply_one(modification, message)
        modification.add_all(paths, data)
        return left

    def fetch(self, batch: Sequence[bytes]) -> Sequence[bytes]:
        """Carry out the first message, which names a URL; what is left then. May take as long as
        the other side likes: until `stop`.
        """
        assert self._modification is not None  # noqa: S101 - `apply` was called first
        add = parse(pfs_pb2.ModifyFileRequest, batch[0]).add_file
        from dassie.pfs.web import Fetch  # few streams need it, and every start would wait for it

        self._fetch = Fetch(add.url.URL)
        if self._stopped:
            raise Interrupted
        self._modification.add(add.path, b"", add.datum)
        for piece in self._fetch.pieces():
            self._modification.add(add.path, piece, add.datum)
        self._fetch = None
        return batch[1:]

    def stop(self) -> None:
        """Nobody waits for the rest: end a fetch that is under way."""
        self._stopped = True
        if self._fetch is not None:
            self._fetch.abort()

    def finish(self) -> None:
        """Publish everything at once."""
        self.apply([])
        context, self._context = self._context, None
        if context is not None:
            context.__exit__(None, None, None)

    @property
    def commit_id(self) -> str:
        """Of the commit or file set that was written, after `finish`."""
        commit = self._modification.commit if self._modification else None
        return commit.id if commit else ""

    def abandon(self) -> None:
        """Drop everything. Harmless after `finish`, whether that succeeded or not."""
        context, self._context = self._context, None
        if context is not None:
            error = Interrupted()
            with suppress(Interrupted):
                context.__exit__(Interrupted, error, None)


def _apply_one(modification: Modification, message: pfs_pb2.ModifyFileRequest) -> None:
    """Any message but one with a URL."""
    kind = message.WhichOneof("body")
    if kind == "add_file":
        added = message.add_file
        modification.add(added.path, added.raw.value, added.datum)
    elif kind == "delete_file":
        modification.delete(message.delete_file.path, message.delete_file.datum)
    elif kind == "copy_file":
        _copy(modification, message.copy_file)
    else:
        raise InvalidArgument(
            "set_commit may only be the first message of the stream"
            if kind
            else "a message of the stream says neither add, delete nor copy"
        )


async def feed(requests: Requests, call: Call, writing: Writing) -> None:
    """Apply all that the client streams; publish at its end, or leave nothing when there
    is none.
    """
    running: Future[Sequence[bytes]] = call.threads.submit(writing.apply, [])
    last: Future[Any] = running

    async def settle() -> None:
        nonlocal running, last
        while left := await wrap_future(running):
            last = fetching = call.threads.submit_outward(writing.fetch, left)
            left = await wrap_future(fetching)
            last = running = call.threads.submit(writing.apply, left)

    try:
        while batch := await requests.read_batch():
            await settle()
            last = running = call.threads.submit(writing.apply, batch)
        await settle()
        last = finishing = call.threads.submit(writing.finish)
        await wrap_future(finishing)
    finally:
        writing.stop()
        # A thread may still be at work for a client that has gone: clean up behind it.
        last.add_done_callback(lambda _: call.threads.submit(writing.abandon))


def _copy(modification: Modification, message: pfs_pb2.CopyFile) -> None:
    ref, path = convert.file_ref(message.src)
    modification.copy(message.dst, ref, path, message.append, message.datum)
