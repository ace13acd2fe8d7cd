"""A function in float64, whatever formats it was written in: its own operations, one by one, with no rounding to a narrower format.

Run inside ``jax.enable_x64(True)``. Integers, masks and random bits stay as they are.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.extend.core import ClosedJaxpr, Jaxpr, Literal

_CALLS = ("jit", "pjit", "closed_call", "core_call", "checkpoint", "remat2", "custom_jvp_call", "custom_vjp_call")
_SAME = ("reduce_precision", "optimization_barrier", "copy")
"""What does nothing to a number in float64."""


def _is_real(dtype: Any) -> bool:
    return jnp.issubdtype(dtype, jnp.floating)


def wide(value: Any) -> Any:
    """A real array in float64; any other as it is."""
    is_real = _is_real(getattr(value, "dtype", None) or jnp.result_type(value))
    return jnp.asarray(value, jnp.float64) if is_real else value


def _setting(value: Any) -> Any:
    """A parameter of an operation; formats of real numbers become float64."""
    return np.dtype("float64") if isinstance(value, np.dtype) and _is_real(value) else value


def _inner(eqn: Any) -> ClosedJaxpr:
    found = next(eqn.params[name] for name in ("jaxpr", "call_jaxpr", "fun_jaxpr") if name in eqn.params)
    return found if isinstance(found, ClosedJaxpr) else ClosedJaxpr(found, ())


def _scan(eqn: Any, values: list[Any]) -> list[Any]:
    params = eqn.params
    body, num_consts, num_carry = params["jaxpr"], params["num_consts"], params["num_carry"]
    consts, carry, slices = (
        values[:num_consts],
        values[num_consts : num_consts + num_carry],
        values[num_consts + num_carry :],
    )

    def step(carry: list[Any], slices: list[Any]) -> Any:
        outs = evaluated(body.jaxpr, body.consts, [*consts, *carry, *slices])
        return outs[:num_carry], outs[num_carry:]

    last, ys = lax.scan(step, carry, slices, params["length"], params["reverse"])
    return [*last, *ys]


def _made(eqn: Any, values: list[Any]) -> list[Any]:
    name = eqn.primitive.name
    if name in _CALLS:
        inner = _inner(eqn)
        return evaluated(inner.jaxpr, inner.consts, values)
    if name == "scan":
        return _scan(eqn, values)
    if name in _SAME:
        return values
    if name in ("while", "cond", "bitcast_convert_type") or name.startswith("random"):
        values = [
            v if not _is_real(v.dtype) else v.astype(a.aval.dtype) for v, a in zip(values, eqn.invars, strict=True)
        ]
        params = eqn.params
    else:
        params = {key: _setting(value) for key, value in eqn.params.items()}
    out = eqn.primitive.bind(*values, **eqn.primitive.get_bind_params(params))
    return list(out) if eqn.primitive.multiple_results else [out]


def evaluated(jaxpr: Jaxpr, consts: Any, values: list[Any]) -> list[Any]:
    """Results of a jaxpr, real numbers in float64."""
    env = dict(zip([*jaxpr.constvars, *jaxpr.invars], [*map(wide, consts), *values], strict=True))
    read = lambda atom: wide(jnp.asarray(atom.val, atom.aval.dtype)) if isinstance(atom, Literal) else env[atom]
    for eqn in jaxpr.eqns:
        env |= zip(eqn.outvars, map(wide, _made(eqn, [read(atom) for atom in eqn.invars])), strict=True)
    return [read(atom) for atom in jaxpr.outvars]


def precise(loss: Callable[[Any], Any], params: Any) -> tuple[Callable[[Any], Any], Any]:
    """A loss in float64 and its parameters; they are the same numbers.

    Trace it outside of ``jax.enable_x64(True)``, and call it inside.
    """
    closed = jax.make_jaxpr(loss)(params)

    def run(params: Any) -> Any:
        return evaluated(closed.jaxpr, closed.consts, jax.tree.leaves(params))[0]

    with jax.enable_x64(True):
        return run, jax.tree.map(wide, params)
