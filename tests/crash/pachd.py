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
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import grpc

from dassie._proto.pfs import pfs_pb2, pfs_pb2_grpc
from dassie._proto.pps import pps_pb2, pps_pb2_grpc

BIN = Path(sys.executable).parent
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


class Pachd:
    """One data folder; the server on it is started, stopped, killed and started again."""

    def __init__(self, folder: Path, *flags: str) -> None:
        self.folder, self.flags = folder, flags
        self.data = folder / "data"
        self.process: subprocess.Popen[str] | Forked | None = None

    def start(self, *flags: str) -> None:
        arguments = ["--data", str(self.data), "--port", "0", *self.flags, *flags]
        line = self._launch(arguments)
        assert line, f"pachd did not start: {(self.folder / 'stderr').read_text()[-3000:]}"
        self.address = next(word for word in line.replace(",", " ").split() if word.count(":") == 1)
        self.channel = grpc.insecure_channel(self.address, options=LIMITS)
        self.pfs = pfs_pb2_grpc.APIStub(self.channel)
        self.pps = pps_pb2_grpc.APIStub(self.channel)

    def _launch(self, arguments: list[str]) -> str:
        """Start the process; what it prints first."""
        with (self.folder / "stderr").open("a") as log:
            self.process = subprocess.Popen(
                [BIN / "pachd", *arguments], stdout=subprocess.PIPE, stderr=log, text=True
            )
        assert self.process.stdout is not None
        return self.process.stdout.readline()

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def kill(self) -> None:
        """SIGKILL, as a power cut would; workers follow by themselves."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(30)
        self.channel.close()

    def stop(self) -> None:
        """SIGTERM."""
        assert self.process is not None
        self.channel.close()
        self.process.terminate()
        assert self.process.wait(30) == 0

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
        try:
            packed = io.BytesIO(b"".join(piece.value for piece in self.pfs.GetFileTAR(ask)))
        except grpc.RpcError as error:
            if "file / not found" in error.details():  # an empty commit
                return {}
            raise
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


class Forked:
    """A process of the nursery, as far as it is like a `Popen`."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._handle = os.pidfd_open(pid)

    def kill(self) -> None:
        signal.pidfd_send_signal(self._handle, signal.SIGKILL)

    def terminate(self) -> None:
        signal.pidfd_send_signal(self._handle, signal.SIGTERM)

    def wait(self, timeout: float) -> int:
        """Its status is not known: 0."""
        if not self.has_ended(timeout):
            raise TimeoutError
        os.close(self._handle)
        return 0

    def has_ended(self, timeout: float) -> bool:
        return bool(select.select([self._handle], [], [], timeout)[0])


class ForkedPachd(Pachd):
    """The same, started in a fifth of the time; see `nursery`."""

    def __init__(self, folder: Path, *flags: str) -> None:
        super().__init__(folder, *flags)
        with (folder / "stderr").open("a") as log:
            self._nursery = subprocess.Popen(
                [sys.executable, "-m", "tests.crash.nursery"],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )

    def _launch(self, arguments: list[str]) -> str:
        assert self._nursery.stdin is not None
        assert self._nursery.stdout is not None
        output = self.folder / "stdout"
        output.unlink(missing_ok=True)
        order = {"arguments": arguments, "output": str(output)}
        self._nursery.stdin.write(json.dumps(order) + "\n")
        self._nursery.stdin.flush()
        self.process = process = Forked(int(self._nursery.stdout.readline()))
        until = time.monotonic() + START_S
        while time.monotonic() < until and not process.has_ended(0.005):
            with suppress(FileNotFoundError):
                text = output.read_text()
                if "\n" in text:
                    return text
        return ""

    def close(self) -> None:
        """The end of the nursery; the server must have been stopped."""
        self._nursery.kill()
        self._nursery.wait()


def _bytes_of(archive: tarfile.TarFile, file: tarfile.TarInfo) -> bytes:
    data = archive.extractfile(file)
    assert data is not None
    return data.read()
