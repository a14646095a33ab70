"""What scripts written against the SDK do again and again: put files, create a pipeline, wait for a
job, read what came out.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
import pytest
from pachyderm_sdk import Client
from pachyderm_sdk.api import pfs, pps

SHELL = ["/bin/sh", "-e"]


def repo(name: str, project: str = "default", kind: str = "user") -> pfs.Repo:
    return pfs.Repo(name=name, type=kind, project=pfs.Project(name=project))


def head(name: str, branch: str = "master", kind: str = "user") -> pfs.Commit:
    """The head of a branch, as most scripts name a commit."""
    where = repo(name, kind=kind)
    return pfs.Commit(repo=where, branch=pfs.Branch(repo=where, name=branch))


def code(caught: pytest.ExceptionInfo[grpc.RpcError]) -> grpc.StatusCode:
    found: grpc.StatusCode = caught.value.code()
    return found


@contextmanager
def refused(status: str, text: str = "") -> Iterator[None]:
    """The block's call fails with this code and with a text that has this part."""
    with pytest.raises(grpc.RpcError, match=text or None) as caught:
        yield
    assert code(caught).name == status, str(caught.value)
    assert "Traceback" not in (caught.value.details() or "")


@dataclass
class Driver:
    """One test's pipelines; every name begins with the test's."""

    client: Client
    prefix: str
    made: list[pps.Pipeline] = field(default_factory=list)

    @classmethod
    @contextmanager
    def open(cls, client: Client, prefix: str) -> Iterator[Driver]:
        driver = cls(client, prefix)
        yield driver
        for pipeline in reversed(driver.made):
            client.pps.delete_pipeline(pipeline=pipeline, force=True)

    def named(self, short: str) -> str:
        return f"{self.prefix}-{short}"

    def put(self, short: str, files: dict[str, bytes | None]) -> pfs.Commit:
        """A finished commit in a repo of this test: files written, or with None deleted."""
        where = repo(self.named(short))
        if not self.client.pfs.repo_exists(repo=where):
            self.client.pfs.create_repo(repo=where)
        with self.client.pfs.commit(branch=pfs.Branch(repo=where, name="master")) as commit:
            for path, data in files.items():
                if data is None:
                    commit.delete_file(path=path)
                else:
                    commit.put_file_from_bytes(path=path, data=data)
        return pfs.Commit(repo=where, id=commit.id)

    def input(self, short: str, glob: str = "/*", **fields: Any) -> dict[str, Any]:
        """A `pfs` input; its name is the short one."""
        return {"pfs": {"repo": self.named(short), "glob": glob, "name": short, **fields}}

    def create(self, short: str, source: dict[str, Any], script: str = "", **fields: Any) -> str:
        """A pipeline that runs a shell script, by the JSON call; its whole name."""
        transform = {"cmd": SHELL, "stdin": [script], **fields.pop("transform", {})}
        options = {key: fields.pop(key, False) for key in ("update", "reprocess", "dry_run")}
        spec = {
            "pipeline": {"name": self.named(short)},
            "transform": transform,
            "input": source,
            **fields,
        }
        self.client.pps.create_pipeline_v2(create_pipeline_request_json=json.dumps(spec), **options)
        self.made.append(self.pipeline(short))
        return self.named(short)

    def pipeline(self, short: str) -> pps.Pipeline:
        return pps.Pipeline(name=self.named(short), project=pfs.Project(name="default"))

    def job(self, short: str, id_: str = "") -> pps.JobInfo:
        """How a job ended: that of a commit set, or the newest."""
        if not id_:
            id_ = next(self.client.pps.list_job(pipeline=self.pipeline(short))).job.id
        job = pps.Job(pipeline=self.pipeline(short), id=id_)
        return self.client.pps.inspect_job(job=job, wait=True, details=True)

    def datums(self, short: str, id_: str = "") -> list[pps.DatumInfo]:
        job = self.job(short, id_).job
        return list(self.client.pps.list_datum(job=job))

    def text(self, short: str, path: str) -> str:
        """A file of a pipeline's (or repo's) newest commit."""
        with self.client.pfs.pfs_file(pfs.File(head(self.named(short)), path)) as file:
            return bytes(file.read()).decode()

    def paths(self, short: str) -> list[str]:
        """Every file of the newest commit, in order."""
        everything = pfs.File(commit=head(self.named(short)), path="/")
        found = self.client.pfs.walk_file(file=everything)
        return [each.file.path for each in found if each.file_type == pfs.FileType.FILE]
