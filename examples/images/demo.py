"""The classic image tutorial, from an empty folder to a montage: what `make demo` runs.

Starts a `pachd` of its own on a scratch folder, puts real photographs (they come with
scikit-image) into a
repo, runs two pipelines on them, adds one photograph, and shows that only the new work is done,
and why.
Every step is the `pachctl` command that you would type.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

HERE = Path(__file__).resolve().parent
BIN = Path(sys.executable).parent
PHOTOS = ["astronaut.png", "camera.png", "chelsea.png", "coffee.png", "retina.jpg"]
ONE_MORE = "motorcycle_left.png"


def say(text: str) -> None:
    print(f"\n\033[1m{text}\033[0m" if sys.stdout.isatty() else f"\n{text}", flush=True)


class Demo:
    """A running server and the commands sent to it."""

    def __init__(self, scratch: Path) -> None:
        self.scratch = scratch
        self.environment = {
            **os.environ,
            "PATH": f"{BIN}{os.pathsep}{os.environ.get('PATH', '')}",
            "PACH_CONFIG": str(scratch / "config.json"),
        }
        self.server: subprocess.Popen[str] | None = None
        self.address = ""

    def start_server(self) -> None:
        began = time.monotonic()
        log = (scratch_log := self.scratch / "pachd.stderr").open("w")
        self.server = subprocess.Popen(
            [BIN / "pachd", "--data", self.scratch / "data", "--port", "0"],
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            start_new_session=True,
        )
        assert self.server.stdout is not None
        line = self.server.stdout.readline().strip()
        if not line:
            sys.exit(f"pachd did not start:\n{scratch_log.read_text()}")
        print(f"$ pachd --data {self.scratch / 'data'} --port 0")
        print(f"{line}   ({time.monotonic() - began:.2f} s)")
        self.address = next(word for word in line.replace(",", " ").split() if word.count(":") == 1)
        self.environment["PACHD_ADDRESS"] = self.address

    def pachctl(self, *arguments: str | Path, show: bool = True) -> str:
        words = [str(argument) for argument in arguments]
        if show:
            print(f"$ pachctl {' '.join(words)}", flush=True)
        done = subprocess.run(
            [BIN / "pachctl", *words],
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=None if show else subprocess.PIPE,
            text=True,
            check=False,
        )
        if done.returncode:
            sys.exit(f"`pachctl {' '.join(words)}` failed with exit status {done.returncode}")
        if show and done.stdout:
            print(done.stdout, end="", flush=True)
        return done.stdout

    def latest(self, pipeline: str) -> dict[str, str]:
        """The newest job of a pipeline, as `pachctl list job -o json` prints it."""
        text = self.pachctl("list", "job", "-p", pipeline, "-o", "json", show=False)
        return json.JSONDecoder().raw_decode(text.lstrip().lstrip("[").lstrip())[0]

    def wait(self, commit_set: str) -> None:
        self.pachctl("wait", "commit", commit_set)

    def head(self, branch: str) -> str:
        text = self.pachctl("inspect", "commit", branch, "-o", "json", show=False)
        return json.loads(text)["commit"]["id"]

    def stop(self) -> None:
        if self.server is not None:
            self.server.send_signal(signal.SIGTERM)
            self.server.wait(timeout=30)


def photograph(name: str) -> Path:
    spec = find_spec("skimage")
    if spec is None or spec.origin is None:
        sys.exit("scikit-image, which ships the photographs, is not installed: run `make demo`")
    return Path(spec.origin).parent / "data" / name


def run(demo: Demo) -> None:
    say("1. A server on an empty folder")
    demo.start_server()

    say("2. Real photographs into a versioned repo")
    album = demo.scratch / "photos"
    album.mkdir()
    for name in PHOTOS:
        shutil.copy(photograph(name), album)
    demo.pachctl("create", "repo", "images")
    demo.pachctl("put", "file", "-r", "images@master:/", "-f", album)
    demo.pachctl("list", "file", "images@master")

    say("3. Two pipelines: the second runs on what the first makes")
    demo.pachctl("create", "pipeline", "-f", HERE / "edges.yaml")
    demo.pachctl("create", "pipeline", "-f", HERE / "montage.yaml")
    demo.wait(demo.head("montage@master"))
    demo.pachctl("list", "pipeline")
    demo.pachctl("list", "file", "edges@master")
    demo.pachctl("logs", "-p", "edges")

    say("4. One photograph more: only the new work is done")
    demo.pachctl("put", "file", f"images@master:/{ONE_MORE}", "-f", photograph(ONE_MORE))
    commit_set = demo.head("images@master")
    demo.wait(commit_set)
    demo.pachctl("list", "job", commit_set)
    demo.pachctl("why", f"edges@{commit_set}")

    say("5. Everything of that change, in every repo, has one id")
    demo.pachctl("list", "commit", commit_set)
    montage = demo.scratch / "montage.png"
    demo.pachctl("get", "file", "montage@master:/montage.png", "-o", montage)
    print(f"\nThe montage lies at {montage} ({montage.stat().st_size:,} bytes).")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keep", action="store_true", help="leave the server running")
    options = parser.parse_args()
    demo = Demo(Path(tempfile.mkdtemp(prefix="dassie-demo-")))
    try:
        run(demo)
    except BaseException:
        demo.stop()
        raise
    assert demo.server is not None
    if options.keep:
        say("The server is still running")
        print(f"  export PACHD_ADDRESS={demo.address}")
        print("  pachctl list file montage@master    pachctl draw pipeline    pachctl --help")
        print(f"  kill {demo.server.pid}    # stops it; its data are in {demo.scratch}")
        return
    demo.stop()
    shutil.rmtree(demo.scratch / "data")
    say("To go on by yourself")
    print("  make demo KEEP=1    leaves the server running and says how to talk to it")
    print("  pachd               serves your own data, with no configuration at all")


if __name__ == "__main__":
    main()
