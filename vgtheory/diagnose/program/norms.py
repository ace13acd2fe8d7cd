"""Normalisation, found by what it computes: a value over the root of a mean of its squares."""

import math
from typing import NamedTuple

from vgtheory.diagnose.program.flow import PARAM, STATE, Flow
from vgtheory.diagnose.program.listing import Op, Program

_MOST = 60
"""Operations that a norm may consist of."""
_SHAPING = ("reshape", "transpose", "convert_element_type", "broadcast_in_dim", "squeeze", "expand_dims", "copy")
_BEFORE = (*_SHAPING, "add", "max", "mul", "div", "pow", "integer_pow")
"""What a root may pass through before the data is divided by it."""
_WITHIN = (
    *_SHAPING,
    *("add", "sub", "mul", "div", "integer_pow", "square", "max", "abs", "neg", "rsqrt", "sqrt", "pow", "real", "imag"),
    *("reduce_sum", "reduce_max", "stop_gradient", "select_n", "clamp", "split", "dot_general"),
)


class NormGroup(NamedTuple):
    """Places of a norm's operations, its input, its output, and its scale (-1 without)."""

    places: frozenset[int]
    source: int
    out: int
    kernel: int


def _is_root(op: Op) -> bool:
    """Whether an operation is a root, or one over it."""
    exponent = op.reads[1] if op.name == "pow" else None
    return op.name in ("rsqrt", "sqrt") or (exponent is not None and getattr(exponent, "val", 0) in (-0.5, 0.5))


def _quotient(op: Op, program: Program, flow: Flow, readers: dict) -> tuple[int, int, int, int] | None:
    """Place of the product with the root that ``op`` takes, its other factor, and the scale before it."""
    var, kernel, size = op.makes[0], -1, math.prod(program.avals[op.makes[0]].shape)
    for _ in range(_MOST):
        places = [i for i in readers.get(var, ()) if any(v in flow.carrying for v in program.ops[i].makes)]
        if len(places) != 1:
            return None
        each = program.ops[places[0]]
        rest = [atom for atom in each.reads if atom != var]
        other = rest[0] if len(rest) == 1 else None
        if each.name in ("mul", "div") and flow.of(other or -1) == STATE and isinstance(other, int):
            is_whole = math.prod(program.avals[each.makes[0]].shape) > size
            return (places[0], other, each.makes[0], kernel) if is_whole else None
        if each.name == "mul" and flow.of(other or -1) == PARAM and isinstance(other, int):
            kernel = other
        elif each.name not in _BEFORE or flow.of(-1 if other is None else other) == STATE:
            return None
        var = each.makes[0]
    return None


def _source(start: set[int], program: Program, flow: Flow, makers: dict[int, int], size: int) -> int | None:
    """The last variable through which all of ``start`` depends on what is below."""
    frontier, met = set(start), 0
    for _ in range(_MOST):
        if len(frontier) == 1 and met:
            (only,) = frontier
            if math.prod(program.avals[only].shape) >= size:
                return only
        latest = max(frontier, key=lambda var: makers.get(var, -1))
        if latest not in makers or program.ops[makers[latest]].name not in _WITHIN:
            return None
        op = program.ops[makers[latest]]
        met += op.name in ("reduce_sum", "reduce_max", "dot_general")
        frontier.discard(latest)
        frontier |= {var for var in op.variables if flow.on.get(var, 0) == STATE}
        if not frontier:
            return None
    return None


def _between(source: int, out: int, program: Program, makers: dict[int, int]) -> frozenset[int]:
    """Places of the operations on all paths from one variable to another."""
    last, first = makers[out], makers.get(source, -1)
    reached, above = {source}, set[int]()
    for i in range(first + 1, last + 1):
        if any(var in reached for var in program.ops[i].variables):
            reached.update(program.ops[i].makes)
            above.add(i)
    wanted, places = {out}, set[int]()
    for i in sorted(above, reverse=True):
        if any(var in wanted for var in program.ops[i].makes):
            places.add(i)
            wanted.update(program.ops[i].variables)
    return frozenset(places)


def norm_group(
    op: Op, program: Program, flow: Flow, readers: dict[int, list[int]], makers: dict[int, int]
) -> NormGroup | None:
    """The norm whose root is ``op``; None if it is none."""
    if not _is_root(op) or not op.variables or flow.on.get(op.variables[0], 0) != STATE:
        return None
    if op.makes[0] not in flow.carrying:
        return None
    found = _quotient(op, program, flow, readers)
    if found is None:
        return None
    _, other, out, kernel = found
    source = _source({op.variables[0], other}, program, flow, makers, math.prod(program.avals[other].shape))
    if source is None:
        return None
    while len(readers.get(out, ())) == 1:
        each = program.ops[readers[out][0]]
        rest = [atom for atom in each.reads if atom != out]
        is_scale = each.name == "mul" and len(rest) == 1 and flow.of(rest[0]) == PARAM and kernel < 0
        if not is_scale and each.name not in _SHAPING:
            break
        kernel = rest[0] if is_scale and isinstance(rest[0], int) else kernel
        out = each.makes[0]
    return NormGroup(_between(source, out, program, makers), source, out, kernel)
