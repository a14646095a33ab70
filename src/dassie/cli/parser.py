"""Arguments of one command → values, by `argparse`. Pure.

`argparse` starts in a few milliseconds (click takes ten times as long), and only the parser of the
command that was typed is built. Two habits of Go's flags are added: `--switch=false`, and flags
anywhere among the positional arguments.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import NoReturn

from dassie.cli.exits import UsageError
from dassie.cli.grammar import GLOBAL_FLAGS, OUTPUT_FLAGS, Command, Flag, Kind, Positional

_TRUE = {"true", "1", "t"}
_FALSE = {"false", "0", "f"}


class _Parser(argparse.ArgumentParser):
    """Raises instead of printing usage and ending the process."""

    command = ""

    def error(self, message: str) -> NoReturn:
        raise UsageError(_reword(message), self.command)


def flags_of(command: Command) -> tuple[Flag, ...]:
    """All flags that the command takes, its own first; a flag of its own hides a common one."""
    taken: set[str] = set()
    found: list[Flag] = []
    for flag in (*command.flags, *(OUTPUT_FLAGS if command.formats else ()), *GLOBAL_FLAGS):
        names = tuple(name for name in flag.names if name not in taken)
        if flag.names[-1] in names:
            taken.update(names)
            found.append(flag if names == flag.names else _renamed(flag, names))
    return tuple(found)


def parse(command: Command, words: Sequence[str]) -> argparse.Namespace:
    """Read the words after the command; raises `UsageError`."""
    parser = _Parser(prog=f"pachctl {command.path}", add_help=False, allow_abbrev=False)
    parser.command = command.path
    flags = flags_of(command)
    for flag in flags:
        _add_flag(parser, flag)
    for positional in command.positionals:
        _add_positional(parser, positional)
    return parser.parse_intermixed_args(_without_switch_values(words, flags))


def _add_flag(parser: argparse.ArgumentParser, flag: Flag) -> None:
    if flag.kind is Kind.SWITCH:
        parser.add_argument(*flag.names, dest=flag.attribute, action="store_true")
    elif flag.kind is Kind.LIST:
        parser.add_argument(*flag.names, dest=flag.attribute, action="append", default=[])
    elif flag.kind is Kind.NUMBER:
        parser.add_argument(*flag.names, dest=flag.attribute, type=_whole, default=flag.default)
    else:
        choices = flag.choices or None
        parser.add_argument(*flag.names, dest=flag.attribute, choices=choices, default=flag.default)


def _whole(word: str) -> int:
    """What no flag of ours takes is a negative number."""
    try:
        number = int(word)
    except ValueError:
        number = -1
    if number < 0:
        raise argparse.ArgumentTypeError(f'"{word}" is not a whole number from 0 on')
    return number


def _add_positional(parser: argparse.ArgumentParser, positional: Positional) -> None:
    if positional.count == "1":
        parser.add_argument(positional.name)
    else:
        parser.add_argument(positional.name, nargs=positional.count)


def _without_switch_values(words: Sequence[str], flags: Sequence[Flag]) -> list[str]:
    """`--raw=true` → `--raw`, `--raw=false` → nothing (`--no-raw` where there is such a flag), as
    scripts written for Go's flags have."""
    switches = {name for flag in flags if flag.kind is Kind.SWITCH for name in flag.names}
    found: list[str] = []
    for position, word in enumerate(words):
        name, equals, value = word.partition("=")
        if word == "--":
            return [*found, *words[position:]]
        if not equals or name not in switches:
            found.append(word)
        elif value.lower() in _TRUE:
            found.append(name)
        elif value.lower() in _FALSE:
            opposite = name.replace("--", "--no-", 1)
            found += [opposite] if opposite in switches else []
        else:
            raise UsageError(f'{name} takes "true" or "false", not "{value}"')
    return found


def _renamed(flag: Flag, names: tuple[str, ...]) -> Flag:
    return Flag(
        names, flag.help, flag.kind, flag.metavar, flag.default, flag.choices, flag.complete
    )


def _reword(message: str) -> str:
    """argparse's wording, in ours."""
    for old, new in (
        ("the following arguments are required: ", "missing: "),
        ("unrecognized arguments: ", "unknown argument: "),
    ):
        message = message.replace(old, new)
    return message
