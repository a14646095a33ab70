import datetime

from dassie._proto.pfs import pfs_pb2 as _pfs_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class PutRequest(_message.Message):
    __slots__ = ("open", "query", "chunks", "files", "deletes", "passed")
    OPEN_FIELD_NUMBER: _ClassVar[int]
    QUERY_FIELD_NUMBER: _ClassVar[int]
    CHUNKS_FIELD_NUMBER: _ClassVar[int]
    FILES_FIELD_NUMBER: _ClassVar[int]
    DELETES_FIELD_NUMBER: _ClassVar[int]
    PASSED_FIELD_NUMBER: _ClassVar[int]
    open: Open
    query: Query
    chunks: Chunks
    files: Files
    deletes: Deletes
    passed: PassedFile
    def __init__(self, open: _Optional[_Union[Open, _Mapping]] = ..., query: _Optional[_Union[Query, _Mapping]] = ..., chunks: _Optional[_Union[Chunks, _Mapping]] = ..., files: _Optional[_Union[Files, _Mapping]] = ..., deletes: _Optional[_Union[Deletes, _Mapping]] = ..., passed: _Optional[_Union[PassedFile, _Mapping]] = ...) -> None: ...

class Open(_message.Message):
    __slots__ = ("commit", "expected_root_hash", "pass_files")
    COMMIT_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_ROOT_HASH_FIELD_NUMBER: _ClassVar[int]
    PASS_FILES_FIELD_NUMBER: _ClassVar[int]
    commit: _pfs_pb2.Commit
    expected_root_hash: bytes
    pass_files: bool
    def __init__(self, commit: _Optional[_Union[_pfs_pb2.Commit, _Mapping]] = ..., expected_root_hash: _Optional[bytes] = ..., pass_files: _Optional[bool] = ...) -> None: ...

class Query(_message.Message):
    __slots__ = ("id", "hashes")
    ID_FIELD_NUMBER: _ClassVar[int]
    HASHES_FIELD_NUMBER: _ClassVar[int]
    id: int
    hashes: bytes
    def __init__(self, id: _Optional[int] = ..., hashes: _Optional[bytes] = ...) -> None: ...

class Chunks(_message.Message):
    __slots__ = ("hashes", "lengths", "data")
    HASHES_FIELD_NUMBER: _ClassVar[int]
    LENGTHS_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    hashes: bytes
    lengths: _containers.RepeatedScalarFieldContainer[int]
    data: bytes
    def __init__(self, hashes: _Optional[bytes] = ..., lengths: _Optional[_Iterable[int]] = ..., data: _Optional[bytes] = ...) -> None: ...

class Files(_message.Message):
    __slots__ = ("paths", "sizes", "hashes", "chunk_counts", "chunk_hashes", "chunk_lengths", "append")
    PATHS_FIELD_NUMBER: _ClassVar[int]
    SIZES_FIELD_NUMBER: _ClassVar[int]
    HASHES_FIELD_NUMBER: _ClassVar[int]
    CHUNK_COUNTS_FIELD_NUMBER: _ClassVar[int]
    CHUNK_HASHES_FIELD_NUMBER: _ClassVar[int]
    CHUNK_LENGTHS_FIELD_NUMBER: _ClassVar[int]
    APPEND_FIELD_NUMBER: _ClassVar[int]
    paths: _containers.RepeatedScalarFieldContainer[str]
    sizes: _containers.RepeatedScalarFieldContainer[int]
    hashes: bytes
    chunk_counts: _containers.RepeatedScalarFieldContainer[int]
    chunk_hashes: bytes
    chunk_lengths: _containers.RepeatedScalarFieldContainer[int]
    append: bool
    def __init__(self, paths: _Optional[_Iterable[str]] = ..., sizes: _Optional[_Iterable[int]] = ..., hashes: _Optional[bytes] = ..., chunk_counts: _Optional[_Iterable[int]] = ..., chunk_hashes: _Optional[bytes] = ..., chunk_lengths: _Optional[_Iterable[int]] = ..., append: _Optional[bool] = ...) -> None: ...

class Deletes(_message.Message):
    __slots__ = ("paths",)
    PATHS_FIELD_NUMBER: _ClassVar[int]
    paths: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, paths: _Optional[_Iterable[str]] = ...) -> None: ...

class PassedFile(_message.Message):
    __slots__ = ("path", "append")
    PATH_FIELD_NUMBER: _ClassVar[int]
    APPEND_FIELD_NUMBER: _ClassVar[int]
    path: str
    append: bool
    def __init__(self, path: _Optional[str] = ..., append: _Optional[bool] = ...) -> None: ...

class PutResponse(_message.Message):
    __slots__ = ("missing", "done", "opened", "taken")
    MISSING_FIELD_NUMBER: _ClassVar[int]
    DONE_FIELD_NUMBER: _ClassVar[int]
    OPENED_FIELD_NUMBER: _ClassVar[int]
    TAKEN_FIELD_NUMBER: _ClassVar[int]
    missing: Missing
    done: Done
    opened: Opened
    taken: Taken
    def __init__(self, missing: _Optional[_Union[Missing, _Mapping]] = ..., done: _Optional[_Union[Done, _Mapping]] = ..., opened: _Optional[_Union[Opened, _Mapping]] = ..., taken: _Optional[_Union[Taken, _Mapping]] = ...) -> None: ...

