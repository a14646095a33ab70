"""Repos, branches, commits and files, from the command line to a real server and back."""

from __future__ import annotations

import io
import json
import os
import re
import tarfile
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from dassie.cli import exits

from .conftest import Client


def test_a_large_file_comes_and_goes_open(pachctl):
    data = os.urandom(9 << 20)
    (pachctl.home / "large.bin").write_bytes(data)
    pachctl("create", "repo", "large")
    pachctl("put", "file", "large@master:/d/large.bin", "-f", "large.bin")
    name = "large@master:/d/large.bin"
    folder = pachctl.home / "folder"
    folder.mkdir()
    (pachctl.home / "old.bin").write_bytes(b"old")
    (pachctl.home / "link.bin").symlink_to("old.bin")
    for output, made in (
        ("new.bin", "new.bin"),
        ("old.bin", "old.bin"),
        ("folder", "folder/large.bin"),
        ("/dev/null", "new.bin"),
        ("link.bin", "link.bin"),
    ):
        run = pachctl.run("get", "file", name, "-o", output)
        assert run.returncode == 0, run.stderr
        assert "got 1 file, 9MiB" in run.stderr
        assert (pachctl.home / made).read_bytes() == data
    assert not list(pachctl.home.rglob("*.part"))
    for wrong, words in (
        (("large@master:/d", "-o", "x"), "is not one file"),
        (("large@master:/nothing", "-o", "x"), "not found"),
        ((name, "-o", "no/such/folder"), "no folder no/such"),
    ):
        run = pachctl.run("get", "file", *wrong)
        assert run.returncode != 0
        assert words in run.stderr
    assert not (pachctl.home / "x").exists()


def test_repos(pachctl: Client) -> None:
    pachctl("create", "repo", "images", "-d", "raw")
    again = pachctl.run("create", "repo", "images")
    assert again.returncode == exits.FAILED
    assert again.stderr == "error: repo default/images already exists\n"
    assert pachctl("list", "repos").splitlines()[0].split() == (
        ["PROJECT", "NAME", "CREATED", "SIZE", "(MASTER)", "DESCRIPTION"]
    )
    pachctl("update", "repo", "images", "-d", "photographs")
    info = json.loads(pachctl("inspect", "repo", "images", "--raw"))
    assert info["description"] == "photographs"
    assert "Description: photographs" in pachctl("inspect", "repo", "images")
    pachctl("delete", "repo", "images")
    gone = pachctl.run("inspect", "repo", "images")
    assert gone.returncode == exits.NOT_FOUND
    assert gone.stderr == "error: repo default/images not found\n"
    assert "nothing to delete" in pachctl.run("delete", "repo", "images").stderr


def test_projects(pachctl: Client) -> None:
    pachctl("create", "project", "vision")
    pachctl("create", "repo", "vision/images")
    assert "images" not in pachctl("list", "repo")
    assert "images" in pachctl("list", "repo", "--project", "vision")
    assert "images" in pachctl("list", "repo", "-A")
    assert "vision" in pachctl("list", "project")
    asked = pachctl.run("delete", "project", "vision")
    assert (asked.returncode, "--yes" in asked.stderr) == (exits.FAILED, True)
    pachctl("delete", "project", "vision", "--yes")
    assert pachctl.run("inspect", "project", "vision").returncode == exits.NOT_FOUND


def test_delete_all_repos(pachctl: Client) -> None:
    for name in ("a", "b"):
        pachctl("create", "repo", name)
    done = pachctl.run("delete", "repo", "--all", "--yes")
    assert done.stdout == ""
    assert sorted(done.stderr.splitlines()) == ["deleted default/a", "deleted default/b"]


def test_questions_at_a_terminal(pachctl: Client) -> None:
    pachctl("create", "repo", "r")
    asked = pachctl.run("delete", "repo", "--all", stdin="n\n", terminal=True)
    assert asked.returncode == exits.FAILED
    assert "[y/N]" in asked.stderr
    assert "nothing was changed" in asked.stderr
    assert "r" in pachctl("list", "repo")
    agreed = pachctl.run("delete", "repo", "--all", stdin="y\n", terminal=True)
    assert agreed.returncode == exits.OK
    assert pachctl("list", "repo").count("\n") == 1


