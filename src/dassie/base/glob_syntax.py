"""Glob patterns as trees. Pure; part of `glob`, whose text says what the operators mean."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, TypeAlias

from dassie.errors import InvalidArgument

EXTENDED: Final = "!@+*?"
MAX_NEGATIONS: Final = 16
_REPEAT: Final = {"@": "", "(": "", "?": "?", "*": "*", "+": "+"}


@dataclass(frozen=True, slots=True)
class One:
    """One character; `regex` says which. `literal`: the character, when it is only that."""

    regex: str
    literal: str = ""


@dataclass(frozen=True, slots=True)
class Star:
    """Any text; with `/` in it when it `crosses`."""

    crosses: bool


@dataclass(frozen=True, slots=True)
class Choice:
    """One of the branches, as often as `repeat` (of a regular expression) says."""

    branches: tuple[Branch, ...]
    repeat: str
    capture: int
    """Its number; 0 for none."""


@dataclass(frozen=True, slots=True)
class Not:
    """Text after which the rest of the branch matches, unless a branch of this and that rest match
    there too."""

    branches: tuple[Branch, ...]
    capture: int


Node: TypeAlias = One | Star | Choice | Not
Branch: TypeAlias = tuple[Node, ...]

ANY: Final = One("[^/]")


def parse_tree(pattern: str, body: str) -> tuple[Branch, int]:
    """The tree of `body`, which is all or an element of `pattern`, and how many captures it has.
    Raises `InvalidArgument`, naming `pattern`."""
    parser = _Parser(pattern, body)
    return parser.parse(), parser.captures


def class_end(text: str, start: int) -> int:
    """Index of the `]` that ends the class opened at `start`, or the end of the text."""
    i = start + 1
    if text[i : i + 1] in {"!", "^"}:
        i += 1
    if text[i : i + 1] == "]":
        i += 1
    while i < len(text) and text[i] != "]":
        i += 2 if text[i] == "\\" else 1
    return min(i, len(text) - 1)


class _Parser:
    """By recursive descent."""

    def __init__(self, pattern: str, body: str) -> None:
        self._pattern = pattern
        self._text = body
        self._negations = 0
        self.captures = 0

    def parse(self) -> Branch:
        branch, end = self._branch(0, "", capture=True)
        if end != len(self._text):
            raise self._wrong(f"unmatched {self._text[end]!r}")
        return branch

    def _wrong(self, what: str) -> InvalidArgument:
        return InvalidArgument(f"glob {self._pattern!r}: {what}")

    def _branch(self, i: int, stops: str, *, capture: bool) -> tuple[Branch, int]:
        """From `i` up to an unescaped character of `stops`, or the end."""
        out: list[Node] = []
        text = self._text
        while i < len(text) and text[i] not in stops:
            char, following = text[i], text[i + 1 : i + 2]
            node: Node
            if char == "(" or (char in EXTENDED and following == "("):
                node, i = self._group(i, capture=capture)
            elif char == "{":
                branches, i = self._branches(i + 1, ",", "}", capture=capture)
                node = Choice(branches, "", 0)
            else:
                node, i = self._single(i)
            out.append(node)
        return tuple(out), i

    def _group(self, i: int, *, capture: bool) -> tuple[Node, int]:
        kind = self._text[i]
        number = 0
        if capture:
            self.captures += 1
            number = self.captures
        inside = i + 1 if kind == "(" else i + 2
        if kind == "!":
            self._negations += 1
            if self._negations > MAX_NEGATIONS:
                raise self._wrong(f"more than {MAX_NEGATIONS} times !( )")
            branches, i = self._branches(inside, "|", ")", capture=False)
            return Not(branches, number), i
        branches, i = self._branches(inside, "|", ")", capture=capture)
        return Choice(branches, _REPEAT[kind], number), i

    def _branches(
        self, i: int, separator: str, close: str, *, capture: bool
    ) -> tuple[tuple[Branch, ...], int]:
        branches = []
        while True:
            branch, i = self._branch(i, separator + close, capture=capture)
            branches.append(branch)
            if i == len(self._text):
                raise self._wrong(f"missing {close!r}")
            i += 1
            if self._text[i - 1] == close:
                return tuple(branches), i

    def _single(self, i: int) -> tuple[Node, int]:
        text = self._text
        char = text[i]
        if char == "\\":
            if i + 1 == len(text):
                raise self._wrong("nothing after the last '\\'")
            return One(re.escape(text[i + 1]), text[i + 1]), i + 2
        if char == "*":
            end = i
            while text[end : end + 1] == "*" and text[end + 1 : end + 2] != "(":
                end += 1
            return (Star(crosses=True), end) if end - i > 1 else (Star(crosses=False), i + 1)
        if char == "?":
            return ANY, i + 1
        if char == "[":
            return self._class(i)
        return One(re.escape(char), char), i + 1

    def _class(self, start: int) -> tuple[Node, int]:
        end = class_end(self._text, start)
        if end <= start + 1 or self._text[end] != "]":
            raise self._wrong("'[' without ']'")
        body = self._text[start + 1 : end]
        negated = body[:1] in {"!", "^"}
        members = "".join(
            char if char == "-" else re.escape(char[-1])
            for char in re.findall(r"\\.|.", body[1:] if negated else body, re.DOTALL)
        )
        regex = f"[^/{members}]" if negated else f"(?!/)[{members}]"
        try:
            re.compile(regex)
        except re.error as error:
            raise self._wrong(str(error)) from None
        return One(regex), end + 1
