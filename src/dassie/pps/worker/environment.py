"""The environment variables that user code sees. Pure.

Low to high: what every worker gives, what pachd says for the pipeline, the transform's own `env`,
what belongs to the datum. Nothing of the server's or the worker's own environment is in it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from typing import Final

from dassie.pps.worker.model import Assignment, DatumInput, Task

SYSTEM_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def of_worker(
    assignment: Assignment, *, worker_id: str, pfs: str, home: str, scratch: str
) -> dict[str, str]:
    """The same for every datum of this worker.

    pfs, home, scratch: where user code finds `/pfs`, its working folder and `/tmp`.
    """
    return {
        "HOME": home,
        "LANG": "C.UTF-8",
        "PATH": search_path(),
        "TMPDIR": scratch,
        "PFS_ROOT": pfs,
        "PACH_IN_WORKER": "true",
        "PACH_NAMESPACE": "default",
        "PACH_ROOT": "/pach",
        "PPS_NAMESPACE": "default",
        "PPS_PIPELINE_NAME": assignment.pipeline,
        "PPS_PROJECT_NAME": assignment.project,
        "PPS_POD_NAME": worker_id,
        "PPS_WORKER_IP": "127.0.0.1",
        **assignment.env,
        **assignment.code.env,
    }


def of_datum(task: Task, pfs: str) -> dict[str, str]:
    """What belongs to one datum. What pachd sent wins over what follows from the datum itself."""
    return {
        **input_paths(task.inputs, pfs),
        "PACH_DATUM_ID": task.datum_id,
        "PACH_JOB_ID": task.job_id,
        "PACH_OUTPUT_COMMIT_ID": task.job_id,
        **{name: _below(pfs, value, task.inputs, name) for name, value in task.env.items()},
    }


def input_paths(inputs: Iterable[DatumInput], pfs: str) -> dict[str, str]:
    """`<name>` = path of the matched file; of several inputs with one name the last wins."""
    return {item.name: f"{pfs}/{item.name}{item.path}".rstrip("/") for item in inputs}


def env_file(env: Mapping[str, str]) -> bytes:
    """Content of `/pfs/.env`: one `K=V` per line, unquoted."""
    return "".join(f"{name}={value}\n" for name, value in env.items()).encode()


def search_path() -> str:
    """PATH of user code: the Python environment that Dassie runs in comes first, so that packages
    installed beside it can be used."""
    if sys.prefix in ("/usr", "/usr/local"):
        return SYSTEM_PATH
    return f"{sys.prefix}/bin:{SYSTEM_PATH}"


def _below(pfs: str, value: str, inputs: tuple[DatumInput, ...], name: str) -> str:
    """Without a sandbox `/pfs` is somewhere else, and variables that name inputs must say so."""
    if pfs == "/pfs" or not value.startswith("/pfs/"):
        return value
    return pfs + value[4:] if any(item.name == name for item in inputs) else value
