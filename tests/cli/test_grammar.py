"""The words of the command line: index, parser, help."""

from __future__ import annotations

import importlib
import pkgutil

import pytest

import dassie.cli
from dassie.cli import index
from dassie.cli.exits import UsageError
from dassie.cli.grammar import Command, Flag, Kind, Positional
from dassie.cli.main import help_for, load, split_globals
from dassie.cli.parser import flags_of, parse


def commands_of_modules() -> dict[str, str]:
    found = {}
    for module in pkgutil.iter_modules(dassie.cli.__path__):
        loaded = importlib.import_module(f"dassie.cli.{module.name}")
        for command in getattr(loaded, "COMMANDS", ()):
            if isinstance(command, Command):
                found[command.path] = module.name
    return found


def test_index_and_modules_agree() -> None:
    assert {path: entry.module for path, entry in index.COMMANDS.items()} == commands_of_modules()


def test_every_command_is_in_the_overview() -> None:
    overview = help_for([])
    for path in index.COMMANDS:
        assert path.split()[0] in overview


@pytest.mark.parametrize("path", index.COMMANDS)
def test_help_of_every_command(path: str) -> None:
    text = help_for(path.split())
    assert f"pachctl {path}" in text
    assert max(map(len, text.splitlines())) <= 110


@pytest.mark.parametrize("path", index.COMMANDS)
def test_flags_do_not_clash(path: str) -> None:
    command = load(path)
    names = [name for flag in flags_of(command) for name in flag.names]
    assert len(names) == len(set(names))
    attributes = [flag.attribute for flag in flags_of(command)]
    attributes += [one.name for one in command.positionals]
    assert len(attributes) == len(set(attributes))


@pytest.mark.parametrize("path", index.COMMANDS)
def test_examples_parse(path: str) -> None:
    import shlex

    for _, typed in load(path).examples:
        for line in typed.split("\n"):
            for piece in line.rstrip("| ").split("|"):
                words = shlex.split(piece)
                if words[:1] != ["pachctl"]:
                    continue
                _, rest = split_globals(words[1:])
                found, count = index.find(rest)
                assert found, line
                arguments = rest[count:]
                if ">" in arguments:
                    arguments = arguments[: arguments.index(">")]
                parse(load(found), arguments)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["list", "repo"], ("list repo", 2)),
        (["list", "repos", "x"], ("list repo", 2)),
        (["config", "get", "context", "a"], ("config get context", 3)),
        (["version"], ("version", 1)),
        (["why", "edges@1"], ("why", 1)),
        (["create", "secrets"], ("create secret", 2)),
        (["nothing"], ("", 0)),
    ],
)
def test_find(words: list[str], expected: tuple[str, int]) -> None:
    assert index.find(words) == expected


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["lst", "repo"], ["list repo"]),
        (["list", "rpo"], ["list repo"]),
        (["repo", "list"], ["list repo"]),
        (["repos", "delete"], ["delete repo"]),
        (["config", "set", "activecontext"], ["config set active-context"]),
        (["versoin"], ["version"]),
        (["xyzzy"], []),
    ],
)
def test_near_misses(words: list[str], expected: list[str]) -> None:
    assert index.near_misses(words) == expected


DEMO = Command(
    "list repo",
    lambda _: None,
    (Positional("first"), Positional("rest", count="*")),
    (
        Flag(("-f", "--file"), "", Kind.LIST),
        Flag(("-n", "--number"), "", Kind.NUMBER, "", 0),
        Flag(("-r", "--recursive"), ""),
        Flag(("--progress",), ""),
        Flag(("--no-progress",), ""),
    ),
    formats=True,
)


def test_flags_may_stand_anywhere() -> None:
    args = parse(DEMO, ["-f", "1", "a", "--number=3", "b", "-f2", "-rv", "c"])
    assert (args.first, args.rest) == ("a", ["b", "c"])
    assert (args.file, args.number, args.recursive, args.verbose) == (["1", "2"], 3, True, True)


def test_switches_take_values_as_in_go() -> None:
    args = parse(DEMO, ["a", "--raw=true", "--recursive=false", "--progress=false"])
    assert (args.raw, args.recursive, args.no_progress) == (True, False, True)
    with pytest.raises(UsageError, match='"true" or "false"'):
        parse(DEMO, ["a", "--raw=maybe"])


def test_a_double_dash_ends_flags() -> None:
    assert parse(DEMO, ["a", "--", "-f", "--raw=true"]).rest == ["-f", "--raw=true"]


@pytest.mark.parametrize(
    "words", [[], ["a", "--nope"], ["a", "-n", "x"], ["a", "-n", "-1"], ["a", "-o", "xml"]]
)
def test_wrong_usage(words: list[str]) -> None:
    with pytest.raises(UsageError) as caught:
        parse(DEMO, words)
    assert caught.value.command == "list repo"


def test_an_own_flag_hides_a_common_one() -> None:
    command = Command("x", lambda _: None, flags=(Flag(("-o", "--output"), "", Kind.TEXT),))
    assert [flag for flag in flags_of(command) if "--output" in flag.names] == [command.flags[0]]


def test_global_flags_before_the_command() -> None:
    words = ["--rpc-timeout", "3", "-v", "list", "repo", "-v"]
    assert split_globals(words) == (["--rpc-timeout", "3", "-v"], ["list", "repo", "-v"])
