"""Random histories of repos, branches, commits, files and file sets against a model of dicts, with
restarts, crashes, failing calls and the collector as steps like any other.

After every step the content of finished commits is what the model says and fsck is clean.
`DASSIE_MODEL_EXAMPLES` and `DASSIE_MODEL_STEPS` make it longer than in `make test`;
`DASSIE_MODEL_SHRINK` looks for the shortest history that fails, which takes minutes.
"""

from __future__ import annotations

import os
import random
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

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

from dassie.blob.drivers.folder import FolderStore
from dassie.errors import DassieError
from dassie.pfs import branches, commits, repos
from dassie.pfs.errors import CommitFinished, OutputBranch, ParentNotFinished
from dassie.pfs.model import BranchKey, CommitKey, CommitRef, CommitState, RepoKey
from dassie.pfs.modification import Modification
from dassie.pfs.views import FILE_SETS_REPO, FileSetNotFound
from dassie.storage.types import EMPTY_DIR, Content, Dir, Put
from tests.crash.machine import Died, Fault, Kind, Machine

EXAMPLES = int(os.environ.get("DASSIE_MODEL_EXAMPLES", "25"))
STEPS = int(os.environ.get("DASSIE_MODEL_STEPS", "40"))
SHRINK = bool(os.environ.get("DASSIE_MODEL_SHRINK"))

Files = dict[str, bytes]

INPUTS = [RepoKey("default", name) for name in ("a", "b")]
OUTPUT = BranchKey(RepoKey("default", "out"), "master")
BRANCHES = [BranchKey(repo, name) for repo in INPUTS for name in ("master", "dev")]
PATHS = ["/x", "/y", "/d/x", "/d/y", "/d/e/x", "/d/e/z", "/é/x"]
FOLDERS = ["/d", "/d/e", "/é", "/"]
MISSING = "/nowhere"

paths = st.sampled_from(PATHS)
sizes = st.sampled_from([0, 1, 100, 5000, 300_000, 700_000])
contents = st.tuples(sizes, st.integers(0, 3))
some_branch = st.sampled_from(BRANCHES)
number = st.integers(0, 1 << 16)


@cache
def data(size: int, variant: int) -> bytes:
    """Incompressible; the same prefix in all sizes of a variant."""
    return random.Random(variant).randbytes(size)


@dataclass(frozen=True)
class Edit:
    """One message of a write stream. `what`: put, append, delete, or copy from another commit."""

    what: str
    path: str
    size: int = 0
    variant: int = 0


edits = st.lists(
    st.one_of(
        st.builds(Edit, st.sampled_from(["put", "put", "append"]), paths, sizes, st.integers(0, 3)),
        st.builds(Edit, st.just("delete"), st.sampled_from([*PATHS, *FOLDERS[:3], MISSING])),
        st.builds(Edit, st.just("delete folder"), st.sampled_from(FOLDERS)),
        st.builds(Edit, st.just("copy"), st.sampled_from([*PATHS[:2], *FOLDERS[:2]])),
    ),
    max_size=5,
)


@dataclass
class Commit:
    """content: `None` for an open output commit."""

    content: Files | None
    finished: bool = False
    root: Dir | None = None
    """As it was found when it was finished: it may never change."""


@dataclass
class Model:
    heads: dict[BranchKey, CommitKey] = field(default_factory=dict)
    commits: dict[CommitKey, Commit] = field(default_factory=dict)
    provenance: frozenset[BranchKey] = frozenset()
    """Of the output branch."""
    file_sets: dict[str, Files] = field(default_factory=dict)

    def finished(self) -> list[CommitKey]:
        return [key for key, commit in self.commits.items() if commit.finished]

    def head(self, branch: BranchKey) -> Commit | None:
        return self.commits[self.heads[branch]] if branch in self.heads else None


