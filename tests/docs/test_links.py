"""Links between the pages of this repository lead somewhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.links import anchors, broken

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_resolve(page: Path) -> None:
    assert broken(page) == []


def test_anchors_are_githubs() -> None:
    text = "# `SSL: CERTIFICATE_VERIFY_FAILED`\n## A b, [c](d.md)\n## Same\n## Same\n"
    expected = {"ssl-certificate_verify_failed", "a-b-c", "same", "same-1"}
    assert anchors(text) == expected
