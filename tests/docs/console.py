"""Runs the ```console blocks of a page, as a reader would type them, and compares what they print.

A line that starts with `$ ` is a command; lines up to the next one are its output (or the rest of
a here-document).
`…` alone on a line stands for any lines, within a line for any characters.
"""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

MARK = "----end-of-command-9f3a----"


@dataclass
class Step:
    """One command of a page with what it should print."""

    command: str
    expected: list[str] = field(default_factory=list)


def steps(page: Path) -> list[Step]:
    """The commands of all console blocks of the page, in order."""
    found: list[Step] = []
    for block in re.findall(r"^```console\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL):
        terminator = ""
        for line in block.splitlines():
            if terminator:
                found[-1].command += "\n" + line
                terminator = "" if line == terminator else terminator
            elif line.startswith("$ "):
                found.append(Step(line[2:]))
                here = re.search(r"<<'?(\w+)'?", line)
                terminator = here.group(1) if here else ""
            else:
                found[-1].expected.append(line)
    return found


def matches(expected: list[str], printed: str) -> bool:
    """Whether the output is what the page shows."""
    pattern = ""
    for line in expected:
        if line == "…":
            pattern += r"(?:.*\n)*"
        else:
            pattern += ".*".join(re.escape(part.rstrip()) for part in line.split("…")) + r" *\n"
    return (
        re.fullmatch(pattern, printed if not printed or printed.endswith("\n") else printed + "\n")
        is not None
    )


class Shell:
    """One bash session in a folder of its own."""

    def __init__(self, folder: Path, env: dict[str, str]) -> None:
        self.process = subprocess.Popen(
            ["bash", "--norc", "--noprofile"],
            cwd=folder,
            env={**env, "PATH": f"{Path(sys.executable).parent}:{env.get('PATH', '')}"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=(folder / "talk").open("w"),
            text=True,
        )
        self.send("set -m")

    def send(self, command: str) -> tuple[str, int]:
        """Run one command; what it printed on stdout, and its exit status."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{command}\necho; echo {MARK} $?\n")
        self.process.stdin.flush()
        printed = ""
        for line in self.process.stdout:
            if line.startswith(MARK):
                return printed[:-1], int(line.split()[1])
            printed += line
        raise AssertionError(f"the shell ended during: {command}")

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("kill $(jobs -p) 2> /dev/null; wait; exit\n")
        self.process.stdin.close()
        self.process.wait(timeout=30)
