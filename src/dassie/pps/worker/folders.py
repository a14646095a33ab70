"""Removing and moving trees that user code has written. Called by the rest of the worker.

Nothing of user code runs while these work on its files. They never follow a symbolic link.
"""

# Millions of files pass here one by one; a Path object for each would be most of the cost.
# ruff: noqa: PTH101, PTH104, PTH106, PTH108, PTH208

from __future__ import annotations

import os
import stat
import subprocess


def remove(path: str) -> None:
    """Remove a file or a tree, whatever its permissions are; a missing one is not an error."""
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISDIR(mode):
        os.unlink(path)
        return
    try:
        _remove_tree(path)
    except (OSError, RecursionError):
        _open_up(path)
        # `rm` goes down trees of any depth, even deeper than a path can be long
        subprocess.run(["rm", "-rf", "--", path], check=True, stderr=subprocess.DEVNULL)


def clear(folder: str) -> None:
    """Remove everything in a folder of ours, which user code may have closed to itself and us."""
    os.chmod(folder, 0o755)  # noqa: S103 - user code of another user passes
    for name in os.listdir(folder):
        remove(f"{folder}/{name}")


def move_all(source: str, target: str) -> None:
    """Move everything in one folder of ours to another on the same file system."""
    os.chmod(source, 0o755)  # noqa: S103
    for name in os.listdir(source):
        try:
            os.rename(f"{source}/{name}", f"{target}/{name}")
        except PermissionError:  # an ordinary user moves only directories that it may write
            if stat.S_ISDIR(os.lstat(f"{source}/{name}").st_mode):
                os.chmod(f"{source}/{name}", 0o700)
            os.rename(f"{source}/{name}", f"{target}/{name}")


def _remove_tree(folder: str) -> None:
    """`shutil.rmtree` without its guard against others who swap directories for links meanwhile:
    there are no others. It is what every datum pays for."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                _remove_tree(entry.path)
            else:
                os.unlink(entry.path)
    os.rmdir(folder)


def _open_up(path: str) -> None:
    """Let the owner, who may always do so, enter and change every directory of a tree."""
    todo = [path]
    while todo:
        folder = todo.pop()
        try:
            os.chmod(folder, 0o700)
            with os.scandir(folder) as entries:
                todo.extend(entry.path for entry in entries if entry.is_dir(follow_symlinks=False))
        except OSError:
            continue
