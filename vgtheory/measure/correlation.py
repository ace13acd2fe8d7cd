r"""The correlation of two inputs sent through the same real networks, layer by layer."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from vgtheory.ensemble import Ensemble
from vgtheory.estimate import Estimate
from vgtheory.expect import expect
from vgtheory.measure.chain import check_run, is_scalable
from vgtheory.measure.links import activate, affine, chunks
from vgtheory.measure.networks import Layer, draw_input, draw_layer
from vgtheory.measure.profiles import averaged

_SECOND = 1
"""Folded into the network's key for the second input."""


def _draw_pair(key: Array, c_0: Array, width: int, dtype: str) -> Array:
    """Two inputs of unit mean square and overlap c_0, shape (2, width)."""
    first, other = draw_input(key, width, dtype), draw_input(jax.random.fold_in(key, _SECOND), width, dtype)
    apart = other - jnp.mean(first * other) * first
    apart = apart / jnp.sqrt(jnp.mean(apart**2))
    return jnp.stack([first, c_0 * first + jnp.sqrt(1 - c_0**2) * apart])


def _overlap(h: Array) -> Array:
    """Normalised overlap of two rows, each divided by its largest entry first."""
    scaled = h / jnp.max(jnp.abs(h), axis=1, keepdims=True)
    unit = scaled / jnp.sqrt(jnp.sum(scaled**2, axis=1, keepdims=True))
    return jnp.vdot(unit[0], unit[1])


def _pair_walk(key: Array, net: Ensemble, c_0: Array, depth: int, width: int, dtype: str, scalable: bool) -> Array:
    """One network: correlations at every layer, shape (depth,); ``h`` is renormalised where that may be."""
    layer = Layer(net, width, dtype)
    tied = draw_layer(key, net, 1, width, dtype) if hasattr(net, "matrix") else None

    def link(state: tuple[Array, Array], index: Array) -> tuple[tuple[Array, Array], Array]:
        x, log_scale = state
        params = draw_layer(key, net, index, width, dtype) if tied is None else tied
        h, log_rms = affine(layer, params, x, log_scale, scalable)
        log_scale = log_scale + log_rms
        return (activate(net.activation, h, log_scale, scalable), log_scale), _overlap(h)

    start = _draw_pair(key, c_0, width, dtype), jnp.zeros((), jnp.promote_types(dtype, jnp.float32))
    return lax.scan(link, start, jnp.arange(1, depth + 1))[1]


@functools.partial(jax.jit, static_argnames=("depth", "width", "num_nets", "dtype", "scalable"))
def _pair_walks(
    key: Array, net: Ensemble, c_0: Array, depth: int, width: int, num_nets: int, dtype: str, scalable: bool
) -> Array:
    """All networks, vmapped in chunks that fit a processor's cache; network i has the key ``fold_in(key, i)``."""
    one = lambda index: _pair_walk(jax.random.fold_in(key, index), net, c_0, depth, width, dtype, scalable)
    rows, chunk = chunks(num_nets, width)
    walked = lax.map(jax.vmap(one), jnp.arange(rows * chunk).reshape(rows, chunk))
    return walked.reshape(rows * chunk, depth)[:num_nets]


def c_layers(
    key: Array, net: Ensemble, *, depth: int, width: int, num_nets: int, c_0: float = 0.5, dtype: str = "float32"
) -> Estimate:
    r"""Correlation of two inputs at every layer of the same networks.

    .. math:: \frac{h_l \cdot h'_l}{|h_l|\, |h'_l|}, \qquad l = 1 \dots L

    for two inputs of exactly unit mean square and overlap ``c_0``.

    Parameters
    ----------
    key
        A JAX key; network i uses ``fold_in(key, i)`` and has the weights that ``chain`` gives it.
    net
        The ensemble, with scalar ``sigma_w`` and ``sigma_b`` (or a given matrix, whose width must be ``width``).
    depth, width, num_nets
        Numbers of layers, units (at least 3) and networks.
    c_0
        Correlation of the two inputs, from -1 to 1.
    dtype
        ``"float32"`` or ``"float64"``.

    Returns
    -------
    Estimate
        Mean over networks of the normalised overlap, shape ``(depth,)``; ``err`` is one standard error.

    Raises
    ------
    ValueError
        If a count is no positive integer, the format is unknown, ``c_0`` is no correlation, or the matrix or the two inputs
        do not fit the width.

    Notes
    -----
    Accuracy: ``err``; NaN from a dead layer up. At width N the mean over networks lies up to some
    4 sqrt(1 - c^2) / N from infinite width, most in the chaotic phase: found by measuring at widths 64 and 128, not derived.
    Assumes: nothing about the network; ``h`` is renormalised by one scale for both inputs where ``is_scalable`` allows it.

    Examples
    --------
    >>> import jax
    >>> from vgtheory import Dense, measure
    >>> ordered = measure.c_layers(jax.random.key(0), Dense("tanh", 0.8, 0.3), depth=30, width=64, num_nets=4)
    >>> bool(ordered.value[-1] > 0.99)
    True
    """
    check_run("c_layers", dtype, depth=depth, width=width, num_nets=num_nets)
    expect(abs(c_0) <= 1, "c_layers", "a correlation from -1 to 1", c_0=c_0)
    given = getattr(net, "matrix", None)
    fits = width > 2 and (given is None or np.shape(given)[0] == width)
    expect(fits, "c_layers", "a width that fits the matrix and two inputs", width=width)
    with jax.enable_x64(dtype == "float64"):
        start = jnp.asarray(c_0, dtype)
        walked = _pair_walks(key, net, start, depth, width, num_nets, dtype, is_scalable(net.activation))
        return averaged(np.asarray(walked, dtype=np.float64), np.arange(1, depth + 1), dtype)
