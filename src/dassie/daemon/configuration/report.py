"""What `pachd config` prints: every setting, its effective value, its source. Pure."""

from __future__ import annotations

import json
import re
from typing import Any, Final

from dassie.daemon.config import Loaded
from dassie.daemon.configuration.settings import (
    CREDENTIALS,
    PINS,
    SERVER,
    STORAGE_URL,
    Setting,
)
from dassie.daemon.configuration.sources import DEFAULT

_PASSWORD: Final = re.compile(r"(://[^:/@]*:)[^@]*@")
SET: Final = "set"
FOUND_OUT: Final = "found out at start"


def as_json(loaded: Loaded) -> str:
    """For programs."""
    rows = [
        {
            "setting": _name(setting),
            "value": value,
            "source": source,
            "flag": setting.flag,
            "variable": setting.variable,
        }
        for setting, value, source in _rows(loaded)
    ]
    return json.dumps({"settings": rows, "warnings": list(loaded.warnings)}, indent=2)


def as_text(loaded: Loaded) -> str:
    """For people."""
    rows = [("SETTING", "VALUE", "SOURCE")]
    rows += [(_name(setting), _shown(value), source) for setting, value, source in _rows(loaded)]
    widths = [min(60, max(len(row[at]) for row in rows)) for at in (0, 1)]
    lines = [f"{a:<{widths[0]}}  {b:<{widths[1]}}  {c}" for a, b, c in rows]
    return "\n".join([*lines, *(f"warning: {text}" for text in loaded.warnings)])


def _rows(loaded: Loaded) -> list[tuple[Setting, Any, str]]:
    config, sources = loaded.config, loaded.sources
    rows: list[tuple[Setting, Any, str]] = []
    for setting in SERVER:
        value: Any = getattr(config, setting.name)
        if setting.name == "database":
            value = _PASSWORD.sub(r"\1****@", config.database_url)
        rows.append(
            (setting, str(value) if setting.name == "data" else value, sources[setting.name])
        )
    store = config.storage
    where = f"{store.kind}://{store.bucket}" + (f"/{store.prefix}" if store.prefix else "")
    rows.append((STORAGE_URL, f"file:{store.path}" if store.kind == "file" else where,
                 sources["storage"]))  # fmt: skip
    if store.kind == "file":
        return rows
    for setting in (*PINS, *CREDENTIALS):
        value = getattr(store, setting.name)
        if setting.secret:
            value = SET if value else ""
        elif value == "" and setting.default == "found out":
            value = FOUND_OUT
        rows.append((setting, value, sources.get(setting.name, DEFAULT)))
    return rows


def _name(setting: Setting) -> str:
    own = setting in SERVER or setting is STORAGE_URL
    return setting.name if own else f"storage_{setting.name}"


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    return str(value) if value != "" else "-"
