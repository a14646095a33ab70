"""What a probe found, for people and for programs. Pure.

Made by `probe.run`; `pachd doctor` prints it, `daemon.storage` takes the profile or raises.
"""

from __future__ import annotations

import textwrap
from dataclasses import asdict, dataclass, field
from typing import Any

from dassie.blob.probe.diagnosis import Diagnosis
from dassie.blob.profile import Profile

_MARKS = {"ok": "ok", "warn": "WARN", "fail": "FAIL", "skip": "-"}


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at."""

    name: str
    status: str
    """`ok`, `warn`, `fail`, or `skip` where it was not reached."""
    figure: str = ""
    """A number with its unit, or a short word."""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that one probe found."""

    location: str
    checks: tuple[Check, ...]
    profile: Profile | None = None
    """None: it is not known how to speak to the store, or it cannot be used."""
    diagnosis: Diagnosis | None = None
    """None: it works."""
    notes: tuple[Diagnosis, ...] = ()
    """What works and still deserves a look."""
    requests: int = 0
    marked: bool = False
    """A Dassie cluster has left its marker there."""
    figures: dict[str, float] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        return self.diagnosis is None

    @property
    def line(self) -> str:
        """The one line: what was learnt, or what is wrong."""
        if self.diagnosis is not None:
            return self.diagnosis.line
        return f"OK: {self.location}: {self._learnt or 'it works'}"

    @property
    def _learnt(self) -> str:
        """The profile; empty for stores that leave nothing open."""
        return self.profile.line() if self.profile and self.profile.endpoint else ""

    @property
    def log_lines(self) -> list[str]:
        """For the log: the one line, led by Pachyderm's sentence where that would have stood; then
        what deserves a look."""
        first = self.diagnosis.log_line if self.diagnosis else self.line
        return [first, *(note.line for note in self.notes)]

    def to_json(self) -> dict[str, Any]:
        """The same for programs; names and meanings stay."""
        return {
            "ok": self.ok,
            "location": self.location,
            "line": self.line,
            "diagnosis": _as_json(self.diagnosis) if self.diagnosis else None,
            "notes": [_as_json(note) for note in self.notes],
            "checks": [asdict(check) for check in self.checks],
            "profile": asdict(self.profile) if self.profile else None,
            "figures": {name: round(value, 6) for name, value in self.figures.items()},
            "requests": self.requests,
        }

    def table(self, width: int = 96) -> str:
        """For a terminal."""
        names = max((len(check.name) for check in self.checks), default=0)
        figures = max((len(check.figure) for check in self.checks), default=0)
        left = names + 2 + 6 + figures + 2
        asked = f"{self.requests} requests" if self.requests != 1 else "1 request"
        lines = [f"storage: {self.location} ({asked})", ""]
        for check in self.checks:
            head = f"{check.name:<{names}}  {_MARKS[check.status]:<6}{check.figure:<{figures}}"
            notes = textwrap.wrap(check.note, max(24, width - left)) or [""]
            lines.append(f"{head}  {notes[0]}".rstrip())
            lines += [" " * left + more for more in notes[1:]]
        if self._learnt:
            lines += ["", *_wrapped("profile: ", self._learnt, width)]
        for note in self.notes:
            lines += ["", *_wrapped("note: ", note.line, width)]
        last = self.diagnosis.line if self.diagnosis else f"OK: {self.location} can be used"
        lines += ["", *_wrapped("", last, width)]
        return "\n".join(lines)


def _as_json(found: Diagnosis) -> dict[str, str]:
    return {
        "kind": str(found.kind),
        "message": found.message,
        "remedy": found.remedy,
        "answer": found.words,
        "historic": found.historic,
    }


def _wrapped(head: str, text: str, width: int) -> list[str]:
    return textwrap.wrap(
        head + text, width, subsequent_indent=" " * len(head), break_long_words=False,
        break_on_hyphens=False,
    )  # fmt: skip
