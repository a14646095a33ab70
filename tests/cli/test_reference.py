"""docs/pachctl.md says what the commands say, and all exit codes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from dassie.cli import exits

ROOT = Path(__file__).resolve().parents[2]


def test_the_reference_is_up_to_date() -> None:
    script = ROOT / "scripts" / "generate-pachctl-reference"
    done = subprocess.run([sys.executable, script, "--check"], capture_output=True, check=False)
    assert done.returncode == 0, done.stdout.decode() + done.stderr.decode()


def test_every_exit_code_is_documented() -> None:
    page = (ROOT / "docs" / "pachctl.md").read_text()
    codes = [value for name, value in vars(exits).items() if name.isupper() and value != exits]
    for code in (value for value in codes if isinstance(value, int)):
        assert f"| {code} |" in page
