"""Log-sizes of single entries of weight gradients in real networks.

The diagonal entries of every layer's gradient are kept: one in each row and column, so that no
two share a unit. The gradient passes through each layer's vector-Jacobian product and is
renormalised on the way.

========  ==========================================================  ========================
symbol    meaning                                                     shape
========  ==========================================================  ========================
``x``     inputs of a layer                                           (draws * batch, width)
``g``     gradient with respect to its ``h``, over ``exp(log_size)``  (draws * batch, width)
``logs``  log|dE/dW_ii| of every layer, E the mean over a minibatch   (depth, width, draws)
========  ==========================================================  ========================
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.typing import ArrayLike

from vgtheory.measure.arguments import asked
from vgtheory.measure.engine.networks import draw_cotangent, draw_input, draw_weights, wide
from vgtheory.measure.engine.runs import chosen_devices, run
from vgtheory.networks.dense import Dense


class Batches(NamedTuple):
    """K minibatches of B examples, with correlations of two examples' inputs and cotangents."""

    num_draws: int
    batch: int
    c_0: float
    c_cotangent: float


def _correlated(drawn: Array, c: float) -> Array:
    """Rows of unit mean square and pairwise correlation c, from one more row that they share."""
    return c**0.5 * drawn[:1] + (1 - c) ** 0.5 * drawn[1:]


def _rms_one(x: Array) -> Array:
    return x / jnp.sqrt(jnp.mean(x**2, axis=1, keepdims=True))


def _logs(words: Array, net: Dense, depth: int, width: int, dtype: str, batches: Batches) -> Array:
    """One network's ``logs``."""
    draws, batch, c_0, c_top = batches
    rows = draws * batch + 1
    x_0 = _rms_one(_correlated(draw_input(words, width, dtype, rows), c_0))
    top = _correlated(draw_cotangent(words, width, dtype, rows), c_top)

    def affine(x: Array, layer: ArrayLike) -> Array:
        drawn = draw_weights(words, net, layer, width, dtype)
        product = jnp.dot(x, net.sigma_w * drawn.matrix, precision=lax.Precision.HIGHEST)
        return (product + net.sigma_b * drawn.bias[None, :]).astype(dtype)

    def climb(h: Array, layer: Array) -> tuple[Array, Array]:
        return affine(net.activation.phi(h), layer), h

    def entries(g: Array, x: Array) -> Array:
        mean = (g * x).reshape(draws, batch, width).mean(axis=1)
        return jnp.log(jnp.abs(mean)).T.astype(wide(dtype))

    def descend(state: tuple[Array, Array], inputs: tuple[Array, Array]) -> tuple[tuple[Array, Array], Array]:
        (g, log_size), (h, layer) = state, inputs
        x, pull = jax.vjp(net.activation.phi, h)
        here = entries(g, x) + log_size
        # The map is affine in x, so its derivative is the same at any point.
        (back,) = jax.linear_transpose(lambda x: affine(x, layer) - affine(jnp.zeros_like(x), layer), x)(g)
        (g,) = pull(back)
        largest = jnp.max(jnp.abs(g))
        size = jnp.where(largest > 0, largest, 1.0)
        return (g / size, log_size + jnp.log(size).astype(log_size.dtype)), here

    _, kept = lax.scan(climb, affine(x_0, 1), jnp.arange(2, depth + 1))
    state = (top, jnp.zeros((), wide(dtype)))
    (g, log_size), above = lax.scan(descend, state, (kept, jnp.arange(2, depth + 1)), reverse=True)
    return jnp.concatenate([(entries(g, x_0) + log_size)[None], above])


class _Size(NamedTuple):
    """Static arguments of the compiled program."""

    depth: int
    width: int
    dtype: str
    batches: Batches


def _one(words: Array, net: Dense, size: _Size) -> Array:
    """Run one network."""
    return _logs(words, net, *size)


@asked()
def log_grad_entries(
    key: Array,
    net: Dense,
    *,
    depth: int,
    width: int,
    num_nets: int,
    batch: int = 1,
    num_draws: int = 16,
    c_0: float = 0.0,
    c_cotangent: float = 0.0,
    dtype: str = "float32",
) -> np.ndarray:
    """Log of the modulus of every layer's diagonal weight gradients, minibatch by minibatch.

    Parameters
    ----------
    key, net, depth, width, num_nets, dtype
        As for ``measure.log_grad_layers``; ``net`` is a ``Dense`` with scalar ``sigma_w`` and
        ``sigma_b``, with the weights of ``measure.samples``.
    batch, num_draws
        Number of examples in a minibatch, and number of minibatches; all examples differ.
    c_0, c_cotangent
        Correlation of two examples' inputs, and of their gradients at the top, in [0, 1).

    Returns
    -------
    array
        Natural log of |dE/dW_ii|, shape ``(num_nets, depth, width, num_draws)``; -inf where the
        gradient is exactly 0.

    Notes
    -----
    Accuracy: a few roundings of ``dtype``.
    Assumes: ``h`` fits the format, since the forward pass is not renormalised. Memory grows with
    depth times width times examples.

    Examples
    --------
    >>> import jax
    >>> from vgtheory import Dense, measure
    >>> net, size = Dense("tanh", sigma_w=1.5), {"depth": 8, "width": 64, "num_nets": 4}
    >>> measure.magnitudes.log_grad_entries(jax.random.key(0), net, **size).shape
    (4, 8, 64, 16)
    """
    batches = Batches(num_draws, batch, float(c_0), float(c_cotangent))
    size = _Size(depth, width, dtype, batches)
    return run(_one, key, net, size, num_nets=num_nets, dtype=dtype, devices=chosen_devices(None))


__all__ = ["log_grad_entries"]
