"""The only process of ours inside a sandbox: starts user code, kills what it leaves, opens links.

The worker starts it once per sandbox as `python -I -S -X utf8 launcher.py FD`, where FD is a
stream socket, and `session.py` talks to it: one JSON object per line each way, file descriptors
beside the line. Under bubblewrap it is PID 1 of its own pid namespace; without (`plain`) it is a
child subreaper. It trusts the worker; the worker does not trust it, since user code has its rights.

This file must stay free of imports from dassie and from third parties: nothing but the standard
library exists inside. It does not handle output: user code writes into a pipe whose reading end
the worker holds.
"""

# pathlib would double what it costs to look a program up, for every datum
# ruff: noqa: PTH110, PTH112, PTH118, PTH123, PTH208

from __future__ import annotations

import contextlib
import ctypes
import errno
import json
import os
import resource
import select
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_CHILD_SUBREAPER = 1, 4, 36
KERNEL_TREES = ("/proc", "/sys", "/dev")
LARGEST_ID = (1 << 32) - 2
"""Of users and groups: the number above means "unchanged" to the kernel."""
RESTORED_SIGNALS = (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT, signal.SIGCHLD)

Message = dict[str, Any]


class Launcher:
    """Obeys one worker: one run at a time, one answer per command."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._pending = bytearray()
        self._descriptors: list[int] = []
        self._namespaced = os.getpid() == 1
        self._wakeup, wakeup_in = socket.socketpair()
        self._wakeup.setblocking(False)
        wakeup_in.setblocking(False)
        self._wakeup_in = wakeup_in
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        signal.set_wakeup_fd(wakeup_in.fileno(), warn_on_full_buffer=False)

    def serve(self) -> None:
        """Answer commands until the worker closes the channel."""
        self._send({"ready": os.getpid()})
        while True:
            command = self._receive()
            if command is None:
                break
            self._dispatch(command)
        self._kill_rest()

    def _dispatch(self, command: Message) -> None:
        name = command["do"]
        if name == "run":
            self._run(command)
        elif name == "resolve":
            with _as_user(command):
                self._send(_resolve(command["path"]))
        elif name == "open":
            with _as_user(command):
                self._open(command["path"])
        elif name == "list":
            with _as_user(command):
                self._send(_list(command["path"]))
        elif name == "lookup":
            self._send(_lookup_user(command["user"]))
        # "kill" that arrives when nothing runs is late, and needs no answer

    def _run(self, command: Message) -> None:
        stdin, output = self._descriptors
        self._descriptors = []
        try:
            pid = _spawn(command, stdin, output)
        except OSError as error:
            self._send({"error": _spawn_failure(command, error)})
            return
        else:
            code, usage = self._wait(pid)
            self._kill_rest(group=pid)
            self._send(
                {
                    "exit": os.waitstatus_to_exitcode(code),
                    "max_rss_kib": usage.ru_maxrss,
                    "cpu_us": int((usage.ru_utime + usage.ru_stime) * 1e6),
                }
            )
        finally:
            os.close(stdin)
            os.close(output)  # not before: its end would wake the worker once more for nothing

    def _wait(self, pid: int) -> tuple[int, resource.struct_rusage]:
        """Until `pid` is dead; the worker may say `kill` meanwhile."""
        poller = select.poll()
        poller.register(self._channel, select.POLLIN)
        poller.register(self._wakeup, select.POLLIN)
        while True:
            status = self._reap(pid)
            if status is not None:
                return status
            ready = [fd for fd, _ in poller.poll(0 if b"\n" in self._pending else None)]
            if self._wakeup.fileno() in ready:
                with contextlib.suppress(BlockingIOError):
                    self._wakeup.recv(4096)
            if self._channel.fileno() in ready or b"\n" in self._pending:
                if self._receive() is None:
                    self._kill_rest()
                    os._exit(0)
                self._kill_rest(reap=False, group=pid)  # "kill" is all that may come now

    def _reap(self, wanted: int) -> tuple[int, resource.struct_rusage] | None:
        """Collect dead children; the status of `wanted` when it is among them."""
        while True:
            pid, status, usage = os.wait4(-1, os.WNOHANG)
            if pid == 0:
                return None
            if pid == wanted:
                return status, usage

    def _kill_rest(self, *, reap: bool = True, group: int = 0) -> None:
        """SIGKILL every process of the sandbox but this one; `reap`: wait until they are gone."""
        while True:
            if self._namespaced:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(-1, signal.SIGKILL)
            else:
                _kill_descendants(group)
            if not reap:
                return
            try:
                os.waitpid(-1, 0)
            except ChildProcessError:
                return

    def _open(self, path: str) -> None:
        """Answer with a descriptor of the regular file `path`, opened with the user's rights."""
        try:
            fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError as error:
            self._send({"error": os.strerror(error.errno or 0)})
            return
        try:
            mode = os.fstat(fd).st_mode
            if stat.S_ISREG(mode):
                self._send({"ok": True}, fd)
            else:
                self._send({"error": "not a regular file"})
        finally:
            os.close(fd)

    def _receive(self) -> Message | None:
        while b"\n" not in self._pending:
            data, descriptors, _, _ = socket.recv_fds(
                self._channel, 1 << 16, 8, socket.MSG_CMSG_CLOEXEC
            )
            self._descriptors.extend(descriptors)
            if not data:
                return None
            self._pending += data
        line, _, rest = bytes(self._pending).partition(b"\n")
        self._pending = bytearray(rest)
        message: Message = json.loads(line)
        return message

    def _send(self, message: Message, *fds: int) -> None:
        data = json.dumps(message).encode() + b"\n"
        try:
            sent = socket.send_fds(self._channel, [data], fds) if fds else 0
            self._channel.sendall(data[sent:])
        except OSError:
            os._exit(0)  # the worker is gone; as PID 1 this ends everything else here


