"""docs/on-premises/troubleshooting.md has a heading for everything that the probe may say."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from dassie.blob.probe.diagnosis import HEALTHY, Diagnosis, Kind
from tests.docs.links import headings

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "on-premises" / "troubleshooting.md"
PROBE = ROOT / "src" / "dassie" / "blob" / "probe"
KINDS = [kind for kind in Kind if kind not in HEALTHY]


def heading_of(kind: Kind) -> str:
    ending = f" ({kind})"
    found = [heading for heading in headings(PAGE.read_text()) if heading.endswith(ending)]
    assert len(found) == 1, f"one heading must end with {ending!r}, found {found}"
    return found[0].removesuffix(ending)


def messages() -> Iterator[str]:
    """All texts in the probe's code; `…` where something is filled in."""
    for module in PROBE.glob("*.py"):
        for node in ast.walk(ast.parse(module.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield re.sub(r"\{\w*\}", "…", node.value)
            elif isinstance(node, ast.JoinedStr):
                yield "".join(
                    str(part.value) if isinstance(part, ast.Constant) else "…"
                    for part in node.values
                )


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_every_kind_has_its_heading(kind: Kind) -> None:
    label, _, _ = heading_of(kind).partition(": ")
    assert label == Diagnosis(kind, "").label


def pattern(text: str) -> str:
    return ".*".join(re.escape(part.strip()) for part in text.split("…"))


def same(said: str, template: str) -> bool:
    """Whether a message made of `template` may begin as the heading does."""
    if re.match(pattern(said), template, re.DOTALL):
        return True
    # The heading names what the code fills in.
    beginning = template.partition(" (")[0]
    return len(beginning) > 30 and re.fullmatch(pattern(beginning), said) is not None


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_headings_are_what_the_probe_says(kind: Kind) -> None:
    _, _, said = heading_of(kind).partition(": ")
    assert any(same(said, template) for template in messages()), said
