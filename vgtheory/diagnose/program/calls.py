"""Layer calls in the order in which they run, with scans written out, and the paths between them."""

import itertools
from typing import NamedTuple

import numpy as np

from vgtheory.diagnose.program.flow import Flow
from vgtheory.diagnose.program.listing import Atom, Op, scan_parts
from vgtheory.diagnose.program.sites import WEIGHTED, Layers, Site


class Call(NamedTuple):
    """One call of a layer.

    Attributes
    ----------
    site
        The layer in the program.
    where
        Step of each scan that it is in, outermost first.
    """

    site: Site
    where: tuple[int, ...]


class Node(NamedTuple):
    """A layer call (or -1), or an operation between layers (None where a scan ends).

    ``source`` is the layer's input.
    """

    call: int
    reads: tuple[int, ...]
    makes: tuple[int, ...]
    source: int
    op: Op | None = None


class Gap(NamedTuple):
    """What lies between two calls.

    Attributes
    ----------
    is_plain
        Whether all of the lower call's gradient comes from the upper one.
    ops
        The operations between them, where it does.
    """

    is_plain: bool
    ops: tuple[Op, ...]


class Graph(NamedTuple):
    """Everything through which the gradient flows, with scans written out.

    Attributes
    ----------
    calls
        Layer calls, in order.
    nodes
        Calls, and operations between them.
    end
        The variable that is the loss.
    """

    calls: list[Call]
    nodes: list[Node]
    end: int

    def chain(self, alive: np.ndarray | None = None) -> list[int]:
        """Calls along the path with most layers, and of several the lowest, first to last.

        With ``alive``, the path leads through these calls alone, and begins where no layer lies
        below; empty if there is none.
        """
        best: dict[int, tuple[int, int, int]] = {}  # layers, minus the lowest call, the topmost
        below: dict[int, int] = {}
        covered: set[int] = set()
        for node in self.nodes:
            found = max((best[var] for var in node.reads if var in best), default=(0, 0, -1))
            has_layers = any(var in covered for var in node.reads)
            if node.call >= 0:
                is_weighted = self.calls[node.call].site.kind in WEIGHTED
                covered.update(node.makes if has_layers or is_weighted else ())
                if alive is not None and (not alive[node.call] or (has_layers and found[2] < 0)):
                    continue
                below[node.call] = found[2]
                bottom = found[1] if found[2] >= 0 else -node.call
                found = (found[0] + is_weighted, bottom, node.call)
            elif has_layers:
                covered.update(node.makes)
            if found[2] >= 0:
                best |= dict.fromkeys(node.makes, found)
        last, chain = best.get(self.end, (0, 0, -1))[2], list[int]()
        while last >= 0:
            chain.append(last)
            last = below[last]
        return chain[::-1]

    def between(self, chain: list[int]) -> list[Gap]:
        """What lies between each call of a chain and the next."""
        readers: dict[int, list[int]] = {}
        for i, node in enumerate(self.nodes):
            for var in node.reads:
                readers.setdefault(var, []).append(i)
        of = {node.call: node for node in self.nodes if node.call >= 0}
        return [self._gap(readers, of[a].makes, b) for a, b in itertools.pairwise(chain)]

    def _gap(self, readers: dict[int, list[int]], start: tuple[int, ...], goal: int) -> Gap:
        todo, seen, ops = list(start), set(start), list[Op]()
        while todo:
            var = todo.pop()
            if var == self.end:
                return Gap(False, ())
            for i in readers.get(var, []):
                node = self.nodes[i]
                if node.call == goal and node.source == var:
                    continue
                if node.call >= 0:
                    return Gap(False, ())
                ops += [] if node.op is None else [node.op]
                new = [out for out in node.makes if out not in seen]
                todo += new
                seen |= set(new)
        return Gap(True, tuple(ops))


class _Writing:
    """Numbers for the variables of every step."""

    def __init__(self, flow: Flow) -> None:
        self.flow, self.numbers = flow, itertools.count()
        self.calls: list[Call] = []
        self.nodes: list[Node] = []

    def program(self, layers: Layers, env: dict[int, int], where: tuple[int, ...]) -> None:
        """Write the operations of a program out; ``env`` has the number of each variable."""
        ops, carries = layers.program.ops, self.flow.carries
        sites = {site.start: site for site in layers.sites}
        place = 0
        while place < len(ops):
            site = sites.get(place)
            stop = site.stop if site is not None else place + 1
            span = ops[place:stop]
            made = [v for op in span for v in op.makes if carries(v)]
            if site is not None:
                env |= {site.out: next(self.numbers)}
                reads = tuple(env[site.source] for _ in (0,) if site.source in env)
                self.nodes.append(Node(len(self.calls), reads, (env[site.out],), reads[0] if reads else -1))
                self.calls.append(Call(site, where))
            elif place in layers.within and made:
                self.scan(layers, place, env, where)
            elif made:
                env |= {var: next(self.numbers) for var in made}
                reads = tuple(env[v] for v in span[0].variables if carries(v) and v in env)
                self.nodes.append(Node(-1, reads, tuple(env[var] for var in made), -1, span[0]))
            place = stop

    def scan(self, layers: Layers, place: int, env: dict[int, int], where: tuple[int, ...]) -> None:
        """Write a scan out, step by step."""
        op, body, carries = layers.program.ops[place], layers.within[place], self.flow.carries
        known = lambda atom: env.get(atom) if isinstance(atom, int) and carries(atom) else None
        given = [known(atom) for atom in op.reads]
        consts, state, slices = scan_parts(op, given)
        length, num = op.eqn.params["length"], len(state)
        outs: list[list[int]] = [[] for _ in op.makes]
        numbers: list[int | None]
        for step in reversed(range(length)) if op.eqn.params["reverse"] else range(length):
            values = [*consts, *state, *slices]
            inner = {v: n for v, n in zip(body.program.inputs, values, strict=True) if n is not None and carries(v)}
            self.program(body, inner, (*where, step))
            ends: list[Atom] = body.program.outputs
            numbers = [inner.get(a) if isinstance(a, int) else None for a in ends]
            state = numbers[:num]
            for i, number in enumerate(numbers[num:], num):
                outs[i] += [] if number is None else [number]
        for i, number in enumerate(state):
            outs[i] = [] if number is None else [number]
        for var, each in zip(op.makes, outs, strict=True):
            if carries(var):
                env[var] = next(self.numbers)
                self.nodes.append(Node(-1, tuple(each), (env[var],), -1))


def graph(layers: Layers, flow: Flow) -> Graph:
    """Layer calls of a program in order, and the paths between them."""
    writing, env = _Writing(flow), dict[int, int]()
    writing.program(layers, env, ())
    end = layers.program.outputs[0]
    return Graph(writing.calls, writing.nodes, env.get(end, -1) if isinstance(end, int) else -1)


__all__ = ["Call", "Gap", "Graph", "Node", "graph"]
