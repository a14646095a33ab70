"""Names that are on the server now, for completion. Bounded in number and in time.

Called by `completion.py` only. Names are taken from streams until enough match, and the stream is
then cancelled: a repo with a million files costs as much as one with a hundred.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from dassie.cli import humanize
from dassie.client import refs
from dassie.client.config import Config
from dassie.client.connection import Connection, Service

Candidate = tuple[str, str]
_TIMEOUT_S = 2.0
_MAX_SCANNED = 5000
"""Names looked at before giving up on finding more that match."""


def names(
    kind: str, current: str, given: list[str], project: str, environ: Mapping[str, str]
) -> list[Candidate]:
    """Names of this kind that begin with `current`; `given` are the arguments before it."""
    config = Config.load(environ)
    if kind == "context":
        return [(name, "") for name in sorted(config.contexts)]
    source = _SOURCES.get(kind)
    if source is None:
        return []
    with Connection(config.target(), timeout_s=_TIMEOUT_S) as connection:
        found = source(
            _Ask(connection.pfs, connection.pps, project or config.project, current, given)
        )
        scanned = islice(found, _MAX_SCANNED)
        matching = (one for one in scanned if one[0].startswith(current))
        return list(islice(matching, config.max_completions))


@dataclass(frozen=True)
class _Ask:
    """What is asked, and of whom."""

    pfs: Service
    pps: Service
    project: str
    current: str
    given: list[str]


def _repos(ask: _Ask, suffix: str = "") -> Iterator[Candidate]:
    from dassie._proto.pfs import pfs_pb2
    from dassie.client import messages

    elsewhere, slash, _ = ask.current.partition("/")
    project = elsewhere if slash else ask.project
    request = pfs_pb2.ListRepoRequest(type="user", projects=[messages.project(project)])
    for info in ask.pfs.ListRepo(request):
        name = f"{project}/{info.repo.name}" if slash else info.repo.name
        yield f"{name}{suffix}", info.description


def _projects(ask: _Ask) -> Iterator[Candidate]:
    from dassie._proto.pfs import pfs_pb2

    for info in ask.pfs.ListProject(pfs_pb2.ListProjectRequest()):
        yield info.project.name, info.description


def _branches(ask: _Ask, suffix: str = "") -> Iterator[Candidate]:
    """Repos first; behind the `@`, branches."""
    from dassie._proto.pfs import pfs_pb2
    from dassie.client import messages

    repo, at, _ = ask.current.partition("@")
    if not at:
        yield from _repos(ask, "@")
        return
    request = pfs_pb2.ListBranchRequest(repo=messages.repo(refs.parse_repo(repo, ask.project)))
    for info in ask.pfs.ListBranch(request):
        yield f"{repo}@{info.branch.name}{suffix}", info.head.id


def _commits(ask: _Ask, suffix: str = "") -> Iterator[Candidate]:
    """Branches, and behind the `@` commits too."""
    from dassie._proto.pfs import pfs_pb2
    from dassie.client import messages

    yield from _branches(ask, suffix)
    repo, at, _ = ask.current.partition("@")
    if at:
        request = pfs_pb2.ListCommitRequest(
            repo=messages.repo(refs.parse_repo(repo, ask.project)), number=100
        )
        for info in ask.pfs.ListCommit(request):
            yield f"{repo}@{info.commit.id}{suffix}", info.description


def _heads(ask: _Ask) -> Iterator[Candidate]:
    """Branches and commits of the repo whose branch stands before, without its name."""
    repo = ask.given[0].partition("@")[0] if ask.given else ""
    if repo:
        prefix = f"{repo}@"
        for name, meaning in _commits(replace(ask, current=prefix + ask.current)):
            yield name.removeprefix(prefix), meaning


def _files(ask: _Ask) -> Iterator[Candidate]:
    """Commits; behind the colon, one level of files."""
    from dassie._proto.pfs import pfs_pb2
    from dassie.client import messages

    commit, colon, path = ask.current.partition(":")
    if not colon:
        yield from _commits(ask, ":")
        return
    folder = path[: path.rfind("/") + 1] or "/"
    ref = refs.FileRef(refs.parse_commit(commit, ask.project), folder)
    for info in ask.pfs.ListFile(pfs_pb2.ListFileRequest(file=messages.file(ref))):
        shown = info.file.path if path.startswith("/") or not path else info.file.path.lstrip("/")
        yield f"{commit}:{shown}", humanize.size(info.size_bytes)


def _pipelines(ask: _Ask, suffix: str = "") -> Iterator[Candidate]:
    from dassie._proto.pps import pps_pb2
    from dassie.client import messages

    request = pps_pb2.ListPipelineRequest(projects=[messages.project(ask.project)])
    for info in ask.pps.ListPipeline(request):
        yield f"{info.pipeline.name}{suffix}", info.details.description


def _jobs(ask: _Ask) -> Iterator[Candidate]:
    """Pipelines first; behind the `@`, ids of their jobs."""
    from dassie._proto.pps import pps_pb2
    from dassie.cli.states import job_word
    from dassie.client import messages

    pipeline, at, _ = ask.current.partition("@")
    if not at:
        yield from _pipelines(ask, "@")
        return
    ref = refs.parse_pipeline(pipeline, ask.project)
    request = pps_pb2.ListJobRequest(pipeline=messages.pipeline(ref), number=100)
    for info in ask.pps.ListJob(request):
        yield f"{pipeline}@{info.job.id}", job_word(info.state)


def _datums(ask: _Ask) -> Iterator[Candidate]:
    """The datums of the job that stands before."""
    from dassie._proto.pps import pps_pb2
    from dassie.client import messages

    jobs = [word for word in ask.given if "@" in word]
    if not jobs:
        return
    job = messages.job(refs.parse_job(jobs[-1], ask.project))
    for info in ask.pps.ListDatum(pps_pb2.ListDatumRequest(job=job)):
        yield info.datum.id, ", ".join(file.file.path for file in info.data[:3])


_SOURCES: dict[str, Callable[[Any], Iterator[Candidate]]] = {
    "repo": _repos,
    "project": _projects,
    "branch": _branches,
    "commit": _commits,
    "file": _files,
    "head": _heads,
    "pipeline": _pipelines,
    "job": _jobs,
    "datum": _datums,
}
