"""What user code can see and do outside its folders."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dassie.errors import InvalidArgument
from dassie.pps.sandbox import bwrap
from dassie.pps.sandbox.session import Command, Sandbox
from dassie.pps.sandbox.settings import SandboxSettings

from .conftest import Start

SHELL = ("sh", "-c")
ROOT = os.geteuid() == 0


def seen(start: Start, script: str, **more: object) -> str:
    pachd = start(*SHELL, script, **more)
    pachd.outputs(pachd.datum())
    return pachd.text(user=True)


@pytest.mark.parametrize("path", ["/etc/shadow", "/etc/ssh", "/etc/ssl/private", "/sys", "/boot"])
def test_files_of_the_host_are_not_there(start: Start, path: str) -> None:
    assert seen(start, f"test -e {path} && echo there; true") == ""


OPEN_FOR_WRITING = """
import os
for path in ("/usr/x", "/etc/passwd", "/usr/bin/env", "/proc/sys/kernel/core_pattern",
             "/proc/sys/vm/drop_caches", "/proc/irq/x", "/run/dassie/launcher.py"):
    flags = os.O_WRONLY | os.O_APPEND | (os.O_CREAT if path.endswith("/x") else 0)
    try:
        os.close(os.open(path, flags))
        print(path)
    except OSError:
        pass
"""


def test_nothing_shared_can_be_written(start: Start) -> None:
    pachd = start("python3", "-c", OPEN_FOR_WRITING)
    pachd.outputs(pachd.datum())
    assert pachd.text(user=True) == ""


def test_other_processes_are_not_there(start: Start) -> None:
    processes = seen(start, "ls /proc | grep '^[0-9]*$' | sort -n | head -1; kill -9 1; "
                            "cat /proc/1/environ; ls /proc/1/fd/0; true")  # fmt: skip
    assert processes.startswith("1\n")
    assert "ermission denied" in processes
    assert f"{os.getpid()}\n" not in seen(start, "ls -d /proc/[0-9]*")


def test_only_few_capabilities(start: Start) -> None:
    bits = int(seen(start, "sed -n 's/^CapEff:.//p' /proc/self/status"), 16)
    sys_admin, sys_ptrace, mknod, net_raw, net_admin = 21, 19, 27, 13, 12
    assert not any(bits >> bit & 1 for bit in (sys_admin, sys_ptrace, mknod, net_raw, net_admin))
    assert bool(bits >> 0 & 1) == ROOT  # chown


def test_no_way_back_to_more_rights(start: Start) -> None:
    assert seen(start, "sed -n 's/^NoNewPrivs:.//p' /proc/self/status") == "1"
    assert seen(start, "mount -t tmpfs tmpfs /tmp 2> /dev/null && echo mounted; true") == ""


def test_the_environment_of_the_server_is_not_there(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SERVER_SECRET", "s3cret")
    assert "s3cret" not in seen(start, "env; cat /proc/*/environ 2>/dev/null; true")


def test_the_launcher_cannot_be_traced(start: Start) -> None:
    code = "import ctypes; print(ctypes.CDLL(None).ptrace(16, 1, 0, 0))"
    pachd = start("python3", "-c", code)
    pachd.outputs(pachd.datum())
    assert pachd.text(user=True) == "-1"


def test_the_network_can_be_taken_away(start: Start) -> None:
    settings = SandboxSettings(network=False)
    links = seen(start, "tail -n +3 /proc/net/dev | cut -d: -f1", sandbox=settings)
    assert links.split() == ["lo"]


def test_memory_outside_the_folders_is_limited(start: Start) -> None:
    assert "No space left" in seen(start, "head -c 300M /dev/zero > /fill; rm /fill; true")


def test_settings_survive_the_wire() -> None:
    settings = SandboxSettings("auto", ("/a:/b",), ("/dev/kvm",), network=False, hidden=("/d",))
    assert SandboxSettings.from_json(settings.to_json()) == settings


@pytest.mark.parametrize("bad", [{"mode": "docker"}, {"read_only": ("data",)}])
def test_settings_are_checked(bad: dict[str, object]) -> None:
    with pytest.raises(InvalidArgument):
        SandboxSettings(**bad)  # type: ignore[arg-type]


def test_remedies_name_what_to_do() -> None:
    assert "--sandbox plain" in bwrap.remedy("setting up uid map: Permission denied")


def test_a_worker_of_a_pipeline_with_the_longest_name(tmp_path: Path) -> None:
    name = f"default-{'p' * 51}-v12-3-abcdef"
    sandbox = Sandbox.start(SandboxSettings(), tmp_path, name)
    said: list[bytes] = []
    try:
        ended = sandbox.run(Command(["uname", "-n"], {"PATH": os.defpath}, "/"), said.append)
    finally:
        sandbox.close()
    assert ended.code == 0
    assert b"".join(said).decode().strip() == name[-64:]


ORDINARY = """
set -e
mkdir -p {scratch}/python
mount --bind {python} {scratch}/python
mount -t tmpfs -o mode=755 tmpfs /root
mkdir -p {python}
mount --bind {scratch}/python {python}
exec setpriv --reuid 65534 --regid 65534 --clear-groups "$@"
"""


@pytest.mark.slow
@pytest.mark.skipif(not ROOT, reason="the whole suite runs as an ordinary user already")
def test_everything_as_an_ordinary_user(tmp_path: Path) -> None:
    """Run the suite again as `nobody`, in a mount namespace where that user can reach Python."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    base = Path("/") / "tmp" / f"dassie-nobody-{os.getpid()}"
    script = ORDINARY.format(scratch=scratch, python=sys.base_prefix)
    if not sys.base_prefix.startswith("/root/"):
        script = 'exec setpriv --reuid 65534 --regid 65534 --clear-groups "$@"'
    tests = Path(__file__).parent
    ended = subprocess.run(
        [
            *("unshare", "-m", "--propagation", "private", "sh", "-c", script, "sh"),
            *(sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider"),
            *("-k", "not deeper and not pure"),  # the same for everybody
            *(f"--basetemp={base}", f"--rootdir={tests.parent.parent}", str(tests)),
        ],
        env={"PATH": os.environ["PATH"], "HOME": "/nonexistent", "PYTHONDONTWRITEBYTECODE": "1"},
        cwd=tests.parent.parent,
        capture_output=True,
        text=True,
    )
    subprocess.run(["rm", "-rf", str(base)], check=False)
    if "setpriv" in ended.stderr or "unshare" in ended.stderr or "mount:" in ended.stderr:
        pytest.skip(f"cannot become an ordinary user here: {ended.stderr.strip()}")
    assert ended.returncode == 0, ended.stdout + ended.stderr
