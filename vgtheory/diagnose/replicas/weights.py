"""Where a layer's weights come from: which layers and steps share them, and whether they are drawn as they stand."""

import math
from collections.abc import Hashable
from typing import Any, NamedTuple

from jax.extend.core import Literal

from vgtheory.diagnose.program.flow import DATA, LOOK_UPS, PARAM, Flow
from vgtheory.diagnose.program.listing import Atom, Op, scan_parts
from vgtheory.diagnose.program.sites import Layers

_MOVES = (
    *("convert_element_type", "copy", "reduce_precision", "reshape", "transpose", "squeeze", "expand_dims"),
    *("broadcast_in_dim", "slice", "rev", "split", "stop_gradient", "concatenate", "dynamic_slice", "gather"),
)
"""What leaves independent weights independent."""
_SCALES = ("mul", "div", "neg", "add", "sub", "max", "integer_pow", "square", "sqrt", "rsqrt", "pow", "reduce_sum")
"""What normalises them."""


class Weights(NamedTuple):
    """Origin of an array that depends on parameters alone.

    Attributes
    ----------
    identity
        Equal for equal weights.
    levels
        Scans that the layer is in, outermost first, whose steps have weights of their own.
    entries
        Number of independent ones.
    why
        Why the weights are not drawn as independent Gaussians; empty if they are.
    blocks
        Units of the matrices that a kernel consists of, side by side along its new axes; none if it
        is one.
    """

    identity: Hashable
    levels: frozenset[int]
    entries: int
    why: str = ""
    blocks: tuple[int, ...] = ()


class Origins:
    """Origins of the weights of a program."""

    def __init__(self, layers: Layers, flow: Flow) -> None:
        self.flow, self.avals = flow, layers.program.avals
        self.makers: dict[int, tuple[Op, int]] = {}
        self.above: dict[int, tuple[Atom, str, int]] = {}
        self.inputs = {var: place for place, var in enumerate(layers.program.inputs)}
        self.consts: dict[int, Any] = {}
        self.found: dict[int, Weights] = {}
        self._collect(layers, 0)

    def _collect(self, layers: Layers, depth: int) -> None:
        self.consts |= layers.program.consts
        for place, op in enumerate(layers.program.ops):
            self.makers |= {var: (op, depth) for var in op.makes}
            if place not in layers.within:
                continue
            body = layers.within[place].program
            roles = zip(("const", "carry", "slice"), scan_parts(op, list(range(len(op.reads)))), strict=True)
            for role, places in roles:
                for k, each in enumerate(places):
                    var = body.inputs[each]
                    is_same = role == "carry" and body.outputs[k] == var
                    self.above[var] = (op.reads[each], "const" if is_same else role, depth)
            self._collect(layers.within[place], depth + 1)

    def of(self, atom: Atom) -> Weights:
        """Origin of a variable or literal."""
        if not isinstance(atom, int):
            return Weights(("literal", str(atom.val)), frozenset(), 1)
        if atom not in self.found:
            self.found[atom] = self._of(atom)
        return self.found[atom]

    def _of(self, var: int) -> Weights:
        size = math.prod(self.avals[var].shape)
        if var in self.inputs and self.flow.of(var) & PARAM:
            return Weights(("parameter", self.inputs[var]), frozenset(), size)
        if self.flow.of(var) & DATA:
            return Weights(var, frozenset(), size, "the data chooses among its weights")
        if var in self.above:
            atom, role, depth = self.above[var]
            if role == "carry":
                return Weights(var, frozenset(range(depth + 1)), size, "its weights change from step to step")
            found = self.of(atom)
            if role == "slice":
                levels = found.levels | {depth}
                return Weights(("step", found.identity), levels, min(found.entries, size), found.why)
            return found
        if var not in self.makers or self.flow.of(var) == 0:
            why = "its weights are masked" if size > 1 else ""
            return Weights(("constant", var), frozenset(), 1, why)
        return self._made(*self.makers[var], var, size)

    def _made(self, op: Op, depth: int, var: int, size: int) -> Weights:
        if op.name not in (*_MOVES, *_SCALES):
            return Weights(var, frozenset(range(depth)), size, f"its weights are made by {op.name}")
        if op.name in LOOK_UPS:
            return self._chosen(op, depth, var, size)
        parts = [self.of(atom) for atom in op.reads]
        why = next((part.why for part in parts if part.why), "")
        levels = frozenset[int]().union(*(part.levels for part in parts))
        counts = [part.entries for part in parts]
        count = min(size, sum(counts) if op.name == "concatenate" else max(counts))
        settings = tuple(f"{name}={value}" for name, value in op.eqn.params.items())
        place = op.makes.index(var)
        return Weights((op.name, settings, place, *(part.identity for part in parts)), levels, count, why)

    def _chosen(self, op: Op, depth: int, var: int, size: int) -> Weights:
        """A look-up: at a place that is fixed, or that every step has of its own."""
        whole, indices = self.of(op.reads[0]), [atom for atom in op.reads[1:]]
        is_fixed = all(isinstance(atom, Literal) or atom in self.consts for atom in indices)
        places = tuple(str(self.consts[a]) if isinstance(a, int) and a in self.consts else str(a) for a in indices)
        settings = tuple(f"{name}={value}" for name, value in op.eqn.params.items())
        identity = (op.name, settings, places if is_fixed else var, whole.identity)
        levels = whole.levels if is_fixed else whole.levels | frozenset(range(depth))
        return Weights(identity, levels, min(whole.entries, size), whole.why)

    def kernel(self, atom: Atom) -> Weights:
        """Origin of a layer's kernel."""
        found = self.of(atom)
        size = math.prod(self.avals[atom].shape) if isinstance(atom, int) else 1
        return found._replace(why="its weights repeat") if not found.why and found.entries < size else found

    def blocks(self, atom: Atom, free: tuple[int, ...]) -> tuple[int, ...]:
        """Units of the matrices that a kernel consists of, side by side along its new axes; none if it is one.

        A 0 stands for matrices that are joined otherwise.
        """
        op, is_one = None, False
        while isinstance(atom, int):
            if atom in self.above and self.above[atom][1] != "carry":
                is_one |= self.above[atom][1] == "slice"
                atom = self.above[atom][0]
                continue
            op = self.makers[atom][0] if atom in self.makers else None
            if op is None or op.name not in _MOVES or op.name == "concatenate":
                break
            if op.name != "convert_element_type":
                free = ()
            is_one |= op.name in (*LOOK_UPS, "slice") and 1 in self._shape(op.makes[0])
            atom = op.reads[0]
        if op is None or op.name != "concatenate" or is_one:
            return ()
        axis = op.eqn.params["dimension"]
        return tuple(self._shape(each)[axis] for each in op.reads) if free == (axis,) else (0,)

    def _shape(self, atom: Atom) -> tuple[int, ...]:
        aval: Any = self.avals[atom] if isinstance(atom, int) else atom.aval
        return tuple(aval.shape)


__all__ = ["Origins", "Weights"]
