"""`create`, `update`, `edit` and `validate pipeline`: everything that sends specifications.

The client splits a file into specs; what a spec means is decided by the server alone.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dassie.cli import grammar
from dassie.cli.grammar import PROJECT, Command, Flag, Kind
from dassie.cli.sources import read_text
from dassie.errors import AlreadyExists, FailedPrecondition, InvalidArgument, Unimplemented

if TYPE_CHECKING:
    from dassie.cli.session import Session

Spec = dict[str, Any]


def create(session: Session) -> None:
    _refuse_images(session)
    for spec in specs(session):
        _send(session, spec, update=session.has("update"))


def update(session: Session) -> None:
    _refuse_images(session)
    for spec in specs(session):
        _send(session, spec, update=True)


def validate(session: Session) -> None:
    for spec in specs(session):
        _send(session, spec, update=True, dry_run=True)
        session.out.say(f"{_name(spec)} is valid")


def edit(session: Session) -> None:
    from dassie._proto.pps import pps_pb2
    from dassie.base.documents import parse_documents
    from dassie.cli.pipeline import spec_of
    from dassie.client import messages

    ref = session.pipeline("pipeline")
    info = session.pps.InspectPipeline(
        pps_pb2.InspectPipelineRequest(pipeline=messages.pipeline(ref), details=True)
    )
    before = json.dumps(spec_of(info), indent=2, ensure_ascii=False) + "\n"
    after = _edited(before, session.text("editor") or _editor(session))
    if after == before:
        session.out.say(f"pipeline {ref} is unchanged")
        return
    for spec in parse_documents(after):
        if _name(spec) != ref.name:
            raise InvalidArgument(
                f'a pipeline cannot be renamed: "{ref.name}" became "{_name(spec)}"'
            )
        _send(session, _in_project(spec, ref.project), update=True)


def specs(session: Session) -> Iterator[Spec]:
    """The specs that the command's flags point at, each with its project filled in."""
    from dassie.base.documents import parse_documents

    jsonnet, files = session.text("jsonnet"), session.texts("file")
    if jsonnet and files:
        raise session.wrong("--file and --jsonnet exclude each other")
    if session.texts("arg") and not jsonnet:
        raise session.wrong("--arg needs --jsonnet")
    if not jsonnet and not files:
        raise session.wrong("say where the specification is: -f FILE, -f URL or -f -")
    texts = [_rendered(session, jsonnet)] if jsonnet else (read_text(file) for file in files)
    for text in texts:
        for spec in parse_documents(text):
            if "spec_commit" in spec and "details" in spec:
                raise InvalidArgument(
                    "this is what `inspect pipeline` shows, not a specification; that comes from "
                    f"`pachctl list pipeline {_name(spec)} --spec`"
                )
            yield _in_project(spec, session.project)


def _rendered(session: Session, template: str) -> str:
    """A jsonnet template's result; the server evaluates it."""
    from dassie._proto.pps import pps_pb2

    arguments = {}
    for written in session.texts("arg"):
        key, equals, value = written.partition("=")
        if not equals:
            raise session.wrong(f'--arg takes KEY=VALUE, not "{written}"')
        arguments[key] = value
    request = pps_pb2.RenderTemplateRequest(template=read_text(template), args=arguments)
    return str(session.pps.RenderTemplate(request).json)


def _refuse_images(session: Session) -> None:
    if session.has("push_images"):
        raise Unimplemented("--push-images")


def _send(session: Session, spec: Spec, *, update: bool, dry_run: bool = False) -> None:
    from dassie._proto.pps import pps_pb2

    _warn_of_latest(session, spec)
    dry_run = dry_run or session.has("dry_run")
    request = pps_pb2.CreatePipelineV2Request(
        create_pipeline_request_json=json.dumps(spec, ensure_ascii=False),
        update=update,
        reprocess=session.has("reprocess"),
        dry_run=dry_run,
    )
    try:
        answer = session.pps.CreatePipelineV2(request)
    except AlreadyExists as error:
        if update or "pipeline" not in error.message:
            raise
        raise AlreadyExists(
            f"{error.message}; to change it, use `pachctl update pipeline`"
        ) from error
    if dry_run and session.has("dry_run"):
        effective = answer.effective_create_pipeline_request_json
        session.out.document(json.loads(effective) if effective else {})


