"""Which axes of a signal are units, and sums over them, taken over the units of all replicas.

Units come from weights: the new axes of a product, the features of a table. All other axes are
examples and positions. A norm over units takes its statistics over all replicas; a norm over a batch
does not.
"""

import math
from collections.abc import Sequence
from typing import Any

from vgtheory.diagnose.program.flow import PARAM, STATE, Flow
from vgtheory.diagnose.program.listing import Atom, Op, Program, scan_parts
from vgtheory.diagnose.program.sites import Layers

Axes = frozenset[int]
_SUMS = ("reduce_sum", "reduce_max", "reduce_min", "reduce_prod", "argmax", "argmin", "reduce_and", "reduce_or")


def kept(shape: Sequence[int], axes: Axes, removed: Any) -> Axes:
    """Axes after others have been removed."""
    rest = [axis for axis in range(len(shape)) if axis not in removed]
    return frozenset(place for place, axis in enumerate(rest) if axis in axes)


def reshaped(before: Sequence[int], after: Sequence[int], axes: Axes) -> Axes:
    """Axes after a reshape: where several become one or one several, all that have units in them."""
    found, i, j = set[int](), 0, 0
    while i < len(before) and j < len(after):
        olds, news = [i], [j]
        size, other = before[i], after[j]
        while size != other:
            if size < other:
                olds.append(olds[-1] + 1)
                size *= before[olds[-1]]
            else:
                news.append(news[-1] + 1)
                other *= after[news[-1]]
        if any(axis in axes and before[axis] > 1 for axis in olds):
            found.update(axis for axis in news if after[axis] > 1)
        i, j = olds[-1] + 1, news[-1] + 1
    return frozenset(found)


class Units:
    """Axes of units of all variables of a program and its bodies."""

    def __init__(self, layers: Layers, flow: Flow) -> None:
        self.flow, self.avals = flow, layers.program.avals
        self.axes: dict[int, Axes] = {}
        self._pass(layers.program)

    def of(self, atom: Atom) -> Axes:
        """Axes of a variable that are units."""
        return self.axes.get(atom, frozenset()) if isinstance(atom, int) else frozenset()

    def is_sum_over(self, op: Op, least: int) -> bool:
        """Whether an operation sums over more units than these."""
        if op.name == "reduce_sum":
            axes = [(op.reads[0], op.eqn.params["axes"])]
        elif op.name == "dot_general":
            contracted, _ = op.eqn.params["dimension_numbers"]
            axes = list(zip(op.reads, contracted, strict=True))
        else:
            return False
        units = [[self._shape(atom)[axis] for axis in each if axis in self.of(atom)] for atom, each in axes]
        return all(math.prod(sizes) > least for sizes in units)

    def _shape(self, atom: Atom) -> tuple[int, ...]:
        aval: Any = self.avals[atom] if isinstance(atom, int) else atom.aval
        return tuple(aval.shape)

    def _pass(self, program: Program) -> None:
        for op in program.ops:
            if op.body is not None:
                self._scan(op, op.body)
                continue
            for var in op.makes:
                if self.flow.on.get(var, 0) == STATE:
                    self.axes[var] = frozenset(map(int, self._made(op, var)))

    def _scan(self, op: Op, body: Program) -> None:
        _, carry, slices = scan_parts(op, list(range(len(op.reads))))
        for place in range(len(op.reads)):
            axes = self.of(op.reads[place])
            is_slice = place in slices
            self.axes[body.inputs[place]] = frozenset(a - 1 for a in axes if a) if is_slice else axes
        while True:
            self._pass(body)
            before = [self.axes[body.inputs[place]] for place in carry]
            for place, atom in zip(carry, body.outputs, strict=False):
                self.axes[body.inputs[place]] |= self.of(atom)
            if before == [self.axes[body.inputs[place]] for place in carry]:
                break
        for k, (var, atom) in enumerate(zip(op.makes, body.outputs, strict=True)):
            axes = self.of(atom)
            self.axes[var] = axes if k < len(carry) else frozenset(axis + 1 for axis in axes)

    def _made(self, op: Op, var: int) -> Any:
        shape, params = self.avals[var].shape, op.eqn.params
        first = op.reads[0] if op.reads else None
        axes = self.of(first) if first is not None else frozenset[int]()
        match op.name:
            case "dot_general":
                return self._product(op)
            case "conv_general_dilated":
                return frozenset([params["dimension_numbers"].out_spec[1]])
            case "gather" if self.flow.of(op.reads[0]) == PARAM:
                return frozenset(params["dimension_numbers"].offset_dims)
            case "broadcast_in_dim":
                return frozenset(params["broadcast_dimensions"][axis] for axis in axes)
            case "transpose":
                return frozenset(place for place, axis in enumerate(params["permutation"]) if axis in axes)
            case "reshape":
                return reshaped(self._shape(op.reads[0]), shape, axes)
            case "squeeze":
                return kept(self._shape(op.reads[0]), axes, params["dimensions"])
            case name if name in _SUMS:
                return kept(self._shape(op.reads[0]), axes, params["axes"])
        same = [self.of(atom) for atom in op.reads if len(self._shape(atom)) == len(shape)]
        return frozenset[int]().union(*same)

    def _product(self, op: Op) -> Axes:
        contracted, batch = op.eqn.params["dimension_numbers"]
        found, place = set[int](), len(batch[0])
        for atom, sums, shared in zip(op.reads, contracted, batch, strict=True):
            rank = len(self._shape(atom))
            axes = frozenset(range(rank)) if self.flow.of(atom) == PARAM else self.of(atom)
            found.update(k for k, axis in enumerate(shared) if axis in axes)
            free = [axis for axis in range(rank) if axis not in (*sums, *shared)]
            found.update(place + k for k, axis in enumerate(free) if axis in axes)
            place += len(free)
        return frozenset(found)


__all__ = ["Axes", "Units", "kept", "reshaped"]
