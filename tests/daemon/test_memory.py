"""Memory that was freed goes back to the system."""

from __future__ import annotations

import subprocess
import sys

MIB = 1 << 20
SCRIPT = """
from dassie.daemon.memory import give_back, resident_bytes, share_one_heap
share_one_heap()
blocks = [b"x" * (100_000 + n) for n in range(2000)]
last = b"x" * 100_000
blocks.clear()
full = resident_bytes()
give_back(kept=1 << 40)
kept = resident_bytes()
give_back(kept=0)
print(full, kept, resident_bytes())
"""


def test_what_lies_below_a_block_in_use_is_given_back() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True
    )
    full, kept, left = map(int, done.stdout.split())
    assert full > 190 * MIB
    assert kept > 190 * MIB
    assert left < 100 * MIB
