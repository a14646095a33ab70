"""How values are written: numbers, times, sizes, switches. Pure."""

from __future__ import annotations

import re
from typing import Any, Final

from dassie.errors import InvalidArgument

TEXT, NUMBER, TIME, SIZE, SWITCH = "text", "number", "time", "size", "switch"

_TIME_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_SIZE: Final = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?)(i?b)?", re.IGNORECASE)
_POWERS: Final = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}
_TRUE: Final = {"", "1", "t", "true", "yes", "on"}
_FALSE: Final = {"0", "f", "false", "no", "off"}


def parsed(kind: str, text: str, what: str, source: str) -> Any:
    """The value that `text` means, or InvalidArgument naming the setting `what` and its source."""
    try:
        if kind == NUMBER:
            return int(text)
        if kind == TIME:
            return seconds(text)
        if kind == SIZE:
            return size(text)
        if kind == SWITCH:
            return switch(text)
    except ValueError:
        wanted = {
            NUMBER: "a number",
            TIME: "a number (of seconds, or like 90s, 5m, 2h)",
            SIZE: "a number (of bytes, or like 64MiB)",
            SWITCH: "true or false",
        }[kind]
        raise InvalidArgument(
            f"{what} must be {wanted}, not {text!r} (from the {source})"
        ) from None
    return text


def seconds(text: str) -> float:
    """`90`, `90s`, `1.5m`, `2h`, and `1m30s` as Go writes it."""
    pieces = re.findall(r"(\d+(?:\.\d+)?)(ms|s|m|h)", text)
    if pieces and "".join(number + unit for number, unit in pieces) == text:
        return float(sum(float(number) * _TIME_UNITS[unit] for number, unit in pieces))
    return float(text)


def size(text: str) -> int:
    """`1048576`, `1MiB`, `1M`, `1.5 GiB`: all units are powers of 1024."""
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise ValueError(text)
    number, letter, _ = match.groups()
    return int(float(number) * 1024 ** _POWERS[letter.lower()])


def switch(text: str) -> bool:
    """Go's and people's words for yes and no."""
    folded = text.strip().lower()
    if folded in _TRUE:
        return True
    if folded in _FALSE:
        return False
    raise ValueError(text)
