"""Jsonnet templates: rendered apart, with limits."""

import json

import pytest

from dassie.errors import InvalidArgument
from dassie.pps.templates import render

TEMPLATE = """
function(name, glob='/*') {
  pipeline: {name: name},
  transform: {cmd: ['true']},
  input: {pfs: {repo: 'images', glob: glob}},
}
"""


def test_a_function_of_named_strings() -> None:
    spec = json.loads(render(TEMPLATE, {"name": "edges"}))
    assert spec["pipeline"] == {"name": "edges"}
    assert spec["input"]["pfs"]["glob"] == "/*"


def test_lists() -> None:
    assert json.loads(render("[{a: n} for n in [1, 2]]", {})) == [{"a": 1}, {"a": 2}]


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("function(x) {a: x}", "x"),
        ("{", "syntax error"),
        ("importstr '/etc/passwd'", "templates cannot import files"),
        ("'text'", "not a json object or list"),
        ("local f(x) = f(x + 1) + 1; f(1)", "stack overflow"),
        ("std.repeat('x', 5000000)", "more than 4194304 characters"),
    ],
)
def test_refused(template: str, said: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        render(template, {})
    assert said in str(caught.value)


def test_memory_is_bounded() -> None:
    with pytest.raises(InvalidArgument):
        render("std.length(std.foldl(function(a, _) a + a, std.range(1, 40), 'x'))", {})
