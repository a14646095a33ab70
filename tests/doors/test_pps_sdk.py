"""pps_v2.API as the official SDK, unmodified, uses it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import grpc
import pytest
from pachyderm_sdk import Client
from pachyderm_sdk.api import pfs, pps

from tests.doors.pipelines import Runtime, runtime

EDGES = pps.Pipeline(name="edges", project=pfs.Project(name="default"))
IMAGES = pps.Input(pfs=pps.PfsInput(repo="images", glob="/*"))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Runtime]:
    with runtime(tmp_path) as made:
        made.create_repo("images")
        yield made


@pytest.fixture
def client(server: Runtime) -> Client:
    return Client(host="127.0.0.1", port=server.port)


def create(client: Client, **fields: object) -> None:
    client.pps.create_pipeline(
        pipeline=EDGES, transform=pps.Transform(cmd=["copy"]), input=IMAGES, **fields
    )


def test_a_pipeline_and_its_jobs(server: Runtime, client: Client) -> None:
    assert not client.pps.pipeline_exists(EDGES)
    create(client, datum_timeout=timedelta(seconds=90))
    assert client.pps.pipeline_exists(EDGES)
    info = client.pps.inspect_pipeline(pipeline=EDGES, details=True)
    assert info.details.input.pfs.repo == "images"
    assert info.details.datum_timeout == timedelta(seconds=90)
    id_ = server.commit("images", {"/a": b"1", "/b": b"2"})
    job = pps.Job(pipeline=EDGES, id=id_)
    done = client.pps.inspect_job(job=job, wait=True, details=True)
    assert (done.state, done.data_processed) == (pps.JobState.JOB_SUCCESS, 2)
    assert client.pps.job_exists(job)
    assert not client.pps.job_exists(pps.Job(pipeline=EDGES, id="0" * 32))
    jobs = list(client.pps.list_job(pipeline=EDGES))
    assert jobs[0].job.id == id_
    assert len(jobs) == 2
    assert not jobs[0].details.input.pfs.commit
    datums = list(client.pps.list_datum(job=job))
    assert {datum.data[0].file.path for datum in datums} == {"/a", "/b"}
    assert client.pps.inspect_datum(datum=datums[0].datum).state == pps.DatumState.SUCCESS
    lines = list(client.pps.get_logs(job=job))
    assert sum(line.user for line in lines) == 2
    create(client, update=True, reprocess=True)
    (versions,) = [list(client.pps.list_pipeline(pipeline=EDGES, history=-1))]
    assert [info.version for info in versions] == [2, 1]
    client.pps.delete_pipeline(pipeline=EDGES, force=True)
    client.pps.delete_pipeline(pipeline=EDGES, force=True)
    assert not client.pps.pipeline_exists(EDGES)


def test_errors(client: Client) -> None:
    create(client)
    with pytest.raises(grpc.RpcError, match="already exists"):
        create(client)
    with pytest.raises(grpc.RpcError, match=r"pipeline.*have a cron input"):
        client.pps.run_cron(pipeline=EDGES)
    with pytest.raises(grpc.RpcError, match="malformed pipeline spec"):
        client.pps.create_pipeline_v2(create_pipeline_request_json="{")


def test_batches_of_datums(server: Runtime, client: Client) -> None:
    server.commit("images", {f"/{number:02}": b"" for number in range(25)})
    sizes = [len(batch) for batch in client.pps.generate_datums(input_spec=IMAGES, batch_size=10)]
    assert sizes == [10, 10, 5]
