"""`inspect`, `list` and `restart datum`, and `why`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from dassie.cli import grammar, humanize, states
from dassie.cli.grammar import FULL_TIMESTAMPS, NO_PAGER, PROJECT, Command
from dassie.cli.output import Columns, Output

if TYPE_CHECKING:
    from dassie.cli.session import Session

_JOB = grammar.Positional("job", "written PIPELINE@ID", complete="job")
_MAX_FILES_SHOWN = 3


def inspect(session: Session) -> None:
    from dassie._proto.pps import pps_pb2
    from dassie.client import messages

    out = session.out
    datum = pps_pb2.Datum(job=messages.job(session.job("job")), id=session.text("datum"))
    info = session.pps.InspectDatum(pps_pb2.InspectDatumRequest(datum=datum))
    out.record(info, lambda info: describe(info, out))


def list_(session: Session) -> None:
    from dassie._proto.pps import pps_pb2
    from dassie.client import messages

    out, job = session.out, session.text("job")
    if bool(job) == bool(session.text("file")):
        raise session.wrong("say either a job, PIPELINE@ID, or a specification with -f")
    request = pps_pb2.ListDatumRequest(number=session.number("number"))
    for state in states.datum_states(session):
        request.filter.state.append(state)
    if job:
        request.job.CopyFrom(messages.job(session.job("job")))
        out.listing(session.pps.ListDatum(request), columns(out))
        return
    request.input.CopyFrom(_input(session))
    out.listing(session.pps.ListDatum(request), preview_columns())


def restart(session: Session) -> None:
    from dassie._proto.pps import pps_pb2
    from dassie.client import messages

    filters = [path for word in session.texts("paths") for path in word.split(",") if path]
    session.pps.RestartDatum(
        pps_pb2.RestartDatumRequest(job=messages.job(session.job("job")), data_filters=filters)
    )


def why(session: Session) -> None:
    from dassie._proto.dassie import explain_pb2
    from dassie.client import messages

    out = session.out
    job = messages.job(session.job("job"))
    request = explain_pb2.WhyRequest(job=job, datum_id=session.text("datum"))
    reasons = session.connection.explain.Why(request)
    if session.text("datum"):
        for reason in reasons:
            out.record(reason, lambda reason: _explain(reason, out))
        return
    counts: dict[str, int] = {}
    out.listing(_counted(reasons, counts), _why_columns(out))
    if counts:
        out.say(", ".join(f"{number:,} {decision}" for decision, number in counts.items()))


def columns(out: Output) -> Columns:
    """The table of a job's datums."""

    def cells(info: Any) -> list[str]:
        spent = info.stats.process_time
        skipped = states.datum(info.state, Output()) == "skipped"
        time = "-" if skipped else humanize.duration(spent.seconds + spent.nanos / 1e9)
        return [info.datum.id, _files(info.data), states.datum(info.state, out), time]

    return Columns(("ID", "FILES", "STATUS", "TIME"), cells)


def preview_columns() -> Columns:
    """The table of datums that do not exist yet."""

    def cells(info: Any) -> list[str]:
        return [info.datum.id or "-", _files(info.data), "-", "-"]

    return Columns(("ID", "FILES", "STATUS", "TIME"), cells)


def describe(info: Any, out: Output) -> list[tuple[str, str]]:
    stats = info.stats

    def span(value: Any) -> str:
        return humanize.duration(value.seconds + value.nanos / 1e9)

    return [
        ("ID", info.datum.id),
        ("Job ID", info.datum.job.id),
        ("Pipeline", info.datum.job.pipeline.name),
        ("State", states.datum(info.state, out)),
        ("Data Downloaded", humanize.size(stats.download_bytes)),
        ("Data Uploaded", humanize.size(stats.upload_bytes)),
        ("Download Time", span(stats.download_time)),
        ("Process Time", span(stats.process_time)),
        ("Upload Time", span(stats.upload_time)),
        ("Image", info.image_id),
        ("Meta", _path(info.pfs_state) if info.pfs_state.path else ""),
        ("Files", "\n".join(_path(file.file) for file in info.data)),
    ]


