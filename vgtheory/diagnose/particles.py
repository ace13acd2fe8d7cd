"""Layers without weights: dense layers and convolutions of infinite width.

A layer ``y = x W`` with independent weights of variance v is used once in the forward and once in
the backward pass. At infinite width the units of y are independent Gaussians whose covariance over
inputs is ``v x x^T``. The units of ``W^T g`` are Gaussians too, with covariance ``v g g^T``,
independent of the forward pass. No weights need be kept: each pass draws anew.

The model itself is untouched and keeps its shapes. It runs in many replicas at once (``jax.vmap``
with an axis name), and a layer's covariance is taken over the units of all replicas, which are the
particles. Nonlinearities, skips, gates and attention act in each replica as they are.

===========  ====================================================  ==========================
symbol       meaning                                               shape
===========  ====================================================  ==========================
``x``        a layer's input in one replica                        (*inputs, features)
``rows``     inputs (examples, positions) by units of all          (inputs, replicas * features)
             replicas
``rms``      root mean square of the weights, by tap of a          () or (*kernel_size,)
             convolution
``slot``     zeros whose "gradient" is the log of what passed      (2,)
===========  ====================================================  ==========================
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
        Whether a bias is added; its gradient counts with the weights'.
    conv
        ``(x, kernel) -> y`` for a convolution, channels last; None for a dense layer.
    """

    out: int
    has_bias: bool = False
    conv: Callable[[Array, Array], Array] | None = None


def together(x: Array) -> Array:
    """Units of all replicas side by side, shape ``(*inputs, replicas * features)``."""
    gathered = jnp.moveaxis(lax.all_gather(x, REPLICAS), 0, -2)
    return gathered.reshape(*x.shape[:-1], -1)


def apart(rows: Array) -> Array:
    """One replica's share of the units of all: the inverse of ``together``."""
    count = lax.axis_size(REPLICAS)
    shared = rows.reshape(*rows.shape[:-1], count, -1)
    return lax.dynamic_index_in_dim(shared, lax.axis_index(REPLICAS), axis=-2, keepdims=False)


def _product(left: Array, right: Array) -> Array:
    return jnp.matmul(left, right, precision=lax.Precision.HIGHEST)


def gaussian_rows(source: Array, rows: Array, num_units: int) -> Array:
    """Independent Gaussian units, shape ``(inputs, num_units)``, with covariance ``rows @ rows.T``.

    The cost is proportional to the number of units: the triangular factor replaces ``rows`` where
    it is smaller.

    Parameters
    ----------
    source
        A JAX key; or standard normal weights of shape ``(units, num_units)``, which other rows may
        share.
    rows
        Shape ``(inputs, units)``.
    num_units
        Number of units to draw.
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
    """From all replicas' gradients at the output to those at the input, by new weights."""
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
    """Log of the root mean square, over pairs of replicas, of the norm of the weights' gradient."""
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
    """``(x, kernel) -> y`` of a Linen or nnx ``Conv`` of this rank, without its bias."""
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
    """An infinitely wide layer without weights, forward and backward.

    Parameters
    ----------
    op
        The layer.
    sources
        Two different keys, for the forward and the backward draw. Or standard normal weights for
        both: ``(*kernel_size, replicas * in, replicas * out)`` forward and, for dense layers, the
        shape of its transpose backward.
    rms
        Root mean square of the weights, shape ``()`` or, at each tap of a convolution,
        ``(*kernel_size,)``.
    x
        The layer's input in one replica, ``(*inputs, features)``.
    slot
        Zeros of shape ``(2,)``. Their "gradient", equal in every replica, has the logs of the root
        mean squares over replicas of ``|dE/dy|`` and of ``|dE/dW|`` (weights and bias together).
        Differentiate inside the map over replicas.

    Returns
    -------
    Array
        Output in this replica, ``(*inputs, out)``.

    Notes
    -----
    Accuracy: the covariances are those of M particles. Each output has an error of O(M^(-1/2)), and
    means have one of O(1/M).
    Assumes: weights independent of each other and of the input, and an incoming gradient
    independent of them.
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
    """Layer norm (``centred``) or RMS norm, with the statistics of the units of all replicas."""
    mean = lax.pmean(jnp.mean(x, axis=-1, keepdims=True), REPLICAS) if centred else jnp.zeros_like(x[..., :1])
    size = lax.pmean(jnp.mean((x - mean) ** 2, axis=-1, keepdims=True), REPLICAS)
    y = (x - mean) * lax.rsqrt(size + epsilon)
    y = y if scale is None else y * jnp.broadcast_to(scale, y.shape)
    return y if bias is None else y + jnp.broadcast_to(bias, y.shape)


@jax.custom_vjp
def pooled_tap(x: Array, slot: Array) -> Array:
    """``measure.tap`` whose norm is the root mean square of the replicas' norms."""
    del slot
    return x


def _pooled_tap_backward(slot: Array, cotangent: Array) -> tuple[Array, Array]:
    size, unit = log_norm(together(cotangent))
    count = lax.axis_size(REPLICAS)
    return apart(unit) * count**0.5, (size - jnp.log(count) / 2).astype(slot.dtype)


pooled_tap.defvjp(lambda x, slot: (x, slot), _pooled_tap_backward)
