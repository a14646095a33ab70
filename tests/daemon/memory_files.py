"""Files that exist only in a test."""

from __future__ import annotations

from collections.abc import Mapping


class MemoryFiles:
    """`Files` over a table of paths and contents."""

    def __init__(self, files: Mapping[str, str]) -> None:
        self._files = files

    def text(self, path: str) -> str | None:
        return self._files.get(path)

    def entries(self, path: str) -> list[str] | None:
        inside = path.rstrip("/") + "/"
        below = [name[len(inside) :] for name in self._files if name.startswith(inside)]
        return sorted(name for name in below if "/" not in name) or None
