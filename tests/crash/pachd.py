"""A `pachd` process that tests may kill, with the few calls that crash tests make."""

from __future__ import annotations

import io
import json
import os
import select
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import grpc

from dassie._proto.pfs import pfs_pb2, pfs_pb2_grpc
from dassie._proto.pps import pps_pb2, pps_pb2_grpc

ROOT = Path(__file__).parents[2]
LIMITS = [("grpc.max_receive_message_length", 20 << 20), ("grpc.max_send_message_length", 20 << 20)]
START_S = 60
ENDED = {
    pps_pb2.JOB_SUCCESS,
    pps_pb2.JOB_FAILURE,
    pps_pb2.JOB_KILLED,
    pps_pb2.JOB_UNRUNNABLE,
}


def repo(name: str, kind: str = "user") -> pfs_pb2.Repo:
    return pfs_pb2.Repo(name=name, type=kind, project=pfs_pb2.Project(name="default"))


def branch(name: str) -> pfs_pb2.Branch:
    return pfs_pb2.Branch(repo=repo(name), name="master")


def commit(name: str, identity: str = "") -> pfs_pb2.Commit:
    """A commit by id, or the head of `master`."""
    if identity:
        return pfs_pb2.Commit(repo=repo(name), id=identity)
    return pfs_pb2.Commit(repo=repo(name), branch=branch(name))


def pipeline(name: str) -> pps_pb2.Pipeline:
    return pps_pb2.Pipeline(name=name, project=pfs_pb2.Project(name="default"))


class Nursery:
    """Starts servers; see `nursery`."""

    def __init__(self, errors: Path) -> None:
        with errors.open("a") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.crash.nursery"],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )

    def start(self, arguments: Iterable[str], output: Path) -> int:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        order = {"arguments": list(arguments), "output": str(output)}
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def close(self) -> None:
        self._process.kill()
        self._process.wait()


