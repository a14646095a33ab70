"""Commands on commits and commit sets; `commit_tables.py` has how they are shown.

A bare id names a whole commit set: everything that one change made, in every repo.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from dassie.cli import commit_tables, exits, grammar
from dassie.cli.grammar import ALL_PROJECTS, FULL_TIMESTAMPS, NO_PAGER, PROJECT, YES, Command
from dassie.client import refs
from dassie.errors import InvalidArgument

if TYPE_CHECKING:
    from dassie.cli.session import Session

_COMMIT = (grammar.Positional("commit", "written REPO@BRANCH-OR-COMMIT", complete="commit"),)
_COMMIT_OR_SET = (
    grammar.Positional(
        "commit", "REPO@BRANCH-OR-COMMIT, or the id of a commit set", complete="commit"
    ),
)
_MESSAGE = grammar.text("-m", "--message", help="what the commit is about", metavar="TEXT")
_ORIGIN = grammar.text("--origin", help="only commits of this origin: user, auto or fsck")


def start(session: Session) -> None:
    from dassie._proto.pfs import pfs_pb2
    from dassie.client import messages

    ref = session.branch("branch")
    request = pfs_pb2.StartCommitRequest(
        branch=messages.branch(ref), description=session.text("message")
    )
    if parent := session.text("parent"):
        written = parent if "@" in parent else f"{ref.repo}@{parent}"
        request.parent.CopyFrom(messages.commit(refs.parse_commit(written, session.project)))
    session.out.line(session.pfs.StartCommit(request).id)


def finish(session: Session) -> None:
    from dassie._proto.pfs import pfs_pb2
    from dassie.client import messages

    session.pfs.FinishCommit(
        pfs_pb2.FinishCommitRequest(
            commit=messages.commit(session.commit("commit")),
            description=session.text("message"),
            force=session.has("force"),
        )
    )


def inspect(session: Session) -> None:
    out = session.out
    if "@" not in session.text("commit"):
        out.listing(_commit_set(session, wait=False), commit_tables.commits(out))
        return
    info = _inspect(session, wait=0)
    out.record(info, lambda info: commit_tables.describe(info, out))


def list_(session: Session) -> None:
    out, text = session.out, session.text("commit")
    if refs.is_commit_id(text):
        out.listing(_commit_set(session, wait=False), commit_tables.commits(out))
    elif text:
        out.listing(_of_repo(session, text), commit_tables.commits(out))
    elif session.has("expand"):
        members = (info for found in _sets(session) for info in found.commits)
        out.listing(members, commit_tables.commits(out))
    else:
        out.listing(_sets(session), commit_tables.commit_sets(out))


def wait(session: Session) -> int | None:
    from dassie._proto.pfs import pfs_pb2

    out = session.out
    seen: list[Any] = []
    if "@" in session.text("commit"):
        seen.append(_inspect(session, wait=pfs_pb2.FINISHED))
        out.listing(seen, commit_tables.commits(out))
    else:
        out.listing(_kept(_commit_set(session, wait=True), seen), commit_tables.commits(out))
    failed = [info for info in seen if info.error]
    for info in failed:
        out.say(f"commit {commit_tables.text(info)} finished with an error: {info.error}")
    return exits.UNSUCCESSFUL if failed else None


def subscribe(session: Session) -> None:
    from dassie._proto.pfs import pfs_pb2
    from dassie.client import messages

    ref = session.commit("branch", default_branch="")
    started = session.has("started")
    request = pfs_pb2.SubscribeCommitRequest(
        repo=messages.repo(ref.repo),
        branch=ref.branch,
        state=pfs_pb2.STARTED if started else pfs_pb2.FINISHED,
        all=session.has("all"),
        origin_kind=_origin(session),
    )
    start_after = session.text("from")
    if session.has("new"):
        if start_after:
            raise session.wrong("--new and --from exclude each other")
        start_after = ref.branch
    if start_after:
        written = start_after if "@" in start_after else f"{ref.repo}@{start_after}"
        getattr(request, "from").CopyFrom(
            messages.commit(refs.parse_commit(written, session.project))
        )
    for info in session.pfs.SubscribeCommit(request):
        if session.out.format == "table":
            session.out.line("\t".join(commit_tables.commits(session.out).cells(info)))
        else:
            session.out.documents([info])
        session.out.stdout.flush()


def find(session: Session) -> None:
    from dassie._proto.pfs import pfs_pb2
    from dassie.client import messages

    ref = session.file("file")
    request = pfs_pb2.FindCommitsRequest(
        start=messages.commit(ref.commit),
        file_path=ref.path or "/",
        limit=session.number("limit"),
    )
    searched = 0
    for answer in session.pfs.FindCommits(request):
        if answer.WhichOneof("result") == "found_commit":
            session.out.line(answer.found_commit.id)
        else:
            searched = answer.commits_searched
    session.out.say(f"searched {searched} commits")


def delete(session: Session) -> None:
    from dassie._proto.pfs import pfs_pb2

    _remove(session, pfs_pb2.DropCommitSetRequest, pfs_pb2.DropCommitRequest, "Drop")


def squash(session: Session) -> None:
    from dassie._proto.pfs import pfs_pb2

    _remove(session, pfs_pb2.SquashCommitSetRequest, pfs_pb2.SquashCommitRequest, "Squash")


def _remove(session: Session, set_request: Any, commit_request: Any, call: str) -> None:
    from dassie._proto.pfs import pfs_pb2
    from dassie.client import messages

    text = session.text("commit")
    if "@" in text:
        commit = messages.commit(session.commit("commit"))
        request = commit_request(commit=commit, recursive=session.has("recursive"))
        getattr(session.pfs, f"{call}Commit")(request)
    else:
        request = set_request(commit_set=pfs_pb2.CommitSet(id=text))
        getattr(session.pfs, f"{call}CommitSet")(request)


def _inspect(session: Session, *, wait: Any) -> Any:
    from dassie._proto.pfs import pfs_pb2
    from dassie.client import messages

    commit = messages.commit(session.commit("commit"))
    return session.pfs.InspectCommit(pfs_pb2.InspectCommitRequest(commit=commit, wait=wait))


def _commit_set(session: Session, *, wait: bool) -> Any:
    from dassie._proto.pfs import pfs_pb2

    text = session.text("commit")
    if not refs.is_commit_id(text):
        raise InvalidArgument(f'expected repo@branch-or-commit or the id of a set, got "{text}"')
    commit_set = pfs_pb2.CommitSet(id=text)
    request = pfs_pb2.InspectCommitSetRequest(commit_set=commit_set, wait=wait)
    return session.pfs.InspectCommitSet(request)


def _sets(session: Session) -> Iterator[Any]:
    from dassie._proto.pfs import pfs_pb2

    request = pfs_pb2.ListCommitSetRequest()
    if not session.has("all_projects"):
        request.project.name = session.project
    limit = session.number("number")
    for number, found in enumerate(session.pfs.ListCommitSet(request), start=1):
        yield found
        if number == limit:
            return


def _of_repo(session: Session, text: str) -> Any:
    from dassie._proto.pfs import pfs_pb2
    from dassie.client import messages

    ref = session.commit("commit", default_branch="")
    request = pfs_pb2.ListCommitRequest(
        repo=messages.repo(ref.repo),
        number=session.number("number"),
        all=session.has("all"),
        reverse=session.has("reverse"),
        origin_kind=_origin(session),
    )
    if "@" in text:
        request.to.CopyFrom(messages.commit(ref))
    if older := session.text("from"):
        if "@" not in text:
            raise session.wrong(f"--from needs an end: list commit {text}@BRANCH --from {older}")
        written = older if "@" in older else f"{ref.repo}@{older}"
        getattr(request, "from").CopyFrom(
            messages.commit(refs.parse_commit(written, session.project))
        )
    return session.pfs.ListCommit(request)


def _origin(session: Session) -> Any:
    from dassie._proto.pfs import pfs_pb2

    text = session.text("origin").upper()
    if text and text not in ("USER", "AUTO", "FSCK"):
        raise session.wrong(f'unknown origin "{text.lower()}": user, auto or fsck')
    return pfs_pb2.OriginKind.Value(text) if text else pfs_pb2.ORIGIN_KIND_UNKNOWN


def _kept(messages: Any, into: list[Any]) -> Iterator[Any]:
    for message in messages:
        into.append(message)
        yield message


COMMANDS = (
    Command(
        "start commit",
        start,
        (grammar.Positional("branch", "written REPO@BRANCH", complete="branch"),),
        (
            _MESSAGE,
            grammar.text(
                "-p", "--parent", help="a branch or commit to build on", complete="commit"
            ),
            PROJECT,
        ),
        "Prints the new commit's id. Between start and finish, writes to the branch gather in "
        "the open commit, so that pipelines see them all at once.",
        (
            (
                "two files in one commit",
                """pachctl start commit images@master
