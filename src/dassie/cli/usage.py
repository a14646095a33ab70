"""Help texts: of everything, of a verb, of one command. And the `help` command itself.

The overviews read the index only and import no noun's module.
"""

from __future__ import annotations

from textwrap import fill, wrap
from typing import TYPE_CHECKING

from dassie.cli import index
from dassie.cli.grammar import GLOBAL_FLAGS, Command, Flag, Kind, Positional

if TYPE_CHECKING:
    from dassie.cli.session import Session

WIDTH = 100


def overview() -> str:
    """`pachctl --help`."""
    lines = [
        "pachctl drives a Pachyderm-compatible server: versioned data, and pipelines that run when",
        "the data changes.",
        "",
        "  pachctl VERB NOUN [ARGUMENTS] [FLAGS]        files are written REPO@BRANCH:/PATH",
        "",
        "First steps:",
        "  pachctl create repo images",
        "  pachctl put file images@master -f photo.png",
        "  pachctl create pipeline -f edges.json",
        "  pachctl list job",
        "  pachctl get file edges@master:/photo.png -o edges.png",
    ]
    width = max(len(path) for path in index.COMMANDS if not path.startswith("config"))
    for title, modules in index.GROUPS:
        lines += ["", f"{title}:"]
        for path, entry in index.COMMANDS.items():
            if entry.module in modules and not path.startswith("config"):
                lines.append(f"  {path:<{width}}  {entry.summary}")
        if "contexts" in modules:
            lines.append(f"  {'config':<{width}}  Show and change contexts and settings")
    lines += ["", "Flags that every command takes:", *_flag_lines(GLOBAL_FLAGS)]
    lines += ["", "Plural nouns work too. `pachctl COMMAND --help` says more, with examples."]
    return "\n".join(lines)


def verb_overview(verb: str) -> str:
    """`pachctl list --help`."""
    commands = index.below(verb)
    width = max(len(path) for path in commands)
    lines = [f"pachctl {verb} has these commands:", ""]
    lines += [f"  {path:<{width}}  {entry.summary}" for path, entry in commands.items()]
    return "\n".join([*lines, "", f"`pachctl {verb} NOUN --help` says more about each."])


def command_help(command: Command) -> str:
    """`pachctl list repo --help`."""
    from dassie.cli.parser import flags_of

    summary = index.COMMANDS[command.path].summary
    lines = [f"{summary}.", ""]
    for paragraph in command.details.strip().split("\n\n"):
        if paragraph:
            lines += [fill(" ".join(paragraph.split()), WIDTH), ""]
    lines += ["Usage:", f"  {usage_line(command)}"]
    lines += [f"  {_positional(one):<12} {one.help}" for one in command.positionals if one.help]
    if command.examples:
        lines += ["", "Examples:"]
        for meaning, typed in command.examples:
            lines += [f"  # {meaning}", *(f"  {line}" for line in typed.splitlines())]
    own = [flag for flag in flags_of(command) if flag not in GLOBAL_FLAGS]
    if own:
        lines += ["", "Flags:", *_flag_lines(own)]
    shared = [flag for flag in flags_of(command) if flag in GLOBAL_FLAGS]
    return "\n".join([*lines, "", "Common flags:", *_flag_lines(shared)])


def usage_line(command: Command) -> str:
    """`pachctl inspect repo REPO [FLAGS]`."""
    words = ["pachctl", command.path, *(_positional(one) for one in command.positionals)]
    return " ".join([*words, "[FLAGS]"])


def _positional(one: Positional) -> str:
    name = one.name.upper()
    return {"1": name, "?": f"[{name}]", "*": f"[{name}...]", "+": f"{name}..."}[one.count]


def _flag_lines(flags: list[Flag] | tuple[Flag, ...]) -> list[str]:
    shown = [flag for flag in flags if not flag.hidden]
    heads = [_flag_head(flag) for flag in shown]
    width = min(30, max(map(len, heads), default=0))
    lines = []
    for flag, head in zip(shown, heads, strict=True):
        meaning = flag.help
        if flag.default not in (None, "", 0):
            meaning += f" (default {flag.default})"
        first, *rest = wrap(meaning, WIDTH - width - 4) or [""]
        lines.append(f"  {head:<{width}}  {first}")
        lines += [" " * (width + 4) + line for line in rest]
    return lines


def _flag_head(flag: Flag) -> str:
    names = ", ".join(flag.names)
    if flag.names[0].startswith("--"):
        names = "    " + names
    if flag.kind is Kind.SWITCH:
        return names
    return f"{names} {flag.metavar or flag.attribute.upper()}"


def run_help(session: Session) -> int | None:
    """`pachctl help [COMMAND...]`."""
    from dassie.cli.main import help_for

    session.out.line(help_for(session.texts("words")))
    return None


COMMANDS = (
    Command(
        "help",
        run_help,
        (Positional("words", "the command's words", "*", "command"),),
        examples=(("how to list files", "pachctl help list file"),),
    ),
)
