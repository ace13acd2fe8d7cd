"""Residual branches of a model, and the kernel with which each ends."""

from typing import NamedTuple

from vgtheory.diagnose.program.calls import Graph, Node
from vgtheory.diagnose.program.trace import Trace

_ADDING = ("add", "add_any", "sub")
_THROUGH = ("reshape", "transpose", "convert_element_type", "broadcast_in_dim", "squeeze", "copy", "mul", "div", "neg")
_MOST_NODES = 20_000


class Branches(NamedTuple):
    """Number of residual branches, and the parameters that are the last kernels of them."""

    num: int
    kernels: frozenset[int]


def _last_call(graph: Graph, makers: dict[int, Node], var: int) -> Node | None:
    """The dense layer or convolution whose output reaches ``var`` scaled and reshaped, but not mixed."""
    while var in makers:
        node = makers[var]
        kind = graph.calls[node.call].site.kind if node.call >= 0 else ""
        if kind in ("dense", "conv"):
            return node
        passes = kind in ("scale", "dropout") if kind else node.op is None or node.op.name in _THROUGH
        if not passes or len(node.reads) != 1:
            return None
        var = node.reads[0]
    return None


def branches(trace: Trace) -> Branches:
    """Residual branches: a layer's output is added to what the layer depends on.

    The by-pass may be a layer of its own, as in the first block of a stage of a ResNet.
    """
    graph, makers, below = trace.graph, dict[int, Node](), dict[int, int]()
    if len(graph.nodes) > _MOST_NODES:
        return Branches(0, frozenset())
    count, kernels = 0, set[int]()
    for node in graph.nodes:
        reached = 0
        for var in node.reads:
            reached |= below.get(var, 0) | (1 << var)
        below |= dict.fromkeys(node.makes, reached)
        makers |= dict.fromkeys(node.makes, node)
        if node.op is None or node.op.name not in _ADDING or len(node.reads) != 2:
            continue
        for branch, other in (node.reads, node.reads[::-1]):
            last = _last_call(graph, makers, branch)
            if last is None or last.source < 0:
                continue
            depends = below.get(last.source, 0) | (1 << last.source)
            shortcut = _last_call(graph, makers, other)
            is_shortcut = (
                shortcut is not None
                and shortcut.source >= 0
                and not graph.calls[shortcut.call].where
                and shortcut.source != last.source
                and bool(depends >> shortcut.source & 1)
            )
            if depends >> other & 1 or is_shortcut:
                count += 1
                kernels |= trace.flow.origin[graph.calls[last.call].site.uses[0]]
                break
    return Branches(count, frozenset(kernels))


__all__ = ["Branches", "branches"]
