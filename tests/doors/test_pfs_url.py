"""Files that the server fetches from a URL."""

from __future__ import annotations

import base64
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import grpc
import pytest
from pachyderm_sdk import Client
from pachyderm_sdk.api import pfs as sdk_pfs

from dassie._proto.pfs import pfs_pb2, pfs_pb2_grpc
from dassie.errors import Aborted, FailedPrecondition, InvalidArgument, NotFound
from dassie.pfs.web import PIECE_BYTES, Fetch
from tests.crash.pachd import Pachd, commit

BIG = 3 * PIECE_BYTES + 17


class Site(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        page = self.path.partition("?")[0].strip("/")
        getattr(self, f"page_{page}", self.page_missing)()

    def say(self, body: bytes, code: int = 200, *, length: int = -1, to: str = "") -> None:
        self.send_response(code)
        self.send_header("Content-Length", str(len(body) if length < 0 else length))
        if to:
            self.send_header("Location", to)
        self.end_headers()
        self.wfile.write(body)

    def page_hello(self) -> None:
        self.say(b"hello")

    def page_empty(self) -> None:
        self.say(b"")

    def page_big(self) -> None:
        self.say(bytes(BIG))

    def page_chunked(self) -> None:
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.write(b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")

    def page_missing(self) -> None:
        self.say(b"no such page", 404)

    def page_broken(self) -> None:
        self.say(b"oh", 503)

    def page_cut(self) -> None:
        self.say(b"half", length=1000)
        self.close_connection = True

    def page_cut_chunked(self) -> None:
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.write(b"5\r\nab")
        self.close_connection = True

    def page_moved(self) -> None:
        self.say(b"", 302, to="/hello")

    def page_loop(self) -> None:
        self.say(b"", 302, to="/loop")

    def page_away(self) -> None:
        self.say(b"", 302, to="file:///etc/passwd")

    def page_secret(self) -> None:
        wanted = "Basic " + base64.b64encode(b"me:pa ss").decode()
        self.say(b"opened", 200 if self.headers["Authorization"] == wanted else 401)

    def page_forgetful(self) -> None:
        """To another host, which must not be told the password."""
        port = self.server.server_address[1]
        self.say(b"", 302, to=f"http://localhost:{port}/told")

    def page_told(self) -> None:
        self.say(b"yes" if self.headers["Authorization"] else b"no")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()


@contextmanager
def silent_server() -> Iterator[str]:
    """Accepts, and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/x"


def fetched(url: str) -> bytes:
    return b"".join(Fetch(url).pieces())


def test_content(site):
    assert fetched(f"{site}/hello") == b"hello"
    assert fetched(f"{site}/empty") == b""
    assert fetched(f"{site}/chunked") == b"abcde"
    assert fetched(f"{site}/moved") == b"hello"
    assert fetched(f"{site}/hello?näme=ü%20v#part") == b"hello"


def test_a_large_answer_comes_in_pieces(site):
    sizes = [len(piece) for piece in Fetch(f"{site}/big").pieces()]
    assert sum(sizes) == BIG
    assert max(sizes) <= PIECE_BYTES


def test_a_password_is_used_and_not_told_to_others(site):
    there = site.replace("http://", "http://me:pa%20ss@")
    assert fetched(f"{there}/secret") == b"opened"
    assert fetched(f"{there}/forgetful") == b"no"
    with pytest.raises(NotFound) as failure:
        fetched(f"{there}/nothing?token=abc")
    assert "pa" not in str(failure.value).split("cannot fetch ")[1].split("/nothing")[0]
    assert "abc" not in str(failure.value)


@pytest.mark.parametrize(
    ("page", "kind", "text"),
    [
        ("nothing", NotFound, "answered 404"),
        ("broken", FailedPrecondition, "answered 503"),
        ("cut", FailedPrecondition, "broke off 996 bytes before its end"),
        ("cut_chunked", FailedPrecondition, "cannot fetch"),
        ("loop", FailedPrecondition, "redirect"),
        ("away", FailedPrecondition, "redirect"),
    ],
)
def test_a_bad_answer(site, page, kind, text):
    with pytest.raises(kind, match=text) as failure:
        fetched(f"{site}/{page}")
    assert f"{site}/{page}" in str(failure.value)


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("file:///etc/passwd", "starts with http:// or https://"),
        ("ftp://host/x", "starts with http:// or https://"),
        ("/etc/passwd", "starts with http:// or https://"),
        ("http:///x", "names no host"),
        ("http://[::1/x", "is not a URL"),
        ("http://host:99999/x", "is not a URL"),
        ("s3://bucket/x", "s3: URLs .* not implemented"),
    ],
)
def test_what_is_no_web_address(url, text):
    with pytest.raises(Exception, match=text):
        Fetch(url)


def test_nobody_there():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(FailedPrecondition, match="refused"):
        fetched(f"http://127.0.0.1:{port}/x")
    with pytest.raises(FailedPrecondition, match=r"cannot fetch http://nowhere\.invalid/x"):
        fetched("http://nowhere.invalid/x")


def test_a_silent_server_is_given_up():
    with silent_server() as url, pytest.raises(FailedPrecondition, match=r"no answer for 0\.1 s"):
        list(Fetch(url, silence_s=0.1).pieces())


def test_the_local_link_is_refused(site, monkeypatch):
    class Peer:
        def getpeername(self) -> tuple[str, int]:
            return "169.254.169.254", 80

    with pytest.raises(InvalidArgument, match="local link"):
        Fetch(f"{site}/hello").connected(Peer())  # type: ignore[arg-type]


def test_abort_wakes_a_waiting_fetch():
    with silent_server() as url:
        fetch = Fetch(url)
        connected = threading.Event()
        real = fetch.connected

        def tell(connection: socket.socket) -> None:
            real(connection)
            connected.set()

        fetch.connected = tell  # type: ignore[method-assign]
        failures: list[BaseException] = []

        def run() -> None:
            try:
                list(fetch.pieces())
            except Aborted as error:
                failures.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        assert connected.wait(10)
        fetch.abort()
        thread.join(10)
        assert "given up" in str(failures)


# -- through the server


def add_url(path: str, url: str, *, recursive: bool = False) -> pfs_pb2.ModifyFileRequest:
    source = pfs_pb2.AddFile.URLSource(URL=url, recursive=recursive)
    return pfs_pb2.ModifyFileRequest(add_file=pfs_pb2.AddFile(path=path, url=source))


def add(path: str, data: bytes) -> pfs_pb2.ModifyFileRequest:
    message = pfs_pb2.AddFile(path=path)
    message.raw.value = data
    return pfs_pb2.ModifyFileRequest(add_file=message)


def put(pfs: pfs_pb2_grpc.APIStub, name: str, *requests: pfs_pb2.ModifyFileRequest) -> None:
    target = commit(name)
    pfs.ModifyFile(iter([pfs_pb2.ModifyFileRequest(set_commit=target), *requests]))


def test_urls_take_their_turn_in_a_stream(pachd: Pachd, name, site):
    pachd.create_repo(name)
    put(
        pachd.pfs,
        name,
        add("/a", b"<"),
        add_url("/a", f"{site}/hello"),
        add("/a", b">"),
        add_url("/b", f"{site}/empty"),
        add_url("/c", f"{site}/big"),
        add_url("/c", f"{site}/hello"),
    )
    assert pachd.contents(commit(name))["/a"] == b"<hello>"
    assert pachd.contents(commit(name))["/b"] == b""
    assert pachd.contents(commit(name))["/c"] == bytes(BIG) + b"hello"


def test_a_failed_fetch_leaves_nothing(pachd: Pachd, name, site):
    pachd.create_repo(name)
    with pytest.raises(grpc.RpcError) as failure:
        put(pachd.pfs, name, add("/a", b"x"), add_url("/b", f"{site}/nothing"))
    assert failure.value.code() is grpc.StatusCode.NOT_FOUND
    with pytest.raises(grpc.RpcError) as failure:
        put(pachd.pfs, name, add("/a", b"x"), add_url("/b", "file:///etc/passwd"))
    assert failure.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    with pytest.raises(grpc.RpcError) as failure:
        put(pachd.pfs, name, add_url("/b", "s3://bucket/folder", recursive=True))
    assert failure.value.code() is grpc.StatusCode.UNIMPLEMENTED
    assert not list(pachd.pfs.ListCommit(pfs_pb2.ListCommitRequest(repo=commit(name).repo)))


def test_a_client_that_goes_away_ends_the_fetch(pachd: Pachd, name, site):
    pachd.create_repo(name)
    with silent_server() as url:
        for _ in range(20):  # more than may fetch at once: each has to free its thread
            requests = [
                pfs_pb2.ModifyFileRequest(set_commit=commit(name)),
                add_url("/a", url),
            ]
            with pytest.raises(grpc.RpcError):
                pachd.pfs.ModifyFile(iter(requests), timeout=0.1)
        put(pachd.pfs, name, add_url("/b", f"{site}/hello"))
    assert pachd.contents(commit(name))["/b"] == b"hello"


def test_the_official_client(sdk: Client, name, site):
    repo = sdk_pfs.Repo.from_uri(name)
    sdk.pfs.create_repo(repo=repo)
    branch = sdk_pfs.Branch.from_uri(f"{name}@master")
    with sdk.pfs.commit(branch=branch) as opened:
        opened.put_file_from_url(path="/a", url=f"{site}/hello")
        opened.put_file_from_url(path="/a", url=f"{site}/moved")
    with sdk.pfs.pfs_file(sdk_pfs.File.from_uri(f"{name}@master:/a")) as reader:
        assert reader.read() == b"hello"