def _spawn(command: Message, stdin: int, output: int) -> int:
    os.chdir(command["cwd"])
    argv, env = command["argv"], command["env"]
    program = _find_program(argv[0], env.get("PATH", os.defpath))
    if command.get("uid") is None:
        return os.posix_spawn(
            program,
            argv,
            env,
            file_actions=[
                (os.POSIX_SPAWN_DUP2, stdin, 0),
                (os.POSIX_SPAWN_DUP2, output, 1),
                (os.POSIX_SPAWN_DUP2, output, 2),
            ],
            setsid=True,
            setsigmask=(),
            setsigdef=RESTORED_SIGNALS,
        )
    # posix_spawn cannot change the user; Popen forks this small process instead
    process = subprocess.Popen(
        argv,
        executable=program,
        env=env,
        stdin=stdin,
        stdout=output,
        stderr=output,
        start_new_session=True,
        user=command["uid"],
        group=command["gid"],
        extra_groups=command["groups"],
    )
    process.returncode = 0  # reaped by `_reap`, never by Popen
    return process.pid


def _find_program(name: str, path: str) -> str:
    if "/" in name:
        return name
    denied = False
    for folder in path.split(":"):
        candidate = os.path.join(folder or ".", name)
        if os.access(candidate, os.X_OK):
            if not os.path.isdir(candidate):
                return candidate
        elif os.path.exists(candidate):
            denied = True
    code = errno.EACCES if denied else errno.ENOENT
    raise OSError(code, os.strerror(code), name)


def _spawn_failure(command: Message, error: OSError) -> str:
    name = command["argv"][0]
    if error.filename == command["cwd"]:
        return f"working directory {command['cwd']!r}: {os.strerror(error.errno or 0).lower()}"
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        if "/" in name and os.path.exists(name):
            return f"cannot run {name!r}: the interpreter named in its first line does not exist"
        return f"command not found: {name!r}"
    if error.errno == errno.ENOEXEC:
        return f"cannot run {name!r}: not a program, and no '#!' line says what interprets it"
    return f"cannot run {name!r}: {os.strerror(error.errno or 0).lower()}"


