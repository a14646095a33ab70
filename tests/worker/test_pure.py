"""The parts of the worker that need no process."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dassie.pps.sandbox.session import Exit
from dassie.pps.worker.holdings import Holdings
from dassie.pps.worker.lines import LineSplitter
from dassie.pps.worker.loop import GROUP_BYTES, GROUP_DATUMS, groups
from dassie.pps.worker.model import DatumInput, Orders, Task, UserCode
from dassie.pps.worker.run import reason_of
from dassie.storage.types import Content


def task(size: int, number: int = 0) -> Task:
    content = DatumInput("in", "/f", Content(b"", size))
    return Task(f"lease-{number}", "job", f"datum-{number}", 0, (content,), {}, None)


@given(st.lists(st.binary(max_size=40)), st.integers(4, 30))
def test_lines_are_what_was_written(pieces: list[bytes], longest: int) -> None:
    splitter = LineSplitter(longest)
    lines = [line for piece in pieces for line in splitter.feed(piece)] + splitter.finish()
    whole = b"".join(pieces).decode("utf-8", "replace").replace("\0", "\ufffd")
    assert "".join(lines).replace("\r", "").replace("\ufffd", "") == whole.replace(
        "\n", ""
    ).replace("\r", "").replace("\ufffd", "")
    assert all(len(line.encode()) <= 3 * longest for line in lines)


def test_how_output_is_cut_does_not_matter() -> None:
    text = "é\r\nsecond\n\n".encode() + b"x" * 50_000
    whole = LineSplitter()
    expected = whole.feed(text) + whole.finish()
    assert expected[:3] == ["é", "second", ""]
    bytewise = LineSplitter()
    lines = [line for byte in text for line in bytewise.feed(bytes([byte]))]
    assert lines + bytewise.finish() == expected


@given(st.lists(st.integers(0, 2 * GROUP_BYTES), max_size=200))
def test_groups_keep_the_order_and_their_bounds(sizes: list[int]) -> None:
    tasks = [task(size, number) for number, size in enumerate(sizes)]
    made = list(groups(tasks))
    assert [one for group in made for one in group] == tasks
    for group in made:
        assert 0 < len(group) <= GROUP_DATUMS
        assert len(group) == 1 or sum(one.bytes_to_fetch for one in group) <= GROUP_BYTES


@pytest.mark.parametrize(
    ("ended", "reason"),
    [
        (Exit(0), ""),
        (Exit(4), ""),
        (Exit(3), "exit status 3"),
        (Exit(137), "exit status 137 (a process was killed, maybe out of memory)"),
        (Exit(-9), "killed by signal 9 (maybe out of memory)"),
        (Exit(-6), "killed by signal 6 (aborted)"),
        (Exit(-9, timed_out=True), "timed out after 90s"),
        (Exit(0, timed_out=True), "timed out after 90s"),
        (Exit(127, "command not found: 'x'"), "command not found: 'x'"),
    ],
)
def test_reasons(ended: Exit, reason: str) -> None:
    assert reason_of(ended, 90.0, frozenset({4})) == reason


def test_a_transform_is_read_as_protobuf_writes_it() -> None:
    code = UserCode.from_json(
        '{"cmd": ["a", "b"], "stdin": ["x", "y"], "errCmd": ["e"], "errStdin": [],'
        ' "acceptReturnCode": ["3", 4], "workingDir": "/w", "user": "u", "env": {"A": "1"}}'
    )
    assert code.input_bytes() == b"x\ny\n"
    assert code.error_input_bytes() is None
    assert code.accept_return_code == {3, 4}
    assert (code.cmd, code.err_cmd, code.working_dir, code.user) == (("a", "b"), ("e",), "/w", "u")
    assert UserCode.from_json("").cmd == ()


def test_holdings_obey_only_what_they_hold() -> None:
    holdings = Holdings()
    one, two = task(1, 1), task(1, 2)
    holdings.take([one, two])
    holdings.begin(one)
    assert not holdings.obey(Orders(kill=frozenset({"lease-2", "lease-9"})))
    assert holdings.cancelled("lease-2")
    assert not holdings.cancelled("lease-9")
    assert holdings.obey(Orders(restart=frozenset({"lease-1", "lease-2"})))
    assert holdings.take_restart("lease-1")
    assert not holdings.take_restart("lease-1")
    assert not holdings.take_restart("lease-2")
    holdings.drop(["lease-1", "lease-2"])
    assert holdings.wait_until_empty()


def test_room_is_counted_in_datums_and_bytes() -> None:
    holdings = Holdings()
    tasks = [task(60, number) for number in range(3)]
    holdings.take(tasks)
    assert holdings.wait_for_bytes(1000, 100)  # the first may have any size
    for one in tasks:
        holdings.staging(one, 60)
    holdings.start(tasks[0])
    holdings.start(tasks[1])
    assert holdings.wait_for_bytes(40, 100)
    assert holdings.wait_for_room(1)
    holdings.stop()
    assert not holdings.wait_for_room(0)
    assert not holdings.wait_for_bytes(1000, 100)
    assert holdings.cancelled("anything")
