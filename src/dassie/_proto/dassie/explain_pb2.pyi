from dassie._proto.pps import pps_pb2 as _pps_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class WhyRequest(_message.Message):
    __slots__ = ("job", "datum_id")
    JOB_FIELD_NUMBER: _ClassVar[int]
    DATUM_ID_FIELD_NUMBER: _ClassVar[int]
    job: _pps_pb2.Job
    datum_id: str
    def __init__(self, job: _Optional[_Union[_pps_pb2.Job, _Mapping]] = ..., datum_id: _Optional[str] = ...) -> None: ...

class DatumReason(_message.Message):
    __slots__ = ("datum", "state", "decision", "reason", "changed", "previous_job", "paths")
    DATUM_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    DECISION_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    CHANGED_FIELD_NUMBER: _ClassVar[int]
    PREVIOUS_JOB_FIELD_NUMBER: _ClassVar[int]
    PATHS_FIELD_NUMBER: _ClassVar[int]
    datum: _pps_pb2.Datum
    state: _pps_pb2.DatumState
    decision: str
    reason: str
    changed: _containers.RepeatedScalarFieldContainer[str]
    previous_job: _pps_pb2.Job
    paths: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, datum: _Optional[_Union[_pps_pb2.Datum, _Mapping]] = ..., state: _Optional[_Union[_pps_pb2.DatumState, str]] = ..., decision: _Optional[str] = ..., reason: _Optional[str] = ..., changed: _Optional[_Iterable[str]] = ..., previous_job: _Optional[_Union[_pps_pb2.Job, _Mapping]] = ..., paths: _Optional[_Iterable[str]] = ...) -> None: ...
