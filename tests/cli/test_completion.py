"""Completion: words, flags, values, files, live names; and the scripts in their shells."""

from __future__ import annotations

import os
import pty
import select
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from dassie.cli.completion import candidates, split_line
from dassie.cli.main import main

from .conftest import Client

SHELLS = ("bash", "zsh", "fish")
BELL = "\a"


def completed(line: str, environ: dict[str, str] | None = None) -> list[str]:
    typed, current, _ = split_line(line)
    return [word for word, _ in candidates(typed, current, environ or {"HOME": "/nonexistent"})]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("pachctl ", ([], "", "")),
        ("pachctl li", ([], "li", "")),
        ("pachctl list ", (["list"], "", "")),
        ("pachctl put file 'a b", (["put", "file"], "a b", "'")),
        ("pachctl put file 'a b ", (["put", "file"], "a b ", "'")),
        ('pachctl put "file', (["put"], "file", '"')),
        (r"pachctl put a\ b", (["put"], "a b", "")),
        ("pachctl put 'a b' ", (["put", "a b"], "", "")),
        ("pachctl", ([], "", "")),
        ("", ([], "", "")),
    ],
)
def test_split_line(line: str, expected: tuple[list[str], str, str]) -> None:
    assert split_line(line) == expected


def test_verbs_and_nouns() -> None:
    assert {"list", "put", "config", "version"} <= set(completed("pachctl "))
    assert set(completed("pachctl l")) == {"list", "logs"}
    assert "repo" in completed("pachctl list ")
    assert set(completed("pachctl config get ")) == {
        "active-context",
        "active-enterprise-context",
        "context",
        "metrics",
    }


def test_flags_and_their_values() -> None:
    assert "--all-projects" in completed("pachctl list repo --")
    assert set(completed("pachctl list repo -o ")) == {"table", "json", "yaml"}
    assert completed("pachctl list repo --output=j") == ["--output=json"]
    assert completed("pachctl list job --state fai") == ["failure"]
    assert "--verbose" in completed("pachctl -")
    assert completed("pachctl list repo ") == []


def test_local_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.png").touch()
    (tmp_path / "plan.txt").touch()
    (tmp_path / ".hidden").touch()
    monkeypatch.chdir(tmp_path)
    assert set(completed("pachctl put file a@b -f ")) == {"photos/", "plan.txt"}
    assert completed("pachctl put file a@b -f photos/") == ["photos/a.png"]
    assert completed("pachctl put file a@b -f .") == [".hidden"]


def test_contexts(tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    config.write_text('{"v2": {"contexts": {"alpha": {}, "beta": {}}}}')
    environ = {"PACH_CONFIG": str(config)}
    assert completed("pachctl config set active-context a", environ) == ["alpha"]
    assert completed("pachctl --context ", environ) == ["alpha", "beta"]
    assert "list" in completed("pachctl --context alpha ", environ)


def test_no_server_no_names_no_noise(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PACHD_ADDRESS", "127.0.0.1:1")
    assert main(["__complete", "bash", "pachctl inspect repo "]) == 0
    assert main(["__complete"]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""


def test_bash_gets_what_follows_its_word_breaks(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["__complete", "bash", "pachctl list repo --output=y", "=@:"])
    assert capsys.readouterr().out == "yaml\n"
    main(["__complete", "fish", "pachctl list repo --output=y"])
    assert capsys.readouterr().out == "--output=yaml\t\n"


def test_bash_gets_escapes_where_no_quote_is_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "it's (1).txt").touch()
    monkeypatch.chdir(tmp_path)
    for typed, offered in (
        ("it", r"it\'s\ \(1\).txt"),
        (r"it\'s\ ", r"it\'s\ \(1\).txt"),
        ('"it', "it's (1).txt"),
    ):
        main(["__complete", "bash", f"pachctl put file a@b -f {typed}", "=@:"])
        assert capsys.readouterr().out == f"{offered}\n"


@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        ("list file imgs@m", "list file imgs@master:"),
        ("list file imgs@master:/c", "list file imgs@master:/cats/"),
        ("get file imgs@master:/cats/m", r"get file imgs@master:/cats/my\ cat.png"),
        ("create branch imgs@x --head=d", "create branch imgs@x --head=dev"),
        ("create branch imgs@x --head d", "create branch imgs@x --head dev"),
    ],
)
def test_bash_on_a_terminal(pachctl: Client, tmp_path: Path, typed: str, completed: str) -> None:
    """What readline makes of the answers: it has an opinion of its own on where words begin."""
    if shutil.which("bash") is None:
        pytest.skip("no bash on this machine")
    pachctl("create", "repo", "imgs")
    pachctl("put", "file", "imgs@master:/cats/my cat.png", stdin="x")
    pachctl("create", "branch", "imgs@dev", "--head", "master")
    ours, theirs = pty.openpty()
    bash = subprocess.Popen(
        ["bash", "--norc", "--noprofile", "-i"],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**pachctl.environ, **shim(tmp_path), "PS1": "$ "},
        start_new_session=True,
    )
    os.close(theirs)
    try:
        os.write(ours, b"source <(pachctl completion bash); echo rea''dy\n")
        _until(ours, "ready")
        os.write(ours, f"pachctl {typed}".encode())
        shown = ""
        for _ in range(20):  # the server gets little time to answer: one presses the key again
            os.write(ours, b"\t")
            shown += _until(ours, completed, BELL)
            if completed in shown:
                break
        assert completed in shown
    finally:
        bash.kill()
        bash.wait()
        os.close(ours)


