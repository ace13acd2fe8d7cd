"""Layers of a program: the operations in which a parameter meets the data.

No library is asked. A ``dot_general`` or a convolution between the data and a parameter is a layer,
a look-up in a parameter is an embedding, a product with a parameter is a scale. They are named by
the parameter's path in its pytree. The bias that is added to the result belongs to the layer.
"""

import math
from collections.abc import Collection, Iterator
from typing import NamedTuple

from vgtheory.diagnose.program.flow import DATA, LOOK_UPS, PARAM, PRODUCTS, STATE, Flow
from vgtheory.diagnose.program.listing import Op, Program
from vgtheory.diagnose.program.norms import norm_group
from vgtheory.diagnose.program.order import contiguous

WEIGHTED = ("dense", "conv", "embed")
"""Kinds that count as a layer of depth."""
_RESHAPING = ("reshape", "transpose", "squeeze", "expand_dims", "broadcast_in_dim")
_SHAPING = ("reshape", "transpose", "convert_element_type", "broadcast_in_dim", "squeeze", "copy")


class Site(NamedTuple):
    """One layer, called once or, in a scan's body, once in every step.

    Attributes
    ----------
    number
        Its number in the trace.
    kind
        ``"dense"``, ``"conv"``, ``"embed"``, ``"norm"``, ``"scale"`` or ``"dropout"``.
    leaves
        Numbers of the parameters that it reads.
    start, stop
        Its operations are ``ops[start:stop]`` of its program.
    source, out
        Variables: its input, which may carry no gradient, and its output.
    uses
        Variables that it reads and that depend on parameters alone, the kernel first.
    fan_in
        Inputs per output; NaN without a kernel.
    shape
        Shape of the output.
    """

    number: int
    kind: str
    leaves: frozenset[int]
    start: int
    stop: int
    source: int
    out: int
    uses: tuple[int, ...]
    fan_in: float
    shape: tuple[int, ...]


class _Group(NamedTuple):
    """Places of a layer's operations, before they are put next to each other."""

    kind: str
    places: frozenset[int]
    source: int
    out: int
    kernel: int
    fan_in: float


def _is_parameter(flow: Flow, atom: object) -> bool:
    return isinstance(atom, int) and flow.on.get(atom, 0) == PARAM


def _fan_in(op: Op, program: Program, side: int) -> float:
    """Inputs per output of a product, whose kernel is operand ``side``."""
    kernel = op.reads[side]
    assert isinstance(kernel, int)
    shape = program.avals[kernel].shape
    if not op.name.startswith("conv"):
        name, params = "dimension_numbers", op.eqn.params
        contracted, _ = params[name] if name in params else params[f"ragged_dot_{name}"].dot_dimension_numbers
        return float(math.prod(shape[axis] for axis in contracted[side]))
    return math.prod(shape) / shape[op.eqn.params["dimension_numbers"].rhs_spec[0]]


def _dropped(op: Op, program: Program, flow: Flow, makers: dict[int, int]) -> int | None:
    """Place among the operands of the value that a random mask is put on; None without a mask."""
    if op.name not in ("select_n", "mul") or not any(var in flow.carrying for var in op.makes):
        return None
    states = [i for i, atom in enumerate(op.reads) if flow.of(atom) == STATE]
    drawn = [var for var in op.variables if var in flow.drawn]
    if len(states) != 1 or len(drawn) != 1:
        return None
    (mask,) = drawn
    if op.name == "mul" and mask in makers and program.ops[makers[mask]].name == "convert_element_type":
        mask = next(iter(program.ops[makers[mask]].variables), mask)
    return states[0] if program.avals[mask].dtype == bool else None


def _chosen(program: Program, flow: Flow) -> tuple[set[int], set[int]]:
    """Matrices that the data chooses among a parameter's, as a mixture of experts does.

    The first set has the variables that hold them, the second the places of the look-ups.
    """
    found, kernels, used = dict[int, int](), set[int](), set[int]()
    for place, op in enumerate(program.ops):
        if op.name in LOOK_UPS and _is_parameter(flow, op.reads[0]) and flow.of(op.makes[0]) == STATE:
            if sum(size > 1 for size in op.eqn.params["slice_sizes"]) > 1:
                found[op.makes[0]] = place
        elif op.name in _SHAPING and op.variables and op.variables[0] in found:
            found[op.makes[0]] = found[op.variables[0]]
        elif op.name in PRODUCTS:
            sides = [atom for atom in op.reads[:2] if atom in found and isinstance(atom, int)]
            if len(sides) == 1:
                kernels.update(sides)
                used.add(found[sides[0]])
    return kernels, used


