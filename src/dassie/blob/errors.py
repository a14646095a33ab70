"""What can go wrong at an object store, as categories of `dassie.errors`.

`answer` holds the store's own words (status, code, message) for logs and diagnosis; the message
that a user sees contains them too. Drivers raise these, `wrappers.retry` decides by their class.
"""

from __future__ import annotations

from dassie.errors import FailedPrecondition, PermissionDenied, ResourceExhausted, Unavailable


class StoreUnavailable(Unavailable):
    """No usable answer, or one that says "later": worth another try.

    `retry_after_s`: how long the store asked to be left alone, in seconds; None: it did not say.
    """

    def __init__(self, message: str, answer: str = "", retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.answer = answer
        self.retry_after_s = retry_after_s


class StoreThrottled(StoreUnavailable):
    """The store wants fewer requests (SlowDown, 503 with Retry-After, 429)."""


class TokenUnavailable(StoreUnavailable):
    """Whoever hands out access tokens (Google, Azure) gave none: nobody asked the store yet."""


class StoreDenied(PermissionDenied):
    """These keys may not do this, or the store does not accept the keys."""

    def __init__(self, message: str, answer: str = "") -> None:
        super().__init__(message)
        self.answer = answer


class StoreFull(ResourceExhausted):
    """No room: a quota, a full disk, no free volume."""

    def __init__(self, message: str, answer: str = "") -> None:
        super().__init__(message)
        self.answer = answer


class BucketMissing(FailedPrecondition):
    """The store answers, the bucket is not there."""

    def __init__(self, message: str, answer: str = "") -> None:
        super().__init__(message)
        self.answer = answer


class StoreRefused(FailedPrecondition):
    """A definite refusal that no repetition cures: region, signature, clock, addressing, …"""

    def __init__(self, message: str, answer: str = "") -> None:
        super().__init__(message)
        self.answer = answer
