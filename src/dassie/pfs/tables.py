"""Tables of the version graph, on the shared schema. Instants are epoch microseconds.

The graph is journaled: it can be rebuilt from the object store. Rows refer to each other by number;
a commit's number (`seq`) is also the order in which commits were made. File sets expire, and are
not journaled.
"""

from __future__ import annotations

import sqlalchemy as sa

from dassie.meta.schema import JOURNAL, NUMBER, metadata

REPO_ID, BRANCH_ID, COMMIT_SEQ = "repos", "branches", "commits"
"""Counters that row numbers are drawn from (`Tx.next_id`)."""


def _details() -> list[sa.Column[object]]:
    """Columns that every noun has: who made it, and what users attach to it (a JSON object)."""
    return [
        sa.Column("created_by", sa.Text, nullable=False),
        sa.Column("metadata", sa.Text, nullable=False),
    ]


def _tree() -> list[sa.Column[object]]:
    """The columns of a `Dir`; all of them null where there is none yet."""
    return [
        sa.Column("root_hash", sa.LargeBinary),
        sa.Column("root_ref", sa.LargeBinary),
        sa.Column("root_size", sa.BigInteger),
        sa.Column("root_files", sa.BigInteger),
    ]


projects = sa.Table(
    "projects",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("description", sa.Text, nullable=False),
    sa.Column("created_us", sa.BigInteger, nullable=False),
    *_details(),
    info=JOURNAL,
)

repos = sa.Table(
    "repos",
    metadata,
    sa.Column("id", NUMBER, primary_key=True, autoincrement=False),
    sa.Column("project", sa.Text, sa.ForeignKey("projects.name"), nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("type", sa.Text, nullable=False),
    sa.Column("description", sa.Text, nullable=False),
    # Name of the pipeline (of the same project) that this repo belongs to; empty: none.
    sa.Column("owner_pipeline", sa.Text, nullable=False),
    sa.Column("created_us", sa.BigInteger, nullable=False),
    *_details(),
    sa.UniqueConstraint("project", "name", "type"),
    info=JOURNAL,
)

commits = sa.Table(
    "commits",
    metadata,
    sa.Column("seq", NUMBER, primary_key=True, autoincrement=False),
    sa.Column("repo_id", NUMBER, sa.ForeignKey("repos.id"), nullable=False),
    sa.Column("set_id", sa.Text, nullable=False),
    # By name: it stays when the branch is deleted.
    sa.Column("branch", sa.Text, nullable=False),
    sa.Column("origin", sa.SmallInteger, nullable=False),
    sa.Column("description", sa.Text, nullable=False),
    sa.Column("parent", NUMBER, sa.ForeignKey("commits.seq")),
    sa.Column("started_us", sa.BigInteger, nullable=False),
    sa.Column("finishing_us", sa.BigInteger),
    sa.Column("finished_us", sa.BigInteger),
    sa.Column("error", sa.Text, nullable=False),
    *_tree(),
    *_details(),
    # The invariant that makes (repo, set id) an address.
    sa.UniqueConstraint("repo_id", "set_id"),
    info=JOURNAL,
)
sa.Index("commits_by_set", commits.c.set_id)
sa.Index("commits_by_parent", commits.c.parent)
sa.Index("commits_by_repo", commits.c.repo_id, commits.c.seq)

branches = sa.Table(
    "branches",
    metadata,
    sa.Column("id", NUMBER, primary_key=True, autoincrement=False),
    sa.Column("repo_id", NUMBER, sa.ForeignKey("repos.id"), nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("head", NUMBER, sa.ForeignKey("commits.seq"), nullable=False),
    sa.Column("created_us", sa.BigInteger, nullable=False),
    sa.Column("updated_us", sa.BigInteger, nullable=False),
    *_details(),
    sa.UniqueConstraint("repo_id", "name"),
    info=JOURNAL,
)
sa.Index("branches_by_head", branches.c.head)

# Direct edges only: closures are computed. Never updated: replaced.
branch_provenance = sa.Table(
    "branch_provenance",
    metadata,
    sa.Column(
        "downstream",
        NUMBER,
        sa.ForeignKey("branches.id", ondelete="CASCADE"),
        primary_key=True,
    ),
    sa.Column(
        "upstream",
        NUMBER,
        sa.ForeignKey("branches.id", ondelete="CASCADE"),
        primary_key=True,
    ),
    # Commits do not propagate along this edge.
    sa.Column("never", sa.Boolean, nullable=False),
    info=JOURNAL,
    sqlite_with_rowid=False,
)
sa.Index("branch_provenance_by_upstream", branch_provenance.c.upstream)

# Direct edges, fixed when the downstream commit is made.
commit_provenance = sa.Table(
    "commit_provenance",
    metadata,
    sa.Column(
        "downstream",
        NUMBER,
        sa.ForeignKey("commits.seq", ondelete="CASCADE"),
        primary_key=True,
    ),
    sa.Column(
        "upstream",
        NUMBER,
        sa.ForeignKey("commits.seq", ondelete="CASCADE"),
        primary_key=True,
    ),
    info=JOURNAL,
    sqlite_with_rowid=False,
)
sa.Index("commit_provenance_by_upstream", commit_provenance.c.upstream)

filesets = sa.Table(
    "filesets",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    *_tree(),
    # What it deletes and appends to when it is laid over other content (JSON).
    sa.Column("effects", sa.Text, nullable=False, server_default="{}"),
    sa.Column("expires_us", sa.BigInteger, nullable=False),
)
sa.Index("filesets_by_expiry", filesets.c.expires_us)
