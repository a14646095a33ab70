"""Matching globs in time proportional to pattern times path. Pure; part of `glob`.

A regular expression is fast on most patterns, but it tries every way in which a text can be shared
out, and some patterns have as many ways as there are atoms in a cup of tea. Those are matched by a
small machine that walks the pattern as a program, in the order of preference of a regular
expression, but never tries the same instruction at the same place twice: what has failed there
before fails again.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Protocol

from dassie.base.glob_syntax import ANY, Branch, Choice, Node, Not, One, Star

MAX_STARS: Final = 2
"""Texts of free length that a regular expression may share a path out among."""
MAX_WAYS: Final = 64
"""Ways to choose among alternatives."""


class Captures(Protocol):
    """What is known of a match: its captures, `None` for one that took no part."""

    def __getitem__(self, number: int, /) -> str | None: ...


class Matcher(Protocol):
    def fullmatch(self, text: str, /) -> Captures | None:
        """The match of the whole text."""


def matcher(branch: Branch, prefix: str, captures: int) -> Matcher:
    """For `prefix`, then what `branch` says."""
    whole = (*(One(re.escape(char), char) for char in prefix), *branch)
    if _is_tame(branch):
        return re.compile(_regex(whole), re.DOTALL)
    return Machine(whole, captures)


def _is_tame(branch: Branch) -> bool:
    """May a regular expression be trusted with it?"""
    stars, ways, most = 0, 1, 0
    for node in branch:
        if isinstance(node, One) and node.literal == "/":
            stars = 0  # what stands behind a slash shares nothing with what stands before it
        elif isinstance(node, Star):
            if node.crosses:
                most += 1
            else:
                stars += 1
        elif isinstance(node, Choice) and not node.repeat:
            ways *= len(node.branches)
            if not all(isinstance(one, One) for each in node.branches for one in each):
                if len(node.branches) > 1 or not all(map(_is_simple, node.branches[0])):
                    return False
                stars += sum(isinstance(one, Star) for one in node.branches[0])
        elif isinstance(node, Choice):
            if [len(each) for each in node.branches] != [1]:
                return False
            if not isinstance(node.branches[0][0], One):
                return False
            stars += 1
        elif isinstance(node, Not):
            return False
        if stars + most > MAX_STARS or ways > MAX_WAYS:
            return False
    return True


def _is_simple(node: Node) -> bool:
    return isinstance(node, One) or (isinstance(node, Star) and not node.crosses)


def _regex(branch: Branch) -> str:
    return "".join(map(_regex_of, branch))


def _regex_of(node: Node) -> str:
    if isinstance(node, One):
        return node.regex
    if isinstance(node, Star):
        return ".*" if node.crosses else "[^/]*"
    assert isinstance(node, Choice)  # noqa: S101 - `_is_tame`
    regex = f"(?:{'|'.join(map(_regex, node.branches))}){node.repeat}"
    return f"({regex})" if node.capture else regex


_CHAR, _SET, _SPLIT, _JUMP, _SAVE, _NOT, _PASS, _END = range(8)


@dataclass(slots=True)
class _Label:
    """A place in a program, that may be known later."""

    at: int = -1


@dataclass(slots=True)
class _Instruction:
    """`first`, `second`: where to go on (in order of preference), or what to look for."""

    kind: int
    first: _Label | None = None
    second: _Label | None = None
    char: str = ""
    is_in: Callable[[str, int], object] | None = None
    slot: int = 0


_ANYTHING: Final = One("(?s:.)")


class _Assembler:
    """From a tree to a program."""

    def __init__(self) -> None:
        self.program: list[_Instruction] = []

    def assemble(self, branch: Branch) -> list[_Instruction]:
        end = _Label()
        self._branch(branch, end)
        self._place(end)
        self.program.append(_Instruction(_END))
        return self.program

    def _place(self, label: _Label) -> None:
        label.at = len(self.program)

    def _emit(self, kind: int, first: _Label | None = None, second: _Label | None = None) -> None:
        self.program.append(_Instruction(kind, first, second))

    def _save(self, slot: int) -> None:
        if slot >= 2:
            self.program.append(_Instruction(_SAVE, slot=slot))

    def _branch(self, branch: Branch, goal: _Label) -> None:
        """`goal`: the end of this branch, which the rest behind a negation must reach."""
        for node in branch:
            if isinstance(node, One):
                self._one(node)
            elif isinstance(node, Star):
                self._loop(_ANYTHING if node.crosses else ANY)
            elif isinstance(node, Choice):
                self._choice(node)
            else:
                self._negation(node, goal)

    def _one(self, node: One) -> None:
        if node.literal:
            self.program.append(_Instruction(_CHAR, char=node.literal))
        else:
            is_in = re.compile(node.regex, re.DOTALL).match
            self.program.append(_Instruction(_SET, is_in=is_in))

    def _loop(self, node: One) -> None:
        again, body, end = _Label(), _Label(), _Label()
        self._place(again)
        self._emit(_SPLIT, body, end)
        self._place(body)
        self._one(node)
        self._emit(_JUMP, again)
        self._place(end)

    def _choice(self, node: Choice) -> None:
        self._save(2 * node.capture)
        again, body, end = _Label(), _Label(), _Label()
        if node.repeat in {"?", "*"}:
            self._place(again)
            self._emit(_SPLIT, body, end)
        self._place(body)
        self._branches(node.branches)
        if node.repeat == "*":
            self._emit(_JUMP, again)
        elif node.repeat == "+":
            self._emit(_SPLIT, body, end)
        self._place(end)
        self._save(2 * node.capture + 1)

    def _branches(self, branches: tuple[Branch, ...]) -> None:
        """One of them, then on with what is emitted next."""
        after = _Label()
        for number, branch in enumerate(branches):
            this, other, goal = _Label(), _Label(), _Label()
            if number < len(branches) - 1:
                self._emit(_SPLIT, this, other)
            self._place(this)
            self._branch(branch, goal)
            self._place(goal)
            self._emit(_PASS)  # a place of its own for each goal
            self._emit(_JUMP, after)
            self._place(other)
        self._place(after)

    def _negation(self, node: Not, goal: _Label) -> None:
        start, excluded, rest = _Label(), _Label(), _Label()
        self._emit(_JUMP, start)
        self._place(excluded)
        self._branches(node.branches)
        self._emit(_JUMP, rest)
        self._place(start)
        self._emit(_NOT, excluded, goal)
        self._save(2 * node.capture)
        self._loop(ANY)
        self._save(2 * node.capture + 1)
        self._place(rest)


class Machine:
    """A pattern as a program. Immutable, so any thread may use it."""

    def __init__(self, branch: Branch, captures: int) -> None:
        self.program = _Assembler().assemble(branch)
        self.captures = captures

    def run(self, text: str) -> Run:
        run = Run(self.program, text, [-1] * (2 * self.captures + 2))
        run.found = run.search(0, 0, len(self.program) - 1)
        return run

    def fullmatch(self, text: str) -> Run | None:
        run = self.run(text)
        return run if run.found else None


@dataclass(slots=True)
class Run:
    """One text being matched, and what came of it."""

    program: list[_Instruction]
    text: str
    slots: list[int]
    found: bool = False
    steps: int = 0
    _lost: dict[int, set[int]] = field(default_factory=dict)
    """By goal: where it is known that the goal cannot be reached from."""
    _denied: dict[int, bool] = field(default_factory=dict)
    """Whether a negation forbids to go on, by its place."""

    def __getitem__(self, number: int) -> str | None:
        start, end = self.slots[2 * number], self.slots[2 * number + 1]
        return None if start < 0 or end < 0 else self.text[start:end]

    def search(self, at: int, position: int, goal: int) -> bool:
        """Is `goal` reached from an instruction at a position? Only the search for the program's
        end keeps captures; that end is at the end of the text."""
        is_whole = goal == len(self.program) - 1 and at == 0
        width = len(self.text) + 1
        lost = self._lost.setdefault(goal, set())
        seen: set[int] = set()
        jobs: list[tuple[int, int]] = [(at, position)]
        while jobs:
            at, position = jobs.pop()
            if at < 0:  # everything that was tried with this capture has failed
                self.slots[-at] = position
                continue
            while True:
                place = at * width + position
                if place in seen or place in lost:
                    break
                seen.add(place)
                self.steps += 1
                step = self.program[at]
                if at == goal and (step.kind != _END or position == len(self.text)):
                    return True
                if step.kind == _SAVE:
                    if is_whole:
                        jobs.append((-step.slot, self.slots[step.slot]))
                        self.slots[step.slot] = position
                    at += 1
                    continue
                following = self._step(step, at, position)
                if following is None:
                    break
                at, position = following
                if step.kind == _SPLIT and step.second is not None:
                    jobs.append((step.second.at, position))
        lost |= seen
        return False

    def _step(self, step: _Instruction, at: int, position: int) -> tuple[int, int] | None:
        """Where to go on first, if anywhere."""
        if step.kind == _CHAR:
            return (at + 1, position + 1) if self.text.startswith(step.char, position) else None
        if step.kind == _SET and step.is_in is not None:
            return (at + 1, position + 1) if step.is_in(self.text, position) else None
        if step.kind in (_SPLIT, _JUMP) and step.first is not None:
            return step.first.at, position
        if step.kind == _PASS:
            return at + 1, position
        if step.kind == _NOT:
            return None if self._denies(step, at, position) else (at + 1, position)
        return None  # the end of the program, but not of the text

    def _denies(self, step: _Instruction, at: int, position: int) -> bool:
        place = at * (len(self.text) + 1) + position
        known = self._denied.get(place)
        if known is None and step.first is not None and step.second is not None:
            known = self._denied[place] = self.search(step.first.at, position, step.second.at)
        return bool(known)
