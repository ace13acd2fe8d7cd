"""Flow of gradients: dependence of a trace's variables on parameters and data.

Key: ``dep`` of a variable is NONE (no parameter), PARAM (parameters alone: a kernel, cast or
sliced) or STATE (parameters and data: the variables of a backward pass). ``jaxpr`` is a flat list
of operations, and ``eqn`` one of them.
"""

from typing import Any

import jax.numpy as jnp
from jax.extend.core import Jaxpr, JaxprEqn, Literal, Var

from vgtheory.diagnose.tracing.marks import mark_p

NONE, PARAM, STATE = 0, 1, 2
Atom = Var | Literal


def is_float(value: Any) -> bool:
    """Whether an array, or a variable of a trace, consists of real numbers."""
    dtype = getattr(getattr(value, "aval", value), "dtype", None)
    return dtype is not None and jnp.issubdtype(dtype, jnp.floating)


def reads(eqn: JaxprEqn) -> list[Var]:
    """Variables that an operation reads."""
    return [atom for atom in eqn.invars if not isinstance(atom, Literal)]


def dependence(jaxpr: Jaxpr, num_leaves: int) -> dict[Atom, int]:
    """Dependence of each variable; the first ``num_leaves`` inputs are parameters."""
    dep: dict[Atom, int] = {
        var: PARAM if i < num_leaves and is_float(var) else NONE for i, var in enumerate(jaxpr.invars)
    }
    data = set(jaxpr.invars[num_leaves:])
    for eqn in jaxpr.eqns:
        read = reads(eqn)
        top = max((dep.get(var, NONE) for var in read), default=NONE)
        is_mark = eqn.primitive is mark_p
        meets = any(var in data for var in read) or is_mark
        found = NONE if eqn.primitive.name == "stop_gradient" else STATE if top == PARAM and meets else top
        for var in eqn.outvars:
            dep[var] = found if is_float(var) or jnp.iscomplexobj(var.aval) else NONE
            if meets:
                data.add(var)
    return dep


def carrying_of(jaxpr: Jaxpr, dep: dict[Atom, int]) -> set[Atom]:
    """Variables on a path of gradients from the loss to parameters."""
    carrying = {var for var in jaxpr.outvars if dep.get(var)}
    for eqn in reversed(jaxpr.eqns):
        if any(var in carrying for var in eqn.outvars):
            carrying.update(var for var in reads(eqn) if dep.get(var))
    return carrying


def leads_only_to(readers: dict[Var, list[int]], jaxpr: Jaxpr, start: Var, goal: int, dep: dict[Atom, int]) -> bool:
    """Whether all paths from a variable lead to one operation, past no other mark or end.

    Parameters
    ----------
    readers
        By variable, the numbers of the operations that read it.
    jaxpr
        The operations.
    start, goal
        The variable, and the number of the operation.
    dep
        Dependence of each variable (``dependence``).
    """
    todo, seen = [start], {start}
    while todo:
        var = todo.pop()
        if var is jaxpr.outvars[0]:
            return False
        for i in readers.get(var, []):
            if i == goal:
                continue
            if jaxpr.eqns[i].primitive is mark_p:
                return False
            new = [out for out in jaxpr.eqns[i].outvars if dep.get(out) and out not in seen]
            todo += new
            seen |= set(new)
    return True


def uses_of(jaxpr: Jaxpr, start: int, end: int, dep: dict[Atom, int], carrying: set[Atom]) -> tuple[Any, ...]:
    """Parameters that the operations between two marks read.

    Parameters
    ----------
    jaxpr
        The operations.
    start, end
        Numbers of the marks.
    dep
        Dependence of each variable (``dependence``).
    carrying
        Variables through which the gradient flows (``carrying_of``).
    """
    made = {var for eqn in jaxpr.eqns[start:end] for var in eqn.outvars}
    read = dict.fromkeys(var for eqn in jaxpr.eqns[start + 1 : end] for var in reads(eqn))
    return tuple(var for var in read if dep.get(var) == PARAM and var in carrying and var not in made)
