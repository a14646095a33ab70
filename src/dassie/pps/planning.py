"""What a job has to do: which datums to process, which to remove, and what it starts from.

The scheduler calls `Planner.plan` once a job's input commits are finished, and stores the answer in
rows; from then on the rows say everything, and a restart goes on from them. Where the base job has
the same shape only what changed in the inputs is looked at, so that planning costs O(changed
datums); otherwise the datums are enumerated. Nothing here runs or finishes anything.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any, Final, TypeVar

from dassie.base.glob import Glob
from dassie.errors import NotFound
from dassie.meta.database import Database, Tx
from dassie.pfs import commits
from dassie.pfs.model import CommitInfo, CommitKey, CommitRef, CommitState, Origin, RepoKey
from dassie.pps import explain, inputs, jobs, pipelines
from dassie.pps.datums import (
    META_DIR,
    DatumInputs,
    DatumRecord,
    Why,
    datum_hash,
    datum_id,
    encode_inputs,
    record_path,
)
from dassie.pps.model import JobInfo, JobKey
from dassie.pps.spec import PfsInput, Spec, same_shape
from dassie.pps.states import DatumState
from dassie.pps.tables import PROCESS, REMOVE
from dassie.storage.store import Storage
from dassie.storage.types import EMPTY_DIR, Content, Dir, Entry

RECOVERED_DIR: Final = "/recovered"
"""In a meta commit: one empty file per datum that err_cmd recovered, named by its id. They have to
be processed again though nothing changed, and must be found without reading every record."""

_BATCH: Final = 500
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Base:
    """The job whose result another one starts from."""

    job: JobInfo
    output: Dir
    meta: Dir
    spec: Spec
    inputs: Mapping[RepoKey, tuple[str, Dir]]


@dataclass(frozen=True, slots=True)
class Source:
    """What a job reads: for each input repo the commit's id and content; and its base."""

    inputs: Mapping[RepoKey, tuple[str, Dir]]
    base: Base | None


@dataclass(frozen=True, slots=True)
class Task:
    """One row of `datum_tasks`: a datum to process, or to remove."""

    kind: int
    in_base: bool
    id: str
    hash: str = ""
    inputs: DatumInputs = ()
    why: Why = field(default=Why())

    def row(self, seq: int, ordinal: int) -> dict[str, Any]:
        why = self.why
        return {
            "job_seq": seq,
            "ordinal": ordinal,
            "kind": self.kind,
            "in_base": self.in_base,
            "datum_id": self.id,
            "datum_hash": self.hash,
            "inputs": encode_inputs(self.inputs),
            "why": json.dumps([why.decision, list(why.changed), why.previous_job]),
            "state": int(DatumState.UNKNOWN),
            "attempt": 0,
            "result": None,
        }


@dataclass(slots=True)
class Plan:
    """Tasks, to be consumed once; afterwards `process`, `total` and `skipped` are right.

    `start` is the base whose trees the job's result is made from; `None`: from nothing.
    """

    start: Base | None
    tasks: Iterable[Task]
    total: int = 0
    process: int = 0

    def __iter__(self) -> Iterator[Task]:
        for task in self.tasks:
            if task.kind == PROCESS:
                self.process += 1
            yield task

    @property
    def skipped(self) -> int:
        return self.total - self.process


class CommitLister:
    """The input commits of a job, as the input algebra sees them."""

    def __init__(self, storage: Storage, commits_: Mapping[RepoKey, tuple[str, Dir]]) -> None:
        self._trees = storage.tree
        self._commits = commits_

    def commit(self, leaf: PfsInput) -> str:
        return self._commits[leaf.branch_key.repo][0]

    def root(self, leaf: PfsInput) -> Dir:
        return self._commits[leaf.branch_key.repo][1]

    def glob(self, leaf: PfsInput) -> Iterator[Entry]:
        root = self.root(leaf)
        if root.files:
            yield from self._trees.glob(root, Glob.parse(leaf.glob))

    def lookup(self, leaf: PfsInput, path: str) -> Entry | None:
        root = self.root(leaf)
        return self._trees.lookup(root, path) if root.files else None


