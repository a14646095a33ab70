"""Run the rows of docs/performance.md and print them with the ratio to each peer.

Every row alternates Dassie and its peers for `--rounds` rounds and takes medians. Work files lie
on `--place`, which
should be a tmpfs for figures about software and a disk for figures about durability (`--rounds 1
--place DIR`).
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks import pipelines, streams, workloads
from benchmarks.dassie_peer import BIN, Dassie, Server
from benchmarks.peers import PEERS, Peer, run

Figures = dict[str, dict[str, list[float]]]
"""row → tool → one figure per round"""


def timed(action: Callable[[], object]) -> float:
    os.sync()
    workloads.touch_memory()
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


class Bench:
    """One run: the place, the sizes, and what was measured so far."""

    def __init__(self, place: Path, sizes: workloads.Sizes, rounds: int) -> None:
        self.place, self.sizes, self.rounds = place, sizes, rounds
        self.figures: Figures = defaultdict(lambda: defaultdict(list))
        self.notes: list[str] = []
        self.peak_mib = 0.0

    def note(self, row: str, tool: str, figure: float) -> None:
        self.figures[row][tool].append(figure)
        print(f"  {row:44} {tool:10} {figure:10.3f}", flush=True)

    def with_peer(self, kind: type[Peer], measure: Callable[[Peer], None]) -> None:
        folder = Path(tempfile.mkdtemp(dir=self.place))
        peer = kind(folder)
        peer.create()
        try:
            measure(peer)
            if isinstance(peer, Dassie):
                self.peak_mib = max(self.peak_mib, peer.server.peak_mib())
        finally:
            peer.close()
            shutil.rmtree(folder, ignore_errors=True)

    def large(self, kind: type[Peer]) -> None:
        source = self.place / "large"
        changed = self.place / "changed" / "large"

        def measure(peer: Peer) -> None:
            self.note("1 GiB file in, s", peer.name, timed(lambda: peer.save(source)))
            before = peer.stored_bytes()
            self.note("… with 1 MiB inserted, s", peer.name, timed(lambda: peer.save(changed)))
            new = (peer.stored_bytes() - before) / 1e6
            self.note("… new bytes stored, MB", peer.name, new)

        self.with_peer(kind, measure)

    def small(self, kind: type[Peer]) -> None:
        tree = self.place / "tree"

        def measure(peer: Peer) -> None:
            self.note("100,000 x 4 KiB files in, s", peer.name, timed(lambda: peer.save(tree)))
            workloads.change_some(tree, self.sizes)
            time.sleep(2.1)  # a settled tree: no tool may trust an mtime of this very moment
            self.note("… with 100 changed, s", peer.name, timed(lambda: peer.save(tree)))
            out = self.place / "restored"
            out.mkdir()
            self.note("… read back, s", peer.name, timed(lambda: peer.restore(out)))
            shutil.rmtree(out)

        self.with_peer(kind, measure)

    def doors(self) -> None:
        files = streams.read_tree(self.place / "tree")
        server = Server(Path(tempfile.mkdtemp(dir=self.place)))
        try:
            row = "100,000 files by one ModifyFile stream, s"
            self.note(row, "dassie", streams.modify_file(server, "stream", files))
            wall, cpu = streams.official_sdk(server, "sdk", files)
            self.note("… by the official SDK, s", "dassie", wall)
            self.note("… the server's share of it", "dassie", cpu / wall)
            self.peak_mib = max(self.peak_mib, server.peak_mib())
        finally:
            server.stop()
            shutil.rmtree(server.folder, ignore_errors=True)

    def runs(self) -> None:
        count = self.sizes.datums
        server = Server(Path(tempfile.mkdtemp(dir=self.place)))
        try:
            ours = pipelines.dassie(server, self.sizes)
            self.peak_mib = max(self.peak_mib, server.peak_mib())
        finally:
            server.stop()
            shutil.rmtree(server.folder, ignore_errors=True)
        others = {
            "make": pipelines.make(self.place / "make", count),
            "ninja": pipelines.ninja(self.place / "ninja", count),
        }
        self.note("per trivial datum, ms", "dassie", ours["per_datum"] * 1e3)
        self.note("nothing changed, 1,000 datums, ms", "dassie", ours["unchanged"] * 1e3)
        self.note("one new among 10,000, ms", "dassie", ours["one_among_many"] * 1e3)
        for name, theirs in others.items():
            shutil.rmtree(self.place / name, ignore_errors=True)
            if theirs:
                self.note("per trivial datum, ms", name, theirs["per_datum"] * 1e3)
                self.note("nothing changed, 1,000 datums, ms", name, theirs["unchanged"] * 1e3)

    def starts(self) -> None:
        def ready() -> None:
            server = Server(self.place / "start")
            server.process.kill()
            server.process.wait()

        self.note("server start, embedded, s", "dassie", timed(ready))
        shutil.rmtree(self.place / "start")
        help_text = [timed(lambda: run(BIN / "pachctl", "--help")) for _ in range(5)]
        self.note("pachctl --help, ms", "dassie", statistics.median(help_text) * 1e3)

    def run(self, rows: set[str], peers: list[type[Peer]]) -> None:
        if "large" in rows:
            workloads.large_file(self.place / "large", self.sizes.large_bytes)
            (self.place / "changed").mkdir()
            workloads.insert_in_the_middle(self.place / "large", self.place / "changed" / "large")
        if rows & {"small", "doors"}:
            workloads.small_tree(self.place / "tree", self.sizes)
        for number in range(self.rounds):
            print(f"round {number + 1} of {self.rounds}", flush=True)
            for kind in [Dassie, *peers]:
                if "large" in rows:
                    self.large(kind)
                if "small" in rows:
                    self.small(kind)
            for row, action in (
                ("doors", self.doors),
                ("runs", self.runs),
                ("starts", self.starts),
            ):
                if row in rows:
                    action()

    def table(self) -> str:
        tools = ["dassie", *sorted({t for row in self.figures.values() for t in row} - {"dassie"})]
        lines = ["| row | " + " | ".join(tools) + " |", "|---|" + "---|" * len(tools)]
        for row, by_tool in self.figures.items():
            ours = statistics.median(by_tool["dassie"])
            cells = []
            for tool in tools:
                if tool not in by_tool:
                    cells.append("–")
                    continue
                value = statistics.median(by_tool[tool])
                ratio = f" ({value / ours:.1f}x)" if tool != "dassie" and ours > 0 else ""
                cells.append(f"{value:.3g}{ratio}")
            lines.append(f"| {row} | " + " | ".join(cells) + " |")
        lines.append(f"\nPeak memory of pachd over all rows: {self.peak_mib:.0f} MiB.")
        return "\n".join(lines)


ROWS = ("large", "small", "doors", "runs", "starts")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    shared = Path("/dev/shm")
    default = shared if shared.is_dir() else Path(tempfile.gettempdir())
    parser.add_argument("--place", type=Path, default=default, help="where work files lie")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rows", nargs="*", choices=ROWS, default=ROWS)
    parser.add_argument("--peers", nargs="*", help="default: every peer that is installed")
    parser.add_argument("--quick", action="store_true", help="small workloads: tries the harness")
    parser.add_argument("--json", type=Path, help="also write every single figure here")
    options = parser.parse_args()
    wanted = [p for p in PEERS if options.peers is None or p.name in options.peers]
    peers = [p for p in wanted if p.available()]
    for missing in (p.name for p in wanted if not p.available()):
        print(f"{missing} is not installed: left out")
    place = Path(tempfile.mkdtemp(prefix="dassie-bench-", dir=options.place))
    sizes = workloads.Sizes.quick() if options.quick else workloads.Sizes()
    bench = Bench(place, sizes, options.rounds)
    try:
        bench.run(set(options.rows), peers)
    finally:
        shutil.rmtree(place, ignore_errors=True)
    print(
        f"\n{platform.processor() or platform.machine()}, {os.cpu_count()} CPUs, Python "
        f"{platform.python_version()}, {datetime.now(UTC):%Y-%m-%d}, {options.rounds} rounds, "
        f"on {options.place}; medians, and in brackets how many times Dassie's figure\n"
    )
    print(bench.table())
    if options.json:
        options.json.write_text(json.dumps(bench.figures, indent=1))


if __name__ == "__main__":
    main()
