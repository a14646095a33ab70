"""`pachctl` without a server: exit codes, errors of one line, configuration, start-up."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from dassie.cli import exits
from dassie.cli.main import main

Run = subprocess.CompletedProcess[str]
NOBODY = "127.0.0.1:1"


@pytest.fixture
def environ(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of its own, and a server that is not there."""
    for name in ("PACH_CONTEXT", "PACHD_PEER_SERVICE_HOST", "PAGER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PACH_CONFIG", str(tmp_path / "config.json"))
    monkeypatch.setenv("PACHD_ADDRESS", NOBODY)
    return tmp_path


def pachctl(*words: str, stdin: str = "", **more: str) -> Run:
    """Run it as its users do."""
    return subprocess.run(
        [sys.executable, "-m", "dassie.cli.main", *words],
        input=stdin,
        capture_output=True,
        text=True,
        env={**os.environ, **more},
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["list", "repo"], exits.UNREACHABLE, "cannot reach pachd at 127.0.0.1:1"),
        (["lst", "repo"], exits.USAGE, "Did you mean `pachctl list repo`?"),
        (["xyzzy"], exits.USAGE, "`pachctl --help` lists them"),
        (["list", "xyzzy"], exits.USAGE, "`pachctl list --help` lists them"),
        (["create", "repo"], exits.USAGE, "missing: repo"),
        (["create", "repo", "a b"], exits.FAILED, "only alphanumeric characters"),
        (["create", "secret", "x"], exits.UNIMPLEMENTED, "not implemented in Dassie yet"),
        (["start", "transaction"], exits.UNIMPLEMENTED, "`pachctl start transaction`"),
        (["create", "pipeline"], exits.USAGE, "-f FILE"),
        (["create", "pipeline", "-f", "/none"], exits.NOT_FOUND, "no file /none"),
        (["put", "file", "a@b", "-f", "/none"], exits.NOT_FOUND, "no file /none"),
        (["put", "file", "a@b", "-f", "/tmp"], exits.FAILED, "put it with -r"),
        (["put", "file", "a@b"], exits.FAILED, "stdin needs a file name"),
        (["get", "file", "a@b:/\udcff"], exits.FAILED, "is not UTF-8, as names have to be"),
        (["get", "file", "a@b"], exits.USAGE, "name the file"),
        (["delete", "file", "a@b"], exits.USAGE, "name what to delete"),
        (["wait", "job", "edges"], exits.FAILED, "`pachctl list job --pipeline NAME` has the ids"),
        (["wait", "commit", "images"], exits.FAILED, "expected repo@branch-or-commit"),
        (["delete", "repo", "a", "--all", "--yes"], exits.USAGE, "not both"),
        (["delete", "pipeline", "a", "--all", "--yes"], exits.USAGE, "not both"),
        (["logs", "--since", "yesterday"], exits.USAGE, "not a duration"),
        (["list", "job", "--state", "odd"], exits.USAGE, "unknown state"),
        (["config", "get", "context", "gone"], exits.NOT_FOUND, 'context "gone" not found'),
        (["connect", "ftp://x"], exits.FAILED, "unknown scheme"),
        (["connect", NOBODY], exits.UNREACHABLE, "cannot reach pachd"),
    ],
)
def test_failures(
    environ: Path, capsys: pytest.CaptureFixture[str], words: list[str], code: int, said: str
) -> None:
    assert main(words) == code
    captured = capsys.readouterr()
    assert captured.out == ""
    assert said in captured.err
    assert captured.err.startswith("error: ")
    assert len(captured.err.splitlines()) <= 2
    assert "Traceback" not in captured.err


