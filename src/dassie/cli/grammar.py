"""The words of the command line: what a command, a flag and a positional argument are. Pure.

Every noun's module describes its commands with these records; `index.py` says which module has
which command, `parser.py` reads arguments by them, `usage.py` prints help, `completion.py`
completes. `complete` names what a value is, for completion (see `completion.SOURCES`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dassie.cli.session import Session


class Kind(Enum):
    """What follows a flag."""

    SWITCH = "switch"
    TEXT = "text"
    NUMBER = "number"
    LIST = "list"
    """Text; the flag may be repeated."""


@dataclass(frozen=True, slots=True)
class Flag:
    """`names` as typed, long one last: `("-f", "--file")`. The value's name is the long one's."""

    names: tuple[str, ...]
    help: str
    kind: Kind = Kind.SWITCH
    metavar: str = ""
    default: str | int | None = None
    choices: tuple[str, ...] = ()
    complete: str = ""
    hidden: bool = False

    @property
    def attribute(self) -> str:
        return self.names[-1].lstrip("-").replace("-", "_")


@dataclass(frozen=True, slots=True)
class Positional:
    """`count` as in argparse: "1", "?", "*", "+"."""

    name: str
    help: str = ""
    count: str = "1"
    complete: str = ""


@dataclass(frozen=True, slots=True)
class Command:
    """`path` is what is typed after `pachctl`: "list repo". Its summary stands in the index."""

    path: str
    run: Callable[[Session], int | None]
    positionals: tuple[Positional, ...] = ()
    flags: tuple[Flag, ...] = ()
    details: str = ""
    examples: tuple[tuple[str, str], ...] = ()
    """Pairs of what it does and how to type it."""
    formats: bool = False
    """Takes -o table|json|yaml and --raw."""


GLOBAL_FLAGS = (
    Flag(("-h", "--help"), "show this help"),
    Flag(("-v", "--verbose"), "on failure, show the traceback and the server's full answer"),
    Flag(("--no-color",), "never colour the output (NO_COLOR does the same)"),
    Flag(("--rpc-timeout",), "give up after this many seconds, or 10m", Kind.TEXT, "TIME"),
    Flag(
        ("--context",),
        "use this context of the configuration",
        Kind.TEXT,
        "NAME",
        None,
        (),
        "context",
    ),
)

PROJECT = Flag(
    ("--project",),
    "project to work in (default: the context's)",
    Kind.TEXT,
    "PROJECT",
    None,
    (),
    "project",
)
ALL_PROJECTS = Flag(("-A", "--all-projects"), "all projects instead of one")
FULL_TIMESTAMPS = Flag(("--full-timestamps",), "absolute times instead of `2 hours ago`")
NO_PAGER = Flag(("--no-pager",), "print straight to the terminal")
YES = Flag(("-y", "--yes"), "do not ask for confirmation")
OUTPUT_FLAGS = (
    Flag(
        ("-o", "--output"),
        "how to print: table, json or yaml",
        Kind.TEXT,
        "FORMAT",
        None,
        ("table", "json", "yaml"),
    ),
    Flag(("--raw",), "same as -o json; combine with -o yaml for YAML"),
)


def text(*names: str, help: str, metavar: str = "", complete: str = "") -> Flag:  # noqa: A002
    """A flag with a value."""
    return Flag(names, help, Kind.TEXT, metavar, None, (), complete)


def number(*names: str, help: str, metavar: str = "N", default: int = 0) -> Flag:  # noqa: A002
    """A flag with a whole number."""
    return Flag(names, help, Kind.NUMBER, metavar, default)


def many(*names: str, help: str, metavar: str = "", complete: str = "") -> Flag:  # noqa: A002
    """A flag with a value that may be repeated."""
    return Flag(names, help, Kind.LIST, metavar, None, (), complete)


def switch(*names: str, help: str) -> Flag:  # noqa: A002
    """A flag without a value."""
    return Flag(names, help)
