"""Chains of separate weights, trained by optax on gradients from automatic differentiation."""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array, lax

from vgtheory.estimate import Estimate
from vgtheory.expect import Numbers, expect
from vgtheory.measure.arguments import asked, integers


class Chains(NamedTuple):
    """Chains side by side; those shorter than the longest are padded with ones.

    Attributes
    ----------
    weights
        Weights, shape (chains, most).
    active
        Whether an entry is a weight, of the same shape.
    y, level
        Targets and levels, shape (chains,).
    """

    weights: Array
    active: Array
    y: Array
    level: Array


def loss(weights: Array, y: Array) -> Array:
    """Loss of a chain, (y - w_1 ... w_L)^2 / 2."""
    return (y - jnp.prod(weights)) ** 2 / 2


@asked(depth=integers(1))
def log_escape_time(
    depth: Numbers, w0: Numbers, *, level: Numbers = 0.5, y: Numbers = 1.0, change: float = 1e-3
) -> Estimate:
    """Log of the time that small steps of gradient descent take to train a chain of equal weights.

    Each step is ``optax.sgd``'s. Its learning rate lets neither the product nor its distance from
    the target change by more than a share ``change``. The time is the sum of the learning rates.

    Parameters
    ----------
    depth
        Number of weights L, integers >= 1, any shape.
    w0
        Initial value of each weight, > 0, any broadcastable shape.
    level
        Share of the target that the product is to reach: below 1 from below, above 1 from above.
    y
        Target, > 0.
    change
        Relative change per step, from 1e-6 to 0.1.

    Returns
    -------
    Estimate
        Natural log of the time, of the broadcast shape; -inf where the product is at its level
        already. ``err`` is ``change``, an upper bound of the error of finite steps.

    Notes
    -----
    Accuracy: ``err``, in float64. An Euler step of ``change`` in ln p is late by at most half of
    it; the effect of the curve's curvature is smaller.
    Assumes: products and times within float64's range.

    Examples
    --------
    >>> from vgtheory import measure
    >>> round(float(measure.training.log_escape_time(1, 1e-9).value), 2)
    -0.37
    """
    shape = np.broadcast_shapes(*(np.shape(each) for each in (depth, w0, level, y)))
    with jax.enable_x64(True):
        chains = equal_chains("log_escape_time", depth, w0, level, y)
        times = np.asarray(_escape_times(chains, change))
    with np.errstate(divide="ignore"):
        log_time = np.log(times)
    return Estimate(log_time.reshape(shape), np.full(shape, change))


def equal_chains(where: str, depth: Numbers, w0: Numbers, level: Numbers, y: Numbers) -> Chains:
    """Chains of equal weights, padded to a power of two, so that depths share a program."""
    depths, w0, levels, y = (
        each.ravel() for each in np.broadcast_arrays(depth, *(np.asarray(each, float) for each in (w0, level, y)))
    )
    with np.errstate(over="ignore", under="ignore"):
        products = w0**depths
    held = bool(np.all((products >= 1e-300) & (products <= 1e150)))
    expect(held, where, "w0**depth from 1e-300 to 1e150, which float64 can train", w0=w0)
    ahead = (levels != 1) & ((products <= y) == (levels < 1))
    expect(bool(np.all(ahead)), where, "a level on the product's side of the target", level=level)
    active = np.arange(_padded(int(depths.max()))) < depths[:, None]
    return Chains(*(jnp.asarray(each) for each in (np.where(active, w0[:, None], 1.0), active, y, levels)))


def _padded(depth: int) -> int:
    """Smallest power of two that is at least ``depth``."""
    return 1 << (depth - 1).bit_length()


def gradient(chain: Chains, weights: Array) -> Array:
    """Gradient of a chain's loss by automatic differentiation; 0 for the padding."""
    return jnp.where(chain.active, jax.grad(loss)(weights, chain.y), 0.0)


def local_rate(chain: Chains, weights: Array, grads: Array, change: Array) -> Array:
    """Rate at which product and distance from the target change by at most a share ``change``."""
    product = jnp.sum(jnp.abs(jnp.where(chain.active, grads / weights, 0.0)))
    distance = jnp.sum(grads**2) / (2 * loss(weights, chain.y))
    return change / jnp.maximum(product, distance)


@jax.jit
@functools.partial(jax.vmap, in_axes=(0, None))
def _escape_times(chain: Chains, change: Array) -> Array:
    """Sum of the learning rates until the product reaches its level, the last step in part."""
    optimiser = optax.inject_hyperparams(optax.sgd)(learning_rate=0.0)
    share = lambda weights: jnp.prod(weights) / chain.y - chain.level
    sign = jnp.where(jnp.prod(chain.weights) > chain.y, 1.0, -1.0)

    def step(carry: Any) -> Any:
        weights, state, time, _, _ = carry
        grads = gradient(chain, weights)
        rate = local_rate(chain, weights, grads, change)
        state.hyperparams["learning_rate"] = rate
        updates, state = optimiser.update(grads, state)
        return optax.apply_updates(weights, updates), state, time + rate, rate, share(weights)

    def misses(carry: Any) -> Array:
        return sign * share(carry[0]) > 0

    zero = jnp.zeros(())
    start = (chain.weights, optimiser.init(chain.weights), zero, zero, zero)
    weights, _, time, rate, before = lax.while_loop(misses, step, start)
    after = share(weights)
    return time - jnp.where(after == before, 0.0, rate * after / (after - before))