def test_put_and_get_one_file(pachctl: Client, tmp_path: Path) -> None:
    pachctl("create", "repo", "r")
    content = os.urandom(300_000)
    (tmp_path / "data.bin").write_bytes(content)
    done = pachctl.run("put", "file", "r@master", "-f", "data.bin")
    assert done.stdout == ""
    assert re.match(r"put 1 file, 293KiB in .*/s\)", done.stderr)
    assert pachctl("list", "file", "r@master") == "SIZE   NAME\n293KiB /data.bin\n"
    pachctl("get", "file", "r@master:/data.bin", "-o", "back.bin")
    assert (tmp_path / "back.bin").read_bytes() == content
    pachctl("get", "file", "r@master:/data.bin", "-o", "tail.bin", "--offset", "299990")
    assert (tmp_path / "tail.bin").read_bytes() == content[299990:]
    assert [path.name for path in tmp_path.iterdir() if path.name.endswith(".part")] == []


def test_stdin_append_and_replace(pachctl: Client) -> None:
    pachctl("create", "repo", "r")
    pachctl("put", "file", "r@master:/a", stdin="one\n")
    pachctl("put", "file", "r@master:/a", "-f", "-", "--append", stdin="two\n")
    assert pachctl("get", "file", "r@master:/a") == "one\ntwo\n"
    pachctl("put", "file", "r@master:/a", stdin="")
    assert pachctl("get", "file", "r@master:/a") == ""
    assert pachctl("list", "file", "r") == "SIZE NAME\n0B   /a\n"


def folder(base: Path) -> Path:
    top = base / "photos"
    for name in ("a.txt", "sub/b.txt", "sub/deep/c.txt", "ünï çode.txt"):
        path = top / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return top


def contents(base: Path) -> dict[str, str]:
    return {
        str(path.relative_to(base)): path.read_text() for path in base.rglob("*") if path.is_file()
    }


def test_folders(pachctl: Client, tmp_path: Path) -> None:
    top = folder(tmp_path)
    pachctl("create", "repo", "r")
    refused = pachctl.run("put", "file", "r@master", "-f", "photos")
    assert "put it with -r" in refused.stderr
    pachctl("put", "file", "-r", "r@master", "-f", "photos")
    assert "/photos/" in pachctl("list", "file", "r@master")
    pachctl("put", "file", "-r", "r@other:/", "-f", "photos")
    pachctl("get", "file", "-r", "r@other:/", "-o", "out")
    assert contents(tmp_path / "out") == contents(top)
    pachctl("get", "file", "-r", "r@master:/photos/sub", "-o", "sub")
    assert set(contents(tmp_path / "sub")) == {"b.txt", "deep/c.txt"}
    pachctl("get", "file", "-r", "r@other:/*.txt", "-o", "matched")
    assert set(contents(tmp_path / "matched")) == {"a.txt", "ünï çode.txt"}
    lines = pachctl("list", "file", "-r", "r@other").splitlines()[1:]
    assert {line.split(maxsplit=1)[1] for line in lines} == {f"/{name}" for name in contents(top)}


@pytest.mark.parametrize("name", ["plain", "user@host", "c++", "a(1)", "[1]", "{x}", "b*", "q?"])
def test_a_folder_is_placed_alike_whatever_its_name(pachctl: Client, name: str) -> None:
    pachctl("create", "repo", "r")
    pachctl("put", "file", f"r@master:/{name}/f", stdin="f")
    pachctl("put", "file", "r@master:/1/other", stdin="o")
    pachctl("get", "file", "-r", f"r@master:/{name}", "-o", "out")
    assert contents(pachctl.home / "out") == {"f": "f"}


def test_where_a_file_is_written(pachctl: Client) -> None:
    pachctl("create", "repo", "r")
    long = "n" * 250
    for name in ("a", long):
        pachctl("put", "file", f"r@master:/{name}", stdin=name)
        pachctl("get", "file", f"r@master:/{name}", "-o", name)
        pachctl("get", "file", f"r@master:/{name}", "-o", "new/folder/")
        assert (pachctl.home / name).read_text() == name
        assert (pachctl.home / "new/folder" / name).read_text() == name
    refused = pachctl.run("get", "file", "r@master:/a", "-o", "none/a")
    assert "no folder none, where a should go" in refused.stderr
    assert pachctl.run("get", "file", "-r", "r@master:/x", "-o", "x").returncode == exits.NOT_FOUND
    assert not (pachctl.home / "x").exists()


