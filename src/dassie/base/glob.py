"""Glob patterns over absolute paths. Pure. Used by trees, pipeline inputs, doors.

Grammar (`/` separates, the pattern is anchored at both ends, its leading `/` is optional):

    *  ?  [a-z]  [!a]  [^a]    as in a shell; none of them matches `/`
    **                         any text, `/` included
    {a,b}                      one of
    (a|b)  @(a|b)              one of, captured
    ?(a)  *(a)  +(a)           none or one, any number, at least one; captured
    !(a|b)                     anything but, within one path element; captured
    \\x                         x itself

Captures are numbered by their opening parenthesis; `replace` puts them in a template as `$1` or
`${1}`. A path that names a directory may end with `/`: that slash takes no part in the match. The
root matches no pattern but `/`.

A pattern becomes one matcher, and one per path element (`components`), so that a tree can be
descended without looking where nothing can match. How long matching takes is bounded: see
`glob_machine`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from dassie.base.glob_machine import Captures, Matcher, matcher
from dassie.base.glob_syntax import EXTENDED, class_end, parse_tree
from dassie.base.paths import MAX_ELEMENTS
from dassie.errors import InvalidArgument

MAX_PATTERN = 4096
_TEMPLATE = re.compile(r"\$(?:\$|(\d+)|\{(\d+)\})")


@dataclass(frozen=True, slots=True)
class Component:
    """One path element of a pattern.

    literal: the element itself when it holds no operator, else `None`.
    prefix: what every match starts with.
    regex: matches whole elements; `None` when the component may match `/`, and then it is the last
        one and stands for all that follows.
    """

    literal: str | None
    prefix: str
    regex: Matcher | None


@dataclass(frozen=True, slots=True)
class Glob:
    """A parsed pattern."""

    pattern: str
    components: tuple[Component, ...]
    regex: Matcher
    captures: int = 0

    @staticmethod
    def parse(pattern: str) -> Glob:
        """Raises `InvalidArgument`, saying what is wrong, for a pattern that is malformed."""
        return _parse(pattern)

    @property
    def literal_prefix(self) -> tuple[str, ...]:
        """Leading path elements that hold no operator."""
        prefix = []
        for component in self.components:
            if component.literal is None:
                break
            prefix.append(component.literal)
        return tuple(prefix)

    @property
    def is_literal(self) -> bool:
        """The pattern names one path, `literal_prefix`."""
        return all(component.literal is not None for component in self.components)

    def match(self, path: str) -> bool:
        """Does the whole path match?"""
        return self._match(path) is not None

    def _match(self, path: str) -> Captures | None:
        if path == "/" and self.components:
            return None
        return self.regex.fullmatch(path if path == "/" else path.removesuffix("/"))

    def replace(self, path: str, template: str) -> str:
        """The template with `$1`, `${1}` … replaced by the captures of `path`'s match.

        A capture that took no part, or a number that does not exist, is empty; `$$` is `$`; `$0` is
        the whole path. Empty when the path does not match.
        """
        match = self._match(path)
        if match is None:
            return ""

        def value(reference: re.Match[str]) -> str:
            number = reference[1] or reference[2]
            if number is None:
                return "$"
            if not number.strip("0"):
                return path if path == "/" else path.removesuffix("/")
            return (match[int(number)] or "") if int(number) <= self.captures else ""

        return _TEMPLATE.sub(value, template)


def escape(text: str) -> str:
    """A pattern that matches `text` only."""
    return re.sub(r"([*?\[\]{}()!@+|,\\^])", r"\\\1", text)


@lru_cache(maxsize=1024)
def _parse(pattern: str) -> Glob:
    if len(pattern) > MAX_PATTERN:
        raise InvalidArgument(f"glob pattern is longer than {MAX_PATTERN} characters")
    if "\0" in pattern:
        raise InvalidArgument(f"glob {pattern!r}: NUL is not allowed")
    body = pattern.removeprefix("/")
    if body not in {"", "**"}:
        body = body.removesuffix("/")
    if not body:
        return Glob(pattern, (), re.compile("/"))
    regex, captures = _compile(pattern, body, "/")
    parts = _elements(body)
    if len(parts) > MAX_ELEMENTS:
        raise InvalidArgument(f"glob pattern has more than {MAX_ELEMENTS} elements")
    components = []
    for part in parts:
        if _crosses(part):
            components.append(Component(None, _literal_start(part), None))
            break
        components.append(_component(pattern, part))
    return Glob(pattern, tuple(components), regex, captures)


def _compile(pattern: str, body: str, prefix: str) -> tuple[Matcher, int]:
    try:
        branch, captures = parse_tree(pattern, body)
        return matcher(branch, prefix, captures), captures
    except RecursionError:
        raise InvalidArgument(f"glob {pattern!r}: brackets are nested too deeply") from None


def _component(pattern: str, part: str) -> Component:
    prefix = _literal_start(part)
    if prefix == _unescape(part) and not _has_operator(part):
        return Component(prefix, prefix, re.compile(re.escape(prefix)))
    regex, _ = _compile(pattern, part, "")
    return Component(None, prefix, regex)


def _elements(body: str) -> list[str]:
    """Split at the `/`s that stand outside of every bracket."""
    parts, depth, start, i = [], 0, 0, 0
    while i < len(body):
        char = body[i]
        if char == "\\":
            i += 1
        elif char == "[":
            i = class_end(body, i)
        elif char in "({":
            depth += 1
        elif char in ")}":
            depth = max(0, depth - 1)
        elif char == "/" and depth == 0:
            parts.append(body[start:i])
            start = i + 1
        i += 1
    return [*parts, body[start:]]


def _crosses(part: str) -> bool:
    """May this element of a pattern match text with `/` in it?"""
    i = 0
    while i < len(part):
        if part[i] == "\\":
            i += 1
        elif part[i] == "[":
            i = class_end(part, i)
        elif part[i] == "/" or (part.startswith("**", i) and not part.startswith("**(", i)):
            return True
        i += 1
    return False


def _has_operator(part: str) -> bool:
    return _operator_at(part) < len(part)


def _operator_at(part: str) -> int:
    """Index of the first character that is, or starts, an operator."""
    i = 0
    while i < len(part):
        char = part[i]
        if char == "\\":
            i += 1
        elif char in "*?[{(" or (char in EXTENDED and part[i + 1 : i + 2] == "("):
            return i
        i += 1
    return len(part)


def _literal_start(part: str) -> str:
    return _unescape(part[: _operator_at(part)])


def _unescape(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text, flags=re.DOTALL)
