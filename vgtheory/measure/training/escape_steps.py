"""Number of steps of an optimiser after which a chain of weights leaves its plateau."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array, lax

from vgtheory.estimate import Estimate
from vgtheory.expect import Numbers
from vgtheory.measure.arguments import asked, integers, one_of
from vgtheory.measure.training.escape_time import Chains, equal_chains, gradient

OPTIMISERS: dict[str, Callable[..., optax.GradientTransformation]] = {
    "sgd": lambda rate, momentum, square_decay, eps: optax.sgd(rate),
    "momentum": lambda rate, momentum, square_decay, eps: optax.sgd(rate, momentum),
    "sign": lambda rate, momentum, square_decay, eps: optax.sign_sgd(rate),
    "adam": lambda rate, momentum, square_decay, eps: optax.adam(rate, momentum, square_decay, eps),
}


@asked(depth=integers(1), optimiser=one_of(OPTIMISERS))
def log_escape_steps(
    optimiser: str,
    depth: Numbers,
    w0: Numbers,
    *,
    learning_rate: Numbers,
    level: Numbers = 0.5,
    y: Numbers = 1.0,
    momentum: float = 0.9,
    square_decay: float = 0.999,
    eps: float = 1e-8,
    most: int = 10**6,
) -> Estimate:
    """Log of the number of steps that an optax optimiser takes to train a chain of equal weights.

    Parameters
    ----------
    optimiser
        ``"sgd"``, ``"momentum"``, ``"sign"`` or ``"adam"``.
    depth, w0, level, y
        As for ``training.log_escape_time``.
    learning_rate
        Learning rate of every step, > 0, any broadcastable shape.
    momentum
        Momentum of ``optax.sgd``, and Adam's ``b1``.
    square_decay, eps
        Adam's ``b2`` and ``eps``.
    most
        Number of steps after which to stop.

    Returns
    -------
    Estimate
        Natural log of the number of steps, the last one counted in part; NaN where ``most`` steps
        do not suffice. ``err`` is half a step, the largest error of that part.

    Notes
    -----
    Accuracy: ``err``, in float64.
    Assumes: nothing.

    Examples
    --------
    >>> import numpy as np
    >>> from vgtheory import measure
    >>> steps = measure.training.log_escape_steps("sign", 7, 0.5, learning_rate=1e-2)
    >>> round(float(np.exp(steps.value)))
    41
    """
    where = "log_escape_steps"
    shape = np.broadcast_shapes(*(np.shape(each) for each in (depth, w0, level, y, learning_rate)))
    wide = [np.broadcast_to(each, shape) for each in (depth, w0, level, y)]
    options = {"momentum": float(momentum), "square_decay": float(square_decay), "eps": float(eps)}
    with jax.enable_x64(True):
        chains = equal_chains(where, *wide)
        rates = jnp.asarray(np.broadcast_to(learning_rate, shape), float).ravel()
        steps = np.asarray(_escape_steps(chains, rates, options, optimiser, most)).reshape(shape)
    with np.errstate(divide="ignore"):
        return Estimate(np.log(steps), 0.5 / np.maximum(steps, 1.0))


@functools.partial(jax.jit, static_argnames=("optimiser", "most"))
def _escape_steps(chains: Chains, rates: Array, options: dict[str, Array], optimiser: str, most: int) -> Array:
    """Number of steps until each chain's product reaches its level; NaN if they exceed ``most``."""

    def one(chain: Chains, rate: Array) -> Array:
        rule = OPTIMISERS[optimiser](rate, **options)
        share = lambda weights: jnp.prod(weights) / chain.y - chain.level
        sign = jnp.where(jnp.prod(chain.weights) > chain.y, 1.0, -1.0)

        def step(carry: Any) -> Any:
            weights, state, count, _ = carry
            updates, state = rule.update(gradient(chain, weights), state, weights)
            return optax.apply_updates(weights, updates), state, count + 1, share(weights)

        misses = lambda carry: (sign * share(carry[0]) > 0) & (carry[2] < most)
        start = (chain.weights, rule.init(chain.weights), jnp.zeros(()), jnp.zeros(()))
        weights, _, count, before = lax.while_loop(misses, step, start)
        after = share(weights)
        part = jnp.where(count == 0, 0.0, after / jnp.where(count == 0, 1.0, after - before))
        return jnp.where(sign * after > 0, jnp.nan, count - part)

    return jax.vmap(one)(chains, rates)
