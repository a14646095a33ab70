"""Which pipelines a change of defaults touches. Pure; asked by the door before defaults are set."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from dassie.pps.model import PipelineInfo
from dassie.pps.spec import Spec, effective
from dassie.pps.spec_fields import CLUSTER_DEFAULTS
from dassie.pps.spec_json import parse_object


def affected(
    pipelines: Iterable[PipelineInfo], cluster: str, projects: Mapping[str, str]
) -> list[PipelineInfo]:
    """Those whose effective spec becomes another with these defaults (JSON; projects by name).

    Raises when a spec would not be valid any more: then nothing may be changed.
    """
    below = parse_object(cluster, CLUSTER_DEFAULTS)
    found = []
    for info in pipelines:
        above = parse_object(projects.get(info.key.project, ""), CLUSTER_DEFAULTS)
        spec = Spec.from_json(effective(json.loads(info.user_json), above, below))
        if _settings(spec) != _settings(info.spec):
            found.append(info)
    return found


def _settings(spec: Spec) -> Mapping[str, Any]:
    """A salt may have been made by the server, so that it says nothing about defaults."""
    return {name: value for name, value in spec.json.items() if name != "salt"}