def test_copy_to_a_folder(pachctl: Client) -> None:
    pachctl("create", "repo", "r")
    pachctl("put", "file", "r@master:/d/a", stdin="a")
    pachctl("copy", "file", "r@master:/d/a", "r@copy:/to/")
    pachctl("copy", "file", "r@master:/d/a", "r@copy:/")
    pachctl("copy", "file", "r@master:/d", "r@copy:/e/")
    listed = pachctl("list", "file", "-r", "r@copy").splitlines()[1:]
    assert [line.split()[1] for line in listed] == ["/a", "/e/a", "/to/a"]


def test_get_says_what_to_do(pachctl: Client, tmp_path: Path) -> None:
    pachctl("create", "repo", "r")
    for name in ("a.txt", "b.txt"):
        pachctl("put", "file", f"r@master:/d/{name}", stdin=name)
    for path in ("/d", "/d/*.txt"):
        refused = pachctl.run("get", "file", f"r@master:{path}")
        assert refused.returncode == exits.FAILED
        assert f"{path} is not one file: get what is there with -r -o FOLDER" in refused.stderr
    assert pachctl.run("get", "file", "-r", "r@master:/d", "-o", "-").returncode == exits.USAGE
    unclear = pachctl.run("list", "commit", "r", "--from", "master^")
    assert "list commit r@BRANCH --from master^" in unclear.stderr
    assert pachctl("list", "commit", "r@master", "--from", "master^").count("USER") == 1


def test_a_folder_again(pachctl: Client, tmp_path: Path) -> None:
    top = folder(tmp_path)
    pachctl("create", "repo", "r")
    pachctl("put", "file", "-r", "r@master:/", "-f", "photos")
    (top / "a.txt").write_text("changed")
    said = pachctl.run("put", "file", "-r", "r@master:/", "-f", "photos").stderr
    assert said.startswith("put ")
    assert pachctl("get", "file", "r@master:/a.txt") == "changed"


def test_archives(pachctl: Client, tmp_path: Path) -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        archive.add(folder(tmp_path), arcname=".")
    pachctl("create", "repo", "r")
    pachctl("put", "file", "r@master:/in", "--untar", stdin=packed.getvalue())
    pachctl("get", "file", "-r", "r@master:/in", "-o", "out")
    assert contents(tmp_path / "out") == contents(tmp_path / "photos")
    broken = pachctl.run("put", "file", "r@master:/x", "--untar", stdin="no archive")
    assert (broken.returncode, "not a tar archive" in broken.stderr) == (exits.FAILED, True)
    damaged = bytearray(packed.getvalue())
    damaged[-6] ^= 1  # of the checksum
    broken = pachctl.run("put", "file", "r@master:/x", "--untar", stdin=bytes(damaged))
    assert (broken.returncode, "CRC check failed" in broken.stderr) == (exits.FAILED, True)
    assert "/x" not in pachctl("list", "file", "r@master")


def test_an_archive_with_links(pachctl: Client, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a")
    (tmp_path / "hard").hardlink_to(tmp_path / "a")
    (tmp_path / "soft").symlink_to("a")
    with tarfile.open(tmp_path / "some.tar", mode="w") as archive:
        for name in ("a", "hard", "soft"):
            archive.add(tmp_path / name, arcname=name)
    pachctl("create", "repo", "r")
    said = pachctl.run("put", "file", "r@master", "--untar", "-f", "some.tar").stderr
    assert "warning: passed over soft (a symbolic link to a)" in said
    pachctl("get", "file", "-r", "r@master:/", "-o", "out")
    assert contents(tmp_path / "out") == {"a": "a", "hard": "a"}
    piped = pachctl.run("put", "file", "r@x", "--untar", stdin=(tmp_path / "some.tar").read_bytes())
    assert (piped.returncode, "with -f" in piped.stderr) == (exits.FAILED, True)
    for source, remedy in ((".", "--untar takes archives"), ("none.tar", "no file none.tar")):
        assert remedy in pachctl.run("put", "file", "r@x", "--untar", "-f", source).stderr


def test_web_addresses(pachctl: Client, tmp_path: Path) -> None:
    folder(tmp_path)
    handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path / "photos"))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        pachctl("create", "repo", "r")
        pachctl("put", "file", "r@master", "-f", f"{address}/a.txt")
        assert pachctl("get", "file", "r@master:/a.txt") == "a.txt"
        refused = pachctl.run("put", "file", "r@master", "-f", f"{address}/none")
        assert refused.returncode == exits.NOT_FOUND
        assert f"{address}/none" in refused.stderr
        assert "404" in refused.stderr
        (tmp_path / "list").write_text(f"# both\n{address}/a.txt\n\nhere.txt\n")
        (tmp_path / "here.txt").write_text("here")
        pachctl("put", "file", "r@master:/both", "-i", "list")
        assert pachctl("get", "file", "r@master:/both/a.txt") == "a.txt"
        assert pachctl("get", "file", "r@master:/both/here.txt") == "here"
        pachctl("put", "file", "r@master:/x", "-a", "-f", f"{address}/a.txt")
        pachctl("put", "file", "r@master:/x", "-a", "-f", f"{address}/a.txt")
        assert pachctl("get", "file", "r@master:/x") == "a.txta.txt"
    finally:
        server.shutdown()
        server.server_close()


