"""A graph without cycles → lines of text, sources at the top. Pure.

Nodes stand in layers by their longest way from a source. An edge over several layers goes through
invisible nodes in between. Between two layers, each source's edges run on a row of their own.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

_GAP = 3
_UP, _DOWN, _LEFT, _RIGHT = 1, 2, 4, 8
_GLYPHS = " ╵╷│╴┘┐┤╶└┌├─┴┬┼"
"""By the sum of the directions a cell leads to."""

Edge = tuple[str, str]


def draw(edges: Sequence[Edge], alone: Iterable[str] = (), box_width: int = 0) -> list[str]:
    """The lines of the picture. `alone` are nodes without edges."""
    alone = list(alone)
    if not edges and not alone:
        return []
    layers, links = _layered(edges, alone)
    widths = {
        node: 1 if _is_way(node) else max(box_width, len(node) + 4)
        for layer in layers
        for node in layer
    }
    _untangle(layers, links)
    centres = _placed(layers, widths, links)
    lines: list[str] = []
    for number, layer in enumerate(layers):
        lines += _boxes(layer, centres, widths)
        if number + 1 < len(layers):
            below = [link for link in links if link[0] in set(layer)]
            lines += _channel(below, centres)
    return [line.rstrip() for line in lines]


def _is_way(node: str) -> bool:
    """Is it a point on an edge, not a node?"""
    return node.startswith("\0")


def _layered(edges: Sequence[Edge], alone: Iterable[str]) -> tuple[list[list[str]], list[Edge]]:
    """Layers of nodes, and edges cut into links between neighbouring layers."""
    parents: dict[str, list[str]] = defaultdict(list)
    nodes = dict.fromkeys(alone)
    for source, target in edges:
        nodes |= {source: None, target: None}
        parents[target].append(source)
    depth: dict[str, int] = {}

    def deep(node: str, above: frozenset[str]) -> int:
        if node not in depth:
            higher = [one for one in parents[node] if one not in above]
            depth[node] = max((deep(one, above | {node}) + 1 for one in higher), default=0)
        return depth[node]

    for node in nodes:
        deep(node, frozenset([node]))
    layers: list[list[str]] = [[] for _ in range(max(depth.values(), default=0) + 1)]
    for node in nodes:
        layers[depth[node]].append(node)
    links: list[Edge] = []
    for source, target in dict.fromkeys(edges):
        at = source
        for level in range(depth[source] + 1, depth[target]):
            way = f"\0{source}\0{target}\0{level}"
            layers[level].append(way)
            links.append((at, way))
            at = way
        if depth[source] < depth[target]:
            links.append((at, target))
    return layers, links


def _untangle(layers: list[list[str]], links: Sequence[Edge]) -> None:
    """Order each layer by where its neighbours stand, down and up, to cross few edges."""
    near: dict[str, list[str]] = defaultdict(list)
    for source, target in links:
        near[target].append(source)
        near[source].append(target)
    for _ in range(4):
        for step, start in ((1, 1), (-1, len(layers) - 2)):
            for number in range(start, len(layers) if step > 0 else -1, step):
                place = {node: index for index, node in enumerate(layers[number - step])}
                own = {node: index for index, node in enumerate(layers[number])}

                def mean(
                    node: str,
                    place: dict[str, int] = place,
                    own: dict[str, int] = own,
                ) -> float:
                    there = [place[one] for one in near[node] if one in place]
                    return sum(there) / len(there) if there else float(own[node])

                layers[number].sort(key=mean)


def _placed(
    layers: list[list[str]], widths: dict[str, int], links: Sequence[Edge]
) -> dict[str, int]:
    """The column of each node's middle: under its parents where there is room."""
    parents: dict[str, list[str]] = defaultdict(list)
    for source, target in links:
        parents[target].append(source)
    centres: dict[str, int] = {}
    for layer in layers:
        left = 0
        for node in layer:
            half = widths[node] // 2
            wanted = [centres[one] for one in parents[node] if one in centres]
            middle = sum(wanted) // len(wanted) if wanted else 0
            centres[node] = max(left + half, middle)
            left = centres[node] - half + widths[node] + _GAP
    return centres


def _boxes(layer: list[str], centres: dict[str, int], widths: dict[str, int]) -> list[str]:
    rows = ["", "", ""]
    for node in layer:
        width = widths[node]
        start = centres[node] - width // 2
        if _is_way(node):
            pieces = ["│", "│", "│"]
        else:
            inside = width - 2
            pieces = [f"┌{'─' * inside}┐", f"│{node:^{inside}}│", f"└{'─' * inside}┘"]
        rows = [row.ljust(start) + piece for row, piece in zip(rows, pieces, strict=True)]
    return rows


def _channel(links: Sequence[Edge], centres: dict[str, int]) -> list[str]:
    """The rows between two layers, one per source whose edges are not straight down."""
    targets: dict[str, list[str]] = defaultdict(list)
    for source, target in links:
        targets[source].append(target)
    columns = {source: [centres[one] for one in ends] for source, ends in targets.items()}
    order = _row_order({source: centres[source] for source in targets}, columns)
    grid = _Grid(max(1, len(order)), max([*centres.values()], default=0) + 1)
    for source, ends in targets.items():
        row, start = order.get(source, 0), centres[source]
        for line in range(row + 1):
            grid.upright(line, start, _UP | (_DOWN if line < row else 0), source)
        for target in ends:
            for line in range(row, grid.height):
                grid.upright(line, centres[target], _DOWN | (_UP if line > row else 0), target)
    for source, ends in targets.items():
        reached = [centres[source], *columns[source]]
        low, high = min(reached), max(reached)
        for x in range(low, high + 1):
            sides = (_LEFT if x > low else 0) | (_RIGHT if x < high else 0)
            grid.across(order.get(source, 0), x, sides, {source, *ends})
    return grid.lines()


class _Grid:
    """Cells of a channel: which sides each leads to, and whose uprights run through it."""

    def __init__(self, height: int, width: int) -> None:
        self.height = height
        self._sides = [[0] * width for _ in range(height)]
        self._owner = [[""] * width for _ in range(height)]

    def upright(self, row: int, x: int, sides: int, owner: str) -> None:
        self._sides[row][x] |= sides
        self._owner[row][x] = owner

    def across(self, row: int, x: int, sides: int, own: set[str]) -> None:
        """Join own uprights; foreign ones are drawn through, without a join."""
        owner = self._owner[row][x]
        if not owner or owner in own:
            self._sides[row][x] |= sides

    def lines(self) -> list[str]:
        return ["".join(_GLYPHS[cell] for cell in line) for line in self._sides]


def _row_order(starts: dict[str, int], targets: dict[str, list[int]]) -> dict[str, int]:
    """Which row each bent source gets. A source that stands over another's target must be bent
    above it, or their uprights would run into each other."""
    bent = [source for source, columns in targets.items() if columns != [starts[source]]]
    waiting = sorted(bent, key=lambda source: (starts[source], source))
    order: dict[str, int] = {}
    while waiting:
        free = [
            source
            for source in waiting
            if not any(
                starts[other] in targets[source] and starts[other] not in targets[other]
                for other in waiting
                if other != source
            )
        ]
        chosen = (free or waiting)[0]
        order[chosen] = len(order)
        waiting.remove(chosen)
    return order
