"""Commands on jobs and job sets. A bare id names the job set: the jobs one change led to."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from dassie.cli import exits, grammar, job_tables, states
from dassie.cli.grammar import ALL_PROJECTS, FULL_TIMESTAMPS, NO_PAGER, PROJECT, Command
from dassie.client import refs
from dassie.errors import InvalidArgument

if TYPE_CHECKING:
    from dassie.cli.session import Session

_JOB = (grammar.Positional("job", "written PIPELINE@ID", complete="job"),)
_JOB_OR_SET = (grammar.Positional("job", "PIPELINE@ID, or the id of a job set", complete="job"),)
_STATE = grammar.many("--state", help="only those in this state", complete="job-state")


def inspect(session: Session) -> None:
    out = session.out
    if "@" not in session.text("job"):
        out.listing(_job_set(session, wait=False), job_tables.jobs(out))
        return
    info = _inspect(session, wait=False)
    out.record(info, lambda info: job_tables.describe(info, out))


def list_(session: Session) -> None:
    out, text = session.out, session.text("job")
    wanted = states.job_states(session)
    if text:
        infos = iter([_inspect(session, wait=False)] if "@" in text else _job_set(session, False))
    elif _filtered(session) or session.has("expand"):
        infos = _jobs(session)
    else:
        out.listing(_sets(session, wanted), job_tables.job_sets(out))
        return
    chosen = (info for info in infos if not wanted or info.state in wanted)
    out.listing(chosen, job_tables.jobs(out))


def wait(session: Session) -> int | None:
    out = session.out
    seen: list[Any] = []
    if "@" in session.text("job"):
        seen.append(_inspect(session, wait=True))
        out.listing(seen, job_tables.jobs(out))
    else:
        out.listing(_kept(_job_set(session, wait=True), seen), job_tables.jobs(out))
    failed = [info for info in seen if states.job_word(info.state) != "success"]
    for info in failed:
        reason = f": {info.reason}" if info.reason else ""
        out.say(f"job {job_tables.text(info)} ended as {states.job_word(info.state)}{reason}")
    return exits.UNSUCCESSFUL if failed else None


def stop(session: Session) -> None:
    from dassie._proto.pps import pps_pb2
    from dassie.client import messages

    reason = session.text("reason")
    if "@" in session.text("job"):
        jobs = [messages.job(session.job("job"))]
    else:
        found = _job_set(session, wait=False)
        jobs = [info.job for info in found if not states.is_over(info.state)]
    for job in jobs:
        session.pps.StopJob(pps_pb2.StopJobRequest(job=job, reason=reason))
        session.out.say(f"stopped {job.pipeline.name}@{job.id}")


def delete(session: Session) -> None:
    from dassie._proto.pps import pps_pb2
    from dassie.client import messages

    session.pps.DeleteJob(pps_pb2.DeleteJobRequest(job=messages.job(session.job("job"))))


def _filtered(session: Session) -> bool:
    return bool(session.text("pipeline") or session.texts("input"))


def _inspect(session: Session, *, wait: bool) -> Any:
    from dassie._proto.pps import pps_pb2
    from dassie.client import messages

    job = messages.job(session.job("job"))
    return session.pps.InspectJob(pps_pb2.InspectJobRequest(job=job, wait=wait, details=True))


def _job_set(session: Session, wait: bool) -> Any:
    from dassie._proto.pps import pps_pb2

    written = session.text("job")
    if not refs.is_commit_id(written):
        raise InvalidArgument(
            f'expected pipeline@job-id or the id of a job set, got "{written}"; '
            "`pachctl list job --pipeline NAME` has the ids"
        )
    request = pps_pb2.InspectJobSetRequest(
        job_set=pps_pb2.JobSet(id=written), wait=wait, details=True
    )
    return session.pps.InspectJobSet(request)


def _jobs(session: Session) -> Iterator[Any]:
    from dassie._proto.pps import pps_pb2
    from dassie.client import messages

    request = pps_pb2.ListJobRequest(
        history=session.history,
        number=session.number("number"),
        details=session.out.format != "table",
    )
    if session.text("pipeline"):
        request.pipeline.CopyFrom(messages.pipeline(session.pipeline("pipeline")))
    else:
        request.projects.extend(session.projects)
    for text in session.texts("input"):
        ref = refs.parse_commit(text, session.project)
        request.input_commit.append(messages.commit(ref))
    return iter(session.pps.ListJob(request))


def _sets(session: Session, wanted: set[int]) -> Iterator[Any]:
    from dassie._proto.pps import pps_pb2

    request = pps_pb2.ListJobSetRequest(projects=session.projects, number=session.number("number"))
    for found in session.pps.ListJobSet(request):
        if not wanted or any(info.state in wanted for info in found.jobs):
            yield found


def _kept(messages: Any, into: list[Any]) -> Iterator[Any]:
    for message in messages:
        into.append(message)
        yield message


COMMANDS = (
    Command(
        "inspect job",
        inspect,
        _JOB_OR_SET,
        (PROJECT, FULL_TIMESTAMPS, NO_PAGER),
        formats=True,
    ),
    Command(
        "list job",
        list_,
        (grammar.Positional("job", "PIPELINE@ID, or the id of a job set", "?", "job"),),
        (
            grammar.text("-p", "--pipeline", help="only this pipeline's", complete="pipeline"),
            grammar.many(
                "-i",
                "--input",
                help="only those that read this commit",
                metavar="REPO@COMMIT",
                complete="commit",
            ),
            grammar.switch("-x", "--expand", help="each job of each set on its own line"),
            grammar.text(
                "--history", help="with jobs of N older versions of it, or all", metavar="N|all"
            ),
            grammar.number("-n", "--number", help="at most this many"),
            _STATE,
            PROJECT,
            ALL_PROJECTS,
            FULL_TIMESTAMPS,
            NO_PAGER,
        ),
        "Without an argument, lists the project's job sets: all jobs that one change led to. "
        "PROGRESS of a job is `processed + skipped / total` datums.",
        (
            ("a pipeline's jobs, newest first", "pachctl list job -p edges"),
            ("what failed", "pachctl list job -x --state failure"),
        ),
        formats=True,
    ),
    Command(
        "wait job",
        wait,
        _JOB_OR_SET,
        (PROJECT, FULL_TIMESTAMPS, NO_PAGER),
        "Ends with exit code 5 unless every job ended in success.",
        (("until a job has ended", "pachctl wait job edges@0123456789ab4cdef0123456789abcde"),),
        formats=True,
    ),
    Command(
        "stop job",
        stop,
        _JOB_OR_SET,
        (grammar.text("--reason", help="what to note as the reason", metavar="TEXT"), PROJECT),
        "The job ends as killed. With a job set's id, all of its jobs are stopped.",
    ),
    Command("delete job", delete, _JOB, (PROJECT,)),
)
