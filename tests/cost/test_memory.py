"""Memory while a large file goes to a remote store and comes back."""

import subprocess
import sys

import pytest

SIZE = 512 << 20
MOST_MIB = 170
"""A server takes 80 before it moves anything, and shall stay below 256."""


@pytest.mark.slow
def test_large_file_in_bounded_memory(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "tests.cost.memory_of_large_file", str(tmp_path), str(SIZE)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    grown, most_puts = done.stdout.split()
    assert float(grown) < MOST_MIB
    assert 2 <= int(most_puts) <= 6  # parts go in parallel
