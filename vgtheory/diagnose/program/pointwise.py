"""Activations of a program: values that are elementwise functions of one value."""

from typing import NamedTuple

from vgtheory.diagnose.program.flow import DATA, Flow
from vgtheory.diagnose.program.listing import Op
from vgtheory.diagnose.program.sites import Layers
from vgtheory.diagnose.program.source import activation_of

_LINEAR = ("add", "sub", "mul", "div", "neg", "convert_element_type", "copy")
_CURVED = (
    *("exp", "exp2", "log", "log1p", "expm1", "tanh", "logistic", "erf", "erfc", "sin", "cos", "atan", "sqrt", "rsqrt"),
    *("abs", "sign", "max", "min", "pow", "integer_pow", "square", "select_n", "clamp", "custom_jvp_call"),
    *("gt", "lt", "ge", "le", "eq", "ne", "and", "or", "not", "is_finite", "cbrt", "floor"),
)


class Pointwise(NamedTuple):
    """An activation.

    Attributes
    ----------
    source, out
        Variables: its input and output.
    ops
        Its operations.
    name
        Its name, if it is known.
    is_gate
        Whether its output multiplies another signal.
    """

    source: int
    out: int
    ops: tuple[Op, ...]
    name: str
    is_gate: bool


def pointwise(layers: Layers, flow: Flow) -> list[Pointwise]:
    """Activations of a program and of all bodies in it."""
    program = layers.program
    found = [each for inner in layers.within.values() for each in pointwise(inner, flow)]
    within = {place for site in layers.sites for place in range(site.start, site.stop)}
    roots, groups = dict[int, int](), dict[int, list[Op]]()
    for place, op in enumerate(program.ops):
        read = {roots.get(var, var) for var in op.variables if flow.on.get(var, 0) & DATA}
        (root,) = read if len(read) == 1 else (-1,)
        shapes = {program.avals[var].shape for var in (*op.makes, *((root,) if root >= 0 else ()))}
        if root in flow.carrying and place not in within and op.name in (*_LINEAR, *_CURVED) and len(shapes) == 1:
            roots |= dict.fromkeys(op.makes, root)
            groups.setdefault(root, []).append(op)
    readers = program.readers()
    for source, ops in groups.items():
        made = {var for op in ops for var in op.makes}
        own, others = {id(op) for op in ops}, {atom for atom in program.outputs if isinstance(atom, int)} & made
        others |= {var for var in made for i in readers.get(var, ()) if id(program.ops[i]) not in own}
        outs = [var for var in others if flow.carries(var)]
        if len(outs) == 1 and any(_bends(op, made | {source}) for op in ops):
            names = [name for name in map(activation_of, ops) if name]
            above = [program.ops[i] for i in readers.get(outs[0], ())]
            is_gate = any(op.name == "mul" and sum(map(flow.carries, op.reads)) > 1 for op in above)
            found.append(Pointwise(source, outs[0], tuple(ops), names[0] if names else "the activation", is_gate))
    return found


def _bends(op: Op, data: set[int]) -> bool:
    """Whether an operation is not linear in the data."""
    return op.name in _CURVED or (op.name in ("mul", "div") and sum(var in data for var in op.variables) > 1)


__all__ = ["Pointwise", "pointwise"]
