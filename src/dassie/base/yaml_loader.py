"""What YAML means in a pipeline spec. Pure. Used by `documents` alone, and only for YAML.

Specs are read as YAML's newer readers do: no dates, no yes/no/on/off, no repeated keys.
"""

from __future__ import annotations

import re
from typing import Any, Final

import yaml

from dassie.errors import InvalidArgument


class SpecLoader(yaml.SafeLoader):
    """YAML as specs are written: no dates, no yes/no/on/off, no repeated keys."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    line = key.start_mark.line + 1
                    raise InvalidArgument(f'field "{key.value}" is given twice (line {line})')
                seen.add(key.value)
        return super().construct_mapping(node, deep)


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
