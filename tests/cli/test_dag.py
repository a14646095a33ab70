"""Pictures of pipelines."""

from __future__ import annotations

from textwrap import dedent

from dassie.cli.dag import draw


def picture(text: str) -> list[str]:
    return dedent(text).strip("\n").splitlines()


def test_a_chain() -> None:
    assert draw([("a", "b")]) == picture(
        """
        ┌───┐
        │ a │
        └───┘
          │
        ┌───┐
        │ b │
        └───┘
        """
    )


def test_the_classic_tutorial() -> None:
    drawn = draw([("images", "edges"), ("images", "montage"), ("edges", "montage")])
    assert drawn == picture(
        """
        ┌────────┐
        │ images │
        └────────┘
             ├───────┐
         ┌───────┐   │
         │ edges │   │
         └───────┘   │
             └───┐   │
                 ├───┘
            ┌─────────┐
            │ montage │
            └─────────┘
        """
    )


def test_lines_that_cross_do_not_join() -> None:
    drawn = draw([("a", "x"), ("b", "y"), ("a", "y"), ("b", "x")])
    assert drawn == picture(
        """
        ┌───┐   ┌───┐
        │ a │   │ b │
        └───┘   └───┘
          └───┬───│───┐
              ├───┴───┤
            ┌───┐   ┌───┐
            │ x │   │ y │
            └───┘   └───┘
        """
    )


def test_a_cycle_ends() -> None:
    assert _names(draw([("a", "b"), ("b", "a")]))


def test_nodes_alone_and_box_width() -> None:
    assert draw([], ["lonely"], box_width=12)[0] == "┌──────────┐"
    assert draw([]) == []


def _names(lines: list[str]) -> list[str]:
    import re

    return [name for line in lines for name in re.findall(r"│ +([a-z]+) +│", line)]
