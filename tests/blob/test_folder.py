import os

import pytest

from dassie.blob.drivers.folder import FolderStore
from dassie.blob.drivers.memory import MemoryStore
from dassie.blob.open import open_store
from dassie.blob.wrappers.faulty import FailNth, FaultyStore
from dassie.errors import InvalidArgument, Unavailable


def test_order_of_durable_writes(tmp_path, monkeypatch):
    """Data is synced before the rename, the folder after it."""
    store = FolderStore(tmp_path)
    store.put("pack/ab00", [b""])
    events = []
    for name in ("fdatasync", "fsync", "rename"):
        real = getattr(os, name)
        monkeypatch.setattr(
            os, name, lambda *a, _name=name, _real=real, **k: (events.append(_name), _real(*a, **k))
        )
    store.put("pack/ab01", [b"data"])
    assert events == ["fdatasync", "rename", "fsync"]


def test_failed_write_leaves_nothing(tmp_path, monkeypatch):
    store = FolderStore(tmp_path)

    def no_space(fd):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fdatasync", no_space)
    with pytest.raises(Exception, match="No space left"):
        store.put("pack/ab", [b"data"])
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == []


def test_sweeps_stale_temporaries(tmp_path):
    store = FolderStore(tmp_path)
    old, new = tmp_path / "tmp~" / "old", tmp_path / "tmp~" / "new"
    old.write_bytes(b"x")
    new.write_bytes(b"x")
    os.utime(old, (1, 1))
    store = FolderStore(tmp_path)
    assert not old.exists()
    assert new.exists()
    assert list(store.list()) == []


def test_faulty():
    store = FaultyStore(MemoryStore(), FailNth(2))
    store.put("a", [b"1"])
    with pytest.raises(Unavailable, match="call 2: put"):
        store.put("b", [b"2"])
    assert [info.key for info in store.list()] == ["a"]
    store.plan = FailNth(4, onwards=True, applied=True)
    for key in "cd":
        with pytest.raises(Unavailable):
            store.put(key, [b""])
    store.plan = None
    assert [info.key for info in store.list()] == ["a", "c", "d"]


def test_open_store_refuses():
    with pytest.raises(InvalidArgument, match="scheme"):
        open_store("/plain/path")
    with pytest.raises(InvalidArgument):
        open_store("file://host/path")


def test_strange_files_are_passed_over(tmp_path):
    """Such as NFS leaves for what is deleted while it is open."""
    store = FolderStore(tmp_path)
    store.put("pack/ab12", [b"1"])
    fan = next((tmp_path / "pack").iterdir())
    (fan / ".nfs0001").write_bytes(b"x")
    (fan / "a name").write_bytes(b"x")
    assert [info.key for info in store.list()] == ["pack/ab12"]
