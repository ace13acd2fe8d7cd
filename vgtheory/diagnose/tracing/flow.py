"""What a gradient can flow through: how the variables of a list of primitive operations depend on parameters and data.

Key: ``dep`` of a variable: NONE, of no parameter; PARAM, of parameters alone (a kernel, cast or sliced); STATE, of parameters
and data: the variables that a backward pass goes down along.
"""

from typing import Any

import jax.numpy as jnp
from jax.extend.core import Literal

from vgtheory.diagnose.tracing.marks import mark_p

NONE, PARAM, STATE = 0, 1, 2


def is_float(value: Any) -> bool:
    """Tell whether an array, or a variable of a trace, is of real numbers.

    Parameters
    ----------
    value
        Anything.
    """
    dtype = getattr(getattr(value, "aval", value), "dtype", None)
    return dtype is not None and jnp.issubdtype(dtype, jnp.floating)


def reads(eqn: Any) -> list[Any]:
    """Variables that an operation reads.

    Parameters
    ----------
    eqn
        The operation.
    """
    return [atom for atom in eqn.invars if not isinstance(atom, Literal)]


def dependence(jaxpr: Any, num_leaves: int) -> dict[Any, int]:
    """What each variable depends on.

    Parameters
    ----------
    jaxpr
        The operations, flat.
    num_leaves
        How many of the first inputs are parameters.
    """
    dep = {var: PARAM if i < num_leaves and is_float(var) else NONE for i, var in enumerate(jaxpr.invars)}
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


def carrying_of(jaxpr: Any, dep: dict[Any, int]) -> set[Any]:
    """Variables that depend on parameters and that the loss depends on, by a path that gradients take.

    Parameters
    ----------
    jaxpr
        The operations, flat.
    dep
        What each variable depends on (``dependence``).
    """
    carrying = {var for var in jaxpr.outvars if dep.get(var)}
    for eqn in reversed(jaxpr.eqns):
        if any(var in carrying for var in eqn.outvars):
            carrying.update(var for var in reads(eqn) if dep.get(var))
    return carrying


def leads_only_to(readers: dict[Any, list[int]], jaxpr: Any, start: Any, goal: int, dep: dict[Any, int]) -> bool:
    """Tell whether all paths from a variable lead to one operation, without meeting another mark or the end first.

    Parameters
    ----------
    readers
        By variable, the numbers of the operations that read it.
    jaxpr
        The operations, flat.
    start, goal
        The variable, and the number of the operation.
    dep
        What each variable depends on (``dependence``).
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


def uses_of(jaxpr: Any, start: int, end: int, dep: dict[Any, int], carrying: set[Any]) -> tuple[Any, ...]:
    """What the operations between two marks read of the parameters.

    Parameters
    ----------
    jaxpr
        The operations, flat.
    start, end
        Numbers of the marks.
    dep
        What each variable depends on (``dependence``).
    carrying
        Variables through which the gradient flows (``carrying_of``).
    """
    made = {var for eqn in jaxpr.eqns[start:end] for var in eqn.outvars}
    read = dict.fromkeys(var for eqn in jaxpr.eqns[start + 1 : end] for var in reads(eqn))
    return tuple(var for var in read if dep.get(var) == PARAM and var in carrying and var not in made)
