"""`pachctl`: find the command, read its arguments, run it, turn failures into one line and a code.

Entry point of the `pachctl` script. Imports only what the typed command needs: no gRPC, protobuf or
YAML before a command asks for them.
"""

from __future__ import annotations

import importlib
import io
import os
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from dassie.cli import exits, index
from dassie.cli.grammar import GLOBAL_FLAGS, Command, Kind
from dassie.errors import DassieError, Unimplemented

if TYPE_CHECKING:
    from dassie.cli.output import Output

_VALUED = {name for flag in GLOBAL_FLAGS if flag.kind is not Kind.SWITCH for name in flag.names}
_GLOBAL = {name for flag in GLOBAL_FLAGS for name in flag.names}
_HELP = {"-h", "--help"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line; the result is the exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    _prepare_streams()
    # gRPC would write its own words on failed handshakes next to ours.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    try:
        code = _run(words, os.environ)
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        # What is left in the buffer cannot be delivered: let the interpreter flush into nothing.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return exits.BROKEN_PIPE
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return exits.INTERRUPTED
    except DassieError as error:
        _report(error, words)
        return exits.exit_code(error)
    except UnicodeEncodeError as error:
        if _verbose(words):
            _print_trace(error)
        print(f"error: {error.object!r} is not UTF-8, as names have to be", file=sys.stderr)
        return exits.FAILED
    except OSError as error:
        if _verbose(words):
            _print_trace(error)
        print(f"error: {_os_text(error)}", file=sys.stderr)
        return exits.FAILED
    except Exception as error:  # noqa: BLE001 - the outermost line: a person gets one line, not a trace
        if _verbose(words):
            _print_trace(error)
        kind = type(error).__name__
        print(
            f"error: internal failure ({kind}: {error}); report it, with the trace that -v prints",
            file=sys.stderr,
        )
        return exits.FAILED


def load(path: str) -> Command:
    """The command with these words, from its module."""
    module = importlib.import_module(f"dassie.cli.{index.COMMANDS[path].module}")
    commands: tuple[Command, ...] = module.COMMANDS
    return next(command for command in commands if command.path == path)


def help_for(words: Sequence[str]) -> str:
    """The help text for what was typed so far."""
    from dassie.cli import usage

    typed = [word for word in words if not word.startswith("-")]
    if not typed:
        return usage.overview()
    path, _ = index.find(typed)
    if path in index.COMMANDS:
        return usage.command_help(load(path))
    if path:
        raise Unimplemented(f"`pachctl {path}`")
    prefix = _known_prefix(typed)
    if prefix:
        return usage.verb_overview(prefix)
    raise _unknown(typed)


def split_globals(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """The global flags in front of the command, and the rest."""
    position = 0
    while position < len(words) and words[position].split("=")[0] in _GLOBAL:
        position += 2 if words[position] in _VALUED else 1
    return list(words[:position]), list(words[position:])


def _run(words: list[str], environ: Mapping[str, str]) -> int:
    if words[:1] == ["__complete"]:
        from dassie.cli.completion import complete

        return complete(words[1:], environ)
    leading, rest = split_globals(words)
    if not rest:
        print(help_for([]))
        return exits.OK
    path, count = index.find(rest)
    before_help = rest[: rest.index("--")] if "--" in rest else rest
    if _HELP & {*leading, *before_help} or (not path and len(rest) <= 1 and _known_prefix(rest)):
        print(help_for(rest))
        return exits.OK
    if not path:
        raise _unknown(rest)
    if path in index.UNBUILT:
        raise Unimplemented(f"`pachctl {path}`")
    return _run_command(load(path), [*rest[count:], *leading], environ)


def _run_command(command: Command, words: list[str], environ: Mapping[str, str]) -> int:
    from dassie.cli.parser import parse
    from dassie.cli.session import Session

    args = parse(command, words)
    session = Session(command, args, _output(command, args, environ), environ)
    try:
        return command.run(session) or exits.OK
    finally:
        session.close()


def _output(command: Command, args: object, environ: Mapping[str, str]) -> Output:
    from dassie.cli.output import Output

    chosen = getattr(args, "output", None) if command.formats else None
    raw = getattr(args, "raw", False) if command.formats else False
    quiet = getattr(args, "no_color", False) or bool(environ.get("NO_COLOR"))
    colour = sys.stdout.isatty() and not quiet and environ.get("TERM") != "dumb"
    return Output(
        format=chosen or ("json" if raw else "table"),
        colour=colour,
        pager=not getattr(args, "no_pager", False),
        full_timestamps=getattr(args, "full_timestamps", False),
        environ=environ,
    )


def _prepare_streams() -> None:
    """Streams that the caller has closed lead nowhere, and reading from nowhere is an error: it
    must not be taken for an empty file. What the locale cannot write is written as an escape."""
    if sys.stdin is None:
        sys.stdin = os.fdopen(os.open(os.devnull, os.O_WRONLY), "r")
    sys.stdout = sys.stdout or os.fdopen(os.open(os.devnull, os.O_WRONLY), "w")
    sys.stderr = sys.stderr or os.fdopen(os.open(os.devnull, os.O_WRONLY), "w")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="backslashreplace")


def _known_prefix(words: Sequence[str]) -> str:
    """The longest beginning of `words` that commands share: `list`, `config get`."""
    for count in range(min(2, len(words)), 0, -1):
        prefix = " ".join(words[:count])
        if index.below(prefix):
            return prefix
    return ""


def _unknown(words: Sequence[str]) -> DassieError:
    typed = " ".join(word for word in words[:2] if not word.startswith("-"))
    misses = index.near_misses([word for word in words if not word.startswith("-")])
    if misses:
        suggestions = " or ".join(f"`pachctl {miss}`" for miss in misses)
        return exits.UsageError(f'unknown command "{typed}". Did you mean {suggestions}?')
    prefix = _known_prefix(words)
    remedy = f"`pachctl {prefix} --help`" if prefix else "`pachctl --help`"
    return exits.UsageError(f'unknown command "{typed}"; {remedy} lists them')


def _report(error: DassieError, words: Sequence[str]) -> None:
    if _verbose(words):
        _print_trace(error)
    print(f"error: {error.message}", file=sys.stderr)
    if isinstance(error, exits.UsageError) and error.command:
        print(f"`pachctl {error.command} --help` says how it is used", file=sys.stderr)


def _verbose(words: Sequence[str]) -> bool:
    return "-v" in words or "--verbose" in words


def _print_trace(error: BaseException) -> None:
    import traceback

    traceback.print_exception(error, file=sys.stderr)


def _os_text(error: OSError) -> str:
    where = f"{error.filename}: " if error.filename else ""
    return f"{where}{error.strerror or error}"


if __name__ == "__main__":
    sys.exit(main())