def test_verbose_shows_the_trace(environ: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["-v", "list", "repo"]) == exits.UNREACHABLE
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize("words", [[], ["--help"], ["-h"], ["help"]])
def test_overview(environ: Path, capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
    assert main(words) == exits.OK
    assert "pachctl VERB NOUN" in capsys.readouterr().out


@pytest.mark.parametrize(
    "words",
    [["list", "repo", "--help"], ["help", "list", "repos"], ["list", "repo", "x", "-h", "--bad"]],
)
def test_help(environ: Path, capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
    assert main(words) == exits.OK
    assert "pachctl list repo [FLAGS]" in capsys.readouterr().out


@pytest.mark.parametrize("words", [["list"], ["list", "--help"], ["config"], ["config", "get"]])
def test_help_of_a_verb(
    environ: Path, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    if words == ["config", "get"]:
        words = ["config", "get", "--help"]
    assert main(words) == exits.OK
    assert "has these commands" in capsys.readouterr().out


def test_bulk_deletes_ask(environ: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nobody is at this terminal: nothing is deleted, and the remedy is named."""
    run = pachctl("delete", "repo", "--all")
    assert run.returncode == exits.FAILED
    assert "repeat the command with --yes" in run.stderr
    assert pachctl("delete", "all").returncode == exits.FAILED
    assert pachctl("delete", "all", "--yes").returncode == exits.UNREACHABLE


def test_version_needs_no_server(environ: Path) -> None:
    run = pachctl("version", "--client-only")
    assert run.returncode == exits.OK
    assert run.stdout.startswith("2.12.")
    run = pachctl("version")
    assert run.returncode == exits.UNREACHABLE
    assert run.stdout.splitlines()[0].split() == ["COMPONENT", "VERSION"]
    assert "(no answer)" in run.stdout


def test_a_closed_pipe_is_quiet(environ: Path) -> None:
    run = subprocess.run(
        f"{sys.executable} -m dassie.cli.main --help | head -1; echo ${{PIPESTATUS[0]}}",
        shell=True,
        executable="/bin/bash",
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.stderr == ""
    assert run.stdout.split()[-1] in ("0", str(exits.BROKEN_PIPE))


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-"])
def test_streams_that_the_caller_has_closed(environ: Path, closed: str) -> None:
    run = subprocess.run(
        f"{sys.executable} -m dassie.cli.main put file r@master:/x {closed}; echo $?",
        shell=True,
        executable="/bin/bash",
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "internal failure" not in run.stderr
    assert run.stdout in (f"{exits.UNREACHABLE}\n", f"{exits.FAILED}\n")


def test_a_locale_without_the_characters(environ: Path) -> None:
    assert pachctl("config", "set", "context", "日本", stdin="{}").returncode == 0
    run = pachctl("config", "list", "context", PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    assert (run.returncode, run.stderr) == (0, "")
    assert r"\u65e5\u672c" in run.stdout


def test_contexts(environ: Path, capsys: pytest.CaptureFixture[str]) -> None:
    address = '{"pachd_address": "grpc://h:1", "odd": 1}'
    assert pachctl("config", "set", "context", "one", stdin=address).returncode == 0
    assert pachctl("config", "set", "context", "one", stdin="{}").returncode == exits.FAILED
    assert pachctl("config", "set", "context", "two", stdin="nonsense").returncode == exits.FAILED
    assert pachctl("config", "set", "context", "two", stdin="{}").returncode == 0
    assert main(["config", "set", "active-context", "two"]) == 0
    assert main(["config", "update", "context", "--project", "vision"]) == 0
    capsys.readouterr()
    assert main(["config", "list", "contexts"]) == 0
    assert capsys.readouterr().out == (
        "ACTIVE NAME ADDRESS    PROJECT\n       one  grpc://h:1 -\n*      two  -          vision\n"
    )
    assert main(["config", "get", "context", "one"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads(address)
    assert main(["config", "delete", "context", "two"]) == exits.FAILED
    assert main(["config", "delete", "context", "one"]) == 0
    assert main(["config", "get", "active-context"]) == 0
    assert capsys.readouterr().out == "two\n"


def test_certificates(environ: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (environ / "ca.pem").write_text("-----BEGIN CERTIFICATE-----\nabc\n")
    encoded = base64.b64encode((environ / "ca.pem").read_bytes()).decode()
    assert pachctl("config", "set", "context", "lab", stdin="{}").returncode == 0
    for given in (str(environ / "ca.pem"), encoded):
        assert main(["config", "update", "context", "lab", "--server-cas", given]) == 0
        kept = json.loads((environ / "config.json").read_text())["v2"]["contexts"]["lab"]
        assert kept["server_cas"] == encoded
    (environ / "none.pem").write_text("nothing")
    for wrong in ("none.pem", "gone.pem"):
        assert main(["config", "update", "context", "--server-cas", str(environ / wrong)]) == 1
        assert f"{wrong}" in capsys.readouterr().err


def test_metrics(environ: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "set", "metrics", "false"]) == 0
    assert main(["config", "get", "metrics"]) == 0
    assert capsys.readouterr().out == "false\n"
    assert main(["config", "set", "metrics", "perhaps"]) == exits.USAGE


@pytest.mark.parametrize("words", [["--help"], ["list", "repo", "--help"], ["lst", "repo"]])
def test_help_imports_nothing_big(environ: Path, words: list[str]) -> None:
    code = (
        "import sys; from dassie.cli.main import main; main(sys.argv[1:]);"
        "print(sorted({'grpc', 'google.protobuf', 'yaml', 'asyncio', 'argparse', 'json',"
        " 'subprocess'} & set(sys.modules)), file=sys.stderr)"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, *words], capture_output=True, text=True, check=False
    )
    big = {"'grpc'", "'google.protobuf'", "'yaml'", "'asyncio'"}
    assert not [name for name in big if name in run.stderr.splitlines()[-1]]