class Versions(RuleBasedStateMachine):
    """Does the same to a server and to the model."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="dassie-model-"))
        self.server = Machine(self.folder, FolderStore(self.folder / "objects", fsync=False))
        self.model = Model()

    def teardown(self) -> None:
        try:
            for key in self.model.finished():
                assert self.server.tree(ref(key)) == self.model.commits[key].content
            self.server.collect_all()
            self.check_roots()
            assert self.server.problems() == []
        finally:
            self.server.close()
            shutil.rmtree(self.folder)

    @initialize()
    def begin(self) -> None:
        for repo in INPUTS:
            self.create_repo(repo)

    # -- repos and branches ------------------------------------------------------------------

    def create_repo(self, repo: RepoKey) -> None:
        branch = BranchKey(repo, "master")
        with self.server.graph.transaction() as gtx:
            repos.create(gtx, repo)
            branches.create(gtx, branch)
        self.follow(branch, Commit({}, finished=True))

    @rule(repo=st.sampled_from(INPUTS))
    def recreate_repo(self, repo: RepoKey) -> None:
        """Delete it with everything in it; make it anew, empty."""
        used = any(branch.repo == repo for branch in self.model.provenance)
        try:
            with self.server.graph.transaction() as gtx:
                repos.delete(gtx, repo)
        except DassieError:
            assert used
            return
        assert not used
        model = self.model
        model.heads = {b: key for b, key in model.heads.items() if b.repo != repo}
        model.commits = {key: c for key, c in model.commits.items() if key.repo != repo}
        self.create_repo(repo)

    @rule(branch=some_branch)
    def delete_branch(self, branch: BranchKey) -> None:
        """Its commits stay."""
        if branch not in self.model.heads or branch.name == "master":
            return
        if branch in self.model.provenance:
            return
        with self.server.graph.transaction() as gtx:
            branches.delete(gtx, branch)
        del self.model.heads[branch]

    @rule(branch=some_branch, which=number)
    def move_branch(self, branch: BranchKey, which: int) -> None:
        """Let its head be an old commit of the repo."""
        old = [key for key in self.model.finished() if key.repo == branch.repo]
        key = old[which % len(old)]
        with self.server.graph.transaction() as gtx:
            branches.create(gtx, branch, head=ref(key))
        moved = self.model.heads.get(branch) != key
        self.model.heads[branch] = key
        if moved:
            self.propagate(branch)

    @rule(provenance=st.frozensets(st.sampled_from([BRANCHES[0], BRANCHES[2]])))
    def rewire_output(self, provenance: frozenset[BranchKey]) -> None:
        """Change what the output branch depends on."""
        with self.server.graph.transaction() as gtx:
            repos.create(gtx, OUTPUT.repo, update=OUTPUT in self.model.heads)
            branches.create(gtx, OUTPUT, provenance=sorted(provenance))
        known = OUTPUT in self.model.heads
        if provenance and provenance != self.model.provenance:
            self.follow(OUTPUT, Commit(None))
        elif not known:
            self.follow(OUTPUT, Commit({}, finished=True))
        self.model.provenance = provenance

    def propagate(self, changed: BranchKey) -> None:
        if changed in self.model.provenance:
            self.follow(OUTPUT, Commit(None))

    def follow(self, branch: BranchKey, commit: Commit) -> None:
        """A commit that was made on `branch`, whose id the server chose."""
        with self.server.graph.snapshot() as tx:
            key = branches.inspect(tx, branch).head
        assert key not in self.model.commits
        self.model.heads[branch] = key
        self.model.commits[key] = commit
        if commit.finished:
            self.remember(key)

    def remember(self, key: CommitKey) -> None:
        commit = self.model.commits[key]
        commit.finished = True
        with self.server.graph.snapshot() as tx:
            commit.root = commits.content(tx, ref(key))[1]

    # -- commits -----------------------------------------------------------------------------

    @rule(branch=some_branch | st.just(OUTPUT))
    def start(self, branch: BranchKey) -> None:
        if branch == OUTPUT and OUTPUT not in self.model.heads:
            return
        head = self.model.head(branch)
        is_output = branch == OUTPUT and bool(self.model.provenance)
        try:
            with self.server.graph.transaction() as gtx:
                commits.start(gtx, branch)
        except OutputBranch:
            assert is_output
            return
        except ParentNotFinished:
            assert head is not None
            assert not head.finished
            return
        assert not is_output
        assert head is None or head.finished
        self.follow(branch, Commit(dict(head.content or {}) if head else {}))
        self.propagate(branch)

    @rule(branch=some_branch)
    def finish(self, branch: BranchKey) -> None:
        head = self.model.head(branch)
        if head is None:
            return
        try:
            with self.server.graph.transaction() as gtx:
                commits.finish(gtx, ref(self.model.heads[branch]))
        except CommitFinished:
            assert head.finished
            return
        assert not head.finished
        self.remember(self.model.heads[branch])

    @precondition(lambda self: self.open_outputs())
    @rule(which=number)
    def finish_output(self, which: int) -> None:
        """As a job does: with content that is computed from elsewhere."""
        key = self.open_outputs()[which % len(self.open_outputs())]
        files = {f"/{which % 7}": data(300_000, which % 3), "/count": b"%d" % which}
        with self.server.storage.session() as upload:
            root = upload.edit(
                EMPTY_DIR, [Put(path, upload.put(content)) for path, content in files.items()]
            )
            upload.flush()
            with self.server.graph.transaction() as gtx:
                upload.publish(gtx.tx)
                commits.finish(gtx, ref(key), root=root, internal=True)
        self.model.commits[key].content = files
        self.remember(key)

    def open_outputs(self) -> list[CommitKey]:
        return [key for key, commit in self.model.commits.items() if commit.content is None]

    # -- files -------------------------------------------------------------------------------

    @rule(branch=some_branch, stream=edits, which=number)
    def write(self, branch: BranchKey, stream: list[Edit], which: int) -> None:
        """Into the open head, or as a commit of its own."""
        source = self.source(which)
        with self.server.files.modify(branch_ref(branch)) as change:
            self.send(change, stream, source)
        self.written(branch, self.after(branch, stream, source))

    @rule(
        branch=some_branch,
        stream=edits,
        which=number,
        n=st.integers(1, 30),
        kind=st.sampled_from(Kind),
        inject=st.sampled_from([Machine.store_fails, Machine.database_fails]),
    )
    def write_in_trouble(
        self,
        branch: BranchKey,
        stream: list[Edit],
        which: int,
        n: int,
        kind: Kind,
        inject: Callable[..., Iterator[None]],
    ) -> None:
        """A call on the way fails, or the server dies: all of it is there then, or nothing."""
        source = self.source(which)
        after = self.after(branch, stream, source)
        before = self.model.heads.get(branch)
        fault = Fault(n if inject is Machine.database_fails else n % 6, kind)
        try:
            with inject(self.server, fault), self.server.files.modify(branch_ref(branch)) as change:
                self.send(change, stream, source)
        except DassieError:
            pass
        except Died:
            self.server.restart()
        else:
            self.written(branch, after)
            return
        with self.server.graph.snapshot() as tx:
            found = [info.key.name for info in branches.list_(tx, branch.repo)]
            now = branches.inspect(tx, branch).head if branch.name in found else None
        if now != before:
            self.written(branch, after)
        elif now is not None and not self.model.commits[now].finished:
            seen = self.server.tree(ref(now))
            assert seen in (self.model.commits[now].content, after)
            self.model.commits[now].content = seen

    @rule(branch=some_branch, stream=edits, which=number, crash=st.booleans())
    def write_cut_short(
        self, branch: BranchKey, stream: list[Edit], which: int, crash: bool
    ) -> None:
        """The client vanishes, or the server dies, before the stream's end; what came is stored."""
        with suppress(Cut), self.server.files.modify(branch_ref(branch)) as change:
            self.send(change, stream, self.source(which))
            change.upload.flush()
            raise Cut
        if crash:
            self.server.restart()

    def source(self, which: int) -> CommitKey | None:
        """A finished commit to copy from."""
        found = self.model.finished()
        return found[which % len(found)] if found else None

    def send(self, change: Modification, stream: list[Edit], source: CommitKey | None) -> None:
        for edit in stream:
            if edit.what == "put":
                change.delete(edit.path)
            if edit.what in ("put", "append"):
                change.add(edit.path, data(edit.size, edit.variant))
            elif edit.what.startswith("delete"):
                folder = edit.what == "delete folder"
                change.delete(edit.path.rstrip("/") + "/" if folder else edit.path)
            elif source is not None and self.copied(source, edit.path):
                change.copy(edit.path, ref(source), edit.path)

    def copied(self, source: CommitKey, path: str) -> Files:
        """What a copy of `path` consists of."""
        content = self.model.commits[source].content or {}
        return {p: c for p, c in content.items() if p == path or p.startswith(path + "/")}

    def after(self, branch: BranchKey, stream: list[Edit], source: CommitKey | None) -> Files:
        """The content of the branch after the stream."""
        head = self.model.head(branch)
        files = dict(head.content or {}) if head else {}
        for edit in stream:
            if edit.what == "put":
                files[edit.path] = data(edit.size, edit.variant)
            elif edit.what == "append":
                files[edit.path] = files.get(edit.path, b"") + data(edit.size, edit.variant)
            elif edit.what.startswith("delete"):
                below = edit.path.rstrip("/") + "/"
                gone = {path for path in files if path.startswith(below)} | {edit.path}
                files = {path: content for path, content in files.items() if path not in gone}
            elif source is not None:
                files.update(self.copied(source, edit.path))
        return files

    def written(self, branch: BranchKey, files: Files) -> None:
        head = self.model.head(branch)
        if head is not None and not head.finished:
            head.content = files
        else:
            self.follow(branch, Commit(files, finished=True))
            self.propagate(branch)

    # -- reading -----------------------------------------------------------------------------

    @rule(which=number)
    def read_any_commit(self, which: int) -> None:
        key = self.source(which)
        if key is not None:
            assert self.server.tree(ref(key)) == self.model.commits[key].content

    @rule(which=number, other=number, shallow=st.booleans())
    def diff(self, which: int, other: int, shallow: bool) -> None:
        new, old = self.source(which), self.source(other)
        if new is None or old is None:
            return
        found = {}
        for was, now in self.server.files.diff(ref(new), "/", ref(old), "/", shallow=shallow):
            for side, info in enumerate((was, now)):
                if info is not None and isinstance(info.entry.node, Content):
                    found.setdefault(info.entry.path, [None, None])[side] = info.entry.hash
        olds, news = self.model.commits[old].content or {}, self.model.commits[new].content or {}
        changed = {p for p in olds.keys() | news.keys() if olds.get(p) != news.get(p)}
        if not shallow:
            assert found.keys() == changed
        for path, sides in found.items():
            assert [side is not None for side in sides] == [path in olds, path in news]

    # -- file sets ---------------------------------------------------------------------------

    @rule(stream=edits)
    def make_file_set(self, stream: list[Edit]) -> None:
        added = {e.path: data(e.size, e.variant) for e in stream if e.what == "put"}
        with self.server.file_sets.create(1800) as change:
            for path, content in added.items():
                change.add(path, content)
        assert change.commit is not None
        self.model.file_sets[change.commit.id] = added

    @rule(which=number)
    def take_commit_as_file_set(self, which: int) -> None:
        key = self.source(which)
        if key is not None:
            id_ = self.server.file_sets.get(ref(key), ttl_s=1800)
            self.model.file_sets[id_] = dict(self.model.commits[key].content or {})

    @precondition(lambda self: self.model.file_sets)
    @rule(which=number, branch=some_branch)
    def read_or_add_file_set(self, which: int, branch: BranchKey) -> None:
        sets = self.model.file_sets
        id_ = list(sets)[which % len(sets)]
        assert file_set(self.server, id_) == sets[id_]
        head = self.model.head(branch)
        if head is not None and not head.finished:
            self.server.file_sets.add(branch_ref(branch), id_)
            head.content = {**(head.content or {}), **sets[id_]}

    # -- what happens to servers -------------------------------------------------------------

    @rule()
    def stop_and_start(self) -> None:
        self.server.close()
        self.server.open()

    @rule()
    def crash(self) -> None:
        self.server.restart()

    @rule()
    def lose_database(self) -> None:
        """All but file sets is in the journal and the packs."""
        self.server.close()
        for file in self.folder.glob("meta.db*"):
            file.unlink()
        self.server.open()
        self.model.file_sets.clear()

    @rule(seconds=st.sampled_from([1, 700, 4000, 8000]))
    def collect(self, seconds: int) -> None:
        """Some time later the collector runs."""
        self.server.clock.advance(seconds)
        self.server.sessions.renew()
        self.server.file_sets.sweep()
        self.server.collect()
        if seconds > 1800:
            for id_ in self.model.file_sets:
                with pytest.raises(FileSetNotFound):
                    file_set(self.server, id_)
        if seconds >= 700:
            self.model.file_sets.clear()

    @rule(n=st.integers(1, 60), kind=st.sampled_from(Kind), seconds=st.sampled_from([1, 8000]))
    def collect_in_trouble(self, n: int, kind: Kind, seconds: int) -> None:
        self.server.clock.advance(seconds)
        self.model.file_sets.clear()
        try:
            store, database = Fault(n % 20, kind), Fault(n, kind)
            with self.server.store_fails(store), self.server.database_fails(database):
                self.server.sessions.renew()
                self.server.collect()
        except DassieError:
            pass
        except Died:
            self.server.restart()

    # -- always ------------------------------------------------------------------------------

    @invariant()
    def check_roots(self) -> None:
        """No finished commit has another root; heads are where they should be."""
        with self.server.graph.snapshot() as tx:
            for key, commit in self.model.commits.items():
                info = commits.inspect(tx, ref(key))
                assert (info.state == CommitState.FINISHED) == commit.finished
                if commit.finished:
                    assert info.root == commit.root
            for branch, key in self.model.heads.items():
                assert branches.inspect(tx, branch).head == key

    @invariant()
    def check_heads(self) -> None:
        """The heads have the content that they should have."""
        for branch, key in self.model.heads.items():
            content = self.model.commits[key].content
            if content is not None and branch != OUTPUT:
                assert self.server.tree(ref(key)) == content

    @invariant()
    def check_storage(self) -> None:
        assert self.server.problems() == []


class Cut(Exception):
    """The client has gone away."""


def ref(key: CommitKey) -> CommitRef:
    return CommitRef(key.repo, id=key.id)


def branch_ref(branch: BranchKey) -> CommitRef:
    return CommitRef(branch.repo, branch=branch.name)


def file_set(server: Machine, id_: str) -> Files:
    _, entries = server.files.walk(CommitRef(FILE_SETS_REPO, id=id_), "/")
    files = [(e.path, e.node) for e in entries if isinstance(e.node, Content)]
    read = server.storage.read_many([node for _, node in files])
    return dict(zip([path for path, _ in files], read, strict=True))


@pytest.mark.slow
def test_histories() -> None:
    run_state_machine_as_test(
        Versions,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            print_blob=True,
            phases=[phase for phase in Phase if SHRINK or phase is not Phase.shrink],
        ),
    )
