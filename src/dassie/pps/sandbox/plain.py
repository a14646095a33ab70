"""No sandbox: the launcher as an ordinary process. Only where the configuration allows it.

User code then sees the whole machine with the rights of pachd's user, and `/pfs` cannot exist for
each worker: its stand-in is the worker's folder `pfs`, which user code finds in `PFS_ROOT` and in
the variables named after inputs. Processes that user code leaves are found again because the
launcher is their subreaper.
"""

from __future__ import annotations

from pathlib import Path

from dassie.pps.sandbox import bwrap


def command(channel: int) -> list[str]:
    """argv that starts the launcher."""
    launcher = Path(__file__).with_name("launcher.py")
    return [bwrap.interpreter(), "-I", "-S", "-X", "utf8", str(launcher), str(channel)]
