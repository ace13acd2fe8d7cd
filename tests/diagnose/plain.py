"""The same numbers as a diagnosis's by ``jax.grad`` alone, without exponents and without a scan."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from vgtheory.diagnose import Diagnosis
from vgtheory.diagnose.program.listing import bound, scan_parts
from vgtheory.diagnose.program.models import opened
from vgtheory.diagnose.program.sites import Layers


def log_norms(tree: Any) -> np.ndarray:
    wide = [np.asarray(leaf).astype(complex) for leaf in jax.tree.leaves(tree)]
    with np.errstate(divide="ignore"):
        return np.log([float(np.linalg.norm(leaf)) for leaf in wide])


def leaf_logs(model: Any, loss: Callable[..., Any], batch: tuple, variables: Any = None, rngs: Any = None) -> dict:
    """Log-norm of ``jax.grad`` by each parameter."""
    first = lambda value: value[0] if isinstance(value, tuple) else value
    whole = opened(model, variables, loss, rngs)
    grads = jax.jit(jax.grad(lambda leaves: first(whole.loss(leaves, batch))))(whole.leaves)
    return dict(zip(whole.names, map(float, log_norms(grads)), strict=True))


def _run(layers: Layers, env: dict, where: tuple, shift: Callable[..., Any]) -> list:
    """Operation after operation, every step of a scan by itself; ``shift`` is added to layers' outputs."""
    env |= layers.program.consts
    outs = {site.out: site.number for site in layers.sites}
    for place, op in enumerate(layers.program.ops):
        values = [env[atom] if isinstance(atom, int) else atom.val for atom in op.reads]
        made = _steps(layers.within[place], op, values, where, shift) if place in layers.within else bound(op, values)
        env |= zip(op.makes, made, strict=True)
        for var in set(op.makes) & set(outs):
            env[var] = env[var] + shift(outs[var], where)
    return [env[atom] if isinstance(atom, int) else jnp.asarray(atom.val) for atom in layers.program.outputs]


def _steps(body: Layers, op: Any, values: list, where: tuple, shift: Callable[..., Any]) -> list:
    consts, carry, slices = scan_parts(op, values)
    length, kept = op.eqn.params["length"], {}
    for i in sorted(range(length), reverse=op.eqn.params["reverse"]):
        given = [*consts, *carry, *(each[i] for each in slices)]
        outs = _run(body, dict(zip(body.program.inputs, given, strict=True)), (*where, i), shift)
        carry, kept[i] = outs[: len(carry)], outs[len(carry) :]
    return [*carry, *(jnp.stack(each) for each in zip(*(kept[i] for i in range(length)), strict=True))]


def row_logs(found: Diagnosis) -> np.ndarray:
    """Log-norm of the gradient by each layer call's output, from zeros that are added to it."""
    runs = found._runs
    trace, calls = runs.trace, runs.trace.graph.calls
    of = {(call.site.number, call.where): k for k, call in enumerate(calls)}

    def loss(zeros: list) -> Any:
        env = dict(zip(trace.program.inputs, [*runs.leaves, *runs.arrays], strict=True))
        return _run(trace.layers, env, (), lambda number, where: zeros[of[number, where]])[0]

    zeros = [jnp.zeros(call.site.shape, trace.program.avals[call.site.out].dtype) for call in calls]
    return log_norms(jax.jit(jax.grad(loss))(zeros))
