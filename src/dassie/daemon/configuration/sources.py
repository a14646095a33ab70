"""What a source says, and how files are read. Nothing here knows a setting by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from dassie.errors import InvalidArgument

DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class Said:
    """A value as it was written, and where."""

    text: str
    source: str


Layer = dict[str, Said]
"""What one source says, by name of the setting."""


class Files(Protocol):
    """The files of the machine, as far as configuration looks at them."""

    def text(self, path: str) -> str | None:
        """Content; None when there is no such file."""

    def entries(self, path: str) -> list[str] | None:
        """Names of the files in a folder; None when there is no such folder."""


class MachineFiles:
    """The real files. What exists and cannot be read is an error that names it."""

    def text(self, path: str) -> str | None:
        try:
            return Path(path).read_text(encoding="utf-8")
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, UnicodeDecodeError) as error:
            raise InvalidArgument(f"cannot read {path}: {_reason(error)}") from None

    def entries(self, path: str) -> list[str] | None:
        folder = Path(path)
        try:
            if not folder.is_dir():
                return None
            return sorted(item.name for item in folder.iterdir() if item.is_file())
        except OSError as error:
            raise InvalidArgument(f"cannot read {path}: {_reason(error)}") from None


def _reason(error: Exception) -> str:
    return error.strerror or str(error) if isinstance(error, OSError) else "it is not UTF-8 text"


def first(layers: list[Layer], name: str) -> Said | None:
    """What the first source that says something says."""
    return next((layer[name] for layer in layers if name in layer), None)


def expanded(path: str, environment: Mapping[str, str]) -> str:
    """`~` is the home folder of the environment, not of the process."""
    home = environment.get("HOME", "")
    if home and (path == "~" or path.startswith("~/")):
        return home + path[1:]
    return path
