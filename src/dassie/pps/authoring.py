"""From what a user wrote to a pipeline version: defaults, salt, the spec commit's content.

The facade's `create_pipeline` and `rerun_pipeline`. The effective spec is stored first, then one
graph transaction makes the version; if the pipeline changed in between it is all done again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

import sqlalchemy as sa

from dassie.base.ids import new_id
from dassie.errors import Aborted, FailedPrecondition
from dassie.meta.database import Database
from dassie.meta.transaction import Tx
from dassie.pfs import projects
from dassie.pfs.graph import Graph
from dassie.pps import pipelines
from dassie.pps.model import PipelineKey
from dassie.pps.pipelines import PipelineExists, Version
from dassie.pps.spec import Spec, effective
from dassie.pps.spec_fields import CLUSTER_DEFAULTS, PROJECT_DEFAULTS
from dassie.pps.spec_json import parse_object
from dassie.pps.tables import spec_defaults
from dassie.storage.store import Storage
from dassie.storage.types import EMPTY_DIR, Put

CLUSTER: Final = ""
"""Scope of the defaults that hold everywhere; the others are project names."""

_ATTEMPTS: Final = 5


class Author:
    """Writes pipeline versions."""

    def __init__(self, db: Database, graph: Graph, storage: Storage) -> None:
        self._db = db
        self._graph = graph
        self._storage = storage

    def create(
        self,
        user_spec: Mapping[str, Any],
        *,
        update: bool,
        reprocess: bool,
        dry_run: bool,
        user: str,
    ) -> str:
        """Create or update; returns the effective spec as JSON."""
        for attempt in range(_ATTEMPTS):
            try:
                return self._create(
                    user_spec, update=update, reprocess=reprocess, dry_run=dry_run, user=user
                )
            except Aborted:
                if attempt == _ATTEMPTS - 1:
                    raise
        raise AssertionError("unreachable")

    def _create(
        self,
        user_spec: Mapping[str, Any],
        *,
        update: bool,
        reprocess: bool,
        dry_run: bool,
        user: str,
    ) -> str:
        document = self._effective(user_spec)
        spec = Spec.from_json(document)
        key = PipelineKey(spec.project, spec.name)
        with self._db.read() as tx:
            projects.inspect(tx, spec.project)
            now = pipelines.current(tx, key)
            salt = pipelines.spec_of(tx, key, now.version).salt if now is not None else ""
        if now is not None and not update:
            raise PipelineExists(key)
        if not document.get("salt") or (reprocess and document["salt"] == salt):
            document["salt"] = new_id() if reprocess or not salt else salt
        spec = Spec.from_json(document)
        text = json.dumps(document, separators=(",", ":"), ensure_ascii=False)
        if dry_run:
            return text
        self._write(spec, json.dumps(user_spec, ensure_ascii=False), text, user, now)
        return text

    def rerun(self, key: PipelineKey, *, reprocess: bool, user: str) -> None:
        """The same spec as a new version, which makes a new job; `reprocess`: another salt."""
        with self._db.read() as tx:
            info = pipelines.inspect(tx, key)
            now = pipelines.require(tx, key)
        if info.stopped:
            raise FailedPrecondition(f'pipeline "{key}" is stopped: start it first')
        document = json.loads(info.effective_json)
        if reprocess:
            document["salt"] = new_id()
        text = json.dumps(document, separators=(",", ":"), ensure_ascii=False)
        self._write(Spec.from_json(document), info.user_json, text, user, now)

    def _write(
        self, spec: Spec, user_json: str, text: str, user: str, now: pipelines.Current | None
    ) -> None:
        with self._storage.session() as upload:
            content = upload.put(text.encode())
            root = upload.edit(EMPTY_DIR, [Put(pipelines.SPEC_FILE, content)])
            upload.flush()
            version = Version(spec, user_json, text, root, user)
            with self._graph.transaction(user=user) as gtx:
                upload.publish(gtx.tx)
                if now is None:
                    pipelines.create(gtx, version)
                else:
                    pipelines.update(gtx, version, now.version)

    # -- defaults ----------------------------------------------------------------------------

    def defaults(self, scope: str) -> str:
        """Defaults of a project or of the cluster, as JSON."""
        with self._db.read() as tx:
            if scope != CLUSTER:
                projects.inspect(tx, scope)
            return _defaults(tx, scope)

    def set_defaults(self, scope: str, text: str, *, dry_run: bool) -> None:
        """Replace them; `text` must be a valid document."""
        parse_object(text, CLUSTER_DEFAULTS if scope == CLUSTER else PROJECT_DEFAULTS)
        if dry_run:
            return
        with self._graph.transaction() as gtx:
            if scope != CLUSTER:
                projects.inspect(gtx.tx, scope)
            gtx.tx.delete(spec_defaults, {"scope": scope})
            gtx.tx.insert(spec_defaults, {"scope": scope, "json": text})

    def _effective(self, user_spec: Mapping[str, Any]) -> dict[str, Any]:
        pipeline = user_spec.get("pipeline")
        named = pipeline.get("project") if isinstance(pipeline, Mapping) else None
        project = named.get("name") if isinstance(named, Mapping) else None
        with self._db.read() as tx:
            cluster = _defaults(tx, CLUSTER)
            above = _defaults(tx, str(project or "default"))
        return effective(
            user_spec,
            parse_object(above, PROJECT_DEFAULTS),
            parse_object(cluster, CLUSTER_DEFAULTS),
        )


def _defaults(tx: Tx, scope: str) -> str:
    found = tx.execute(
        sa.select(spec_defaults.c.json).where(spec_defaults.c.scope == scope)
    ).scalar()
    return str(found) if found else "{}"
