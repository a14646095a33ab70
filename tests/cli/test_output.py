"""What is printed, byte for byte: tables, JSON, YAML, records."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dassie._proto.pfs import pfs_pb2
from dassie._proto.pps import pps_pb2
from dassie.cli import branch, commit_tables, diff, job_tables, pipeline, project, repo
from dassie.cli.documents import json_text
from dassie.cli.output import Output, display_width, printable
from dassie.errors import NotFound

ID = "0123456789ab4cdef0123456789abcde"


def output(**options: Any) -> Output:
    return Output(stdout=io.StringIO(), stderr=io.StringIO(), **options)


def printed(out: Output) -> str:
    assert isinstance(out.stdout, io.StringIO)
    return out.stdout.getvalue()


def stamp(target: Any, before: timedelta) -> None:
    target.FromDatetime(datetime.now(UTC) - before)


def expected(text: str) -> str:
    return dedent(text).lstrip("\n")


@pytest.fixture
def images() -> pfs_pb2.RepoInfo:
    info = pfs_pb2.RepoInfo(description="raw", size_bytes_upper_bound=58644)
    info.repo.CopyFrom(
        pfs_pb2.Repo(name="images", type="user", project=pfs_pb2.Project(name="default"))
    )
    info.details.size_bytes = 58644
    stamp(info.created, timedelta(hours=3))
    return info


@pytest.fixture
def job() -> pps_pb2.JobInfo:
    info = pps_pb2.JobInfo(
        data_processed=3,
        data_skipped=2,
        data_failed=1,
        data_total=6,
        state=pps_pb2.JOB_FAILURE,
        reason="datum abc failed",
    )
    info.job.id = ID
    info.job.pipeline.name = "edges"
    info.job.pipeline.project.name = "default"
    info.stats.download_bytes = 1024
    info.created.FromDatetime(datetime(2026, 1, 1, tzinfo=UTC))
    stamp(info.started, timedelta(days=3))
    info.finished.CopyFrom(info.started)
    info.finished.seconds += 90
    return info


def test_repos(images: pfs_pb2.RepoInfo) -> None:
    out = output()
    other = pfs_pb2.RepoInfo(size_bytes_upper_bound=5)
    other.repo.CopyFrom(pfs_pb2.Repo(name="e", type="meta"))
    other.repo.project.name = "p"
    assert out.listing([images, other], repo.columns(out)) == 2
    assert printed(out) == expected(
        """
        PROJECT NAME   CREATED     SIZE (MASTER) DESCRIPTION
        default images 3 hours ago 57.27KiB      raw
        p       e.meta -           ≤ 5B
        """
    )


def test_a_record_leaves_out_what_is_empty(images: pfs_pb2.RepoInfo) -> None:
    out = output()
    out.record(images, lambda info: repo.describe(info, out))
    assert printed(out) == expected(
        """
        Name: images
        Project: default
        Description: raw
        Created: 3 hours ago
        Size of HEAD on Master: 57.27KiB
        """
    )


def test_json_has_protos_own_names(images: pfs_pb2.RepoInfo) -> None:
    out = output(format="json")
    images.ClearField("created")
    out.listing([images, images], repo.columns(out))
    decoder = json.JSONDecoder()
    first, end = decoder.raw_decode(printed(out))
    second, _ = decoder.raw_decode(printed(out).lstrip(), end + 1)
    assert first == second
    assert first["size_bytes_upper_bound"] == "58644"
    assert first["repo"] == {"name": "images", "type": "user", "project": {"name": "default"}}


def test_yaml_is_documents(images: pfs_pb2.RepoInfo) -> None:
    out = output(format="yaml")
    images.ClearField("created")
    images.ClearField("repo")
    out.listing([images, images], repo.columns(out))
    one = "size_bytes_upper_bound: '58644'\ndescription: raw\ndetails:\n  size_bytes: '58644'\n"
    assert printed(out) == f"{one}---\n{one}"


def test_commits() -> None:
    out = output()
    info = pfs_pb2.CommitInfo(description="two files", size_bytes_upper_bound=10)
    info.commit.id = ID
    info.commit.repo.CopyFrom(pfs_pb2.Repo(name="images", type="user"))
    info.commit.repo.project.name = "default"
    info.origin.kind = pfs_pb2.USER
    stamp(info.started, timedelta(days=4))
    open_one = pfs_pb2.CommitInfo()
    open_one.CopyFrom(info)
    info.details.size_bytes = 2048
    stamp(info.finished, timedelta(days=3))
    out.listing([info, open_one], commit_tables.commits(out))
    assert printed(out) == expected(
        f"""
        PROJECT REPO   COMMIT                           FINISHED   SIZE  ORIGIN CREATOR DESCRIPTION
        default images {ID} 3 days ago 2KiB  USER   -       two files
        default images {ID} -          ≤ 10B USER   -       two files
        """
    )
    out = output()
    found = pfs_pb2.CommitSetInfo(commits=[info, open_one])
    found.commit_set.id = ID
    out.listing([found], commit_tables.commit_sets(out))
    assert printed(out) == expected(
        f"""
        ID                               SUBCOMMITS PROGRESS CREATED    MODIFIED
        {ID} 2          1/2      4 days ago 3 days ago
        """
    )


def test_jobs(job: pps_pb2.JobInfo) -> None:
    out = output()
    out.listing([job], job_tables.jobs(out))
    header, row = printed(out).splitlines()
    assert header == (
        "PROJECT PIPELINE ID                               STARTED    DURATION RESTART"
        " PROGRESS             DL   UL STATE"
    )
    assert row == (
        f"default edges    {ID} 3 days ago 1m 30s   0      "
        " 3 + 2 + 1 failed / 6 1KiB 0B failure: datum abc failed"
    )


def test_job_sets(job: pps_pb2.JobInfo) -> None:
    out = output(full_timestamps=True)
    found = pps_pb2.JobSetInfo(jobs=[job])
    found.job_set.id = ID
    out.listing([found], job_tables.job_sets(out))
    lines = printed(out).splitlines()
    assert lines[0].split() == ["ID", "SUBJOBS", "PROGRESS", "CREATED", "MODIFIED"]
    assert lines[1].startswith(f"{ID} 1       1/1 (1 failed) ")
    assert "ago" not in lines[1]


def test_pipelines_branches_projects_and_diffs() -> None:
    out = output()
    info = pps_pb2.PipelineInfo(
        version=2, state=pps_pb2.PIPELINE_RUNNING, last_job_state=pps_pb2.JOB_SUCCESS
    )
    info.pipeline.name = "montage"
    info.pipeline.project.name = "default"
    for name in ("images", "edges"):
        child = info.details.input.cross.add()
        child.pfs.repo, child.pfs.glob = name, "/"
    out.listing([info], pipeline.columns(out))
    assert printed(out) == expected(
        """
        PROJECT NAME    VERSION INPUT                CREATED STATE / LAST JOB  ALERTS DESCRIPTION
        default montage 2       (images:/ ⨯ edges:/) -       running / success -      -
        """
    )
    for columns, headers in (
        (branch.columns(out), "BRANCH HEAD TRIGGER CREATOR CREATED"),
        (project.columns(out, ""), "ACTIVE PROJECT CREATED DESCRIPTION"),
        (diff.columns(out), "OP SIZE NAME"),
    ):
        assert list(columns.headers) == headers.split()


def test_colour_does_not_bend_columns(job: pps_pb2.JobInfo) -> None:
    plain_out, colour_out = output(), output(colour=True)
    job.reason = ""
    plain_out.listing([job], job_tables.jobs(plain_out))
    colour_out.listing([job], job_tables.jobs(colour_out))
    assert "\x1b[31mfailure\x1b[0m" in printed(colour_out)
    stripped = printed(colour_out).replace("\x1b[31m", "").replace("\x1b[0m", "")
    assert stripped == printed(plain_out)


def test_file_names_cannot_drive_the_terminal() -> None:
    out = output()
    out.table(("NAME",), [["a\x1b]0;owned\x07"], ["b\nc"]])
    assert printed(out) == "NAME\na\\x1b]0;owned\\x07\nb\\nc\n"
    assert printable("plain ünicode") == "plain ünicode"


def test_wide_characters() -> None:
    assert display_width("写真") == 4
    assert display_width("\x1b[1mab\x1b[0m") == 2
    out = output()
    out.table(("NAME", "X"), [["写真", "1"], ["abc", "2"]])
    assert printed(out) == "NAME X\n写真 1\nabc  2\n"


def test_a_table_streams() -> None:
    """Rows behind the first thousand are printed as they come, and may stick out."""
    out = output()
    out.table(
        ("A", "B"), ([f"{number}" if number < 1500 else "wide" * 3, "x"] for number in range(1501))
    )
    lines = printed(out).splitlines()
    assert lines[1] == "0   x"
    assert lines[-1] == "widewidewide x"


def test_text_diff() -> None:
    lines = diff.text_diff(b"a\nb\n", b"a\nc\n", "/old", "/new")
    assert lines is not None
    assert list(lines) == ["--- /old", "+++ /new", "@@ -1,2 +1,2 @@", " a", "-b", "+c"]
    for old, new, want in (
        (b"a\n", b"a", ["-a", "+a\n\\ No newline at end of file"]),
        (b"a\r\n", b"a\n", ["-a\r", "+a"]),
        (b"a\x0bb\n", b"a\nb\n", ["-a\x0bb", "+a", "+b"]),
        (b"", b"a\n", ["+a"]),
        (b"a", b"a\n\n", ["-a\n\\ No newline at end of file", "+a", "+"]),
    ):
        lines = diff.text_diff(old, new, "/old", "/new")
        assert lines is not None
        assert list(lines)[3:] == want
    assert diff.text_diff(b"\xff", b"a", "", "") is None
    assert diff.text_diff(b"\0", b"a", "", "") is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(JSON)
def test_json_is_written_as_the_standard_library_does(value: Any) -> None:
    assert json_text(value) == json.dumps(value, indent=2, ensure_ascii=False)


def test_spaces_that_belong_to_a_name_stay() -> None:
    out = output()
    out.table(("SIZE", "NAME"), [("1B", "/a "), ("10B", "/b"), ("1B", "")])
    assert printed(out) == "SIZE NAME\n1B   /a \n10B  /b\n1B\n"


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_no_pager_no_loss(tmp_path: Path) -> None:
    """A bare machine has no `less`."""
    out = output(pager=True, environ={"PATH": str(tmp_path)})
    out.stdout = _Terminal()
    out.table(("A",), [("1",)])
    assert printed(out) == "A\n1\n"
    assert isinstance(out.stderr, io.StringIO)
    assert out.stderr.getvalue() == ""
    out.environ = {"PATH": str(tmp_path), "PAGER": "most -x"}
    out.table(("B",), [("2",)])
    assert printed(out).endswith("B\n2\n")
    assert out.stderr.getvalue() == "warning: PAGER is most -x, which is not installed\n"


def test_an_error_comes_before_the_pager(tmp_path: Path) -> None:
    def fail() -> Iterator[list[str]]:
        raise NotFound("nothing")
        yield []

    page = tmp_path / "page"
    out = output(pager=True, environ={"PAGER": f"touch {page}; cat"})
    out.stdout = _Terminal()
    with pytest.raises(NotFound):
        out.table(("A",), fail())
    assert not page.exists()
