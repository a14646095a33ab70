import pytest
from hypothesis import given
from hypothesis import strategies as st

from dassie.base import paths
from dassie.errors import InvalidArgument


@pytest.mark.parametrize(
    ("given_path", "expected"),
    [
        ("", "/"),
        (".", "/"),
        ("/", "/"),
        ("a", "/a"),
        ("/a/", "/a"),
        ("a/b", "/a/b"),
        ("/ä ö/+@*?[x]{y}!(z)^\n", "/ä ö/+@*?[x]{y}!(z)^\n"),
        ("/...", "/..."),
    ],
)
def test_clean(given_path, expected):
    assert paths.clean(given_path) == expected


@pytest.mark.parametrize(
    "wrong",
    [
        "//",
        "/a//b",
        "a//",
        "..",
        "/a/../b",
        "./a",
        "/a/.",
        "a\0b",
        "/\udc80",
        "/a" * 501,
        "é" * 40_000,
    ],
)
def test_clean_refuses(wrong):
    with pytest.raises(InvalidArgument, match="not allowed in path"):
        paths.clean(wrong)


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1)))
def test_round_trip(elements):
    if {".", ".."} & set(elements):
        return
    path = paths.clean("/".join(elements))
    assert paths.split(path) == elements
    assert paths.clean(path) == path
    if elements:
        assert paths.basename(path) == elements[-1]
        assert paths.split(paths.parent(path)) == elements[:-1]


def test_join():
    assert paths.join("/", "a", "b/c/") == "/a/b/c"
    assert paths.join("/") == "/"
    with pytest.raises(InvalidArgument):
        paths.join("/a", "..")
