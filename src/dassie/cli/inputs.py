"""A pipeline's input in one short line, and the repos it reads. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

_SYMBOLS = {"cross": "⨯", "union": "∪", "join": "⋈", "group": "G"}


def shorthand(node: Any) -> str:
    """`images:/*`, `(a:/ ⨯ b:/)`; `none` where there is no input."""
    return _shorthand(node) or "none"


def _shorthand(node: Any) -> str:
    if node.HasField("pfs"):
        return f"{node.pfs.repo}:{node.pfs.glob}"
    if node.HasField("cron"):
        return f"{node.cron.name}:{node.cron.spec}"
    for kind, symbol in _SYMBOLS.items():
        if children := getattr(node, kind):
            parts = [_shorthand(child) for child in children]
            return f"({f' {symbol} '.join(parts)})"
    return ""


def sources(node: Any, project: str) -> Iterator[tuple[str, str]]:
    """(project, repo) of everything the input reads."""
    if node.HasField("pfs"):
        yield node.pfs.project or project, node.pfs.repo
    if node.HasField("cron"):
        yield node.cron.project or project, node.cron.repo or node.cron.name
    for kind in _SYMBOLS:
        for child in getattr(node, kind):
            yield from sources(child, project)
