"""The error tree: every failure that may cross a door is one of these.

    DassieError
      NotFound            the named thing does not exist
      AlreadyExists       the named thing exists already
      InvalidArgument     the request is wrong whatever the state of the system
      FailedPrecondition  the request is right, the state of the system forbids it
      Unavailable         not now: try again later (also: a commit that is not finished yet)
      Aborted             a concurrent change won; repeating the call may succeed
      PermissionDenied    the caller may not do this
      DeadlineExceeded    it took longer than the caller or the configuration allows
      ResourceExhausted   a limit of the machine or of the configuration was reached
      DataLoss            stored bytes are not what was stored; never wrong data
      Unimplemented       Pachyderm has it, Dassie has not (yet)

A concrete class adds fields and the wording that Pachyderm's clients match on. Such classes live
beside the
code that raises them, derive from one of the categories here, and call `super().__init__(message)`.
Each door maps categories with one table; anything that is not a `DassieError` is an internal error.
"""

from __future__ import annotations


class DassieError(Exception):
    """Base of all errors meant for a user: `str()` is one line that says what is wrong and what to
    do."""

    @property
    def message(self) -> str:
        """The one-line text."""
        return str(self)


class NotFound(DassieError):
    """The named thing does not exist."""


class AlreadyExists(DassieError):
    """The named thing exists already."""


class InvalidArgument(DassieError):
    """The request is wrong whatever the state of the system."""


class FailedPrecondition(DassieError):
    """The state of the system forbids the request."""


class Unavailable(DassieError):
    """Not possible now; the same call may succeed later."""


class Aborted(DassieError):
    """A concurrent change won; repeating the call may succeed."""


class PermissionDenied(DassieError):
    """The caller may not do this."""


class DeadlineExceeded(DassieError):
    """The time allowed was not enough."""


class ResourceExhausted(DassieError):
    """A limit of the machine or of the configuration was reached."""


class DataLoss(DassieError):
    """Stored bytes are missing or are not what was stored."""


class Unimplemented(DassieError):
    """Pachyderm has it; Dassie does not have it yet."""

    def __init__(self, what: str) -> None:
        super().__init__(f"{what} is not implemented in Dassie yet (see docs/compat.md)")