class Planner:
    """Plans jobs. Reads the graph and the object store; writes nothing."""

    def __init__(self, db: Database, storage: Storage) -> None:
        self._db = db
        self._storage = storage

    def source(self, job: JobInfo) -> Source:
        """What the job reads and starts from. Its input commits must be finished."""
        with self._db.read() as tx:
            output = commits.inspect(tx, _ref(job.key.output_commit))
            return Source(_contents(tx, output), self._base(tx, job))

    def plan(self, spec: Spec, source: Source) -> Plan:
        """The job's tasks, lazily."""
        base = source.base
        new = CommitLister(self._storage, source.inputs)
        if base is not None and same_shape(base.spec, spec) and _covers(base, spec):
            plan = Plan(base, ())
            plan.total = base.job.data_total
            plan.tasks = self._incremental(plan, base, spec, new)
            return plan
        kept = base if base is not None and base.spec.salt == spec.salt and spec.skips else None
        plan = Plan(kept, ())
        plan.tasks = self._full(plan, base, spec, new)
        return plan

    def start_of(self, job: JobInfo) -> tuple[Dir, Dir]:
        """Output and meta tree that a planned job's result is made from."""
        with self._db.read() as tx:
            base_id = jobs.base_of(tx, job.seq)
            if not base_id:
                return EMPTY_DIR, EMPTY_DIR
            key = JobKey(job.key.pipeline, base_id)
            output = commits.inspect(tx, _ref(key.output_commit))
            meta = commits.inspect(tx, _ref(key.meta_commit))
        return output.root or EMPTY_DIR, meta.root or EMPTY_DIR

    # -- the base ----------------------------------------------------------------------------

    def _base(self, tx: Tx, job: JobInfo) -> Base | None:
        """Nearest ancestor of the meta commit that is AUTO, has no error, and whose job exists."""
        parent = commits.inspect(tx, _ref(job.key.meta_commit)).parent
        while parent is not None:
            meta = commits.inspect(tx, _ref(parent))
            found = self._as_base(tx, job, meta)
            if found is not None:
                return found
            parent = meta.parent
        return None

    def _as_base(self, tx: Tx, job: JobInfo, meta: CommitInfo) -> Base | None:
        if meta.origin != Origin.AUTO or meta.error or meta.state != CommitState.FINISHED:
            return None
        key = JobKey(job.key.pipeline, meta.key.id)
        before = jobs.find(tx, key)
        if before is None or not before.terminal:
            return None
        try:
            output = commits.inspect(tx, _ref(key.output_commit))
            spec = pipelines.spec_of(tx, key.pipeline, before.pipeline_version)
        except NotFound:
            return None
        if output.error or output.state != CommitState.FINISHED or output.key.id != key.id:
            return None
        return Base(
            before,
            output.root or EMPTY_DIR,
            meta.root or EMPTY_DIR,
            spec,
            _contents(tx, output, missing_ok=True),
        )

    # -- only what changed -------------------------------------------------------------------

    def _incremental(self, plan: Plan, base: Base, spec: Spec, new: CommitLister) -> Iterator[Task]:
        old = CommitLister(self._storage, base.inputs)
        trees = self._storage.tree

        def diff(leaf: PfsInput) -> Iterable[tuple[Entry | None, Entry | None]]:
            before, after = old.root(leaf), new.root(leaf)
            return () if before.hash == after.hash else trees.diff(before, after)

        recovered = set(self._recovered(base))
        for change in inputs.delta(spec.input, old, new, diff):
            recovered.discard(change.id)
            if change.new is None:
                plan.total -= 1
                yield Task(REMOVE, True, change.id)
                continue
            if change.old is None:
                plan.total += 1
            task = _decide(change.new, _as_record(base, spec, change.old), spec, base)
            if task is not None:
                yield task
        if recovered:
            yield from self._again(recovered, base, spec, new)

    def _again(self, ids: set[str], base: Base, spec: Spec, new: CommitLister) -> Iterator[Task]:
        """Datums whose inputs are as they were, but that have no result to keep."""
        at = {leaf.branch_key: new.commit(leaf) for leaf in spec.input.leaves()}
        names = {
            (leaf.name, leaf.branch_key.repo): at[leaf.branch_key] for leaf in spec.input.leaves()
        }
        for record in self._records(base.meta, sorted(ids)).values():
            files = tuple(
                replace(
                    file,
                    commit=names.get(
                        (file.name, RepoKey(file.project, file.repo, file.repo_type)), file.commit
                    ),
                )
                for file in record.inputs
            )
            task = _decide(files, record, spec, base)
            if task is not None:
                yield task

    def _recovered(self, base: Base) -> Iterator[str]:
        if self._storage.tree.lookup(base.meta, RECOVERED_DIR) is None:
            return
        for entry in self._storage.tree.list(base.meta, RECOVERED_DIR):
            yield entry.path.rpartition("/")[2]

    # -- everything --------------------------------------------------------------------------

    def _full(self, plan: Plan, base: Base | None, spec: Spec, new: CommitLister) -> Iterator[Task]:
        """Enumerate; compare with the base's records where there are any."""
        keeps = plan.start is not None
        seen: set[bytes] = set()
        for batch in _batches(inputs.datums(spec.input, new)):
            plan.total += len(batch)
            by_id = {datum_id(files): files for files in batch}
            records = self._records(base.meta, list(by_id)) if base is not None else {}
            if keeps:
                seen.update(bytes.fromhex(id_) for id_ in by_id)
            for id_, files in by_id.items():
                task = _decide(files, records.get(id_), spec, base)
                if task is not None:
                    yield task if keeps else replace(task, in_base=False)
        if plan.start is not None:
            for entry in self._storage.tree.list(plan.start.meta, META_DIR):
                kept = entry.path.rstrip("/").rpartition("/")[2]
                if bytes.fromhex(kept) not in seen:
                    yield Task(REMOVE, True, kept)

    def _records(self, meta: Dir, ids: Sequence[str]) -> dict[str, DatumRecord]:
        """Records of those datums that a meta tree has, in batches of reads."""
        found: dict[str, DatumRecord] = {}
        if not meta.files:
            return found
        for batch in _batches(ids):
            there: list[tuple[str, Content]] = []
            for id_ in batch:
                entry = self._storage.tree.lookup(meta, record_path(id_))
                if entry is not None and isinstance(entry.node, Content):
                    there.append((id_, entry.node))
            texts = self._storage.read_many([content for _, content in there])
            for (id_, _), text in zip(there, texts, strict=True):
                found[id_] = DatumRecord.from_json(text)
        return found