def _kernel_of(op: Op, program: Program, flow: Flow, chosen: set[int]) -> tuple[str, int] | None:
    """Kind of a layer that an operation begins, and the place of its kernel among the operands."""
    sides = [i for i, atom in enumerate(op.reads[:2]) if _is_parameter(flow, atom)]
    if op.name in PRODUCTS and not sides:
        sides = [i for i, atom in enumerate(op.reads[:2]) if isinstance(atom, int) and atom in chosen]
    if len(op.reads) < 2 or len(sides) != 1 or not any(var in flow.carrying for var in op.makes):
        return None
    side, other = sides[0], op.reads[1 - sides[0]]
    if op.name in PRODUCTS:
        is_data = flow.of(op.makes[0]) == STATE and isinstance(other, int)
        is_layer = is_data and program.avals[other].shape != ()  # type: ignore[index]
        return ("conv" if op.name.startswith("conv") else "dense", side) if is_layer else None
    if op.name in LOOK_UPS and side == 0:
        return ("embed", 0) if any(flow.of(atom) & DATA for atom in op.reads[1:]) else None
    if op.name == "mul" or (op.name == "div" and side == 1):
        is_scale = flow.of(other) == STATE and program.avals[op.makes[0]].size > 0
        return ("scale", side) if is_scale else None
    return None


def _shaped(bias: int, program: Program, readers: dict[int, list[int]], makers: dict[int, int]) -> Iterator[int]:
    """Places of the operations that only reshape a bias, for this one use."""
    avals = program.avals
    while bias in makers and len(readers[bias]) == 1:
        op = program.ops[makers[bias]]
        if op.name not in _RESHAPING or len(op.variables) != 1 or avals[op.variables[0]].size != avals[bias].size:
            return
        yield makers[bias]
        (bias,) = op.variables


def _with_bias(
    places: set[int], out: int, program: Program, flow: Flow, readers: dict[int, list[int]], makers: dict[int, int]
) -> int:
    """Add the bias that follows to a layer's places; returns the layer's output."""
    found, var = list[int](), out
    while len(readers.get(var, ())) == 1:
        place = readers[var][0]
        op = program.ops[place]
        found.append(place)
        if op.name in ("add", "add_any", "sub"):
            rest = [atom for atom in op.reads if atom != var]
            if len(rest) != 1 or not _is_parameter(flow, rest[0]):
                break
            places.update(found, _shaped(rest[0], program, readers, makers))  # type: ignore[arg-type]
            return op.makes[0]
        if op.name not in _SHAPING:
            break
        var = op.makes[0]
    return out


def _with_rescaling(
    place: int, source: int, program: Program, readers: dict[int, list[int]], makers: dict[int, int]
) -> tuple[set[int], int]:
    """Places of a dropout with the division by the share that is kept, and its input."""
    before = makers.get(source, -1)
    if before >= 0 and program.ops[before].name in ("div", "mul") and len(readers[source]) == 1:
        values, shape = program.ops[before].variables, program.avals[source].shape
        whole = [var for var in values if program.avals[var].shape == shape]
        if len(whole) == 1 and all(program.avals[var].shape == () for var in values if var not in whole):
            return {before, place}, whole[0]
    return {place}, source


