from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Outcome(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    OUTCOME_UNKNOWN: _ClassVar[Outcome]
    SUCCESS: _ClassVar[Outcome]
    FAILED: _ClassVar[Outcome]
    RECOVERED: _ClassVar[Outcome]
OUTCOME_UNKNOWN: Outcome
SUCCESS: Outcome
FAILED: Outcome
RECOVERED: Outcome

class RegisterRequest(_message.Message):
    __slots__ = ("worker_id", "pid", "sandbox")
    WORKER_ID_FIELD_NUMBER: _ClassVar[int]
    PID_FIELD_NUMBER: _ClassVar[int]
    SANDBOX_FIELD_NUMBER: _ClassVar[int]
    worker_id: str
    pid: int
    sandbox: str
    def __init__(self, worker_id: _Optional[str] = ..., pid: _Optional[int] = ..., sandbox: _Optional[str] = ...) -> None: ...

class RegisterResponse(_message.Message):
    __slots__ = ("project", "pipeline", "pipeline_version", "transform_json", "storage_json", "datum_tries", "datum_timeout_ms", "env", "heartbeat_ms", "session")
    class EnvEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    PIPELINE_FIELD_NUMBER: _ClassVar[int]
    PIPELINE_VERSION_FIELD_NUMBER: _ClassVar[int]
    TRANSFORM_JSON_FIELD_NUMBER: _ClassVar[int]
    STORAGE_JSON_FIELD_NUMBER: _ClassVar[int]
    DATUM_TRIES_FIELD_NUMBER: _ClassVar[int]
    DATUM_TIMEOUT_MS_FIELD_NUMBER: _ClassVar[int]
    ENV_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_MS_FIELD_NUMBER: _ClassVar[int]
    SESSION_FIELD_NUMBER: _ClassVar[int]
    project: str
    pipeline: str
    pipeline_version: int
    transform_json: str
    storage_json: str
    datum_tries: int
    datum_timeout_ms: int
    env: _containers.ScalarMap[str, str]
    heartbeat_ms: int
    session: int
    def __init__(self, project: _Optional[str] = ..., pipeline: _Optional[str] = ..., pipeline_version: _Optional[int] = ..., transform_json: _Optional[str] = ..., storage_json: _Optional[str] = ..., datum_tries: _Optional[int] = ..., datum_timeout_ms: _Optional[int] = ..., env: _Optional[_Mapping[str, str]] = ..., heartbeat_ms: _Optional[int] = ..., session: _Optional[int] = ...) -> None: ...

class LeaseRequest(_message.Message):
    __slots__ = ("worker_id", "max", "wait_ms")
    WORKER_ID_FIELD_NUMBER: _ClassVar[int]
    MAX_FIELD_NUMBER: _ClassVar[int]
    WAIT_MS_FIELD_NUMBER: _ClassVar[int]
    worker_id: str
    max: int
    wait_ms: int
    def __init__(self, worker_id: _Optional[str] = ..., max: _Optional[int] = ..., wait_ms: _Optional[int] = ...) -> None: ...

class LeaseResponse(_message.Message):
    __slots__ = ("datums", "stop")
    DATUMS_FIELD_NUMBER: _ClassVar[int]
    STOP_FIELD_NUMBER: _ClassVar[int]
    datums: _containers.RepeatedCompositeFieldContainer[Datum]
    stop: bool
    def __init__(self, datums: _Optional[_Iterable[_Union[Datum, _Mapping]]] = ..., stop: _Optional[bool] = ...) -> None: ...

class Datum(_message.Message):
    __slots__ = ("lease", "job_id", "datum_id", "attempt", "inputs", "env", "timeout_ms")
    class EnvEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    LEASE_FIELD_NUMBER: _ClassVar[int]
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    DATUM_ID_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    INPUTS_FIELD_NUMBER: _ClassVar[int]
    ENV_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_MS_FIELD_NUMBER: _ClassVar[int]
    lease: str
    job_id: str
    datum_id: str
    attempt: int
    inputs: _containers.RepeatedCompositeFieldContainer[Input]
    env: _containers.ScalarMap[str, str]
    timeout_ms: int
    def __init__(self, lease: _Optional[str] = ..., job_id: _Optional[str] = ..., datum_id: _Optional[str] = ..., attempt: _Optional[int] = ..., inputs: _Optional[_Iterable[_Union[Input, _Mapping]]] = ..., env: _Optional[_Mapping[str, str]] = ..., timeout_ms: _Optional[int] = ...) -> None: ...

class Input(_message.Message):
    __slots__ = ("name", "path", "hash", "ref", "size", "files", "lazy", "empty_files")
    NAME_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    HASH_FIELD_NUMBER: _ClassVar[int]
    REF_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    FILES_FIELD_NUMBER: _ClassVar[int]
    LAZY_FIELD_NUMBER: _ClassVar[int]
    EMPTY_FILES_FIELD_NUMBER: _ClassVar[int]
    name: str
    path: str
    hash: bytes
    ref: bytes
    size: int
    files: int
    lazy: bool
    empty_files: bool
    def __init__(self, name: _Optional[str] = ..., path: _Optional[str] = ..., hash: _Optional[bytes] = ..., ref: _Optional[bytes] = ..., size: _Optional[int] = ..., files: _Optional[int] = ..., lazy: _Optional[bool] = ..., empty_files: _Optional[bool] = ...) -> None: ...

class Output(_message.Message):
    __slots__ = ("hash", "ref", "size", "files")
    HASH_FIELD_NUMBER: _ClassVar[int]
    REF_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    FILES_FIELD_NUMBER: _ClassVar[int]
    hash: bytes
    ref: bytes
    size: int
    files: int
    def __init__(self, hash: _Optional[bytes] = ..., ref: _Optional[bytes] = ..., size: _Optional[int] = ..., files: _Optional[int] = ...) -> None: ...

class Result(_message.Message):
    __slots__ = ("lease", "job_id", "datum_id", "outcome", "reason", "output", "download_bytes", "upload_bytes", "download_us", "process_us", "upload_us", "tries", "started_us")
    LEASE_FIELD_NUMBER: _ClassVar[int]
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    DATUM_ID_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_FIELD_NUMBER: _ClassVar[int]
    DOWNLOAD_BYTES_FIELD_NUMBER: _ClassVar[int]
    UPLOAD_BYTES_FIELD_NUMBER: _ClassVar[int]
    DOWNLOAD_US_FIELD_NUMBER: _ClassVar[int]
    PROCESS_US_FIELD_NUMBER: _ClassVar[int]
    UPLOAD_US_FIELD_NUMBER: _ClassVar[int]
    TRIES_FIELD_NUMBER: _ClassVar[int]
    STARTED_US_FIELD_NUMBER: _ClassVar[int]
    lease: str
    job_id: str
    datum_id: str
    outcome: Outcome
    reason: str
    output: Output
    download_bytes: int
    upload_bytes: int
    download_us: int
    process_us: int
    upload_us: int
    tries: int
    started_us: int
    def __init__(self, lease: _Optional[str] = ..., job_id: _Optional[str] = ..., datum_id: _Optional[str] = ..., outcome: _Optional[_Union[Outcome, str]] = ..., reason: _Optional[str] = ..., output: _Optional[_Union[Output, _Mapping]] = ..., download_bytes: _Optional[int] = ..., upload_bytes: _Optional[int] = ..., download_us: _Optional[int] = ..., process_us: _Optional[int] = ..., upload_us: _Optional[int] = ..., tries: _Optional[int] = ..., started_us: _Optional[int] = ...) -> None: ...

class ReportRequest(_message.Message):
    __slots__ = ("worker_id", "results")
    WORKER_ID_FIELD_NUMBER: _ClassVar[int]
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    worker_id: str
    results: _containers.RepeatedCompositeFieldContainer[Result]
    def __init__(self, worker_id: _Optional[str] = ..., results: _Optional[_Iterable[_Union[Result, _Mapping]]] = ...) -> None: ...

class ReportResponse(_message.Message):
    __slots__ = ("refused",)
    REFUSED_FIELD_NUMBER: _ClassVar[int]
    refused: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, refused: _Optional[_Iterable[str]] = ...) -> None: ...

