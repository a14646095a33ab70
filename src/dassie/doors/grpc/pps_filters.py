"""The field `jqFilter` of listings, as far as clients use it. Pure. Called by the services of
pipelines and jobs.

`pachctl list job --state success --state failure` sends `.state == "JOB_SUCCESS" or .state ==
"JOB_FAILURE"`. Such filters are understood; an interpreter of jq is not on board.
"""

from __future__ import annotations

import re
from typing import Final

from dassie.errors import Unimplemented

_ONE: Final = r"\(? ?\.state ?== ?\"([A-Z_]*)\" ?\)?"
_TERM: Final = re.compile(_ONE)
_WHOLE: Final = re.compile(rf"{_ONE}(?: ?\bor\b ?{_ONE})*")


def wanted_states(text: str) -> frozenset[str] | None:
    """Names of the states that a filter lets pass; `None` when there is no filter."""
    text = " ".join(text.split())
    if not text:
        return None
    if not _WHOLE.fullmatch(text):
        raise Unimplemented(
            f'the jqFilter {text[:200]!r} (only `.state == "…"`, several joined by `or`)'
        )
    return frozenset(_TERM.findall(text))
