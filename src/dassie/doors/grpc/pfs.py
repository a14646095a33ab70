"""pfs_v2.API as one object, put together from its parts."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from dassie.doors.grpc.pfs_branches import BranchMethods
from dassie.doors.grpc.pfs_commits import CommitMethods
from dassie.doors.grpc.pfs_commitsets import CommitSetMethods
from dassie.doors.grpc.pfs_filesets import FileSetMethods
from dassie.doors.grpc.pfs_maintenance import MaintenanceMethods
from dassie.doors.grpc.pfs_modify import ModifyMethods
from dassie.doors.grpc.pfs_read import ReadMethods
from dassie.doors.grpc.pfs_repos import ProjectMethods, RepoMethods
from dassie.meta.notify import Notifier
from dassie.pfs.cache import Cache
from dassie.pfs.files import Files
from dassie.pfs.filesets import FileSets


class PfsService(
    ProjectMethods,
    RepoMethods,
    BranchMethods,
    CommitMethods,
    CommitSetMethods,
    ModifyMethods,
    ReadMethods,
    FileSetMethods,
    MaintenanceMethods,
):
    """Methods of a noun are in the class of the noun; this one only holds what they work on."""

    def __init__(
        self,
        files: Files,
        file_sets: FileSets,
        notifier: Notifier,
        project_defaults: Callable[[str], str],
        check_storage: Callable[[], Iterable[str]],
    ) -> None:
        """`project_defaults`: JSON of a project's pipeline defaults, which `pps` keeps.
        `check_storage`: what is wrong with the stored bytes, as far as can be seen without reading
        them.
        """
        self._graph = files.graph
        self._files = files
        self._file_sets = file_sets
        self._cache = Cache(file_sets, files.graph.db.clock)
        self._notifier = notifier
        self._project_defaults = project_defaults
        self._check_storage = check_storage
