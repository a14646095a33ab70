"""A try that goes wrong ends with a reason in one line, and the worker goes on."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from .conftest import Start
from .pachd import Pachd, pb

SHELL = ("sh", "-c")
ROOT = os.geteuid() == 0


def one(start: Start, script: str, **more: object) -> tuple[Pachd, str]:
    """A datum that fails, and one after it that shows that the worker lives."""
    pachd = start(*SHELL, f'if [ -n "$bad" ]; then {script}\nelse echo ok > /pfs/out/f; fi', **more)
    bad = pachd.datum(pachd.file("bad", "/file", b"content"))
    good = pachd.datum()
    assert pachd.outputs(good) == {"/f": b"ok\n"}
    return pachd, bad


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("exit 3", "exit status 3"),
        ("kill -9 $$", "killed by signal 9 (maybe out of memory)"),
        ("kill -11 $$", "killed by signal 11 (segmentation fault)"),
        ("nosuchprogram", "exit status 127"),
        ("ln -s nowhere /pfs/out/l", "symlink /pfs/out/l cannot be followed: no such file"),
        ("ln -s /etc/shadow /pfs/out/l", "symlink /pfs/out/l cannot be followed: no such file"),
        ("ln -s l /pfs/out/l", "symlink /pfs/out/l cannot be followed: too many levels"),
        ("ln -s . /pfs/out/l", "symlink /pfs/out/l leads in a circle, to /pfs/out"),
        ("ln -s / /pfs/out/l", "leads in a circle, to /"),
        ("ln -s /dev/zero /pfs/out/l", "/pfs/out/l leads to /dev/zero, which is not a regular"),
        ("ln -s /proc/self/environ /pfs/out/l", "which is not a regular file"),
        ("ln -s /proc /pfs/out/l", "/pfs/out/l leads to /proc, which is not"),
        ("mkdir /pfs/out/d; mkfifo /pfs/out/d/p", "/pfs/out/d/p is a named pipe; only regular"),
        ("rm -r /pfs/out; ln -s /tmp /pfs/out", "/pfs/out is not a directory any more"),
        ("rm -r /pfs/out; echo x > /pfs/out", "/pfs/out is not a directory any more"),
        (r"touch /pfs/out/$(printf 'a\377b')", r"in PFS (it is not UTF-8): /pfs/out/a\xffb"),
        (
            "python3 -c 'import socket as s; s.socket(s.AF_UNIX).bind(\"/pfs/out/s\")'",
            "/pfs/out/s is a socket; only regular files",
        ),
    ],
)  # fmt: skip
def test_reasons(start: Start, script: str, reason: str) -> None:
    pachd, bad = one(start, script)
    assert reason in pachd.reason(bad)


def test_no_such_command(start: Start) -> None:
    pachd = start("nosuchprogram", "x")
    assert pachd.reason(pachd.datum()) == "command not found: 'nosuchprogram'"


def test_no_command_at_all(start: Start) -> None:
    pachd = start()
    assert pachd.reason(pachd.datum()) == "invalid pipeline transform, no command specified"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("#!/no/such/interpreter\n", "the interpreter named in its first line does not exist"),
        ("not a program", "not a program, and no '#!' line says what interprets it"),
    ],
)
def test_a_program_that_cannot_run(start: Start, tmp_path: Path, text: str, reason: str) -> None:
    program = tmp_path / "home" / "prog"
    program.parent.mkdir()
    program.write_text(text)
    program.chmod(0o755)
    pachd = start("/home/worker/prog", folder=tmp_path)
    assert pachd.reason(pachd.datum()) == f"cannot run '/home/worker/prog': {reason}"


def test_an_input_is_not_executable(start: Start) -> None:
    pachd = start("/pfs/in/prog")
    bad = pachd.datum(pachd.file("in", "/prog", b"#!/bin/sh\n"))
    assert pachd.reason(bad) == "cannot run '/pfs/in/prog': permission denied"


def test_no_such_working_dir(start: Start) -> None:
    pachd = start("true", workingDir="/no/where")
    assert pachd.reason(pachd.datum()) == "working directory '/no/where': no such file or directory"


def test_timeout_kills_everything(start: Start) -> None:
    pachd, bad = one(start, "sleep 1000 & setsid sleep 1000 & sleep 1000", timeout_ms=300)
    assert pachd.reason(bad) == "timed out after 0.3s"
    assert pachd.result(bad).process_us >= 300_000


def test_a_datum_may_have_its_own_timeout(start: Start) -> None:
    pachd = start("sleep", "1000", timeout_ms=900_000)
    assert pachd.reason(pachd.datum(timeout_ms=200)) == "timed out after 0.2s"


def test_a_daemon_that_is_left_behind_dies(start: Start) -> None:
    pachd = start(
        *SHELL,
        "ps -e -o args= | grep -v ps; "
        "(setsid sh -c 'while :; do echo x >> /pfs/out/late; sleep 0.01; done' &); sleep 0.1",
    )
    first = pachd.datum()
    assert set(pachd.outputs(first)) == {"/late"}
    second = pachd.datum()
    assert set(pachd.outputs(second)) == {"/late"}
    assert "launcher" in pachd.text(user=True)
    assert "while" not in pachd.text(user=True)


def test_tries(start: Start) -> None:
    pachd = start(
        *SHELL,
        "ls /pfs /pfs/out; echo x > /pfs/out/f; rm -r /pfs/in; echo t >> ~/t; "
        "test $(wc -l < ~/t) -ge 3",
        tries=5,
    )
    datum = pachd.datum(pachd.file("in", "/f", b"x"))
    assert pachd.outputs(datum) == {"/f": b"x\n"}
    assert pachd.result(datum).tries == 3
    assert pachd.text(user=True) == "\n".join(["/pfs:\nin\nout\n\n/pfs/out:"] * 3)
    assert "try 2 of 5 failed: exit status 1" in pachd.text(user=False)


def test_all_tries_fail(start: Start) -> None:
    pachd = start("false", tries=3)
    datum = pachd.datum()
    assert pachd.reason(datum) == "exit status 1"
    assert pachd.result(datum).tries == 3


def test_error_command_recovers(start: Start) -> None:
    pachd = start(
        *SHELL,
        "echo partial > /pfs/out/p; exit 1",
        tries=3,
        errCmd=["sh"],
        errStdin=["cat /pfs/out/p /pfs/in/f; echo $in"],
    )
    datum = pachd.datum(pachd.file("in", "/f", b"input\n"))
    result = pachd.result(datum)
    assert (result.outcome, result.tries) == (pb.RECOVERED, 1)
    assert result.reason == "exit status 1"
    assert not result.HasField("output")
    assert pachd.text(user=True) == "partial\ninput\n/pfs/in/f"


def test_error_command_runs_after_a_timeout_and_may_fail(start: Start) -> None:
    pachd = start("sleep", "1000", timeout_ms=200, tries=2, errCmd=["sh", "-c", "echo e; exit 1"])
    datum = pachd.datum()
    assert pachd.reason(datum) == "timed out after 0.2s"
    assert pachd.text(user=True) == "e\ne"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(folder)]
    if not ROOT or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("needs the right to mount a file system")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk(small_disk: Path, start: Start) -> None:
    pachd, bad = one(start, "cat /dev/zero > /pfs/out/zero", folder=small_disk)
    assert pachd.reason(bad) == (
        "exit status 1 (no space left on device: the worker's disk is full)"
    )


def test_an_input_that_does_not_fit(small_disk: Path, start: Start) -> None:
    pachd = start("true", folder=small_disk)
    bad = pachd.datum(pachd.file("in", "/f", os.urandom(16 << 20)))
    assert "on the worker's disk: No space left on device" in pachd.reason(bad)
    pachd.outputs(pachd.datum(pachd.file("in", "/f", b"fits")))


def test_an_input_that_is_damaged(start: Start) -> None:
    pachd = start(*SHELL, "cat /pfs/in/* > /pfs/out/f")
    good = pachd.file("in", "/f", b"fine")
    bad = pachd.file("in", "/f", b"lost")
    bad.hash = bytes(32)
    worse = pachd.file("in", "/f", b"lost", lazy=True)
    worse.hash = bytes(32)
    datums = [pachd.datum(item) for item in (good, bad, worse, good)]
    assert pachd.outputs(datums[0]) == pachd.outputs(datums[3]) == {"/f": b"fine"}
    assert pachd.reason(datums[1]).startswith("cannot read its input: ")
    assert pachd.reason(datums[2]).startswith("cannot fill a lazy input: ")


@pytest.mark.parametrize("name", ["out", "..", ".env", "a/b", ""])
def test_an_input_with_an_impossible_name(start: Start, name: str) -> None:
    pachd = start("true")
    bad = pachd.datum(pachd.file(name, "/f", b""))
    assert "an input cannot be named" in pachd.reason(bad)


def test_long_lines_and_binary_output(start: Start) -> None:
    pachd = start(
        "python3",
        "-c",
        "import os; w = os.fdopen(1, 'wb').write; w('é'.encode() * 500_000); "
        "w(b'\\n\\0\\xff\\nend')",
    )
    pachd.outputs(pachd.datum())
    lines = pachd.text(user=True).split("\n")
    assert "".join(lines[:-2]) == "é" * 500_000
    assert lines[-2:] == ["\ufffd\ufffd", "end"]
    assert max(map(len, lines)) <= 16 << 10


def test_output_and_errors_are_one_stream_in_order(start: Start) -> None:
    pachd = start(*SHELL, "for i in 1 2 3; do echo out $i; echo err $i >&2; done")
    pachd.outputs(pachd.datum())
    assert pachd.text(user=True).split("\n") == [
        f"{stream} {i}" for i in (1, 2, 3) for stream in ("out", "err")
    ]
    assert {line.datum_id for line in pachd.lines} == set(pachd.results)


def test_a_file_without_read_permission(start: Start) -> None:
    pachd, bad = one(start, "echo x > /pfs/out/f; chmod 0 /pfs/out/f")
    if ROOT:
        assert pachd.outputs(bad) == {"/f": b"x\n"}
    else:
        assert pachd.reason(bad) == "cannot read /pfs/out/f: permission denied"


def test_a_directory_without_permissions(start: Start) -> None:
    pachd, bad = one(
        start,
        "mkdir -p /pfs/out/d/e /pfs/own/e; echo x > /pfs/out/d/e/f; touch /pfs/own/e/f; "
        "chmod 0 /pfs/out/d/e /pfs/own/e /pfs/own /pfs/bad; chmod 555 /pfs/out/d /pfs/out /pfs",
        tries=2,
    )
    if ROOT:
        assert pachd.outputs(bad) == {"/d/e/f": b"x\n"}
    else:
        assert pachd.reason(bad) == "cannot read directory /pfs/out/d/e: permission denied"


def test_directories_that_may_not_be_written_are_stored_and_removed(start: Start) -> None:
    pachd = start(*SHELL, "mkdir -p /pfs/out/d; echo x > /pfs/out/d/f; chmod 555 /pfs/out/d "
                          "/pfs/out /pfs/in /pfs")  # fmt: skip
    for _ in range(2):
        assert pachd.outputs(pachd.datum(pachd.file("in", "/f", b""))) == {"/d/f": b"x\n"}


@pytest.mark.skipif(ROOT, reason="root may run user code as anybody")
def test_another_user_needs_root(start: Start) -> None:
    pachd = start("true", user="daemon")
    assert "only root can run user code as somebody else" in pachd.reason(pachd.datum())


@pytest.mark.skipif(not ROOT, reason="an ordinary user runs code as nobody else")
@pytest.mark.parametrize(
    ("user", "said"),
    [
        ("99999999999", "user id 99999999999 is too large"),
        ("4294967295", "user id 4294967295 is too large"),
        ("1234:99999999999", "group id 99999999999 is too large"),
        ("²", "user '²' is not in /etc/passwd"),
        ("nobody:nosuch", "group 'nosuch' is not in /etc/group"),
    ],
)
def test_a_user_who_cannot_be(start: Start, user: str, said: str) -> None:
    pachd = start("true", user=user)
    assert pachd.reason(pachd.datum()).startswith(f"transform.user: {said}")


DEEP = """
import os
if "bad" in os.environ:
    os.chdir("/pfs/out")
    for _ in range(3000):
        os.mkdir("d")
        os.chdir("d")
"""


def test_a_tree_deeper_than_a_path_can_be_long(start: Start) -> None:
    pachd = start("python3", "-c", DEEP)
    reason = pachd.reason(pachd.datum(env={"bad": "1"}))
    assert reason.startswith("cannot read directory /pfs/out/d/d/")
    assert reason.endswith("file name too long")
    assert len(reason) < 1000
    pachd.outputs(pachd.datum())
