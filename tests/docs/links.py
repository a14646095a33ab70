"""Headings and links of Markdown pages, as GitHub makes anchors of them. Pure."""

from __future__ import annotations

import re
from pathlib import Path

_FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^#{1,6} +(.+?) *$", re.MULTILINE)
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_INLINE_CODE = re.compile(r"`[^`]*`")


def headings(text: str) -> list[str]:
    """Headings of a page, without the marks of code."""
    return [found.replace("`", "") for found in _HEADING.findall(_FENCE.sub("", text))]


def anchors(text: str) -> set[str]:
    """What a link to this page may end with."""
    found: set[str] = set()
    for heading in headings(text):
        plain = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading)
        anchor = re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")
        number, unique = 0, anchor
        while unique in found:
            number += 1
            unique = f"{anchor}-{number}"
        found.add(unique)
    return found


def broken(page: Path) -> list[str]:
    """Links of `page` that lead nowhere in this repository."""
    text = _INLINE_CODE.sub("", _FENCE.sub("", page.read_text()))
    found = []
    for link in _LINK.findall(text):
        if re.match(r"[a-z]+:", link):
            continue
        place, _, anchor = link.partition("#")
        target = (page.parent / place).resolve() if place else page
        right = target.exists() and (not anchor or anchor in anchors(target.read_text()))
        if not right:
            found.append(link)
    return found
