"""Sizes and times for people, worded as Pachyderm words them. Pure: "now" is an argument."""

from __future__ import annotations

from datetime import datetime, timedelta

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")


def size(count: float) -> str:
    """`57.27KiB`: four significant digits, binary units."""
    unit = 0
    while abs(count) >= 1024 and unit < len(_UNITS) - 1:
        count /= 1024
        unit += 1
    return f"{count:.4g}{_UNITS[unit]}"


def rough_duration(span: timedelta) -> str:
    """`About an hour`, `3 days`."""
    seconds = int(span.total_seconds())
    minutes, hours = seconds // 60, round(seconds / 3600)
    if seconds < 1:
        return "Less than a second"
    if seconds < 60:
        return "1 second" if seconds == 1 else f"{seconds} seconds"
    if minutes < 60:
        return "About a minute" if minutes == 1 else f"{minutes} minutes"
    for limit, hours_each, word in (
        (48, 1, "hours"),
        (24 * 14, 24, "days"),
        (24 * 60, 24 * 7, "weeks"),
        (24 * 730, 24 * 30, "months"),
    ):
        if hours < limit:
            return "About an hour" if hours <= 1 else f"{hours // hours_each} {word}"
    return f"{hours // (24 * 365)} years"


def ago(moment: datetime, now: datetime) -> str:
    """`7 seconds ago`."""
    return f"{rough_duration(max(now - moment, timedelta()))} ago"


def duration(seconds: float) -> str:
    """`1.2s`, `3m 5s`, `2h 4m`: exact enough to compare jobs."""
    if seconds < 0.001:
        return "0s"
    if seconds < 1:
        return f"{seconds * 1000:.0f}ms"
    if seconds < 60:
        return f"{seconds:.1f}s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes}m {rest}s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h {minutes}m"


def count(number: int, noun: str) -> str:
    """`1 file`, `2 files`, `0 branches`."""
    if number == 1:
        return f"1 {noun}"
    plural = noun + ("es" if noun.endswith(("ch", "s", "x")) else "s")
    return f"{number:,} {plural}"


def parse_duration(text: str) -> float:
    """`90`, `24h`, `1h30m`, `500ms` → seconds. Raises `ValueError`."""
    import re

    seconds_per = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1, "m": 60, "h": 3600}
    if re.fullmatch(r"\d+(\.\d+)?", text):
        return float(text)
    parts = re.findall(r"(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h|d)", text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError(f'"{text}" is not a duration: write 90s, 10m or 1h30m')
    return sum(float(number) * {**seconds_per, "d": 86400}[unit] for number, unit in parts)
