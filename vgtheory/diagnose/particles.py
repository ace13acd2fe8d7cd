r"""Layers that keep no weights: what a dense layer or a convolution does to its inputs when it is infinitely wide.

A layer ``y = x W`` with independent weights of variance v is used once on the way up and once on the way down. At infinite
width the units of y are independent Gaussians whose covariance over inputs is ``v x x^T``, and those of ``W^T g`` are too, with
``v g g^T``, independent of all that went up. So nothing of W need be kept: each pass draws anew.

The model itself is untouched and keeps its shapes. It runs in many replicas at once (``jax.vmap`` with an axis name), and a
layer's covariance is taken over the units of all of them together: they are the particles. Nonlinearities, skips, gates and
attention act in each replica as they are.

===========  ===============================================================  ==========================
symbol       meaning                                                          shape
===========  ===============================================================  ==========================
``x``        a layer's input in one replica                                   (*inputs, features)
``rows``     inputs (examples and positions) by units of all replicas         (inputs, replicas * features)
``rms``      root mean square of the weights (of a convolution: at each tap)  () or (*kernel_size,)
``slot``     zeros whose "gradient" is what went past, in logs                (2,)
===========  ===============================================================  ==========================
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax

from vgtheory.measure import log_norm

REPLICAS = "replicas"
"""Name of the axis along which the replicas of a model are mapped."""


class Linear(NamedTuple):
    """A map linear in its input and in its weights, of the units of all replicas together.

    Attributes
    ----------
    out
        Features of the output in one replica.
    has_bias
        Whether a bias is added to it, whose gradient counts among the weights'.
    conv
        ``(x, kernel) -> y`` for a convolution, channels last; None for a dense layer.
    """

    out: int
    has_bias: bool = False
    conv: Callable[[Array, Array], Array] | None = None


def together(x: Array) -> Array:
    """Units of all replicas side by side: from ``(*inputs, features)`` in each to ``(*inputs, replicas * features)``.

    Parameters
    ----------
    x
        One replica's array.
    """
    gathered = jnp.moveaxis(lax.all_gather(x, REPLICAS), 0, -2)
    return gathered.reshape(*x.shape[:-1], -1)


def apart(rows: Array) -> Array:
    """One replica's share of the units of all.

    Parameters
    ----------
    rows
        Shape ``(*inputs, replicas * features)``.
    """
    count = lax.axis_size(REPLICAS)
    shared = rows.reshape(*rows.shape[:-1], count, -1)
    return lax.dynamic_index_in_dim(shared, lax.axis_index(REPLICAS), axis=-2, keepdims=False)


def _product(left: Array, right: Array) -> Array:
    return jnp.matmul(left, right, precision=lax.Precision.HIGHEST)


def gaussian_rows(source: Array, rows: Array, num_units: int) -> Array:
    """Independent Gaussian units whose covariance over inputs is ``rows @ rows.T``.

    Parameters
    ----------
    source
        A JAX key; or standard normal weights of shape ``(units, num_units)``, so that other rows may meet the same ones.
    rows
        Shape ``(inputs, units)``.
    num_units
        Number of units to draw.

    Returns
    -------
    Array
        Shape ``(inputs, num_units)``; by the triangular factor of ``rows`` where that is the smaller, so that the cost is
        proportional to the number of units.
    """
    num_inputs, num_seen = rows.shape
    if source.ndim > 0:
        return _product(rows, source)
    if num_inputs > num_seen:
        return _product(rows, jax.random.normal(source, (num_seen, num_units), rows.dtype))
    factor = jnp.linalg.qr(rows.T, mode="r")
    return _product(factor.T, jax.random.normal(source, (num_inputs, num_units), rows.dtype))


def _up(op: Linear, source: Array, rms: Array, seen: Array) -> Array:
    """From all replicas' inputs to all replicas' outputs."""
    count = lax.axis_size(REPLICAS)
    scaled = (rms / count**0.5).astype(seen.dtype)
    if op.conv is None:
        flat = gaussian_rows(source, seen.reshape(-1, seen.shape[-1]), count * op.out)
        return scaled * flat.reshape(*seen.shape[:-1], -1)
    return op.conv(seen, _kernel(op, source, scaled, seen.shape[-1]))


def _kernel(op: Linear, source: Array, rms: Array, num_seen: int) -> Array:
    """Weights of a convolution between all replicas' channels."""
    if source.ndim > 0:
        return rms[..., None, None] * source
    shape = (*rms.shape, num_seen, lax.axis_size(REPLICAS) * op.out)
    return rms[..., None, None] * jax.random.normal(source, shape, rms.dtype)


