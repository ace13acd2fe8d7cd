"""What becomes of each layer of a trace: of infinite width, or of its own."""

from collections import Counter
from collections.abc import Hashable
from typing import Any, NamedTuple

import numpy as np

from vgtheory.diagnose.program.calls import Graph
from vgtheory.diagnose.program.listing import Op
from vgtheory.diagnose.program.sites import Layers, Site
from vgtheory.diagnose.program.trace import Trace
from vgtheory.diagnose.replicas.products import Layout, layout, product_in
from vgtheory.diagnose.replicas.units import Units
from vgtheory.diagnose.replicas.weights import Origins, Weights

NARROW = 32
"""Most units of a layer that keeps its own width."""


class Wide(NamedTuple):
    """A layer of infinite width.

    Attributes
    ----------
    op, layout
        Its product.
    weights
        Origin of its weights.
    blocks
        Units of each matrix, where several are side by side.
    again
        Whether the same weights are used more than once.
    key, number
        Numbers of its weights, and of the layer.
    """

    op: Op
    layout: Layout
    weights: Weights
    blocks: tuple[int, ...]
    again: bool
    key: int
    number: int


class Narrow(NamedTuple):
    """A layer that keeps its own width.

    Attributes
    ----------
    why
        The reason.
    is_shared
        Whether all replicas get the output of the first.
    mixes_positions
        Whether it acts in the same way on each of many units, so that all replicas have one such layer.
    axes
        Axes of its kernel over which it sums, and its new axes; () if they are unknown.
    """

    why: str
    is_shared: bool
    mixes_positions: bool
    axes: tuple[int, ...]


class Choice(NamedTuple):
    """Layers by number."""

    wide: dict[int, Wide]
    narrow: dict[int, Narrow]
    units: Units


class _Product(NamedTuple):
    site: Site
    op: Op
    layout: Layout | str
    weights: Weights


def _bodies(layers: Layers) -> list[Layers]:
    return [layers, *(each for inner in layers.within.values() for each in _bodies(inner))]


def _has_mean(leaf: Any, num_in: int) -> bool:
    """Whether a parameter's mean is not zero, and adds a tenth or more to its outputs' squares if inputs are equal."""
    wide = np.real(np.asarray(leaf)).astype(np.float64)
    mean, spread = wide.mean(), wide.std()
    return bool(abs(mean) > 4 * spread / wide.size**0.5 and num_in * mean**2 > spread**2 / 10)


def _products(trace: Trace, leaves: list[Any]) -> list[_Product]:
    """Dense layers and convolutions, in order."""
    origins, found = Origins(trace.layers, trace.flow), []
    for layers in _bodies(trace.layers):
        for site in layers.sites:
            op = product_in(layers.program.ops[site.start : site.stop]) if site.kind in ("dense", "conv") else None
            if op is None:
                continue
            kernel = site.uses[0]
            side = next(k for k, atom in enumerate(op.reads[:2]) if atom == kernel)
            how, weights = layout(op, side, layers.program.avals), origins.kernel(kernel)
            if isinstance(how, Layout) and not weights.why:
                blocks = origins.blocks(kernel, how.free)
                why = "joined from several matrices" if 0 in blocks or (blocks and how.conv is not None) else ""
                if any(_has_mean(leaves[i], how.num_in) for i in trace.flow.origin[kernel]):
                    why = "the mean of its weights is not zero"
                weights = weights._replace(why=why, blocks=blocks)
                turned = (how.contracted, how.batch, how.free)
                weights = weights._replace(identity=(weights.identity, turned))
            found.append(_Product(site, op, how, weights))
    return sorted(found, key=lambda each: each.site.number)


def _is_few(product: _Product) -> bool:
    how = product.layout
    return isinstance(how, Layout) and how.num_out <= NARROW < how.num_in


def _ends(graph: Graph, products: dict[int, _Product]) -> set[int]:
    """Numbers of narrow layers above which there are no others: their outputs are those of the model."""
    seen, inner, all_of = set[int](), set[int](), set[int]()
    for node in reversed(graph.nodes):
        number = graph.calls[node.call].site.number if node.call >= 0 else -1
        above = any(var in seen for var in node.makes)
        if number in products:
            few = _is_few(products[number])
            all_of.update([number] if few else [])
            inner.update([number] if above or not few else [])
            above = above or number in inner
        seen.update(node.reads if above else ())
    return all_of - inner


def _narrow(product: _Product, ends: set[int], units: Units) -> Narrow | None:
    how, weights = product.layout, product.weights
    if isinstance(how, str):
        numbers: Any = product.op.eqn.params.get("dimension_numbers")
        return Narrow(how, False, False, tuple(numbers.rhs_spec[:2]) if product.op.name.startswith("conv") else ())
    axes = (*how.contracted, *how.free)
    if weights.why:
        return Narrow(weights.why, False, False, axes)
    if product.site.number in ends or min(how.num_in, how.num_out) > NARROW:
        return None
    data = product.op.reads[1 - how.side]
    others = units.of(data) - {*how.of_data[0], *how.of_data[1]} if how.conv is None else frozenset()
    mixes = bool(others)
    is_shared = how.num_out <= NARROW and not mixes and not how.batch
    return Narrow(f"narrow: {how.num_in} units to {how.num_out}", is_shared, mixes, axes)


def chosen(trace: Trace, leaves: list[Any]) -> Choice:
    """Which layers of a trace with these parameters are of infinite width."""
    products = {each.site.number: each for each in _products(trace, leaves)}
    units, ends = Units(trace.layers, trace.flow), _ends(trace.graph, products)
    narrow = {number: found for number, each in products.items() if (found := _narrow(each, ends, units))}
    uses: Counter[tuple[Hashable, tuple[int, ...]]] = Counter()
    for call in trace.graph.calls:
        if call.site.number in products:
            weights = products[call.site.number].weights
            uses[weights.identity, tuple(call.where[level] for level in sorted(weights.levels))] += 1
    most: Counter[Hashable] = Counter()
    for (identity, _), count in uses.items():
        most[identity] = max(most[identity], count)
    keys = {
        identity: place for place, identity in enumerate(dict.fromkeys(p.weights.identity for p in products.values()))
    }
    wide = {}
    for number, product in products.items():
        _, op, how, weights = product
        if number not in narrow and isinstance(how, Layout):
            again, key = most[weights.identity] > 1, keys[weights.identity]
            wide[number] = Wide(op, how, weights, weights.blocks, again, key, number)
    return Choice(wide, narrow, units)


__all__ = ["NARROW", "Choice", "Narrow", "Wide", "chosen"]
