"""The provenance graph of branches: closures, order, cycles, ambiguity. Pure.

Nodes are numbers; an edge goes from a downstream node to an upstream node it depends on. Sets of
nodes are bit masks of Python integers, so a closure of a whole graph costs one pass over its edges
however many paths there are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter


class Cycle(Exception):
    """A finding, which the caller turns into its error. `nodes` starts and ends with the same."""

    def __init__(self, nodes: list[int]) -> None:
        super().__init__(nodes)
        self.nodes = nodes


class Dag:
    """An acyclic graph with its closures computed."""

    def __init__(self, edges: Iterable[tuple[int, int]], nodes: Iterable[int] = ()) -> None:
        """`edges` are (downstream, upstream); `nodes` adds nodes without edges. Raises `Cycle`."""
        self._upstream: dict[int, set[int]] = {node: set() for node in nodes}
        for downstream, upstream in edges:
            self._upstream.setdefault(downstream, set()).add(upstream)
            self._upstream.setdefault(upstream, set())
        try:
            # Upstream first.
            self.order = list(TopologicalSorter(self._upstream).static_order())
        except CycleError as error:
            raise Cycle(list(error.args[1])) from None
        self._bit = {node: 1 << number for number, node in enumerate(self.order)}
        self._above: dict[int, int] = {}
        self._below = dict.fromkeys(self.order, 0)
        self._close()

    def direct(self, node: int) -> list[int]:
        """What `node` depends on directly."""
        return sorted(self._upstream[node])

    def upstream(self, node: int) -> list[int]:
        """Everything `node` depends on, in topological order."""
        return self._members(self._above[node])

    def downstream(self, node: int) -> list[int]:
        """Everything that depends on `node`, in topological order."""
        return self._members(self._below[node])

    def ambiguity(self, group_of: Mapping[int, int]) -> tuple[int, list[int]] | None:
        """A group (repo) of which two nodes take part in the DAG of one node, and those two."""
        groups: dict[int, int] = {}
        for node in self.order:
            group = group_of[node]
            groups[group] = groups.get(group, 0) | self._bit[node]
        crowded = {group: mask for group, mask in groups.items() if mask.bit_count() > 1}
        for node in self.order if crowded else ():
            around = self._above[node] | self._below[node] | self._bit[node]
            for group, mask in crowded.items():
                if (around & mask).bit_count() > 1:
                    return group, self._members(around & mask)
        return None

    def _close(self) -> None:
        for node in self.order:
            mask = 0
            for above in self._upstream[node]:
                mask |= self._above[above] | self._bit[above]
            self._above[node] = mask
        for node in reversed(self.order):
            mine = self._below[node] | self._bit[node]
            for above in self._upstream[node]:
                self._below[above] |= mine

    def _members(self, mask: int) -> list[int]:
        found = []
        while mask:
            lowest = mask & -mask
            found.append(self.order[lowest.bit_length() - 1])
            mask ^= lowest
        return found


def breadth_first(
    edges: Iterable[tuple[int, int]], starts: Iterable[int], max_depth: int = 0
) -> Iterator[int]:
    """Nodes reached from `starts` along `edges` (from, to), without `starts`, nearest first.

    `max_depth` 0: however far.
    """
    nexts: dict[int, list[int]] = {}
    for near, far in edges:
        nexts.setdefault(near, []).append(far)
    frontier = list(starts)
    seen = set(frontier)
    depth = 0
    while frontier and (not max_depth or depth < max_depth):
        depth += 1
        reached = sorted({far for near in frontier for far in nexts.get(near, ())} - seen)
        seen.update(reached)
        yield from reached
        frontier = reached
