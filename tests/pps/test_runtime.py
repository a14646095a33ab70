"""Jobs from commit to commit: what is processed, skipped, removed, and what the output then is."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from dassie.base.clock import ManualClock
from dassie.pfs import commits
from dassie.pfs.model import META, CommitRef, CommitState, RepoKey
from dassie.pps import running, tasks
from dassie.pps.dispatch import LeasedDatum
from dassie.pps.model import PipelineKey
from dassie.pps.roots import roots
from dassie.pps.states import DatumState, JobState, PipelineState
from tests.pps.world import DatumFailed, Outputs, World, copy, failing


def test_first_job_processes_everything(world: World) -> None:
    world.repo("images")
    world.put("images", {"/a": b"a", "/b": b"b"})
    key = world.pipeline("edges", "images")
    world.settle()

    [job] = world.jobs("edges")
    assert job.state == JobState.SUCCESS
    assert (job.data_total, job.data_processed, job.data_skipped) == (2, 2, 0)
    assert job.stats.process_us == 4
    assert world.read("edges") == {"/a": b"A", "/b": b"B"}
    assert world.pps.inspect_pipeline(key).state == PipelineState.RUNNING
    meta = world.tree(CommitRef(RepoKey("default", "edges", META), branch="master"))
    for info in world.pps.list_datums(job.key):
        path = info.record.inputs[0].path
        assert info.state == DatumState.SUCCESS
        assert meta[f"/pfs/{info.record.id}/images{path}"] == path[1:].encode()
        assert meta[f"/pfs/{info.record.id}/out{path}"] == path[1:].upper().encode()


def test_new_datum_runs_alone(world: World) -> None:
    world.repo("images")
    world.put("images", {"/a": b"a", "/b": b"b"})
    world.pipeline("edges", "images")
    world.settle()
    world.took()
    world.put("images", {"/c": b"c"})
    world.settle()

    first, second = world.jobs("edges")
    assert len(world.took()) == 1
    assert (second.data_total, second.data_processed, second.data_skipped) == (3, 1, 2)
    assert world.read("edges") == {"/a": b"A", "/b": b"B", "/c": b"C"}
    states = {i.record.inputs[0].path: i for i in world.pps.list_datums(second.key)}
    assert {path: info.state.name for path, info in states.items()} == {
        "/a": "SKIPPED",
        "/b": "SKIPPED",
        "/c": "SUCCESS",
    }
    assert states["/a"].record.job == first.key.id
    assert states["/c"].record.why.changed == ("images:/c is new",)


def test_changed_and_removed_datums(world: World) -> None:
    world.repo("images")
    world.put("images", {"/a": b"a", "/b": b"b", "/c": b"c"})
    world.pipeline("edges", "images")
    world.settle()
    world.took()
    world.put("images", {"/a": b"new", "/b": None})
    world.settle()

    job = world.jobs("edges")[-1]
    assert (job.data_total, job.data_processed, job.data_skipped) == (2, 1, 1)
    assert world.read("edges") == {"/a": b"NEW", "/c": b"C"}
    [info] = [i for i in world.pps.list_datums(job.key) if i.state == DatumState.SUCCESS]
    assert info.record.why.decision == "images:/a changed"
    assert info.record.why.previous_job == world.jobs("edges")[0].key.id


def test_changed_datum_that_writes_other_paths(world: World) -> None:
    """What it wrote before goes, a file may become a directory, and unchanged paths stay."""
    world.repo("in")
    world.put("in", {"/x": b"file", "/y": b"other"})

    def code(datum: LeasedDatum, world: World) -> Outputs:
        [(path, data)] = world.inputs(datum.inputs).items()
        if path == "/in/y":
            return {"/y": data}
        return {"/p": b"1", "/q": b"2"} if data == b"file" else {"/p/deep": b"3"}

    world.pipeline("p", "in")
    world.settle(code)
    assert world.jobs("p")[-1].reason == ""
    assert world.read("p") == {"/p": b"1", "/q": b"2", "/y": b"other"}
    world.put("in", {"/x": b"dir"})
    world.settle(code)
    assert world.jobs("p")[-1].state == JobState.SUCCESS
    assert world.read("p") == {"/p/deep": b"3", "/y": b"other"}
    world.put("in", {"/x": b"file"})
    world.settle(code)
    assert world.jobs("p")[-1].reason == ""
    assert world.read("p") == {"/p": b"1", "/q": b"2", "/y": b"other"}


def test_nothing_changed_processes_nothing(world: World) -> None:
    world.repo("images")
    world.put("images", {"/a": b"a"})
    world.pipeline("edges", "images")
    world.settle()
    world.took()
    world.put("images", {"/a": b"a"})
    world.settle()
    job = world.jobs("edges")[-1]
    assert (job.state, job.data_total, job.data_skipped) == (JobState.SUCCESS, 1, 1)
    assert world.took() == []
    assert world.read("edges") == {"/a": b"A"}


def test_empty_input_makes_an_empty_job(world: World) -> None:
    world.repo("images")
    world.pipeline("edges", "images")
    world.settle()
    [job] = world.jobs("edges")
    assert (job.state, job.data_total) == (JobState.SUCCESS, 0)
    assert world.read("edges") == {}


def test_job_waits_for_its_input_and_chains(world: World) -> None:
    world.repo("images")
    world.put("images", {"/a": b"a"})
    world.pipeline("one", "images")
    world.pipeline("two", "one")
    world.turn()
    assert world.jobs("two")[0].state == JobState.STARTING
    world.settle()
    assert world.read("two") == {"/a": b"A"}
    world.put("images", {"/b": b"b"})
    world.settle()
    assert world.read("two") == {"/a": b"A", "/b": b"B"}
    one, two = world.jobs("one")[-1], world.jobs("two")[-1]
    assert one.key.id == two.key.id
    assert [job.key for job in world.pps.inspect_job_set(one.key.id)] == [one.key, two.key]


def test_failed_datum_fails_the_job_and_what_is_below(world: World) -> None:
    world.repo("images")
    world.put("images", {"/a": b"a", "/bad": b"x", "/c": b"c"})
    world.pipeline("one", "images")
    world.pipeline("two", {"pfs": {"repo": "one", "name": "first", "glob": "/*"}})
    with failing("/bad") as code:
        world.settle(code)
    job = world.jobs("one")[0]
    assert job.state == JobState.FAILURE
    assert (job.data_processed, job.data_failed) == (2, 1)
    [bad] = world.pps.list_datums(job.key, states=[DatumState.FAILED])
    assert job.reason == f"datum {bad.record.id} failed: exit status 1 on /bad"
    assert len(list(world.pps.list_datums(job.key))) == 3
    below = world.jobs("two")[0]
    assert below.state == JobState.UNRUNNABLE
    assert below.reason == "unrunnable because the following upstream pipelines failed: first"
    with world.db.read() as tx:
        info = commits.inspect(tx, CommitRef(RepoKey("default", "two"), id=below.key.id))
    assert info.state == CommitState.FINISHED
    assert info.error == below.reason

    # The next job starts from nothing, since no job has succeeded: all datums are done again.
    world.took()
    world.put("images", {"/bad": None})
    world.settle()
    assert len(world.took()) == 4
    assert world.read("two") == {"/a": b"A", "/c": b"C"}


def test_recovered_datum_has_no_output_and_is_tried_again(world: World) -> None:
    world.repo("images")
    world.put("images", {"/a": b"a", "/b": b"b"})
    world.pipeline("one", "images")

    def code(datum: LeasedDatum, world: World) -> Outputs:
        if datum.inputs[0].path == "/a":
            raise DatumFailed("err_cmd recovered it", DatumState.RECOVERED)
        return copy(datum, world)

    world.settle(code)
    job = world.jobs("one")[0]
    assert (job.state, job.data_recovered, job.data_processed) == (JobState.SUCCESS, 1, 1)
    assert world.read("one") == {"/b": b"B"}
    world.took()
    world.put("images", {"/c": b"c"})
    world.settle(code)
    assert len(world.took()) == 2
    world.put("images", {"/d": b"d"})
    world.settle()
    assert len(world.took()) == 2
    assert world.read("one") == {"/a": b"A", "/b": b"B", "/c": b"C", "/d": b"D"}
    [info] = [
        i
        for i in world.pps.list_datums(world.jobs("one")[-1].key)
        if i.record.inputs[0].path == "/a"
    ]
    assert "recovered" in info.record.why.decision
    world.put("images", {"/e": b"e"})
    world.settle()
    assert len(world.took()) == 3 - 2


def test_two_datums_write_one_path(world: World) -> None:
    world.repo("in")
    world.put("in", {"/a": b"a", "/b": b"b"})
    world.pipeline("p", "in")
    world.settle(lambda _datum, _world: {"/same": b"x"})
    job = world.jobs("p")[0]
    ids = [info.record.id for info in world.pps.list_datums(job.key)]
    assert job.state == JobState.FAILURE
    assert "duplicate path output by different datums" in job.reason
    assert "/same" in job.reason
    assert all(id_ in job.reason for id_ in ids)


def test_new_datum_writes_the_path_of_a_kept_one(world: World) -> None:
    world.repo("in")
    world.put("in", {"/a": b"a"})
    world.pipeline("p", "in")
    world.settle(lambda _datum, _world: {"/same": b"x"})
    old = next(world.pps.list_datums(world.jobs("p")[0].key)).record.id
    world.put("in", {"/b": b"b"})
    world.settle(lambda _datum, _world: {"/same": b"x"})
    job = world.jobs("p")[1]
    assert job.state == JobState.FAILURE
    assert old in job.reason
    assert world.took()[-1] in job.reason
    # The good output is still what the next job starts from.
    world.put("in", {"/b": None})
    world.settle()
    assert world.read("p") == {"/same": b"x"}


@pytest.mark.parametrize("first", ["/p", "/p/q"])
def test_file_and_directory_collide(world: World, first: str) -> None:
    world.repo("in")
    world.put("in", {"/a": b"a", "/b": b"b"})
    world.pipeline("p", "in")

    def code(datum: LeasedDatum, _world: World) -> Outputs:
        path = first if datum.inputs[0].path == "/a" else {"/p": "/p/q", "/p/q": "/p"}[first]
        return {path: b"x"}

    world.settle(code)
    job = world.jobs("p")[0]
    assert job.state == JobState.FAILURE
    assert "file / directory path collision" in job.reason
    assert all(id_ in job.reason for id_ in world.took())


def test_cross_and_union(world: World) -> None:
    world.repo("l")
    world.repo("r")
    world.put("l", {"/1": b"1", "/2": b"2"})
    world.put("r", {"/x": b"x", "/y": b"y"})

    def code(datum: LeasedDatum, world: World) -> Outputs:
        names = "".join(file.path[1:] for file in datum.inputs)
        return {f"/{names}": b"".join(world.inputs(datum.inputs).values())}

    inputs = [{"pfs": {"repo": "l", "glob": "/*"}}, {"pfs": {"repo": "r", "glob": "/*"}}]
    world.pipeline("cross", {"cross": inputs})
    world.pipeline("union", {"union": inputs})
    world.settle(code)
    assert sorted(world.read("cross")) == ["/1x", "/1y", "/2x", "/2y"]
    assert sorted(world.read("union")) == ["/1", "/2", "/x", "/y"]
    world.took()
    world.put("l", {"/3": b"3", "/1": None})
    world.settle(code)
    assert sorted(world.read("cross")) == ["/2x", "/2y", "/3x", "/3y"]
    assert sorted(world.read("union")) == ["/2", "/3", "/x", "/y"]
    assert len(world.took()) == 3
    job = world.jobs("cross")[-1]
    assert (job.data_total, job.data_processed, job.data_skipped) == (4, 2, 2)


def test_directories_as_datums(world: World) -> None:
    world.repo("in")
    world.put("in", {"/a/1": b"1", "/a/2": b"2", "/b/1": b"3"})
    world.pipeline("p", "in:/*")
    world.settle()
    assert world.read("p") == {"/a/1": b"1", "/a/2": b"2", "/b/1": b"3"}
    world.took()
    world.put("in", {"/a/3": b"4"})
    world.settle()
    assert len(world.took()) == 1
    assert sorted(world.read("p")) == ["/a/1", "/a/2", "/a/3", "/b/1"]
    world.pipeline("all", "in:/")
    world.settle()
    assert world.jobs("all")[-1].data_total == 1
    assert sorted(world.read("all")) == ["/a/1", "/a/2", "/a/3", "/b/1"]


def test_job_timeout(world: World) -> None:
    clock = ManualClock(datetime.now(UTC))
    world.db.clock = clock
    world.restart()
    world.repo("in")
    world.put("in", {"/a": b"a"})
    world.pipeline("p", "in", jobTimeout="5s")
    world.turn()
    assert world.jobs("p")[0].state == JobState.RUNNING
    clock.advance(6)
    world.turn()
    job = world.jobs("p")[0]
    assert job.state == JobState.KILLED
    assert job.reason == "job timed out after 5s (job_timeout)"


def test_stop_job(world: World) -> None:
    world.repo("in")
    world.put("in", {"/a": b"a", "/b": b"b"})
    key = world.pipeline("p", "in")
    world.turn()
    [pool] = world.executor.pools.values()
    world.pps.dispatcher.register(pool.token, "w")
    [datum] = world.pps.dispatcher.lease(pool.token, "w", 1)
    job = world.jobs("p")[0]
    assert {i.state.name for i in world.pps.list_datums(job.key)} == {"STARTING", "UNKNOWN"}
    world.pps.stop_job(job.key)
    job = world.pps.inspect_job(job.key)
    assert (job.state, job.reason) == (JobState.KILLED, "job stopped")
    assert world.pps.dispatcher.heartbeat(pool.token, "w", [datum.token], "")[0] == {datum.token}
    result = world.process(datum, copy)
    assert world.pps.dispatcher.report(pool.token, "w", [(datum.token, result)]) == [datum.token]
    with pytest.raises(Exception, match="has already finished"):
        world.pps.stop_job(job.key)
    world.pps.delete_job(job.key)
    with pytest.raises(Exception, match=f"job {job.key} not found"):
        world.pps.inspect_job(job.key)
    assert key == PipelineKey("default", "p")


def test_datums_of_a_killed_job(world: World) -> None:
    """What was processed, what was not, and what would have been kept; until the next is killed."""
    world.repo("in")
    world.put("in", {"/kept": b"k"})
    world.pipeline("p", "in")
    world.settle()
    world.put("in", {"/a": b"a", "/b": b"b", "/c": b"c"})
    world.turn()
    [pool] = world.executor.pools.values()
    worker = f"w-{pool.name}"
    first, _ = world.pps.dispatcher.lease(pool.token, worker, 2)
    result = world.process(first, copy)
    world.pps.dispatcher.report(pool.token, worker, [(first.token, result)])
    killed = world.jobs("p")[-1].key
    world.pps.stop_job(killed)

    def states() -> dict[str, str]:
        return {
            info.record.inputs[0].path: info.state.name for info in world.pps.list_datums(killed)
        }

    expected = {"/kept": "SKIPPED", "/a": "UNKNOWN", "/b": "UNKNOWN", "/c": "UNKNOWN"}
    expected[first.inputs[0].path] = "SUCCESS"
    assert states() == expected
    world.restart()
    world.turn()
    world.turn()
    assert states() == expected
    done = world.pps.inspect_datum(killed, first.datum_id)
    assert (done.state.name, done.record.output) == ("SUCCESS", None)
    with world.db.read() as tx:
        assert list(tasks.outputs(tx)) == []

    world.put("in", {"/d": b"d"})
    world.settle()
    assert states() == expected  # a job that ended well changes nothing
    assert {info.state.name for info in world.pps.list_datums(world.jobs("p")[-1].key)} == {
        "SUCCESS",
        "SKIPPED",
    }
    world.put("in", {"/e": b"e"})
    world.turn()
    world.pps.stop_job(world.jobs("p")[-1].key)
    world.turn()
    world.turn()
    assert states() == {}
    assert len(list(world.pps.list_datums(world.jobs("p")[-1].key))) == 6
    world.pps.delete_job(world.jobs("p")[-1].key)
    world.turn()
    world.turn()
    with world.db.read() as tx:
        assert not tasks.leftovers(tx)


def test_listing_many_datums(world: World) -> None:
    """Across batches, in both directions, while the job runs and after."""
    world.repo("in")
    names = [f"/{number}" for number in range(450)]
    world.put("in", dict.fromkeys(names, b"x"))
    world.pipeline("p", "in")
    world.settle()
    world.put("in", {f"/new{number}": b"y" for number in range(230)} | {"/7": None, "/8": b"z"})
    world.turn()
    job = world.jobs("p")[1]
    expected = {
        DatumState.SKIPPED: 448,
        DatumState.UNKNOWN: 231,
    }
    for _ in range(2):
        found = list(world.pps.list_datums(job.key))
        ids = [info.record.id for info in found]
        assert ids == sorted(ids)
        assert {state: sum(info.state == state for info in found) for state in expected} == expected
        backwards = [info.record.id for info in world.pps.list_datums(job.key, reverse=True)]
        assert backwards == ids[::-1]
        for start in (0, 199, 200, 500):
            rest = world.pps.list_datums(job.key, after=ids[start])
            assert [info.record.id for info in rest] == ids[start + 1 :]
        listing = world.pps.list_datums(job.key)
        begun = [next(listing).record.id]
        world.settle()
        assert begun + [info.record.id for info in listing] == ids, "the job ended meanwhile"
        expected[DatumState.SUCCESS] = expected.pop(DatumState.UNKNOWN, 231)


def test_rows_of_ended_jobs_go(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "SWEPT_AT_ONCE", 3)
    world.repo("in")
    world.put("in", {f"/{number}": b"x" for number in range(10)})
    world.pipeline("p", "in")
    world.settle()
    with world.db.read() as tx:
        assert len(tasks.leftovers(tx)) == 1
    for _ in range(4):
        world.turn()
    with world.db.read() as tx:
        assert tasks.leftovers(tx) == []
        assert list(roots(tx)) == []
    assert len(list(world.pps.list_datums(world.jobs("p")[0].key))) == 10
    world.put("in", {"/new": b"x"})
    world.turn()
    world.work()
    with world.db.read() as tx:
        assert [root.files for root in roots(tx)] == [1]
    assert len(world.read("p")) == 10


def test_plans_larger_than_a_transaction(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "_ROWS", 4)
    world.repo("in")
    for count in (9, 12):
        world.put("in", {f"/{number}": b"%d" % count for number in range(count)})
        if count == 9:
            world.pipeline("p", "in")
        world.settle()
        assert world.jobs("p")[-1].data_processed == count
    assert len(world.read("p")) == 12
