import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dassie.base.glob import Glob, escape
from dassie.errors import InvalidArgument

MATCHES = [
    ("/", "/", True),
    ("", "/", True),
    ("/", "/a", False),
    ("/*", "/a", True),
    ("*", "/a", True),
    ("/*", "/a/", True),
    ("/*", "/", False),
    ("/*", "/a/b", False),
    ("/**", "/", False),
    ("**", "/a/b", True),
    ("/**", "/a/b/", True),
    ("/a/**", "/a", False),
    ("/a/**", "/a/b/c", True),
    ("/a**", "/ab/c", True),
    ("/?", "/a", True),
    ("/?", "/ä", True),
    ("/a?b", "/a/b", False),
    ("/[a-c]", "/b", True),
    ("/[!a-c]", "/b", False),
    ("/[^a-c]x", "/dx", True),
    ("/a[!x]b", "/a/b", False),
    ("/a[.-0]b", "/a/b", False),
    ("/[]]", "/]", True),
    ("/[]-]", "/-", True),
    ("/[[]", "/[", True),
    (r"/[\d]", "/d", True),
    (r"/[\d]", "/1", False),
    (r"/[a\]b]", "/]", True),
    (r"/[a\-z]", "/m", False),
    ("/[&&~~||]", "/|", True),
    ("/{a,b}.txt", "/b.txt", True),
    ("/{a,b}.txt", "/c.txt", False),
    ("/{a,b{c,d}}", "/bd", True),
    ("/{a/b,c}/x", "/a/b/x", True),
    ("/@(a|b)c", "/bc", True),
    ("/+(a|b)", "/abba", True),
    ("/+(a|b)", "/c", False),
    ("/*(a)b", "/b", True),
    ("/?(a)b", "/ab", True),
    ("/?(a)b", "/aab", False),
    ("/!(a|b)", "/a", False),
    ("/!(a|b)", "/c", True),
    ("/!(a|b)", "/ab", True),
    ("/!(a)", "/x/y", False),
    ("/*.!(txt)", "/f.csv", True),
    ("/*.!(txt)", "/f.txt", False),
    ("/!(x)/f", "/x/f", False),
    ("/!(x)/f", "/xy/f", True),
    ("/@(!(a)b|c)", "/ab", False),
    ("/@(!(a)b|c)", "/zb", True),
    ("/(a|b)-*.txt", "/a-1.txt", True),
    (r"/\*", "/*", True),
    (r"/\*", "/a", False),
    (r"/\[a\]", "/[a]", True),
    (r"/a\(b\)", "/a(b)", True),
    ("/a+b@c!d", "/a+b@c!d", True),
    ("/a,b|c)d}", "/a,b|c)d}", True),
    ("/a\n*", "/a\nb", True),
    ("/a.b", "/axb", False),
    ("/***", "/a/b", True),
    ("/a/", "/a", True),
]


@pytest.mark.parametrize(("pattern", "path", "expected"), MATCHES)
def test_match(pattern, path, expected):
    assert Glob.parse(pattern).match(path) is expected


@pytest.mark.parametrize(("pattern", "path", "expected"), MATCHES)
def test_components_agree_with_the_whole(pattern, path, expected):
    """What descent by components finds is what the whole pattern matches."""
    glob = Glob.parse(pattern)
    if any(c.regex is None and c.literal is None for c in glob.components) or path == "/":
        return
    elements = path.strip("/").split("/")
    fits = len(elements) == len(glob.components) and all(
        element == c.literal if c.literal is not None else bool(c.regex.fullmatch(element))
        for element, c in zip(elements, glob.components, strict=True)
    )
    assert fits is expected
    assert not fits or all(
        e.startswith(c.prefix) for e, c in zip(elements, glob.components, strict=True)
    )


@pytest.mark.parametrize(
    "wrong", ["/[", "/[a", "/{a", "/(a", "/!(a", "/a\\", "/[z-a]", "a\0", "/a" * 600]
)
def test_malformed(wrong):
    with pytest.raises(InvalidArgument, match="glob"):
        Glob.parse(wrong)


@pytest.mark.parametrize(
    ("pattern", "path", "template", "expected"),
    [
        ("/(*)-(*).txt", "/left-right.txt", "$2/$1", "right/left"),
        ("/(*)/*", "/d/f", "${1}x", "dx"),
        ("/@(a|b(c))", "/bc", "$1,$2", "bc,c"),
        ("/*(ab)!(x)", "/ababz", "$1|$2", "abab|z"),
        ("/{a,(b)}", "/a", "<$1>", "<>"),
        ("/(*)", "/a/", "$1$9$$", "a$"),
        ("/!(!(a)b)(c)", "/abc", "$2", "c"),
        ("/(*)", "/a/b", "$1", ""),
    ],
)
def test_replace(pattern, path, template, expected):
    assert Glob.parse(pattern).replace(path, template) == expected


def test_literal_prefix():
    assert Glob.parse("/a/b/c*/d").literal_prefix == ("a", "b")
    assert Glob.parse(r"/a\*/**").literal_prefix == ("a*",)
    assert Glob.parse("/a/b").is_literal
    assert Glob.parse("/").is_literal
    assert not Glob.parse("/a/*").is_literal
    assert Glob.parse("/a/b2*").components[1].prefix == "b2"
    assert Glob.parse("/a/b**").components[1].regex is None


@given(st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1))
def test_escape(text):
    glob = Glob.parse("/" + escape(text))
    assert glob.match("/" + text)
    assert glob.is_literal
    assert not glob.match("/" + text + "x")


@given(st.text("ab*?[]!{},()|@+\\/-", max_size=12))
def test_any_text_parses_or_is_refused(text):
    try:
        glob = Glob.parse(text)
    except InvalidArgument:
        return
    assert isinstance(glob.regex, re.Pattern)
    glob.match("/ab/a")
