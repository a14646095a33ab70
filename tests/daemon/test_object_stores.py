"""`pachd` on a real store that is not AWS: OpenStack Swift whose region is `z1-a`."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from dassie._proto.pfs import pfs_pb2
from dassie._proto.pps import pps_pb2
from dassie.base.ids import new_id
from tests.crash.pachd import Pachd, pipeline, repo
from tests.daemon.test_main import get, put, run
from tests.stores import RunningStore
from tests.stores.fixtures import Stores

pytestmark = pytest.mark.slow

SPY = (
    "cat /proc/*/environ /proc/*/cmdline 2>/dev/null; env; cat /pachyderm-storage-secret/* ~/.aws/*"
)


@pytest.fixture
def swift(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> RunningStore:
    store = stores.get("swift")
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE", "DASSIE_STORAGE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in store.environment.items():
        monkeypatch.setenv(name, value)
    return store


def log_of(server: Pachd) -> str:
    return (server.data / "pachd.log").read_text()


@pytest.mark.parametrize("pins", [{}, {"signature": "v2"}], ids=["no pin", "V2"])
def test_it_starts_with_a_url_alone_and_works(
    swift: RunningStore, tmp_path: Path, pins: dict[str, str]
) -> None:
    server = Pachd(tmp_path, "--storage", swift.url(new_id(), **pins))
    server.start()
    server.pfs.CreateRepo(pfs_pb2.CreateRepoRequest(repo=repo("in")))
    put(server, "in", "/a", b"data" * 100_000)
    spec = {
        "pipeline": {"name": "copy"},
        "input": {"pfs": {"repo": "in", "glob": "/*"}},
        "transform": {
            "cmd": ["sh", "-c", f"cp /pfs/in/* /pfs/out/; ({SPY}) > /pfs/out/seen; true"]
        },
    }
    text = json.dumps(spec)
    request = pps_pb2.CreatePipelineV2Request(create_pipeline_request_json=text)
    server.pps.CreatePipelineV2(request)
    wait = pps_pb2.ListJobRequest(pipeline=pipeline("copy"))
    (job,) = server.pps.ListJob(wait)
    done = server.pps.InspectJob(pps_pb2.InspectJobRequest(job=job.job, wait=True))
    assert done.state == pps_pb2.JOB_SUCCESS, done.reason
    assert get(server, "copy", "/a") == b"data" * 100_000
    seen = get(server, "copy", "/seen").decode(errors="replace")
    assert swift.secret_key not in seen
    assert "PACH_JOB_ID" in seen
    server.stop()
    expected = "signature V2" if pins else "signature V4, region z1-a"
    assert expected in log_of(server)
    server.start()
    assert get(server, "in", "/a") == b"data" * 100_000
    server.stop()
    assert expected in log_of(server).rpartition("object store")[2]
    assert "(as learnt before)" in log_of(server)
    for file in server.data.rglob("*"):
        assert not file.is_file() or swift.secret_key.encode() not in file.read_bytes(), file


def test_a_lost_folder_is_rebuilt_from_the_bucket_by_whoever_says_so(
    swift: RunningStore, tmp_path: Path
) -> None:
    flags = ("--storage", swift.url(new_id()))
    first, second = (Pachd(tmp_path / name, *flags) for name in ("first", "second"))
    for server in (first, second):
        server.folder.mkdir()
    first.start()
    first.pfs.CreateRepo(pfs_pb2.CreateRepoRequest(repo=repo("r"), description="kept"))
    put(first, "r", "/a", b"data")
    first.stop()
    finished = run("--data", str(second.data), "--port", "0", *flags)
    assert finished.returncode == 1
    assert "another Dassie cluster" in finished.stderr
    assert "--adopt" in finished.stderr
    second.start("--adopt")
    info = second.pfs.InspectRepo(pfs_pb2.InspectRepoRequest(repo=repo("r")))
    assert info.description == "kept"
    assert get(second, "r", "/a") == b"data"
    second.stop()
    ids = {(server.data / "cluster-id").read_text() for server in (first, second)}
    assert len(ids) == 1
    second.start()
    second.stop()


def test_what_is_wrong_is_one_line_with_the_old_words(
    swift: RunningStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flags = ("--data", str(tmp_path / "d"), "--port", "0")
    finished = run(*flags, "--storage", swift.url("p", region="us-east-1"))
    assert finished.returncode == 1
    assert finished.stderr.count("\n") == 1
    for text in (
        "storage is unable to discern NotExist errors",
        "the region 'us-east-1' is wrong; expecting 'z1-a'",
        "set --storage-region z1-a",
    ):
        assert text in finished.stderr
        assert text in (tmp_path / "d" / "pachd.log").read_text()
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong-one")
    finished = run(*flags, "--storage", swift.url("p"))
    assert finished.returncode == 1
    assert re.search(r"CREDENTIALS: .* or its secret is wrong", finished.stderr)
    assert "wrong-one" not in finished.stderr