def _input(session: Session) -> Any:
    """The input of the first spec in the file, as a message."""
    from google.protobuf.json_format import ParseDict, ParseError

    from dassie._proto.pps import pps_pb2
    from dassie.base.documents import parse_documents
    from dassie.cli.sources import read_text
    from dassie.errors import InvalidArgument

    spec = parse_documents(read_text(session.text("file")))[0]
    try:
        return ParseDict(spec.get("input", spec), pps_pb2.Input())
    except ParseError as error:
        raise InvalidArgument(f"input of {session.text('file')}: {error}") from None


def _files(infos: Any) -> str:
    """`repo:/path` of the datum's files, shortened."""
    shown = [f"{info.file.commit.repo.name}:{info.file.path}" for info in infos[:_MAX_FILES_SHOWN]]
    more = len(infos) - len(shown)
    return ", ".join(shown) + (f", +{more} more" if more > 0 else "")


def _path(file: Any) -> str:
    from dassie.client import messages

    return f"{messages.commit_text(file.commit)}:{file.path}"


def _counted(reasons: Any, counts: dict[str, int]) -> Iterator[Any]:
    for reason in reasons:
        counts[reason.decision] = counts.get(reason.decision, 0) + 1
        yield reason


def _why_columns(out: Output) -> Columns:
    def cells(reason: Any) -> list[str]:
        colour = {"ran": "green", "skipped": "dim", "waiting": "yellow", "not run": "red"}.get(
            reason.decision
        )
        decision = out.paint(reason.decision, colour) if colour else reason.decision
        return [reason.datum.id, decision, ", ".join(reason.paths), reason.reason]

    return Columns(("ID", "DECISION", "FILES", "REASON"), cells)


def _explain(reason: Any, out: Output) -> list[tuple[str, str]]:
    return [
        ("Datum", reason.datum.id),
        ("Decision", reason.decision),
        ("State", states.datum(reason.state, out)),
        ("Reason", reason.reason),
        ("Changed", "\n".join(reason.changed)),
        ("Previous job", reason.previous_job.id),
        ("Files", "\n".join(reason.paths)),
    ]


COMMANDS = (
    Command(
        "inspect datum",
        inspect,
        (_JOB, grammar.Positional("datum", "the datum's id", complete="datum")),
        (PROJECT,),
        formats=True,
    ),
    Command(
        "list datum",
        list_,
        (grammar.Positional("job", "written PIPELINE@ID", "?", "job"),),
        (
            grammar.text(
                "-f",
                "--file",
                help="list the datums this specification would make",
                complete="path",
            ),
            grammar.many("--state", help="only those in this state", complete="datum-state"),
            grammar.number("-n", "--number", help="at most this many"),
            PROJECT,
            FULL_TIMESTAMPS,
            NO_PAGER,
        ),
        examples=(
            (
                "what failed",
                "pachctl list datum edges@0123456789ab4cdef0123456789abcde --state failed",
            ),
            ("before there is a pipeline", "pachctl list datum -f edges.json"),
        ),
        formats=True,
    ),
    Command(
        "restart datum",
        restart,
        (_JOB, grammar.Positional("paths", "paths of the datum's files, or their hashes", "+")),
        (PROJECT,),
        "The running datum whose input has all of these files is stopped and begun anew.",
        (("by one file", "pachctl restart datum edges@0123456789ab4cdef0123456789abcde /a.png"),),
    ),
    Command(
        "why",
        why,
        (_JOB, grammar.Positional("datum", "one datum's id (default: all)", "?", "datum")),
        (PROJECT, NO_PAGER),
        "Says for each datum whether it ran or was skipped, and which input or setting changed.",
        (("all datums of a job", "pachctl why edges@0123456789ab4cdef0123456789abcde"),),
        formats=True,
    ),
)
