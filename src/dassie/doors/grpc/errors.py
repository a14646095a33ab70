"""One table: category of `dassie.errors` → gRPC status code. Called by `calls` for every failure of
a call.

Wording is not made here: the message travels as it was raised, because clients match on parts of
it.
"""

from __future__ import annotations

import logging

from dassie import errors
from dassie.doors.grpc.transport.metadata import Code

_log = logging.getLogger(__name__)

_CODES: dict[type[errors.DassieError], Code] = {
    errors.NotFound: Code.NOT_FOUND,
    errors.AlreadyExists: Code.ALREADY_EXISTS,
    errors.InvalidArgument: Code.INVALID_ARGUMENT,
    errors.FailedPrecondition: Code.FAILED_PRECONDITION,
    errors.Unavailable: Code.UNAVAILABLE,
    errors.Aborted: Code.ABORTED,
    errors.PermissionDenied: Code.PERMISSION_DENIED,
    errors.DeadlineExceeded: Code.DEADLINE_EXCEEDED,
    errors.ResourceExhausted: Code.RESOURCE_EXHAUSTED,
    errors.DataLoss: Code.DATA_LOSS,
    errors.Unimplemented: Code.UNIMPLEMENTED,
}

_MAX_TEXT = 4000
"""A status travels in HTTP/2 trailers, which clients accept up to 8 KiB by default."""


class AuthNotActivated(errors.Unimplemented):
    """Auth is off. Clients recognise this by the text, so no other error may say it."""

    def __init__(self) -> None:
        errors.DassieError.__init__(self, "the auth service is not activated")


def code_of(error: errors.DassieError) -> Code:
    """The code of the nearest category."""
    for kind in type(error).__mro__:
        code = _CODES.get(kind)
        if code is not None:
            return code
    return Code.UNKNOWN


def status_of(error: BaseException, method: str) -> tuple[Code, str]:
    """Code and one-line text for a client. What is not a `DassieError` is a bug: its traceback goes
    to the log.
    """
    if isinstance(error, errors.DassieError):
        if isinstance(error, errors.DataLoss):
            _log.error("%s: %s", method, error)
        return code_of(error), _one_line(error.message)
    if isinstance(error, MemoryError):
        return Code.RESOURCE_EXHAUSTED, f"{method}: the server is out of memory"
    _log.error("%s failed", method, exc_info=error)
    kind = type(error).__name__
    text = f"internal error in {method}: {kind}: {error} (the server's log has the details)"
    return Code.INTERNAL, _one_line(text)


def _one_line(text: str) -> str:
    line = " ".join(text.split("\n"))
    return line if len(line) <= _MAX_TEXT else f"{line[:_MAX_TEXT]}…"
