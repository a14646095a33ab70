"""The provenance graph against the obvious, slow definition."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dassie.pfs.provenance import Cycle, Dag, breadth_first

# Edges from higher to lower numbers only: no cycle.
EDGES = st.sets(
    st.tuples(st.integers(0, 9), st.integers(0, 9)).filter(lambda edge: edge[0] > edge[1])
)


def reach(edges: set[tuple[int, int]], start: int) -> set[int]:
    found: set[int] = set()
    frontier = {start}
    while frontier:
        frontier = {far for near, far in edges if near in frontier} - found
        found |= frontier
    return found


@given(EDGES)
def test_closures(edges: set[tuple[int, int]]) -> None:
    dag = Dag(edges, range(10))
    turned = {(upstream, downstream) for downstream, upstream in edges}
    place = {node: number for number, node in enumerate(dag.order)}
    assert all(place[upstream] < place[downstream] for downstream, upstream in edges)
    for node in range(10):
        assert set(dag.upstream(node)) == reach(edges, node)
        assert set(dag.downstream(node)) == reach(turned, node)
        assert set(breadth_first(edges, [node])) == reach(edges, node)
        assert dag.direct(node) == sorted(up for down, up in edges if down == node)


@given(EDGES, st.lists(st.integers(0, 4), min_size=10, max_size=10))
def test_ambiguity(edges: set[tuple[int, int]], groups: list[int]) -> None:
    turned = {(upstream, downstream) for downstream, upstream in edges}
    crowded = [
        node
        for node in range(10)
        if len(around := {node} | reach(edges, node) | reach(turned, node))
        != len({groups[each] for each in around})
    ]
    found = Dag(edges, range(10)).ambiguity(dict(enumerate(groups)))
    assert (found is not None) == bool(crowded)
    if found is not None:
        assert len(found[1]) > 1
        assert {groups[node] for node in found[1]} == {found[0]}


def test_diamonds_cost_nothing() -> None:
    # 2 ** 200 paths.
    edges = [
        (2 * n + side, 2 * n - back) for n in range(1, 200) for side in (0, 1) for back in (1, 2)
    ]
    dag = Dag(edges)
    assert len(dag.upstream(399)) == 398


def test_a_cycle_is_shown() -> None:
    with pytest.raises(Cycle) as caught:
        Dag([(1, 2), (2, 3), (3, 1), (4, 1)])
    nodes = caught.value.nodes
    assert nodes[0] == nodes[-1]
    assert set(nodes) == {1, 2, 3}


def test_depth() -> None:
    chain = [(n, n + 1) for n in range(10)]
    assert list(breadth_first(chain, [0], max_depth=3)) == [1, 2, 3]
    assert list(breadth_first([(0, 1), (1, 0)], [0])) == [1]
