"""Rendering of jsonnet templates into pipeline specs; called by the door for RenderTemplate.

A template is a program of somebody else's: it runs in a process of its own (`template_child`) with
limits on time and memory, and cannot import files.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from typing import Final

from dassie.errors import DeadlineExceeded, InvalidArgument

_TIMEOUT_S: Final = 15.0
_CHILD: Final = (sys.executable, "-I", "-m", "dassie.pps.template_child")


def render(template: str, arguments: Mapping[str, str]) -> str:
    """The JSON object or list that the template makes; its arguments are strings."""
    order = json.dumps({"template": template, "arguments": dict(arguments)}).encode()
    try:
        done = subprocess.run(
            _CHILD, input=order, capture_output=True, timeout=_TIMEOUT_S, env={}, check=False
        )
    except subprocess.TimeoutExpired:
        raise DeadlineExceeded(f"template took more than {_TIMEOUT_S:.0f} s to render") from None
    if done.returncode < 0:
        raise InvalidArgument("template needs too much memory or time")
    if done.returncode:
        raise InvalidArgument(f"template error: {done.stderr.decode(errors='replace').strip()}")
    rendered = done.stdout.decode()
    if not isinstance(json.loads(rendered), (dict, list)):
        raise InvalidArgument("template does not make a spec: not a json object or list")
    return rendered
