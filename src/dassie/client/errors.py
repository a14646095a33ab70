"""gRPC failures → the error tree. The client's one table; the server has the inverse one.

Called by `connection.py` for every call. Texts are the server's, with Go's `rpc error: code = …`
wrapping removed, so that a person reads one line.
"""

from __future__ import annotations

import re
from typing import Any

from dassie import errors

_GO_PREFIX = re.compile(r"rpc error: code = \w+ desc = ")
_NOT_REACHED = re.compile(
    r"failed to connect to all addresses|connections to all backends failing|connection refused"
    r"|connection reset|socket closed|resolution|resolving|dns|handshake|recvmsg|goaway",
    re.IGNORECASE,
)
_DETAIL = re.compile(r"(?:Failed to connect to remote host: |address lookup failed for )([^;{\]]+)")
_CERTIFICATE = re.compile(r"CERTIFICATE_VERIFY_FAILED: ([\w -]+)")
_CLOSED = re.compile(
    r"failed to connect to all addresses.*(socket closed|connection reset)", re.IGNORECASE
)


class Unreachable(errors.Unavailable):
    """No server answered. The text says which address was tried and what to do."""


class Unauthenticated(errors.PermissionDenied):
    """The server wants to know who is asking."""


class Cancelled(errors.DassieError):
    """The call was cancelled."""


class ServerFailure(errors.DassieError):
    """The server failed, or reports an error without a category."""


class NotOffered(errors.Unimplemented):
    """The server does not have this call; the text is the server's."""

    def __init__(self, message: str) -> None:
        errors.DassieError.__init__(self, message)


_BY_CODE: dict[str, type[errors.DassieError]] = {
    "NOT_FOUND": errors.NotFound,
    "ALREADY_EXISTS": errors.AlreadyExists,
    "INVALID_ARGUMENT": errors.InvalidArgument,
    "OUT_OF_RANGE": errors.InvalidArgument,
    "FAILED_PRECONDITION": errors.FailedPrecondition,
    "UNAVAILABLE": errors.Unavailable,
    "ABORTED": errors.Aborted,
    "PERMISSION_DENIED": errors.PermissionDenied,
    "UNAUTHENTICATED": Unauthenticated,
    "DEADLINE_EXCEEDED": errors.DeadlineExceeded,
    "RESOURCE_EXHAUSTED": errors.ResourceExhausted,
    "DATA_LOSS": errors.DataLoss,
    "UNIMPLEMENTED": NotOffered,
    "CANCELLED": Cancelled,
}


def scrub(text: str) -> str:
    """Remove what only a program needs from an error text."""
    return _GO_PREFIX.sub("", text).strip()


def translate(code: str, details: str, address: str) -> errors.DassieError:
    """The error for a gRPC status. `code` is the status' name, `address` where the call went."""
    text = scrub(details)
    if code == "UNAVAILABLE" and _NOT_REACHED.search(text):
        return unreachable(address, text)
    if code == "DEADLINE_EXCEEDED" and text.lower() in ("", "deadline exceeded"):
        return errors.DeadlineExceeded(f"{address} did not answer in the time allowed")
    kind = _BY_CODE.get(code, ServerFailure)
    return kind(text or f"the server answered {code} without saying why")


def unreachable(address: str, details: str = "") -> Unreachable:
    found = _DETAIL.search(details)
    reason = found.group(1).strip() if found else ""
    remedy = (
        "start it with `pachd`, or say where it is with `pachctl connect HOST:PORT` or "
        "PACHD_ADDRESS"
    )
    if "WRONG_VERSION_NUMBER" in details:
        reason = "what answers there speaks without TLS"
        remedy = "write the address without grpcs://"
    elif untrusted := _CERTIFICATE.search(details):
        reason = f"its certificate is refused: {untrusted.group(1)}"
        remedy = "name its authority with `pachctl config update context --server-cas FILE`"
    elif "Failed parsing HTTP/2" in details:
        reason = "what answers there is no pachd"
        remedy = "say where it is with `pachctl connect HOST:PORT` or PACHD_ADDRESS"
    elif _CLOSED.search(details):
        reason = "the connection was closed at once"
        remedy = "is it a server with TLS? Then write grpcs://HOST:PORT"
    because = f" ({reason})" if reason else ""
    return Unreachable(f"cannot reach pachd at {address}{because}: {remedy}")


def from_call(error: Any, address: str) -> errors.DassieError:
    """The error for a `grpc.RpcError` (which is also the call, with `code()` and `details()`)."""
    code = getattr(error, "code", lambda: None)()
    details = getattr(error, "details", lambda: "")() or ""
    return translate(code.name if code is not None else "UNKNOWN", details or str(error), address)
