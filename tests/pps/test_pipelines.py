"""The life of a pipeline: create, update, stop, start, rerun, delete, and its versions."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from dassie.errors import (
    AlreadyExists,
    DassieError,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
)
from dassie.pfs import branches, commits, repos
from dassie.pfs.model import META, SPEC, BranchKey, CommitRef, RepoKey
from dassie.pps.model import PipelineKey
from dassie.pps.states import JobState, PipelineState
from tests.pps.world import World, copy


@pytest.fixture
def edges(world: World) -> PipelineKey:
    world.repo("images")
    world.put("images", {"/a": b"a", "/b": b"b"})
    key = world.pipeline("edges", "images")
    world.settle()
    world.took()
    return key


def provenance(world: World, repo: RepoKey) -> set[str]:
    with world.db.read() as tx:
        info = branches.inspect(tx, BranchKey(repo, "master"))
    return {str(branch) for branch in info.direct_provenance}


def test_create_makes_repos_branches_and_a_job(world: World, edges: PipelineKey) -> None:
    inputs = {"default/images@master", "default/edges.spec@master"}
    assert provenance(world, edges.output) == inputs
    assert provenance(world, edges.meta) == inputs
    info = world.pps.inspect_pipeline(edges)
    assert (info.version, info.stopped, info.state) == (1, False, PipelineState.RUNNING)
    assert info.last_job_state == JobState.SUCCESS
    assert info.workers_requested == 1
    spec = world.tree(CommitRef(edges.spec, branch="master"))
    assert json.loads(spec["/spec"]) == json.loads(info.effective_json)
    assert info.spec_commit.repo == edges.spec
    assert info.spec.salt == json.loads(info.effective_json)["salt"]


def test_create_twice(world: World, edges: PipelineKey) -> None:
    with pytest.raises(AlreadyExists, match='pipeline "default/edges" already exists'):
        world.pipeline("edges", "images")
    assert world.pps.inspect_pipeline(edges).version == 1


def test_create_over_a_repo(world: World) -> None:
    world.repo("images")
    world.repo("edges")
    with pytest.raises(AlreadyExists, match="a repo with the same name already exists"):
        world.pipeline("edges", "images")


def test_missing_input_changes_nothing(world: World) -> None:
    with pytest.raises(NotFound, match="repo default/none not found"):
        world.pipeline("edges", "none")
    with world.db.read() as tx:
        assert repos.list_(tx) == []
    assert world.pps.list_pipelines() == []


def test_a_missing_input_branch_is_made(world: World) -> None:
    world.repo("images")
    world.pipeline("p", {"pfs": {"repo": "images", "branch": "dev", "glob": "/*"}})
    world.settle()
    world.put("images", {"/x": b"x"}, branch="dev")
    world.settle()
    assert world.read("p") == {"/x": b"X"}


def test_cycle_is_refused(world: World, edges: PipelineKey) -> None:
    world.pipeline("two", "edges")
    with pytest.raises(DassieError, match="cycle"):
        world.pipeline("edges", "two", update=True)
    assert world.pps.inspect_pipeline(edges).version == 1


def test_dry_run_and_unknown_field(world: World) -> None:
    world.repo("images")
    spec = {
        "pipeline": {"name": "p"},
        "transform": {"cmd": ["true"]},
        "input": {"pfs": {"repo": "images", "glob": "/*"}},
    }
    effective = json.loads(world.pps.create_pipeline(spec, dry_run=True))
    assert effective["outputBranch"] == "master"
    assert world.pps.list_pipelines() == []
    with pytest.raises(InvalidArgument, match="transfrom"):
        world.pps.create_pipeline({**spec, "transfrom": {}})


def test_update_keeps_results_reprocess_does_not(world: World, edges: PipelineKey) -> None:
    world.pipeline("edges", "images", update=True, description="second")
    world.settle()
    info = world.pps.inspect_pipeline(edges)
    assert (info.version, info.spec.description) == (2, "second")
    job = world.jobs("edges")[-1]
    assert (job.pipeline_version, job.data_skipped, job.data_processed) == (2, 2, 0)
    assert world.took() == []
    assert world.read("edges") == {"/a": b"A", "/b": b"B"}

    world.pipeline("edges", "images", update=True, reprocess=True)
    world.settle()
    assert len(world.took()) == 2
    job = world.jobs("edges")[-1]
    assert (job.pipeline_version, job.data_processed) == (3, 2)
    [record] = {i.record.why for i in world.pps.list_datums(job.key)}
    assert record.changed == ("salt changed (reprocess)",)
    assert world.pps.inspect_pipeline(edges).salt != info.salt


def test_update_with_another_input(world: World, edges: PipelineKey) -> None:
    """Datums that are the same in both specs are kept; the others go."""
    world.put("images", {"/dir/x": b"x"})
    world.settle()
    world.took()
    world.pipeline("edges", "images:/?", update=True)
    world.settle()
    job = world.jobs("edges")[-1]
    assert (job.data_total, job.data_processed, job.data_skipped) == (2, 0, 2)
    assert world.read("edges") == {"/a": b"A", "/b": b"B"}
    world.repo("more")
    world.put("more", {"/m": b"m"})
    both = {"union": [{"pfs": {"repo": name, "glob": "/?"}} for name in ("images", "more")]}
    world.pipeline("edges", both, update=True)
    world.settle()
    assert len(world.took()) == 1
    assert world.read("edges") == {"/a": b"A", "/b": b"B", "/m": b"M"}
    assert "default/more@master" in provenance(world, edges.output)


def test_update_kills_unfinished_jobs(world: World, edges: PipelineKey) -> None:
    world.put("images", {"/c": b"c"})
    world.turn()
    old = world.jobs("edges")[-1]
    assert old.state == JobState.RUNNING
    pool = next(iter(world.executor.pools.values()))
    world.pipeline("edges", "images", update=True)
    old = world.pps.inspect_job(old.key)
    assert old.state == JobState.KILLED
    assert old.reason == "all jobs killed because pipeline was updated"
    world.settle()
    assert world.read("edges") == {"/a": b"A", "/b": b"B", "/c": b"C"}
    assert pool.name not in world.executor.pools, "workers of the old version are stopped"


def test_update_creates_and_changes_the_output_branch(world: World, edges: PipelineKey) -> None:
    world.pipeline("edges", "images", update=True, outputBranch="next")
    world.settle()
    assert world.read("edges", branch="next") == {"/a": b"A", "/b": b"B"}
    assert provenance(world, edges.output) == set()
    world.pipeline("new", "images", update=True)
    assert world.pps.inspect_pipeline(PipelineKey("default", "new")).version == 1


def test_every_job_skips_nothing(world: World) -> None:
    world.repo("in")
    world.put("in", {"/a": b"a"})
    world.pipeline("p", "in", reprocessSpec="every_job")
    world.settle()
    world.put("in", {"/b": b"b"})
    world.settle()
    assert [job.data_processed for job in world.jobs("p")] == [1, 2]
    assert world.read("p") == {"/a": b"A", "/b": b"B"}


def test_stop_and_start(world: World, edges: PipelineKey) -> None:
    world.put("images", {"/c": b"c"})
    world.turn()
    world.pps.stop_pipeline(edges)
    stopped = world.jobs("edges")[-1]
    assert stopped.reason == "all jobs killed because pipeline was stopped"
    assert provenance(world, edges.output) == provenance(world, edges.meta) == set()
    world.put("images", {"/d": b"d"})
    world.settle()
    assert len(world.jobs("edges")) == 2, "no jobs while it is stopped"
    info = world.pps.inspect_pipeline(edges)
    assert (info.state, info.stopped, info.workers_requested) == (PipelineState.PAUSED, True, 0)

    world.pps.start_pipeline(edges)
    world.settle()
    assert len(world.jobs("edges")) == 3, "one job for everything that came meanwhile"
    assert len(world.took()) == 2
    assert len(world.read("edges")) == 4
    assert world.pps.inspect_pipeline(edges).state == PipelineState.RUNNING
    world.pps.start_pipeline(edges)
    assert len(world.jobs("edges")) == 3


def test_update_of_a_stopped_pipeline_stays_stopped(world: World, edges: PipelineKey) -> None:
    world.pps.stop_pipeline(edges)
    world.pipeline("edges", "images", update=True)
    world.settle()
    info = world.pps.inspect_pipeline(edges)
    assert (info.version, info.stopped, info.state) == (2, True, PipelineState.PAUSED)
    assert len(world.jobs("edges")) == 1
    with pytest.raises(FailedPrecondition, match="is stopped"):
        world.pps.rerun_pipeline(edges)


def test_rerun(world: World, edges: PipelineKey) -> None:
    world.pps.rerun_pipeline(edges)
    world.settle()
    assert world.took() == []
    world.pps.rerun_pipeline(edges, reprocess=True)
    world.settle()
    assert len(world.took()) == 2
    assert len(world.jobs("edges")) == 3


def test_versions(world: World, edges: PipelineKey) -> None:
    for text in ("two", "three"):
        world.pipeline("edges", "images", update=True, description=text)

    def named(name: str) -> str:
        return world.pps.inspect_pipeline(PipelineKey("default", name)).spec.description

    assert [named(n) for n in ("edges", "edges^", "edges^2", "edges.2")] == [
        "three",
        "two",
        "",
        "two",
    ]
    with pytest.raises(NotFound, match="has only 3 versions"):
        named("edges^3")
    with pytest.raises(FailedPrecondition, match="cannot inspect future pipelines"):
        named("edges.4")
    assert [i.version for i in world.pps.list_pipelines(name="edges", history=1)] == [3, 2]
    assert [i.version for i in world.pps.list_pipelines(name="edges", history=-1)] == [3, 2, 1]
    first = world.jobs("edges")[0]
    assert [i.version for i in world.pps.list_pipelines(commit_set=first.key.id)] == [1]
    assert [j.pipeline_version for j in world.pps.list_jobs(pipeline=edges, history=0)] == [3]


def test_delete(world: World, edges: PipelineKey) -> None:
    world.pps.delete_pipeline(edges)
    with pytest.raises(NotFound, match='pipeline "default/edges" not found'):
        world.pps.inspect_pipeline(edges)
    with world.db.read() as tx:
        assert [str(info.key) for info in repos.list_(tx)] == ["default/images"]
    assert list(world.pps.list_jobs()) == []
    world.pps.delete_pipeline(edges)
    with pytest.raises(NotFound):
        world.pps.delete_pipeline(edges, must_exist=True)
    world.turn()
    assert world.executor.pools == {}
    world.pipeline("edges", "images")
    world.settle()
    assert world.read("edges") == {"/a": b"A", "/b": b"B"}


def test_delete_with_something_below(world: World, edges: PipelineKey) -> None:
    below = world.pipeline("two", "edges")
    with pytest.raises(DassieError, match="two"):
        world.pps.delete_pipeline(edges)
    world.settle()
    assert world.pps.inspect_pipeline(edges).state == PipelineState.RUNNING
    assert world.read("two") == {"/a": b"A", "/b": b"B"}
    world.pps.delete_pipeline(edges, force=True)
    assert provenance(world, below.output) == {"default/two.spec@master"}


def test_delete_keeping_the_repo(world: World, edges: PipelineKey) -> None:
    world.pps.delete_pipeline(edges, keep_repo=True)
    assert world.read("edges") == {"/a": b"A", "/b": b"B"}
    with world.db.read() as tx:
        left = {str(info.key) for info in repos.list_(tx)}
    assert left == {"default/images", "default/edges"}
    with pytest.raises(AlreadyExists, match="a repo with the same name already exists"):
        world.pipeline("edges", "images")
    world.put("edges", {"/c": b"c"})


def test_delete_all_goes_downstream_first(world: World, edges: PipelineKey) -> None:
    below = world.pipeline("a", "edges")
    assert set(world.pps.delete_pipelines()) == {edges, below}
    assert world.pps.list_pipelines() == []


def test_output_repo_belongs_to_the_pipeline(world: World, edges: PipelineKey) -> None:
    def delete_repo() -> None:
        with world.graph.transaction() as gtx:
            repos.delete(gtx, edges.output)

    def write() -> None:
        world.put("edges", {"/mine": b"x"})

    def delete_meta_branch() -> None:
        with world.graph.transaction() as gtx:
            branches.delete(gtx, BranchKey(edges.meta, "master"), force=True)

    def unlink() -> None:
        with world.graph.transaction() as gtx:
            branches.create(gtx, BranchKey(edges.output, "master"), provenance=[])

    attempts: list[Callable[[], None]] = [delete_repo, write, delete_meta_branch, unlink]
    for attempt in attempts:
        with pytest.raises(DassieError):
            attempt()


def test_defaults(world: World) -> None:
    world.repo("images")
    assert world.pps.cluster_defaults() == "{}"
    world.pps.set_defaults(None, '{"createPipelineRequest": {"datumTries": "7"}}')
    world.pps.set_defaults("default", '{"createPipelineRequest": {"description": "mine"}}')
    key = world.pipeline("p", "images")
    spec = world.pps.inspect_pipeline(key).spec
    assert (spec.datum_tries, spec.description) == (7, "mine")
    assert "datumTries" not in json.loads(world.pps.inspect_pipeline(key).user_json)
    with pytest.raises(InvalidArgument):
        world.pps.set_defaults(None, '{"createPipelineRequest": {"datumTrys": 7}}')
    with pytest.raises(NotFound):
        world.pps.project_defaults("none")


def test_job_listing(world: World, edges: PipelineKey) -> None:
    world.pipeline("two", "edges")
    world.settle()
    world.put("images", {"/c": b"c"})
    world.settle()
    jobs = list(world.pps.list_jobs())
    assert [str(job.key.pipeline) for job in jobs] == [
        "default/two",
        "default/edges",
        "default/two",
        "default/edges",
    ]
    sets = list(world.pps.list_job_sets())
    assert [len(found) for _, found in sets] == [2, 1, 1]
    with world.db.read() as tx:
        head = commits.resolve(tx, CommitRef(RepoKey("default", "images"), branch="master"))
    ref = CommitRef(head.repo, id=head.id)
    [job] = world.pps.list_jobs(input_commits=[ref])
    assert job.key.pipeline == edges
    [read] = world.pps.job_inputs(job)
    assert (read.name, read.commit, read.glob) == ("images", head, "/*")
    assert world.pps.job_spec(job).name == "edges"
    with pytest.raises(NotFound):
        world.pps.inspect_job_set("0" * 32)


def test_repos_of_a_pipeline_have_types(world: World, edges: PipelineKey) -> None:
    with world.db.read() as tx:
        types = {info.key.type for info in repos.list_(tx) if info.key.name == "edges"}
    assert types == {"user", META, SPEC}


def test_autoscaling_pipelines_stand_by(world: World) -> None:
    world.repo("in")
    key = world.pipeline("p", "in", autoscaling=True, parallelismSpec={"constant": "4"})
    world.settle()
    world.turn()
    assert world.pps.inspect_pipeline(key).state == PipelineState.STANDBY
    assert list(world.executor.counts.values()) == [0]
    world.put("in", {"/a": b"a"})
    world.turn()
    assert list(world.executor.counts.values()) == [4]
    assert world.pps.inspect_pipeline(key).state == PipelineState.RUNNING
    world.settle(copy)
    world.turn()
    assert world.pps.inspect_pipeline(key).state == PipelineState.STANDBY


def test_preview_of_datums(world: World, edges: PipelineKey) -> None:
    both = {"pfs": {"repo": "images", "glob": "/*"}}
    found = list(
        world.pps.preview_datums(
            {"cross": [both, {"pfs": {"repo": "edges", "glob": "/"}}]}, project="default"
        )
    )
    assert [info.record.inputs[1].path for info in found] == ["/a", "/b"]


def test_a_preview_without_a_glob_is_of_the_whole_branch(world: World, edges: PipelineKey) -> None:
    images = {"pfs": {"repo": "images"}}
    (datum,) = world.pps.preview_datums(images, project="default")
    assert [file.path for file in datum.record.inputs] == ["/"]
    crossed = {"cross": [images, {"pfs": {"repo": "images", "name": "each", "glob": "/*"}}]}
    found = list(world.pps.preview_datums(crossed, project="default"))
    assert [[file.path for file in info.record.inputs] for info in found] == [
        ["/a", "/"], ["/b", "/"]
    ]  # fmt: skip
