"""Spec documents, read by `base.documents` → checked JSON objects. Pure.

`check` makes a document canonical by protobuf's JSON rules: fields by
either name become lowerCamelCase, 64-bit integers become decimal strings, enums become names.
Explicit `null`s stay, because a `null` deletes an inherited default. What is unknown or of a wrong
type is named with its place. What values *mean* is `spec_checks`' business.
"""

from __future__ import annotations

import base64
import binascii
import difflib
import math
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

from dassie.base.documents import TOO_DEEP, Json, kind_of, parse_documents
from dassie.errors import InvalidArgument
from dassie.pps.spec_fields import ENUMS, ONEOFS, ROOT, Field, fields, is_message

_INT_RANGES: Final = {
    "int32": (-(1 << 31), (1 << 31) - 1),
    "uint32": (0, (1 << 32) - 1),
    "int64": (-(1 << 63), (1 << 63) - 1),
    "uint64": (0, (1 << 64) - 1),
    "Int64Value": (-(1 << 63), (1 << 63) - 1),
}
_INT: Final = re.compile(r"-?(0|[1-9][0-9]*)\Z")
_DURATION: Final = re.compile(r"(-?)([0-9]+)(?:\.([0-9]{1,9}))?s\Z")
_MAX_SECONDS: Final = 315_576_000_000


def parse_object(text: str, message: str = ROOT) -> Json:
    """One JSON (or YAML) object, checked against `message`; empty text is `{}`."""
    if not text.strip():
        return {}
    documents = parse_documents(text)
    if len(documents) != 1:
        raise InvalidArgument(f"one object is expected, not {len(documents)}")
    return check(documents[0], message)


def check(document: Mapping[str, Any], message: str = ROOT, place: str = "") -> Json:
    """`document` in canonical form; raises `InvalidArgument` naming what is not in `message`."""
    try:
        return _message(document, message, place)
    except RecursionError:
        raise InvalidArgument(TOO_DEEP) from None


def _message(document: Mapping[str, Any], message: str, place: str) -> Json:
    known = fields(message)
    found: Json = {}
    for name, value in document.items():
        if not isinstance(name, str):
            raise InvalidArgument(f"field names are strings, not {name!r}{_in(place)}")
        field = known.get(name)
        if field is None:
            raise InvalidArgument(_unknown(name, message, place))
        if field.json_name in found:
            raise InvalidArgument(f'field "{field.name}" is given twice{_in(place)}')
        found[field.json_name] = _field(value, field, f"{place}.{name}" if place else name)
    chosen = [name for name in ONEOFS.get(message, ()) if found.get(name) is not None]
    if len(chosen) > 1:
        raise InvalidArgument(f"only one of {', '.join(chosen)} may be set{_in(place)}")
    return found


def _unknown(name: str, message: str, place: str) -> str:
    known = fields(message)
    text = f'unknown field "{name}"{_in(place)}'
    lower = {key.lower(): key for key in known}
    near = lower.get(name.lower().replace("-", "_"))
    close = [near] if near else difflib.get_close_matches(name, list(known), n=1, cutoff=0.7)
    if close:
        return f'{text}; did you mean "{close[0]}"?'
    return text


def _in(place: str) -> str:
    return f" in {place}" if place else ""


def _field(value: Any, field: Field, place: str) -> Any:
    if value is None:
        return None
    if field.shape == "one":
        return _value(value, field.kind, place)
    if field.shape == "list":
        if not isinstance(value, list):
            raise _wrong(place, "a list", value)
        return [_value(item, field.kind, f"{place}[{index}]") for index, item in enumerate(value)]
    if not isinstance(value, dict):
        raise _wrong(place, "an object", value)
    return {
        _key(key, place): _value(item, field.kind, f"{place}.{key}") for key, item in value.items()
    }


def _key(key: Any, place: str) -> str:
    if not isinstance(key, str):
        raise InvalidArgument(f"{place}: the name {key!r} must be a string (put it in quotes)")
    return key


