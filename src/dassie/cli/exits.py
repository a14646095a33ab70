"""Exit codes: the command line's one table from the error tree to a number. Pure.

Documented in docs/pachctl.md; scripts rely on them.
"""

from __future__ import annotations

from dassie import errors
from dassie.client.errors import Unreachable

OK = 0
FAILED = 1
USAGE = 2
UNREACHABLE = 3
NOT_FOUND = 4
UNSUCCESSFUL = 5
"""The command did its work and the news is bad: a job failed, a commit has an error, fsck found
problems."""
UNIMPLEMENTED = 6
INTERRUPTED = 130
BROKEN_PIPE = 141

_BY_CATEGORY: tuple[tuple[type[errors.DassieError], int], ...] = (
    (Unreachable, UNREACHABLE),
    (errors.NotFound, NOT_FOUND),
    (errors.Unimplemented, UNIMPLEMENTED),
)


class UsageError(errors.InvalidArgument):
    """The command was typed wrongly; `command` is the one whose help will say how."""

    def __init__(self, message: str, command: str = "") -> None:
        super().__init__(message)
        self.command = command


def exit_code(error: errors.DassieError) -> int:
    """The exit code for an error."""
    if isinstance(error, UsageError):
        return USAGE
    return next((code for kind, code in _BY_CATEGORY if isinstance(error, kind)), FAILED)
