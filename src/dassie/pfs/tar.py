"""Headers of a ustar/pax archive, written by hand. Pure. Called by `pfs.reading`.

The standard library's writer costs more per small file than everything else on the read path
together; this one fills a template. A name or size that ustar cannot hold goes into a pax record
before the entry.
"""

from __future__ import annotations

from functools import lru_cache

BLOCK_BYTES = 512
END = bytes(2 * BLOCK_BYTES)
"""Marks the end of the archive."""

_MAX_USTAR_SIZE = 8**11 - 1
_NAME_BYTES = 100
_FILE, _DIRECTORY, _PAX = b"0", b"5", b"x"
_FILE_MODE, _DIRECTORY_MODE = 0o644, 0o755
_OWNER = b"0000000\0"


def padding(size: int) -> bytes:
    """What follows the data of a file of `size` bytes."""
    return bytes(-size % BLOCK_BYTES)


def entry(path: str, size: int, mtime_s: int) -> bytes:
    """The blocks before a file's data. A path that ends with `/` is a directory and has no data."""
    name = path.encode()
    kind = _DIRECTORY if path.endswith("/") else _FILE
    size = 0 if kind == _DIRECTORY else size
    if len(name) <= _NAME_BYTES and size <= _MAX_USTAR_SIZE and path.isascii():
        return _block(name, size, kind, mtime_s)
    records = b""
    if len(name) > _NAME_BYTES or not path.isascii():
        records += _record(b"path", name)
    if size > _MAX_USTAR_SIZE:
        records += _record(b"size", str(size).encode())
    # Readers that know no pax see the shortened name; a size they cannot hold has to be wrong.
    shortened = name[: _NAME_BYTES - 1] + (b"/" if kind == _DIRECTORY else b"")
    return b"".join(
        (
            _block(b"./PaxHeaders/file", len(records), _PAX, mtime_s),
            records,
            padding(len(records)),
            _block(shortened, min(size, _MAX_USTAR_SIZE), kind, mtime_s),
        )
    )


def _record(key: bytes, value: bytes) -> bytes:
    """One pax record: its own length in decimal, counting those digits too, then `key=value`."""
    rest = b" %s=%s\n" % (key, value)
    length = len(rest)
    while len(b"%d" % length) + len(rest) != length:
        length = len(b"%d" % length) + len(rest)
    return b"%d%s" % (length, rest)


@lru_cache(maxsize=64)
def _fixed(kind: bytes, mtime_s: int) -> tuple[bytes, bytes, bytes, int]:
    """The parts of a header that entries share, and the checksum over them."""
    mode = _DIRECTORY_MODE if kind == _DIRECTORY else _FILE_MODE
    before_size = b"%07o\0%s%s" % (mode, _OWNER, _OWNER)
    after_size = b"%011o\0" % max(0, min(mtime_s, _MAX_USTAR_SIZE))
    after_checksum = (kind + bytes(100) + b"ustar\0" + b"00").ljust(BLOCK_BYTES - 156, b"\0")
    fixed = sum(before_size) + sum(after_size) + sum(after_checksum) + 8 * ord(" ")
    return before_size, after_size, after_checksum, fixed


def _block(name: bytes, size: int, kind: bytes, mtime_s: int) -> bytes:
    before_size, after_size, after_checksum, fixed = _fixed(kind, mtime_s)
    size_field = b"%011o\0" % size
    checksum = fixed + sum(name) + sum(size_field)
    return b"".join(
        (
            name.ljust(_NAME_BYTES, b"\0"),
            before_size,
            size_field,
            after_size,
            b"%06o\0 " % checksum,
            after_checksum,
        )
    )
