import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dassie.base.glob import Glob, escape
from dassie.base.glob_machine import Machine
from dassie.base.glob_syntax import Branch, Choice, Not, One, Star, parse_tree
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
    glob.match("/ab/a")


def reference(branch: Branch, tail: str = "", *, capture: bool = True) -> str:
    """The regular expression that a pattern means, however long that may take."""
    out = ""
    for place, node in enumerate(branch):
        if isinstance(node, One):
            piece = node.regex
        elif isinstance(node, Star):
            piece = ".*" if node.crosses else "[^/]*"
        elif isinstance(node, Choice):
            branches = (reference(each, capture=capture) for each in node.branches)
            piece = f"(?:{'|'.join(branches)}){node.repeat}"
        else:
            rest = reference(branch[place + 1 :], tail, capture=False)
            excluded = "|".join(map(reference, node.branches))
            piece = f"(?!(?:{excluded}){rest}{tail})[^/]*"
        if isinstance(node, Choice | Not):
            piece = f"({piece})" if capture and node.capture else f"(?:{piece})"
        out += piece
    return out


PIECES = [
    "a",
    "b",
    "/",
    "*",
    "**",
    "?",
    "[ab]",
    "{a,b*}",
    "(a|b)",
    "(*)",
    "+(a|ab)",
    "*(b)",
    "!(a)",
]
PIECES += ["!(a|b*)", "@(!(a)b|a)", "?(a)", "+(a)", "*(*(a)|b)", "!(+(a))"]


@settings(max_examples=300)
@given(st.lists(st.sampled_from(PIECES), max_size=5), st.lists(st.text("ab/", max_size=7)))
def test_the_machine_agrees_with_a_regular_expression(pieces, texts):
    branch, captures = parse_tree("", "".join(pieces))
    machine = Machine(branch, captures)
    regex = re.compile(reference(branch, r"\Z"), re.DOTALL)
    for text in texts:
        expected, run = regex.fullmatch(text), machine.run(text)
        assert run.found is (expected is not None)
        if expected is not None and not any("*(" in piece for piece in pieces):
            assert [run[n] for n in range(1, captures + 1)] == list(expected.groups())


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("/" + "*a" * 30 + "b", "/" + "a" * 100),
        ("/+(+(a))b", "/" + "a" * 100),
        ("/*(a|a|*)*(a|*(a))b", "/" + "a" * 100),
        ("/" + "{a,a}" * 30 + "b", "/" + "a" * 40),
        ("/" + "!(b)" * 16 + "c", "/" + "a" * 60),
        ("/**a**a**a**b", "/" + "a/" * 100),
        ("/+(!(a)|a*)c", "/" + "ab" * 50),
    ],
)
def test_no_pattern_takes_long(pattern, path):
    """At most every instruction at every place, once for the whole and once for each negation."""
    regex = Glob.parse(pattern).regex
    assert isinstance(regex, Machine)
    run = regex.run(path)
    assert not run.found
    negations = pattern.count("!(")
    assert run.steps <= len(regex.program) * (len(path) + 1) * (1 + negations)
    assert all(component.regex is not None for component in Glob.parse(pattern).components[:-1])


def test_usual_patterns_stay_regular_expressions():
    for pattern in ("/*", "/**", "/a*.txt", "/(*)-(*).txt", "/*/*/*/*", "/{a,b}/+([0-9]).png"):
        assert isinstance(Glob.parse(pattern).regex, re.Pattern), pattern


def test_limits_of_patterns():
    with pytest.raises(InvalidArgument, match="more than 16 times"):
        Glob.parse("/" + "!(a)" * 17)
    with pytest.raises(InvalidArgument, match="nested too deeply"):
        Glob.parse("(" * 2000 + "a" + ")" * 2000)
