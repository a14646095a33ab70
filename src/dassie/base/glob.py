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

A pattern is translated to one regular expression, and to one per path element (`components`), so
that a tree can be descended without looking where nothing can match.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from dassie.base.paths import MAX_ELEMENTS
from dassie.errors import InvalidArgument

MAX_PATTERN = 4096
_EXTENDED = "!@+*?"
_REPEAT = {"@": "", "(": "", "?": "?", "*": "*", "+": "+"}
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
    regex: re.Pattern[str] | None


@dataclass(frozen=True, slots=True)
class Glob:
    """A parsed pattern."""

    pattern: str
    components: tuple[Component, ...]
    regex: re.Pattern[str]

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

    def _match(self, path: str) -> re.Match[str] | None:
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
            return (match[int(number)] or "") if int(number) <= self.regex.groups else ""

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
    whole = _Translator(pattern, body).translate()
    parts = _elements(body)
    if len(parts) > MAX_ELEMENTS:
        raise InvalidArgument(f"glob pattern has more than {MAX_ELEMENTS} elements")
    components = []
    for part in parts:
        if _crosses(part):
            components.append(Component(None, _literal_start(part), None))
            break
        components.append(_component(pattern, part))
    try:
        return Glob(pattern, tuple(components), re.compile("/" + whole, re.DOTALL))
    except (re.error, RecursionError, OverflowError) as error:
        raise InvalidArgument(f"glob {pattern!r}: {error}") from None


def _component(pattern: str, part: str) -> Component:
    prefix = _literal_start(part)
    if prefix == _unescape(part) and not _has_operator(part):
        return Component(prefix, prefix, re.compile(re.escape(prefix)))
    regex = _Translator(pattern, part).translate()
    try:
        return Component(None, prefix, re.compile(regex, re.DOTALL))
    except (re.error, RecursionError, OverflowError) as error:
        raise InvalidArgument(f"glob {pattern!r}: {error}") from None


def _elements(body: str) -> list[str]:
    """Split at the `/`s that stand outside of every bracket."""
    parts, depth, start, i = [], 0, 0, 0
    while i < len(body):
        char = body[i]
        if char == "\\":
            i += 1
        elif char == "[":
            i = _class_end(body, i)
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
            i = _class_end(part, i)
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
        elif char in "*?[{(" or (char in _EXTENDED and part[i + 1 : i + 2] == "("):
            return i
        i += 1
    return len(part)


def _literal_start(part: str) -> str:
    return _unescape(part[: _operator_at(part)])


def _unescape(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text, flags=re.DOTALL)


def _class_end(text: str, start: int) -> int:
    """Index of the `]` that ends the class opened at `start`, or the end of the text."""
    i = start + 1
    if text[i : i + 1] in {"!", "^"}:
        i += 1
    if text[i : i + 1] == "]":
        i += 1
    while i < len(text) and text[i] != "]":
        i += 2 if text[i] == "\\" else 1
    return min(i, len(text) - 1)


class _Translator:
    """Pattern text → regular expression text, by recursive descent."""

    def __init__(self, pattern: str, body: str) -> None:
        self._pattern = pattern
        self._text = body

    def translate(self) -> str:
        regex, end = self._sequence(0, "", "", capture=True)
        if end != len(self._text):
            raise self._wrong(f"unmatched {self._text[end]!r}")
        return regex

    def _wrong(self, what: str) -> InvalidArgument:
        return InvalidArgument(f"glob {self._pattern!r}: {what}")

    def _sequence(self, i: int, stops: str, tail: str, *, capture: bool) -> tuple[str, int]:
        """Translate from `i` up to an unescaped character of `stops` (or the end).

        `tail` is the expression for what follows the sequence, which `!( )` must know.
        """
        out: list[str] = []
        text = self._text
        while i < len(text) and text[i] not in stops:
            char, following = text[i], text[i + 1 : i + 2]
            if char == "!" and following == "(":
                piece, i = self._negation(i + 2, stops, tail, capture=capture)
            elif char == "(" or (char in _EXTENDED and following == "("):
                inside = i + 1 if char == "(" else i + 2
                alternatives, i = self._alternatives(inside, "|", ")", "", capture=capture)
                repeated = f"(?:{alternatives}){_REPEAT[char]}"
                piece = f"({repeated})" if capture else repeated
            elif char == "{":
                alternatives, i = self._alternatives(i + 1, ",", "}", "", capture=capture)
                piece = f"(?:{alternatives})"
            else:
                piece, i = self._single(i)
            out.append(piece)
        return "".join(out), i

    def _single(self, i: int) -> tuple[str, int]:
        text = self._text
        char = text[i]
        if char == "\\":
            if i + 1 == len(text):
                raise self._wrong("nothing after the last '\\'")
            return re.escape(text[i + 1]), i + 2
        if char == "*":
            end = i
            while text[end : end + 1] == "*" and text[end + 1 : end + 2] != "(":
                end += 1
            return (".*", end) if end - i > 1 else ("[^/]*", i + 1)
        if char == "?":
            return "[^/]", i + 1
        if char == "[":
            return self._class(i)
        return re.escape(char), i + 1

    def _class(self, start: int) -> tuple[str, int]:
        end = _class_end(self._text, start)
        if end <= start + 1 or self._text[end] != "]":
            raise self._wrong("'[' without ']'")
        body = self._text[start + 1 : end]
        negated = body[:1] in {"!", "^"}
        members = "".join(
            char if char == "-" else re.escape(char[-1])
            for char in re.findall(r"\\.|.", body[1:] if negated else body, re.DOTALL)
        )
        return (f"[^/{members}]" if negated else f"(?!/)[{members}]"), end + 1

    def _alternatives(
        self, i: int, separator: str, close: str, tail: str, *, capture: bool
    ) -> tuple[str, int]:
        branches = []
        while True:
            branch, i = self._sequence(i, separator + close, tail, capture=capture)
            branches.append(branch)
            if i == len(self._text):
                raise self._wrong(f"missing {close!r}")
            i += 1
            if self._text[i - 1] == close:
                return "|".join(branches), i

    def _negation(self, i: int, stops: str, tail: str, *, capture: bool) -> tuple[str, int]:
        """`!(a)rest` is text after which `rest` matches, unless `a` and `rest` match there too."""
        excluded, end = self._alternatives(i, "|", ")", "", capture=False)
        rest, _ = self._sequence(end, stops, tail, capture=False)
        limit = rest + tail + (r"\Z" if not stops else "")
        anything = f"(?!(?:{excluded}){limit})[^/]*"
        return (f"({anything})" if capture else f"(?:{anything})"), end
