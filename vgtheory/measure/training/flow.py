"""Layers of a scalar chain during training by small steps of gradient descent."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from vgtheory.estimate import Estimate
from vgtheory.expect import Numbers, expect
from vgtheory.measure.arguments import asked, number
from vgtheory.measure.training.escape_time import Chains, gradient, local_rate

_THERE = 1e-9
"""Relative distance from the target at which training ends."""


@asked(weights=number(ndim=1), log_time=number("[-inf, inf]", ndim=1), y=number("[1e-30, 1e30]"))
def chain_flow(weights: Numbers, log_time: Numbers, *, y: float = 1.0, change: float = 1e-3) -> Estimate:
    """Weights of a scalar chain during gradient descent with small steps.

    Parameters
    ----------
    weights
        Initial weights, shape ``(depth,)``; none is 0, and their product is positive.
    log_time
        Natural log of the times, in ascending order, shape ``(times,)``.
    y
        Target, > 0.
    change
        Relative change of the product, or of its distance from the target, per step; from 1e-6 to
        0.1.

    Returns
    -------
    Estimate
        Weights, shape ``(times, depth)``. ``err`` is the effect of a shift of time by a share
        ``change``, plus that share of the change of the weights. The latter bounds the drift of the
        differences of squares in finite steps.

    Notes
    -----
    Accuracy: ``err``, in float64.
    Assumes: products and times within float64's range.

    Examples
    --------
    >>> import numpy as np
    >>> from vgtheory import measure
    >>> measure.training.chain_flow([0.2, 0.5, 2.0], np.log([1.0])).value.round(2).tolist()
    [[0.61, 0.76, 2.08]]
    """
    log_times = np.asarray(log_time, float)
    expect(bool(np.all(np.diff(log_times) >= 0)), "chain_flow", "times that do not fall", log_time=log_time)
    with jax.enable_x64(True):
        chain = _chain("chain_flow", weights, y, change)
        shown, speeds = _weights_at(chain, jnp.asarray(np.exp(log_times)), change)
        shown, speeds = np.asarray(shown), np.asarray(speeds)
    late = np.abs(speeds) * np.exp(log_times)[:, None]
    moved = np.abs(shown - np.asarray(weights, float))
    return Estimate(shown, change * (late + moved) + _THERE * np.abs(shown))


@asked(weights=number(ndim=1), y=number("[1e-30, 1e30]"))
def log_layer_times(weights: Numbers, *, share: float = 0.5, y: float = 1.0, change: float = 1e-3) -> Estimate:
    """Log of the time at which each layer of a scalar chain has covered a share of its own way.

    Parameters
    ----------
    weights, y, change
        As for ``chain_flow``; the product of the weights is not ``y``.
    share
        Share of the way from a layer's initial to its final weight, from 1e-6 to 0.999999.

    Returns
    -------
    Estimate
        Natural log of the time, shape ``(depth,)``; ``err`` is ``change``.

    Notes
    -----
    Accuracy: ``err``, in float64.
    Assumes: as ``chain_flow``.

    Examples
    --------
    >>> import numpy as np
    >>> from vgtheory import measure
    >>> times = measure.training.log_layer_times([0.2, 0.5, 2.0])
    >>> np.exp(times.value).round(2).tolist()
    [0.29, 0.35, 0.38]
    """
    with jax.enable_x64(True):
        chain = _chain("log_layer_times", weights, y, change)
        away = bool(_away(chain, chain.weights))
        expect(away, "log_layer_times", "weights whose product is not at y already", weights=weights)
        times = np.asarray(_layer_times(chain, share, change))
    return Estimate(np.log(times), np.full(times.shape, change))


def _chain(where: str, weights: Numbers, y: float, change: float) -> Chains:
    """The one chain, if small steps keep the signs of its weights."""
    array = np.asarray(weights, float)
    expect(
        array.ndim == 1 and array.size > 0 and bool(np.all(np.isfinite(array))),
        where,
        "a list of weights",
        weights=weights,
    )
    with np.errstate(over="ignore", under="ignore"):
        positive = bool(0 < np.prod(array) < np.inf)
    expect(positive, where, "weights of positive product, within the range of float64", weights=weights)
    return Chains(*(jnp.asarray(each) for each in (array, np.ones(array.size, bool), float(y), 1.0)))


@jax.jit
def _weights_at(chain: Chains, times: Array, change: Array) -> tuple[Array, Array]:
    """Weights and their speeds at the times; a step never goes beyond the next time."""

    def until(carry: tuple[Array, Array], end: Array) -> tuple[Any, Any]:
        def step(carry: tuple[Array, Array]) -> tuple[Array, Array]:
            weights, time = carry
            grads = gradient(chain, weights)
            rate = jnp.minimum(local_rate(chain, weights, grads, change), end - time)
            last = time + rate >= end * (1 - 1e-15)
            return weights - rate * grads, jnp.where(last, end, time + rate)

        weights, time = lax.while_loop(lambda carry: (carry[1] < end) & _away(chain, carry[0]), step, carry)
        return (weights, jnp.maximum(time, end)), (weights, gradient(chain, weights))

    return lax.scan(until, (chain.weights, jnp.zeros(())), times)[1]


def _away(chain: Chains, weights: Array) -> Array:
    """Whether the product is still away from the target."""
    return jnp.abs(jnp.prod(weights) / chain.y - 1) > _THERE


@jax.jit
def _layer_times(chain: Chains, share: Array, change: Array) -> Array:
    """Train to the end, then again with a clock that records when each layer passes its mark."""

    def step(weights: Array) -> tuple[Array, Array]:
        grads = gradient(chain, weights)
        rate = local_rate(chain, weights, grads, change)
        return weights - rate * grads, rate

    end = lax.while_loop(functools.partial(_away, chain), lambda weights: step(weights)[0], chain.weights)
    way = lambda weights: (weights - chain.weights) / (end - chain.weights) - share

    def tick(carry: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        weights, time, marks = carry
        moved, rate = step(weights)
        before, after = way(weights), way(moved)
        passes = (before < 0) & (after >= 0)
        return (
            moved,
            time + rate,
            jnp.where(passes, time - rate * before / jnp.where(passes, after - before, 1.0), marks),
        )

    start = (chain.weights, jnp.zeros(()), jnp.full(chain.weights.shape, jnp.nan))
    return lax.while_loop(lambda carry: jnp.isnan(carry[2]).any() & _away(chain, carry[0]), tick, start)[2]
