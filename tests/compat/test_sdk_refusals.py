"""Bad names, paths, globs and specs through the SDK: a clear error each, and nothing changed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from pachyderm_sdk import Client
from pachyderm_sdk.api import pfs, pps

from tests.compat.driving import Driver, head, refused, repo

UUID = "0123456789ab4def8123456789abcdef"


@pytest.mark.parametrize("bad", ["a b", "a/b", "é", "a.b", "a@b", "x:y", "..", "a\nb"])
def test_names_of_repos(client: Client, bad: str) -> None:
    before = len(list(client.pfs.list_repo()))
    with refused("INVALID_ARGUMENT"):
        client.pfs.create_repo(repo=repo(bad))
    assert len(list(client.pfs.list_repo())) == before


def test_names_of_branches_and_projects(client: Client, branch: pfs.Branch) -> None:
    for bad in ("a b", "é", UUID):
        with refused("INVALID_ARGUMENT"):
            client.pfs.create_branch(branch=pfs.Branch(repo=branch.repo, name=bad))
    for bad in ("a b", "x" * 52, "_x", "-x"):
        with refused("INVALID_ARGUMENT"):
            client.pfs.create_project(project=pfs.Project(name=bad))
    with refused("INVALID_ARGUMENT", "no repo specified|repo"):
        client.pfs.delete_repo(repo=pfs.Repo())
    with refused("NOT_FOUND", 'project "nowhere" not found'):
        client.pfs.create_repo(repo=repo("x", project="nowhere"))


@pytest.mark.parametrize(
    "bad", ["/a/../b", "..", "/./a", "a//b", "/nul\0l", "/x/..", "/" + "n" * 70_000]
)
def test_paths(client: Client, branch: pfs.Branch, bad: str) -> None:
    with client.pfs.commit(branch=branch) as commit:
        with refused("INVALID_ARGUMENT", "not allowed in path"):
            commit.put_file_from_bytes(path=bad, data=b"x")
        commit.put_file_from_bytes(path="/ok", data=b"x")
    listed = client.pfs.walk_file(file=pfs.File(commit, "/"))
    assert [each.file.path for each in listed] == ["/", "/ok"]


@pytest.mark.parametrize(
    "odd", ["/ünï/日本.txt", "/a+b@c^(d)!.txt", "/with space/ x ", "/[1]{2}*?", "/a\\b"]
)
def test_paths_that_pachyderm_refuses(client: Client, branch: pfs.Branch, odd: str) -> None:
    with client.pfs.commit(branch=branch) as commit:
        commit.put_file_from_bytes(path=odd, data=b"x")
    assert client.pfs.path_exists(pfs.File(commit, odd))
    with client.pfs.pfs_file(pfs.File(commit, odd)) as file:
        assert file.read() == b"x"
    walked = [each.file.path for each in client.pfs.walk_file(file=pfs.File(commit, "/"))]
    assert walked[-1] == odd


@pytest.mark.parametrize("bad", ["[", "/{a,b", "/a(b", "\\", "/[z-a]", "(" * 5000])
def test_globs(driver: Driver, bad: str) -> None:
    commit = driver.put("in", {"/a": b""})
    with refused("INVALID_ARGUMENT"):
        list(driver.client.pfs.glob_file(commit=commit, pattern=bad))
    with refused("INVALID_ARGUMENT"):
        driver.create("p", driver.input("in", bad), "true")
    assert not driver.client.pps.pipeline_exists(pipeline=driver.pipeline("p"))


def answers(stream: Iterator[object]) -> list[grpc.StatusCode]:
    """The code of the error that reading ends with, if any."""
    try:
        list(stream)
    except grpc.RpcError as error:
        return [error.code()]
    return []


def test_a_huge_glob_is_answered(driver: Driver) -> None:
    commit = driver.put("in", {"/" + "a" * 60: b""})
    patterns = [
        "/" + "*a" * 2000,
        "/" + "**/" * 500 + "b",
        "/" + "?(a|b)" * 300,
        "/{" + "a," * 9000 + "}",
    ]
    for pattern in patterns:
        asked = driver.client.pfs.glob_file(commit=commit, pattern=pattern)
        assert [each for each in answers(asked) if each.name != "INVALID_ARGUMENT"] == []


SPECS: dict[str, tuple[dict[str, Any], str]] = {
    "unknown field": ({"colour": "red"}, "colour"),
    "unknown field inside": ({"transform": {"cmd": ["true"], "imagee": "x"}}, "imagee"),
    "wrong type": ({"transform": {"cmd": "true"}}, "cmd"),
    "wrong number": ({"datum_tries": "many"}, "datum_tries|datumTries"),
    "wrong duration": ({"datum_timeout": "soon"}, "datum_timeout|datumTimeout"),
    "negative workers": ({"parallelism_spec": {"constant": -1}}, "parallelism"),
    "no transform": ({"transform": None}, "must specify a transform"),
    "no input": ({"input": {}}, "no input set"),
    "no input at all": ({"input": None}, "no input"),
    "no repo": ({"input": {"pfs": {"glob": "/*"}}}, "input must specify a repo"),
    "no glob": ({"input": {"pfs": {"repo": "IN"}}}, "input must specify a glob"),
    "named out": ({"input": {"pfs": {"repo": "IN", "glob": "/", "name": "out"}}}, "out"),
    "named .env": ({"input": {"pfs": {"repo": "IN", "glob": "/", "name": ".env"}}}, ".env"),
    "slash in a name": ({"input": {"pfs": {"repo": "IN", "glob": "/", "name": "a/b"}}}, "a/b"),
    "two names": (
        {"input": {"cross": [{"pfs": {"repo": "IN", "glob": "/"}}] * 2}},
        'name ".*" was used more than once',
    ),
    "two kinds": (
        {
            "input": {
                "pfs": {"repo": "IN", "glob": "/"},
                "cross": [{"pfs": {"repo": "IN", "glob": "/"}}],
            }
        },
        "multiple input types set",
    ),
    "a commit": (
        {"input": {"pfs": {"repo": "IN", "glob": "/", "commit": UUID}}},
        "input cannot come from a commit",
    ),
    "missing repo": ({"input": {"pfs": {"repo": "no-such", "glob": "/"}}}, "no-such not found"),
    "own output": ({"input": {"pfs": {"repo": "SELF", "glob": "/"}}}, "SELF|cycle"),
    "two branches": (
        {
            "input": {
                "cross": [
                    {"pfs": {"repo": "IN", "glob": "/", "name": "x"}},
                    {"pfs": {"repo": "IN", "branch": "dev", "glob": "/", "name": "y"}},
                ]
            }
        },
        "multiple branches from the same repo",
    ),
    "not built": (
        {"input": {"cron": {"name": "t", "spec": "@daily"}}},
        "not implemented in Dassie yet",
    ),
    "bad name": ({"pipeline": {"name": "a b"}}, "a b"),
    "long name": ({"pipeline": {"name": "x" * 64}}, "63"),
    "first character": ({"pipeline": {"name": "_x"}}, "_x"),
    "no name": ({"pipeline": {}}, "name"),
    "bad output branch": ({"output_branch": "a b"}, "a b"),
    "bad pod patch": ({"pod_patch": "{"}, "pod_?[pP]atch|PodPatch"),
    "bad egress": ({"egress": {"URL": "s3://x"}}, "not implemented in Dassie yet"),
    "batch sizes": ({"datum_set_spec": {"number": 2, "per_worker": 3}}, "per_worker"),
}


@pytest.mark.parametrize("which", SPECS)
def test_specs(driver: Driver, which: str) -> None:
    driver.put("in", {"/a": b""})
    changes, says = SPECS[which]
    base = {
        "pipeline": {"name": driver.named("p").replace("_", "-")[:40]},
        "transform": {"cmd": ["true"]},
        "input": {"pfs": {"repo": "IN", "glob": "/*"}},
    }
    name = str(base["pipeline"]["name"])
    text = json.dumps({**base, **changes})
    text = text.replace('"IN"', f'"{driver.named("in")}"').replace('"SELF"', f'"{name}"')
    before = [each.repo for each in driver.client.pfs.list_repo()]
    with pytest.raises(grpc.RpcError, match=says.replace("SELF", name)) as caught:
        driver.client.pps.create_pipeline_v2(create_pipeline_request_json=text)
    expected = {"INVALID_ARGUMENT", "NOT_FOUND", "FAILED_PRECONDITION", "UNIMPLEMENTED"}
    assert caught.value.code().name in expected
    assert [each.repo for each in driver.client.pfs.list_repo()] == before
    assert not driver.client.pps.pipeline_exists(pipeline=pps.Pipeline(name=name))


def test_json_that_is_none(client: Client) -> None:
    for text in ("", "{", "[]", "null", '"x"', "1", '{"pipeline": 5}', "{}", "\0", "{" * 500):
        with refused("INVALID_ARGUMENT"):
            client.pps.create_pipeline_v2(create_pipeline_request_json=text)
    with refused("INVALID_ARGUMENT"):
        client.pps.create_pipeline()
    with refused("INVALID_ARGUMENT"):
        client.pps.set_cluster_defaults(cluster_defaults_json='{"nope": 1}')


def test_a_cycle_of_pipelines(driver: Driver) -> None:
    driver.put("in", {"/a": b""})
    driver.create("p", driver.input("in"), "true")
    driver.create("q", driver.input("p"), "true")
    both = {"cross": [driver.input("in"), driver.input("q")]}
    with pytest.raises(grpc.RpcError, match="cycle"):
        driver.create("p", both, "true", update=True)
    assert driver.client.pps.inspect_pipeline(pipeline=driver.pipeline("p")).version == 1
    driver.put("taken", {"/a": b""})
    with pytest.raises(grpc.RpcError, match="repo with the same name already exists"):
        driver.create("taken", driver.input("in"), "true")


def test_dry_run_changes_nothing(driver: Driver) -> None:
    driver.put("in", {"/a": b""})
    driver.create("p", driver.input("in"), "true", dry_run=True)
    assert not driver.client.pps.pipeline_exists(pipeline=driver.pipeline("p"))


def test_absent_things(client: Client, branch: pfs.Branch) -> None:
    none, commit = pps.Pipeline(name="none"), pfs.Commit(repo=branch.repo, id=UUID)
    job = pps.Job(pipeline=none, id=UUID)
    with refused("NOT_FOUND", r"commit .*not found"):
        client.pfs.inspect_commit(commit=commit)
    with refused("NOT_FOUND", "no commits found for commitset"):
        list(client.pfs.inspect_commit_set(commit_set=pfs.CommitSet(id=UUID)))
    with refused("NOT_FOUND", "repo default/none not found"):
        list(client.pfs.list_commit(repo=repo("none")))
    with refused("NOT_FOUND", "not found"):
        list(client.pfs.list_file(file=pfs.File(head("none"), "/")))
    with refused("NOT_FOUND", 'pipeline "default/none" not found|pipeline .*none.* not found'):
        client.pps.inspect_pipeline(pipeline=none)
    with refused("NOT_FOUND", "not found"):
        client.pps.inspect_job(job=job)
    with refused("NOT_FOUND", "not found"):
        client.pps.stop_job(job=job)
    with refused("NOT_FOUND", "not found"):
        list(client.pps.list_datum(job=job))
    with refused("NOT_FOUND", "not found"):
        client.pps.start_pipeline(pipeline=none)
    client.pps.stop_pipeline(pipeline=none)
    client.pps.delete_pipeline(pipeline=none, force=True)
    with pytest.raises(grpc.RpcError, match=r"pipeline.*not found|have a cron input"):
        client.pps.run_cron(pipeline=none)
    with pytest.raises(grpc.RpcError, match=r"parent commit .* not found"):
        client.pfs.start_commit(branch=branch, parent=commit)
    with pytest.raises(grpc.RpcError):
        client.pps.run_pipeline(pipeline=none)


def test_datums_of_jobs_that_lack_them(driver: Driver) -> None:
    driver.put("in", {"/a": b""})
    driver.create("p", driver.input("in"), "true")
    job = driver.job("p").job
    with pytest.raises(grpc.RpcError, match=r"datum a+ not found in job"):
        driver.client.pps.inspect_datum(datum=pps.Datum(job=job, id="a" * 64))
    with pytest.raises(grpc.RpcError, match="doesn't have a cron input"):
        driver.client.pps.run_cron(pipeline=driver.pipeline("p"))
    with refused("INVALID_ARGUMENT"):
        list(driver.client.pps.list_datum(job=job, input=pps.Input(pfs=pps.PfsInput(repo="x"))))


def test_old_and_unknown_transactions(client: Client, branch: pfs.Branch) -> None:
    client.transaction_id = ""
    try:
        assert client.pfs.repo_exists(branch.repo)
        assert list(client.transaction.list_transaction().transaction_info) == []
    finally:
        client.transaction_id = None
