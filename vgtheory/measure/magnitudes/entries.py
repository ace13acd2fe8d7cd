"""Log-sizes of single entries of weight gradients in real networks.

Of every layer's gradient the entries of its diagonal are kept: one in each row and column, so that no two share a unit. The gradient comes down
by each layer's own vector-Jacobian product and is renormalised on the way.

========  ==========================================================  ========================
symbol    meaning                                                     shape
========  ==========================================================  ========================
``x``     inputs of a layer                                           (draws * batch, width)
``g``     gradient with respect to its ``h``, over ``exp(log_size)``  (draws * batch, width)
``logs``  log|dE/dW_ii| of every layer, E the mean over a minibatch   (depth, width, draws)
========  ==========================================================  ========================
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from vgtheory.measure.arguments import asked
from vgtheory.measure.engine.networks import draw_cotangent, draw_input, draw_weights, wide
from vgtheory.measure.engine.runs import chosen_devices, run
from vgtheory.networks.dense import Dense


class Batches(NamedTuple):
    """What is sent through each network: K minibatches of B examples; correlations of two examples' inputs and cotangents."""

    num_draws: int
    batch: int
    c_0: float
    c_cotangent: float


def _correlated(drawn: Array, c: float) -> Array:
    """Rows of unit mean square and pairwise correlation c, from one row more that they share."""
    return c**0.5 * drawn[:1] + (1 - c) ** 0.5 * drawn[1:]


def _rms_one(x: Array) -> Array:
    return x / jnp.sqrt(jnp.mean(x**2, axis=1, keepdims=True))


def _logs(words: Array, net: Dense, depth: int, width: int, dtype: str, batches: Batches) -> Array:
    """One network's ``logs``."""
    draws, batch, c_0, c_top = batches
    rows = draws * batch + 1
    x_0 = _rms_one(_correlated(draw_input(words, width, dtype, rows), c_0))
    top = _correlated(draw_cotangent(words, width, dtype, rows), c_top)

    def affine(x: Array, layer: Any) -> Array:
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
        # Its derivative is linear in x: any point will do.
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
    """What a program is compiled for."""

    depth: int
    width: int
    dtype: str
    batches: Batches


def _one(words: Array, net: Dense, size: _Size) -> Array:
    """One network."""
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
    r"""Natural log of |dE/dW_ii| on the diagonal of every layer's weight gradient, minibatch by minibatch.

    Parameters
    ----------
    key
        A JAX key; network i uses ``fold_in(key, i)`` and has the weights that ``samples`` gives it.
    net
        A ``Dense`` ensemble, with scalar ``sigma_w`` and ``sigma_b``.
    depth, width, num_nets
        Numbers of layers, units and networks.
    batch, num_draws
        Examples in a minibatch, and minibatches; all examples of a network are different.
    c_0, c_cotangent
        Correlation of two examples' inputs, and of their gradients at the top, from 0 to below 1.
    dtype
        ``"float32"`` or ``"float64"``.

    Returns
    -------
    array
        Shape ``(num_nets, depth, width, num_draws)``; -inf where the gradient is exactly 0.

    Raises
    ------
    ValueError
        If ``net`` is no ``Dense``, a count is no positive integer or a correlation out of range.

    Notes
    -----
    Accuracy: some roundings of ``dtype``. The way up is not renormalised: ``h`` must fit the format.
    Assumes: nothing else. Memory grows with depth times width times examples.

    Examples
    --------
    >>> import jax
    >>> from vgtheory import Dense, measure
    >>> measure.magnitudes.log_grad_entries(jax.random.key(0), Dense("tanh"), depth=3, width=8, num_nets=2).shape
    (2, 3, 8, 16)
    """
    batches = Batches(num_draws, batch, float(c_0), float(c_cotangent))
    size = _Size(depth, width, dtype, batches)
    return run(_one, key, net, size, num_nets=num_nets, dtype=dtype, devices=chosen_devices(None))


__all__ = ["log_grad_entries"]
