"""The tools Dassie is compared with, each behind the same four operations. One that is not
installed is left out and said so. All are given the same folder as their working place, so all have
the same disk under them."""

from __future__ import annotations

import os
import shutil
import subprocess
from abc import ABC, abstractmethod
from pathlib import Path


def run(*command: str | Path, cwd: Path | None = None, env: dict[str, str] | None = None) -> str:
    """Run to the end; an exit status other than 0 stops the benchmark with what the tool said."""
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env={**os.environ, **(env or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, command))}: exit {done.returncode}\n{done.stderr}")
    return done.stdout


class Peer(ABC):
    """A tool that keeps versions of files. `place` is an empty folder of its own."""

    name: str
    program: str

    def __init__(self, place: Path) -> None:
        self.place = place

    @classmethod
    def available(cls) -> bool:
        return shutil.which(cls.program) is not None

    @abstractmethod
    def create(self) -> None:
        """Make an empty store. Not timed."""

    @abstractmethod
    def save(self, source: Path) -> None:
        """Put the file or folder in as a new version. Timed."""

    @abstractmethod
    def restore(self, target: Path) -> None:
        """Write the last version to an empty folder. Timed."""

    def stored_bytes(self) -> int:
        """What the store takes on disk now."""
        return sum(path.stat().st_size for path in self.place.rglob("*") if path.is_file())

    def close(self) -> None:  # noqa: B027 - most peers start nothing
        """Stop what `create` started."""


class Git(Peer):
    name = program = "git"

    def _git(self, work: Path, *words: str) -> str:
        return run("git", f"--git-dir={self.place / 'g'}", f"--work-tree={work}", *words)

    def create(self) -> None:
        run("git", "init", "-q", "--bare", self.place / "g")
        run("git", f"--git-dir={self.place / 'g'}", "config", "core.bare", "false")

    def save(self, source: Path) -> None:
        work = source if source.is_dir() else source.parent
        self._git(work, "add", "-A", str(source) if source.is_file() else ".")
        identity = ("-c", "user.name=bench", "-c", "user.email=bench@localhost")
        self._git(work, *identity, "commit", "-q", "--allow-empty", "-m", "x")

    def restore(self, target: Path) -> None:
        self._git(target, "checkout", "-q", "-f", "HEAD", "--", ".")


class Borg(Peer):
    name = program = "borg"
    _env = {  # noqa: RUF012 - never changed
        "BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK": "yes",
        "BORG_RELOCATED_REPO_ACCESS_IS_OK": "yes",
    }

    def __init__(self, place: Path) -> None:
        super().__init__(place)
        self.count = 0
        self.env = {**self._env, "BORG_BASE_DIR": str(place / "home")}

    def create(self) -> None:
        run("borg", "init", "-e", "none", self.place / "repo", env=self.env)

    def save(self, source: Path) -> None:
        self.count += 1
        archive = f"{self.place / 'repo'}::{self.count}"
        folder, what = (source, ".") if source.is_dir() else (source.parent, source.name)
        run("borg", "create", archive, what, cwd=folder, env=self.env)

    def restore(self, target: Path) -> None:
        run("borg", "extract", f"{self.place / 'repo'}::{self.count}", cwd=target, env=self.env)

    def stored_bytes(self) -> int:
        return sum(p.stat().st_size for p in (self.place / "repo").rglob("*") if p.is_file())


class Restic(Peer):
    name = program = "restic"

    def _restic(self, *words: str | Path, cwd: Path | None = None) -> None:
        env = {"RESTIC_PASSWORD": "x", "RESTIC_CACHE_DIR": str(self.place / "cache")}
        run("restic", "-q", "-r", self.place / "repo", *words, cwd=cwd, env=env)

    def create(self) -> None:
        self._restic("init")

    def save(self, source: Path) -> None:
        folder, what = (source, ".") if source.is_dir() else (source.parent, source.name)
        self._restic("backup", what, cwd=folder)

    def restore(self, target: Path) -> None:
        self._restic("restore", "latest", "--target", target)

    def stored_bytes(self) -> int:
        return sum(p.stat().st_size for p in (self.place / "repo").rglob("*") if p.is_file())


class Dvc(Peer):
    name = program = "dvc"

    def create(self) -> None:
        run("dvc", "init", "-q", "--no-scm", cwd=self.place)
        run("dvc", "config", "core.analytics", "false", cwd=self.place)

    def save(self, source: Path) -> None:
        # dvc takes only what lies in its own folder: link the data in, as its users have them
        inside = self.place / "data"
        if inside.is_dir():
            shutil.rmtree(inside)
        inside.unlink(missing_ok=True)
        if source.is_dir():
            shutil.copytree(source, inside, copy_function=os.link)
        else:
            os.link(source, inside)
        run("dvc", "add", "-q", "data", cwd=self.place)

    def restore(self, target: Path) -> None:
        inside = self.place / "data"
        if inside.is_dir():
            shutil.rmtree(inside)
        inside.unlink(missing_ok=True)
        run("dvc", "checkout", "-q", cwd=self.place)
        inside.rename(target / "data")

    def stored_bytes(self) -> int:
        return sum(p.stat().st_size for p in (self.place / ".dvc").rglob("*") if p.is_file())


PEERS: tuple[type[Peer], ...] = (Git, Borg, Restic, Dvc)
