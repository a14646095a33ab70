"""What YAML means in a pipeline spec. Pure. Used by `documents` alone, and only for YAML.

Specs are read as YAML's newer readers do: no dates, no yes/no/on/off, no repeated keys.
"""

from __future__ import annotations

import re
from typing import Any, Final

import yaml

from dassie.errors import InvalidArgument


class NestedTooDeeply(InvalidArgument):
    """There are more levels than any document needs."""


class SpecLoader(yaml.SafeLoader):
    """YAML as specs are written: no dates, no yes/no/on/off, no repeated keys."""

    def __init__(self, text: str, max_depth: int) -> None:
        super().__init__(text)
        self.max_depth = max_depth
        self.depth = 0

    def fetch_flow_collection_start(self, token_class: Any) -> None:
        """Brackets: the scanner looks far ahead, and gets slow inside many of them."""
        if self.flow_level > self.max_depth:
            raise NestedTooDeeply
        super().fetch_flow_collection_start(token_class)

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """Reads lazily, so that text of any depth is left where it gets too deep."""
        self.depth += 1
        if self.depth > self.max_depth + 1:
            raise NestedTooDeeply
        node: yaml.Node | None = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    line = key.start_mark.line + 1
                    raise InvalidArgument(f'field "{key.value}" is given twice (line {line})')
                seen.add(key.value)
        return super().construct_mapping(node, deep)


def load_all(text: str, max_depth: int) -> list[Any]:
    """Every document in `text`."""
    loader = SpecLoader(text, max_depth)
    found = []
    try:
        while loader.check_data():  # type: ignore[no-untyped-call]
            found.append(loader.get_data())
    finally:
        loader.dispose()
    return found


_IMPLICIT: Final = {
    "tag:yaml.org,2002:bool": (re.compile(r"(?:true|True|TRUE|false|False|FALSE)\Z"), "tTfF"),
    "tag:yaml.org,2002:null": (re.compile(r"(?:~|null|Null|NULL|)\Z"), ["~", "n", "N", ""]),
    "tag:yaml.org,2002:int": (
        re.compile(r"(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)\Z"),
        "-+0123456789",
    ),
    "tag:yaml.org,2002:float": (
        re.compile(r"(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?)\Z"),
        "-+0123456789.",
    ),
    "tag:yaml.org,2002:merge": (re.compile(r"<<\Z"), "<"),
}
SpecLoader.yaml_implicit_resolvers = {}
for _tag, (_pattern, _first) in _IMPLICIT.items():
    SpecLoader.add_implicit_resolver(_tag, _pattern, list(_first))


def _yaml_int(loader: SpecLoader, node: yaml.ScalarNode) -> int:
    text = str(loader.construct_scalar(node))
    return int(text, 0) if text[:2] in {"0o", "0x"} else int(text)


SpecLoader.add_constructor("tag:yaml.org,2002:int", _yaml_int)
