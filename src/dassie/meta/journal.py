"""The journal of the version graph in the object store."""

from __future__ import annotations

from dassie.errors import Unimplemented


class Journal:
    """Not there yet: run without one."""

    def flush(self) -> None:
        raise Unimplemented("the journal")
