"""Forget gates of a model, and the biases in them."""

from collections.abc import Iterator
from typing import NamedTuple

from vgtheory.diagnose.program.flow import PARAM, STATE
from vgtheory.diagnose.program.listing import Atom, Op, Program
from vgtheory.diagnose.program.sites import Layers
from vgtheory.diagnose.program.trace import Trace

_SHAPING = ("reshape", "transpose", "convert_element_type", "broadcast_in_dim", "squeeze", "copy")


class Bias(NamedTuple):
    """A forget gate's bias: entries of a parameter."""

    leaf: int
    start: int
    stop: int


class _Reading:
    """Search through one program."""

    def __init__(self, trace: Trace, program: Program) -> None:
        self.flow, self.program = trace.flow, program
        self.made = {var: op for op in program.ops for var in op.makes}

    def maker(self, atom: Atom) -> Op | None:
        """The operation that makes a variable, through changes of shape and type."""
        op = self.made.get(atom) if isinstance(atom, int) else None
        while op is not None and op.name in _SHAPING:
            atom = op.reads[0]
            op = self.made.get(atom) if isinstance(atom, int) else None
        return op

    def forgets(self, op: Op) -> Iterator[int]:
        """Pre-activations of forget gates in ``sigmoid(f) * c + sigmoid(i) * g``, where c is a state."""
        products = [self.maker(atom) for atom in op.reads]
        if op.name not in ("add", "add_any") or any(each is None or each.name != "mul" for each in products):
            return
        found = [self._gated(each) for each in products if each is not None]
        for one, other in (found, found[::-1]):
            if one is not None and other is not None and one[1] and not other[1]:
                yield one[0]

    def _gated(self, product: Op) -> tuple[int, bool] | None:
        """The pre-activation of a product's gate, and whether its other factor is a state."""
        for gate, other in (product.reads, product.reads[::-1]):
            op, rest = self.maker(gate), self.maker(other)
            if op is not None and op.name == "logistic" and isinstance(op.reads[0], int):
                is_state = (rest is None and other in self.program.inputs) or (
                    rest is not None and rest.name in ("add", "add_any")
                )
                return op.reads[0], is_state
        return None

    def biases(self, var: int) -> Iterator[Bias]:
        """Biases that are added to a pre-activation."""
        size = self.program.avals[var].shape[-1] if self.program.avals[var].shape else 0
        todo, seen = [(var, 0)], set[int]()
        while todo:
            var, start = todo.pop()
            op = self.made.get(var)
            if op is None or var in seen:
                continue
            seen.add(var)
            if op.name == "slice":
                start += int(op.eqn.params["start_indices"][-1])
            elif op.name == "split":
                start += int(sum(op.eqn.params["sizes"][: op.makes.index(var)]))
            elif op.name not in ("add", "add_any", *_SHAPING):
                continue
            for atom in op.variables:
                if self.flow.of(atom) == STATE:
                    todo.append((atom, start))
                elif self.flow.of(atom) == PARAM:
                    yield from self._entries(atom, start, size)

    def _entries(self, var: int, start: int, size: int) -> Iterator[Bias]:
        """The entries of a parameter that a part of a variable consists of."""
        op = self.made.get(var)
        while op is not None and op.name in (*_SHAPING, "concatenate"):
            for atom in op.reads:
                assert isinstance(atom, int)
                width = self.program.avals[atom].shape[-1]
                if op.name != "concatenate" or start < width:
                    var = atom
                    break
                start -= width
            op = self.made.get(var)
        if len(self.flow.origin[var]) == 1:
            yield Bias(next(iter(self.flow.origin[var])), start, start + size)


def _programs(layers: Layers) -> Iterator[Program]:
    yield layers.program
    for inner in layers.within.values():
        yield from _programs(inner)


def forget_biases(trace: Trace, leaves: list) -> list[Bias]:
    """Biases of forget gates, whatever the library: one for each cell that has any."""
    found = dict[Bias, None]()
    for program in _programs(trace.layers):
        reading = _Reading(trace, program)
        for op in program.ops:
            for var in reading.forgets(op):
                each = next((b for b in reading.biases(var) if leaves[b.leaf].shape[-1:] >= (b.stop,)), None)
                if each is not None and leaves[each.leaf].ndim == 1:
                    found[each] = None
    return list(found)


__all__ = ["Bias", "forget_biases"]
