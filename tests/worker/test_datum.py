"""What user code sees, and what becomes of what it writes."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from dassie.pps.worker.environment import search_path

from .conftest import Start

SHELL = ("sh", "-c")


def test_a_file_goes_in_and_comes_out(start: Start) -> None:
    pachd = start(*SHELL, "cp /pfs/in/a/x /pfs/out/y")
    datum = pachd.datum(pachd.file("in", "/a/x", b"hello"))
    assert pachd.outputs(datum) == {"/y": b"hello"}
    result = pachd.result(datum)
    assert (result.download_bytes, result.upload_bytes, result.tries) == (5, 5, 1)
    assert result.process_us > 0
    assert result.started_us > 0


def test_a_directory_brings_its_subtree(start: Start) -> None:
    pachd = start(*SHELL, "cd /pfs && find in | sort; cp -r in/d /pfs/out")
    files = {"/b/c": b"1", "/b/d/e": b"2", "/z": b""}
    datum = pachd.datum(pachd.folder("in", "/d/", files))
    assert pachd.outputs(datum) == {f"/d{path}": data for path, data in files.items()}
    assert pachd.text(user=True).split("\n") == [
        *("in", "in/d", "in/d/b", "in/d/b/c", "in/d/b/d", "in/d/b/d/e", "in/d/z"),
    ]


def test_the_root_of_a_repo_and_the_empty_repo(start: Start) -> None:
    pachd = start(*SHELL, "ls /pfs /pfs/a /pfs/b")
    datum = pachd.datum(pachd.folder("a", "/", {"/x": b"1"}), pachd.folder("b", "/", {}))
    assert pachd.outputs(datum) == {}
    assert pachd.text(user=True) == "/pfs:\na\nb\nout\n\n/pfs/a:\nx\n\n/pfs/b:"


def test_inputs_of_one_name_share_a_directory(start: Start) -> None:
    pachd = start(*SHELL, "cat /pfs/in/*; echo; echo $in")
    datum = pachd.datum(
        pachd.file("in", "/a", b"A"),
        pachd.file("in", "/b", b"B"),
        pachd.file("in", "/b", b"last"),
    )
    pachd.outputs(datum)
    assert pachd.text(user=True) == "Alast\n/pfs/in/b"


def test_a_large_file_is_streamed_both_ways(start: Start) -> None:
    data = os.urandom(5 << 20)
    pachd = start(*SHELL, "cat /pfs/in/* > /pfs/out/big")
    datum = pachd.datum(pachd.file("in", "/f", data))
    assert pachd.outputs(datum) == {"/big": data}


def test_only_what_is_in_out_is_stored(start: Start) -> None:
    pachd = start(*SHELL, "mkdir -p /pfs/out/a/b /pfs/out/empty /pfs/own; echo x > /pfs/out/a/b/c")
    assert pachd.outputs(pachd.datum()) == {"/a/b/c": b"x\n"}


PREFIXES = (sys.prefix, sys.base_prefix, str(Path(__file__).parents[2]))


def test_datums_do_not_see_each_other_in_pfs_but_keep_their_home(start: Start) -> None:
    pachd = start(
        *SHELL,
        "ls -A /pfs; ls ~ /tmp; touch ~/kept /tmp/kept /pfs/mine; mkdir -p /pfs/out/d; "
        "echo $in > /pfs/out/d/f; echo ==",
    )
    first = pachd.datum(pachd.file("in", "/1", b"1"))
    assert pachd.outputs(first) == {"/d/f": b"/pfs/in/1\n"}
    second = pachd.datum(pachd.file("in", "/2", b"2"))
    assert pachd.outputs(second) == {"/d/f": b"/pfs/in/2\n"}
    # Where the tests' own Python lies below /tmp, user code sees that folder there too.
    python = {prefix.split("/")[2] for prefix in PREFIXES if prefix.startswith("/tmp/")}
    seen = [word for word in pachd.text(user=True).split() if word not in python]
    one, two, _ = " ".join(seen).split("==")
    assert one.split() == [".env", "in", "out", "/home/worker:", "/tmp:"]
    assert two.split() == [".env", "in", "out", "/home/worker:", "kept", "/tmp:", "kept"]


def test_environment(start: Start) -> None:
    pachd = start("env", env={"PPS_SPEC_COMMIT": "c" * 32})
    datum = pachd.datum(
        pachd.file("images", "/a.png", b"x"), env={"images_COMMIT": "b" * 32, "EXTRA": "é"}
    )
    pachd.outputs(datum)
    seen = dict(line.split("=", 1) for line in pachd.text(user=True).splitlines())
    assert seen == {
        "images": "/pfs/images/a.png",
        "images_COMMIT": "b" * 32,
        "EXTRA": "é",
        "PACH_DATUM_ID": datum,
        "PACH_JOB_ID": "a" * 32,
        "PACH_OUTPUT_COMMIT_ID": "a" * 32,
        "PPS_PIPELINE_NAME": "edges",
        "PPS_PROJECT_NAME": "default",
        "PPS_SPEC_COMMIT": "c" * 32,
        "PPS_POD_NAME": "edges-v1-0",
        "PPS_WORKER_IP": "127.0.0.1",
        "PPS_NAMESPACE": "default",
        "PACH_NAMESPACE": "default",
        "PACH_IN_WORKER": "true",
        "PACH_ROOT": "/pach",
        "PFS_ROOT": "/pfs",
        "HOME": "/home/worker",
        "PATH": search_path(),
        "TMPDIR": "/tmp",
        "LANG": "C.UTF-8",
    }


def test_the_env_file_says_the_same(start: Start) -> None:
    pachd = start(*SHELL, "env | grep -v ^PWD= | sort > ~/a; sort /pfs/.env > ~/b; cmp ~/a ~/b")
    pachd.outputs(pachd.datum(pachd.file("in", "/f", b"")))


def test_stdin_is_a_script(start: Start) -> None:
    pachd = start("sh", stdin=["for f in /pfs/in/*; do", "cp $f /pfs/out/copy", "done"])
    assert pachd.outputs(pachd.datum(pachd.file("in", "/f", b"x"))) == {"/copy": b"x"}


def test_stdin_is_empty_or_unread(start: Start) -> None:
    pachd = start(*SHELL, "cat > /pfs/out/read")
    assert pachd.outputs(pachd.datum()) == {"/read": b""}
    pachd = start("true", stdin=["x" * 100_000] * 20)
    pachd.outputs(pachd.datum())


def test_working_dir(start: Start) -> None:
    pachd = start("pwd", workingDir="/usr/share")
    pachd.outputs(pachd.datum())
    assert pachd.text(user=True) == "/usr/share"


def test_accepted_return_codes(start: Start) -> None:
    pachd = start(*SHELL, "echo x > /pfs/out/f; exit 7", acceptReturnCode=["7"])
    assert pachd.outputs(pachd.datum()) == {"/f": b"x\n"}


def test_python_packages_beside_dassie_can_be_used(start: Start) -> None:
    pachd = start("python3", "-c", "import grpc, sys; print(grpc.__name__, sys.prefix)")
    pachd.outputs(pachd.datum())
    assert pachd.text(user=True).startswith("grpc /")


def test_empty_files_are_empty_and_links_to_them_are_not(start: Start) -> None:
    pachd = start(*SHELL, "wc -c < /pfs/in/a/x; cd /pfs/out; ln -s ../in/a/x x; ln -s ../in d")
    datum = pachd.datum(pachd.folder("in", "/", {"/a/x": b"full"}, empty_files=True))
    assert pachd.outputs(datum) == {"/x": b"full", "/d/a/x": b"full"}
    assert pachd.text(user=True) == "0"
    assert pachd.result(datum).download_bytes == 0
    assert pachd.result(datum).upload_bytes == 0


def test_lazy_inputs_are_pipes(start: Start) -> None:
    big = os.urandom(3 << 20)
    pachd = start(
        *SHELL,
        "test -p /pfs/in/a && cat /pfs/in/a > /pfs/out/a; cat /pfs/in/a > /pfs/out/again; "
        "head -c 3 /pfs/in/d/b > /pfs/out/b; cd /pfs/out; ln -s ../in/d/c c; ln -s ../in/d d",
    )
    datum = pachd.datum(
        pachd.file("in", "/a", big, lazy=True),
        pachd.folder("in", "/d/", {"/b": big, "/c": b"never read"}, lazy=True),
    )
    assert pachd.outputs(datum) == {
        "/a": big,
        "/again": big,
        "/b": big[:3],
        "/c": b"never read",
        "/d/b": big,
        "/d/c": b"never read",
    }
    assert pachd.result(datum).download_bytes >= 2 * len(big)


def test_many_datums_share_packs_and_reports(start: Start) -> None:
    pachd = start(*SHELL, "cp /pfs/in/* /pfs/out/", batch=50)
    datums = [pachd.datum(pachd.file("in", f"/{i}", b"%d" % i)) for i in range(60)]
    for i, datum in enumerate(datums):
        assert pachd.outputs(datum) == {f"/{i}": b"%d" % i}
    assert pachd.reports < 40
    assert pachd.packs <= pachd.reports


def test_what_was_stored_before_is_not_stored_again(start: Start) -> None:
    pachd = start(*SHELL, "cp /pfs/in/* /pfs/out/")
    data = os.urandom(100_000)
    before = sum(info.size for info in pachd.blob.list("pack/"))
    first, second = (pachd.datum(pachd.file("in", "/f", data)) for _ in range(2))
    assert pachd.outputs(first) == pachd.outputs(second) == {"/f": data}
    stored = sum(info.size for info in pachd.blob.list("pack/")) - before
    assert stored < 110_000


@pytest.mark.parametrize("name", ["a b", "é", "new\nline", "*", "-rf", "a'b\"c", "~"])
def test_any_file_name_goes(start: Start, name: str) -> None:
    pachd = start("cp", "-r", "/pfs/in", "/pfs/out/")
    datum = pachd.datum(pachd.file("in", f"/{name}", b"x"))
    assert pachd.outputs(datum) == {f"/in/{name}": b"x"}
