"""Answers as JSON and YAML. Called by `output`, and by listings that are long.

`json.dumps` with an indent and `MessageToDict` each cost a hundred microseconds for a file of a
listing, and a listing may have a million of them. What is written is the same.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterable, Iterator
from functools import lru_cache
from json.encoder import encode_basestring
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from dassie.client.listing import Listed


def plain(message: Any) -> Any:
    """A protobuf message as plain data: proto field names, as Pachyderm's own JSON has them."""
    from google.protobuf.json_format import MessageToDict

    return MessageToDict(message, preserving_proto_field_name=True)


def plain_files(listed: Iterable[Listed]) -> Iterator[dict[str, Any]]:
    """What `plain` makes of the `FileInfo` of each. All are of one commit."""
    commit: Any = None
    shared: dict[str, Any] = {}
    committed: dict[str, str] = {}
    for one in listed:
        if one.commit is not commit:
            commit, shared = one.commit, plain(one.commit)
            has_ended = one.committed.seconds or one.committed.nanos
            committed = {"committed": one.committed.ToJsonString()} if has_ended else {}
        yield {
            "file": {"commit": shared, "path": one.path},
            "file_type": "DIR" if one.path.endswith("/") else "FILE",
            **committed,
            **({"size_bytes": str(one.size)} if one.size else {}),
            "hash": b64encode(one.hash).decode(),
        }


def json_text(value: Any, newline: str = "\n") -> str:
    """As `json.dumps(value, indent=2, ensure_ascii=False)`, five times as fast."""
    if isinstance(value, str):
        return encode_basestring(value)
    if isinstance(value, dict) and value:
        inner = newline + "  "
        members = [f"{inner}{_key(name)}: {json_text(item, inner)}" for name, item in value.items()]
        return f"{{{','.join(members)}{newline}}}"
    if isinstance(value, list) and value:
        inner = newline + "  "
        return f"[{','.join([inner + json_text(item, inner) for item in value])}{newline}]"
    return json.dumps(value)


@lru_cache(maxsize=4096)
def _key(name: str) -> str:
    return encode_basestring(name)


def write_yaml(value: Any, out: TextIO) -> None:
    import yaml

    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    yaml.dump(value, out, Dumper=dumper, sort_keys=False, allow_unicode=True)
