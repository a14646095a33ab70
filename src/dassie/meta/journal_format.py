"""The journal's stored format, version 1. Pure. The page about it is docs/formats/journal.md.

A journal object is zstd-compressed lines of JSON: a header, then one line per transaction with its
number and its row changes. A checkpoint is the same with the rows of whole tables. Golden bytes in
`tests/data` hold old versions readable.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import zstandard

from dassie.errors import DataLoss

VERSION: Final = 1
JOURNAL_PREFIX: Final = "journal/"
CHECKPOINT_PREFIX: Final = "checkpoint/"
ROWS_PER_LINE: Final = 1000
_PIECE: Final = 64 * 1024
"""Compressed bytes unpacked at a time."""

INSERT, UPDATE, DELETE, COUNTER = "i", "u", "d", "c"
"""Kinds of changes: [i, table, row] [u, table, key, values] [d, table, key] [c, counter, value]."""

Change = list[Any]


@dataclass(frozen=True, slots=True)
class Entry:
    """One transaction."""

    seq: int
    changes: Sequence[Change]


@dataclass(frozen=True, slots=True)
class TableRows:
    """Some rows of one table, in a checkpoint."""

    table: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]


def journal_key(first: int, last: int) -> str:
    """Key of the object that holds transactions `first` to `last`."""
    return f"{JOURNAL_PREFIX}{first:016x}-{last:016x}"


def journal_span(key: str) -> tuple[int, int]:
    """The inverse of `journal_key`."""
    first, _, last = key.removeprefix(JOURNAL_PREFIX).partition("-")
    return _number(first, key), _number(last, key)


def checkpoint_key(seq: int) -> str:
    """Key of the checkpoint that includes all transactions up to `seq`."""
    return f"{CHECKPOINT_PREFIX}{seq:016x}"


def checkpoint_seq(key: str) -> int:
    """The inverse of `checkpoint_key`."""
    return _number(key.removeprefix(CHECKPOINT_PREFIX), key)


def _number(text: str, key: str) -> int:
    try:
        return int(text, 16)
    except ValueError:
        raise DataLoss(f"object {key!r} is not named like one of the journal") from None


def encode_changes(changes: Sequence[Change]) -> str:
    """Changes as JSON; bytes become `{"b": base64}`."""
    return _dump(changes)


def _dump(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, default=_encode)


def _encode(value: object) -> object:
    if isinstance(value, bytes | bytearray | memoryview):
        return {"b": b64encode(value).decode("ascii")}
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"a {type(value).__name__} cannot be journaled")


def decode_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row's columns, as written by `encode_changes`."""
    return {name: decode_value(value) for name, value in row.items()}


def decode_value(value: Any) -> Any:
    return b64decode(value["b"]) if isinstance(value, dict) else value


def encode_journal(entries: Sequence[tuple[int, str]]) -> list[bytes]:
    """A journal object from (number, encoded changes) of consecutive transactions."""
    head = _header("journal", seq=entries[-1][0])
    lines = (f'{{"seq":{seq},"changes":{changes}}}' for seq, changes in entries)
    return list(_compress([head], lines))


def encode_checkpoint(seq: int, tables: Iterable[TableRows]) -> list[bytes]:
    """A checkpoint object; `tables` may be many and is consumed as it comes."""
    lines = (
        _dump({"table": part.table, "columns": part.columns, "rows": part.rows}) for part in tables
    )
    return list(_compress([_header("checkpoint", seq=seq)], lines))


def decode_journal(key: str, data: bytes) -> Iterator[Entry]:
    """The transactions in a journal object."""
    for line in _lines("journal", key, data):
        yield Entry(line["seq"], line["changes"])


def decode_checkpoint(key: str, data: bytes) -> Iterator[TableRows]:
    """The rows in a checkpoint object."""
    for line in _lines("checkpoint", key, data):
        rows = [[decode_value(value) for value in row] for row in line["rows"]]
        yield TableRows(line["table"], line["columns"], rows)


def _header(kind: str, *, seq: int) -> str:
    return _dump({"dassie": kind, "version": VERSION, "seq": seq})


def _compress(*parts: Iterable[str]) -> Iterator[bytes]:
    compressor = zstandard.ZstdCompressor(level=3, write_checksum=True).compressobj()
    for part in parts:
        for line in part:
            data = compressor.compress(line.encode() + b"\n")
            if data:
                yield data
    yield compressor.flush()


def _lines(kind: str, key: str, data: bytes) -> Iterator[Any]:
    """The decoded lines behind the header, one at a time."""
    try:
        # JSON escapes line ends inside strings: a line end ends a line.
        lines = _decompressed_lines(data)
        head = json.loads(next(lines))
        if head["dassie"] != kind or head["version"] != VERSION:
            raise DataLoss(f"object {key!r} has a format that this version cannot read: {head}")
        for line in lines:
            yield json.loads(line)
    except (zstandard.ZstdError, ValueError, LookupError, TypeError, StopIteration) as error:
        raise DataLoss(f"object {key!r} is damaged: {error or 'it is empty'}") from error


def _decompressed_lines(data: bytes) -> Iterator[bytes]:
    decompressor = zstandard.ZstdDecompressor().decompressobj()
    rest = b""
    for at in range(0, len(data), _PIECE):
        *lines, rest = (rest + decompressor.decompress(data[at : at + _PIECE])).split(b"\n")
        yield from lines
    if not decompressor.eof or rest:
        raise ValueError("it ends too early")