def test_several_sources_are_one_commit(pachctl: Client, tmp_path: Path) -> None:
    folder(tmp_path)
    (tmp_path / "list").write_text("photos/a.txt\n# not this\nphotos/sub/b.txt\n")
    pachctl("create", "repo", "r")
    pachctl("put", "file", "r@master:/in", "-i", "list")
    assert pachctl("list", "file", "r@master:/in").splitlines()[1:] == [
        "5B   /in/a.txt",
        "9B   /in/b.txt",
    ]
    user = pachctl("list", "commit", "r@master", "--origin", "user").splitlines()
    assert len(user) == 2


def test_commits(pachctl: Client) -> None:
    pachctl("create", "repo", "r")
    commit = pachctl("start", "commit", "r@master", "-m", "two files").strip()
    assert re.fullmatch(r"[0-9a-f]{32}", commit)
    pachctl("put", "file", "r@master:/a", stdin="1")
    pachctl("put", "file", "r@master:/b", stdin="2")
    assert "2B" not in pachctl("list", "file", "r@master")
    pachctl("finish", "commit", "r@master")
    again = pachctl.run("finish", "commit", f"r@{commit}")
    assert again.returncode == exits.FAILED
    assert "has already finished" in again.stderr
    shown = pachctl("inspect", "commit", "r@master")
    assert f"Commit: default/r@{commit}" in shown
    assert "Description: two files" in shown
    header, row = pachctl("list", "commit", "r@master", "-n", "1").splitlines()
    assert header.split() == (
        ["PROJECT", "REPO", "COMMIT", "FINISHED", "SIZE", "ORIGIN", "CREATOR", "DESCRIPTION"]
    )
    assert commit in row
    assert commit in pachctl("list", "commit")
    assert commit in pachctl("list", "commit", commit)
    assert commit in pachctl("wait", "commit", commit)
    assert commit in pachctl("wait", "commit", "r@master")
    assert pachctl.run("inspect", "commit", "r@gone").returncode == exits.NOT_FOUND


def test_branches_and_ancestry(pachctl: Client) -> None:
    pachctl("create", "repo", "r")
    for text in ("one", "two", "three"):
        pachctl("put", "file", "r@master:/a", stdin=text)
    assert pachctl("get", "file", "r@master^:/a") == "two"
    assert pachctl("get", "file", "r@master~2:/a") == "one"
    pachctl("create", "branch", "r@prod", "--head", "master^")
    assert pachctl("get", "file", "r@prod:/a") == "two"
    listed = pachctl("list", "branch", "r")
    assert listed.splitlines()[0].split() == ["BRANCH", "HEAD", "TRIGGER", "CREATOR", "CREATED"]
    assert {line.split()[0] for line in listed.splitlines()[1:]} == {"master", "prod"}
    assert "Name: default/r@prod" in pachctl("inspect", "branch", "r@prod")
    pachctl("delete", "branch", "r@prod")
    assert pachctl.run("inspect", "branch", "r@prod").returncode == exits.NOT_FOUND