def _value(value: Any, kind: str, place: str) -> Any:
    if is_message(kind):
        if not isinstance(value, dict):
            raise _wrong(place, "an object", value)
        return _message(value, kind, place)
    if kind in ENUMS:
        return _enum(value, kind, place)
    return _SCALARS[kind](value, kind, place)


def _string(value: Any, _kind: str, place: str) -> str:
    if not isinstance(value, str):
        hint = "" if value is None or isinstance(value, (dict, list)) else " (put it in quotes)"
        raise _wrong(place, "a string", value, hint)
    try:
        value.encode()
    except UnicodeEncodeError:
        raise InvalidArgument(f"{place}: the string is not valid Unicode") from None
    return value


def _bool(value: Any, _kind: str, place: str) -> bool:
    if not isinstance(value, bool):
        raise _wrong(place, "true or false", value)
    return value


def _integer(value: Any, kind: str, place: str) -> int | str:
    number = value
    if isinstance(value, str) and _INT.match(value):
        number = int(value) if len(value) < 25 else None
    elif isinstance(value, float) and value.is_integer():
        number = int(value)
    if isinstance(number, bool) or not isinstance(number, int):
        raise _wrong(place, "a whole number", value)
    low, high = _INT_RANGES[kind]
    if not low <= number <= high:
        raise InvalidArgument(f"{place}: {number} is out of range (from {low} to {high})")
    return number if kind in {"int32", "uint32"} else str(number)


def _float(value: Any, _kind: str, place: str) -> float:
    number = value
    if isinstance(value, str):
        try:
            number = float(value)
        except ValueError:
            raise _wrong(place, "a number", value) from None
    if isinstance(number, bool) or not isinstance(number, (int, float)):
        raise _wrong(place, "a number", value)
    if not math.isfinite(number):
        raise InvalidArgument(f"{place}: {value} is not a finite number")
    return float(number)


def _bytes(value: Any, _kind: str, place: str) -> str:
    text = _string(value, _kind, place)
    try:
        raw = base64.b64decode(
            text + "=" * (-len(text) % 4),
            altchars=b"-_" if set(text) & set("-_") else None,
            validate=True,
        )
    except (binascii.Error, ValueError):
        raise InvalidArgument(f"{place}: the string is not base64") from None
    return base64.b64encode(raw).decode()


def _duration(value: Any, _kind: str, place: str) -> str:
    if not isinstance(value, str) or (match := _DURATION.match(value)) is None:
        raise _wrong(place, 'a number of seconds such as "90s"', value)
    if int(match[2]) > _MAX_SECONDS:
        raise InvalidArgument(f"{place}: {value} is out of range")
    return value


def _timestamp(value: Any, _kind: str, place: str) -> str:
    text = _string(value, _kind, place)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise _wrong(place, 'a time such as "2024-01-31T12:00:00Z"', value)
    return text


def _enum(value: Any, kind: str, place: str) -> str:
    names = ENUMS[kind]
    if isinstance(value, str) and value in names:
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        for name, number in names.items():
            if number == value:
                return name
    raise _wrong(place, "one of " + ", ".join(names), value)


_SCALARS: Final[Mapping[str, Callable[[Any, str, str], Any]]] = {
    "string": _string,
    "bool": _bool,
    "float": _float,
    "double": _float,
    "bytes": _bytes,
    "Duration": _duration,
    "Timestamp": _timestamp,
    **dict.fromkeys(_INT_RANGES, _integer),
}


def seconds(duration: str | None) -> float | None:
    """A canonical duration in seconds; `None` and zero mean that there is no limit."""
    return (float(duration[:-1]) or None) if duration else None


def merge(base: Json, patch: Json) -> Json:
    """RFC 7396: objects merge, everything else replaces, `null` removes."""
    merged = dict(base)
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        elif isinstance(value, dict):
            below = merged.get(name)
            merged[name] = merge(below if isinstance(below, dict) else {}, value)
        else:
            merged[name] = value
    return merged


def _wrong(place: str, want: str, value: Any, hint: str = "") -> InvalidArgument:
    return InvalidArgument(f"{place}: {want} is expected, not {kind_of(value)}{hint}")
