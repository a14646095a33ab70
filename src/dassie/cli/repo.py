"""`create`, `update`, `inspect`, `list` and `delete repo`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dassie.cli import grammar, humanize
from dassie.cli.grammar import ALL_PROJECTS, FULL_TIMESTAMPS, NO_PAGER, PROJECT, YES, Command
from dassie.cli.output import Columns, Output

if TYPE_CHECKING:
    from dassie.cli.session import Session

_REPO = (grammar.Positional("repo", complete="repo"),)
_DESCRIPTION = grammar.text("-d", "--description", help="what the repo is for", metavar="TEXT")


def create(session: Session) -> None:
    _put(session, update=False)


def update(session: Session) -> None:
    _put(session, update=True)


def inspect(session: Session) -> None:
    from dassie._proto.pfs import pfs_pb2
    from dassie.client import messages

    out = session.out
    repo = messages.repo(session.repo("repo"))
    info = session.pfs.InspectRepo(pfs_pb2.InspectRepoRequest(repo=repo))
    out.record(info, lambda info: describe(info, out))


def list_(session: Session) -> None:
    from dassie._proto.pfs import pfs_pb2

    kind = "" if session.has("all") else session.text("type") or "user"
    request = pfs_pb2.ListRepoRequest(type=kind, projects=session.projects)
    session.out.listing(session.pfs.ListRepo(request), columns(session.out))


def delete(session: Session) -> None:
    from dassie._proto.pfs import pfs_pb2
    from dassie.client import messages

    if session.has("all"):
        if session.text("repo"):
            raise session.wrong("name one repo, or say --all, not both")
        _delete_all(session)
        return
    if not session.text("repo"):
        raise session.wrong("name the repo to delete, or say --all")
    ref = session.repo("repo")
    request = pfs_pb2.DeleteRepoRequest(repo=messages.repo(ref), force=session.has("force"))
    if not session.pfs.DeleteRepo(request).deleted:
        session.out.say(f"repo {ref} does not exist: nothing to delete")


def columns(out: Output) -> Columns:
    """The table of repos. The column for access is only there when the server reports it."""

    def cells(info: Any) -> list[str]:
        return [
            info.repo.project.name,
            info.repo.name if info.repo.type == "user" else f"{info.repo.name}.{info.repo.type}",
            out.when(info.created),
            size_of(info),
            info.description,
        ]

    return Columns(("PROJECT", "NAME", "CREATED", "SIZE (MASTER)", "DESCRIPTION"), cells)


def describe(info: Any, out: Output) -> list[tuple[str, str]]:
    return [
        ("Name", info.repo.name),
        ("Project", info.repo.project.name),
        ("Type", info.repo.type if info.repo.type != "user" else ""),
        ("Description", info.description),
        ("Created", out.when(info.created)),
        ("Size of HEAD on Master", size_of(info)),
        ("Branches", ", ".join(branch.name for branch in info.branches)),
        ("Access", ", ".join(info.auth_info.roles)),
        ("Metadata", ", ".join(f"{key}={value}" for key, value in sorted(info.metadata.items()))),
    ]


def size_of(info: Any) -> str:
    """Exact when the server gave details, else its upper bound."""
    if info.HasField("details"):
        return humanize.size(info.details.size_bytes)
    return f"≤ {humanize.size(info.size_bytes_upper_bound)}"


def _put(session: Session, *, update: bool) -> None:
    from dassie._proto.pfs import pfs_pb2
    from dassie.client import messages

    repo = messages.repo(session.repo("repo"))
    description = session.text("description")
    session.pfs.CreateRepo(
        pfs_pb2.CreateRepoRequest(repo=repo, description=description, update=update)
    )


def _delete_all(session: Session) -> None:
    from dassie._proto.pfs import pfs_pb2
    from dassie.client import messages

    everywhere = session.has("all_projects")
    where = "all projects" if everywhere else f'project "{session.project}"'
    session.confirm(f"This deletes every repo of {where}, with all data in them.")
    request = pfs_pb2.DeleteReposRequest(
        projects=session.projects, all=everywhere, force=session.has("force")
    )
    for repo in session.pfs.DeleteRepos(request).repos:
        session.out.say(f"deleted {messages.repo_text(repo)}")


COMMANDS = (
    Command(
        "create repo",
        create,
        _REPO,
        (_DESCRIPTION, PROJECT),
        examples=(
            ("in the active project", "pachctl create repo images"),
            ("in another project, described", 'pachctl create repo vision/images -d "raw photos"'),
        ),
    ),
    Command(
        "update repo",
        update,
        _REPO,
        (_DESCRIPTION, PROJECT),
        "A repo that does not exist is made.",
        (("describe a repo", 'pachctl update repo images -d "raw photos"'),),
    ),
    Command(
        "inspect repo",
        inspect,
        _REPO,
        (PROJECT, FULL_TIMESTAMPS),
        examples=(
            ("for people", "pachctl inspect repo images"),
            ("for programs", "pachctl inspect repo images -o json | jq .details.size_bytes"),
        ),
        formats=True,
    ),
    Command(
        "list repo",
        list_,
        (),
        (
            grammar.switch("--all", help="system repos too, those that belong to pipelines"),
            grammar.text("--type", help="only repos of this type: user, meta or spec"),
            PROJECT,
            ALL_PROJECTS,
            FULL_TIMESTAMPS,
            NO_PAGER,
        ),
        "SIZE (MASTER) is the size of the newest finished commit on branch master.",
        (("every repo of every project", "pachctl list repo -A"),),
        formats=True,
    ),
    Command(
        "delete repo",
        delete,
        (grammar.Positional("repo", count="?", complete="repo"),),
        (
            grammar.switch("-f", "--force", help="delete even if pipelines still read from it"),
            grammar.switch("--all", help="delete all repos of the project"),
            PROJECT,
            ALL_PROJECTS,
            YES,
        ),
        "The repo's branches, commits and files go with it. A repo that a pipeline writes goes "
        "with its pipeline: see `pachctl delete pipeline`. With --all you are asked first.",
        (("one repo", "pachctl delete repo images"),),
    ),
)
