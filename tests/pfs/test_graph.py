"""The version graph through its public functions: repos, branches, commits, propagation, sets."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from dassie.base.hashing import digest
from dassie.errors import Aborted, FailedPrecondition, InvalidArgument, NotFound
from dassie.pfs import branches, commits, commitsets, projects, repos
from dassie.pfs.errors import (
    BaseCommitNotFinished,
    BranchInProvenance,
    BranchNotFound,
    BranchOwned,
    CommitFinished,
    CommitNotFound,
    FinishedCannotClear,
    InconsistentCommit,
    OutputBranch,
    OutputCommitOfPipeline,
    ParentNotFinished,
    RepoExists,
    RepoNotFound,
    RepoOwned,
)
from dassie.pfs.graph import Graph
from dassie.pfs.model import (
    BranchInfo,
    BranchKey,
    CommitInfo,
    CommitKey,
    CommitRef,
    CommitState,
    Origin,
    RepoKey,
)
from dassie.storage.types import EMPTY_DIR, Dir


def repo(name: str, kind: str = "user", project: str = "default") -> RepoKey:
    return RepoKey(project, name, kind)


def branch(name: str, at: str = "master") -> BranchKey:
    return BranchKey(repo(name), at)


def head_of(name: str, at: str = "master") -> CommitRef:
    return CommitRef(repo(name), branch=at)


def by_id(key: CommitKey) -> CommitRef:
    return CommitRef(key.repo, id=key.id)


def tree(text: str) -> Dir:
    return Dir(digest(text.encode()), digest(b"node" + text.encode()), len(text), 1)


def make_repos(graph: Graph, *names: str) -> None:
    with graph.transaction() as gtx:
        for name in names:
            repos.create(gtx, repo(name))


def output(graph: Graph, name: str, *inputs: str, at: str = "master") -> None:
    with graph.transaction() as gtx:
        branches.create(gtx, branch(name, at), provenance=[branch(each) for each in inputs])


def start(graph: Graph, name: str, at: str = "master") -> CommitKey:
    with graph.transaction() as gtx:
        return commits.start(gtx, branch(name, at))


def finish(graph: Graph, key: CommitKey, root: Dir | None = None, error: str = "") -> None:
    with graph.transaction() as gtx:
        commits.finish(gtx, by_id(key), root=root, error=error)


def commit(graph: Graph, name: str, root: Dir | None = None, at: str = "master") -> CommitKey:
    key = start(graph, name, at)
    finish(graph, key, root)
    return key


def inspect(graph: Graph, ref: CommitRef) -> CommitInfo:
    with graph.snapshot() as tx:
        return commits.inspect(tx, ref)


def inspect_branch(graph: Graph, name: str, at: str = "master") -> BranchInfo:
    with graph.snapshot() as tx:
        return branches.inspect(tx, branch(name, at))


def listed(graph: Graph, name: str, **filters: object) -> list[CommitKey]:
    with graph.snapshot() as tx:
        return [info.key for info in commits.list_(tx, repo(name), **filters)]  # type: ignore[arg-type]


def ids(keys: Sequence[CommitKey]) -> list[str]:
    return [key.id for key in keys]


# -- repos and projects ----------------------------------------------------------------------------


def test_repos_are_made_once(graph: Graph) -> None:
    make_repos(graph, "images")
    with pytest.raises(RepoExists, match="repo default/images already exists"):
        make_repos(graph, "images")
    with graph.transaction() as gtx:
        repos.create(gtx, repo("images"), "photographs", update=True)
    with graph.snapshot() as tx:
        assert repos.inspect(tx, repo("images")).description == "photographs"
        assert [info.key for info in repos.list_(tx)] == [repo("images")]


@pytest.mark.parametrize("name", ["", "a b", "a/b", "é", "a.b", "a@b"])
def test_names_have_rules(graph: Graph, name: str) -> None:
    with pytest.raises(InvalidArgument, match="name"):
        make_repos(graph, name)
    make_repos(graph, "images")
    with pytest.raises(InvalidArgument, match="name"):
        start(graph, "images", name)


def test_a_branch_may_not_look_like_a_commit(graph: Graph) -> None:
    make_repos(graph, "images")
    with pytest.raises(InvalidArgument, match="looks like a commit id"):
        start(graph, "images", "0123456789ab4def0123456789abcdef")
    start(graph, "images", "0123456789ab5def0123456789abcdef")


def test_a_system_repo_needs_its_user_repo(graph: Graph) -> None:
    with pytest.raises(RepoNotFound), graph.transaction() as gtx:
        repos.create(gtx, repo("edges", "meta"))
    with graph.transaction() as gtx:
        repos.create(gtx, repo("edges"))
        repos.create(gtx, repo("edges", "meta"))
        repos.create(gtx, repo("edges", "spec"))
    with graph.snapshot() as tx:
        assert len(repos.list_(tx)) == 3
        assert [i.key.type for i in repos.list_(tx, type="meta")] == ["meta"]
    with graph.transaction() as gtx:
        assert repos.delete(gtx, repo("edges"))
    with graph.snapshot() as tx:
        assert repos.list_(tx) == []


def test_deleting_a_missing_repo_is_no_error(graph: Graph) -> None:
    with graph.transaction() as gtx:
        assert not repos.delete(gtx, repo("nothing"))


def test_a_pipeline_keeps_its_repo(graph: Graph) -> None:
    with graph.transaction() as gtx:
        repos.create(gtx, repo("edges"), owner_pipeline="edges")
    with (
        pytest.raises(RepoOwned, match="delete the pipeline instead"),
        graph.transaction() as gtx,
    ):
        repos.delete(gtx, repo("edges"), force=True)
    with graph.transaction() as gtx:
        assert repos.delete(gtx, repo("edges"), internal=True)


def test_a_repo_others_depend_on_goes_only_by_force(graph: Graph) -> None:
    make_repos(graph, "images", "edges")
    output(graph, "edges", "images")
    with pytest.raises(BranchInProvenance), graph.transaction() as gtx:
        repos.delete(gtx, repo("images"))
    with graph.transaction() as gtx:
        assert repos.delete(gtx, repo("images"), force=True)
    assert inspect_branch(graph, "edges").direct_provenance == ()
    assert inspect(graph, head_of("edges")).direct_provenance == ()


def test_the_size_of_a_repo_is_that_of_masters_last_finished_commit(graph: Graph) -> None:
    make_repos(graph, "images")
    commit(graph, "images", tree("four"))
    commit(graph, "images", tree("something else"), at="dev")
    key = start(graph, "images")
    with graph.snapshot() as tx:
        assert repos.inspect(tx, repo("images")).size_bytes == 4
    finish(graph, key, tree("much longer"), error="bad")
    with graph.snapshot() as tx:
        assert repos.inspect(tx, repo("images")).size_bytes == 4
        assert [b.name for b in repos.inspect(tx, repo("images")).branches] == ["dev", "master"]


def test_projects(graph: Graph) -> None:
    with graph.transaction() as gtx:
        projects.create(gtx, "lab", "a lab")
        repos.create(gtx, repo("images", project="lab"))
    with graph.snapshot() as tx:
        assert [info.name for info in projects.list_(tx)] == ["default", "lab"]
        assert [i.key.project for i in repos.list_(tx, projects=["lab"])] == ["lab"]
    with (
        pytest.raises(FailedPrecondition, match=r"cannot delete project lab: .*lab/images"),
        graph.transaction() as gtx,
    ):
        projects.delete(gtx, "lab")
    with graph.transaction() as gtx:
        projects.delete(gtx, "lab", force=True)
        projects.delete(gtx, "default", force=True)
    with graph.snapshot() as tx:
        assert [info.name for info in projects.list_(tx)] == ["default"]
        with pytest.raises(NotFound, match='project "lab" not found'):
            projects.inspect(tx, "lab")


# -- commits ---------------------------------------------------------------------------------------


def test_start_and_finish(graph: Graph) -> None:
    make_repos(graph, "images")
    first = start(graph, "images")
    info = inspect(graph, head_of("images"))
    assert info.key == first
    assert info.parent is None
    assert info.state == CommitState.READY
    assert info.root == EMPTY_DIR
    with pytest.raises(ParentNotFinished, match=r"parent commit .* has not been finished"):
        start(graph, "images")
    finish(graph, first, tree("one"))
    with pytest.raises(CommitFinished, match="has already finished"):
        finish(graph, first)
    second = start(graph, "images")
    info = inspect(graph, by_id(second))
    assert info.parent == first
    assert info.root == tree("one")
    assert inspect(graph, by_id(first)).children == (second,)
    assert listed(graph, "images") == [second, first]
    assert listed(graph, "images", reverse=True) == [first, second]
    assert listed(graph, "images", number=1) == [second]


def test_a_branch_name_may_come_as_an_id(graph: Graph) -> None:
    make_repos(graph, "images")
    key = commit(graph, "images")
    assert inspect(graph, CommitRef(repo("images"), id="master")).key == key
    with pytest.raises(BranchNotFound, match='branch "dev" not found in repo default/images'):
        inspect(graph, CommitRef(repo("images"), id="dev"))
    with pytest.raises(RepoNotFound):
        inspect(graph, head_of("nothing"))


def test_ancestry(graph: Graph) -> None:
    make_repos(graph, "images")
    keys = [commit(graph, "images") for _ in range(4)]
    for text, place in {
        "master^": 2,
        "master^^": 1,
        "master~3": 0,
        "master.1": 0,
        "master.4": 3,
        "master.3^1": 1,
        f"{keys[2].id}^": 1,
    }.items():
        assert inspect(graph, CommitRef(repo("images"), branch=text)).key == keys[place], text
    for text in ("master^4", "master.5"):
        with pytest.raises(NotFound, match="not found"):
            inspect(graph, CommitRef(repo("images"), id=text))


def test_listing_between(graph: Graph) -> None:
    make_repos(graph, "images")
    keys = [commit(graph, "images") for _ in range(4)]
    other = commit(graph, "images", at="dev")
    assert listed(graph, "images") == [other, *reversed(keys)]
    assert listed(graph, "images", to=head_of("images")) == keys[::-1]
    between = listed(graph, "images", from_=by_id(keys[0]), to=head_of("images", "master^"))
    assert between == [keys[2], keys[1]]
    with pytest.raises(InvalidArgument):
        listed(graph, "images", from_=by_id(keys[0]))
    with pytest.raises(RepoNotFound):
        listed(graph, "nothing")


def test_an_error_is_transparent_to_content(graph: Graph) -> None:
    make_repos(graph, "images")
    commit(graph, "images", tree("good"))
    bad = start(graph, "images")
    finish(graph, bad, tree("bad"), error="disk on fire")
    assert inspect(graph, by_id(bad)).error == "disk on fire"
    after = start(graph, "images")
    assert inspect(graph, by_id(after)).root == tree("good")
    assert inspect(graph, by_id(after)).parent == bad


def test_writing_is_compare_and_swap(graph: Graph) -> None:
    make_repos(graph, "images")
    key = start(graph, "images")
    with graph.transaction() as gtx:
        commits.set_root(gtx, key, tree("a"), EMPTY_DIR)
    with pytest.raises(Aborted), graph.transaction() as gtx:
        commits.set_root(gtx, key, tree("b"), EMPTY_DIR)
    with graph.transaction() as gtx:
        commits.clear(gtx, by_id(key))
    assert inspect(graph, by_id(key)).root == EMPTY_DIR
    finish(graph, key)
    with pytest.raises(CommitFinished), graph.transaction() as gtx:
        commits.set_root(gtx, key, tree("b"), EMPTY_DIR)
    with pytest.raises(FinishedCannotClear), graph.transaction() as gtx:
        commits.clear(gtx, by_id(key))


def test_one_commit_per_repo_and_transaction(graph: Graph) -> None:
    make_repos(graph, "images", "words")
    with graph.transaction() as gtx:
        commits.start(gtx, branch("images", "test"))
        with pytest.raises(InconsistentCommit):
            commits.start(gtx, branch("images", "dev"))
    with graph.transaction() as gtx:
        one = commits.start(gtx, branch("images"))
        two = commits.start(gtx, branch("words"))
    assert one.id == two.id


# -- propagation -----------------------------------------------------------------------------------


def test_a_commit_propagates_when_it_starts(graph: Graph) -> None:
    make_repos(graph, "images", "edges", "montage")
    output(graph, "edges", "images")
    output(graph, "montage", "images", "edges")
    for name in ("edges", "montage"):
        with graph.transaction() as gtx:
            commits.finish(gtx, head_of(name), root=tree(f"{name} of nothing"))
    key = start(graph, "images")
    edges, montage = inspect(graph, head_of("edges")), inspect(graph, head_of("montage"))
    assert edges.key.id == montage.key.id == key.id
    assert edges.direct_provenance == (key,)
    assert set(montage.direct_provenance) == {key, edges.key}
    assert inspect(graph, by_id(key)).direct_subvenance == (edges.key, montage.key)
    assert edges.origin == Origin.AUTO
    assert edges.state == CommitState.STARTED
    finish(graph, key)
    assert inspect(graph, head_of("edges")).state == CommitState.READY
    assert inspect(graph, head_of("montage")).state == CommitState.STARTED
    with pytest.raises(OutputBranch, match="cannot start a commit on an output branch"):
        start(graph, "edges")
    with graph.snapshot() as tx:
        names = [info.key.repo.name for info in commitsets.inspect(tx, key.id)]
    assert names == ["images", "edges", "montage"]


def test_a_new_output_branch_has_an_open_commit(graph: Graph) -> None:
    make_repos(graph, "images", "edges")
    output(graph, "edges", "images")
    first, made = inspect(graph, head_of("images")), inspect(graph, head_of("edges"))
    assert first.state == CommitState.FINISHED
    assert first.origin == Origin.AUTO
    assert first.key.id == made.key.id
    assert made.direct_provenance == (first.key,)
    assert made.root is None
    assert made.state == CommitState.READY


def test_the_same_provenance_again_changes_nothing(graph: Graph) -> None:
    make_repos(graph, "images", "edges")
    output(graph, "edges", "images")
    before = inspect(graph, head_of("edges")).key
    output(graph, "edges", "images")
    assert inspect(graph, head_of("edges")).key == before
    output(graph, "edges")
    assert inspect(graph, head_of("edges")).key == before
    output(graph, "edges", "images")
    after = inspect(graph, head_of("edges"))
    assert after.key != before
    assert after.parent == before


def test_open_commits_may_queue_on_an_output_branch(graph: Graph) -> None:
    make_repos(graph, "images", "edges")
    output(graph, "edges", "images")
    commit(graph, "images")
    commit(graph, "images")
    head = inspect(graph, head_of("edges"))
    assert head.parent is not None
    assert inspect(graph, by_id(head.parent)).state == CommitState.READY
    with pytest.raises(BaseCommitNotFinished, match=r"base commit .* unfinished"):
        finish(graph, head.key)
    with graph.snapshot() as tx, pytest.raises(BaseCommitNotFinished):
        commits.content(tx, by_id(head.key))
    finish(graph, head.key, error="killed")
    assert inspect(graph, by_id(head.key)).root is None


def test_an_unchanged_input_is_used_as_it_is(graph: Graph) -> None:
    make_repos(graph, "images", "models", "labels")
    output(graph, "labels", "images", "models")
    model = commit(graph, "models")
    image = commit(graph, "images")
    head = inspect(graph, head_of("labels"))
    assert set(head.direct_provenance) == {model, image}
    assert head.key.id == image.id
    # The set of the newer commit names the older one too.
    assert inspect(graph, CommitRef(repo("models"), id=image.id)).key == model
    with pytest.raises(CommitNotFound):
        inspect(graph, CommitRef(repo("images"), id=model.id[:12] + "4" + "0" * 19))


def test_never_propagate(graph: Graph) -> None:
    make_repos(graph, "images", "models", "labels")
    with graph.transaction() as gtx:
        branches.create(
            gtx,
            branch("labels"),
            provenance=[branch("images"), branch("models")],
            never=frozenset({branch("models")}),
        )
    before = inspect(graph, head_of("labels")).key
    model = commit(graph, "models")
    assert inspect(graph, head_of("labels")).key == before
    image = commit(graph, "images")
    assert set(inspect(graph, head_of("labels")).direct_provenance) == {image, model}
    assert inspect_branch(graph, "labels").never_propagate == {branch("models")}


def test_moving_a_head_sets_off_what_a_commit_would(graph: Graph) -> None:
    make_repos(graph, "images", "edges")
    with graph.transaction() as gtx:
        branches.create(gtx, branch("images", "prod"))
        branches.create(gtx, branch("edges"), provenance=[branch("images", "prod")])
    staged = commit(graph, "images", at="staging")
    before = inspect(graph, head_of("edges")).key
    with graph.transaction() as gtx:
        branches.create(gtx, branch("images", "prod"), head=head_of("images", "staging"))
    after = inspect(graph, head_of("edges"))
    assert after.direct_provenance == (staged,)
    assert after.parent == before
    assert after.key.id == staged.id
    # Back and forth: the set of the old commit is taken in `edges`, so a fresh one is made.
    later = commit(graph, "images", at="staging")
    for head in (later, staged):
        with graph.transaction() as gtx:
            branches.create(gtx, branch("images", "prod"), head=by_id(head))
    again = inspect(graph, head_of("edges"))
    assert again.direct_provenance == (staged,)
    assert again.key.id not in {staged.id, later.id}


def test_bad_provenance_changes_nothing(graph: Graph) -> None:
    make_repos(graph, "a", "b", "c")
    output(graph, "b", "a")
    output(graph, "c", "b")
    with pytest.raises(FailedPrecondition, match="cycle detected because"):
        output(graph, "a", "c")
    with pytest.raises(FailedPrecondition, match="own branch"):
        output(graph, "a", "a", at="other")
    with (
        pytest.raises(FailedPrecondition, match="multiple branches from the same repo"),
        graph.transaction() as gtx,
    ):
        branches.create(gtx, branch("c"), provenance=[branch("b"), branch("a", "other")])
    assert inspect_branch(graph, "a").provenance == ()
    assert inspect_branch(graph, "a").subvenance == (branch("b"), branch("c"))
    assert inspect_branch(graph, "c").provenance == (branch("a"), branch("b"))
    with graph.snapshot() as tx:
        assert [info.key.name for info in branches.list_(tx, repo("a"))] == ["master"]
        walked = [info.key for info in branches.walk_provenance(tx, [branch("c")])]
        nearest = [i.key for i in branches.walk_subvenance(tx, [branch("a")], max_depth=1)]
    assert walked == [branch("b"), branch("a")]
    assert nearest == [branch("b")]


def test_deleting_a_branch(graph: Graph) -> None:
    make_repos(graph, "images", "edges")
    key = commit(graph, "images")
    output(graph, "edges", "images")
    with (
        pytest.raises(BranchInProvenance, match="it's in the direct provenance of default/edges"),
        graph.transaction() as gtx,
    ):
        branches.delete(gtx, branch("images"))
    with graph.transaction() as gtx:
        branches.delete(gtx, branch("images"), force=True)
    assert inspect(graph, by_id(key)).branch == "master"
    assert inspect_branch(graph, "edges").direct_provenance == ()
    with pytest.raises(BranchNotFound), graph.transaction() as gtx:
        branches.delete(gtx, branch("images"))


def test_a_pipelines_output_is_its_own_to_wire(graph: Graph) -> None:
    make_repos(graph, "images", "other")
    with graph.transaction() as gtx:
        repos.create(gtx, repo("edges"), owner_pipeline="edges")
        wired = [branch("images")]
        branches.create(gtx, branch("edges"), provenance=wired, internal=True)
    key = inspect(graph, head_of("edges")).key
    for force in (False, True):
        with (
            pytest.raises(BranchOwned, match="stop or delete the pipeline"),
            graph.transaction() as gtx,
        ):
            branches.delete(gtx, branch("edges"), force=force)
    others: list[list[BranchKey]] = [[], [branch("other")], [*wired, branch("other")]]
    for provenance in others:
        with pytest.raises(BranchOwned, match="pipeline edges"), graph.transaction() as gtx:
            branches.create(gtx, branch("edges"), head=by_id(key), provenance=provenance)
    with pytest.raises(BranchOwned), graph.transaction() as gtx:
        branches.create(gtx, branch("edges", "mine"), provenance=wired)
    with graph.transaction() as gtx:
        branches.create(gtx, branch("edges"), provenance=wired)  # nothing new
        branches.create(gtx, branch("edges", "tag"), head=by_id(key), provenance=[])
    with graph.transaction() as gtx:
        branches.delete(gtx, branch("edges", "tag"))
        branches.create(gtx, branch("edges"), provenance=[], internal=True)  # it is stopped
    with graph.transaction() as gtx:
        branches.delete(gtx, branch("edges"))


def test_a_pipelines_output_is_its_own_to_finish(graph: Graph) -> None:
    make_repos(graph, "images")
    with graph.transaction() as gtx:
        repos.create(gtx, repo("edges"), owner_pipeline="edges")
        branches.create(gtx, branch("edges"), provenance=[branch("images")], internal=True)
    key = inspect(graph, head_of("edges")).key
    with pytest.raises(OutputCommitOfPipeline, match="use 'stop job' instead"):
        finish(graph, key)
    with graph.transaction() as gtx:
        commits.finish(gtx, by_id(key), root=tree("edges"), internal=True)
    assert inspect(graph, by_id(key)).root == tree("edges")


def test_hooks_see_what_was_made_and_finished(graph: Graph) -> None:
    made: list[list[str]] = []
    done: list[str] = []
    make_repos(graph, "images", "edges")
    output(graph, "edges", "images")
    graph.hooks.append(lambda gtx: made.append([key.repo.name for key in gtx.new_commits]))
    graph.finish_hooks.append(lambda _gtx, key: done.append(key.repo.name))
    commit(graph, "images")
    assert made == [["images", "edges"], []]
    assert done == ["images"]


def test_a_failing_hook_undoes_the_transaction(graph: Graph) -> None:
    make_repos(graph, "images")

    def fail(_gtx: object) -> None:
        raise KeyError("no")

    graph.hooks.append(fail)
    with pytest.raises(KeyError):
        start(graph, "images")
    graph.hooks.clear()
    assert listed(graph, "images") == []


def test_commit_sets_newest_first(graph: Graph) -> None:
    make_repos(graph, "images", "edges")
    output(graph, "edges", "images")
    keys = [commit(graph, "images") for _ in range(3)]
    with graph.snapshot() as tx:
        sets = list(commitsets.list_(tx))
        assert list(commitsets.list_(tx, project="nothing")) == []
        with pytest.raises(NotFound, match="no commits found for commitset"):
            commitsets.inspect(tx, "0" * 32)
    assert [each.id for each in sets][:3] == ids(keys)[::-1]
    assert len(sets) == 4
    assert [info.key.repo.name for info in sets[0].commits] == ["images", "edges"]


def test_output_made_before_its_input_moves_in_one_transaction(graph: Graph) -> None:
    make_repos(graph, "images", "edges", "montage")
    commit(graph, "images")
    with graph.transaction() as gtx:
        branches.create(gtx, branch("edges"), provenance=[branch("images")])
        branches.create(gtx, branch("montage"), provenance=[branch("edges")])
        key = commits.start(gtx, branch("images"))
    edges, montage = inspect(graph, head_of("edges")), inspect(graph, head_of("montage"))
    assert edges.direct_provenance == (key,)
    assert montage.direct_provenance == (edges.key,)
    with graph.snapshot() as tx:
        found = [info.key.repo.name for info in commitsets.inspect(tx, key.id)]
    assert found == ["images", "edges", "montage"]
