"""One backward pass of any traced loss, with the log-norms of the gradient on its way.

At some places in the list of operations, all variables alive are renormalised together in the
backward pass. They are a cut, so that everything below has the same unit. The logs of the factors
are summed.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.extend.core import Literal, Var

from vgtheory.diagnose.tracing.flow import PARAM, STATE, Atom
from vgtheory.diagnose.tracing.marks import bound, mark_p
from vgtheory.diagnose.tracing.probes import Cut, joint_tap, log_root, probe, squares
from vgtheory.diagnose.tracing.trace import Site, Trace


class Slots(NamedTuple):
    """Zeros whose gradients are recorded, by tap, by call, and by call and variable."""

    taps: dict[int, Array]
    outputs: dict[int, Array]
    inputs: dict[int, Array]
    uses: dict[int, list[Array]]


class Raw(NamedTuple):
    """Result of one compiled pass: the loss, gradients of ``Slots``, and sums of squares."""

    loss: Any
    seen: Any
    outputs: dict[int, Array]
    kernels: dict[int, Array]
    leaves: dict[int, Array]


class Pass(NamedTuple):
    """Result of one pass: natural logs but for the loss, in arrays over calls.

    NaN where a quantity does not exist, inf where it is not finite.

    Attributes
    ----------
    loss
        Value of the loss.
    log_rms
        Log rms of the output.
    log_weight
        Log rms of the largest array of parameters that the call reads.
    log_grad
        Log-norm of the loss's gradient with respect to the output.
    log_below
        Log-norm of the gradient with respect to the input, through this call only.
    log_grad_weight
        Log-norm of the gradient with respect to the parameters read, through this call only.
    leaves
        Log-norm of the whole gradient of each parameter for which this pass determines it; else
        NaN.
    """

    loss: float
    log_rms: np.ndarray
    log_weight: np.ndarray
    log_grad: np.ndarray
    log_below: np.ndarray
    log_grad_weight: np.ndarray
    leaves: np.ndarray


def _at(trace: Trace) -> dict[int, tuple[int, bool]]:
    """By place in the list: the call whose mark is there, and whether the mark follows the call."""
    starts = {site.start: (k, False) for k, site in enumerate(trace.sites)}
    return starts | {site.end: (k, True) for k, site in enumerate(trace.sites)}


def _slots(trace: Trace) -> Slots:
    """Zeros for everything that is measured."""
    outputs, inputs = dict[int, Array](), dict[int, Array]()
    for place, (k, end) in _at(trace).items():
        if _flows(trace, place):
            (outputs if end else inputs)[k] = jnp.zeros(3)
    uses = {k: [jnp.zeros(3) for _ in site.uses] for k, site in enumerate(trace.sites)}
    return Slots({i: jnp.zeros(()) for i in trace.taps}, outputs, inputs, uses)


def _flows(trace: Trace, place: int) -> bool:
    """Whether any gradient flows through a mark."""
    var = trace.jaxpr.eqns[place].outvars[0]
    return var in trace.carrying and trace.dep[var] == STATE


def _kernel(site: Site) -> Any:
    """Largest array of parameters that a call reads."""
    return max(site.uses, key=lambda var: var.aval.size, default=None)


def regions(trace: Trace) -> list[set[int]]:
    """Stretches between taps in which each parameter meets the data."""
    order = sorted(trace.taps)
    number, found = len(order), dict[Atom, set[int]]()
    if trace.dep.get(end := trace.jaxpr.outvars[0]) == PARAM:
        found[end] = {number}
    for i in range(len(trace.jaxpr.eqns) - 1, -1, -1):
        eqn = trace.jaxpr.eqns[i]
        while number and order[number - 1] >= i:
            number -= 1
        outs = [var for var in eqn.outvars if var in trace.carrying]
        met = {number} if any(trace.dep[var] == STATE for var in outs) else set()
        met = met.union(*(found.get(var, set()) for var in outs))
        for var in eqn.invars if outs else ():
            if not isinstance(var, Literal) and trace.dep.get(var) == PARAM:
                found.setdefault(var, set()).update(met)
    return [found.get(var, set()) for var in trace.jaxpr.invars[: len(trace.leaves)]]


def _forward(trace: Trace, consts: list, inputs: list, slots: Slots, cut: Cut) -> tuple[Array, tuple[dict, dict]]:
    """The loss with all taps and probes in, and the sizes of outputs and weights."""
    env = dict(zip([*trace.jaxpr.constvars, *trace.jaxpr.invars], [*consts, *inputs], strict=True))
    local, at = dict[tuple[int, Var], Array](), _at(trace)
    outputs, kernels = dict[int, Array](), dict[int, Array]()

    def read(atom: Atom, k: int = -1) -> Any:
        """A value; a parameter that call k reads comes through that call's probe."""
        return atom.val if isinstance(atom, Literal) else local.get((k, atom), env[atom])

    for i, eqn in enumerate(trace.jaxpr.eqns):
        k, end = at.get(i, (-1, False))
        if eqn.primitive is mark_p:
            value = read(eqn.invars[0])
            slot = (slots.outputs if end else slots.inputs).get(k)
            if end:
                outputs[k] = squares(jax.lax.stop_gradient(value))
                value = value if cut.links.get(2 * k, (None,))[0] is None else cut.joined(2 * k, value, env)
            elif slot is not None:
                value = value if cut.links.get(2 * k, (0,))[0] is not None else cut.joined(2 * k, value, env)
                value = cut.joined(2 * k + 1, value, env)
            outs = [value if slot is None else probe(value, slot)]
            if k >= 0 and not end:
                kernel = _kernel(trace.sites[k])
                kernels |= {} if kernel is None else {k: squares(jax.lax.stop_gradient(env[kernel]))}
                local = {(k, v): probe(env[v], z) for v, z in zip(trace.sites[k].uses, slots.uses[k], strict=True)}
        else:
            outs = bound(eqn, [read(atom, trace.inside[i]) for atom in eqn.invars])
        env |= zip(eqn.outvars, outs, strict=True)
        if i in trace.taps:
            alive = trace.taps[i]
            env |= zip(alive, joint_tap(tuple(env[var] for var in alive), slots.taps[i]), strict=True)
    return read(trace.jaxpr.outvars[0]), (outputs, kernels)


