"""Largest stable learning rates of chains, by gradient descent at many rates."""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array, lax

from vgtheory.estimate import Estimate
from vgtheory.expect import Numbers
from vgtheory.measure.arguments import asked, integers
from vgtheory.measure.training.escape_time import Chains, equal_chains, gradient, local_rate, loss

RUNGS = 64
SPLITS = 16
"""Number of rates between the last rung that holds and the first that fails, twice."""
REACHED = 1e-3
"""Relative distance from the target that counts as the minimum."""
STREAK = 16
"""Number of consecutive steps towards the target, on one side, that count as approaching it."""
FAR = 1e6
"""Product over target that counts as divergence."""
SETTLING = 0.05
"""Relative change per step towards the minimum whose Hessian is wanted."""


class StableStep(NamedTuple):
    """Natural logs of three learning rates, an ``Estimate`` each.

    Attributes
    ----------
    log_local
        2 over the top eigenvalue of the Hessian of the loss, all weights separate, where gradient
        descent ends.
    log_converges
        Largest rate at which gradient descent from w0 reaches the minimum, or approaches it at the
        end.
    log_finite
        Largest rate at which the product stays finite.
    """

    log_local: Estimate
    log_converges: Estimate
    log_finite: Estimate


@asked(lapack=True, depth=integers(1))
def stable_step(depth: Numbers, w0: Numbers, *, y: Numbers = 1.0, steps: int = 1500) -> StableStep:
    """Log of the largest learning rates at which a chain of equal weights converges.

    The search takes 64 rates of equal ratios. They range from half of the rate that the curvature
    at w0 or at the minimum suggests to eight times the rate at the minimum. The interval below the
    first that fails is then split in 16, twice.

    Parameters
    ----------
    depth
        Number of weights L, integers >= 1, any shape.
    w0
        Initial value of each weight, > 0, any broadcastable shape.
    y
        Target, > 0.
    steps
        Number of steps of gradient descent, >= 1.

    Returns
    -------
    StableStep
        Natural logs; ``err`` is the width of the last interval, and 1e-6 for the Hessian.

    Notes
    -----
    Accuracy: ``err``; 1,500 steps distinguish a limit from a rate 0.5 % above it.
    Assumes: a chain whose product is positive and has approached the target from one side for the
    last 16 steps will reach it. Near a saddle this may take more than any number of steps.

    Examples
    --------
    >>> import numpy as np
    >>> from vgtheory import measure
    >>> step = measure.training.stable_step(2, 0.5, steps=500)
    >>> np.exp(step.log_converges.value).round(2).item()
    1.0
    """
    depth, w0, y = np.broadcast_arrays(depth, *(np.asarray(each, float) for each in (w0, y)))
    # The level plays no role here, but must lie ahead.
    level = np.where(w0**depth <= y, 0.5, 2.0)
    with jax.enable_x64(True):
        chains = equal_chains("stable_step", depth, w0, level, y)
        start, end = (np.asarray(each).reshape(depth.shape) for each in _curvatures(chains))
        low, high = np.log(1 / np.maximum(start, end)), np.log(16 / end)
        limits = [_limit(chains, low.ravel(), high.ravel(), steps, kind).reshape(depth.shape) for kind in (0, 1)]
    err = (high - low) / (RUNGS - 1) / (SPLITS - 1) ** 2
    exact = Estimate(np.log(2 / end), np.full(depth.shape, 1e-6))
    return StableStep(exact, *(Estimate(each, err) for each in limits))


@jax.jit
@jax.vmap
def _curvatures(chain: Chains) -> tuple[Array, Array]:
    """Top eigenvalue of the loss's Hessian at the start, and where small steps end."""

    def top(weights: Array) -> Array:
        hessian = jax.hessian(loss)(weights, chain.y)
        both = chain.active[:, None] & chain.active[None, :]
        return jnp.linalg.eigvalsh(jnp.where(both, hessian, 0.0))[-1]

    def step(weights: Array) -> Array:
        grads = gradient(chain, weights)
        return weights - local_rate(chain, weights, grads, jnp.asarray(SETTLING)) * grads

    off = lambda weights: jnp.abs(jnp.prod(weights) / chain.y - 1) > REACHED**3
    return top(chain.weights), top(lax.while_loop(off, step, chain.weights))


def _limit(chains: Chains, low: np.ndarray, high: np.ndarray, steps: int, kind: int) -> np.ndarray:
    """Log of the largest rate of each chain below which all tried rates hold."""
    for count in (RUNGS, SPLITS, SPLITS):
        log_rates = np.linspace(low, high, count, axis=1)
        holds = np.asarray(_outcomes(chains, jnp.exp(log_rates), steps)[kind])
        fails = np.where(holds.all(axis=1), count - 1, holds.argmin(axis=1))
        rows = np.arange(len(fails))
        low, high = log_rates[rows, np.maximum(fails - 1, 0)], log_rates[rows, fails]
    return (low + high) / 2


@functools.partial(jax.jit, static_argnames="steps")
def _outcomes(chains: Chains, rates: Array, steps: int) -> tuple[Array, Array]:
    """Whether each chain at each rate converges, and stays finite; shapes (chains, rates)."""

    def one(chain: Chains, rate: Array) -> tuple[Array, Array]:
        rule = optax.sgd(rate)

        def step(carry: Any, _: None) -> tuple[Any, None]:
            weights, state, before, streak = carry
            updates, state = rule.update(gradient(chain, weights), state)
            weights = optax.apply_updates(weights, updates)
            share = jnp.prod(weights) / chain.y
            nearer = ((before <= share) & (share <= 1)) | ((share <= before) & (share >= 1))
            return (weights, state, share, jnp.where((before > 0) & nearer, streak + 1, 0)), None

        first = jnp.prod(chain.weights) / chain.y
        start = (chain.weights, rule.init(chain.weights), first, 0)
        *_, share, streak = lax.scan(step, start, length=steps)[0]
        return (jnp.abs(share - 1) < REACHED) | (streak >= STREAK), jnp.abs(share) < FAR

    return jax.vmap(jax.vmap(one, in_axes=(None, 0)))(chains, rates)
