"""A real `pachd` on a scratch folder, and `pachctl` as its users run it."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from dassie.cli.main import main

Run = subprocess.CompletedProcess[str]


class _Stdin(io.TextIOWrapper):
    """What is typed, if anybody is there to type."""

    terminal = False

    def isatty(self) -> bool:
        return self.terminal


@dataclass
class Client:
    """Runs `pachctl` against one server, in a home of its own. In this process, because importing
    gRPC anew for each command would be most of the test's time."""

    address: str
    home: Path

    @property
    def environ(self) -> dict[str, str]:
        return {
            **os.environ,
            "HOME": str(self.home),
            "XDG_CACHE_HOME": str(self.home / "cache"),
            "PACH_CONFIG": str(self.home / "config.json"),
            "PACHD_ADDRESS": self.address,
        }

    def run(self, *words: str, stdin: str | bytes = "", terminal: bool = False) -> Run:
        """Whatever comes of it."""
        typed = _Stdin(io.BytesIO(stdin.encode() if isinstance(stdin, str) else stdin))
        typed.terminal = terminal
        out, err = (io.TextIOWrapper(io.BytesIO(), write_through=True) for _ in range(2))
        with pytest.MonkeyPatch.context() as patch:
            for name, value in self.environ.items():
                patch.setenv(name, value)
            patch.chdir(self.home)
            patch.setattr(sys, "stdin", typed)
            patch.setattr(sys, "stdout", out)
            patch.setattr(sys, "stderr", err)
            code = main(words)
        texts = [stream.buffer.getvalue().decode(errors="replace") for stream in (out, err)]
        return Run(["pachctl", *words], code, *texts)

    def __call__(self, *words: str, stdin: str | bytes = "") -> str:
        """Its stdout; anything but success is an error of the test."""
        done = self.run(*words, stdin=stdin)
        assert done.returncode == 0, f"pachctl {' '.join(words)}: {done.stderr}"
        return done.stdout

    def start(self, *words: str) -> subprocess.Popen[str]:
        """In a process of its own, for what does not end by itself."""
        return subprocess.Popen(
            [sys.executable, "-m", "dassie.cli.main", *words],
            stdout=subprocess.PIPE,
            text=True,
            env=self.environ,
        )


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a `pachd`."""
    folder = tmp_path_factory.mktemp("pachd")
    process = subprocess.Popen(
        [sys.executable, "-m", "dassie.daemon.main", "--data", str(folder / "data"), "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=(folder / "stderr").open("w"),
        text=True,
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line, f"pachd did not start: {(folder / 'stderr').read_text()[-2000:]}"
    yield next(word for word in line.split() if word.count(":") == 1)
    process.terminate()
    process.wait(timeout=30)


@pytest.fixture
def pachctl(server: str, tmp_path: Path) -> Client:
    """A client of a server that holds nothing yet."""
    client = Client(server, tmp_path)
    client("delete", "all", "--yes")
    return client