def _in_project(spec: Spec, project: str) -> Spec:
    """The spec with its project named, so that it means the same on every server."""
    pipeline = spec.get("pipeline")
    if not isinstance(pipeline, dict) or pipeline.get("project"):
        return spec
    return {**spec, "pipeline": {**pipeline, "project": {"name": project}}}


def _name(spec: Spec) -> str:
    pipeline = spec.get("pipeline")
    return str(pipeline.get("name", "")) if isinstance(pipeline, dict) else ""


def _warn_of_latest(session: Session, spec: Spec) -> None:
    transform = spec.get("transform")
    image = str(transform.get("image") or "") if isinstance(transform, dict) else ""
    if image.endswith(":latest"):
        session.out.warn(
            f"image {image}: the tag `latest` may mean another image tomorrow; name a version"
        )


def _editor(session: Session) -> str:
    return session.environ.get("VISUAL") or session.environ.get("EDITOR") or "vi"


def _edited(text: str, editor: str) -> str:
    handle, name = tempfile.mkstemp(suffix=".json", prefix="pipeline-")
    path = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        if subprocess.run([*shlex.split(editor), name], check=False).returncode != 0:
            raise FailedPrecondition(f"the editor ({editor}) failed: nothing was changed")
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise FailedPrecondition(f"no editor {editor}: set EDITOR or use --editor") from None
    finally:
        path.unlink(missing_ok=True)


_SOURCE_FLAGS = (
    grammar.many("-f", "--file", help="a file, a URL, or - for stdin", complete="path"),
    grammar.text("--jsonnet", help="a jsonnet template: a file, a URL, or -", complete="path"),
    grammar.many("--arg", help="an argument of the template", metavar="KEY=VALUE"),
    PROJECT,
)
_SEND_FLAGS = (
    *_SOURCE_FLAGS,
    grammar.switch("--reprocess", help="process every datum anew, also unchanged ones"),
    grammar.switch("--dry-run", help="change nothing; print the specification in full"),
    Flag(("-p", "--push-images"), "not implemented in Dassie yet", hidden=True),
    Flag(("-r", "--registry"), "goes with --push-images", Kind.TEXT, hidden=True),
)
_ABOUT_SPECS = (
    "A specification is JSON or YAML; a file may hold several, one after the other or as a list. "
    "What a spec leaves out comes from the project's and the cluster's defaults."
)

COMMANDS = (
    Command(
        "create pipeline",
        create,
        (),
        (
            *_SEND_FLAGS,
            grammar.switch("-u", "--update", help="change the pipeline if it exists"),
        ),
        _ABOUT_SPECS,
        (
            ("from a file", "pachctl create pipeline -f edges.json"),
            (
                "what would it be, with all defaults",
                "pachctl create pipeline -f edges.yaml --dry-run",
            ),
            ("from a template", "pachctl create pipeline --jsonnet edges.jsonnet --arg suffix=1"),
        ),
        formats=True,
    ),
    Command(
        "update pipeline",
        update,
        (),
        _SEND_FLAGS,
        _ABOUT_SPECS + " Datums that were processed stay as they are unless their inputs change "
        "or --reprocess is given. A pipeline that does not exist is made.",
        (("with new code for everything", "pachctl update pipeline -f edges.json --reprocess"),),
        formats=True,
    ),
    Command(
        "edit pipeline",
        edit,
        (grammar.Positional("pipeline", complete="pipeline"),),
        (
            grammar.text("--editor", help="use this editor instead of $EDITOR"),
            grammar.switch("--reprocess", help="process every datum anew"),
            PROJECT,
        ),
        "Opens the specification as it was written; saving it updates the pipeline.",
    ),
    Command(
        "validate pipeline",
        validate,
        (),
        _SOURCE_FLAGS,
        "The server checks the specification as if it were sent, and changes nothing.",
        (("before a commit", "pachctl validate pipeline -f edges.json"),),
    ),
)
