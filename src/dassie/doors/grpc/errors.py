"""One table: category of `dassie.errors` → gRPC status code. Called by `calls` for every failure of
a call.

Wording is not made here: the message travels as it was raised, because clients match on parts of
it.
"""

from __future__ import annotations

import logging

import grpc

from dassie import errors

_log = logging.getLogger(__name__)

_CODES: dict[type[errors.DassieError], grpc.StatusCode] = {
    errors.NotFound: grpc.StatusCode.NOT_FOUND,
    errors.AlreadyExists: grpc.StatusCode.ALREADY_EXISTS,
    errors.InvalidArgument: grpc.StatusCode.INVALID_ARGUMENT,
    errors.FailedPrecondition: grpc.StatusCode.FAILED_PRECONDITION,
    errors.Unavailable: grpc.StatusCode.UNAVAILABLE,
    errors.Aborted: grpc.StatusCode.ABORTED,
    errors.PermissionDenied: grpc.StatusCode.PERMISSION_DENIED,
    errors.DeadlineExceeded: grpc.StatusCode.DEADLINE_EXCEEDED,
    errors.ResourceExhausted: grpc.StatusCode.RESOURCE_EXHAUSTED,
    errors.DataLoss: grpc.StatusCode.DATA_LOSS,
    errors.Unimplemented: grpc.StatusCode.UNIMPLEMENTED,
}

_MAX_TEXT = 4000
"""A status travels in HTTP/2 trailers, which clients accept up to 8 KiB by default."""


class AuthNotActivated(errors.Unimplemented):
    """Auth is off. Clients recognise this by the text, so no other error may say it."""

    def __init__(self) -> None:
        errors.DassieError.__init__(self, "the auth service is not activated")


def code_of(error: errors.DassieError) -> grpc.StatusCode:
    """The code of the nearest category."""
    for kind in type(error).__mro__:
        code = _CODES.get(kind)
        if code is not None:
            return code
    return grpc.StatusCode.UNKNOWN


def status_of(error: BaseException, method: str) -> tuple[grpc.StatusCode, str]:
    """Code and one-line text for a client. What is not a `DassieError` is a bug: its traceback goes
    to the log.
    """
    if isinstance(error, errors.DassieError):
        if isinstance(error, errors.DataLoss):
            _log.error("%s: %s", method, error)
        return code_of(error), _one_line(error.message)
    if isinstance(error, MemoryError):
        return grpc.StatusCode.RESOURCE_EXHAUSTED, f"{method}: the server is out of memory"
    _log.error("%s failed", method, exc_info=error)
    kind = type(error).__name__
    text = f"internal error in {method}: {kind}: {error} (the server's log has the details)"
    return grpc.StatusCode.INTERNAL, _one_line(text)


def _one_line(text: str) -> str:
    line = " ".join(text.split("\n"))
    return line if len(line) <= _MAX_TEXT else f"{line[:_MAX_TEXT]}…"