class HeartbeatRequest(_message.Message):
    __slots__ = ("worker_id", "leases", "running", "running_since_us")
    WORKER_ID_FIELD_NUMBER: _ClassVar[int]
    LEASES_FIELD_NUMBER: _ClassVar[int]
    RUNNING_FIELD_NUMBER: _ClassVar[int]
    RUNNING_SINCE_US_FIELD_NUMBER: _ClassVar[int]
    worker_id: str
    leases: _containers.RepeatedScalarFieldContainer[str]
    running: str
    running_since_us: int
    def __init__(self, worker_id: _Optional[str] = ..., leases: _Optional[_Iterable[str]] = ..., running: _Optional[str] = ..., running_since_us: _Optional[int] = ...) -> None: ...

class HeartbeatResponse(_message.Message):
    __slots__ = ("kill", "restart")
    KILL_FIELD_NUMBER: _ClassVar[int]
    RESTART_FIELD_NUMBER: _ClassVar[int]
    kill: _containers.RepeatedScalarFieldContainer[str]
    restart: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, kill: _Optional[_Iterable[str]] = ..., restart: _Optional[_Iterable[str]] = ...) -> None: ...

class LogLine(_message.Message):
    __slots__ = ("ts_us", "job_id", "datum_id", "user", "message")
    TS_US_FIELD_NUMBER: _ClassVar[int]
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    DATUM_ID_FIELD_NUMBER: _ClassVar[int]
    USER_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    ts_us: int
    job_id: str
    datum_id: str
    user: bool
    message: str
    def __init__(self, ts_us: _Optional[int] = ..., job_id: _Optional[str] = ..., datum_id: _Optional[str] = ..., user: _Optional[bool] = ..., message: _Optional[str] = ...) -> None: ...

