"""Tables of the pipeline runtime, on the shared schema. Times are epoch microseconds.

Journaled tables (`info=JOURNAL`) are those from which a lost database is rebuilt: what
pipelines exist, and which jobs made which commits. Everything else is progress: losing it costs
work done again, never a result.
"""

from __future__ import annotations

import sqlalchemy as sa

from dassie.meta.schema import JOURNAL, metadata

pipelines = sa.Table(
    "pipelines",
    metadata,
    sa.Column("project", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("output_branch", sa.Text, nullable=False),
    sa.Column("stopped", sa.Boolean, nullable=False),
    sa.Column("created_us", sa.BigInteger, nullable=False),
    info=JOURNAL,
)

pipeline_versions = sa.Table(
    "pipeline_versions",
    metadata,
    sa.Column("project", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True),
    sa.Column("spec_commit", sa.Text, nullable=False),
    sa.Column("user_json", sa.Text, nullable=False),
    sa.Column("effective_json", sa.Text, nullable=False),
    sa.Column("created_us", sa.BigInteger, nullable=False),
    sa.Column("created_by", sa.Text, nullable=False),
    info=JOURNAL,
)

# What a pipeline is doing now; a missing row means STARTING.
pipeline_states = sa.Table(
    "pipeline_states",
    metadata,
    sa.Column("project", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("state", sa.Integer, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
)

jobs = sa.Table(
    "jobs",
    metadata,
    sa.Column("seq", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("project", sa.Text, nullable=False),
    sa.Column("pipeline", sa.Text, nullable=False),
    sa.Column("id", sa.Text, nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("state", sa.Integer, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("restart", sa.Integer, nullable=False),
    # Commit set of the job whose result this one starts from; empty: from nothing.
    sa.Column("base_id", sa.Text, nullable=False),
    sa.Column("data_total", sa.BigInteger, nullable=False),
    sa.Column("data_processed", sa.BigInteger, nullable=False),
    sa.Column("data_skipped", sa.BigInteger, nullable=False),
    sa.Column("data_failed", sa.BigInteger, nullable=False),
    sa.Column("data_recovered", sa.BigInteger, nullable=False),
    sa.Column("download_us", sa.BigInteger, nullable=False),
    sa.Column("process_us", sa.BigInteger, nullable=False),
    sa.Column("upload_us", sa.BigInteger, nullable=False),
    sa.Column("download_bytes", sa.BigInteger, nullable=False),
    sa.Column("upload_bytes", sa.BigInteger, nullable=False),
    sa.Column("created_us", sa.BigInteger, nullable=False),
    sa.Column("started_us", sa.BigInteger),
    sa.Column("finished_us", sa.BigInteger),
    sa.UniqueConstraint("project", "pipeline", "id", name="jobs_key"),
    info=JOURNAL,
)
sa.Index("jobs_by_pipeline", jobs.c.project, jobs.c.pipeline, jobs.c.seq)
sa.Index("jobs_by_set", jobs.c.id)
# Not a partial index: naming one for PostgreSQL loads that dialect, 60 ms of every start.
sa.Index("jobs_unfinished", jobs.c.finished_us, jobs.c.seq)

PROCESS, REMOVE = 0, 1
"""`datum_tasks.kind`: a datum to process (after removing what the base has of it), or one that the
base has and this job has not."""

# Only what a running job has to do: datums to process and datums to remove. Gone when it finishes.
datum_tasks = sa.Table(
    "datum_tasks",
    metadata,
    sa.Column("job_seq", sa.Integer, primary_key=True),
    sa.Column("ordinal", sa.Integer, primary_key=True),
    sa.Column("kind", sa.SmallInteger, nullable=False),
    sa.Column("in_base", sa.Boolean, nullable=False),
    sa.Column("datum_id", sa.Text, nullable=False),
    sa.Column("datum_hash", sa.Text, nullable=False),
    sa.Column("inputs", sa.Text, nullable=False),
    sa.Column("why", sa.Text, nullable=False),
    # `DatumState`; UNKNOWN = no durable result yet.
    sa.Column("state", sa.SmallInteger, nullable=False),
    sa.Column("attempt", sa.SmallInteger, nullable=False),
    # JSON of the result: reason, output, stats, tries, started.
    sa.Column("result", sa.Text),
)
sa.Index("datum_tasks_by_id", datum_tasks.c.job_seq, datum_tasks.c.datum_id)

log_segments = sa.Table(
    "log_segments",
    metadata,
    sa.Column("seq", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("project", sa.Text, nullable=False),
    sa.Column("pipeline", sa.Text, nullable=False),
    sa.Column("worker", sa.Text, nullable=False),
    # Ids of the jobs that the lines belong to, blank-separated.
    sa.Column("jobs", sa.Text, nullable=False),
    sa.Column("first_us", sa.BigInteger, nullable=False),
    sa.Column("last_us", sa.BigInteger, nullable=False),
    sa.Column("lines", sa.Integer, nullable=False),
    sa.Column("size", sa.Integer, nullable=False),
    # zstd of one JSON line per log line.
    sa.Column("data", sa.LargeBinary, nullable=False),
    sqlite_autoincrement=True,
)
sa.Index(
    "log_segments_by_pipeline",
    log_segments.c.project,
    log_segments.c.pipeline,
    log_segments.c.first_us,
)

# Defaults of pipeline specs: scope is a project's name, or empty for the cluster.
spec_defaults = sa.Table(
    "spec_defaults",
    metadata,
    sa.Column("scope", sa.Text, primary_key=True),
    sa.Column("json", sa.Text, nullable=False),
    info=JOURNAL,
)
