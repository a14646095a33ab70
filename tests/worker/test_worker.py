"""How a worker and pachd deal with each other."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dassie.blob.drivers.memory import MemoryStore
from dassie.pps.sandbox.session import SandboxUnavailable
from dassie.pps.sandbox.settings import PLAIN, SandboxSettings
from dassie.pps.worker.link import Link, LinkLost
from dassie.pps.worker.loop import Worker

from .conftest import Running, Start
from .pachd import Pachd, pb

SHELL = ("sh", "-c")


def test_a_datum_nobody_wants_is_killed_and_not_reported(start: Start) -> None:
    pachd = start(*SHELL, 'test -z "$slow" || { echo here; sleep 1000; }')
    slow = pachd.datum(env={"slow": "1"})
    pachd.wait(lambda: pachd.lines)
    pachd.kill.add("lease-1")
    after = pachd.datum()
    pachd.outputs(after)
    assert slow not in pachd.results
    pachd.wait(lambda: not pachd.beats[-1].leases)


def test_a_datum_that_waits_is_not_run_when_it_is_not_wanted(start: Start) -> None:
    pachd = start(*SHELL, "echo $PACH_DATUM_ID; test -z $slow || sleep 0.5", batch=3)
    pachd.kill.add("lease-2")
    _, unwanted, last = pachd.datum(env={"slow": "1"}), pachd.datum(), pachd.datum()
    pachd.outputs(last)
    assert unwanted not in pachd.results
    assert unwanted not in pachd.text()


def test_restart_begins_the_try_again(start: Start) -> None:
    pachd = start(*SHELL, "echo x >> ~/n; echo begun; test $(wc -l < ~/n) = 2 || sleep 1000")
    datum = pachd.datum()
    pachd.wait(lambda: pachd.lines)
    pachd.restart.add("lease-1")
    pachd.outputs(datum)
    assert pachd.result(datum).tries == 1
    assert pachd.text(user=True) == "begun\nbegun"


def test_heartbeats_name_what_is_held_and_what_runs(start: Start) -> None:
    pachd = start(*SHELL, "sleep 0.4")
    first, second = pachd.datum(), pachd.datum()
    pachd.outputs(first)
    pachd.outputs(second)
    beat = next(beat for beat in pachd.beats if beat.running == "lease-1")
    assert set(beat.leases) == {"lease-1", "lease-2"}
    assert beat.running_since_us > 0
    assert beat.worker_id == "edges-v1-0"
    assert pachd.registered[0].sandbox == "bwrap"


def test_refused_results_are_dropped(start: Start) -> None:
    pachd = start("true")
    pachd.refuse.add("lease-1")
    late, good = pachd.datum(), pachd.datum()
    pachd.outputs(good)
    assert late not in pachd.results


def test_logs_arrive_before_the_result_and_while_it_runs(start: Start) -> None:
    pachd = start(*SHELL, "echo begun; while ! test -e ~/go; do sleep 0.01; done; seq 5000")
    datum = pachd.datum()
    pachd.wait(lambda: pachd.lines)
    assert datum not in pachd.results
    running = next(iter(pachd_workers))
    (running.folder / "home" / "go").touch()
    pachd.outputs(datum)
    assert pachd.text(user=True).split("\n") == ["begun", *map(str, range(1, 5001))]


pachd_workers: list[Running] = []


@pytest.fixture(autouse=True)
def _remember_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    pachd_workers.clear()
    init = Running.__init__

    def remember(self: Running, *args: object) -> None:
        pachd_workers.append(self)
        init(self, *args)

    monkeypatch.setattr(Running, "__init__", remember)


def test_stop_gives_up_what_runs_and_reports_what_is_done(tmp_path: Path) -> None:
    pachd = Pachd(MemoryStore(), transform={"cmd": ["sh", "-c", "test -z $slow || sleep 1000"]})
    done, slow = pachd.datum(), pachd.datum(env={"slow": "1"})
    running = Running(pachd, tmp_path, SandboxSettings())
    pachd.wait(lambda: any(beat.running == "lease-2" for beat in pachd.beats))
    running.worker.stop()
    running.join()
    assert running.error is None
    pachd.outputs(done)
    assert slow not in pachd.results
    pachd.close()


def test_a_wrong_token_ends_the_worker(tmp_path: Path) -> None:
    pachd = Pachd(MemoryStore())
    worker = Worker(
        Link(pachd.address, "wrong", "w"),
        tmp_path,
        SandboxSettings(),
        lambda *_: None,  # type: ignore[arg-type,return-value]
    )
    with pytest.raises(LinkLost, match="wrong token"):
        worker.run()
    pachd.close()


def test_a_sandbox_that_dies_costs_one_try(start: Start) -> None:
    pachd = start(*SHELL, 'test -z "$bad" || { echo here; sleep 1000; }', tries=1)
    bad = pachd.datum(env={"bad": "1"})
    pachd.wait(lambda: pachd.lines)
    sandbox = pachd_workers[0].worker._sandbox
    assert sandbox is not None
    sandbox._process.kill()
    assert pachd.reason(bad).startswith("the sandbox was lost")
    pachd.outputs(pachd.datum())


def test_no_sandbox_without_namespaces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dassie.pps.sandbox.session._bwrap_program", lambda: "/bin/false")
    pachd = Pachd(MemoryStore())
    running = Running(pachd, tmp_path, SandboxSettings())
    running.join()
    assert isinstance(running.error, SandboxUnavailable)
    assert "--sandbox plain" in str(running.error)
    assert not pachd.registered
    pachd.close()


def test_plain_processes_where_they_are_allowed(start: Start) -> None:
    pachd = start(
        *SHELL,
        'cp "$in" "$PFS_ROOT/out/f"; ln -s "$PFS_ROOT/in/f" "$PFS_ROOT/out/l"; '
        "(setsid sleep 1000 &); setsid sh -c 'setsid sleep 1000 & sleep 1000' & sleep 0.1",
        sandbox=SandboxSettings(mode=PLAIN),
    )
    datum = pachd.datum(pachd.file("in", "/f", b"x"), env={"in": "/pfs/in/f", "t": "/pfs/in/f"})
    assert pachd.outputs(datum) == {"/f": b"x", "/l": b"x"}
    assert pachd.result(datum).upload_bytes == 1
    assert pachd.registered[0].sandbox == "none"
    home = str(pachd_workers[0].folder / "home")
    left = [pid for pid in Path("/proc").iterdir() if pid.name.isdigit() and _cwd(pid) == home]
    assert "sleep\n" not in [(pid / "comm").read_text() for pid in left]


def _cwd(pid: Path) -> str:
    try:
        return str((pid / "cwd").readlink())
    except OSError:
        return ""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can run user code as somebody else")
@pytest.mark.parametrize("user", ["nobody", "65534", "nobody:12", "12345:6789"])
def test_user(start: Start, user: str) -> None:
    pachd = start(
        *SHELL,
        "id -u; id -g; stat -c %u:%g /pfs/in /pfs/in/f /pfs/out ~ | sort -u; touch ~/x /tmp/x; "
        "echo y > /pfs/in/f; mkdir /pfs/out/d; umask 077; echo x > /pfs/out/d/f; ! cat /etc/shadow",
        user=user,
    )
    datum = pachd.datum(pachd.file("in", "/f", b"x"))
    assert pachd.outputs(datum) == {"/d/f": b"x\n"}
    uid, _, gid = user.replace("nobody", "65534").partition(":")
    lines = pachd.text(user=True).split("\n")
    assert lines[:2] == [uid, gid or "65534"]
    assert f"{uid}:{gid or '65534'}" in lines


def test_an_unknown_user(start: Start) -> None:
    pachd = start("true", user="nosuchuser")
    assert "nosuchuser" in pachd.reason(pachd.datum())


def test_outcomes_are_those_of_the_wire() -> None:
    from dassie.pps.worker.model import Outcome

    assert {outcome.name: outcome.value for outcome in Outcome} == {
        name: value for name, value in pb.Outcome.items() if value
    }
