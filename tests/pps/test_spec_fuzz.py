"""Whatever a document says, it is a spec or it is refused by name: never a crash."""

import contextlib
import json
from typing import Any

import pytest
from google.protobuf import json_format
from hypothesis import given, settings
from hypothesis import strategies as st

from dassie._proto.pps import pps_pb2
from dassie.base.documents import parse_documents
from dassie.errors import InvalidArgument, Unimplemented
from dassie.pps.spec import Spec, effective
from dassie.pps.spec_fields import ENUMS, ROOT, Field, declared, is_message
from dassie.pps.spec_json import check

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda child: st.lists(child, max_size=3) | st.dictionaries(st.text(max_size=5), child),
    max_leaves=5,
)
words = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)
seconds = st.builds("{}.{:03}s".format, st.integers(0, 10**6), st.integers(0, 999))
scalars: dict[str, st.SearchStrategy[Any]] = {
    "string": st.sampled_from(["", "a", "edges", "/*", "every_job", "[]", "{}"]) | words,
    "bool": st.booleans(),
    "int32": st.integers(-3, 300),
    "int64": st.integers(-3, 300) | st.integers(0, 300).map(str),
    "uint64": st.integers(0, 300),
    "Int64Value": st.integers(0, 300),
    "float": st.floats(0, 10, width=32),
    "Duration": seconds,
    "Timestamp": st.just("2024-01-31T12:00:00Z"),
}


def message(name: str, depth: int) -> st.SearchStrategy[dict[str, Any]]:
    """Objects with the message's fields, rightly typed, by either name."""
    found = {}
    for field in declared(name):
        if depth or not is_message(field.kind):
            found[field.json_name if depth % 2 else field.name] = value(field, depth - 1)
    return st.fixed_dictionaries({}, optional=found)


def value(field: Field, depth: int) -> st.SearchStrategy[Any]:
    one: st.SearchStrategy[Any]
    if is_message(field.kind):
        one = st.deferred(lambda: message(field.kind, depth))
    elif field.kind in ENUMS:
        one = st.sampled_from([*ENUMS[field.kind], *ENUMS[field.kind].values()])
    else:
        one = scalars[field.kind]
    if field.shape == "list":
        return st.lists(one, max_size=2)
    if field.shape == "map":
        return st.dictionaries(words, one, max_size=2)
    return one


documents = message(ROOT, 4)


def egress(document: dict[str, Any]) -> set[str]:
    return set(document.get("egress", {}))


@settings(max_examples=60, deadline=None)
@given(documents)
def test_what_is_well_typed_is_what_protobuf_reads(document: dict[str, Any]) -> None:
    if (
        len({"object_storage", "sql_database", "objectStorage", "sqlDatabase"} & egress(document))
        > 1
    ):
        with pytest.raises(InvalidArgument, match="only one of objectStorage, sqlDatabase"):
            check(document)
        return
    canonical = check(document)
    ours = json_format.ParseDict(canonical, pps_pb2.CreatePipelineRequest())
    assert ours == json_format.ParseDict(document, pps_pb2.CreatePipelineRequest())
    assert check(json_format.MessageToDict(ours)) is not None


@settings(max_examples=60, deadline=None)
@given(documents)
def test_a_spec_or_a_refusal(document: dict[str, Any]) -> None:
    with contextlib.suppress(InvalidArgument, Unimplemented):
        spec = Spec.from_json(effective(document))
        assert Spec.from_json(spec.json) == spec
        assert spec.input_branches
        json_format.ParseDict(spec.input.json, pps_pb2.Input())


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.sampled_from([f.name for f in declared(ROOT)]), anything))
def test_anything_else_is_refused(document: dict[str, Any]) -> None:
    with contextlib.suppress(InvalidArgument, Unimplemented):
        Spec.from_json(effective(document))


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=60) | st.text("{}[]:,-\"'&*!|> \n#ab1", max_size=60))
def test_any_text(text: str) -> None:
    with contextlib.suppress(InvalidArgument):
        parse_documents(text)


@settings(max_examples=30, deadline=None)
@given(st.lists(documents, min_size=1, max_size=3))
def test_json_text_says_what_it_was_made_of(many: list[dict[str, Any]]) -> None:
    assert parse_documents(json.dumps(many)) == many
    assert parse_documents("\n".join(map(json.dumps, many))) == many
