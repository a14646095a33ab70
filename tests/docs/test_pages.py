"""The commands of the documentation do what the pages say."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.docs.console import Shell, matches, steps

DOCS = Path(__file__).resolve().parents[2] / "docs"


@pytest.mark.slow
@pytest.mark.parametrize("page", ["tutorial.md"])
def test_page(page: str, tmp_path: Path) -> None:
    env = {
        "HOME": str(tmp_path),
        "PATH": os.environ["PATH"],
        "PACH_CONFIG": str(tmp_path / "config.json"),
    }
    shell = Shell(tmp_path, env)
    try:
        for step in steps(DOCS / page):
            printed, status = shell.send(step.command)
            talk = (tmp_path / "talk").read_text()[-1500:]
            assert status == 0, f"$ {step.command}\nexit status {status}\n{printed}\n{talk}"
            expected = "\n".join(step.expected)
            assert matches(step.expected, printed), f"$ {step.command}\n{printed}\n≠\n{expected}"
    finally:
        shell.close()
