"""Sends the probe's requests and reads their answers: counted, bounded, with the clocks compared.

Called by `probe.detect` and `probe.writing`, which decide what to ask.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from dassie.base.clock import Clock
from dassie.blob.answers import Answer, parse
from dassie.blob.probe import transport, verdict
from dassie.blob.probe.diagnosis import Asked, Diagnosis, Kind, Operation
from dassie.blob.probe.http import Failure, Limits, Reply, Trust, Wire
from dassie.blob.probe.signing import Manner, Request, sign
from dassie.blob.settings import StorageSettings

MOST_REQUESTS = 20
"""Against any store, however odd."""
_KEPT_FOR_CLEANING = 3
_REPEATS = 2
"""Of requests that met a store which was busy or broken for a moment."""


@dataclass(frozen=True, slots=True)
class Heard:
    """One request's outcome."""

    verdict: Diagnosis
    asked: Asked
    manner: Manner
    answer: Answer | None = None
    reply: Reply | None = None

    @property
    def kind(self) -> Kind:
        return self.verdict.kind

    @property
    def body(self) -> bytes:
        return self.reply.body if self.reply else b""


class BudgetSpentError(Exception):
    """More requests than a probe may send."""


class Caller:
    """For one probe of one store. Not for several threads."""

    def __init__(
        self,
        settings: StorageSettings,
        clock: Clock,
        *,
        budget: int = MOST_REQUESTS,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self.settings = settings
        self.requests = 0
        self.waits: list[float] = []
        """Seconds from request to answer, of requests without a large body."""
        self.skew_s: float | None = None
        self.cleaning = False
        """What is left of the budget may be spent."""
        self._clock = clock
        self._budget = budget
        self._pause = pause
        self._repeats = _REPEATS
        self._wires: dict[tuple[str, str], Wire] = {}

    @property
    def left(self) -> int:
        """Requests that may still be sent before cleaning."""
        return self._budget - _KEPT_FOR_CLEANING - self.requests

    def close(self) -> None:
        for wire in self._wires.values():
            wire.close()

    def ask(
        self, request: Request, manner: Manner, operation: Operation, *, read: int = 64 << 10
    ) -> Heard:
        """Send `request`; once more when the store was busy for a moment."""
        heard = self._ask(request, manner, operation, read)
        passing = heard.kind in {Kind.THROTTLED, Kind.STORE, Kind.CUT}
        if passing and self._repeats and not self.cleaning:
            self._repeats -= 1
            self._pause(min(heard.verdict.retry_after_s or 0.5, 2.0))
            heard = self._ask(request, manner, operation, read)
        return heard

    def speaks_tls(self, manner: Manner) -> bool:
        """Whether the port answers a TLS greeting."""
        return self._wire(manner, manner.host).speaks_tls()

    def leaf_is_ca(self) -> bool:
        """Whether a server showed a certificate marked as that of an authority."""
        return any(wire.leaf_is_ca for wire in self._wires.values())

    def _ask(self, request: Request, manner: Manner, operation: Operation, read: int) -> Heard:
        if self.left + (_KEPT_FOR_CLEANING if self.cleaning else 0) <= 0:
            raise BudgetSpentError
        now = self._clock.now()
        signed = sign(request, manner, self.settings, now)
        asked = Asked(
            operation,
            manner.endpoint,
            signed.host,
            self.settings.bucket,
            self.settings.access_key,
            manner.signature,
            manner.region,
            manner.addressing,
            len(request.body),
        )
        wire = self._wire(manner, signed.host)
        outcome = wire.exchange(signed, read)
        self.requests += wire.take_sent()
        if isinstance(outcome, Failure):
            return Heard(transport.diagnose(outcome, asked), asked, manner)
        answer = parse(outcome.status, outcome.headers, outcome.body)
        asked = self._with_skew(asked, answer, now, outcome)
        if not request.body:
            self.waits.append(outcome.wait_s)
        return Heard(verdict.diagnose(answer, asked), asked, manner, answer, outcome)

    def _with_skew(self, asked: Asked, answer: Answer, now: datetime, reply: Reply) -> Asked:
        if answer.date is None:
            return asked
        # The header has whole seconds: half a second is the best guess of what it cut off.
        apart = (answer.date - now.astimezone(UTC)).total_seconds() + 0.5 - reply.seconds
        skew = round(apart) if abs(apart) > 2 else 0
        self.skew_s = float(skew)
        return replace(asked, skew_s=float(skew))

    def _wire(self, manner: Manner, host: str) -> Wire:
        place = (manner.scheme, host)
        if place not in self._wires:
            settings = self.settings
            self._wires[place] = Wire(
                tls=manner.scheme == "https",
                host=host,
                trust=Trust(settings.ca_file, settings.insecure),
                limits=Limits(
                    settings.connect_timeout_s,
                    settings.stall_timeout_s,
                    settings.request_timeout_s,
                ),
            )
        return self._wires[place]
