"""Removing and moving trees that user code has written. Called by the rest of the worker.

Nothing of user code runs while these work on its files. They never follow a symbolic link.
"""

# Millions of files pass here one by one; a Path object for each would be most of the cost.
# ruff: noqa: PTH101, PTH104, PTH108, PTH120, PTH208

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable
from typing import Any


def remove(path: str) -> None:
    """Remove a file or a tree, whatever its permissions are; a missing one is not an error."""
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return
    if stat.S_ISDIR(mode):
        shutil.rmtree(path, onerror=_open_up_and_retry)
    else:
        os.unlink(path)


def clear(folder: str) -> None:
    """Remove everything in a folder of ours."""
    for name in os.listdir(folder):
        remove(f"{folder}/{name}")


def move_all(source: str, target: str) -> None:
    """Move everything in one folder of ours to another on the same file system."""
    for name in os.listdir(source):
        try:
            os.rename(f"{source}/{name}", f"{target}/{name}")
        except PermissionError:  # an ordinary user moves only directories that it may write
            os.chmod(f"{source}/{name}", 0o700)
            os.rename(f"{source}/{name}", f"{target}/{name}")


def _open_up_and_retry(function: Callable[..., Any], path: str, _: Any) -> None:
    """The owner may always change the permissions that stop it from removing something."""
    parent = os.path.dirname(path)
    for folder in (parent, path):
        if stat.S_ISDIR(os.lstat(folder).st_mode):
            os.chmod(folder, 0o700)
    if function in (os.rmdir, os.unlink):
        function(path)
    else:
        shutil.rmtree(path)