class Opened(_message.Message):
    __slots__ = ("socket", "token")
    SOCKET_FIELD_NUMBER: _ClassVar[int]
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    socket: str
    token: bytes
    def __init__(self, socket: _Optional[str] = ..., token: _Optional[bytes] = ...) -> None: ...

class Taken(_message.Message):
    __slots__ = ("size", "hash", "refused")
    SIZE_FIELD_NUMBER: _ClassVar[int]
    HASH_FIELD_NUMBER: _ClassVar[int]
    REFUSED_FIELD_NUMBER: _ClassVar[int]
    size: int
    hash: bytes
    refused: bool
    def __init__(self, size: _Optional[int] = ..., hash: _Optional[bytes] = ..., refused: _Optional[bool] = ...) -> None: ...

class Missing(_message.Message):
    __slots__ = ("id", "missing")
    ID_FIELD_NUMBER: _ClassVar[int]
    MISSING_FIELD_NUMBER: _ClassVar[int]
    id: int
    missing: bytes
    def __init__(self, id: _Optional[int] = ..., missing: _Optional[bytes] = ...) -> None: ...

class Done(_message.Message):
    __slots__ = ("commit", "root_hash", "files", "new_bytes")
    COMMIT_FIELD_NUMBER: _ClassVar[int]
    ROOT_HASH_FIELD_NUMBER: _ClassVar[int]
    FILES_FIELD_NUMBER: _ClassVar[int]
    NEW_BYTES_FIELD_NUMBER: _ClassVar[int]
    commit: _pfs_pb2.Commit
    root_hash: bytes
    files: int
    new_bytes: int
    def __init__(self, commit: _Optional[_Union[_pfs_pb2.Commit, _Mapping]] = ..., root_hash: _Optional[bytes] = ..., files: _Optional[int] = ..., new_bytes: _Optional[int] = ...) -> None: ...

class GetRequest(_message.Message):
    __slots__ = ("file", "offset", "allow_glob", "socket", "token")
    FILE_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    ALLOW_GLOB_FIELD_NUMBER: _ClassVar[int]
    SOCKET_FIELD_NUMBER: _ClassVar[int]
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    file: _pfs_pb2.File
    offset: int
    allow_glob: bool
    socket: str
    token: bytes
    def __init__(self, file: _Optional[_Union[_pfs_pb2.File, _Mapping]] = ..., offset: _Optional[int] = ..., allow_glob: _Optional[bool] = ..., socket: _Optional[str] = ..., token: _Optional[bytes] = ...) -> None: ...

class GetFrame(_message.Message):
    __slots__ = ("paths", "sizes", "lengths", "data", "total_bytes", "total_files", "passed", "written")
    PATHS_FIELD_NUMBER: _ClassVar[int]
    SIZES_FIELD_NUMBER: _ClassVar[int]
    LENGTHS_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    TOTAL_BYTES_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FILES_FIELD_NUMBER: _ClassVar[int]
    PASSED_FIELD_NUMBER: _ClassVar[int]
    WRITTEN_FIELD_NUMBER: _ClassVar[int]
    paths: _containers.RepeatedScalarFieldContainer[str]
    sizes: _containers.RepeatedScalarFieldContainer[int]
    lengths: _containers.RepeatedScalarFieldContainer[int]
    data: bytes
    total_bytes: int
    total_files: int
    passed: bool
    written: int
    def __init__(self, paths: _Optional[_Iterable[str]] = ..., sizes: _Optional[_Iterable[int]] = ..., lengths: _Optional[_Iterable[int]] = ..., data: _Optional[bytes] = ..., total_bytes: _Optional[int] = ..., total_files: _Optional[int] = ..., passed: _Optional[bool] = ..., written: _Optional[int] = ...) -> None: ...

class ListRequest(_message.Message):
    __slots__ = ("file", "recursive", "glob")
    FILE_FIELD_NUMBER: _ClassVar[int]
    RECURSIVE_FIELD_NUMBER: _ClassVar[int]
    GLOB_FIELD_NUMBER: _ClassVar[int]
    file: _pfs_pb2.File
    recursive: bool
    glob: str
    def __init__(self, file: _Optional[_Union[_pfs_pb2.File, _Mapping]] = ..., recursive: _Optional[bool] = ..., glob: _Optional[str] = ...) -> None: ...

class ListFrame(_message.Message):
    __slots__ = ("paths", "sizes", "hashes", "committed", "commit")
    PATHS_FIELD_NUMBER: _ClassVar[int]
    SIZES_FIELD_NUMBER: _ClassVar[int]
    HASHES_FIELD_NUMBER: _ClassVar[int]
    COMMITTED_FIELD_NUMBER: _ClassVar[int]
    COMMIT_FIELD_NUMBER: _ClassVar[int]
    paths: _containers.RepeatedScalarFieldContainer[str]
    sizes: _containers.RepeatedScalarFieldContainer[int]
    hashes: bytes
    committed: _timestamp_pb2.Timestamp
    commit: _pfs_pb2.Commit
    def __init__(self, paths: _Optional[_Iterable[str]] = ..., sizes: _Optional[_Iterable[int]] = ..., hashes: _Optional[bytes] = ..., committed: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., commit: _Optional[_Union[_pfs_pb2.Commit, _Mapping]] = ...) -> None: ...
