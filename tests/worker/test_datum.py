"""What user code sees, and what becomes of what it writes."""

from __future__ import annotations

from .conftest import Start


def test_a_file_goes_in_and_comes_out(start: Start) -> None:
    pachd = start("sh", "-c", "cp /pfs/in/a/x /pfs/out/y")
    datum = pachd.datum(pachd.file("in", "/a/x", b"hello"))
    assert pachd.outputs(datum) == {"/y": b"hello"}
    result = pachd.result(datum)
    assert (result.download_bytes, result.upload_bytes, result.tries) == (5, 5, 1)
    assert result.process_us > 0
    assert result.started_us > 0
