"""The datums that an input would have now, without a pipeline: for `list datum -f spec`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from dassie.meta.database import Database
from dassie.pfs import commits
from dassie.pfs.model import CommitRef
from dassie.pps import inputs
from dassie.pps.datums import DatumRecord, datum_hash, datum_id
from dassie.pps.model import DatumInfo, JobKey, PipelineKey
from dassie.pps.planning import CommitLister
from dassie.pps.spec import input_from_json
from dassie.pps.spec_json import check
from dassie.pps.states import DatumState
from dassie.storage.store import Storage

_INPUT: Final = "Input"
_WHOLE: Final = "/"


def datums(
    db: Database, storage: Storage, input_: Mapping[str, Any], project: str
) -> Iterator[DatumInfo]:
    """Every datum of `input_` (`pps_v2.Input` as JSON) on the heads of its branches.

    An input without a glob is its whole branch, one datum: notebooks ask so before anybody has
    chosen a glob. A pipeline must have one.
    """
    tree = input_from_json(_with_globs(check(input_, _INPUT, "input")), project)
    with db.read() as tx:
        heads = {}
        for branch in sorted({leaf.branch_key for leaf in tree.leaves()}):
            key, root = commits.content(tx, CommitRef(branch.repo, branch=branch.name))
            heads[branch.repo] = (key.id, root)
    nowhere = JobKey(PipelineKey(project, ""), "")
    for number, files in enumerate(inputs.datums(tree, CommitLister(storage, heads))):
        id_ = datum_id(files)
        record = DatumRecord(
            "", id_, datum_hash(id_, files, ""), DatumState.UNKNOWN, files, index=number
        )
        yield DatumInfo(nowhere, DatumState.UNKNOWN, record)


def _with_globs(raw: Mapping[str, Any]) -> dict[str, Any]:
    """A canonical input whose every leaf has a glob."""
    filled = dict(raw)
    if "pfs" in raw:
        filled["pfs"] = {**raw["pfs"], "glob": raw["pfs"].get("glob") or _WHOLE}
    for kind in ("cross", "union"):
        if kind in raw:
            filled[kind] = [_with_globs(child) for child in raw[kind]]
    return filled
