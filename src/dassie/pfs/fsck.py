"""Fsck of files: is all content of all commits stored, and is it what was written?

Called by the Fsck call and by tests, beside `check`, which looks at the version graph alone. Reads
only.
"""

from __future__ import annotations

from collections.abc import Iterator

from dassie.pfs.graph import Graph
from dassie.pfs.views import named_roots
from dassie.storage.check import Checker
from dassie.storage.store import Storage


def damage(graph: Graph, storage: Storage, *, deep: bool = False) -> Iterator[str]:
    """One line for each thing wrong, naming file, commit and pack as far as they are known.

    `deep` reads every byte; otherwise every tree is read and every pack is looked for. What
    several commits share is reported with the first of them.
    """
    checker = Checker(graph.db, storage, deep=deep)
    with graph.snapshot() as tx:
        roots = list(named_roots(tx))
    for problem in checker.packs():
        yield problem.message
    for commit, root in roots:
        for problem in checker.tree(root):
            yield f"commit {commit}, file {problem.message}"