def test_copy_delete_glob_inspect(pachctl: Client) -> None:
    pachctl("create", "repo", "r")
    pachctl("put", "file", "r@master:/dir/a.txt", stdin="x")
    pachctl("copy", "file", "r@master:/dir", "r@master:/copy")
    assert pachctl("glob", "file", "r@master:/**.txt").splitlines()[1:] == [
        "1B   /copy/a.txt",
        "1B   /dir/a.txt",
    ]
    refused = pachctl.run("delete", "file", "r@master:/dir")
    assert (refused.returncode, "-r" in refused.stderr) == (exits.USAGE, True)
    pachctl("delete", "file", "-r", "r@master:/dir")
    pachctl("delete", "file", "r@master:/copy/a.txt")
    assert pachctl("list", "file", "r@master") == "SIZE NAME\n"
    assert pachctl.run("delete", "file", "r@master:/none").returncode == exits.NOT_FOUND
    shown = pachctl("inspect", "file", "r@master^:/copy/a.txt")
    assert "Type: file\nSize: 1B\n" in shown
    full = pachctl("list", "file", "--full", "r@master^:/copy")
    assert full.splitlines()[0].split() == ["COMMIT", "NAME", "TYPE", "COMMITTED", "SIZE"]


def test_diff(pachctl: Client) -> None:
    pachctl("create", "repo", "r")
    pachctl("put", "file", "r@master:/a", stdin="one\ntwo\n")
    pachctl("put", "file", "r@master:/a", stdin="one\n2\n")
    assert pachctl("diff", "file", "r@master") == (
        "--- /a\n+++ /a\n@@ -1,2 +1,2 @@\n one\n-two\n+2\n"
    )
    names = pachctl("diff", "file", "r@master:/a", "r@master^:/a", "--name-only")
    assert names == "OP SIZE NAME\nM  6B   /a\n"


def test_find_commit(pachctl: Client) -> None:
    pachctl("create", "repo", "r")
    for name in ("a", "b", "a"):
        pachctl("put", "file", f"r@master:/{name}", "--append", stdin="x")
    done = pachctl.run("find", "commit", "r@master:/a")
    assert done.returncode == 0
    assert len(done.stdout.split()) == 2
    assert "searched" in done.stderr


def test_subscribe(pachctl: Client) -> None:
    pachctl("create", "repo", "r")
    pachctl("put", "file", "r@master:/a", stdin="x")
    process = pachctl.start("subscribe", "commit", "r@master")
    assert process.stdout is not None
    try:
        assert "default\tr\t" in process.stdout.readline()
        pachctl("put", "file", "r@master:/a", stdin="y")
        assert "default\tr\t" in process.stdout.readline()
    finally:
        process.kill()
        process.wait()


def test_formats(pachctl: Client) -> None:
    pachctl("create", "repo", "r")
    pachctl("put", "file", "r@master:/a", stdin="x")
    assert json.loads(pachctl("list", "file", "r@master", "-o", "json"))["file"]["path"] == "/a"
    assert "path: /a" in pachctl("list", "file", "r@master", "--raw", "-o", "yaml")
    assert json.loads(pachctl("list", "commit", "r", "-n", "1", "--raw=true"))["origin"] == {
        "kind": "USER"
    }


def test_long_listings_say_what_the_standard_method_says(pachctl: Client) -> None:
    pachctl("create", "repo", "r")
    pachctl("start", "commit", "r@master")
    pachctl("put", "file", 'r@master:/d/ünï "x"', stdin="x")
    pachctl("put", "file", "r@master:/empty", stdin="")

    def listed(*flags: str) -> list[Any]:
        text = pachctl("list", "file", "r@master", "-o", "json", *flags)
        assert text.startswith('{\n  "file": {\n    "commit": {\n')
        return [json.loads(part) for part in text.replace("\n}\n{\n", "\n}\0{\n").split("\0")]

    for _ in ("open", "finished"):
        standard = listed("--reverse", "-n", "100")[::-1]
        fast = listed()
        assert fast == standard
        assert [list(one) for one in fast] == [list(one) for one in standard]
        files = pachctl("list", "file", "r@master", "-r", "--raw")
        assert files == pachctl("glob", "file", "r@master:/{d/*,empty}", "--raw")
        assert files.count("FILE") == 2
        pachctl.run("finish", "commit", "r@master")


def test_paths_that_do_not_exist(pachctl: Client) -> None:
    pachctl("create", "repo", "r")
    pachctl("put", "file", "r@master:/a", stdin="x")
    missing = pachctl.run("get", "file", "r@master:/none")
    assert missing.returncode == exits.NOT_FOUND
    assert re.match(r"error: file /none not found in repo default/r at commit ", missing.stderr)
    folder_ = pachctl.run("get", "file", "-r", "r@master:/none", "-o", "out")
    assert folder_.returncode == exits.NOT_FOUND
    assert pachctl.run("put", "file", "none@master:/a", stdin="x").returncode == exits.NOT_FOUND


