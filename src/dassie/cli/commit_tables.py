"""How commits and commit sets are shown. Pure but for "now"."""

from __future__ import annotations

from typing import Any

from dassie.cli import humanize
from dassie.cli.output import Columns, Output

_HEADERS = ("PROJECT", "REPO", "COMMIT", "FINISHED", "SIZE", "ORIGIN", "CREATOR", "DESCRIPTION")


def commits(out: Output) -> Columns:
    """The table of commits."""

    def cells(info: Any) -> list[str]:
        repo = info.commit.repo
        return [
            repo.project.name,
            repo.name if repo.type in ("", "user") else f"{repo.name}.{repo.type}",
            info.commit.id,
            out.paint("error", "red") if info.error else out.when(info.finished),
            size(info),
            origin(info),
            info.created_by or "-",
            info.description,
        ]

    return Columns(_HEADERS, cells)


def commit_sets(out: Output) -> Columns:
    """The table of commit sets. PROGRESS counts finished commits."""

    def cells(found: Any) -> list[str]:
        started = [info.started for info in found.commits if info.started.seconds]
        changed = started + [info.finished for info in found.commits if info.finished.seconds]
        done = sum(1 for info in found.commits if info.finished.seconds)
        failed = sum(1 for info in found.commits if info.error)
        progress = f"{done}/{len(found.commits)}"
        if failed:
            progress += out.paint(f" ({failed} failed)", "red")
        return [
            found.commit_set.id,
            str(len(found.commits)),
            progress,
            out.when(min(started, key=_moment)) if started else "-",
            out.when(max(changed, key=_moment)) if changed else "-",
        ]

    return Columns(("ID", "SUBCOMMITS", "PROGRESS", "CREATED", "MODIFIED"), cells)


def describe(info: Any, out: Output) -> list[tuple[str, str]]:
    """`inspect commit`."""
    return [
        ("Commit", text(info)),
        ("Original Branch", info.commit.branch.name),
        ("Description", info.description),
        ("Parent", info.parent_commit.id),
        ("Children", ", ".join(child.id for child in info.child_commits)),
        ("Origin", origin(info)),
        ("Created by", info.created_by),
        ("Started", out.when(info.started)),
        ("Finished", out.when(info.finished)),
        ("Size", size(info)),
        ("Error", out.paint(info.error, "red")),
        ("Provenance", ", ".join(_named(commit) for commit in info.direct_provenance)),
        ("Downstream", ", ".join(_named(commit) for commit in info.direct_subvenance)),
    ]


def text(info: Any) -> str:
    """`project/repo@id`."""
    return _named(info.commit)


def size(info: Any) -> str:
    """Exact once finished, an upper bound before."""
    if info.HasField("details"):
        return humanize.size(info.details.size_bytes)
    return f"≤ {humanize.size(info.size_bytes_upper_bound)}"


def origin(info: Any) -> str:
    from dassie._proto.pfs import pfs_pb2

    return pfs_pb2.OriginKind.Name(info.origin.kind)


def _named(commit: Any) -> str:
    from dassie.client import messages

    return messages.commit_text(commit)


def _moment(stamp: Any) -> tuple[int, int]:
    return stamp.seconds, stamp.nanos
