"""Correlation of two inputs sent through the same real networks, layer by layer."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from vgtheory.estimate import Estimate
from vgtheory.measure.arguments import asked, count, number
from vgtheory.measure.engine.averages import averaged
from vgtheory.measure.engine.links import activate, affine, is_scalable
from vgtheory.measure.engine.networks import draw_input, draw_weights, wide
from vgtheory.measure.engine.runs import chosen_devices, lanes_for, run
from vgtheory.measure.engine.taps import log_norm
from vgtheory.networks.ensemble import Layered
from vgtheory.networks.recurrent import Tied


def _draw_pair(words: Array, c_0: Array, width: int, dtype: str) -> Array:
    """Two inputs of unit mean square and overlap c_0, shape (2, width)."""
    first, other = draw_input(words, width, dtype, 2)
    apart = other - jnp.mean(first * other) * first
    apart = apart / jnp.sqrt(jnp.mean(apart**2))
    return jnp.stack([first, c_0 * first + jnp.sqrt(1 - c_0**2) * apart])


def _pair_walk(words: Array, net: Layered, c_0: Array, depth: int, width: int, dtype: str, scalable: bool) -> Array:
    """Correlations at every layer of one network, shape (depth,)."""
    tied = draw_weights(words, net, 1, width, dtype) if isinstance(net, Tied) else None

    def link(state: tuple[Array, Array], index: Array) -> tuple[tuple[Array, Array], Array]:
        x, log_scale = state
        h = affine(net, tied or draw_weights(words, net, index, width, dtype), x, log_scale)
        size, unit = jax.vmap(log_norm)(h)
        overlap = jnp.where(jnp.isfinite(size).all(), jnp.vdot(unit[0], unit[1]), jnp.nan)
        if scalable:
            grown = jnp.where(jnp.isfinite(size), size - np.log(width) / 2, 0.0)
            h, log_scale = h * jnp.exp(-grown).astype(dtype)[:, None], log_scale + grown
        return (activate(net.activation, h, log_scale, scalable), log_scale), overlap

    start = _draw_pair(words, c_0, width, dtype), jnp.zeros(2, wide(dtype))
    return lax.scan(link, start, jnp.arange(1, depth + 1))[1]


class _Size(NamedTuple):
    """Static arguments of the compiled program."""

    depth: int
    width: int
    dtype: str
    scalable: bool


def _one(words: Array, given: tuple[Layered, Array], size: _Size) -> Array:
    """Run one network."""
    return _pair_walk(words, *given, size.depth, size.width, size.dtype, size.scalable)


@asked(c_0=number("[-1, 1]"), width=count(3))
def c_layers(
    key: Array, net: Layered, *, depth: int, width: int, num_nets: int, c_0: float = 0.5, dtype: str = "float32"
) -> Estimate:
    r"""Correlation of two inputs at every layer of the same networks.

    .. math:: c_l = \frac{h_l \cdot h'_l}{|h_l|\, |h'_l|}, \qquad l = 1 \dots L

    The two inputs have exactly unit mean square and overlap ``c_0``.

    Parameters
    ----------
    key, net, depth, width, num_nets, dtype
        As for ``measure.log_grad_layers``; at least 3 units, scalar ``sigma_w`` and ``sigma_b``.
    c_0
        Correlation of the two inputs, from -1 to 1.

    Returns
    -------
    Estimate
        Mean over networks of ``c_l``, shape ``(depth,)``; ``err`` is one standard error.

    Notes
    -----
    Accuracy: ``err``; NaN from a dead layer upwards. The mean at width N differs from infinite
    width by up to 4 sqrt(1 - c^2) / N, most in the chaotic phase. This bound was found by
    measurement at widths 64 and 128; it was not derived.
    Assumes: nothing about the network; ``h`` is renormalised where ``is_scalable`` allows it.

    Examples
    --------
    >>> import jax
    >>> from vgtheory import Dense, measure
    >>> net = Dense("tanh", sigma_w=0.8, sigma_b=0.3)  # ordered
    >>> c = measure.layers.c_layers(jax.random.key(0), net, depth=8, width=64, num_nets=4)
    >>> bool(c.value[-1] > c.value[0])
    True
    """
    size, devices = _Size(depth, width, dtype, is_scalable(net.activation)), chosen_devices(None)
    how: dict[str, Any] = {"num_nets": num_nets, "dtype": dtype, "lanes": lanes_for(width**2, num_nets, devices)}
    walked = run(_one, key, (net, np.asarray(c_0, dtype)), size, **how, devices=devices)
    return averaged(walked.astype(np.float64), np.arange(1, depth + 1), dtype)
