"""Commands on pipelines that exist; `pipeline_spec.py` makes and changes them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from dassie.cli import grammar, states
from dassie.cli.documents import plain
from dassie.cli.grammar import ALL_PROJECTS, FULL_TIMESTAMPS, NO_PAGER, PROJECT, YES, Command
from dassie.cli.inputs import shorthand
from dassie.cli.output import Columns, Output

if TYPE_CHECKING:
    from dassie.cli.session import Session

_PIPELINE = (grammar.Positional("pipeline", complete="pipeline"),)


def inspect(session: Session) -> None:
    from dassie._proto.pps import pps_pb2
    from dassie.client import messages

    out = session.out
    request = pps_pb2.InspectPipelineRequest(
        pipeline=messages.pipeline(session.pipeline("pipeline")), details=True
    )
    info = session.pps.InspectPipeline(request)
    out.record(info, lambda info: describe(info, out))


def list_(session: Session) -> None:
    from dassie._proto.pps import pps_pb2
    from dassie.client import messages

    request = pps_pb2.ListPipelineRequest(
        history=session.history, details=True, projects=session.projects
    )
    if session.text("pipeline"):
        request.pipeline.CopyFrom(messages.pipeline(session.pipeline("pipeline")))
    if commit_set := session.text("commit"):
        request.commit_set.id = commit_set
    wanted = states.pipeline_states(session)
    infos = session.pps.ListPipeline(request)
    chosen = (info for info in infos if not wanted or info.state in wanted)
    if session.has("spec"):
        session.out.format = "json" if session.out.format == "table" else session.out.format
        session.out.documents(spec_of(info) for info in chosen)
    else:
        session.out.listing(chosen, columns(session.out))


def delete(session: Session) -> None:
    from dassie._proto.pps import pps_pb2
    from dassie.client import messages

    force, keep = session.has("force"), session.has("keep_repo")
    if session.has("all"):
        if session.text("pipeline"):
            raise session.wrong("name one pipeline, or say --all, not both")
        everywhere = session.has("all_projects")
        where = "all projects" if everywhere else f'project "{session.project}"'
        session.confirm(f"This deletes every pipeline of {where}, with jobs and output.")
        request = pps_pb2.DeletePipelinesRequest(
            projects=session.projects, all=everywhere, force=force, keep_repo=keep
        )
        for pipeline in session.pps.DeletePipelines(request).pipelines:
            session.out.say(f"deleted {pipeline.project.name}/{pipeline.name}")
        return
    if not session.text("pipeline"):
        raise session.wrong("name the pipeline to delete, or say --all")
    pipeline = messages.pipeline(session.pipeline("pipeline"))
    session.pps.DeletePipeline(
        pps_pb2.DeletePipelineRequest(
            pipeline=pipeline, force=force, keep_repo=keep, must_exist=True
        )
    )


def start(session: Session) -> None:
    from dassie._proto.pps import pps_pb2
    from dassie.client import messages

    pipeline = messages.pipeline(session.pipeline("pipeline"))
    session.pps.StartPipeline(pps_pb2.StartPipelineRequest(pipeline=pipeline))


def stop(session: Session) -> None:
    from dassie._proto.pps import pps_pb2
    from dassie.client import messages

    pipeline = messages.pipeline(session.pipeline("pipeline"))
    session.pps.StopPipeline(pps_pb2.StopPipelineRequest(pipeline=pipeline, must_exist=True))


def rerun(session: Session) -> None:
    from dassie._proto.pps import pps_pb2
    from dassie.client import messages

    pipeline = messages.pipeline(session.pipeline("pipeline"))
    session.pps.RerunPipeline(
        pps_pb2.RerunPipelineRequest(pipeline=pipeline, reprocess=session.has("reprocess"))
    )


def run_cron(session: Session) -> None:
    from dassie._proto.pps import pps_pb2
    from dassie.client import messages

    pipeline = messages.pipeline(session.pipeline("pipeline"))
    session.pps.RunCron(pps_pb2.RunCronRequest(pipeline=pipeline))


def columns(out: Output) -> Columns:
    def cells(info: Any) -> list[str]:
        return [
            info.pipeline.project.name,
            info.pipeline.name,
            str(info.version),
            shorthand(info.details.input),
            out.when(info.details.created_at),
            states.pipeline_and_job(info, out),
            "-",
            info.details.description or "-",
        ]

    headers = ["PROJECT", "NAME", "VERSION", "INPUT", "CREATED"]
    return Columns((*headers, "STATE / LAST JOB", "ALERTS", "DESCRIPTION"), cells)


def describe(info: Any, out: Output) -> list[tuple[str, str]]:
    details = info.details
    return [
        ("Name", info.pipeline.name),
        ("Project", info.pipeline.project.name),
        ("Description", details.description),
        ("Version", str(info.version)),
        ("Created", out.when(details.created_at)),
        ("State", states.pipeline(info, out)),
        ("Reason", info.reason),
        ("Last job", states.last_job(info, out)),
        ("Workers Available", f"{details.workers_available}/{details.workers_requested}"),
        ("Stopped", "true" if info.stopped else "false"),
        ("Parallelism", str(info.parallelism or details.parallelism_spec.constant or "")),
        ("Input", _json(details.input)),
        ("Output Branch", details.output_branch),
        ("Transform", _json(details.transform)),
        ("Datum Tries", str(details.datum_tries or "")),
        ("Datum Timeout", _seconds(details, "datum_timeout")),
        ("Job Timeout", _seconds(details, "job_timeout")),
        ("Reprocess", details.reprocess_spec),
        ("Egress", _json(details.egress) if details.HasField("egress") else ""),
        ("Recent Error", details.recent_error),
        ("Spec commit", info.spec_commit.id),
    ]


def spec_of(info: Any) -> Any:
    """The specification a pipeline was made from, as its author wrote it where that is known."""
    text = info.user_spec_json or info.effective_spec_json
    return json.loads(text) if text else {"pipeline": plain(info.pipeline), **plain(info.details)}


def _json(message: Any) -> str:
    return json.dumps(plain(message), indent=2, ensure_ascii=False)


def _seconds(details: Any, name: str) -> str:
    return str(getattr(details, name).ToJsonString()) if details.HasField(name) else ""


COMMANDS = (
    Command(
        "inspect pipeline",
        inspect,
        _PIPELINE,
        (PROJECT, FULL_TIMESTAMPS),
        examples=(
            ("as it is", "pachctl inspect pipeline edges"),
            ("as it was one version ago", "pachctl inspect pipeline edges^"),
        ),
        formats=True,
    ),
    Command(
        "list pipeline",
        list_,
        (grammar.Positional("pipeline", "only this one (with --history)", "?", "pipeline"),),
        (
            grammar.switch("-s", "--spec", help="print specifications, to recreate them from"),
            grammar.text(
                "--history", help="with N older versions of each, or all", metavar="N|all"
            ),
            grammar.text("-c", "--commit", help="as they were at this commit set", metavar="ID"),
            grammar.many("--state", help="only those in this state", complete="pipeline-state"),
            PROJECT,
            ALL_PROJECTS,
            FULL_TIMESTAMPS,
            NO_PAGER,
        ),
        examples=(
            ("those that need help", "pachctl list pipeline --state failure --state crashing"),
            ("save all specifications", "pachctl list pipeline --spec > pipelines.json"),
        ),
        formats=True,
    ),
    Command(
        "delete pipeline",
        delete,
        (grammar.Positional("pipeline", count="?", complete="pipeline"),),
        (
            grammar.switch("--all", help="delete all pipelines of the project"),
            grammar.switch("-f", "--force", help="even if others read its output"),
            grammar.switch("--keep-repo", help="keep the output repo and its data"),
            PROJECT,
            ALL_PROJECTS,
            YES,
        ),
        "Its jobs and its output repo go too, unless --keep-repo is given. With --all you are "
        "asked first.",
    ),
    Command("start pipeline", start, _PIPELINE, (PROJECT,)),
    Command("stop pipeline", stop, _PIPELINE, (PROJECT,), "A job that is running is killed."),
    Command(
        "rerun pipeline",
        rerun,
        _PIPELINE,
        (
            grammar.switch("--reprocess", help="process every datum anew, also unchanged ones"),
            PROJECT,
        ),
    ),
    Command("run cron", run_cron, _PIPELINE, (PROJECT,)),
)