def _until(terminal: int, *texts: str) -> str:
    """What a terminal shows, up to one of `texts`, or for as long as something may still come."""
    shown = ""
    while not any(text in shown for text in texts) and select.select([terminal], [], [], 30)[0]:
        shown += os.read(terminal, 4096).decode(errors="replace")
    return shown


@pytest.mark.parametrize("shell", SHELLS)
def test_scripts_parse(shell: str, tmp_path: Path) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"no {shell} on this machine")
    script = tmp_path / "script"
    with script.open("w") as file:
        subprocess.run(
            [sys.executable, "-m", "dassie.cli.main", "completion", shell], stdout=file, check=True
        )
    done = subprocess.run([shell, "-n", str(script)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def shim(folder: Path) -> dict[str, str]:
    """A `pachctl` on PATH that is the one under test."""
    program = folder / "pachctl"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m dassie.cli.main "$@"\n')
    program.chmod(0o755)
    return {"PATH": f"{folder}:/usr/bin:/bin", "HOME": str(folder), "TERM": "dumb"}


def test_bash_completes(tmp_path: Path) -> None:
    if shutil.which("bash") is None:
        pytest.skip("no bash on this machine")
    script = (
        "source <(pachctl completion bash); COMP_LINE='pachctl list pi'; COMP_POINT=15;"
        "compopt() { :; }; _pachctl; printf '%s\\n' \"${COMPREPLY[@]}\""
    )
    done = subprocess.run(
        ["bash", "-c", script], env=shim(tmp_path), capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("pipeline\n", "")


def test_fish_completes(tmp_path: Path) -> None:
    if shutil.which("fish") is None:
        pytest.skip("no fish on this machine")
    script = "pachctl completion fish | source; complete -C 'pachctl list pi'"
    done = subprocess.run(
        ["fish", "-c", script], env=shim(tmp_path), capture_output=True, text=True, check=False
    )
    assert done.stdout == "pipeline\tList pipelines\n"


def test_zsh_completes(tmp_path: Path) -> None:
    if shutil.which("zsh") is None:
        pytest.skip("no zsh on this machine")
    script = (
        "compdef() { :; }; source <(pachctl completion zsh); LBUFFER='pachctl list pi';"
        'compadd() { print -r -- "$@"; print -rl -- $plain; }; _pachctl'
    )
    done = subprocess.run(
        ["zsh", "-fc", script], env=shim(tmp_path), capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    assert done.stdout.splitlines()[-1] == "pipeline"


def test_install(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "deep" / "pachctl"
    assert main(["completion", "bash", "--install", "--path", str(path)]) == 0
    assert "complete -F _pachctl pachctl" in path.read_text()
    captured = capsys.readouterr()
    assert captured.out == ""
    assert str(path) in captured.err
