"""Against a server without Dassie's own services, as Pachyderm's is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dassie.cli import file, put
from dassie.client import download, upload
from dassie.client.errors import NotOffered

from .conftest import Client


@pytest.fixture
def elsewhere(pachctl: Client, monkeypatch: pytest.MonkeyPatch) -> Client:
    """The same server, asked for services that it does not have."""

    def no_listing(*_: Any, **__: Any) -> Iterator[Any]:
        raise NotOffered("unknown service dassie.bulk.v1.Bulk")

    monkeypatch.setattr(upload, "_METHOD", "/dassie.bulk.v0.Bulk/Put")
    monkeypatch.setattr(download, "_METHOD", "/dassie.bulk.v0.Bulk/Get")
    monkeypatch.setattr(file, "listing", no_listing)
    monkeypatch.setattr(put, "_has_bulk", lambda _: False)
    pachctl("create", "repo", "r")
    return pachctl


def test_files_go_through_the_standard_streams(elsewhere: Client, tmp_path: Path) -> None:
    (tmp_path / "in" / "sub").mkdir(parents=True)
    (tmp_path / "in" / "empty").touch()
    (tmp_path / "in" / "sub" / "big").write_bytes(bytes(3_000_000))
    elsewhere("put", "file", "-r", "r@master:/", "-f", "in")
    elsewhere("put", "file", "r@master:/stdin", stdin="hello")
    elsewhere("put", "file", "r@master:/stdin", "--append", stdin=" again")
    elsewhere("put", "file", "r@master:/", "-f", "in/empty", "-f", "in/sub/big")
    elsewhere("get", "file", "-r", "r@master:/", "-o", "out")
    assert (tmp_path / "out" / "sub" / "big").read_bytes() == bytes(3_000_000)
    assert (tmp_path / "out" / "empty").read_bytes() == b""
    assert (tmp_path / "out" / "stdin").read_text() == "hello again"
    assert elsewhere("list", "file", "r@master:/sub") == "SIZE     NAME\n2.861MiB /sub/big\n"
    assert elsewhere("glob", "file", "r@master:/e*") == "SIZE NAME\n0B   /empty\n"
    assert "/sub/big" in elsewhere("list", "file", "-r", "r@master")


def test_a_stream_that_breaks_leaves_nothing(elsewhere: Client, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a").write_text("a")
    (tmp_path / "in" / "b").symlink_to("/nonexistent/b")
    elsewhere("put", "file", "-r", "r@master:/", "-f", "in")
    assert elsewhere("list", "file", "r@master") == "SIZE NAME\n1B   /a\n"
    locked = elsewhere.run("put", "file", "r@other:/x", "-f", "in/a", "-f", "/proc/self/mem")
    assert locked.returncode == 1
    assert "Traceback" not in locked.stderr
    assert elsewhere.run("list", "file", "r@other").returncode == 4