def _decide(
    files: DatumInputs, previous: DatumRecord | None, spec: Spec, base: Base | None
) -> Task | None:
    """The task of a datum that has to be processed; `None` when its result is kept."""
    id_ = datum_id(files)
    hash_ = datum_hash(id_, files, spec.salt)
    salt_changed = base is not None and base.spec.salt != spec.salt
    why = explain.decide(files, hash_, previous, explain.Settings(spec.skips, salt_changed))
    return None if why is None else Task(PROCESS, previous is not None, id_, hash_, files, why)


def _as_record(base: Base, spec: Spec, files: DatumInputs | None) -> DatumRecord | None:
    """What the base knows of a datum, as far as deciding needs it, without reading its record."""
    if files is None:
        return None
    id_ = datum_id(files)
    hash_ = datum_hash(id_, files, spec.salt)
    return DatumRecord(base.job.key.id, id_, hash_, DatumState.SUCCESS, files)


def _covers(base: Base, spec: Spec) -> bool:
    """Whether the content of every input commit of the base is still known."""
    return all(leaf.branch_key.repo in base.inputs for leaf in spec.input.leaves())


def _contents(
    tx: Tx, output: CommitInfo, *, missing_ok: bool = False
) -> dict[RepoKey, tuple[str, Dir]]:
    found: dict[RepoKey, tuple[str, Dir]] = {}
    for key in output.direct_provenance:
        try:
            _, root = commits.content(tx, _ref(key))
        except NotFound:
            if missing_ok:
                continue
            raise
        found[key.repo] = (key.id, root)
    return found


def _ref(key: CommitKey) -> CommitRef:
    return CommitRef(key.repo, id=key.id)


def _batches(items: Iterable[_T]) -> Iterator[list[_T]]:
    iterator = iter(items)
    while batch := list(islice(iterator, _BATCH)):
        yield batch