class Pachd:
    """One data folder; the server on it is started, killed and started again."""

    def __init__(self, folder: Path, *flags: str) -> None:
        self.folder, self.flags = folder, flags
        self.data = folder / "data"
        self.pid = 0
        self._errors = folder / "stderr"
        self._nursery = Nursery(self._errors)
        self._handle = -1

    def start(self, *flags: str) -> None:
        output = self.folder / "stdout"
        output.unlink(missing_ok=True)
        arguments = ["--data", str(self.data), "--port", "0", *self.flags, *flags]
        self.pid = self._nursery.start(arguments, output)
        self._handle = os.pidfd_open(self.pid)
        line = self._first_line(output)
        self.address = next(word for word in line.replace(",", " ").split() if word.count(":") == 1)
        self.channel = grpc.insecure_channel(self.address, options=LIMITS)
        self.pfs = pfs_pb2_grpc.APIStub(self.channel)
        self.pps = pps_pb2_grpc.APIStub(self.channel)

    def _first_line(self, output: Path) -> str:
        until = time.monotonic() + START_S
        while time.monotonic() < until:
            with suppress(FileNotFoundError):
                text = output.read_text()
                if "\n" in text:
                    return text
            if self._ended(0.005):
                break
        raise AssertionError(f"pachd did not start: {self._errors.read_text()[-3000:]}")

    def kill(self) -> None:
        """SIGKILL, as a power cut would; workers follow by themselves."""
        if self._handle >= 0:
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
            self._reap()

    def stop(self) -> None:
        """SIGTERM."""
        os.kill(self.pid, signal.SIGTERM)
        self._reap()

    def _reap(self) -> None:
        assert self._ended(30)
        os.close(self._handle)
        self._handle = -1
        self.channel.close()

    def _ended(self, timeout: float) -> bool:
        return bool(select.select([self._handle], [], [], timeout)[0])

    def close(self) -> None:
        self.kill()
        self._nursery.close()

    # -- looking at it from outside ----------------------------------------------------------

    def workers(self) -> list[int]:
        """Process ids of the workers of this server."""
        children = Path(f"/proc/{self.pid}/task")
        found: list[int] = []
        with suppress(OSError):
            for task in children.iterdir():
                with suppress(OSError):
                    found += map(int, (task / "children").read_text().split())
        return sorted(found)

    def kill_worker(self, which: int) -> bool:
        """SIGKILL one worker, if there is one."""
        pids = self.workers()
        if not pids:
            return False
        with suppress(ProcessLookupError):
            os.kill(pids[which % len(pids)], signal.SIGKILL)
        return True

    def peak_memory(self) -> int:
        """Bytes."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024

    def said(self, text: str) -> int:
        """How many lines of its log have `text`, in all its lives."""
        log = self.data / "pachd.log"
        return sum(text in line for line in log.read_text(errors="replace").splitlines())

    # -- calls -------------------------------------------------------------------------------

    def create_repo(self, name: str) -> None:
        self.pfs.CreateRepo(pfs_pb2.CreateRepoRequest(repo=repo(name)))

    def delete_repo(self, name: str) -> None:
        self.pfs.DeleteRepo(pfs_pb2.DeleteRepoRequest(repo=repo(name), force=True))

    def create_pipeline(self, spec: str) -> None:
        self.pps.CreatePipelineV2(
            pps_pb2.CreatePipelineV2Request(create_pipeline_request_json=spec)
        )

    def put(self, name: str, files: Mapping[str, bytes | None]) -> None:
        """Overwrite (with None delete) files in one stream: part of the open commit, or a commit
        of its own."""

        def messages() -> Iterator[pfs_pb2.ModifyFileRequest]:
            yield pfs_pb2.ModifyFileRequest(set_commit=commit(name))
            for path, data in files.items():
                yield pfs_pb2.ModifyFileRequest(delete_file=pfs_pb2.DeleteFile(path=path))
                if data is not None:
                    request = pfs_pb2.ModifyFileRequest()
                    request.add_file.path = path
                    request.add_file.raw.value = data
                    yield request

        self.pfs.ModifyFile(messages())

    def start_commit(self, name: str) -> str:
        ask = pfs_pb2.StartCommitRequest(branch=branch(name))
        return str(self.pfs.StartCommit(ask).id)

    def finish_commit(self, name: str) -> None:
        self.pfs.FinishCommit(pfs_pb2.FinishCommitRequest(commit=commit(name)))

    def head(self, name: str) -> pfs_pb2.CommitInfo:
        return self.pfs.InspectCommit(pfs_pb2.InspectCommitRequest(commit=commit(name)))

    def contents(self, where: pfs_pb2.Commit) -> dict[str, bytes]:
        """Every file of a commit."""
        ask = pfs_pb2.GetFileRequest(file=pfs_pb2.File(commit=where, path="/"))
        packed = io.BytesIO(b"".join(piece.value for piece in self.pfs.GetFileTAR(ask)))
        with tarfile.open(fileobj=packed) as archive:
            files = [member for member in archive if member.isfile()]
            return {"/" + file.name.lstrip("/"): _bytes_of(archive, file) for file in files}

    def fsck(self) -> list[str]:
        """What fsck complains of."""
        return [answer.error for answer in self.pfs.Fsck(pfs_pb2.FsckRequest()) if answer.error]

    def jobs(self, name: str) -> list[pps_pb2.JobInfo]:
        """Newest first."""
        return list(self.pps.ListJob(pps_pb2.ListJobRequest(pipeline=pipeline(name), history=-1)))

    def wait_idle(self, name: str, deadline_s: float = 120) -> pps_pb2.JobInfo:
        """Wait until the newest job of the pipeline has ended, and return it."""
        until = time.monotonic() + deadline_s
        while True:
            ask = pps_pb2.ListJobRequest(pipeline=pipeline(name), number=1)
            newest = next(iter(self.pps.ListJob(ask)))
            if newest.state in ENDED:
                return newest
            assert time.monotonic() < until, f"{newest.state}: {newest.reason}"
            time.sleep(0.1)


def _bytes_of(archive: tarfile.TarFile, file: tarfile.TarInfo) -> bytes:
    data = archive.extractfile(file)
    assert data is not None
    return data.read()