def _down(op: Linear, source: Array, rms: Array, seen: Array, above: Array) -> Array:
    """From all replicas' gradients at the output to those at the input, by weights of their own."""
    count = lax.axis_size(REPLICAS)
    scaled = (rms / count**0.5).astype(seen.dtype)
    if op.conv is None:
        flat = gaussian_rows(source, above.reshape(-1, above.shape[-1]), seen.shape[-1])
        return scaled * flat.reshape(seen.shape)
    kernel = _kernel(op, source, scaled, seen.shape[-1])
    conv = op.conv
    (below,) = jax.vjp(lambda x: conv(x, kernel), seen)[1](above)
    return below


def _log_weight(op: Linear, rms: Array, seen: Array, above: Array) -> Array:
    """Log-norm of the weights' gradient between two independent replicas, in the mean square over pairs of them."""
    count = lax.axis_size(REPLICAS)
    if op.conv is not None:
        zeros = jnp.zeros((*rms.shape, seen.shape[-1], count * op.out), seen.dtype)
        conv = op.conv
        (grad,) = jax.vjp(lambda kernel: conv(seen, kernel), zeros)[1](above)
        return log_norm(grad)[0] - jnp.log(count)
    x, g = seen.reshape(-1, seen.shape[-1]), above.reshape(-1, above.shape[-1])
    if len(x) > min(x.shape[1], g.shape[1]):
        return log_norm(_product(x.T, g))[0] - jnp.log(count)
    (log_x, x), (log_g, g) = log_norm(x), log_norm(g)
    total = jnp.sum(_product(x, x.T) * _product(g, g.T))
    return log_x + log_g + jnp.log(jnp.maximum(total, 0.0)) / 2 - jnp.log(count)