def _asked(trace: Trace) -> tuple[dict[int, int], dict[int, tuple[int, int]]]:
    """Parameters whose gradient must be requested, and those that one call's probe sees."""
    readers: dict[Var, list[int]] = {}
    for i, eqn in enumerate(trace.jaxpr.eqns):
        for atom in eqn.invars:
            if not isinstance(atom, Literal):
                readers.setdefault(atom, []).append(trace.inside[i])
    asked, direct = {}, {}
    for j, (var, met) in enumerate(zip(trace.jaxpr.invars, regions(trace), strict=False)):
        by = set(readers.get(var, []))
        k = next(iter(by), -1)
        if len(by) == 1 and k >= 0 and var in trace.sites[k].uses:
            direct[j] = (k, trace.sites[k].uses.index(var))
        elif len(met) == 1:
            asked[j] = next(iter(met))
    return asked, direct


def measured(trace: Trace, consts: list, leaves: list, arrays: list, cut: Cut | None = None) -> Raw:
    """Value, gradient norms and sizes of a traced loss; compile it with ``trace`` fixed.

    Parameters
    ----------
    trace
        From ``traced``.
    consts, leaves, arrays
        Its constants, parameters and data.
    cut
        A layer to take out of the backward pass.
    """
    asked, cut = _asked(trace)[0], cut or Cut(jnp.full((), -1), {})

    def loss(slots: Slots, given: dict[int, Array]) -> Any:
        return _forward(trace, consts, [*(given.get(j, leaf) for j, leaf in enumerate(leaves)), *arrays], slots, cut)

    given = {j: leaves[j] for j in asked}
    (value, sizes), (seen, grads) = jax.value_and_grad(loss, (0, 1), has_aux=True)(_slots(trace), given)
    return Raw(value, seen, sizes[0], sizes[1], {j: squares(grad) for j, grad in grads.items()})


def read(trace: Trace, raw: Raw) -> Pass:
    """Assemble a pass from the fetched result of ``measured``."""
    order, (asked, direct), seen = sorted(trace.taps), _asked(trace), raw.seen
    logs = np.array([seen.taps[i] for i in order], np.float64)
    # Log of the taps' factors for each stretch between them, from the bottom up; above the last tap it is 0.
    taken = np.append(np.cumsum(np.where(np.isnan(logs), np.inf, logs)[::-1])[::-1], 0.0)
    columns = np.full((5, len(trace.sites)), np.nan)

    def total(sums: Any, stretch: int) -> float:
        """With what the taps above took out; inf for all that is not finite."""
        with np.errstate(invalid="ignore"):
            log = float(np.logaddexp.reduce(2 * np.atleast_1d(log_root(sums))) / 2 + taken[stretch])
        return float("inf") if np.isnan(log) else log

    for k, site in enumerate(trace.sites):
        start, end = (sum(i < place for i in order) for place in (site.start, site.end))
        columns[0, k] = log_root(raw.outputs[k]) - float(np.log(max(int(np.prod(site.shape)), 1))) / 2
        if k in raw.kernels:
            columns[1, k] = log_root(raw.kernels[k]) - np.log(_kernel(site).aval.size) / 2
        if k in seen.outputs:
            columns[2, k] = total(seen.outputs[k], end)
        if k in seen.inputs:
            columns[3, k] = total(seen.inputs[k], start)
        if site.uses:
            columns[4, k] = total(np.stack(seen.uses[k]), end)
    whole = np.full(len(trace.leaves), np.nan)
    for j, stretch in asked.items():
        whole[j] = total(raw.leaves[j], stretch)
    for j, (k, use) in direct.items():
        whole[j] = total(seen.uses[k][use], sum(i < trace.sites[k].end for i in order))
    log_rms, log_weight, log_grad, log_below, log_grad_weight = columns
    return Pass(float(raw.loss), log_rms, log_weight, log_grad, log_below, log_grad_weight, whole)


class Faults(NamedTuple):
    """Share of entries that are NaN or infinite, by call (input, output) and by parameter."""

    inputs: dict[int, Any]
    outputs: dict[int, Any]
    leaves: list[Any]


def _share(x: Array) -> Array:
    return jnp.mean(~jnp.isfinite(x)) if jnp.issubdtype(x.dtype, jnp.inexact) else jnp.zeros(())


def faults(trace: Trace, consts: list, leaves: list, arrays: list) -> Faults:
    """Places where a forward pass is not finite; compile it with ``trace`` fixed."""
    env = dict(zip([*trace.jaxpr.constvars, *trace.jaxpr.invars], [*consts, *leaves, *arrays], strict=True))
    at, inputs, outputs = _at(trace), dict[int, Any](), dict[int, Any]()
    for i, eqn in enumerate(trace.jaxpr.eqns):
        values = [atom.val if isinstance(atom, Literal) else env[atom] for atom in eqn.invars]
        if i in at:
            (outputs if at[i][1] else inputs)[at[i][0]] = _share(values[0])
        env |= zip(eqn.outvars, values if eqn.primitive is mark_p else bound(eqn, values), strict=True)
    return Faults(inputs, outputs, [_share(jnp.asarray(leaf)) for leaf in leaves])
