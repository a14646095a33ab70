"""Text → documents: JSON or YAML, one or several, as people write pipeline specs. Pure.

Read by the server for every spec it is given and by the command line to split a file into specs.
YAML is read as its newer readers do: no dates, no yes/no/on/off, no repeated keys. What the
documents mean is not looked at here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final

from dassie.errors import InvalidArgument

Json = dict[str, Any]

MAX_BYTES: Final = 4 << 20
MAX_VALUES: Final = 200_000
"""Values in one text. YAML aliases make a small text expand without bound; a spec needs few."""

MAX_DEPTH: Final = 100
"""Levels of nesting. Seen while YAML is read, whose reader gets slow on the way down."""
TOO_DEEP: Final = f"pipeline spec is nested too deeply: more than {MAX_DEPTH} levels"


def parse_documents(text: str) -> list[Json]:
    """All specs in `text`, in order: one JSON or YAML object, an array of them, or several of
    either one after the other. Fields are not checked yet."""
    if len(text) > MAX_BYTES:
        raise InvalidArgument(
            f"pipeline spec is {len(text)} bytes; at most {MAX_BYTES} are allowed"
        )
    try:
        documents = _parse(text)
        _count(documents)
    except RecursionError:
        raise InvalidArgument(TOO_DEEP) from None
    specs: list[Json] = []
    for document in documents:
        for item in document if isinstance(document, list) else [document]:
            if not isinstance(item, dict):
                raise InvalidArgument(f"pipeline spec must be an object, not {kind_of(item)}")
            specs.append(item)
    if not specs:
        raise InvalidArgument("no pipeline spec: the text holds none")
    return specs


def _parse(text: str) -> list[Any]:
    stripped = text.lstrip("\ufeff \t\r\n")
    if not stripped.startswith(("{", "[")):
        return _parse_yaml(text)
    try:
        return list(_parse_json(stripped))
    except json.JSONDecodeError as error:
        try:
            return _parse_yaml(text)
        except InvalidArgument as other:
            if other.message == TOO_DEEP:
                raise
            raise InvalidArgument(
                f"malformed pipeline spec: {error.msg} (line {error.lineno} column {error.colno})"
            ) from None


def _parse_json(text: str) -> Iterator[Any]:
    decoder = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_refuse_constant)
    start = 0
    while match := re.compile(r"(?:\s|---(?=\s|\Z))*").match(text, start):
        start = match.end()
        if start == len(text):
            return
        value, start = decoder.raw_decode(text, start)
        yield value


def _unique(pairs: list[tuple[str, Any]]) -> Json:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise InvalidArgument(f'field "{twice}" is given twice')
    return found


def _refuse_constant(name: str) -> Any:
    raise InvalidArgument(f"{name} is not JSON")


def _parse_yaml(text: str) -> list[Any]:
    # Not at the top: most programs that import this are given JSON or nothing.
    import yaml

    from dassie.base.yaml_loader import NestedTooDeeply, load_all

    try:
        loaded = load_all(text, MAX_DEPTH)
    except NestedTooDeeply:
        raise InvalidArgument(TOO_DEEP) from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f" (line {mark.line + 1} column {mark.column + 1})" if mark else ""
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise InvalidArgument(f"malformed pipeline spec: {problem}{place}") from None
    except (ValueError, TypeError) as error:
        raise InvalidArgument(f"malformed pipeline spec: {error}") from None
    return [document for document in loaded if document is not None]


def _count(documents: list[Any]) -> None:
    left, depth, level = MAX_VALUES, 0, documents
    while level:
        left -= len(level)
        if left < 0:
            raise InvalidArgument(f"pipeline spec has more than {MAX_VALUES} values")
        if depth > MAX_DEPTH:
            raise InvalidArgument(TOO_DEEP)
        depth += 1
        below: list[Any] = []
        for value in level:
            if isinstance(value, dict):
                below.extend(value.values())
            elif isinstance(value, list):
                below.extend(value)
            if len(below) > left:
                break  # aliases may make a level of any length
        level = below


def kind_of(value: Any) -> str:
    """How an error text calls a value."""
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case int() | float():
            return f"the number {value}"
        case str():
            return f"the string {json.dumps(value[:40])}"
        case list():
            return "a list"
        case dict():
            return "an object"
        case _:
            return f"a {type(value).__name__}"
