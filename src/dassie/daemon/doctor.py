"""`pachd doctor`: try the object store and say what works, how fast, and what is wrong.

Called by `main` with settings that are already read. Needs no server and disturbs none: it writes
one object of its own and removes it.
"""

from __future__ import annotations

import json
import shutil
import sys

from dassie.blob.probe.run import probe
from dassie.blob.settings import StorageSettings

NARROWEST, WIDEST = 80, 100


def run(settings: StorageSettings, output: str = "") -> int:
    """Print the findings, as JSON where `output` says so; the exit status."""
    report = probe(settings, thorough=True)
    if output == "json":
        print(json.dumps(report.to_json(), indent=2))
    else:
        columns = shutil.get_terminal_size((WIDEST, 24)).columns
        print(report.table(max(NARROWEST, min(WIDEST, columns))))
    sys.stdout.flush()
    return 0 if report.ok else 1