def convolution(module: Any, rank: int) -> Callable[[Array, Array], Array]:
    """``(x, kernel) -> y`` as a Flax convolution of this shape does it, without its bias.

    Parameters
    ----------
    module
        A Linen or nnx ``Conv``.
    rank
        Number of spatial dimensions.
    """
    many = lambda value: (1,) * rank if value is None else (value,) * rank if isinstance(value, int) else tuple(value)
    strides, spread, reach = (many(each) for each in (module.strides, module.input_dilation, module.kernel_dilation))
    axes = "XYZ"[:rank]
    names = (f"N{axes}C", f"{axes}IO", f"N{axes}C")

    def padded(x: Array, sizes: tuple[int, ...]) -> tuple[Array, Any]:
        whole = [step * (size - 1) for step, size in zip(reach, sizes, strict=True)]
        if module.padding == "CIRCULAR":
            return jnp.pad(x, [(0, 0), *((n // 2, (n + 1) // 2) for n in whole), (0, 0)], mode="wrap"), "VALID"
        if module.padding == "CAUSAL":
            return jnp.pad(x, [(0, 0), (whole[0], 0), (0, 0)]), "VALID"
        if isinstance(module.padding, str):
            return x, module.padding
        return x, [(each, each) if isinstance(each, int) else tuple(each) for each in many(module.padding)]

    def apply(x: Array, kernel: Array) -> Array:
        flat, padding = padded(x.reshape(-1, *x.shape[-rank - 1 :]), kernel.shape[:rank])
        y = lax.conv_general_dilated(
            flat, kernel, strides, padding, spread, reach, names, precision=lax.Precision.HIGHEST
        )
        return y.reshape(*x.shape[: -rank - 1], *y.shape[1:])

    return apply


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def fresh(op: Linear, sources: tuple[Array, Array], rms: Array, x: Array, slot: Array) -> Array:
    r"""What an infinitely wide layer does, forward and backward, without weights.

    Parameters
    ----------
    op
        The layer.
    sources
        Two different keys, of the draw on the way up and of that on the way down; or standard normal weights for both,
        ``(*kernel_size, replicas * in, replicas * out)`` up and (dense layers) its transpose's shape down.
    rms
        Root mean square of the weights, shape ``()`` or, at each tap of a convolution, ``(*kernel_size,)``.
    x
        The layer's input in one replica, ``(*inputs, features)``.
    slot
        Zeros of shape ``(2,)``; their "gradient", the same in every replica, is the log of the root mean square over replicas of
        ``|dE/dy|``, and that of ``|dE/dW|`` (of weights and bias together, if the layer has one). Differentiate inside the map over replicas.

    Returns
    -------
    Array
        Output in this replica, ``(*inputs, out)``.

    Notes
    -----
    Accuracy: the covariances are those of the particles, of number M: each output is off by O(M^(-1/2)), means by O(1/M).
    Assumes: weights independent of each other and of whatever comes in; a gradient that comes down independent of them.
    """
    return _fresh_forward(op, sources, rms, x, slot)[0]


def _fresh_forward(op: Linear, sources: tuple[Array, Array], rms: Array, x: Array, slot: Array) -> tuple[Array, tuple]:
    seen = together(x)
    return apart(_up(op, sources[0], rms, seen)), (sources[1], rms, seen, slot)


def _fresh_backward(op: Linear, kept: tuple, cotangent: Array) -> tuple:
    source, rms, seen, slot = kept
    size, unit = log_norm(together(cotangent))
    count = lax.axis_size(REPLICAS)
    back = jnp.exp(size).astype(cotangent.dtype)
    below = apart(_down(op, source, rms, seen, unit)) * back
    weight = _log_weight(op, rms, seen, unit)
    if op.has_bias:
        summed = jnp.sum(unit.reshape(-1, unit.shape[-1]), axis=0)
        weight = jnp.logaddexp(2 * weight, 2 * log_norm(summed)[0] - jnp.log(count)) / 2
    seen_logs = jnp.stack([size - jnp.log(count) / 2, size + weight])
    return None, None, below, seen_logs.astype(slot.dtype)


fresh.defvjp(_fresh_forward, _fresh_backward)


def pooled_norm(x: Array, scale: Array | None, bias: Array | None, *, epsilon: float, centred: bool) -> Array:
    """Layer or RMS norm whose statistics are those of the units of all replicas.

    Parameters
    ----------
    x
        One replica's array, features last.
    scale, bias
        Learned scale and shift of shape ``(features,)``, or None.
    epsilon
        Added to the mean square.
    centred
        Whether the mean is taken off (layer norm) or not (RMS norm).

    Returns
    -------
    Array
        Shape of ``x``.
    """
    mean = lax.pmean(jnp.mean(x, axis=-1, keepdims=True), REPLICAS) if centred else jnp.zeros_like(x[..., :1])
    size = lax.pmean(jnp.mean((x - mean) ** 2, axis=-1, keepdims=True), REPLICAS)
    y = (x - mean) * lax.rsqrt(size + epsilon)
    y = y if scale is None else y * jnp.broadcast_to(scale, y.shape)
    return y if bias is None else y + jnp.broadcast_to(bias, y.shape)


@jax.custom_vjp
def pooled_tap(x: Array, slot: Array) -> Array:
    """``measure.tap`` whose norm is the root mean square over replicas of theirs.

    Parameters
    ----------
    x
        One replica's array.
    slot
        A zero of shape ``()``; its "gradient" is the log-norm of what comes down.
    """
    del slot
    return x


def _pooled_tap_backward(slot: Array, cotangent: Array) -> tuple[Array, Array]:
    size, unit = log_norm(together(cotangent))
    count = lax.axis_size(REPLICAS)
    return apart(unit) * count**0.5, (size - jnp.log(count) / 2).astype(slot.dtype)


pooled_tap.defvjp(lambda x, slot: (x, slot), _pooled_tap_backward)
