"""The edit buffer: stream order decides, whatever is buffered together."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dassie.base.hashing import digest
from dassie.pfs.edits import EditBuffer, Graft, Removal
from dassie.storage.errors import PathConflict
from dassie.storage.types import Content, Dir


def content(text: str) -> Content:
    return Content(digest(text.encode()), len(text))


A, B, C = content("a"), content("bb"), content("ccc")


def test_additions_append_in_order() -> None:
    edits = EditBuffer()
    edits.add("/f", A)
    edits.add("/g", B)
    edits.add("/f", C)
    (layer,) = edits.layers()
    assert layer.files["/f"].parts == [A, C]
    assert not layer.files["/f"].cleared


def test_delete_then_add_overwrites() -> None:
    edits = EditBuffer()
    edits.add("/f", A)
    edits.delete("/f")
    edits.add("/f", B)
    (layer,) = edits.layers()
    assert layer.files["/f"].cleared
    assert layer.files["/f"].parts == [B]


def test_directory_delete_keeps_what_follows() -> None:
    edits = EditBuffer()
    edits.add("/d/f", A)
    edits.delete_directory("/d")
    edits.add("/d/g", B)
    first, second = edits.layers()
    assert list(first.files) == ["/d/f"]
    assert second.trees == [Removal("/d")]
    assert list(second.files) == ["/d/g"]


def test_delete_without_slash_of_a_directory_written_before() -> None:
    edits = EditBuffer()
    edits.add("/d/f", A)
    edits.delete("/d")
    assert [layer.trees for layer in edits.layers()] == [[], [Removal("/d")]]


def test_adding_below_a_deleted_path_comes_after_the_delete() -> None:
    edits = EditBuffer()
    edits.delete("/d")
    edits.add("/d/e/f", A)
    first, second = edits.layers()
    assert first.files["/d"].cleared
    assert list(second.files) == ["/d/e/f"]


def test_deleting_the_root_forgets_everything_before() -> None:
    edits = EditBuffer()
    edits.add("/f", A)
    edits.delete("/")
    (layer,) = edits.layers()
    assert layer.trees == [Removal("/")]
    assert not layer.files


def test_grafts_stay_in_order() -> None:
    edits = EditBuffer()
    node = Dir(digest(b"dir"), digest(b"ref"), 1, 1)
    edits.add("/a", A)
    edits.graft("/b", node)
    edits.delete_directory("/b/c")
    edits.add("/b/d", B)
    first, second = edits.layers()
    assert list(first.files) == ["/a"]
    assert second.trees == [Graft("/b", node, append=False), Removal("/b/c")]


def test_two_datums_on_one_path_conflict() -> None:
    edits = EditBuffer()
    edits.add("/f", A, "one")
    edits.add("/f", B, "two")
    with pytest.raises(PathConflict, match=r"duplicate path output by different datums.*/f"):
        edits.check()


def test_deleting_one_datum_resolves_the_conflict() -> None:
    edits = EditBuffer()
    edits.add("/f", A, "one")
    edits.add("/f", B, "two")
    edits.delete("/f", "one")
    edits.check()
    (layer,) = edits.layers()
    assert (layer.files["/f"].datum, layer.files["/f"].parts) == ("two", [B])


def test_unset_datum_is_default() -> None:
    edits = EditBuffer()
    edits.add("/f", A)
    edits.add("/f", B, "default")
    edits.check()


PATHS = st.sampled_from(["/a", "/a/b", "/a/b/c", "/a/d", "/e", "/e/f"])
STEPS = st.lists(st.tuples(st.sampled_from(["add", "delete", "prune"]), PATHS), max_size=12)


def apply_to_model(steps: list[tuple[str, str]]) -> dict[str, int]:
    """Carries out each step at once; values are numbers of appended parts."""
    files: dict[str, int] = {}
    for what, path in steps:
        if what == "add":
            files[path] = files.get(path, 0) + 1
            continue
        files = {p: n for p, n in files.items() if not p.startswith(path + "/")}
        files.pop(path, None)
    return files


@given(STEPS)
def test_layers_mean_the_same_as_single_steps(steps: list[tuple[str, str]]) -> None:
    edits = EditBuffer()
    for what, path in steps:
        if what == "add":
            edits.add(path, A)
        elif what == "delete":
            edits.delete(path)
        else:
            edits.delete_directory(path)
    files: dict[str, int] = {}
    for layer in edits.layers():
        for tree in layer.trees:
            files = apply_to_model(
                [("add", p) for p, n in files.items() for _ in range(n)] + [("prune", tree.path)]
            )
        for path, edit in sorted(layer.files.items(), reverse=True):
            if edit.cleared:
                files = {
                    p: n
                    for p, n in files.items()
                    if not p.startswith(path + "/") or p in layer.files
                }
                files.pop(path, None)
            if edit.parts:
                files[path] = files.get(path, 0) + len(edit.parts)
    assert files == apply_to_model(steps)
