"""Marks, identities that stay visible in a trace under any transformation; and flat traces."""

from typing import Any

import jax
from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn, Literal, Primitive
from jax.interpreters import ad, batching, mlir

_INLINED = ("checkpoint", "remat", "remat2", "pjit", "jit", "closed_call", "core_call")
mark_p = Primitive("vgtheory_mark")
"""Identity with two parameters: ``call``, a number, and ``end``, whether it follows the call."""
mark_p.def_impl(lambda x, **_: x)
mark_p.def_abstract_eval(lambda aval, **_: aval)
# Under vmap the mark is on the whole batch, and in an inner grad on the primal value.
batching.primitive_batchers[mark_p] = lambda args, dims, **which: (mark_p.bind(*args, **which), dims[0])
ad.primitive_jvps[mark_p] = lambda primals, tangents, **which: (mark_p.bind(*primals, **which), tangents[0])
mlir.register_lowering(mark_p, lambda ctx, x, **_: [x])


def bound(eqn: JaxprEqn, values: list[Any]) -> list[Any]:
    """Result of one operation of a trace for the values it reads."""
    out = eqn.primitive.bind(*values, **eqn.primitive.get_bind_params(eqn.params))
    return list(out) if eqn.primitive.multiple_results else [out]


def _inner(eqn: JaxprEqn) -> tuple[Any, list[Any]] | None:
    """Operations within one that is to be replaced by them."""
    if eqn.primitive.name not in _INLINED:
        return None
    within = eqn.params.get("jaxpr", eqn.params.get("call_jaxpr"))
    return (within.jaxpr, within.consts) if isinstance(within, ClosedJaxpr) else (within, [])


def _evaluated(jaxpr: Jaxpr, consts: list[Any], args: list[Any]) -> list[Any]:
    """Outputs, with every operation done one by one, also those within others."""
    env = dict(zip([*jaxpr.constvars, *jaxpr.invars], [*consts, *args], strict=True))
    read = lambda atom: atom.val if isinstance(atom, Literal) else env[atom]
    for eqn in jaxpr.eqns:
        values, inner = [read(atom) for atom in eqn.invars], _inner(eqn)
        outs = bound(eqn, values) if inner is None else _evaluated(*inner, values)
        env |= zip(eqn.outvars, outs, strict=True)
    return [read(atom) for atom in jaxpr.outvars]


def flat(closed: ClosedJaxpr) -> ClosedJaxpr:
    """A trace in which compiled and rematerialised functions are written out."""
    if not any(_inner(eqn) for eqn in closed.jaxpr.eqns):
        return closed
    shapes = [jax.ShapeDtypeStruct(var.aval.shape, var.aval.dtype) for var in closed.jaxpr.invars]
    return jax.make_jaxpr(lambda *args: _evaluated(closed.jaxpr, closed.consts, list(args)))(*shapes)