def _kill_descendants(group: int) -> None:
    """Without a pid namespace: the process group, then every child; orphans come back to us
    because this process is their subreaper, so the caller's loop finds them in the next round."""
    if group:
        with contextlib.suppress(OSError):
            os.killpg(group, signal.SIGKILL)
    for pid in _children():
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGKILL)


def _children() -> list[int]:
    own = os.getpid()
    try:
        with open(f"/proc/{own}/task/{own}/children", "rb") as file:
            return [int(pid) for pid in file.read().split()]
    except FileNotFoundError:  # a kernel without CONFIG_PROC_CHILDREN
        return [int(pid) for pid in os.listdir("/proc") if pid.isdigit() and _parent(pid) == own]


def _parent(pid: str) -> int:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return int(file.read().rpartition(b")")[2].split()[1])
    except OSError:
        return 0


@contextlib.contextmanager
def _as_user(command: Message) -> Iterator[None]:
    """A link is followed with the rights of the user code that wrote it."""
    uid = command.get("uid")
    if uid is None:
        yield
        return
    before = os.getgroups()
    os.setgroups(command["groups"])
    os.setegid(command["gid"])
    os.seteuid(uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups(before)


def _resolve(path: str) -> Message:
    try:
        real = os.path.realpath(path, strict=True)
        mode = os.lstat(real).st_mode
    except OSError as error:
        return {"error": os.strerror(error.errno or 0), "errno": error.errno}
    if any(real == tree or real.startswith(tree + "/") for tree in KERNEL_TREES):
        return {"path": real, "kind": "kernel"}
    return {"path": real, "kind": _kind(mode)}


def _list(path: str) -> Message:
    try:
        names = sorted(os.listdir(path))
        return {"entries": [[name, _kind(os.lstat(f"{path}/{name}").st_mode)] for name in names]}
    except OSError as error:
        return {"error": os.strerror(error.errno or 0)}


def _kind(mode: int) -> str:
    if stat.S_ISREG(mode):
        return "file"
    if stat.S_ISDIR(mode):
        return "directory"
    if stat.S_ISLNK(mode):
        return "symlink"
    return "special"


def _lookup_user(text: str) -> Message:
    """`name|uid[:group|gid]` against the sandbox's own /etc/passwd and /etc/group."""
    import grp
    import pwd

    name, _, group = text.partition(":")
    for what, number in (("user", _number(name)), ("group", _number(group))):
        if number is not None and number > LARGEST_ID:
            return {"error": f"{what} id {number} is too large: {LARGEST_ID} is the last"}
    known = _number(name)
    uid, gid, home, groups = -1 if known is None else known, 0, "", []
    try:
        entry = pwd.getpwuid(uid) if uid >= 0 else pwd.getpwnam(name)
        uid, gid, home = entry.pw_uid, entry.pw_gid, entry.pw_dir
        groups = os.getgrouplist(entry.pw_name, gid)
    except KeyError:
        if uid < 0:
            return {"error": f"user {name!r} is not in /etc/passwd"}
    if group:
        try:
            number = _number(group)
            gid = grp.getgrnam(group).gr_gid if number is None else number
        except KeyError:
            return {"error": f"group {group!r} is not in /etc/group"}
        groups = [gid]
    return {"uid": uid, "gid": gid, "groups": groups or [gid], "home": home, "name": name}


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() else None


def main() -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)  # user code may not look into or trace this process
    if os.getpid() == 1:
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)  # and the whole namespace with it
    else:  # outlive the worker by as long as it takes to kill what is left
        libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    channel = socket.socket(fileno=int(sys.argv[1]))
    channel.set_inheritable(False)
    os.umask(0o022)
    Launcher(channel).serve()


if __name__ == "__main__":
    main()
