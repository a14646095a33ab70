"""Pipelines: the overhead per trivial datum, a job in which nothing changed, one new datum among
many."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from benchmarks.dassie_peer import Server
from benchmarks.workloads import Sizes

SPEC = {
    "input": {"pfs": {"glob": "/*"}},
    "transform": {"cmd": ["sh", "-c", "cp /pfs/*/* /pfs/out/"]},
}


def _inputs(folder: Path, count: int) -> None:
    folder.mkdir()
    for number in range(count):
        (folder / f"f{number:06d}").write_text(f"{number}\n")


def _create(server: Server, name: str, repo: str, workers: int) -> None:
    spec = json.loads(json.dumps(SPEC)) | {"pipeline": {"name": name}}
    spec["input"]["pfs"].update(repo=repo, name="in")
    spec["parallelism_spec"] = {"constant": workers}
    path = server.folder / f"{name}.json"
    path.write_text(json.dumps(spec))
    server.pachctl("create", "pipeline", "-f", path)


def _finish(server: Server, pipeline: str) -> dict[str, str]:
    """Wait for the newest job and return its record."""
    head = json.loads(server.pachctl("inspect", "commit", f"{pipeline}@master", "-o", "json"))
    server.pachctl("wait", "commit", head["commit"]["id"])
    job = json.loads(
        server.pachctl("inspect", "job", f"{pipeline}@{head['commit']['id']}", "-o", "json")
    )
    if job["state"] != "JOB_SUCCESS":
        raise SystemExit(f"job of {pipeline}: {job['state']}: {job.get('reason')}")
    return job


def _moment(text: str) -> float:
    return datetime.fromisoformat(
        text.replace("Z", "+00:00")[:26].rstrip("+") + "+00:00"
    ).timestamp()


def _span(job: dict[str, str], start: str = "created") -> float:
    """Seconds from the commit that caused the job (`created`) to its end, by the server's clock."""
    return _moment(job["finished"]) - _moment(job[start])


def dassie(server: Server, sizes: Sizes, workers: int = 2) -> dict[str, float]:
    """The three figures, in seconds."""
    folder = server.folder / "inputs"
    _inputs(folder, sizes.datums)
    server.pachctl("create", "repo", "in")
    _create(server, "copy", "in", workers)
    _finish(server, "copy")
    server.pachctl("put", "file", "-r", "in@master:/", "-f", folder)
    full = _span(_finish(server, "copy"), "started")
    # the same content again: a new commit, a new job, nothing to do
    server.pachctl("put", "file", "in@master:/f000000", "-f", folder / "f000000")
    unchanged = _span(_finish(server, "copy"))

    many = server.folder / "many"
    _inputs(many, sizes.many_datums)
    server.pachctl("create", "repo", "many")
    server.pachctl("put", "file", "-r", "many@master:/", "-f", many)
    _create(server, "copy-many", "many", workers)
    _finish(server, "copy-many")
    one: list[float] = []
    for number in range(5):
        (many / "one").write_text(f"one {number}")
        server.pachctl("put", "file", f"many@master:/new{number}", "-f", many / "one")
        one.append(_span(_finish(server, "copy-many")))
    return {
        "full": full,
        "per_datum": full / sizes.datums,
        "unchanged": unchanged,
        "one_among_many": sorted(one)[len(one) // 2],
    }


def _timed(action: Callable[[], object]) -> float:
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def make(folder: Path, count: int) -> dict[str, float]:
    """The same copies by `make -j2`: full, nothing changed, one new."""
    folder.mkdir(parents=True)
    _inputs(folder / "in", count)
    (folder / "out").mkdir()
    (folder / "Makefile").write_text(
        "all: $(patsubst in/%,out/%,$(wildcard in/*))\nout/%: in/%\n\t@sh -c 'cp $< $@'\n"
    )

    def once() -> None:
        subprocess.run(["make", "-s", "-j2"], cwd=folder, check=True)

    full, unchanged = _timed(once), _timed(once)
    (folder / "in" / "one").write_text("1")
    return {"full": full, "per_datum": full / count, "unchanged": unchanged, "one": _timed(once)}


def ninja(folder: Path, count: int) -> dict[str, float] | None:
    """The same copies by `ninja -j2`, or `None` when it is not installed."""
    if shutil.which("ninja") is None:
        return None
    folder.mkdir(parents=True)
    _inputs(folder / "in", count)

    def rules() -> None:
        names = sorted(p.name for p in (folder / "in").iterdir())
        lines = ["rule copy", "  command = sh -c 'cp $in $out'"]
        lines += [f"build out/{name}: copy in/{name}" for name in names]
        (folder / "build.ninja").write_text("\n".join(lines) + "\n")

    def once() -> None:
        subprocess.run(["ninja", "-j2"], cwd=folder, check=True, stdout=subprocess.DEVNULL)

    rules()
    full, unchanged = _timed(once), _timed(once)
    (folder / "in" / "one").write_text("1")
    rules()
    return {"full": full, "per_datum": full / count, "unchanged": unchanged, "one": _timed(once)}
