"""What a running command has at hand: its arguments, the configuration, a connection, the output.

Made by `main.py`, one per command. The configuration is read and the connection opened when first
used, so that `version --client-only` needs neither.
"""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Mapping
from contextlib import ExitStack
from functools import cached_property
from typing import TYPE_CHECKING, Any

from dassie.cli import humanize
from dassie.cli.exits import UsageError
from dassie.cli.output import Output
from dassie.client import refs
from dassie.errors import FailedPrecondition

if TYPE_CHECKING:
    from dassie.cli.grammar import Command
    from dassie.client.config import Config
    from dassie.client.connection import Connection, Service


class Session:
    """One command's run."""

    def __init__(
        self, command: Command, args: Namespace, out: Output, environ: Mapping[str, str]
    ) -> None:
        self.command = command
        self.args = args
        self.out = out
        self.environ = environ
        self._resources = ExitStack()

    # -- arguments --------------------------------------------------------------

    def has(self, name: str) -> bool:
        """Is this switch on?"""
        return bool(getattr(self.args, name, False))

    def text(self, name: str) -> str:
        """The value of an argument, "" when it was not given."""
        return str(getattr(self.args, name, None) or "")

    def number(self, name: str) -> int:
        return int(getattr(self.args, name, None) or 0)

    @property
    def history(self) -> int:
        """How many older versions --history asks for; -1 is all of them."""
        written = self.text("history") or "none"
        try:
            return {"none": 0, "all": -1}.get(written) or int(written.replace("none", "0"))
        except ValueError:
            raise self.wrong(f"--history {written}: give a number, all or none") from None

    def texts(self, name: str) -> list[str]:
        """The values of a repeated argument."""
        return list(getattr(self.args, name, None) or [])

    def seconds(self, name: str) -> float | None:
        """A duration such as `24h`, in seconds."""
        written = self.text(name)
        try:
            return humanize.parse_duration(written) if written else None
        except ValueError as error:
            raise self.wrong(str(error)) from None

    @property
    def rpc_timeout_s(self) -> float | None:
        """For each call; 0 is no limit, as for Pachyderm."""
        return self.seconds("rpc_timeout") or None

    def wrong(self, message: str) -> UsageError:
        """The error for arguments that do not go together."""
        return UsageError(message, self.command.path)

    # -- what they mean ------------------------------------------------------------

    @cached_property
    def config(self) -> Config:
        from dassie.client.config import Config

        environ = dict(self.environ)
        if context := self.text("context"):
            environ["PACH_CONTEXT"] = context
            environ.pop("PACHD_ADDRESS", None)
        return Config.load(environ)

    @cached_property
    def project(self) -> str:
        """`--project`, else the context's."""
        return self.text("project") or self.config.project

    @property
    def projects(self) -> list[Any]:
        """For requests that filter by project: none of them means all."""
        from dassie.client import messages

        return [] if self.has("all_projects") else [messages.project(self.project)]

    def repo(self, name: str) -> refs.RepoRef:
        return refs.parse_repo(self.text(name), self.project)

    def branch(self, name: str) -> refs.CommitRef:
        return refs.parse_branch(self.text(name), self.project)

    def commit(self, name: str, default_branch: str | None = None) -> refs.CommitRef:
        return refs.parse_commit(self.text(name), self.project, default_branch=default_branch)

    def file(self, name: str, default_branch: str | None = None) -> refs.FileRef:
        return refs.parse_file(self.text(name), self.project, default_branch=default_branch)

    def pipeline(self, name: str) -> refs.PipelineRef:
        return refs.parse_pipeline(self.text(name), self.project)

    def job(self, name: str) -> refs.JobRef:
        return refs.parse_job(self.text(name), self.project)

    # -- the server -------------------------------------------------------------------

    @cached_property
    def connection(self) -> Connection:
        from dassie.client.connection import Connection

        connection = Connection(self.config.target(), timeout_s=self.rpc_timeout_s)
        return self._resources.enter_context(connection)

    @property
    def pfs(self) -> Service:
        return self.connection.pfs

    @property
    def pps(self) -> Service:
        return self.connection.pps

    def close(self) -> None:
        self._resources.close()

    # -- the person ------------------------------------------------------------------

    def confirm(self, question: str) -> None:
        """Ask before something is destroyed; `--yes` answers, and nobody there means no."""
        if self.has("yes"):
            return
        if not sys.stdin.isatty():
            raise FailedPrecondition(
                f"{question} Nobody is there to confirm it: repeat the command with --yes"
            )
        self.out.stderr.write(f"{question} [y/N] ")
        self.out.stderr.flush()
        if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
            raise FailedPrecondition("nothing was changed")
