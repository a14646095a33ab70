"""Text from where people keep it: a file, `-` for stdin, or a URL. Called by the commands on specs
and by `put file`.

Templates and specs are small: they are read whole, up to a limit.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import BinaryIO

from dassie.errors import FailedPrecondition, InvalidArgument, NotFound

MAX_BYTES = 16 << 20
_TIMEOUT_S = 30.0


def read_text(source: str) -> str:
    """The text at `source`, which errors name."""
    if source == "-":
        data = sys.stdin.buffer.read(MAX_BYTES + 1)
    elif is_url(source):
        data = _fetch(source)
    else:
        try:
            with Path(source).open("rb") as file:
                data = file.read(MAX_BYTES + 1)
        except FileNotFoundError:
            raise NotFound(f"no file {source}") from None
    if len(data) > MAX_BYTES:
        raise InvalidArgument(f"{source} is larger than {MAX_BYTES >> 20} MiB")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise InvalidArgument(f"{source} is not UTF-8 text: {error.reason}") from None


def is_url(source: str) -> bool:
    return source.startswith(("http://", "https://"))


def open_url(url: str) -> BinaryIO:
    """The content behind a web address, as a stream."""
    from urllib.error import URLError
    from urllib.request import urlopen

    try:
        answer: BinaryIO = urlopen(url, timeout=_TIMEOUT_S)  # noqa: S310 - http and https only
    except (URLError, TimeoutError) as error:
        raise FailedPrecondition(f"cannot fetch {url}: {error}") from None
    return answer


def _fetch(url: str) -> bytes:
    with open_url(url) as answer:
        return answer.read(MAX_BYTES + 1)