def test_live_names(pachctl: Client) -> None:
    pachctl("create", "repo", "images")
    pachctl("create", "project", "vision")
    pachctl("put", "file", "images@master:/cats/tom.png", stdin="x")

    def completed(line: str) -> list[str]:
        return [one.split("\t")[0] for one in pachctl("__complete", "fish", line).splitlines()]

    assert completed("pachctl inspect repo im") == ["images"]
    assert completed("pachctl list file ") == ["images@"]
    assert "images@master:" in completed("pachctl list file images@m")
    assert completed("pachctl get file images@master:/c") == ["images@master:/cats/"]
    assert completed("pachctl get file images@master:/cats/") == ["images@master:/cats/tom.png"]
    assert completed("pachctl list repo --project v") == ["vision"]
    assert pachctl("__complete", "bash", "pachctl get file images@master:/c", "@:=") == "/cats/\n"
    config = {"v2": {"max_shell_completions": 1, "contexts": {}, "active_context": "local"}}
    (pachctl.home / "config.json").write_text(json.dumps(config))
    pachctl("create", "repo", "imagery")
    assert len(completed("pachctl inspect repo im")) == 1


def test_connect(pachctl: Client) -> None:
    said = pachctl.run("connect", pachctl.address)
    assert said.returncode == 0
    config = json.loads((pachctl.home / "config.json").read_text())
    name = config["v2"]["active_context"]
    assert config["v2"]["contexts"][name]["pachd_address"] == f"grpc://{pachctl.address}"


def test_what_is_not_built_says_so(pachctl: Client) -> None:
    pachctl("create", "repo", "r")
    pachctl("put", "file", "r@master:/a", stdin="x")
    commit = json.loads(pachctl("inspect", "commit", "r@master", "--raw"))["commit"]["id"]
    for verb in ("delete", "squash"):
        refused = pachctl.run(verb, "commit", commit)
        assert refused.returncode == exits.UNIMPLEMENTED
        assert "not implemented in Dassie yet" in refused.stderr
    whoami = pachctl.run("auth", "whoami")
    assert "the auth service is not activated" in whoami.stderr


def test_fsck(pachctl: Client) -> None:
    pachctl("create", "repo", "r")
    done = pachctl.run("fsck")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "no problems found\n")


def test_two_sources_for_one_path(pachctl: Client, tmp_path: Path) -> None:
    pachctl("create", "repo", "r")
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "x").write_text(folder)
    words = ("put", "file", "r@master:/d/", "-f", "a/x", "-f", "b/x")
    refused = pachctl.run(*words)
    assert refused.returncode == exits.FAILED
    assert refused.stderr.startswith("error: a/x and b/x would both become /d/x: ")
    assert "master" not in pachctl("list", "branch", "r")
    pachctl(*words, "--full-path")
    assert pachctl("get", "file", "r@master:/d/b/x") == "b"
    pachctl(*words, "--append")
    assert pachctl("get", "file", "r@master:/d/x") == "ab"


def test_no_time_limit(pachctl: Client) -> None:
    assert "NAME" in pachctl("list", "repo", "--rpc-timeout", "0")
    assert pachctl.run("list", "repo", "--rpc-timeout", "1ns").returncode == exits.FAILED


def test_an_error_names_the_local_file(pachctl: Client, tmp_path: Path) -> None:
    pachctl("create", "repo", "r")
    pachctl("put", "file", "r@master:/sub/a", stdin="a")
    (tmp_path / "out/a").mkdir(parents=True)
    for wrong in (("-r", "r@master:/sub"), ("r@master:/sub/a",)):
        refused = pachctl.run("get", "file", *wrong, "-o", "out")
        assert refused.stderr.startswith("error: out/a: ")


def test_another_program_compares(pachctl: Client) -> None:
    pachctl("create", "repo", "r")
    pachctl("put", "file", "r@master:/a", stdin="a")
    pachctl("put", "file", "r@master:/b", stdin="b")
    for words in (("r@master",), ("r@master^", "r@master")):
        assert pachctl("diff", "file", *words, "--diff-command", "true") == ""
