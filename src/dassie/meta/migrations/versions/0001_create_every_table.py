"""Create every table."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    _chunks()
    _counters()
    _datum_tasks()
    _filesets()
    _jobs()
    _journal_outbox()
    _log_segments()
    _packs()
    _pipeline_states()
    _pipeline_versions()
    _pipelines()
    _projects()
    _sessions()
    _spec_defaults()
    _repos()
    _commits()
    _branches()
    _commit_provenance()
    _branch_provenance()


def _chunks() -> None:
    op.create_table(
        "chunks",
        sa.Column("hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("pack", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("offset", sa.BigInteger(), nullable=False),
        sa.Column("stored", sa.BigInteger(), nullable=False),
        sa.Column("length", sa.BigInteger(), nullable=False),
        sa.Column("codec", sa.SmallInteger(), nullable=False),
        sa.PrimaryKeyConstraint("hash", name=op.f("chunks_pkey")),
        sqlite_with_rowid=False,
    )


def _counters() -> None:
    op.create_table(
        "counters",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("counters_pkey")),
    )


def _datum_tasks() -> None:
    op.create_table(
        "datum_tasks",
        sa.Column("job_seq", sa.Integer(), nullable=False),
        sa.Column("ordinal", sa.Integer(), nullable=False),
        sa.Column("kind", sa.SmallInteger(), nullable=False),
        sa.Column("in_base", sa.Boolean(), nullable=False),
        sa.Column("datum_id", sa.Text(), nullable=False),
        sa.Column("datum_hash", sa.Text(), nullable=False),
        sa.Column("inputs", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("state", sa.SmallInteger(), nullable=False),
        sa.Column("attempt", sa.SmallInteger(), nullable=False),
        sa.Column("result", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("job_seq", "ordinal", name=op.f("datum_tasks_pkey")),
    )
    op.create_index("datum_tasks_by_id", "datum_tasks", ["job_seq", "datum_id"], unique=False)


def _filesets() -> None:
    op.create_table(
        "filesets",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("root_hash", sa.LargeBinary(), nullable=True),
        sa.Column("root_ref", sa.LargeBinary(), nullable=True),
        sa.Column("root_size", sa.BigInteger(), nullable=True),
        sa.Column("root_files", sa.BigInteger(), nullable=True),
        sa.Column("effects", sa.Text(), server_default="{}", nullable=False),
        sa.Column("expires_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("filesets_pkey")),
    )
    op.create_index("filesets_by_expiry", "filesets", ["expires_us"], unique=False)


def _jobs() -> None:
    op.create_table(
        "jobs",
        sa.Column("seq", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("project", sa.Text(), nullable=False),
        sa.Column("pipeline", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("state", sa.Integer(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("restart", sa.Integer(), nullable=False),
        sa.Column("base_id", sa.Text(), nullable=False),
        sa.Column("data_total", sa.BigInteger(), nullable=False),
        sa.Column("data_processed", sa.BigInteger(), nullable=False),
        sa.Column("data_skipped", sa.BigInteger(), nullable=False),
        sa.Column("data_failed", sa.BigInteger(), nullable=False),
        sa.Column("data_recovered", sa.BigInteger(), nullable=False),
        sa.Column("download_us", sa.BigInteger(), nullable=False),
        sa.Column("process_us", sa.BigInteger(), nullable=False),
        sa.Column("upload_us", sa.BigInteger(), nullable=False),
        sa.Column("download_bytes", sa.BigInteger(), nullable=False),
        sa.Column("upload_bytes", sa.BigInteger(), nullable=False),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.Column("started_us", sa.BigInteger(), nullable=True),
        sa.Column("finished_us", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("seq", name=op.f("jobs_pkey")),
        sa.UniqueConstraint("project", "pipeline", "id", name="jobs_key"),
        info={"journal": True},
    )
    op.create_index("jobs_by_pipeline", "jobs", ["project", "pipeline", "seq"], unique=False)
    op.create_index("jobs_by_set", "jobs", ["id"], unique=False)
    op.create_index("jobs_unfinished", "jobs", ["finished_us", "seq"], unique=False)


def _journal_outbox() -> None:
    op.create_table(
        "journal_outbox",
        sa.Column(
            "seq",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column("changes", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("journal_outbox_pkey")),
    )


def _log_segments() -> None:
    op.create_table(
        "log_segments",
        sa.Column("seq", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("project", sa.Text(), nullable=False),
        sa.Column("pipeline", sa.Text(), nullable=False),
        sa.Column("worker", sa.Text(), nullable=False),
        sa.Column("jobs", sa.Text(), nullable=False),
        sa.Column("first_us", sa.BigInteger(), nullable=False),
        sa.Column("last_us", sa.BigInteger(), nullable=False),
        sa.Column("lines", sa.Integer(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("log_segments_pkey")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "log_segments_by_pipeline",
        "log_segments",
        ["project", "pipeline", "first_us"],
        unique=False,
    )


def _packs() -> None:
    op.create_table(
        "packs",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("chunks", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("condemned_at", sa.BigInteger(), nullable=True),
        sa.Column("deleted_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("packs_pkey")),
        sa.UniqueConstraint("key", name=op.f("packs_key_key")),
        sqlite_autoincrement=True,
    )


def _pipeline_states() -> None:
    op.create_table(
        "pipeline_states",
        sa.Column("project", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("state", sa.Integer(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("project", "name", name=op.f("pipeline_states_pkey")),
    )


def _pipeline_versions() -> None:
    op.create_table(
        "pipeline_versions",
        sa.Column("project", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("spec_commit", sa.Text(), nullable=False),
        sa.Column("user_json", sa.Text(), nullable=False),
        sa.Column("effective_json", sa.Text(), nullable=False),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("project", "name", "version", name=op.f("pipeline_versions_pkey")),
        info={"journal": True},
    )


def _pipelines() -> None:
    op.create_table(
        "pipelines",
        sa.Column("project", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("output_branch", sa.Text(), nullable=False),
        sa.Column("stopped", sa.Boolean(), nullable=False),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("project", "name", name=op.f("pipelines_pkey")),
        info={"journal": True},
    )


def _projects() -> None:
    op.create_table(
        "projects",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("metadata", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("projects_pkey")),
        info={"journal": True},
    )


def _sessions() -> None:
    op.create_table(
        "sessions",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("sessions_pkey")),
        sqlite_autoincrement=True,
    )


def _spec_defaults() -> None:
    op.create_table(
        "spec_defaults",
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("json", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("scope", name=op.f("spec_defaults_pkey")),
        info={"journal": True},
    )


def _repos() -> None:
    op.create_table(
        "repos",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column("project", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("owner_pipeline", sa.Text(), nullable=False),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("metadata", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["project"], ["projects.name"], name=op.f("repos_project_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("repos_pkey")),
        sa.UniqueConstraint("project", "name", "type", name=op.f("repos_project_name_type_key")),
        info={"journal": True},
    )


def _commits() -> None:
    op.create_table(
        "commits",
        sa.Column(
            "seq",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column("repo_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("set_id", sa.Text(), nullable=False),
        sa.Column("branch", sa.Text(), nullable=False),
        sa.Column("origin", sa.SmallInteger(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("parent", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("started_us", sa.BigInteger(), nullable=False),
        sa.Column("finishing_us", sa.BigInteger(), nullable=True),
        sa.Column("finished_us", sa.BigInteger(), nullable=True),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("root_hash", sa.LargeBinary(), nullable=True),
        sa.Column("root_ref", sa.LargeBinary(), nullable=True),
        sa.Column("root_size", sa.BigInteger(), nullable=True),
        sa.Column("root_files", sa.BigInteger(), nullable=True),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("metadata", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["parent"], ["commits.seq"], name=op.f("commits_parent_fkey")),
        sa.ForeignKeyConstraint(["repo_id"], ["repos.id"], name=op.f("commits_repo_id_fkey")),
        sa.PrimaryKeyConstraint("seq", name=op.f("commits_pkey")),
        sa.UniqueConstraint("repo_id", "set_id", name=op.f("commits_repo_id_set_id_key")),
        info={"journal": True},
    )
    op.create_index("commits_by_parent", "commits", ["parent"], unique=False)
    op.create_index("commits_by_repo", "commits", ["repo_id", "seq"], unique=False)
    op.create_index("commits_by_set", "commits", ["set_id"], unique=False)


def _branches() -> None:
    op.create_table(
        "branches",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column("repo_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("head", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.Column("updated_us", sa.BigInteger(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("metadata", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["head"], ["commits.seq"], name=op.f("branches_head_fkey")),
        sa.ForeignKeyConstraint(["repo_id"], ["repos.id"], name=op.f("branches_repo_id_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("branches_pkey")),
        sa.UniqueConstraint("repo_id", "name", name=op.f("branches_repo_id_name_key")),
        info={"journal": True},
    )
    op.create_index("branches_by_head", "branches", ["head"], unique=False)


def _commit_provenance() -> None:
    op.create_table(
        "commit_provenance",
        sa.Column(
            "downstream", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("upstream", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.ForeignKeyConstraint(
            ["downstream"],
            ["commits.seq"],
            name=op.f("commit_provenance_downstream_fkey"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["upstream"],
            ["commits.seq"],
            name=op.f("commit_provenance_upstream_fkey"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("downstream", "upstream", name=op.f("commit_provenance_pkey")),
        info={"journal": True},
        sqlite_with_rowid=False,
    )
    op.create_index(
        "commit_provenance_by_upstream", "commit_provenance", ["upstream"], unique=False
    )


def _branch_provenance() -> None:
    op.create_table(
        "branch_provenance",
        sa.Column(
            "downstream", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("upstream", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("never", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["downstream"],
            ["branches.id"],
            name=op.f("branch_provenance_downstream_fkey"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["upstream"],
            ["branches.id"],
            name=op.f("branch_provenance_upstream_fkey"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("downstream", "upstream", name=op.f("branch_provenance_pkey")),
        info={"journal": True},
        sqlite_with_rowid=False,
    )
    op.create_index(
        "branch_provenance_by_upstream", "branch_provenance", ["upstream"], unique=False
    )
