"""Commands on the defaults that pipelines inherit: the cluster's, or a project's."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from dassie.cli import grammar
from dassie.cli.grammar import Command
from dassie.cli.sources import read_text

if TYPE_CHECKING:
    from dassie.cli.session import Session


def inspect(session: Session) -> None:
    text = _get(session)
    session.out.document(json.loads(text or "{}"))


def put(session: Session) -> None:
    from dassie.base.documents import parse_documents

    if not session.text("file"):
        raise session.wrong("say where the defaults are: -f FILE, -f URL or -f -")
    documents = parse_documents(read_text(session.text("file")))
    if len(documents) != 1:
        raise session.wrong("the file must hold one document")
    _set(session, json.dumps(documents[0], ensure_ascii=False))


def delete(session: Session) -> None:
    _set(session, "{}")


def _cluster(session: Session) -> bool:
    """Are the cluster's defaults meant? They are unless a project is named."""
    if session.has("cluster") and session.text("project"):
        raise session.wrong("--cluster and --project exclude each other")
    return not session.text("project")


def _get(session: Session) -> str:
    from dassie._proto.pps import pps_pb2
    from dassie.client import messages

    if _cluster(session):
        answer = session.pps.GetClusterDefaults(pps_pb2.GetClusterDefaultsRequest())
        return str(answer.cluster_defaults_json)
    request = pps_pb2.GetProjectDefaultsRequest(project=messages.project(session.project))
    return str(session.pps.GetProjectDefaults(request).project_defaults_json)


def _set(session: Session, text: str) -> None:
    from dassie._proto.pps import pps_pb2
    from dassie.client import messages

    request: Any
    if _cluster(session):
        request = pps_pb2.SetClusterDefaultsRequest(cluster_defaults_json=text)
        call = session.pps.SetClusterDefaults
    else:
        request = pps_pb2.SetProjectDefaultsRequest(
            project=messages.project(session.project), project_defaults_json=text
        )
        call = session.pps.SetProjectDefaults
    request.regenerate = session.has("regenerate")
    request.reprocess = session.has("reprocess")
    request.dry_run = session.has("dry_run")
    for pipeline in call(request).affected_pipelines:
        session.out.line(f"{pipeline.project.name}/{pipeline.name}")


_SCOPE = (
    grammar.switch("--cluster", help="the cluster's defaults (the default)"),
    grammar.text("--project", help="this project's defaults", complete="project"),
)
_CHANGE = (
    *_SCOPE,
    grammar.switch("--regenerate", help="apply them to the pipelines that exist, too"),
    grammar.switch("--reprocess", help="… and process their datums anew"),
    grammar.switch("--dry-run", help="change nothing; print which pipelines would change"),
)
_FILE = grammar.text("-f", "--file", help="a file, a URL, or - for stdin", complete="path")
_ABOUT = "Prints the pipelines that change: none, unless --regenerate is given."
_EXAMPLE = (
    (
        "three tries for every datum",
        """echo '{"createPipelineRequest": {"datumTries": 3}}' | pachctl update defaults -f -""",
    ),
)

COMMANDS = (
    Command("inspect defaults", inspect, (), _SCOPE, formats=True),
    Command("list defaults", inspect, (), _SCOPE, formats=True),
    Command("create defaults", put, (), (_FILE, *_CHANGE), _ABOUT, _EXAMPLE),
    Command("update defaults", put, (), (_FILE, *_CHANGE), _ABOUT, _EXAMPLE),
    Command("delete defaults", delete, (), _CHANGE, _ABOUT),
)
