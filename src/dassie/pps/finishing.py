"""From the results of a job's datums to the content of its output and meta commits.

The scheduler calls `Finisher.build` when every datum has a durable result, and publishes what it
returns in one transaction. Both trees are edits of the base's trees: only datums that were
processed or removed are looked at. Building again after a crash gives the same trees.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Final

import sqlalchemy as sa

from dassie.base.glob import Glob
from dassie.meta.database import Database
from dassie.pps import tasks
from dassie.pps.datums import (
    OUT,
    DatumRecord,
    datum_dir,
    input_path,
    output_dir,
    record_dir,
    record_path,
)
from dassie.pps.jobs import Ending
from dassie.pps.model import JobInfo
from dassie.pps.planning import RECOVERED_DIR
from dassie.pps.records import record_of
from dassie.pps.results import Result
from dassie.pps.spec import Spec
from dassie.pps.states import DatumState, JobState
from dassie.pps.tables import PROCESS, REMOVE
from dassie.storage.errors import PathConflict
from dassie.storage.store import Storage
from dassie.storage.types import EMPTY, EMPTY_DIR, Content, Delete, Dir, Edit, Put
from dassie.storage.upload import Upload

_PAGE: Final = 1000


@dataclass(slots=True)
class _Found:
    """What is learned of the output while the meta tree is made."""

    written: list[tuple[str, str, Content]] = field(default_factory=list)
    """Paths, with the datum that writes each."""
    removed: set[str] = field(default_factory=set)
    failed: tuple[str, str] | None = None


class Finisher:
    """Builds the trees of finished jobs."""

    def __init__(self, db: Database, storage: Storage) -> None:
        self._db = db
        self._storage = storage

    def build(self, upload: Upload, job: JobInfo, spec: Spec, start: tuple[Dir, Dir]) -> Ending:
        """How the job ends, with both trees stored (not yet flushed) through `upload`.

        `start`: output and meta tree that the result is made from.
        """
        old_output, old_meta = start
        found = _Found()
        meta = upload.edit(old_meta, self._meta_edits(upload, job, spec, old_meta, found))
        if found.failed is not None:
            id_, reason = found.failed
            text = f"datum {id_} failed: {reason}" if reason else f"datum {id_} failed"
            return Ending(JobState.FAILURE, text, None, meta)
        try:
            output = self._output(upload, old_output, found)
        except PathConflict as conflict:
            reason = self._name_writers(conflict, found, old_meta)
            return Ending(JobState.FAILURE, reason, None, meta)
        return Ending(JobState.SUCCESS, "", output, meta)

    # -- the meta tree -----------------------------------------------------------------------

    def _meta_edits(
        self, upload: Upload, job: JobInfo, spec: Spec, old_meta: Dir, found: _Found
    ) -> Iterator[Edit]:
        """Page by page, so that only what is found of the output is held in memory."""
        tree = self._storage.tree
        recovered_before = bool(old_meta.files) and tree.lookup(old_meta, RECOVERED_DIR) is not None
        for page in self._pages(job.seq):
            old = self._old_outputs(old_meta, [row.datum_id for row in page if row.in_base])
            for id_, output in old.items():
                found.removed.update(entry.path for entry in tree.walk(output, "/", dirs=False))
                if recovered_before:
                    yield Delete(f"{RECOVERED_DIR}/{id_}")
            for row in page:
                if row.kind == REMOVE:
                    yield Delete(record_dir(row.datum_id))
                    yield Delete(datum_dir(row.datum_id))
            records = [_record(job, spec, row) for row in page if row.kind == PROCESS]
            tree.prefetch(record.output for record in records if record.output is not None)
            for record in records:
                if record.state == DatumState.FAILED and found.failed is None:
                    found.failed = (record.id, record.reason)
                if record.output is not None:
                    for entry in tree.walk(record.output, "/", dirs=False):
                        if isinstance(entry.node, Content):
                            found.written.append((entry.path, record.id, entry.node))
                yield from _datum_edits(upload, record, in_base=record.id in old)

    def _old_outputs(self, meta: Dir, ids: list[str]) -> dict[str, Dir]:
        """What the base has of the outputs of datums that it knows: it is not in the new output.

        Looks them up level by level, so that each level is fetched at once.
        """
        tree = self._storage.tree
        folders: dict[str, Dir] = {}
        for id_ in ids:
            folder = tree.lookup(meta, datum_dir(id_))
            if folder is not None and isinstance(folder.node, Dir):
                folders[id_] = folder.node
        tree.prefetch(folders.values())
        outputs = dict.fromkeys(ids, EMPTY_DIR)
        for id_, folder_node in folders.items():
            out = tree.lookup(folder_node, f"/{OUT}")
            if out is not None and isinstance(out.node, Dir):
                outputs[id_] = out.node
        tree.prefetch(outputs.values())
        return outputs

    def _pages(self, seq: int) -> Iterator[Sequence[sa.Row[Any]]]:
        """The job's rows in order; no transaction stays open while trees are read."""
        last = -1
        while True:
            with self._db.read() as tx:
                rows = tasks.page(tx, seq, last, _PAGE)
            yield rows
            if len(rows) < _PAGE:
                return
            last = rows[-1].ordinal

    # -- the output --------------------------------------------------------------------------

    def _output(self, upload: Upload, old: Dir, found: _Found) -> Dir:
        """A path that only removed outputs had is free again; any other may be written once."""
        deletes: list[Edit] = [Delete(path) for path in found.removed]
        if found.removed.difference(path for path, _, _ in found.written):
            # First on their own: what was a directory may become a file.
            old, deletes = upload.edit(old, deletes), []
        puts = (Put(path, node, create=True) for path, _, node in found.written)
        return upload.edit(old, chain(deletes, puts))

    def _name_writers(self, conflict: PathConflict, found: _Found, old_meta: Dir) -> str:
        """Which datums write the path: known only now, because only now it is asked for."""
        path = conflict.path.rstrip("/")
        writers = [
            id_
            for written, id_, _ in found.written
            if written == path or written.startswith(f"{path}/") or path.startswith(f"{written}/")
        ]
        processed = set(writers)
        owners = [id_ for id_ in self._owners(old_meta, path) if id_ not in processed]
        names = list(dict.fromkeys([*writers, *owners]))[:2]
        return f"{conflict.what}: {path} is written by datum {' and by datum '.join(names)}"

    def _owners(self, meta: Dir, path: str) -> Iterator[str]:
        """Datums of the base whose output has `path`, or something below or above it."""
        if not meta.files:
            return
        tree = self._storage.tree
        for entry in tree.glob(meta, Glob.parse("/pfs/*")):
            id_ = entry.path.rstrip("/").rpartition("/")[2]
            out = tree.lookup(meta, output_dir(id_))
            if out is None or not isinstance(out.node, Dir):
                continue
            place = path
            while place:
                found = tree.lookup(out.node, place)
                if found is not None and (place == path or not found.is_dir):
                    yield id_
                    break
                place = place.rpartition("/")[0]


def _datum_edits(upload: Upload, record: DatumRecord, *, in_base: bool) -> Iterator[Edit]:
    """A processed datum in the meta tree: its record; its inputs and output, grafted."""
    id_ = record.id
    yield Put(record_path(id_), upload.put(record.to_json()))
    for file in record.inputs:
        if isinstance(file.node, Content) or file.node.files:
            yield Put(input_path(id_, file).rstrip("/"), file.node)
    if record.state == DatumState.RECOVERED:
        yield Put(f"{RECOVERED_DIR}/{id_}", EMPTY)
    if record.output is not None and record.output.files:
        yield Put(output_dir(id_), record.output)
    elif in_base:
        yield Delete(output_dir(id_))


def _record(job: JobInfo, spec: Spec, row: sa.Row[Any]) -> DatumRecord:
    result = Result.from_json(row.state, row.result)
    return record_of(job, row, result, spec.transform.image)
