"""`create`, `update`, `inspect`, `list` and `delete branch`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dassie.cli import grammar
from dassie.cli.grammar import FULL_TIMESTAMPS, NO_PAGER, PROJECT, Command
from dassie.cli.output import Columns, Output

if TYPE_CHECKING:
    from dassie.cli.session import Session

_BRANCH = (grammar.Positional("branch", "written REPO@BRANCH", complete="branch"),)


def create(session: Session) -> None:
    from dassie._proto.pfs import pfs_pb2
    from dassie.client import messages, refs

    ref = session.branch("branch")
    provenance = [
        messages.branch(refs.parse_branch(text, session.project))
        for text in session.texts("provenance")
    ]
    request = pfs_pb2.CreateBranchRequest(branch=messages.branch(ref), provenance=provenance)
    if head := session.text("head"):
        written = head if "@" in head else f"{ref.repo}@{head}"
        request.head.CopyFrom(messages.commit(refs.parse_commit(written, session.project)))
    _set_trigger(session, request)
    session.pfs.CreateBranch(request)


def inspect(session: Session) -> None:
    from dassie._proto.pfs import pfs_pb2
    from dassie.client import messages

    out = session.out
    branch = messages.branch(session.branch("branch"))
    info = session.pfs.InspectBranch(pfs_pb2.InspectBranchRequest(branch=branch))
    out.record(info, lambda info: describe(info, out))


def list_(session: Session) -> None:
    from dassie._proto.pfs import pfs_pb2
    from dassie.client import messages

    request = pfs_pb2.ListBranchRequest(
        repo=messages.repo(session.repo("repo")), reverse=session.has("reverse")
    )
    session.out.listing(session.pfs.ListBranch(request), columns(session.out))


def delete(session: Session) -> None:
    from dassie._proto.pfs import pfs_pb2
    from dassie.client import messages

    branch = messages.branch(session.branch("branch"))
    session.pfs.DeleteBranch(pfs_pb2.DeleteBranchRequest(branch=branch, force=session.has("force")))


def columns(out: Output) -> Columns:
    def cells(info: Any) -> list[str]:
        return [
            info.branch.name,
            info.head.id or "-",
            trigger_text(info) or "-",
            info.created_by or "-",
            out.when(info.created_at),
        ]

    return Columns(("BRANCH", "HEAD", "TRIGGER", "CREATOR", "CREATED"), cells)


def describe(info: Any, out: Output) -> list[tuple[str, str]]:
    return [
        ("Name", branch_text(info.branch)),
        ("Head Commit", f"{branch_text(info.branch).split('@')[0]}@{info.head.id}"),
        ("Provenance", ", ".join(map(branch_text, info.direct_provenance))),
        ("Downstream", ", ".join(map(branch_text, info.subvenance))),
        ("Trigger", trigger_text(info)),
        ("Created", out.when(info.created_at)),
        ("Created by", info.created_by),
    ]


def branch_text(branch: Any) -> str:
    """`project/repo@branch`."""
    from dassie.client import messages

    return f"{messages.repo_text(branch.repo)}@{branch.name}"


def trigger_text(info: Any) -> str:
    """`master on size 1GB and 5 commits`."""
    trigger = info.trigger
    if not info.HasField("trigger"):
        return ""
    conditions = [
        f"cron {trigger.cron_spec}" if trigger.cron_spec else "",
        f"rate limit {trigger.rate_limit_spec}" if trigger.rate_limit_spec else "",
        f"size {trigger.size}" if trigger.size else "",
        f"{trigger.commits} commits" if trigger.commits else "",
    ]
    joined = (" and " if trigger.all else " or ").join(one for one in conditions if one)
    return f"{trigger.branch} on {joined}"


def _set_trigger(session: Session, request: Any) -> None:
    branch = session.text("trigger")
    settings = ("trigger_size", "trigger_cron", "trigger_commits", "trigger_all")
    if not branch:
        if any(getattr(session.args, name) for name in settings):
            raise session.wrong("--trigger-… flags need --trigger BRANCH")
        return
    request.trigger.branch = branch
    request.trigger.all = session.has("trigger_all")
    request.trigger.size = session.text("trigger_size")
    request.trigger.cron_spec = session.text("trigger_cron")
    request.trigger.commits = session.number("trigger_commits")


_CREATE_FLAGS = (
    grammar.text("--head", help="a branch or commit of the same repo", complete="head"),
    grammar.many("-p", "--provenance", help="a branch it is made from", complete="branch"),
    grammar.text("--trigger", help="move the head when this branch has enough new data"),
    grammar.text("--trigger-size", help="… when that much data has come, such as 1GB"),
    grammar.number("--trigger-commits", help="… when that many commits have come"),
    grammar.text("--trigger-cron", help="… at these times, in cron syntax"),
    grammar.switch("--trigger-all", help="… when all of the conditions hold, not any"),
    PROJECT,
)

COMMANDS = (
    Command(
        "create branch",
        create,
        _BRANCH,
        _CREATE_FLAGS,
        "Without --head the branch starts with an empty commit. If the branch exists, its head "
        "moves; pipelines that read it run on what it then points at.",
        (
            ("an empty branch", "pachctl create branch images@master"),
            (
                "let pipelines see what is on staging",
                "pachctl create branch images@prod --head staging",
            ),
            ("go back by two commits", "pachctl create branch images@master --head master^2"),
        ),
    ),
    Command("update branch", create, _BRANCH, _CREATE_FLAGS, "The same as `create branch`."),
    Command("inspect branch", inspect, _BRANCH, (PROJECT, FULL_TIMESTAMPS), formats=True),
    Command(
        "list branch",
        list_,
        (grammar.Positional("repo", complete="repo"),),
        (
            grammar.switch("-r", "--reverse", help="oldest first"),
            PROJECT,
            FULL_TIMESTAMPS,
            NO_PAGER,
        ),
        formats=True,
    ),
    Command(
        "delete branch",
        delete,
        _BRANCH,
        (grammar.switch("-f", "--force", help="even if other branches depend on it"), PROJECT),
        "The branch's commits can still be reached by their ids.",
    ),
)