def _groups(program: Program, flow: Flow) -> list[_Group]:
    """Layers of one program, in the order of their first operations."""
    readers, makers, taken, groups = program.readers(), program.makers(), set[int](), list[_Group]()
    chosen, choices = _chosen(program, flow)
    for op in program.ops:
        found = norm_group(op, program, flow, readers, makers)
        if found is None or found.places & taken:
            continue
        places, out = set(found.places), found.out
        out = _with_bias(places, out, program, flow, readers, makers)
        groups.append(_Group("norm", frozenset(places), found.source, out, found.kernel, math.nan))
        taken |= places
    for i, op in enumerate(program.ops):
        dropped = _dropped(op, program, flow, makers)
        if dropped is not None:
            source = op.reads[dropped]
            assert isinstance(source, int)
            places, source = _with_rescaling(i, source, program, readers, makers)
            groups.append(_Group("dropout", frozenset(places), source, op.makes[0], -1, math.nan))
            taken |= places
        begun = _kernel_of(op, program, flow, chosen) if i not in taken | choices else None
        if begun is None:
            continue
        kind, side = begun
        places, given = {i}, op.reads[1 - side] if kind != "embed" else op.reads[1]
        # What is added to a look-up, as positions are, is a parameter of its own.
        out = op.makes[0] if kind == "embed" else _with_bias(places, op.makes[0], program, flow, readers, makers)
        if places & taken:
            places, out = {i}, op.makes[0]
        fan_in = _fan_in(op, program, side) if kind in ("dense", "conv") else math.nan
        source, kernel = given if isinstance(given, int) else -1, op.reads[side]
        assert isinstance(kernel, int)
        groups.append(_Group(kind, frozenset(places), source, out, kernel, fan_in))
        taken |= places
    return groups


class Layers(NamedTuple):
    """Sites of a program, in order, and of the programs that are bodies in it, by place of the scan."""

    program: Program
    sites: list[Site]
    within: dict[int, "Layers"]


def layers_of(program: Program, flow: Flow, first: int = 0) -> Layers:
    """Sites of a program, whose operations are put in an order in which each site's are together."""
    groups = _groups(program, flow)
    ops, spans = contiguous(program.ops, [group.places for group in groups])
    program = Program(ops, program.inputs, program.outputs, program.consts, program.avals)
    order = sorted(range(len(groups)), key=lambda n: spans[n])
    sites, within, number = list[Site](), dict[int, Layers](), first
    starts = {spans[n][0]: n for n in order}
    for place, op in enumerate(ops):
        if place in starts:
            group, (start, stop) = groups[starts[place]], spans[starts[place]]
            made = {var for each in ops[start:stop] for var in each.makes}
            read = dict.fromkeys(var for each in ops[start:stop] for var in each.variables)
            uses = [v for v in read if flow.on.get(v, 0) == PARAM and v in flow.carrying and v not in made]
            uses += [group.kernel] if group.kernel >= 0 and group.kernel not in uses else []
            uses.sort(key=lambda var: var != group.kernel)
            leaves = frozenset[int]().union(*(flow.origin[var] for var in uses))
            shape = program.avals[group.out].shape
            site = Site(
                number, group.kind, leaves, start, stop, group.source, group.out, tuple(uses), group.fan_in, shape
            )
            sites.append(site)
            number += 1
        if op.body is not None:
            within[place] = layers_of(op.body, flow, number)
            ops[place] = op._replace(body=within[place].program)
            number += count(within[place])
    return Layers(program, sites, within)


def count(layers: Layers) -> int:
    """Number of sites in a program and its bodies."""
    return len(layers.sites) + sum(map(count, layers.within.values()))


def every_site(layers: Layers) -> list[Site]:
    """All sites, by number."""
    found = [*layers.sites, *(site for inner in layers.within.values() for site in every_site(inner))]
    return sorted(found, key=lambda site: site.number)


def only(layers: Layers, numbers: Collection[int]) -> Layers:
    """The program with some of its sites."""
    within = {place: only(inner, numbers) for place, inner in layers.within.items()}
    return Layers(layers.program, [site for site in layers.sites if site.number in numbers], within)


def hidden(layers: Layers, flow: Flow) -> dict[int, None]:
    """Matrices among the parameters that meet the data where it is not looked into, in order."""
    found = dict[int, None]()
    opaque = ("while", "cond", "custom_vjp_call", "shard_map", "pallas_call", "custom_lin", "custom_jvp_call")
    for place, op in enumerate(layers.program.ops):
        if place in layers.within:
            found |= hidden(layers.within[place], flow)
        elif op.name in opaque and any(flow.carries(var) for var in op.makes):
            for var in op.variables:
                if flow.on.get(var, 0) == PARAM and len(layers.program.avals[var].shape) > 1:
                    found |= dict.fromkeys(sorted(flow.origin[var]))
    return found


__all__ = ["WEIGHTED", "Layers", "Site", "count", "every_site", "hidden", "layers_of", "only"]
