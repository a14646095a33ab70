"""The command line that makes a sandbox out of namespaces, by bubblewrap. Pure but for looking.

One sandbox per worker: an empty root on tmpfs, programs and libraries bound read-only, a short list
of files from /etc, a new pid namespace, and the worker's folders at /pfs, /tmp and its home. What
is not named here does not exist inside: not the server's data, nor other workers, nor anybody's
home. `session.py` starts it; `launcher.py` runs inside.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

from dassie.pps.sandbox.settings import SandboxSettings

HOME: Final = "/home/worker"
LAUNCHER: Final = "/run/dassie/launcher.py"
LONGEST_HOSTNAME: Final = 64
"""What the kernel takes."""
ROOT_LIMIT: Final = 256 << 20
"""What user code may write outside /pfs, /tmp and its home lies in memory: little is allowed."""

TOP_FOLDERS: Final = ("/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
SHARED_FOLDERS: Final = ("/usr", "/opt", "/nix/store")
ETC: Final = (
    *("alternatives", "bash.bashrc", "ca-certificates", "ca-certificates.conf", "crypto-policies"),
    *("debian_version", "default/locale", "fonts", "group", "host.conf", "hosts", "inputrc"),
    *("ld.so.cache", "ld.so.conf", "ld.so.conf.d", "locale.alias", "locale.conf", "localtime"),
    *("login.defs", "lsb-release", "magic", "mailcap", "mime.types", "networks", "nsswitch.conf"),
    *("OpenCL", "os-release", "passwd", "pki/ca-trust", "pki/tls/cert.pem", "pki/tls/certs"),
    *("profile", "profile.d", "protocols", "R", "redhat-release", "resolv.conf", "rpc", "services"),
    *("shells", "ssl/cert.pem", "ssl/certs", "ssl/openssl.cnf", "system-release", "terminfo"),
    *("timezone", "vulkan", "xdg", "perl", "python3", "python3.11", "python3.12", "python3.13"),
    *("ImageMagick-6", "ImageMagick-7", "java-11-openjdk", "java-17-openjdk", "java-21-openjdk"),
)
PROC_READ_ONLY: Final = ("bus", "fs", "irq", "sys", "sysrq-trigger")
PROC_ABSENT: Final = (
    *("acpi", "kallsyms", "kcore", "keys", "latency_stats", "sched_debug", "scsi", "timer_list"),
)
"""As containers do. Root owns the kernel's settings there and needs no capability to write them,
and bubblewrap, when it drops capabilities, does not cover them itself."""

ROOT_CAPABILITIES: Final = (
    *("CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL"),
    *("CAP_SETGID", "CAP_SETUID", "CAP_SETPCAP", "CAP_NET_BIND_SERVICE"),
)
"""Fewer than a container has by default: no device nodes, no raw sockets, no chroot."""


def command(
    program: str, settings: SandboxSettings, folder: Path, hostname: str, channel: int
) -> list[str]:
    """argv that starts the launcher in a new sandbox over the folders of the worker at `folder`."""
    launcher = Path(__file__).with_name("launcher.py")
    shared = [*_etc(), *_python_folders(), *_configured(settings)]
    return [
        program,
        *_namespaces(settings, hostname),
        *("--size", str(ROOT_LIMIT), "--tmpfs", "/"),
        *_system_folders(),
        *("--dev", "/dev"),
        *_proc(),
        *("--bind", str(folder / "tmp"), "/tmp"),  # noqa: S108 - the worker's own
        *("--perms", "0755", "--dir", "/home", "--bind", str(folder / "home"), HOME),
        *("--bind", str(folder / "pfs"), "/pfs"),
        *_parents([*shared, "--ro-bind", LAUNCHER, LAUNCHER]),
        *shared,
        *_hidden(settings),
        *_devices(settings),
        *("--perms", "1777", "--dir", "/var/tmp", "--symlink", "/run", "/var/run"),  # noqa: S108
        *("--ro-bind", str(launcher), LAUNCHER),
        *("--chdir", HOME, "--"),
        *(interpreter(), "-I", "-S", "-X", "utf8", LAUNCHER, str(channel)),
    ]


def interpreter() -> str:
    """The Python that runs the launcher: ours, without its virtual environment."""
    return os.path.realpath(sys.executable)


def _namespaces(settings: SandboxSettings, hostname: str) -> Iterator[str]:
    yield from ("--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try")
    yield from ("--hostname", short_hostname(hostname))
    yield from ("--die-with-parent", "--new-session", "--as-pid-1")
    if not settings.network:
        yield "--unshare-net"
    if os.geteuid() == 0:
        yield from ("--cap-drop", "ALL")
        for capability in ROOT_CAPABILITIES:
            yield from ("--cap-add", capability)
    else:
        yield from ("--unshare-user", "--cap-drop", "ALL")


def _system_folders() -> Iterator[str]:
    for folder in SHARED_FOLDERS:
        yield from ("--ro-bind-try", folder, folder)
    for name in TOP_FOLDERS:
        path = Path(name)
        if path.is_symlink():
            yield from ("--symlink", str(path.readlink()), name)
        elif path.is_dir():
            yield from ("--ro-bind", name, name)


def _etc() -> Iterator[str]:
    for name in ETC:
        yield from ("--ro-bind-try", f"/etc/{name}", f"/etc/{name}")


def _proc() -> Iterator[str]:
    yield from ("--proc", "/proc")
    if os.geteuid() != 0:
        return  # an ordinary user owns nothing there
    for name in PROC_READ_ONLY:
        yield from ("--ro-bind-try", f"/proc/{name}", f"/proc/{name}")
    for name in PROC_ABSENT:
        path = Path("/proc", name)
        if path.is_dir():
            yield from ("--tmpfs", str(path))
        elif path.exists():
            yield from ("--ro-bind", "/dev/null", str(path))


def _python_folders() -> Iterator[str]:
    """The interpreter's installation and its virtual environment, by every name they go by."""
    for path in unique(
        name
        for prefix in (sys.base_prefix, sys.base_exec_prefix, sys.prefix, *_link_chain())
        for name in (os.path.realpath(prefix), prefix)
    ):
        if not within(path, (*SHARED_FOLDERS, *TOP_FOLDERS)):
            yield from ("--ro-bind-try", path, path)


