"""pfs_v2.API, projects and repos. Part of `pfs.PfsService`; every method is one domain call."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from dassie._proto.pfs import pfs_pb2
from dassie.doors.grpc import convert
from dassie.doors.grpc.calls import Call
from dassie.errors import InvalidArgument
from dassie.pfs import projects, repos
from dassie.pfs.graph import Graph, GraphTx
from dassie.pfs.model import USER, RepoInfo, RepoKey


class ProjectMethods:
    _graph: Graph
    _project_defaults: Callable[[str], str]

    def create_project(self, request: pfs_pb2.CreateProjectRequest, _call: Call) -> None:
        with self._graph.transaction() as gtx:
            projects.create(
                gtx,
                convert.project_name(request.project),
                description=request.description,
                update=request.update,
            )

    def inspect_project(
        self, request: pfs_pb2.InspectProjectRequest, _call: Call
    ) -> pfs_pb2.ProjectInfo:
        with self._graph.snapshot() as tx:
            return convert.project_info(projects.inspect(tx, convert.project_name(request.project)))

    def inspect_project_v2(
        self, request: pfs_pb2.InspectProjectV2Request, _call: Call
    ) -> pfs_pb2.InspectProjectV2Response:
        with self._graph.snapshot() as tx:
            info = projects.inspect(tx, convert.project_name(request.project))
        return pfs_pb2.InspectProjectV2Response(
            info=convert.project_info(info), defaults_json=self._project_defaults(info.name)
        )

    def list_project(self, _request: object, _call: Call) -> Iterator[pfs_pb2.ProjectInfo]:
        with self._graph.snapshot() as tx:
            infos = list(projects.list_(tx))
        yield from map(convert.project_info, infos)

    def delete_project(self, request: pfs_pb2.DeleteProjectRequest, _call: Call) -> None:
        with self._graph.transaction() as gtx:
            projects.delete(gtx, convert.project_name(request.project), request.force)


class RepoMethods:
    _graph: Graph

    def create_repo(self, request: pfs_pb2.CreateRepoRequest, _call: Call) -> None:
        with self._graph.transaction() as gtx:
            repos.create(
                gtx,
                convert.repo_key(request.repo),
                description=request.description,
                update=request.update,
            )

    def inspect_repo(self, request: pfs_pb2.InspectRepoRequest, _call: Call) -> pfs_pb2.RepoInfo:
        with self._graph.snapshot() as tx:
            return convert.repo_info(repos.inspect(tx, convert.repo_key(request.repo)))

    def list_repo(
        self, request: pfs_pb2.ListRepoRequest, _call: Call
    ) -> Iterator[pfs_pb2.RepoInfo]:
        with self._graph.snapshot() as tx:
            infos = list(
                repos.list_(
                    tx,
                    projects=tuple(convert.project_name(each) for each in request.projects),
                    type=request.type,
                )
            )
        if request.HasField("page"):
            infos = _page(infos, request.page)
        yield from map(convert.repo_info, infos)

    def delete_repo(
        self, request: pfs_pb2.DeleteRepoRequest, _call: Call
    ) -> pfs_pb2.DeleteRepoResponse:
        with self._graph.transaction() as gtx:
            deleted = repos.delete(gtx, convert.repo_key(request.repo), force=request.force)
        return pfs_pb2.DeleteRepoResponse(deleted=deleted)

    def delete_repos(
        self, request: pfs_pb2.DeleteReposRequest, _call: Call
    ) -> pfs_pb2.DeleteReposResponse:
        chosen = tuple(convert.project_name(project) for project in request.projects)
        if not chosen and not request.all:
            raise InvalidArgument("neither projects nor all repos specified for deletion")
        with self._graph.transaction() as gtx:
            keys = [info.key for info in repos.list_(gtx.tx, projects=chosen, type=USER)]
            deleted = _delete_all(gtx, keys, force=request.force)
        return pfs_pb2.DeleteReposResponse(repos=map(convert.repo, deleted))

    def repos_summary(
        self, request: pfs_pb2.ReposSummaryRequest, _call: Call
    ) -> pfs_pb2.ReposSummaryResponse:
        with self._graph.snapshot() as tx:
            chosen = [picker.name for picker in request.projects]
            chosen = chosen or [info.name for info in projects.list_(tx)]
            infos = [(name, list(repos.list_(tx, projects=(name,), type=USER))) for name in chosen]
        return pfs_pb2.ReposSummaryResponse(
            summaries=[
                pfs_pb2.ReposSummary(
                    project=convert.project(name),
                    user_repo_count=len(listed),
                    size_bytes=sum(info.size_bytes for info in listed),
                )
                for name, listed in infos
            ]
        )


def _delete_all(gtx: GraphTx, keys: list[RepoKey], *, force: bool) -> list[RepoKey]:
    return [key for key in keys if repos.delete(gtx, key, force=force)]


def _page(infos: list[RepoInfo], page: pfs_pb2.RepoPage) -> list[RepoInfo]:
    if page.page_size <= 0:
        return infos
    start = page.page_index * page.page_size
    return sorted(infos, key=lambda info: info.key)[start : start + page.page_size]
