"""A `pachd` process that tests may kill, with the few calls that crash tests make."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import grpc

from dassie._proto.pfs import pfs_pb2, pfs_pb2_grpc
from dassie._proto.pps import pps_pb2, pps_pb2_grpc

BIN = Path(sys.executable).parent
LIMITS = [("grpc.max_receive_message_length", 20 << 20), ("grpc.max_send_message_length", 20 << 20)]


def repo(name: str, kind: str = "user") -> pfs_pb2.Repo:
    return pfs_pb2.Repo(name=name, type=kind, project=pfs_pb2.Project(name="default"))


def branch(name: str) -> pfs_pb2.Branch:
    return pfs_pb2.Branch(repo=repo(name), name="master")


def commit(name: str, identity: str = "") -> pfs_pb2.Commit:
    """A commit by id, or the head of `master`."""
    if identity:
        return pfs_pb2.Commit(repo=repo(name), id=identity)
    return pfs_pb2.Commit(repo=repo(name), branch=branch(name))


class Pachd:
    """One data folder; the server on it is started, killed and started again."""

    def __init__(self, folder: Path, *flags: str) -> None:
        self.folder, self.flags = folder, flags
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        with (self.folder / "stderr").open("a") as log:
            self.process = subprocess.Popen(
                [BIN / "pachd", "--data", self.folder / "data", "--port", "0", *self.flags],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, f"pachd did not start: {(self.folder / 'stderr').read_text()[-2000:]}"
        self.address = next(word for word in line.replace(",", " ").split() if word.count(":") == 1)
        self.channel = grpc.insecure_channel(self.address, options=LIMITS)
        self.pfs = pfs_pb2_grpc.APIStub(self.channel)
        self.pps = pps_pb2_grpc.APIStub(self.channel)

    def kill(self) -> None:
        """SIGKILL, as a power cut would; workers follow by themselves."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()
        self.channel.close()

    def stop(self) -> None:
        assert self.process is not None
        self.channel.close()
        self.process.terminate()
        assert self.process.wait(timeout=30) == 0

    def workers(self) -> list[int]:
        """Process ids of the workers of this server."""
        assert self.process is not None
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                with suppress(OSError):
                    status = (entry / "stat").read_text().rsplit(")", 1)[1].split()
                    command = (entry / "cmdline").read_bytes()
                    if int(status[1]) == self.process.pid and b"dassie.daemon.worker" in command:
                        found.append(int(entry.name))
        return found

    def kill_worker(self, which: int) -> bool:
        """SIGKILL one worker, if there is one."""
        pids = self.workers()
        if not pids:
            return False
        with suppress(ProcessLookupError):
            os.kill(pids[which % len(pids)], signal.SIGKILL)
        return True

    def put(self, name: str, files: dict[str, bytes]) -> None:
        """Overwrite files in one stream: a commit of its own."""

        def messages() -> Iterator[pfs_pb2.ModifyFileRequest]:
            yield pfs_pb2.ModifyFileRequest(set_commit=commit(name))
            for path, data in files.items():
                yield pfs_pb2.ModifyFileRequest(delete_file=pfs_pb2.DeleteFile(path=path))
                request = pfs_pb2.ModifyFileRequest()
                request.add_file.path = path
                request.add_file.raw.value = data
                yield request

        self.pfs.ModifyFile(messages())

    def contents(self, where: pfs_pb2.Commit) -> dict[str, bytes]:
        """Every file of a commit."""
        request = pfs_pb2.WalkFileRequest(file=pfs_pb2.File(commit=where, path="/"))
        files = {}
        for info in self.pfs.WalkFile(request):
            if info.file_type == pfs_pb2.FILE:
                ask = pfs_pb2.GetFileRequest(file=pfs_pb2.File(commit=where, path=info.file.path))
                files[info.file.path] = b"".join(piece.value for piece in self.pfs.GetFile(ask))
        return files

    def fsck(self) -> list[str]:
        """What fsck complains of."""
        return [answer.error for answer in self.pfs.Fsck(pfs_pb2.FsckRequest()) if answer.error]

    def wait_idle(self, pipeline: str, deadline_s: float = 120) -> pps_pb2.JobInfo:
        """Wait until the newest job of the pipeline has ended, and return it."""
        until = time.monotonic() + deadline_s
        while True:
            ask = pps_pb2.ListJobRequest(
                pipeline=pps_pb2.Pipeline(name=pipeline, project=pfs_pb2.Project(name="default")),
                number=1,
            )
            newest = next(iter(self.pps.ListJob(ask)))
            if newest.state in {
                pps_pb2.JOB_SUCCESS,
                pps_pb2.JOB_FAILURE,
                pps_pb2.JOB_KILLED,
                pps_pb2.JOB_UNRUNNABLE,
            }:
                return newest
            assert time.monotonic() < until, f"{newest.state}: {newest.reason}"
            time.sleep(0.1)
