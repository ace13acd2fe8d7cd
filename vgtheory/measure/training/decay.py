"""Chains of weights trained by optax with weight decay, from many starts."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array, lax

from vgtheory.estimate import Estimate
from vgtheory.expect import Numbers, expect
from vgtheory.measure.arguments import asked, integers, number
from vgtheory.measure.training.escape_time import Chains, equal_chains, gradient

TRIES = (24, 24, 24)
"""Numbers of starts, or decays, per pass; each pass lies between two neighbours of the last."""
ALIVE = 1e-3
"""Share of the target above which a product counts as more than 0."""


class ChainDecay(NamedTuple):
    """Outcome of training chains with weight decay, an ``Estimate`` each.

    Attributes
    ----------
    decay_max
        Largest decay at which training from the target's weights ends anywhere but at 0.
    w_star
        Mean weight where that training ends, at the given decay.
    w_barrier
        Lowest start from which training ends there.
    """

    decay_max: Estimate
    w_star: Estimate
    w_barrier: Estimate


@asked(depth=integers(2), decay=number("(0, inf)", ndim=None), y=number("[1e-30, 1e30]"))
def chain_decay(depth: Numbers, decay: Numbers, *, y: float = 1.0, steps: int = 20_000) -> ChainDecay:
    """Largest decay, final weight and lowest start of chains of weights trained with weight decay.

    All weights are separate. Gradient descent is ``optax.add_decayed_weights`` and ``optax.sgd``,
    at a tenth of the largest stable rate at the minimum without decay.

    Parameters
    ----------
    depth
        Number of weights L, integers >= 2, any shape.
    decay
        Weight decay lambda, > 0, of that shape.
    y
        Target, > 0.
    steps
        Number of steps of each training, >= 1.

    Returns
    -------
    ChainDecay
        Of the shape of ``depth`` and ``decay``; ``err`` is the width of the last interval searched,
        and 1e-6 of ``w_star``.

    Notes
    -----
    Accuracy: ``err``, and 0.2 % for ``decay_max``, near which training is slow.
    Assumes: ``decay`` is below ``decay_max``, and ``w_barrier`` is above 1e-2 of ``w_star``.

    Examples
    --------
    >>> from vgtheory import measure
    >>> end = measure.training.chain_decay(4, 0.1, steps=2000)
    >>> [round(float(each.value), 1) for each in end]
    [0.4, 1.0, 0.3]
    """
    depth, decay = np.broadcast_arrays(depth, np.asarray(decay, float))
    layers, rates = depth.ravel(), decay.ravel()
    target = np.asarray(y, float) ** (1 / layers)
    unit = 1 / (5 * layers * target ** (2 * layers - 2))
    slow = bool(np.all(rates * unit < 1))
    expect(slow, "chain_decay", "a decay < 5 depth y^(2 - 2 / depth), which SGD can follow", decay=decay)
    with jax.enable_x64(True):
        chains = equal_chains("chain_decay", layers, target, 0.5, y)
        ends = functools.partial(_ends, chains, unit, steps=steps)
        star = ends(target[:, None], rates[:, None])[:, 0]
        full = lambda values, like: np.broadcast_to(values[:, None], like.shape)
        limit, limit_err = _first(
            lambda log: ends(full(target, log), np.exp(log)), y * np.array([1e-3, 2.0]), target, y, layers, fails=True
        )
        barrier, err = _first(
            lambda log: ends(np.exp(log), full(rates, log)), np.stack([1e-2 * star, star]), star, y, layers, fails=False
        )
    shaped = lambda value, error: Estimate(value.reshape(depth.shape), error.reshape(depth.shape))
    return ChainDecay(shaped(limit, limit_err), shaped(star, 1e-6 * star), shaped(barrier, err))


def _first(
    ends: Callable[[np.ndarray], np.ndarray],
    span: np.ndarray,
    like: np.ndarray,
    y: float,
    depth: np.ndarray,
    *,
    fails: bool,
) -> tuple[np.ndarray, np.ndarray]:
    """First value in a span at which chains die (or do not); the search narrows the span."""
    low, high = (np.log(np.broadcast_to(each, like.shape)) for each in span)
    for count in TRIES:
        logs = np.linspace(low, high, count, axis=1)
        alive = ends(logs) ** depth[:, None] > ALIVE * y
        turn = np.maximum((~alive if fails else alive).argmax(axis=1), 1)
        rows = np.arange(len(turn))
        low, high = logs[rows, turn - 1], logs[rows, turn]
    middle = np.exp((low + high) / 2)
    return middle, middle * (high - low)


def _ends(chains: Chains, rates: np.ndarray, w0: np.ndarray, decay: np.ndarray, *, steps: int) -> np.ndarray:
    """Mean weight at the end for every start (or decay) of every chain, shape (chains, tries)."""
    out = _trained(chains, jnp.asarray(rates), jnp.asarray(w0), jnp.asarray(decay), steps)
    return np.asarray(out)


@functools.partial(jax.jit, static_argnames="steps")
def _trained(chains: Chains, rates: Array, w0: Array, decay: Array, steps: int) -> Array:
    """Mean weights after gradient descent with weight decay from equal weights w0."""

    def one(chain: Chains, rate: Array, w0: Array, decay: Array) -> Array:
        rule = optax.chain(optax.add_decayed_weights(decay), optax.sgd(rate))
        weights = jnp.where(chain.active, w0, 1.0)

        def step(carry: Any, _: None) -> tuple[Any, None]:
            weights, state = carry
            updates, state = rule.update(gradient(chain, weights), state, weights)
            return (jnp.where(chain.active, optax.apply_updates(weights, updates), 1.0), state), None

        weights, _ = lax.scan(step, (weights, rule.init(weights)), length=steps)[0]
        return jnp.sum(jnp.where(chain.active, weights, 0.0)) / jnp.sum(chain.active)

    return jax.vmap(jax.vmap(one, in_axes=(None, None, 0, 0)))(chains, rates, w0, decay)
