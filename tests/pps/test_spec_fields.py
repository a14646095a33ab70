"""The spec's field table says what the wire API says."""

import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from dassie._proto.pps import pps_pb2
from dassie.pps.spec_fields import ENUMS, ONEOFS, Field, declared, is_message, messages

SCALARS = {
    FieldDescriptor.TYPE_STRING: "string",
    FieldDescriptor.TYPE_BOOL: "bool",
    FieldDescriptor.TYPE_INT32: "int32",
    FieldDescriptor.TYPE_INT64: "int64",
    FieldDescriptor.TYPE_UINT64: "uint64",
    FieldDescriptor.TYPE_FLOAT: "float",
}
RENAMED = {"EgressSecret": "Secret", "FileFormatType": "Type"}


def kind_of(field: FieldDescriptor) -> str:
    if field.type == FieldDescriptor.TYPE_MESSAGE:
        return str(field.message_type.name)
    if field.type == FieldDescriptor.TYPE_ENUM:
        return str(field.enum_type.name)
    return SCALARS[field.type]


def is_map(field: FieldDescriptor) -> bool:
    return bool(field.message_type and field.message_type.GetOptions().map_entry)


def compare(message: str, descriptor: Descriptor, seen: set[str]) -> None:
    if message in seen:
        return
    seen.add(message)
    ours = {field.name: field for field in declared(message)}
    assert ours.keys() == {field.name for field in descriptor.fields}
    oneofs = tuple(f.json_name for oneof in descriptor.oneofs for f in oneof.fields)
    assert ONEOFS.get(message, ()) == oneofs
    for theirs in descriptor.fields:
        field = ours[theirs.name]
        assert field.json_name == theirs.json_name
        compare_field(field, theirs, seen)


def compare_field(field: Field, theirs: FieldDescriptor, seen: set[str]) -> None:
    if is_map(theirs):
        keys, values = theirs.message_type.fields
        assert (field.shape, kind_of(keys)) == ("map", "string")
        theirs = values
    else:
        assert field.shape == ("list" if theirs.is_repeated else "one")
    assert RENAMED.get(field.kind, field.kind) == kind_of(theirs)
    if is_message(field.kind):
        compare(field.kind, theirs.message_type, seen)
    elif field.kind in ENUMS:
        assert dict(ENUMS[field.kind]) == {v.name: v.number for v in theirs.enum_type.values}


def test_table_is_the_generated_descriptor() -> None:
    seen: set[str] = set()
    for message in ("CreatePipelineRequest", "ClusterDefaults", "ProjectDefaults"):
        compare(message, pps_pb2.DESCRIPTOR.message_types_by_name[message], seen)
    assert seen == set(messages())


@pytest.mark.parametrize("message", messages())
def test_every_kind_is_known(message: str) -> None:
    scalars = {*SCALARS.values(), "Duration", "Timestamp", "Int64Value"}
    for field in declared(message):
        assert is_message(field.kind) or field.kind in ENUMS or field.kind in scalars