def _link_chain() -> Iterator[str]:
    """Links between `bin/python` of a virtual environment and the interpreter."""
    path = Path(sys.executable)
    while path.is_symlink():
        path = path.parent / path.readlink()
        if not within(str(path), (sys.prefix, sys.base_prefix)):
            yield str(path)


def _configured(settings: SandboxSettings) -> Iterator[str]:
    for item in settings.read_only:
        source, _, inside = item.partition(":")
        yield from ("--ro-bind", source, inside or source)


def _devices(settings: SandboxSettings) -> Iterator[str]:
    for path in settings.devices:
        yield from ("--dev-bind-try", path, path)


def _parents(binds: Sequence[str]) -> Iterator[str]:
    """Make the folders that hold the bound paths, since bubblewrap would keep them from others
    than the owner. `binds` is option, source, destination, and so on."""
    parents = [Path(destination).parents for destination in binds[2::3]]
    for folder in sorted({str(folder) for above in parents for folder in above} - {"/"}):
        if not within(folder, (*SHARED_FOLDERS, *TOP_FOLDERS)):
            yield from ("--perms", "0755", "--dir", folder)


def _hidden(settings: SandboxSettings) -> Iterator[str]:
    """Cover the server's folders and secret files where a bound folder holds them (data below
    /opt, say)."""
    shown = [*SHARED_FOLDERS, *TOP_FOLDERS, sys.prefix, sys.base_prefix]
    shown += [item.partition(":")[0] for item in settings.read_only]
    for path in unique(os.path.realpath(path) for path in settings.hidden):
        if within(path, [os.path.realpath(folder) for folder in shown]):
            yield from (
                ("--tmpfs", path) if Path(path).is_dir() else ("--ro-bind", "/dev/null", path)
            )


def short_hostname(name: str) -> str:
    """A long pipeline name makes a long worker's name, whose end tells the workers apart."""
    return name[-LONGEST_HOSTNAME:].lstrip("-")


def within(path: str, folders: Sequence[str]) -> bool:
    """Whether `path` is one of the folders or lies below one. Text only."""
    return any(path == folder or path.startswith(folder.rstrip("/") + "/") for folder in folders)


def unique(paths: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(paths))


def remedy(message: str) -> str:
    """What to do about the reason that bubblewrap gave for refusing."""
    if os.geteuid() == 0:
        if "Operation not permitted" in message or "Permission denied" in message:
            return (
                "Root may not make namespaces or mounts here (a container without CAP_SYS_ADMIN?): "
                "run pachd outside the container, give the container that capability, "
                "or start it with --sandbox plain to run user code without protection"
            )
        return "Start pachd with --sandbox plain to run user code without protection"
    for switch, wanted in (
        ("/proc/sys/kernel/unprivileged_userns_clone", "1"),
        ("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "0"),
        ("/proc/sys/user/max_user_namespaces", "15000"),
    ):
        if _blocks(switch, wanted):
            name = switch.removeprefix("/proc/sys/").replace("/", ".")
            return (
                "This kernel does not let an ordinary user make namespaces: let the administrator "
                f"run `sysctl -w {name}={wanted}`, or run pachd as root, or start it with "
                "--sandbox plain to run user code without protection"
            )
    return (
        "An ordinary user may not make namespaces here: run pachd as root, allow unprivileged user "
        "namespaces, or start it with --sandbox plain to run user code without protection"
    )


def _blocks(switch: str, wanted: str) -> bool:
    try:
        value = Path(switch).read_text("ascii").strip()
    except OSError:
        return False
    return value != wanted if wanted in ("0", "1") else value == "0"
