"""`logs`: what pipelines, jobs and datums wrote."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from dassie.cli import grammar
from dassie.cli.grammar import PROJECT, Command

if TYPE_CHECKING:
    from dassie.cli.session import Session

_DEFAULT_SINCE = "24h"


def logs(session: Session) -> None:
    request = _request(session)
    lines = session.pps.GetLogs(request)
    wanted: Iterator[Any] = (line for line in lines if _is_wanted(line, session))
    if (tail := session.number("tail")) and not request.tail:
        wanted = iter(deque(wanted, tail))
    found = False
    for message in wanted:
        found = True
        if session.out.format != "table":
            session.out.documents([message])
        else:
            session.out.line(_line(message, session))
        if request.follow:
            session.out.stdout.flush()
    if not found and not request.follow:
        since = session.text("since") or _DEFAULT_SINCE
        session.out.say(f"no log lines in the last {since}")


def _request(session: Session) -> Any:
    from google.protobuf.duration_pb2 import Duration

    from dassie._proto.pps import pps_pb2
    from dassie.client import messages, refs

    request = pps_pb2.GetLogsRequest(
        master=session.has("master"),
        follow=session.has("follow"),
        # The server counts all lines, people those that they see: count here, if there is an end.
        tail=session.number("tail") if _counts_all(session) else 0,
        data_filters=[path for text in session.texts("inputs") for path in text.split(",")],
    )
    job, pipeline, datum = session.text("job"), session.text("pipeline"), session.text("datum")
    if job and pipeline:
        raise session.wrong("--job names the pipeline already: leave out --pipeline")
    if datum and not job:
        raise session.wrong("--datum needs --job PIPELINE@ID")
    if job:
        request.job.CopyFrom(messages.job(refs.parse_job(job, session.project)))
    if pipeline:
        request.pipeline.CopyFrom(messages.pipeline(session.pipeline("pipeline")))
    if datum:
        request.datum.CopyFrom(pps_pb2.Datum(job=request.job, id=datum))
    since = session.seconds("since")
    if since is not None:
        span = Duration()
        span.FromMilliseconds(int(since * 1000))
        request.since.CopyFrom(span)
    return request


def _counts_all(session: Session) -> bool:
    return session.out.format != "table" or session.has("follow") or session.has("master")


def _is_wanted(message: Any, session: Session) -> bool:
    """Programs get everything; people the user's lines, or those they ask for."""
    if session.out.format != "table":
        return True
    if session.has("master"):
        return bool(message.master)
    if session.has("worker"):
        return not (message.user or message.master)
    return bool(message.user)


def _line(message: Any, session: Session) -> str:
    """The text as it was written; with --timestamps, when."""
    text = str(message.message).rstrip("\n")
    return f"{message.ts.ToJsonString()} {text}" if session.has("timestamps") else text


COMMANDS = (
    Command(
        "logs",
        logs,
        (),
        (
            grammar.text("-p", "--pipeline", help="of this pipeline", complete="pipeline"),
            grammar.text("-j", "--job", help="of this job", metavar="PIPELINE@ID", complete="job"),
            grammar.text(
                "--datum", help="of this datum of the job", metavar="ID", complete="datum"
            ),
            grammar.many(
                "--inputs",
                help="of datums that read all of these files, by path or hash",
                metavar="PATH,…",
            ),
            grammar.switch("--master", help="what the pipeline's controller wrote, instead"),
            grammar.switch("--worker", help="what the workers wrote about their work, instead"),
            grammar.switch("--timestamps", help="show when each line was written"),
            grammar.switch("-f", "--follow", help="go on until interrupted"),
            grammar.number("-t", "--tail", help="only the last N lines"),
            grammar.text(
                "--since", help=f"how far back (default {_DEFAULT_SINCE})", metavar="DURATION"
            ),
            PROJECT,
        ),
        "Without flags, what user code of the project's pipelines wrote, line by line as it was "
        "written; -o json has all lines with everything that is known about them.",
        (
            ("of a pipeline, as it runs", "pachctl logs -p edges --follow"),
            (
                "of the datum of one file",
                "pachctl logs -j edges@0123456789ab4cdef0123456789abcde --inputs /liberty.png",
            ),
        ),
        formats=True,
    ),
)
