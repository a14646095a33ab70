"""pps_v2.API, pipelines and their defaults. `PpsService` is the whole service; jobs and datums are
in `pps_jobs` and `pps_datums`.

Every method converts, calls one method of `pps.service.Pps`, and converts back. What has no method
here answers "not implemented in Dassie yet".
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

from dassie._proto.pfs import pfs_pb2
from dassie._proto.pps import pps_pb2
from dassie.base.clock import Clock
from dassie.doors.grpc import convert
from dassie.doors.grpc import pps_convert as wire
from dassie.doors.grpc.calls import Call
from dassie.doors.grpc.pps_datums import DatumMethods
from dassie.doors.grpc.pps_filters import wanted_states
from dassie.doors.grpc.pps_jobs import JobMethods
from dassie.errors import FailedPrecondition, InvalidArgument
from dassie.meta.notify import Notifier
from dassie.pps import defaults, summary, templates
from dassie.pps.model import PipelineInfo, PipelineKey
from dassie.pps.service import Pps
from dassie.pps.spec import Orders, parse_documents
from dassie.pps.spec_json import check

_T = TypeVar("_T")


class PipelineMethods:
    _pps: Pps

    def create_pipeline(self, request: pps_pb2.CreatePipelineRequest, _call: Call) -> None:
        """The older call: the same spec as a message instead of JSON."""
        self._create(wire.document(request), Orders())

    def create_pipeline_v2(
        self, request: pps_pb2.CreatePipelineV2Request, _call: Call
    ) -> pps_pb2.CreatePipelineV2Response:
        documents = parse_documents(request.create_pipeline_request_json)
        if len(documents) != 1:
            raise InvalidArgument(f"one pipeline spec is expected, not {len(documents)}")
        orders = Orders(request.update, request.reprocess, request.dry_run)
        return pps_pb2.CreatePipelineV2Response(
            effective_create_pipeline_request_json=self._create(documents[0], orders)
        )

    def _create(self, document: dict[str, Any], orders: Orders) -> str:
        """A document may ask for an update itself, as in older specs."""
        own = Orders.of(check(document))
        return self._pps.create_pipeline(
            document,
            update=orders.update or own.update,
            reprocess=orders.reprocess or own.reprocess,
            dry_run=orders.dry_run or own.dry_run,
        )

    def inspect_pipeline(
        self, request: pps_pb2.InspectPipelineRequest, _call: Call
    ) -> pps_pb2.PipelineInfo:
        return wire.pipeline_info(self._pps.inspect_pipeline(wire.pipeline_key(request.pipeline)))

    def list_pipeline(
        self, request: pps_pb2.ListPipelineRequest, _call: Call
    ) -> Iterator[pps_pb2.PipelineInfo]:
        states = wanted_states(request.jqFilter)
        projects: Sequence[str] = wire.project_names(request.projects)
        if request.pipeline.name:
            projects = [wire.pipeline_key(request.pipeline).project]
        infos = self._pps.list_pipelines(
            projects=projects,
            name=request.pipeline.name,
            history=request.history,
            commit_set=request.commit_set.id,
        )
        if states is not None:
            infos = [info for info in infos if f"PIPELINE_{info.state.name}" in states]
        if request.HasField("page"):
            infos = _page(infos, request.page)
        yield from map(wire.pipeline_info, infos)

    def start_pipeline(self, request: pps_pb2.StartPipelineRequest, _call: Call) -> None:
        self._pps.start_pipeline(wire.pipeline_key(request.pipeline))

    def stop_pipeline(self, request: pps_pb2.StopPipelineRequest, _call: Call) -> None:
        key = wire.pipeline_key(request.pipeline)
        self._pps.stop_pipeline(key, must_exist=request.must_exist)

    def rerun_pipeline(self, request: pps_pb2.RerunPipelineRequest, _call: Call) -> None:
        key = wire.pipeline_key(request.pipeline)
        self._pps.rerun_pipeline(key, reprocess=request.reprocess)

    def run_cron(self, request: pps_pb2.RunCronRequest, _call: Call) -> None:
        """No pipeline can have a cron input yet, so this is the answer for all that exist."""
        info = self._pps.inspect_pipeline(wire.pipeline_key(request.pipeline))
        raise FailedPrecondition(f"pipeline doesn't have a cron input: {info.key}")

    def delete_pipeline(self, request: pps_pb2.DeletePipelineRequest, _call: Call) -> None:
        if request.all:
            self._pps.delete_pipelines(force=request.force, keep_repo=request.keep_repo)
            return
        self._pps.delete_pipeline(
            wire.pipeline_key(request.pipeline),
            force=request.force,
            keep_repo=request.keep_repo,
            must_exist=request.must_exist,
        )

    def delete_pipelines(
        self, request: pps_pb2.DeletePipelinesRequest, _call: Call
    ) -> pps_pb2.DeletePipelinesResponse:
        projects = wire.project_names(request.projects)
        if not projects and not request.all:
            raise InvalidArgument("delete pipelines needs projects, or all")
        gone = self._pps.delete_pipelines(
            projects=() if request.all else projects,
            force=request.force,
            keep_repo=request.keep_repo,
        )
        return pps_pb2.DeletePipelinesResponse(pipelines=map(wire.pipeline, gone))

    def delete_all(self, _request: object, _call: Call) -> None:
        self._pps.delete_pipelines(force=True)

    def pipelines_summary(
        self, request: pps_pb2.PipelinesSummaryRequest, _call: Call
    ) -> pps_pb2.PipelinesSummaryResponse:
        """One summary for each project asked for, or for each that has pipelines."""
        names = [convert.project_name(pfs_pb2.Project(name=p.name)) for p in request.projects]
        found = summary.summarise(self._pps.list_pipelines(projects=names))
        return pps_pb2.PipelinesSummaryResponse(
            summaries=[
                _summary(name, found.get(name, summary.Summary()))
                for name in names or sorted(found)
            ]
        )

    def check_status(
        self, request: pps_pb2.CheckStatusRequest, _call: Call
    ) -> Iterator[pps_pb2.CheckStatusResponse]:
        kind = request.WhichOneof("context")
        if kind is None:
            raise InvalidArgument("check status needs a project, or all")
        names = [convert.project_name(request.project)] if kind == "project" else []
        for info in self._pps.list_pipelines(projects=names):
            if alerts := summary.alerts(info):
                yield pps_pb2.CheckStatusResponse(
                    project=convert.project(info.key.project),
                    pipeline=wire.pipeline(info.key),
                    alerts=alerts,
                )

    def render_template(
        self, request: pps_pb2.RenderTemplateRequest, _call: Call
    ) -> pps_pb2.RenderTemplateResponse:
        rendered = templates.render(request.template, request.args)
        return pps_pb2.RenderTemplateResponse(
            json=rendered, specs=map(wire.create_request, parse_documents(rendered))
        )


class DefaultsMethods:
    _pps: Pps

    def get_cluster_defaults(
        self, _request: object, _call: Call
    ) -> pps_pb2.GetClusterDefaultsResponse:
        return pps_pb2.GetClusterDefaultsResponse(
            cluster_defaults_json=self._pps.cluster_defaults()
        )

    def set_cluster_defaults(
        self, request: pps_pb2.SetClusterDefaultsRequest, _call: Call
    ) -> pps_pb2.SetClusterDefaultsResponse:
        affected = self._set_defaults(None, request.cluster_defaults_json, request)
        return pps_pb2.SetClusterDefaultsResponse(affected_pipelines=map(wire.pipeline, affected))

    def get_project_defaults(
        self, request: pps_pb2.GetProjectDefaultsRequest, _call: Call
    ) -> pps_pb2.GetProjectDefaultsResponse:
        return pps_pb2.GetProjectDefaultsResponse(
            project_defaults_json=self._pps.project_defaults(convert.project_name(request.project))
        )

    def set_project_defaults(
        self, request: pps_pb2.SetProjectDefaultsRequest, _call: Call
    ) -> pps_pb2.SetProjectDefaultsResponse:
        project = convert.project_name(request.project)
        affected = self._set_defaults(project, request.project_defaults_json, request)
        return pps_pb2.SetProjectDefaultsResponse(affected_pipelines=map(wire.pipeline, affected))

    def _set_defaults(
        self,
        project: str | None,
        text: str,
        request: pps_pb2.SetClusterDefaultsRequest | pps_pb2.SetProjectDefaultsRequest,
    ) -> list[PipelineKey]:
        """Set them, and with `regenerate` update each pipeline whose effective spec changes."""
        affected = self._affected(project, text) if request.regenerate else []
        self._pps.set_defaults(project, text, dry_run=request.dry_run)
        if not request.dry_run:
            for info in affected:
                document = json.loads(info.user_json)
                self._pps.create_pipeline(document, update=True, reprocess=request.reprocess)
        return [info.key for info in affected]

    def _affected(self, project: str | None, text: str) -> list[PipelineInfo]:
        pipelines = self._pps.list_pipelines(projects=[project] if project else [])
        projects = {info.key.project for info in pipelines}
        below = {name: self._pps.project_defaults(name) for name in projects}
        if project is None:
            return defaults.affected(pipelines, text, below)
        return defaults.affected(pipelines, self._pps.cluster_defaults(), {project: text})


class PpsService(PipelineMethods, DefaultsMethods, JobMethods, DatumMethods):
    """pps_v2.API."""

    def __init__(self, pps: Pps, notifier: Notifier, clock: Clock) -> None:
        self._pps = pps
        self._notifier = notifier
        self._clock = clock


def _page(items: list[_T], page: pps_pb2.PipelinePage) -> list[_T]:
    if page.page_size < 0 or page.page_index < 0:
        raise InvalidArgument("page: page_size and page_index must be non-negative")
    if page.page_size == 0:
        return items
    start = page.page_index * page.page_size
    return items[start : start + page.page_size]


def _summary(project: str, counts: summary.Summary) -> pps_pb2.PipelinesSummary:
    return pps_pb2.PipelinesSummary(
        project=convert.project(project),
        active_pipelines=counts.active,
        paused_pipelines=counts.paused,
        failed_pipelines=counts.failed,
        unhealthy_pipelines=counts.unhealthy,
    )
