"""Sizes, times and durations for people."""

from __future__ import annotations

from datetime import timedelta

import pytest

from dassie.cli import humanize


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        (0, "0B"),
        (1023, "1023B"),
        (1024, "1KiB"),
        (58644, "57.27KiB"),
        (238.3 * 1024, "238.3KiB"),
        (5 * 1024**3, "5GiB"),
        (1024**7, "1024EiB"),
    ],
)
def test_size(count: float, expected: str) -> None:
    assert humanize.size(count) == expected


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0.2, "Less than a second"),
        (1, "1 second"),
        (7, "7 seconds"),
        (60, "About a minute"),
        (125, "2 minutes"),
        (3600, "About an hour"),
        (10 * 3600, "10 hours"),
        (72 * 3600, "3 days"),
        (20 * 86400, "2 weeks"),
        (90 * 86400, "3 months"),
        (800 * 86400, "2 years"),
    ],
)
def test_rough_duration(seconds: float, expected: str) -> None:
    assert humanize.rough_duration(timedelta(seconds=seconds)) == expected


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(0, "0s"), (0.25, "250ms"), (1.25, "1.2s"), (185, "3m 5s"), (7440, "2h 4m")],
)
def test_duration(seconds: float, expected: str) -> None:
    assert humanize.duration(seconds) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [("90", 90), ("24h", 86400), ("1h30m", 5400), ("500ms", 0.5), ("2d", 172800), ("1.5s", 1.5)],
)
def test_parse_duration(text: str, expected: float) -> None:
    assert humanize.parse_duration(text) == pytest.approx(expected)


@pytest.mark.parametrize("text", ["", "h", "3x", "1h x", "-5s"])
def test_parse_duration_refuses(text: str) -> None:
    with pytest.raises(ValueError, match="not a duration"):
        humanize.parse_duration(text)


def test_count() -> None:
    assert humanize.count(1, "file") == "1 file"
    assert humanize.count(1200, "branch") == "1,200 branches"
