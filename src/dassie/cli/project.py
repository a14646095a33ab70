"""`create`, `update`, `inspect`, `list` and `delete project`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dassie.cli import grammar
from dassie.cli.grammar import FULL_TIMESTAMPS, NO_PAGER, YES, Command
from dassie.cli.output import Columns, Output

if TYPE_CHECKING:
    from dassie.cli.session import Session

_PROJECT = (grammar.Positional("project", complete="project"),)
_DESCRIPTION = grammar.text("-d", "--description", help="what the project is for", metavar="TEXT")


def create(session: Session) -> None:
    _put(session, update=False)


def update(session: Session) -> None:
    _put(session, update=True)


def inspect(session: Session) -> None:
    from dassie._proto.pfs import pfs_pb2
    from dassie.client import messages

    out = session.out
    project = messages.project(session.text("project"))
    info = session.pfs.InspectProject(pfs_pb2.InspectProjectRequest(project=project))
    out.record(info, lambda info: describe(info, out))


def list_(session: Session) -> None:
    from dassie._proto.pfs import pfs_pb2

    infos = session.pfs.ListProject(pfs_pb2.ListProjectRequest())
    session.out.listing(infos, columns(session.out, session.project))


def delete(session: Session) -> None:
    from dassie._proto.pfs import pfs_pb2
    from dassie._proto.pps import pps_pb2
    from dassie.client import messages

    name = session.text("project")
    project = messages.project(name)
    session.pfs.InspectProject(pfs_pb2.InspectProjectRequest(project=project))
    session.confirm(f'This deletes project "{name}" with its pipelines, repos and data.')
    force = session.has("force")
    session.pps.DeletePipelines(pps_pb2.DeletePipelinesRequest(projects=[project], force=force))
    session.pfs.DeleteRepos(pfs_pb2.DeleteReposRequest(projects=[project], force=force))
    session.pfs.DeleteProject(pfs_pb2.DeleteProjectRequest(project=project, force=force))


def columns(out: Output, active: str) -> Columns:
    def cells(info: Any) -> list[str]:
        mark = "*" if info.project.name == active else ""
        return [mark, info.project.name, out.when(info.created_at), info.description or "-"]

    return Columns(("ACTIVE", "PROJECT", "CREATED", "DESCRIPTION"), cells)


def describe(info: Any, out: Output) -> list[tuple[str, str]]:
    return [
        ("Name", info.project.name),
        ("Description", info.description),
        ("Created", out.when(info.created_at)),
        ("Created by", info.created_by),
        ("Metadata", ", ".join(f"{key}={value}" for key, value in sorted(info.metadata.items()))),
    ]


def _put(session: Session, *, update: bool) -> None:
    from dassie._proto.pfs import pfs_pb2
    from dassie.client import messages

    session.pfs.CreateProject(
        pfs_pb2.CreateProjectRequest(
            project=messages.project(session.text("project")),
            description=session.text("description"),
            update=update,
        )
    )


COMMANDS = (
    Command(
        "create project",
        create,
        _PROJECT,
        (_DESCRIPTION,),
        "To work in it from now on: `pachctl config update context --project PROJECT`.",
        (("a project for one team", "pachctl create project vision"),),
    ),
    Command("update project", update, _PROJECT, (_DESCRIPTION,)),
    Command("inspect project", inspect, _PROJECT, (FULL_TIMESTAMPS,), formats=True),
    Command(
        "list project",
        list_,
        (),
        (FULL_TIMESTAMPS, NO_PAGER),
        "The star marks the project that commands work in.",
        formats=True,
    ),
    Command(
        "delete project",
        delete,
        _PROJECT,
        (grammar.switch("-f", "--force", help="delete even what others depend on"), YES),
        "Everything in the project goes: pipelines, jobs, repos, data. You are asked first.",
        (("without a question, in a script", "pachctl delete project old --yes"),),
    ),
)
