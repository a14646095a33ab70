"""Processing one datum: its tries, its error command, and why it failed.

The worker's main thread calls `Runner.process` for one datum after the other. What the datum wrote
is judged here and stored elsewhere (`loop.py`).
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from dassie.pps.sandbox.session import Command, Exit, Sandbox, SandboxLost, User
from dassie.pps.worker import environment, folders
from dassie.pps.worker.collect import Output, OutputError, Scan
from dassie.pps.worker.lazy import PipeFiller
from dassie.pps.worker.lines import LineSplitter
from dassie.pps.worker.model import Assignment, Outcome, Result, Task
from dassie.pps.worker.stage import Slot, Stager
from dassie.storage.store import Storage

FULL_BYTES: Final = 1 << 20
"""With less space left than this a failure is put down to the full disk."""
NO_COMMAND: Final = "invalid pipeline transform, no command specified"


class Control(Protocol):
    """What pachd wants of the datum in hand, as heartbeats bring it."""

    def begin(self, task: Task) -> None:
        """User code of this datum is about to run."""

    def end(self) -> None:
        """No user code runs."""

    def cancelled(self, lease: str) -> bool:
        """Whether nobody wants the result any more."""

    def take_restart(self, lease: str) -> bool:
        """Whether the try shall begin again; true once per order."""


class Cancelled(Exception):
    """Nobody wants the datum any more."""


class _Restarted(Exception):
    """The try was stopped, and shall begin again as if it had not been."""


@dataclass(frozen=True, slots=True)
class Tools:
    """What a runner works with.

    sandbox: gives the current sandbox, a new one after it was lost.
    say: takes log lines (datum, from user code?, text lines).
    """

    sandbox: Callable[[], Sandbox]
    pfs: str
    stager: Stager
    storage: Storage
    control: Control
    say: Callable[[Task, bool, list[str]], None]


class Runner:
    """Runs user code on datums, one at a time."""

    def __init__(
        self, tools: Tools, assignment: Assignment, env: Mapping[str, str], user: User | str | None
    ) -> None:
        """user: whom user code runs as; a text says why that is impossible."""
        self._tools = tools
        self._assignment = assignment
        self._code = assignment.code
        self._env = env
        self._user = user if isinstance(user, User) else None
        self._obstacle = user if isinstance(user, str) else ""
        if not self._code.cmd:
            self._obstacle = NO_COMMAND
        folders.clear(tools.pfs)  # later every try leaves it empty

    def process(self, slot: Slot) -> tuple[Result, list[Output]]:
        """Try until it succeeds, is recovered or has used up its tries. Raises `Cancelled`."""
        task = slot.task
        result = Result(task.lease, task.job_id, task.datum_id)
        result.started_us = time.time_ns() // 1000
        if self._obstacle:
            result.failed(self._obstacle)
            return result, []
        outputs: list[Output] = []
        while result.tries < self._assignment.tries:
            result.tries += 1
            if self._tools.control.cancelled(task.lease):
                raise Cancelled
            try:
                reason, outputs = self._try(slot, result)
            except _Restarted:
                self._tools.say(task, False, ["restarted on request"])
                result.tries -= 1
                continue
            if not reason:
                result.outcome, result.reason = Outcome.SUCCESS, ""
                break
            if result.outcome is Outcome.RECOVERED:
                break
        result.download_bytes, result.download_us = slot.download_bytes, slot.download_us
        return result, outputs

    def _try(self, slot: Slot, result: Result) -> tuple[str, list[Output]]:
        """One try; the reason why it failed, or no reason and what it wrote."""
        if not slot.staged:
            self._tools.stager.stage([slot])
        if slot.error:
            reason = slot.error
            self._tell(slot.task, result, reason)
            return reason, []
        outputs: list[Output] = []
        try:
            reason = self._run(slot, result)
            if not reason:
                try:
                    outputs = self._scan(slot)
                except OutputError as error:
                    reason = str(error)
            if reason:
                self._tell(slot.task, result, reason)
                self._recover(slot, result)
        except SandboxLost as error:
            reason = f"the sandbox was lost: {error}"
            self._tell(slot.task, result, reason)
        except OSError as error:
            reason = f"cannot prepare /pfs: {(error.strerror or str(error)).lower()}"
            self._tell(slot.task, result, reason)
        except (Cancelled, _Restarted):
            self._withdraw(slot, keep=False)
            raise
        finally:
            slot.staged = False
            self._tools.control.end()
        self._withdraw(slot, keep=not reason)
        return reason, outputs

    def _withdraw(self, slot: Slot, *, keep: bool) -> None:
        """Empty /pfs. What may be stored or removed later goes back to the slot."""
        if keep:
            folders.move_all(self._tools.pfs, slot.pfs)
        else:
            folders.clear(self._tools.pfs)

    def _run(self, slot: Slot, result: Result) -> str:
        """Run user code; the reason why it failed, or none."""
        tools, task = self._tools, slot.task
        sandbox = tools.sandbox()
        env = {**self._env, **environment.of_datum(task, sandbox.pfs)}
        self._enter(slot, env)
        timeout = task.timeout or self._assignment.timeout
        command = self._command(self._code.cmd, self._code.input_bytes(), env, timeout)
        tools.control.begin(task)
        filler = (
            PipeFiller(tools.pfs, slot.lazy, tools.storage.read, sandbox.kill)
            if slot.lazy
            else None
        )
        started = time.perf_counter()
        try:
            ended = self._listen(sandbox, command, task)
        finally:
            result.process_us += int((time.perf_counter() - started) * 1e6)
            if filler:
                filler.close()
                slot.download_bytes += filler.bytes_written
        if filler and filler.error:
            return filler.error
        if ended.killed:
            raise _Restarted if tools.control.take_restart(task.lease) else Cancelled
        reason = reason_of(ended, timeout, self._code.accept_return_code)
        return reason + self._disk_hint() if reason else ""

    def _recover(self, slot: Slot, result: Result) -> None:
        """Run the error command; its success makes the datum RECOVERED."""
        task = slot.task
        if not self._code.err_cmd or self._tools.control.cancelled(task.lease):
            return
        sandbox = self._tools.sandbox()
        env = {**self._env, **environment.of_datum(task, sandbox.pfs)}
        timeout = task.timeout or self._assignment.timeout
        command = self._command(self._code.err_cmd, self._code.error_input_bytes(), env, timeout)
        started = time.perf_counter()
        ended = self._listen(sandbox, command, task)
        result.process_us += int((time.perf_counter() - started) * 1e6)
        if ended.killed:
            raise _Restarted if self._tools.control.take_restart(task.lease) else Cancelled
        reason = reason_of(ended, timeout, self._code.accept_return_code)
        if reason:
            self._tools.say(task, False, [f"error command failed: {reason}"])
        else:
            self._tools.say(task, False, ["error command succeeded: the datum is recovered"])
            result.outcome, result.output = Outcome.RECOVERED, None

    def _enter(self, slot: Slot, env: Mapping[str, str]) -> None:
        """Put the datum's inputs to /pfs, an empty /pfs/out and the environment file."""
        pfs = self._tools.pfs
        folders.move_all(slot.pfs, pfs)
        os.mkdir(f"{pfs}/out", 0o755)  # noqa: PTH102 - once per datum
        if self._user is not None:
            os.chown(f"{pfs}/out", self._user.uid, self._user.gid)
        fd = os.open(f"{pfs}/.env", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        try:
            os.write(fd, environment.env_file(env))
        finally:
            os.close(fd)

    def _command(
        self, argv: tuple[str, ...], stdin: bytes | None, env: dict[str, str], timeout: float | None
    ) -> Command:
        cwd = self._code.working_dir or env["HOME"]
        return Command(argv, env, cwd, stdin, self._user, timeout)

    def _listen(self, sandbox: Sandbox, command: Command, task: Task) -> Exit:
        """Run a command; its output becomes log lines."""
        splitter = LineSplitter()

        def on_output(data: bytes) -> None:
            if lines := splitter.feed(data):
                self._tools.say(task, True, lines)

        try:
            return sandbox.run(command, on_output)
        finally:
            if rest := splitter.finish():
                self._tools.say(task, True, rest)

    def _scan(self, slot: Slot) -> list[Output]:
        tools = self._tools
        scan = Scan(tools.sandbox(), tools.pfs, slot, slot.known, self._user)
        outputs = scan.run()
        slot.output_bytes = scan.bytes
        return outputs

    def _tell(self, task: Task, result: Result, reason: str) -> None:
        result.failed(reason)
        tries = self._assignment.tries
        self._tools.say(task, False, [f"try {result.tries} of {tries} failed: {reason}"])

    def _disk_hint(self) -> str:
        space = os.statvfs(self._tools.pfs)
        if space.f_bavail * space.f_frsize < FULL_BYTES or (space.f_files and not space.f_favail):
            return " (no space left on device: the worker's disk is full)"
        return ""


def reason_of(ended: Exit, timeout: float | None, accepted: frozenset[int]) -> str:
    """Why a command failed, in one line; nothing when it did not. Pure."""
    if ended.error:
        return ended.error
    if ended.timed_out:
        return f"timed out after {timeout:g}s"
    if ended.code == 0 or ended.code in accepted:
        return ""
    if ended.code > 0:
        hint = " (a process was killed, maybe out of memory)" if ended.code == 137 else ""
        return f"exit status {ended.code}{hint}"
    number = -ended.code
    if number == signal.SIGKILL:
        return f"killed by signal {number} (maybe out of memory)"
    try:
        name = signal.strsignal(number)
    except ValueError:
        name = None
    return f"killed by signal {number}" + (f" ({name.lower()})" if name else "")