pachctl put file images@master -f a.png -f b.png
pachctl finish commit images@master""",
            ),
        ),
    ),
    Command(
        "finish commit",
        finish,
        _COMMIT,
        (
            _MESSAGE,
            grammar.switch("-f", "--force", help="also an output commit of a pipeline"),
            PROJECT,
        ),
    ),
    Command(
        "inspect commit",
        inspect,
        _COMMIT_OR_SET,
        (PROJECT, FULL_TIMESTAMPS, NO_PAGER),
        examples=(
            ("the newest commit of a branch", "pachctl inspect commit images@master"),
            ("its grandparent", "pachctl inspect commit images@master^2"),
        ),
        formats=True,
    ),
    Command(
        "list commit",
        list_,
        (grammar.Positional("commit", "REPO, REPO@BRANCH, or a commit set's id", "?", "commit"),),
        (
            grammar.text(
                "-f",
                "--from",
                help="only commits newer than this",
                metavar="COMMIT",
                complete="commit",
            ),
            grammar.number("-n", "--number", help="at most this many"),
            grammar.switch("--all", help="accepted for Pachyderm's sake; all are listed anyway"),
            grammar.switch("-x", "--expand", help="each commit of each set on its own line"),
            grammar.switch("-r", "--reverse", help="oldest first"),
            _ORIGIN,
            PROJECT,
            ALL_PROJECTS,
            FULL_TIMESTAMPS,
            NO_PAGER,
        ),
        "Without an argument, lists the project's commit sets: a change and all that followed "
        "from it, across repos. With a set's id, lists the commits in it.",
        (
            ("what happened lately", "pachctl list commit -n 10"),
            ("the history of a branch", "pachctl list commit images@master"),
        ),
        formats=True,
    ),
    Command(
        "wait commit",
        wait,
        _COMMIT_OR_SET,
        (PROJECT, FULL_TIMESTAMPS, NO_PAGER),
        "Ends with exit code 5 if a commit finished with an error.",
        (
            (
                "until every pipeline is through with a change",
                "pachctl wait commit 0123456789ab4cdef0123456789abcde",
            ),
        ),
        formats=True,
    ),
    Command(
        "subscribe commit",
        subscribe,
        (grammar.Positional("branch", "written REPO@BRANCH", complete="branch"),),
        (
            grammar.text("--from", help="only commits after this one", complete="commit"),
            grammar.switch("--new", help="only commits that come from now on"),
            grammar.switch("--started", help="print commits when they start, not when finished"),
            grammar.switch("--all", help="accepted for Pachyderm's sake"),
            _ORIGIN,
            PROJECT,
            FULL_TIMESTAMPS,
        ),
        "Does not end by itself. The columns are those of `list commit`, separated by tabs.",
        formats=True,
    ),
    Command(
        "find commit",
        find,
        (grammar.Positional("file", "written REPO@BRANCH-OR-COMMIT:/PATH", complete="file"),),
        (grammar.number("-n", "--limit", help="stop after this many"), PROJECT),
        "Goes back from the commit through its parents.",
        (("who changed this file", "pachctl find commit images@master:/liberty.png"),),
    ),
    Command(
        "delete commit",
        delete,
        _COMMIT_OR_SET,
        (grammar.switch("-r", "--recursive", help="with what was made from it"), PROJECT, YES),
        "Only commits without children, the newest of their branches, can be deleted.",
    ),
    Command(
        "squash commit",
        squash,
        _COMMIT_OR_SET,
        (grammar.switch("-r", "--recursive", help="with what was made from it"), PROJECT, YES),
    ),
)
