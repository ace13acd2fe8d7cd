"""Flow of gradients: what each variable depends on, and which variables carry a gradient.

A variable depends on parameters (``PARAM``), on the data (``DATA``), on both (``STATE``), or on
neither. Weights that are cast or sliced are still ``PARAM``; the variables of a backward pass are
``STATE``. A variable that is no real or complex number carries no gradient.
"""

from typing import NamedTuple

from vgtheory.diagnose.program.listing import Atom, Op, Program, is_inexact, scan_parts

PARAM, DATA = 1, 2
STATE = PARAM | DATA
PRODUCTS = ("dot_general", "conv_general_dilated", "ragged_dot", "ragged_dot_general")
LOOK_UPS = ("gather", "dynamic_slice")
_DRAWS = ("random_bits", "rng_bit_generator", "random_gamma", "rng_uniform")


class Flow(NamedTuple):
    """Dependence of every variable of a program and its bodies.

    Attributes
    ----------
    on
        ``PARAM``, ``DATA``, ``STATE`` or 0.
    origin
        For variables that depend on parameters alone, the numbers of these parameters.
    carrying
        Variables on a path of gradients from the loss to a parameter.
    drawn
        Variables that depend on random bits and on no parameter.
    own
        Variables that depend on the model's own arrays which are no parameters, and on nothing else.
    """

    on: dict[int, int]
    origin: dict[int, frozenset[int]]
    carrying: set[int]
    drawn: set[int]
    own: set[int]

    def of(self, atom: Atom) -> int:
        """Dependence of a variable or literal."""
        return self.on.get(atom, 0) if isinstance(atom, int) else 0

    def carries(self, atom: Atom) -> bool:
        """Whether the gradient flows through a variable that depends on the data."""
        return isinstance(atom, int) and atom in self.carrying and self.on[atom] == STATE


def flow(program: Program, num_leaves: int, own: frozenset[int] = frozenset()) -> Flow:
    """Flow of gradients in a program whose first ``num_leaves`` inputs are parameters.

    Where no other input reaches the loss, its constants are the data: integers, and if need be all.
    Elsewhere those are data by which a parameter is multiplied as a matrix, but for the model's own
    arrays, whose ``id`` is in ``own``.
    """
    is_alone = len(program.inputs) == num_leaves
    whole = [var for var in program.consts if is_alone]
    for data in ([], [var for var in whole if not is_inexact(program.avals[var])], whole):
        found = _flow(program, num_leaves, own, data)
        if found.of(program.outputs[0]) & DATA:
            break
    return found


def _flow(program: Program, num_leaves: int, own: frozenset[int], data: list[int]) -> Flow:
    found = Flow({}, {}, set(), set(), {var for var, value in program.consts.items() if id(value) in own})
    found.on.update(dict.fromkeys(program.consts, 0) | dict.fromkeys(data, DATA))
    for i, var in enumerate(program.inputs):
        is_leaf = i < num_leaves
        found.on[var] = DATA if not is_leaf else PARAM if is_inexact(program.avals[var]) else 0
        found.origin[var] = frozenset([i] if is_leaf else [])
    _depend(program, found)
    found.carrying.update(atom for atom in program.outputs if isinstance(atom, int) and found.on[atom] & PARAM)
    _carry(program, found)
    return found


def _joined(found: Flow, atoms: list[Atom]) -> tuple[int, frozenset[int]]:
    """Dependence and origin of a result of these."""
    on, origin = 0, frozenset[int]()
    for atom in atoms:
        if isinstance(atom, int):
            on |= found.on.get(atom, 0)
            origin |= found.origin.get(atom, frozenset())
    return on, origin


def _is_entry(op: Op, program: Program, found: Flow) -> bool:
    """Whether data that is no input, captured or made on the spot, meets its first matrix."""
    if op.name not in PRODUCTS or sorted(map(found.of, op.reads[:2])) != [0, PARAM]:
        return False
    other = next(atom for atom in op.reads[:2] if found.of(atom) == 0)
    return isinstance(other, int) and other not in found.own and program.avals[other].shape != ()


def _depend(program: Program, found: Flow) -> None:
    """Dependence of all variables that a program makes."""
    for op in program.ops:
        if op.body is not None:
            _depend_scan(program, op, found)
            continue
        on, origin = _joined(found, list(op.reads))
        on = on & ~PARAM if op.name == "stop_gradient" else on
        on = on | DATA if op.name in _DRAWS or _is_entry(op, program, found) else on
        if op.name in LOOK_UPS and found.of(op.reads[0]) == PARAM:
            origin = found.origin[op.variables[0]]
        if not on and any(var in found.own for var in op.variables):
            found.own.update(op.makes)
        if not on & PARAM and (op.name in _DRAWS or any(var in found.drawn for var in op.variables)):
            found.drawn.update(op.makes)
        for var in op.makes:
            found.on[var] = on if is_inexact(program.avals[var]) else on & DATA
            found.origin[var] = origin


def _depend_scan(program: Program, op: Op, found: Flow) -> None:
    """Dependence within a scan's body and behind it: its carry depends on all that its steps do."""
    body = op.body
    assert body is not None
    found.on.update(dict.fromkeys(body.consts, 0))
    for var, atom in zip(body.inputs, op.reads, strict=True):
        found.on[var], found.origin[var] = _joined(found, [atom])
        found.drawn.update([var] if isinstance(atom, int) and atom in found.drawn else [])
        found.own.update([var] if isinstance(atom, int) and atom in found.own else [])
    _, carry, _ = scan_parts(op, body.inputs)
    while True:
        _depend(body, found)
        before = [(found.on[var], found.origin[var]) for var in carry]
        for var, atom in zip(carry, body.outputs, strict=False):
            on, origin = _joined(found, [var, atom])
            found.on[var], found.origin[var] = on if is_inexact(body.avals[var]) else on & DATA, origin
        if before == [(found.on[var], found.origin[var]) for var in carry]:
            break
    for var, atom in zip(op.makes, body.outputs, strict=True):
        on, origin = _joined(found, [atom])
        found.on[var], found.origin[var] = on if is_inexact(program.avals[var]) else on & DATA, origin
    for var, inner in zip(op.makes, carry, strict=False):
        found.on[var], found.origin[var] = found.on[inner], found.origin[inner]


def _carry(program: Program, found: Flow) -> None:
    """Add what carries a gradient below the variables that do already."""
    for op in reversed(program.ops):
        if not any(var in found.carrying for var in op.makes):
            continue
        if op.body is None:
            found.carrying.update(var for var in op.variables if found.on.get(var, 0) & PARAM)
            continue
        body = op.body
        _, carry, _ = scan_parts(op, body.inputs)
        outs = [a for a, var in zip(body.outputs, op.makes, strict=True) if var in found.carrying]
        found.carrying.update(a for a in outs if isinstance(a, int) and found.on[a] & PARAM)
        while True:
            _carry(body, found)
            more = [a for a, var in zip(body.outputs, carry, strict=False) if var in found.carrying]
            new = {a for a in more if isinstance(a, int) and found.on[a] & PARAM} - found.carrying
            if not new:
                break
            found.carrying.update(new)
        pairs = zip(op.reads, body.inputs, strict=True)
        found.carrying.update(a for a, var in pairs if isinstance(a, int) and var in found.carrying)
