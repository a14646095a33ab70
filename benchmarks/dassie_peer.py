"""Dassie as a peer: a `pachd` on the peer's own folder, driven by `pachctl` as a user would."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from benchmarks.peers import Peer, run

BIN = Path(sys.executable).parent


class Server:
    """A `pachd` process on a folder; `address` says where it listens."""

    def __init__(self, folder: Path, *flags: str, env: Mapping[str, str] | None = None) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "stderr").open("w") as log:
            self.process = subprocess.Popen(
                [BIN / "pachd", "--data", folder / "data", "--port", "0", *flags],
                env={**os.environ, **(env or {})},
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"pachd did not start: {(folder / 'stderr').read_text()}")
        self.address = next(word for word in line.replace(",", " ").split() if word.count(":") == 1)
        self.env = {
            "PACHD_ADDRESS": self.address,
            "PACH_CONFIG": str(folder / "config.json"),
            "XDG_CACHE_HOME": str(folder / "cache"),
        }

    def pachctl(self, *words: str | Path) -> str:
        return run(BIN / "pachctl", *words, env=self.env)

    def peak_mib(self) -> float:
        """Peak resident memory of the server process so far."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
        return 0.0

    def cpu_seconds(self) -> float:
        """Processor time that the server process has used, user and system."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=60)


class Dassie(Peer):
    name = "dassie"
    program = str(BIN / "pachctl")

    def create(self) -> None:
        self.server = Server(self.place)
        self.server.pachctl("create", "repo", "data")

    def save(self, source: Path) -> None:
        flags = ("-r",) if source.is_dir() else ()
        target = "data@master:/" if source.is_dir() else "data@master:/large"
        self.server.pachctl("put", "file", *flags, target, "-f", source)

    def restore(self, target: Path) -> None:
        self.server.pachctl("get", "file", "-r", "data@master:/", "-o", target / "out")

    def stored_bytes(self) -> int:
        packs = self.place / "data"
        return sum(
            p.stat().st_size for p in packs.rglob("*") if p.is_file() and ".db" not in p.name
        )

    def close(self) -> None:
        self.server.stop()
