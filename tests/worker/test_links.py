"""Symbolic links in /pfs/out: what they lead to, and that they never leave the sandbox."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dassie.pps.sandbox.settings import SandboxSettings

from .conftest import Start

SHELL = ("sh", "-c")


def test_a_link_to_an_input_is_a_reference(start: Start) -> None:
    pachd = start(*SHELL, "ln -s /pfs/in/f /pfs/out/a; cd /pfs/out; ln -s ../in/f b; ln -s a c")
    datum = pachd.datum(pachd.file("in", "/f", b"input"))
    assert pachd.outputs(datum) == {"/a": b"input", "/b": b"input", "/c": b"input"}
    assert pachd.result(datum).upload_bytes == 0


@pytest.mark.parametrize(
    "change", ["echo INPUT > f", "echo INPUT > g; touch -r f g; mv g f", "printf i | dd of=f"]
)
def test_a_link_to_a_changed_input_is_what_it_is_now(start: Start, change: str) -> None:
    pachd = start(*SHELL, f"cd /pfs/in; {change} 2>/dev/null; cp f ~/f; ln -s /pfs/in/f /pfs/out/a;"
                  " cp f /pfs/out/b")  # fmt: skip
    outputs = pachd.outputs(pachd.datum(pachd.file("in", "/f", b"input\n")))
    assert outputs["/a"] == outputs["/b"] != b"input\n"


def test_a_link_to_an_input_directory_is_walked(start: Start) -> None:
    pachd = start(*SHELL, "ln -s /pfs/in/d /pfs/out/d; echo new > /pfs/in/d/new; rm /pfs/in/d/a")
    datum = pachd.datum(pachd.folder("in", "/d/", {"/a": b"A", "/b/c": b"C"}))
    assert pachd.outputs(datum) == {"/d/b/c": b"C", "/d/new": b"new\n"}
    assert pachd.result(datum).upload_bytes == 4


def test_links_to_elsewhere_are_content(start: Start) -> None:
    pachd = start(
        *SHELL,
        "mkdir -p ~/d/e; echo 1 > ~/d/e/f; ln -s e/f ~/d/l; ln -s /pfs/in/f ~/d/i; echo 2 > /tmp/g;"
        "ln -s ~/d /pfs/out/d; ln -s /tmp/g /pfs/out/g; ln -s /etc/hostname_or_passwd /tmp/p;"
        "ln -sf /etc/passwd /tmp/p; ln -s /tmp/p /pfs/out/p; mkdir /pfs/o; echo 3 > /pfs/o/f;"
        "ln -s /pfs/o /pfs/out/o",
    )
    outputs = pachd.outputs(pachd.datum(pachd.file("in", "/f", b"input")))
    assert outputs.pop("/p") == Path("/etc/passwd").read_bytes()
    assert outputs == {
        "/d/e/f": b"1\n",
        "/d/l": b"1\n",
        "/d/i": b"input",
        "/g": b"2\n",
        "/o/f": b"3\n",
    }


def test_a_copy_is_made_before_the_next_datum_runs(start: Start) -> None:
    pachd = start(*SHELL, "echo $PACH_DATUM_ID > /tmp/shared; ln -s /tmp/shared /pfs/out/id")
    datums = [pachd.datum() for _ in range(5)]
    for datum in datums:
        assert pachd.outputs(datum) == {"/id": datum.encode() + b"\n"}


def test_a_circle_over_several_directories(start: Start) -> None:
    pachd = start(
        *SHELL,
        "mkdir /tmp/a /tmp/b; ln -s /tmp/b /tmp/a/b; ln -s /tmp/a /tmp/b/a;ln -s /tmp/a /pfs/out/a",
    )
    reason = pachd.reason(pachd.datum())
    assert "leads in a circle" in reason
    assert "/pfs/out/a/b" in reason


def test_a_link_does_not_reach_files_of_the_host(start: Start, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    pachd = start(
        *SHELL, f"ln -s {secret} /pfs/out/a; ln -s ../../../../../../..{secret} /pfs/out/b"
    )
    assert "cannot be followed: no such file" in pachd.reason(pachd.datum())


def test_a_path_may_be_shown_by_configuration(start: Start, tmp_path: Path) -> None:
    shown = tmp_path / "shown"
    shown.write_text("shown")
    settings = SandboxSettings(read_only=(f"{shown}:/data/file",))
    pachd = start(*SHELL, "ln -s /data/file /pfs/out/a; ! touch /data/file", sandbox=settings)
    assert pachd.outputs(pachd.datum()) == {"/a": b"shown"}


def test_a_secret_file_in_a_shown_folder_is_hidden(start: Start, tmp_path: Path) -> None:
    shown = tmp_path / "shown"
    shown.mkdir()
    (shown / "keys").write_text("secret_key=HUSH")
    (shown / "tool").write_text("useful")
    settings = SandboxSettings(read_only=(str(shown),), hidden=(str(shown / "keys"),))
    pachd = start("sh", "-c", f"cat {shown}/tool {shown}/keys; true", sandbox=settings)
    pachd.outputs(pachd.datum())
    assert "useful" in pachd.text(user=True)
    assert "HUSH" not in pachd.text(user=True)


def test_the_servers_folder_is_hidden(start: Start, tmp_path: Path) -> None:
    data = tmp_path / "shared" / "data"
    data.mkdir(parents=True)
    (data / "metadata.db").write_text("secret")
    settings = SandboxSettings(read_only=(str(data.parent),), hidden=(str(data),))
    pachd = start("ls", "-A", str(data.parent), str(data), sandbox=settings)
    pachd.outputs(pachd.datum())
    assert "metadata.db" not in pachd.text(user=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can run user code as somebody else")
def test_links_are_followed_with_the_rights_of_user_code(start: Start, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    secret.chmod(0o600)
    settings = SandboxSettings(read_only=(f"{secret}:/data/file",))
    pachd = start("ln", "-s", "/data/file", "/pfs/out/a", sandbox=settings, user="nobody")
    assert "cannot read /data/file, to which /pfs/out/a leads" in pachd.reason(pachd.datum())
