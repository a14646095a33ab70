"""Random histories of the version graph, step by step against a model of dicts.

After every step the whole graph is compared with the model and with the invariants that
docs/invariants.md states, on both databases; closing and opening the database is a step like any
other.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from dassie.base.clock import ManualClock
from dassie.base.hashing import digest
from dassie.meta.database import Database
from dassie.meta.migrate import migrate
from dassie.meta.transaction import Tx
from dassie.pfs import branches, commits, commitsets, errors, projects, repos
from dassie.pfs.check import problems
from dassie.pfs.graph import Graph, GraphTx
from dassie.pfs.model import BranchKey, CommitInfo, CommitKey, CommitRef, CommitState, RepoKey
from dassie.storage.types import EMPTY_DIR, Dir
from tests.pfs.graph_model import Commit, Model

REPOS = [RepoKey("default", name) for name in "abcd"]
BRANCHES = [BranchKey(repo, name) for repo in REPOS for name in ("master", "dev")]
LATEST = 4
"""Of how many commits and sets the content is compared after each step."""
ROOTS = [Dir(digest(b"%d" % n), digest(b"node %d" % n), n, 1) for n in range(1, 4)]

some_repo = st.sampled_from(REPOS)
some_branch = st.sampled_from(BRANCHES)
some_root = st.none() | st.sampled_from(ROOTS)
some_number = st.integers(0, 1000)
seldom = st.integers(0, 9).map(lambda number: number == 0)
often = st.integers(0, 9).map(lambda number: number != 0)
some_error = seldom.map(lambda bad: "broken" if bad else "")


@st.composite
def dag_edges(draw: st.DrawFn) -> tuple[BranchKey, dict[BranchKey, bool]]:
    """A branch and its provenance, mostly such that repos come in the order of their names and take
    part with one branch: at random nearly everything would be refused."""
    place = draw(st.integers(1, len(REPOS) - 1))
    name = "dev" if draw(seldom) else "master"
    above = st.sampled_from([BranchKey(repo, name) for repo in REPOS[:place]])
    upstream = above if draw(often) else some_branch
    provenance = draw(st.dictionaries(upstream, st.sampled_from([False, False, True]), max_size=3))
    return BranchKey(REPOS[place], "master"), provenance


class GraphMachine(RuleBasedStateMachine):
    """Does the same to the graph and to the model."""

    url = ""

    def __init__(self) -> None:
        super().__init__()
        self.clock = ManualClock()
        self.model = Model()
        self.seen: dict[CommitKey, CommitState] = {}
        self.open()

    def open(self) -> None:
        self.db = Database.open(self.url, clock=self.clock)
        migrate(self.db)
        self.graph = Graph(self.db, self.clock)

    def teardown(self) -> None:
        self.db.close()

    @initialize()
    def clean(self) -> None:
        with self.graph.transaction() as gtx:
            projects.delete_all(gtx)
        with self.graph.transaction() as gtx:
            for repo in REPOS:
                repos.create(gtx, repo)
        self.model.repos = set(REPOS)

    def step(
        self,
        act: Callable[[GraphTx], Any],
        wrong: set[type[Exception]],
        apply: Callable[[], None],
    ) -> None:
        """Act; the errors must be those that the model calls for, or none and the model acts."""
        self.clock.advance(1)
        self.model.set_id = ""
        if wrong:
            with pytest.raises(tuple(wrong)), self.graph.transaction() as gtx:
                act(gtx)
            return
        with self.graph.transaction() as gtx:
            act(gtx)
        made = {key.id for key in gtx.new_commits}
        assert len(made) <= 1
        self.model.set_id = made.pop() if made else ""
        apply()
        assert {key.id for key in self.model.commits} >= ({self.model.set_id} - {""})

    @rule(repo=some_repo, really=seldom, force=often)
    def make_or_delete_repo(self, repo: RepoKey, really: bool, force: bool) -> None:
        if repo not in self.model.repos:
            add = self.model.repos.add
            self.step(lambda gtx: repos.create(gtx, repo), set(), lambda: add(repo))
        elif really:
            self.step(
                lambda gtx: repos.delete(gtx, repo, force=force),
                self.model.wrong_delete_repo(repo, force=force),
                lambda: self.model.delete_repo(repo),
            )

    @rule(branch=some_branch, roots=st.lists(some_root, min_size=1, max_size=3), error=some_error)
    def commit(self, branch: BranchKey, roots: list[Dir | None], error: str) -> None:
        """What users do most: start and finish, several times."""
        for root in roots:
            self.start(branch)
            if self.model.set_id:
                self.finish_commit(CommitKey(branch.repo, self.model.set_id), root, error)

    @rule(branch=some_branch)
    def start(self, branch: BranchKey) -> None:
        self.step(
            lambda gtx: commits.start(gtx, branch),
            self.model.wrong_start(branch),
            lambda: self.model.start(branch),
        )

    @precondition(lambda self: self.model.commits)
    @rule(number=some_number, root=some_root, error=some_error, fair=often)
    def finish(self, number: int, root: Dir | None, error: str, fair: bool) -> None:
        unfinished = [key for key in self.model.commits if self.model.is_open(key)]
        key = self.pick(number, unfinished if fair and unfinished else self.model.commits)
        self.finish_commit(key, root, error)

    @rule(root=st.sampled_from(ROOTS))
    def finish_everything(self, root: Dir) -> None:
        """As pipelines do after a while."""
        for key in [key for key in self.model.commits if self.model.is_open(key)]:
            self.finish_commit(key, root, "")

    def finish_commit(self, key: CommitKey, root: Dir | None, error: str) -> None:
        self.step(
            lambda gtx: commits.finish(gtx, _ref(key), root=root, error=error),
            self.model.wrong_finish(key, root, error),
            lambda: self.model.finish(key, root, error),
        )

    @precondition(lambda self: self.model.commits)
    @rule(number=some_number, root=st.sampled_from(ROOTS))
    def write(self, number: int, root: Dir) -> None:
        key = self.pick(number, self.model.commits)
        now = self.model.content(key)
        wrong: set[type[Exception]] = set()
        if not self.model.is_open(key):
            wrong = {errors.CommitFinished}
        elif now is None:
            wrong = {errors.BaseCommitNotFinished}

        def apply() -> None:
            self.model.commits[key].root = root

        self.step(
            lambda gtx: commits.set_root(gtx, key, root, now or EMPTY_DIR),
            wrong,
            apply,
        )

    @rule(wanted=dag_edges())
    def set_provenance(self, wanted: tuple[BranchKey, dict[BranchKey, bool]]) -> None:
        branch, provenance = wanted
        self.step(
            lambda gtx: branches.create(
                gtx,
                branch,
                provenance=list(provenance),
                never={up for up, never in provenance.items() if never},
            ),
            self.model.wrong_branch(branch, provenance, None),
            lambda: self.model.create_branch(branch, provenance, None),
        )

    @precondition(lambda self: self.model.commits)
    @rule(branch=some_branch, number=some_number, fresh=st.booleans(), fair=often)
    def move_head(self, branch: BranchKey, number: int, fresh: bool, fair: bool) -> None:
        own = [key for key in self.model.commits if key.repo == branch.repo]
        head = self.pick(number, own if fair and own else self.model.commits)
        self.step(
            lambda gtx: branches.create(gtx, branch, head=_ref(head), new_commit_set=fresh),
            self.model.wrong_branch(branch, None, head),
            lambda: self.model.create_branch(branch, None, head),
        )
        if fresh and self.model.set_id:
            assert self.model.set_id != head.id

    @rule(branch=some_branch, force=seldom)
    def delete_branch(self, branch: BranchKey, force: bool) -> None:
        self.step(
            lambda gtx: branches.delete(gtx, branch, force=force),
            self.model.wrong_delete_branch(branch, force=force),
            lambda: self.model.delete_branch(branch),
        )

    @rule()
    def reopen(self) -> None:
        self.db.close()
        self.open()

    def pick(self, number: int, keys: Any) -> CommitKey:
        chosen: CommitKey = list(keys)[-1 - number % len(keys)]
        return chosen

    @invariant()
    def agrees(self) -> None:
        with self.graph.snapshot() as tx:
            assert list(problems(tx)) == []
            assert {info.key for info in repos.list_(tx)} == self.model.repos
            for repo in self.model.repos:
                self._compare_branches(tx, repo)
                self._compare_commits(tx, repo)
            self._compare_sets(tx)

    def _compare_branches(self, tx: Tx, repo: RepoKey) -> None:
        infos = {info.key: info for info in branches.list_(tx, repo)}
        assert set(infos) == set(self.model.of_repo(repo))
        for key, info in infos.items():
            branch = self.model.branches[key]
            assert info.head == branch.head
            assert set(info.direct_provenance) == set(branch.provenance)
            assert info.never_propagate == {up for up, never in branch.provenance.items() if never}
            assert set(info.provenance) == self.model.upstream(key)
            assert set(info.subvenance) == self.model.downstream(key)

    def _compare_commits(self, tx: Tx, repo: RepoKey) -> None:
        infos = list(commits.list_(tx, repo))
        wanted = {key: c for key, c in self.model.commits.items() if key.repo == repo}
        assert [info.key for info in infos] == list(reversed(wanted))
        for info in infos:
            self._compare_commit(info, wanted[info.key])
        for info in infos[:LATEST]:
            content = self.model.content(info.key)
            if content is None:
                with pytest.raises(errors.BaseCommitNotFinished):
                    commits.content(tx, _ref(info.key))
            else:
                assert commits.content(tx, _ref(info.key)) == (info.key, content)

    def _compare_commit(self, info: CommitInfo, commit: Commit) -> None:
        assert (info.branch, info.parent, info.origin) == (
            commit.branch,
            commit.parent,
            commit.origin,
        )
        assert (info.root, info.error) == (commit.root, commit.error)
        assert set(info.direct_provenance) == commit.provenance
        assert set(info.children) == self.model.children(info.key)
        assert set(info.direct_subvenance) == {
            key for key, other in self.model.commits.items() if info.key in other.provenance
        }
        ready = not any(self.model.is_open(up) for up in commit.provenance)
        state = CommitState.READY if ready else CommitState.STARTED
        assert info.state == (CommitState.FINISHED if commit.finished else state)
        # States never move backwards, but for provenance that was deleted by force.
        assert info.state >= min(self.seen.get(info.key, CommitState.STARTED), CommitState.FINISHED)
        self.seen[info.key] = info.state

    def _compare_sets(self, tx: Tx) -> None:
        found = {each.id: each for each in commitsets.list_(tx)}
        assert set(found) == {key.id for key in self.model.commits}
        for set_id, each in found.items():
            own = {key for key in self.model.commits if key.id == set_id}
            assert {info.key for info in each.commits} == own
        for set_id in list(found)[:LATEST]:
            own = {key for key in self.model.commits if key.id == set_id}
            cover = [info.key for info in commitsets.inspect(tx, set_id)]
            assert set(cover) == self._cover(own)
            for place, key in enumerate(cover):
                assert self.model.commits[key].provenance <= set(cover[:place])

    def _cover(self, keys: set[CommitKey]) -> set[CommitKey]:
        found = set(keys)
        for key in keys:
            found |= self._cover(self.model.commits[key].provenance)
        return found


def _ref(key: CommitKey) -> CommitRef:
    return CommitRef(key.repo, id=key.id)


def test_random_histories(backend: str, database_url: str) -> None:
    machine = type("Machine", (GraphMachine,), {"url": database_url})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=20 if backend == "sqlite" else 6,
            stateful_step_count=30,
            deadline=None,
            # A step is a few transactions: shrinking takes minutes. Add it to look at a failure.
            phases=[Phase.explicit, Phase.reuse, Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )
