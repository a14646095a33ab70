"""The local side alone: scanning a folder, and writing below one and nowhere else."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dassie.client.download import Tree
from dassie.client.scan import Directory, Known, scan
from dassie.errors import DataLoss, FailedPrecondition, InvalidArgument


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "folder"
    for name in ("b/2", "b/1", "a/x/1", "top"):
        (made / name).parent.mkdir(parents=True, exist_ok=True)
        (made / name).write_bytes(name.encode())
    return made


def known(directories: list[Directory]) -> dict[str, Known]:
    return {each.path: Known(each.names, each.stats) for each in directories}


def test_scan_finds_files_in_order(folder: Path) -> None:
    found = list(scan(str(folder), {}))
    assert [(each.path, each.file_names()) for each in found] == [
        ("", ["top"]),
        ("a/x", ["1"]),
        ("b", ["1", "2"]),
    ]
    assert list(found[2].sizes()) == [3, 3]
    assert [list(each.changed) for each in found] == [[0], [0], [0, 1]]


def test_scan_tells_what_changed(folder: Path) -> None:
    before = known(list(scan(str(folder), {})))
    assert not any(each.changed for each in scan(str(folder), before))
    (folder / "b/2").write_bytes(b"other")
    (folder / "b/0").write_bytes(b"new")
    (folder / "a/x/1").write_bytes(b"longer than before")
    changed = {each.path: list(each.changed) for each in scan(str(folder), before)}
    assert changed == {"": [], "a/x": [0], "b": [0, 2]}


_FORKED = """
import pathlib, sys
from dassie.client.scan import Known, scan, scan_ahead
root = sys.argv[1]
first = list(scan_ahead(root, {}))
assert first == list(scan(root, {})), "new"
known = {each.path: Known(each.names, each.stats) for each in first}
assert list(scan_ahead(root, known)) == list(scan(root, known)), "same"
pathlib.Path(root, "b/2").write_bytes(b"changed")
pathlib.Path(root, "b/3").write_bytes(b"new")
pathlib.Path(root, "a/x/1").write_bytes(b"changed")
pathlib.Path(root, "top").unlink()
assert list(scan_ahead(root, known)) == list(scan(root, known)), "changed"
try:
    list(scan_ahead(root + "/none", {}))
except FileNotFoundError as error:
    assert error.filename == root + "/none", error
from dassie.errors import InvalidArgument
pathlib.Path(root, "b", "\\udcff").touch()
try:
    list(scan_ahead(root, {}))
except InvalidArgument as error:
    assert "not valid UTF-8" in error.message
    print("fine")
"""


def test_a_forked_scan_says_the_same(folder: Path) -> None:
    command = [sys.executable, "-c", _FORKED, str(folder)]
    assert subprocess.check_output(command, text=True) == "fine\n"


def test_names_that_are_not_text(folder: Path) -> None:
    (folder / "b" / os.fsdecode(b"\xff")).touch()
    with pytest.raises(InvalidArgument, match=r"\\xff.*not valid UTF-8"):
        list(scan(str(folder), {}))


def everything(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_tree_writes_whole_files_and_pieces(tmp_path: Path) -> None:
    with Tree(tmp_path) as tree:
        assert tree.write("a/b", 3, memoryview(b"abc"))
        assert not tree.write("big", 6, memoryview(b"123"))
        assert everything(tmp_path).keys() - {"a/b"} == {f".big.{os.getpid()}.part"}
        assert tree.write("big", 6, memoryview(b"456"))
        assert tree.write("a/b", 2, memoryview(b"xy"))
        tree.check_complete()
    assert everything(tmp_path) == {"a/b": b"xy", "big": b"123456"}


def test_many_directories(tmp_path: Path) -> None:
    names = [f"d{i}/e{i}/f" for i in range(200)] * 2 + ["/".join("deep" for _ in range(90))]
    with Tree(tmp_path) as tree:
        for name in names:
            tree.write(name, 1, memoryview(b"x"))
    assert len(everything(tmp_path)) == 201


def test_an_unfinished_file_never_gets_its_name(tmp_path: Path) -> None:
    tree = Tree(tmp_path)
    tree.write("big", 6, memoryview(b"123"))
    with pytest.raises(DataLoss):
        tree.check_complete()
    with pytest.raises(DataLoss):
        tree.write("other", 1, memoryview(b"x"))
    tree.__exit__(None, None, None)
    assert everything(tmp_path) == {}


@pytest.mark.parametrize("path", ["../x", "a/../../x", "..", "a//x", ".", "a/.", "x\0"])
def test_nothing_is_written_outside(tmp_path: Path, path: str) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    with pytest.raises(FailedPrecondition), Tree(inside) as tree:
        tree.write(path, 1, memoryview(b"x"))
    assert everything(tmp_path) == {}


def test_links_are_not_followed(tmp_path: Path) -> None:
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    inside.mkdir()
    outside.mkdir()
    (inside / "way out").symlink_to(outside)
    (inside / "file").symlink_to(outside / "victim")
    with pytest.raises(FailedPrecondition, match="symbolic link"), Tree(inside) as tree:
        tree.write("way out/x", 1, memoryview(b"x"))
    with Tree(inside) as tree:
        tree.write("file", 1, memoryview(b"x"))
    assert everything(outside) == {}
    assert not (inside / "file").is_symlink()