class LogRequest(_message.Message):
    __slots__ = ("worker_id", "lines")
    WORKER_ID_FIELD_NUMBER: _ClassVar[int]
    LINES_FIELD_NUMBER: _ClassVar[int]
    worker_id: str
    lines: _containers.RepeatedCompositeFieldContainer[LogLine]
    def __init__(self, worker_id: _Optional[str] = ..., lines: _Optional[_Iterable[_Union[LogLine, _Mapping]]] = ...) -> None: ...

class LogResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class FindChunksRequest(_message.Message):
    __slots__ = ("hashes",)
    HASHES_FIELD_NUMBER: _ClassVar[int]
    hashes: bytes
    def __init__(self, hashes: _Optional[bytes] = ...) -> None: ...

class FindChunksResponse(_message.Message):
    __slots__ = ("found", "packs", "pack", "offsets", "stored", "lengths", "codecs")
    FOUND_FIELD_NUMBER: _ClassVar[int]
    PACKS_FIELD_NUMBER: _ClassVar[int]
    PACK_FIELD_NUMBER: _ClassVar[int]
    OFFSETS_FIELD_NUMBER: _ClassVar[int]
    STORED_FIELD_NUMBER: _ClassVar[int]
    LENGTHS_FIELD_NUMBER: _ClassVar[int]
    CODECS_FIELD_NUMBER: _ClassVar[int]
    found: bytes
    packs: _containers.RepeatedScalarFieldContainer[str]
    pack: _containers.RepeatedScalarFieldContainer[int]
    offsets: _containers.RepeatedScalarFieldContainer[int]
    stored: _containers.RepeatedScalarFieldContainer[int]
    lengths: _containers.RepeatedScalarFieldContainer[int]
    codecs: bytes
    def __init__(self, found: _Optional[bytes] = ..., packs: _Optional[_Iterable[str]] = ..., pack: _Optional[_Iterable[int]] = ..., offsets: _Optional[_Iterable[int]] = ..., stored: _Optional[_Iterable[int]] = ..., lengths: _Optional[_Iterable[int]] = ..., codecs: _Optional[bytes] = ...) -> None: ...

class AddPackRequest(_message.Message):
    __slots__ = ("key", "size", "hashes", "offsets", "stored", "lengths", "codecs")
    KEY_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    HASHES_FIELD_NUMBER: _ClassVar[int]
    OFFSETS_FIELD_NUMBER: _ClassVar[int]
    STORED_FIELD_NUMBER: _ClassVar[int]
    LENGTHS_FIELD_NUMBER: _ClassVar[int]
    CODECS_FIELD_NUMBER: _ClassVar[int]
    key: str
    size: int
    hashes: bytes
    offsets: _containers.RepeatedScalarFieldContainer[int]
    stored: _containers.RepeatedScalarFieldContainer[int]
    lengths: _containers.RepeatedScalarFieldContainer[int]
    codecs: bytes
    def __init__(self, key: _Optional[str] = ..., size: _Optional[int] = ..., hashes: _Optional[bytes] = ..., offsets: _Optional[_Iterable[int]] = ..., stored: _Optional[_Iterable[int]] = ..., lengths: _Optional[_Iterable[int]] = ..., codecs: _Optional[bytes] = ...) -> None: ...

class AddPackResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...
