"""Completion in bash, zsh and fish: the scripts, and the answers they ask for.

A script calls `pachctl __complete SHELL LINE` and offers what comes back, so that the three are a
few lines each and everything is decided here. `live.py` fetches names from the server.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from dassie.cli import index
from dassie.cli.grammar import GLOBAL_FLAGS, Command, Flag, Kind
from dassie.errors import DassieError

if TYPE_CHECKING:
    from dassie.cli.session import Session

Candidate = tuple[str, str]
"""What to insert, and what it is ("" where that is plain)."""

_BASH = """\
# bash completion for pachctl; load it with:  source <(pachctl completion bash)
_pachctl() {
    local line="${COMP_LINE:0:COMP_POINT}" word
    COMPREPLY=()
    while IFS=$'\\n' read -r word; do
        COMPREPLY+=("$word")
    done < <(pachctl __complete bash "$line" "$COMP_WORDBREAKS" 2>/dev/null)
    if [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *[@:/=] ]]; then
        compopt -o nospace
    fi
}
complete -F _pachctl pachctl
"""

_ZSH = """\
#compdef pachctl
# zsh completion for pachctl; load it with:  source <(pachctl completion zsh)
_pachctl() {
    local line word meaning
    local -a plain open plain_shown open_shown
    for line in "${(@f)$(pachctl __complete zsh "${LBUFFER}" 2>/dev/null)}"; do
        word="${line%%$'\\t'*}"
        meaning="${line#*$'\\t'}"
        [[ -z $word ]] && continue
        if [[ $word == *[@:/=] ]]; then
            open+=("$word"); open_shown+=("$word  $meaning")
        else
            plain+=("$word"); plain_shown+=("$word  $meaning")
        fi
    done
    (( ${#plain} )) && compadd -U -l -d plain_shown -a plain
    (( ${#open} )) && compadd -U -S '' -l -d open_shown -a open
    (( ${#plain} + ${#open} ))
}
if [[ "${funcstack[1]}" == "_pachctl" ]]; then
    _pachctl "$@"
else
    (( $+functions[compdef] )) || { autoload -Uz compinit && compinit }
    compdef _pachctl pachctl
fi
"""

_FISH = """\
# fish completion for pachctl; load it with:  pachctl completion fish | source
function __pachctl_complete
    pachctl __complete fish (commandline -cp) 2>/dev/null
end
complete -c pachctl -f -a '(__pachctl_complete)'
"""

_SPECIAL = re.compile(r"[^\w@%+=:,./\-]")
"""What bash wants a backslash before."""
_SCRIPTS = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}
_HOMES = {
    "bash": "~/.local/share/bash-completion/completions/pachctl",
    "zsh": "~/.zfunc/_pachctl",
    "fish": "~/.config/fish/completions/pachctl.fish",
}


def script(session: Session) -> None:
    """Print a script, or put it where the shell looks for it."""
    shell = session.command.path.split()[-1]
    if not session.has("install"):
        session.out.stdout.write(_SCRIPTS[shell])
        return
    path = Path(session.text("path") or _HOMES[shell]).expanduser()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(_SCRIPTS[shell], encoding="utf-8")
    session.out.say(f"wrote {path}; it works in new shells")
    if shell == "zsh":
        session.out.say(f"(zsh looks there if ~/.zshrc has: fpath+=({path.parent}); compinit)")


def complete(words: list[str], environ: Mapping[str, str]) -> int:
    """`pachctl __complete SHELL LINE [WORDBREAKS]`: print candidates, never fail, never talk."""
    shell, line, breaks = (*words, "", "", "")[:3]
    typed, current, quote = split_line(line)
    try:
        found = sorted(set(candidates(typed, current, environ)))
    except (DassieError, OSError):
        found = []
    for word, meaning in found:
        print(_for_bash(word, current, quote, breaks) if shell == "bash" else f"{word}\t{meaning}")
    return 0


def _for_bash(word: str, current: str, quote: str, breaks: str) -> str:
    """What bash shall put in the place of what it takes for the word under the cursor."""
    if quote:  # begins behind the quote, and needs no escapes
        return word
    if not word.startswith(current):
        return _SPECIAL.sub(r"\\\g<0>", word)
    return _SPECIAL.sub(r"\\\g<0>", word[_after_break(current, breaks) :])


def split_line(line: str) -> tuple[list[str], str, str]:
    """The words between `pachctl` and the cursor, the one under it, and the quote open there."""
    for quote in ("", "'", '"'):
        try:
            # The x keeps the last word, also an empty one, apart from the blanks before it.
            words = shlex.split(f"{line}x{quote}")
        except ValueError:  # another quote is open
            continue
        return words[1:-1], words[-1][:-1] if len(words) > 1 else "", quote
    return line.split()[1:], "", ""  # ends in a backslash, or the like


def candidates(typed: list[str], current: str, environ: Mapping[str, str]) -> Iterator[Candidate]:
    """What may stand at the cursor."""
    from dassie.cli.main import load, split_globals

    if chosen := _option(typed, "--context"):
        environ = {**environ, "PACH_CONTEXT": chosen}
    leading, words = split_globals(typed)
    valued = next((flag for flag in GLOBAL_FLAGS if leading and leading[-1] in flag.names), None)
    if valued and valued.kind is not Kind.SWITCH and not words:
        yield from _values(valued, current, [], environ, [])
        return
    path, count = index.find(words)
    if path in index.COMMANDS and len(words) >= count and not _may_grow(words, path):
        yield from _arguments(load(path), words[count:], current, environ)
        return
    if current.startswith("-") and not words:
        yield from _matching(_flag_names(GLOBAL_FLAGS), current)
        return
    yield from _matching(_next_words([index.singular(word) for word in words]), current)


def _may_grow(words: list[str], path: str) -> bool:
    """Is there a longer command that begins with this one? (None today but kept honest.)"""
    return " ".join(words) == path and bool(index.below(path))


def _next_words(words: list[str]) -> Iterator[Candidate]:
    """Verbs, then the nouns that go with one."""
    for path, entry in index.COMMANDS.items():
        parts = path.split()
        if parts[: len(words)] == words and len(parts) > len(words):
            last = len(parts) == len(words) + 1
            yield parts[len(words)], entry.summary if last else ""


def _arguments(
    command: Command, words: list[str], current: str, environ: Mapping[str, str]
) -> Iterator[Candidate]:
    from dassie.cli.parser import flags_of

    flags = {name: flag for flag in flags_of(command) for name in flag.names}
    given = list(_positional_words(words, flags))
    flag_before = flags.get(words[-1]) if words else None
    if flag_before and flag_before.kind is not Kind.SWITCH:
        yield from _values(flag_before, current, given, environ, words)
    elif current.startswith("--") and "=" in current:
        name, _, value = current.partition("=")
        if name in flags:
            for word, meaning in _values(flags[name], value, given, environ, words):
                yield f"{name}={word}", meaning
    elif current.startswith("-"):
        yield from _matching(_flag_names(flags.values()), current)
    elif command.positionals:
        place = min(len(given), len(command.positionals) - 1)
        one = command.positionals[place]
        if len(given) <= place or one.count in "*+":
            yield from _source(one.complete, current, given, environ, words)


def _positional_words(words: list[str], flags: Mapping[str, Flag]) -> Iterator[str]:
    skip = False
    for word in words:
        flag = flags.get(word)
        if skip:
            skip = False
        elif flag:
            skip = flag.kind is not Kind.SWITCH
        elif not word.startswith("-"):
            yield word


def _values(
    flag: Flag, current: str, given: list[str], environ: Mapping[str, str], words: list[str]
) -> Iterator[Candidate]:
    if flag.choices:
        yield from _matching(((choice, "") for choice in flag.choices), current)
    else:
        yield from _source(flag.complete, current, given, environ, words)


def _source(
    kind: str, current: str, given: list[str], environ: Mapping[str, str], words: list[str]
) -> Iterator[Candidate]:
    """Candidates of one kind; `grammar.Flag.complete` and `Positional.complete` name it."""
    local: dict[str, Callable[[], Iterable[Candidate]]] = {
        "path": lambda: _paths(current),
        "command": lambda: _next_words(given),
        "job-state": lambda: _words(
            "created starting running egressing finishing success failure killed unrunnable"
        ),
        "pipeline-state": lambda: _words(
            "starting running restarting failure paused standby crashing"
        ),
        "datum-state": lambda: _words("success failed skipped starting recovered unknown"),
    }
    if kind in local:
        yield from _matching(local[kind](), current)
    elif kind:
        from dassie.cli.live import names

        yield from _matching(
            names(kind, current, given, _option(words, "--project"), environ), current
        )


def _option(words: list[str], name: str) -> str:
    """The value that an option has on this line."""
    for position, word in enumerate(words):
        if word == name and position + 1 < len(words):
            return words[position + 1]
        if word.startswith(f"{name}="):
            return word.partition("=")[2]
    return ""


def _words(text: str) -> Iterator[Candidate]:
    return ((word, "") for word in text.split())


def _paths(current: str) -> Iterator[Candidate]:
    """Local files; directories end with a slash."""
    folder, _, start = current.rpartition("/")
    base = Path(folder + "/" if "/" in current else ".").expanduser()
    prefix = current[: len(current) - len(start)]
    for entry in os.scandir(base):
        if entry.name.startswith(start) and (start.startswith(".") or entry.name[0] != "."):
            yield f"{prefix}{entry.name}{'/' if entry.is_dir() else ''}", ""


def _flag_names(flags: Iterable[Flag]) -> Iterator[Candidate]:
    for flag in flags:
        if not flag.hidden:
            yield flag.names[-1], flag.help


def _matching(found: Iterable[Candidate], current: str) -> Iterator[Candidate]:
    return (candidate for candidate in found if candidate[0].startswith(current))


def _after_break(current: str, breaks: str) -> int:
    """Where bash thinks the word under the cursor begins: behind its last break character, but
    at an `@`, which it takes for the beginning of a host's name."""
    last = max((current.rfind(char) for char in "@:=" if char in breaks), default=-1)
    return last if current[last : last + 1] == "@" else last + 1


def _command(shell: str, how: str) -> Command:
    from dassie.cli import grammar

    return Command(
        f"completion {shell}",
        script,
        (),
        (
            grammar.switch("--install", help="write it where the shell looks for it"),
            grammar.text("--path", help="… to this file instead", complete="path"),
        ),
        "Completes commands, flags, and the names of repos, branches, files, pipelines and jobs "
        "on the server: at most 64 of them, or v2.max_shell_completions of the configuration.",
        (("for this shell", how),),
    )


COMMANDS = (
    _command("bash", "source <(pachctl completion bash)"),
    _command("zsh", "source <(pachctl completion zsh)"),
    _command("fish", "pachctl completion fish | source"),
)
