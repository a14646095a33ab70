"""How jobs and job sets are shown. Pure but for "now"."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from dassie.cli import humanize, states
from dassie.cli.documents import plain
from dassie.cli.output import Columns, Output

_HEADERS = (
    *("PROJECT", "PIPELINE", "ID", "STARTED", "DURATION"),
    *("RESTART", "PROGRESS", "DL", "UL", "STATE"),
)


def jobs(out: Output) -> Columns:
    """The table of jobs."""

    def cells(info: Any) -> list[str]:
        state = states.job(info.state, out)
        return [
            info.job.pipeline.project.name,
            info.job.pipeline.name,
            info.job.id,
            out.when(info.started),
            duration(info),
            str(info.restart),
            progress(info),
            humanize.size(info.stats.download_bytes),
            humanize.size(info.stats.upload_bytes),
            f"{state}: {info.reason}" if info.reason and _is_bad(info) else state,
        ]

    return Columns(_HEADERS, cells)


def job_sets(out: Output) -> Columns:
    """The table of job sets. PROGRESS counts jobs that have ended."""

    def cells(found: Any) -> list[str]:
        created = [info.created for info in found.jobs if info.created.seconds]
        changed = created + [info.finished for info in found.jobs if info.finished.seconds]
        done = sum(1 for info in found.jobs if states.is_over(info.state))
        bad = sum(1 for info in found.jobs if _is_bad(info))
        text = f"{done}/{len(found.jobs)}"
        if bad:
            text += " " + out.paint(f"({bad} failed)", "red")
        return [
            found.job_set.id,
            str(len(found.jobs)),
            text,
            out.when(min(created, key=_moment)) if created else "-",
            out.when(max(changed, key=_moment)) if changed else "-",
        ]

    return Columns(("ID", "SUBJOBS", "PROGRESS", "CREATED", "MODIFIED"), cells)


def describe(info: Any, out: Output) -> list[tuple[str, str]]:
    """`inspect job`."""
    return [
        ("ID", info.job.id),
        ("Pipeline", info.job.pipeline.name),
        ("Project", info.job.pipeline.project.name),
        ("Pipeline Version", str(info.pipeline_version or "")),
        ("State", states.job(info.state, out)),
        ("Reason", info.reason),
        ("Created", out.when(info.created)),
        ("Started", out.when(info.started)),
        ("Duration", duration(info)),
        *_counts(info),
        *_details(info.details),
        ("Output Commit", info.output_commit.id),
    ]


def text(info: Any) -> str:
    """`pipeline@id`."""
    return f"{info.job.pipeline.name}@{info.job.id}"


def progress(info: Any) -> str:
    """`3 + 2 / 5`: processed, skipped, all; failures and recoveries where there are any."""
    parts = f"{info.data_processed} + {info.data_skipped}"
    if info.data_recovered:
        parts += f" + {info.data_recovered} recovered"
    if info.data_failed:
        parts += f" + {info.data_failed} failed"
    return f"{parts} / {info.data_total}"


def duration(info: Any) -> str:
    """From start to end, or until now."""
    if not info.started.seconds:
        return "-"
    start = info.started.ToDatetime(tzinfo=UTC)
    over = info.finished.seconds != 0
    end = info.finished.ToDatetime(tzinfo=UTC) if over else datetime.now(UTC)
    return humanize.duration(max(0.0, (end - start).total_seconds()))


def _counts(info: Any) -> list[tuple[str, str]]:
    stats = info.stats
    return [
        ("Processed", str(info.data_processed)),
        ("Failed", str(info.data_failed)),
        ("Skipped", str(info.data_skipped)),
        ("Recovered", str(info.data_recovered)),
        ("Total", str(info.data_total)),
        ("Data Downloaded", humanize.size(stats.download_bytes)),
        ("Data Uploaded", humanize.size(stats.upload_bytes)),
        ("Download Time", _span(stats.download_time)),
        ("Process Time", _span(stats.process_time)),
        ("Upload Time", _span(stats.upload_time)),
        ("Restarts", str(info.restart)),
    ]


def _details(details: Any) -> list[tuple[str, str]]:
    workers = [f"{status.worker_id} {status.job_id or 'idle'}" for status in details.worker_status]
    return [
        ("Worker Status", "\n".join(workers)),
        ("Datum Timeout", _timeout(details, "datum_timeout")),
        ("Job Timeout", _timeout(details, "job_timeout")),
        ("ParallelismSpec", _json(details, "parallelism_spec")),
        ("Input", _json(details, "input")),
        ("Transform", _json(details, "transform")),
    ]


def _json(details: Any, name: str) -> str:
    if not details.HasField(name):
        return ""
    return json.dumps(plain(getattr(details, name)), indent=2, ensure_ascii=False)


def _timeout(details: Any, name: str) -> str:
    return _span(getattr(details, name)) if details.HasField(name) else ""


def _span(value: Any) -> str:
    return humanize.duration(value.seconds + value.nanos / 1e9)


def _is_bad(info: Any) -> bool:
    return states.job_word(info.state) in {"failure", "killed", "unrunnable"}


def _moment(stamp: Any) -> tuple[int, int]:
    return stamp.seconds, stamp.nanos
