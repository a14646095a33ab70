"""`diff file`: what changed between two commits, or two files."""

from __future__ import annotations

import shlex
import subprocess
import tempfile
from collections.abc import Iterator
from difflib import unified_diff
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dassie.cli import grammar, humanize
from dassie.cli.grammar import FULL_TIMESTAMPS, NO_PAGER, PROJECT, Command
from dassie.cli.output import Columns, Output

if TYPE_CHECKING:
    from dassie.cli.session import Session

_MAX_TEXT_BYTES = 1 << 20
"""Larger files are not compared line by line."""
_COLOURS = {"+": "green", "-": "red", "@": "cyan"}


def diff(session: Session) -> None:
    from dassie._proto.pfs import pfs_pb2
    from dassie.client import messages, refs

    new = session.file("new")
    request = pfs_pb2.DiffFileRequest(
        new_file=messages.file(new, new.path or "/"), shallow=session.has("shallow")
    )
    if session.text("old"):
        old = refs.parse_file(session.text("old"), session.project)
        request.old_file.CopyFrom(messages.file(old, old.path or "/"))
    answers = session.pfs.DiffFile(request)
    if session.out.format != "table" or session.has("name_only") or session.has("shallow"):
        session.out.listing(answers, columns(session.out))
        return
    for answer in answers:
        if not _is_folder(answer):
            _show(session, answer)


def columns(out: Output) -> Columns:
    def cells(answer: Any) -> list[str]:
        mark, colour, info = _change(answer)
        return [out.paint(mark, colour), humanize.size(info.size_bytes), info.file.path]

    return Columns(("OP", "SIZE", "NAME"), cells)


def text_diff(old: bytes, new: bytes, old_name: str, new_name: str) -> Iterator[str] | None:
    """The unified diff of two texts; `None` where one of them is no text. Pure."""
    if b"\0" in old or b"\0" in new:
        return None
    try:
        before, after = (text.decode().split("\n") for text in (old, new))
    except UnicodeDecodeError:
        return None
    return unified_diff(_marked(before), _marked(after), old_name, new_name, lineterm="")


def _marked(lines: list[str]) -> list[str]:
    """Lines of a text that was split at its newlines; the last has none, which makes it differ."""
    *whole, rest = lines
    return [*whole, f"{rest}\n\\ No newline at end of file"] if rest else whole


def _show(session: Session, answer: Any) -> None:
    old, new = answer.old_file, answer.new_file
    command = session.text("diff_command")
    small = max(old.size_bytes, new.size_bytes) <= _MAX_TEXT_BYTES
    mark, colour, info = _change(answer)
    if command:
        _run(session, command, answer)
        return
    if small:
        before, after = (one.file.path or "/dev/null" for one in (old, new))
        lines = text_diff(_content(session, old), _content(session, new), before, after)
        if lines is not None:
            for line in lines:
                painted = _COLOURS.get(line[:1])
                session.out.line(session.out.paint(line, painted) if painted else line)
            return
    sizes = " → ".join(humanize.size(one.size_bytes) for one in (old, new) if one.file.path)
    session.out.line(session.out.paint(f"{mark} {info.file.path} ({sizes}, not text)", colour))


def _run(session: Session, command: str, answer: Any) -> None:
    """Let a program of the user's compare the two files."""
    with tempfile.TemporaryDirectory(prefix="pachctl-diff-") as folder:
        paths = []
        for side, info in (("old", answer.old_file), ("new", answer.new_file)):
            if info.file.path:
                path = Path(folder) / side / Path(info.file.path).name
                path.parent.mkdir()
                path.write_bytes(_content(session, info))
                paths.append(str(path))
            else:
                paths.append("/dev/null")
        session.out.stdout.flush()
        subprocess.run([*shlex.split(command), *paths], check=False)


def _content(session: Session, info: Any) -> bytes:
    from dassie._proto.pfs import pfs_pb2

    if not info.file.path:
        return b""
    return b"".join(
        piece.value for piece in session.pfs.GetFile(pfs_pb2.GetFileRequest(file=info.file))
    )


def _change(answer: Any) -> tuple[str, str, Any]:
    """Its mark, its colour, and the file it is about."""
    if not answer.HasField("old_file"):
        return "+", "green", answer.new_file
    if not answer.HasField("new_file"):
        return "-", "red", answer.old_file
    return "M", "yellow", answer.new_file


def _is_folder(answer: Any) -> bool:
    return str(_change(answer)[2].file.path).endswith("/")


COMMANDS = (
    Command(
        "diff file",
        diff,
        (
            grammar.Positional("new", "written REPO@BRANCH-OR-COMMIT[:/PATH]", complete="file"),
            grammar.Positional("old", "default: the same in the parent commit", "?", "file"),
        ),
        (
            grammar.switch("--name-only", help="list the changed files, not their content"),
            grammar.switch("-s", "--shallow", help="do not look into folders"),
            grammar.text(
                "--diff-command", help="compare files with this program", metavar="COMMAND"
            ),
            PROJECT,
            FULL_TIMESTAMPS,
            NO_PAGER,
        ),
        "Text files are compared line by line; others are named with their sizes.",
        (
            ("what the last commit changed", "pachctl diff file images@master --name-only"),
            ("two commits", "pachctl diff file images@master images@master^3"),
        ),
        formats=True,
    ),
)
