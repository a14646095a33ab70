"""Commands on the server as a whole: versions, health, checks, deleting everything."""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING, Any

from dassie.cli import exits, grammar
from dassie.cli.grammar import ALL_PROJECTS, PROJECT, YES, Command
from dassie.client.errors import NotOffered
from dassie.errors import DassieError, Unimplemented

if TYPE_CHECKING:
    from dassie.cli.session import Session

_VERSION_TIMEOUT_S = 5.0


def version(session: Session) -> None:
    """Answers for the client even when no server does, and then fails."""
    from dassie.client.version import client_version

    out, own = session.out, client_version()
    if out.format != "table":
        document: dict[str, Any] = {"pachctl": own}
        if not session.has("client_only"):
            document["pachd"] = _server_version(session)
        out.document(document)
        return
    if session.has("client_only"):
        out.line(own)
        return
    failure: DassieError | None = None
    rows = [("pachctl", own)]
    try:
        rows.append(("pachd", _server_version(session)))
    except DassieError as error:
        failure = error
        rows.append(("pachd", "(no answer)"))
    out.pager = False
    out.table(("COMPONENT", "VERSION"), rows)
    if failure:
        raise failure


def buildinfo(session: Session) -> None:
    from dassie.client.version import client_version

    session.out.line(f"dassie {client_version()}")
    session.out.line(f"python {platform.python_version()} on {platform.platform()}")
    import grpc
    from google import protobuf

    session.out.line(f"grpcio {grpc.__version__}")
    session.out.line(f"protobuf {protobuf.__version__}")


def inspect(session: Session) -> None:
    info = inspect_cluster(session)
    for warning in info.warnings:
        session.out.warn(warning)
    session.out.record(
        info,
        lambda info: [
            ("Address", str(session.connection.target)),
            ("Cluster ID", info.id),
            ("Deployment ID", info.deployment_id),
            ("Paused", "true" if info.paused else "false"),
            ("Proxy Host", info.proxy_host),
            ("Metadata", ", ".join(f"{key}={value}" for key, value in info.metadata.items())),
        ],
    )


def whoami(session: Session) -> None:
    from dassie._proto.auth import auth_pb2

    answer = session.connection.service("auth").WhoAmI(auth_pb2.WhoAmIRequest())
    session.out.line(f'You are "{answer.username}"')


def check_status(session: Session) -> int | None:
    from dassie._proto.pps import pps_pb2

    request = pps_pb2.CheckStatusRequest()
    if session.has("all_projects"):
        request.all = True
    else:
        request.project.name = session.project
    found = False
    for answer in session.pps.CheckStatus(request):
        found = True
        for alert in answer.alerts:
            session.out.line(f"{answer.project.name}/{answer.pipeline.name}: {alert}")
    return exits.UNSUCCESSFUL if found else None


def fsck(session: Session) -> int | None:
    from dassie._proto.pfs import pfs_pb2
    from dassie.client import messages, refs

    request = pfs_pb2.FsckRequest(fix=session.has("fix"))
    if session.has("zombie_all"):
        request.zombie_all = True
    elif zombie := session.text("zombie"):
        request.zombie_target.CopyFrom(messages.commit(refs.parse_commit(zombie, session.project)))
    errors = 0
    for answer in session.pfs.Fsck(request):
        if answer.fix:
            session.out.line(f"fixed: {answer.fix}")
        if answer.error:
            errors += 1
            session.out.line(f"error: {answer.error}")
    if not errors:
        session.out.say("no problems found")
    return exits.UNSUCCESSFUL if errors else None


def delete_all(session: Session) -> None:
    """As Pachyderm's own client: every service forgets what it has, pipelines first."""
    from google.protobuf import empty_pb2

    from dassie._proto.auth import auth_pb2
    from dassie._proto.identity import identity_pb2
    from dassie._proto.transaction import transaction_pb2

    session.confirm(
        f"This deletes ALL projects, repos, commits, files, pipelines and jobs on "
        f"{session.connection.target.address}."
    )
    calls = (
        ("identity", "DeleteAll", identity_pb2.DeleteAllRequest(), True),
        ("auth", "Deactivate", auth_pb2.DeactivateRequest(), True),
        ("pps", "DeleteAll", empty_pb2.Empty(), False),
        ("pfs", "DeleteAll", empty_pb2.Empty(), False),
        ("transaction", "DeleteAll", transaction_pb2.DeleteAllRequest(), True),
    )
    for service, method, request, optional in calls:
        try:
            getattr(session.connection.service(service), method)(request)
        except (NotOffered, Unimplemented):
            if not optional:
                raise


def inspect_cluster(session: Session) -> Any:
    from dassie._proto.admin import admin_pb2
    from dassie.client import messages
    from dassie.client.version import api_version

    request = admin_pb2.InspectClusterRequest(
        client_version=api_version(), current_project=messages.project(session.project)
    )
    return session.connection.admin.InspectCluster(request)


def _server_version(session: Session) -> str:
    from google.protobuf import empty_pb2

    from dassie.client.version import text

    service = session.connection.service("version")
    answer = service.GetVersion(empty_pb2.Empty(), timeout_s=_VERSION_TIMEOUT_S)
    return text(answer)


COMMANDS = (
    Command(
        "version",
        version,
        (),
        (grammar.switch("--client-only", help="do not ask the server"),),
        examples=(("is the server there", "pachctl version"),),
        formats=True,
    ),
    Command("buildinfo", buildinfo),
    Command("inspect cluster", inspect, flags=(PROJECT,), formats=True),
    Command("auth whoami", whoami),
    Command("check status", check_status, flags=(PROJECT, ALL_PROJECTS)),
    Command(
        "fsck",
        fsck,
        (),
        (
            grammar.switch("-f", "--fix", help="repair what can be repaired"),
            grammar.text(
                "--zombie",
                help="look for output files without a datum in this commit",
                metavar="REPO@COMMIT",
                complete="commit",
            ),
            grammar.switch("--zombie-all", help="… in the head of every pipeline's output"),
            PROJECT,
        ),
        "Prints each problem on a line; ends with exit code 5 if there is one.",
    ),
    Command(
        "delete all",
        delete_all,
        (),
        (YES,),
        "You are asked first. Nothing can bring the data back.",
    ),
)
