"""Layers of infinite width, of which no weights are kept.

A layer ``y = x W`` acts on the units of many replicas of the model at once, with one matrix W between
all of them. The units of y are then Gaussians whose covariance over inputs is ``v x x^T``, as at
infinite width, with v the weights' variance. W is never formed where there are fewer inputs than
units. With ``x = R^T Q^T`` (Q orthonormal) only ``Z = Q^T W`` matters, a few independent normal
numbers. Backward, ``g W^T = g Z^T Q^T + g W'^T (1 - Q Q^T)``, in which W' is independent of Z. The
first term holds what the gradient has in common with the signal: of relative size n / N for a loss
on n outputs and layers of N units.

The model itself is untouched and keeps its shapes. It runs in many replicas at once (``jax.vmap``
with an axis name), and a layer's covariance is taken over the units of all replicas, which are the
particles. Nonlinearities, skips, gates and attention act in each replica as they are.

A layer of few units keeps its own weights in each replica. Its outputs are no particles: all
replicas share those of the first (``shared``), as parts of one network that is narrow there and wide
elsewhere. Their scatter is seen from draw to draw.

===========  ====================================================  ==========================
symbol       meaning                                               shape
===========  ====================================================  ==========================
``x``        a layer's input in one replica                        (*inputs, features)
``rows``     inputs (examples, positions) by units of all          (inputs, replicas * features)
             replicas
``rms``      root mean square of the weights, by tap of a          () or (*kernel_size,)
             convolution
``slot``     a multiple whose "gradient" is the size of dE/dW       ()
===========  ====================================================  ==========================
"""

import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax

from vgtheory.diagnose.passes.exponents import squares
from vgtheory.measure import log_norm

REPLICAS = "replicas"
"""Name of the axis along which the replicas of a model are mapped."""


class Linear(NamedTuple):
    """A map linear in its input and in its weights, of the units of all replicas together.

    Attributes
    ----------
    out
        Features of the output in one replica.
    conv
        ``(x, kernel) -> y`` for a convolution, channels last; None for a dense layer.
    """

    out: int
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


def _basis(rows: Array) -> tuple[Array, Array] | None:
    """``Q`` and ``R`` of ``rows.T``, or None where there are no fewer inputs than units."""
    return jnp.linalg.qr(rows.T) if rows.shape[0] < rows.shape[1] else None


def gaussian_rows(key: Array, rows: Array, num_units: int) -> Array:
    """Independent Gaussian units, shape ``(inputs, num_units)``, with covariance ``rows @ rows.T``.

    The cost is proportional to the number of units: the triangular factor replaces ``rows`` where
    it is smaller.

    Parameters
    ----------
    key
        A JAX key.
    rows
        Shape ``(inputs, units)``.
    num_units
        Number of units to draw.
    """
    factor = jnp.linalg.qr(rows.T, mode="r").T if rows.shape[0] < rows.shape[1] else rows
    return _product(factor, jax.random.normal(key, (factor.shape[1], num_units), rows.dtype))


def _is_given(source: Array) -> bool:
    """Whether weights are given, and not a key."""
    return not jnp.issubdtype(source.dtype, jax.dtypes.prng_key)


def _weights(source: Array, shape: tuple[int, ...], dtype: Any) -> Array:
    """Standard normal weights: given, or drawn from a key."""
    return source.astype(dtype) if _is_given(source) else jax.random.normal(source, shape, dtype)


def _to_all(scaled: Array) -> Array:
    """One number for all units, or one for each unit of each replica."""
    return jnp.tile(scaled, lax.axis_size(REPLICAS)) if scaled.ndim else scaled


def _up(op: Linear, source: Array, scaled: Array, seen: Array) -> tuple[Array, tuple[Array, Array] | None]:
    """From all replicas' inputs to all replicas' outputs, and Q and Z if they were needed."""
    total = lax.axis_size(REPLICAS) * op.out
    if op.conv is not None:
        shape = (*scaled.shape, seen.shape[-1], total)
        return op.conv(seen, scaled[..., None, None] * _weights(source, shape, seen.dtype)), None
    rows = seen.reshape(-1, seen.shape[-1])
    basis = None if _is_given(source) else _basis(rows)
    if basis is None:
        flat, kept = _product(rows, _weights(source, (rows.shape[1], total), rows.dtype)), None
    else:
        z = jax.random.normal(source, (rows.shape[0], total), rows.dtype)
        flat, kept = _product(basis[1].T, z), (basis[0], z)
    return _to_all(scaled) * flat.reshape(*seen.shape[:-1], -1), kept


def _down(
    op: Linear, source: Array, scaled: Array, seen: Array, kept: tuple[Array, Array] | None, above: Array
) -> Array:
    """From all replicas' gradients at the output to those at the input, by the same weights."""
    total = above.shape[-1]
    if op.conv is not None:
        shape, conv = (*scaled.shape, seen.shape[-1], total), op.conv
        kernel = scaled[..., None, None] * _weights(source, shape, seen.dtype)
        return jax.vjp(lambda x: conv(x, kernel), seen)[1](above)[0]
    g = (_to_all(scaled) * above).reshape(-1, total)
    if kept is None:
        return _product(g, _weights(source, (seen.shape[-1], total), g.dtype).T).reshape(seen.shape)
    basis, z = kept
    rest = gaussian_rows(jax.random.fold_in(source, 1), g, seen.shape[-1])
    # Both parts at once: Q (Z g) + (1 - Q Q^T) rest.
    return (rest + _product(_product(g, z.T) - _product(rest, basis), basis.T)).reshape(seen.shape)


def _log_weight(op: Linear, rms: Array, seen: Array, above: Array) -> Array:
    """Log of the weights' gradient, its norm's root mean square over pairs of replicas; ``above`` has norm 1."""
    total, log_copies = above.shape[-1], jnp.log(lax.axis_size(REPLICAS))
    if op.conv is not None:
        zeros = jnp.zeros((*rms.shape, seen.shape[-1], total), seen.dtype)
        conv = op.conv
        (grad,) = jax.vjp(lambda kernel: conv(seen, kernel), zeros)[1](above)
        return log_norm(grad)[0] - log_copies
    x, g = seen.reshape(-1, seen.shape[-1]), above.reshape(-1, total)
    if len(x) > min(x.shape[1], g.shape[1]):
        return log_norm(_product(x.T, g))[0] - log_copies
    log_x, x = log_norm(x)
    total_square = jnp.sum(_product(x, x.T) * _product(g, g.T))
    return log_x + jnp.log(jnp.maximum(total_square, 0.0)) / 2 - log_copies


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def fresh(op: Linear, source: Array, rms: Array, x: Array, slot: Array) -> Array:
    """An infinitely wide layer without weights, forward and backward.

    Parameters
    ----------
    op
        The layer.
    source
        A JAX key. Or standard normal weights, which other calls may share, of shape
        ``(*kernel_size, replicas * in, replicas * out)``.
    rms
        Root mean square of the weights, shape ``()``; of the weights to each unit, ``(out,)``; or, at
        each tap of a convolution, ``(*kernel_size,)``.
    x
        The layer's input in one replica, ``(*inputs, features)``.
    slot
        A number. Its "gradient", equal in every replica, has the ``squares`` of this multiple of the
        root mean square over pairs of replicas of ``|dE/dW|``. Differentiate inside the map over
        replicas.

    Returns
    -------
    Array
        Output in this replica, ``(*inputs, out)``, in the format of ``x``.

    Notes
    -----
    Accuracy: the covariances are those of M particles. Each output has an error of O(M^(-1/2)), and
    means have one of O(1/M).
    Assumes: weights independent of each other and of the input.
    """
    return _fresh_forward(op, source, rms, x, slot)[0]


def _fresh_forward(op: Linear, source: Array, rms: Array, x: Array, slot: Array) -> tuple[Array, tuple]:
    wide = together(x).astype(jnp.promote_types(x.dtype, jnp.float32))
    scaled = (rms / lax.axis_size(REPLICAS) ** 0.5).astype(wide.dtype)
    y, kept = _up(op, source, scaled, wide)
    return apart(y).astype(x.dtype), (source, scaled, wide, kept, slot, jnp.zeros((), x.dtype))


def _fresh_backward(op: Linear, saved: tuple, cotangent: Array) -> tuple:
    source, scaled, seen, kept, slot, like = saved
    size, unit = log_norm(together(cotangent).astype(seen.dtype))
    below = apart(_down(op, source, scaled, seen, kept, unit)) * jnp.exp(size).astype(seen.dtype)
    weight = jnp.exp(size + _log_weight(op, scaled, seen, unit))
    return None, None, below.astype(like.dtype), squares(weight, slot).astype(slot.dtype)


fresh.defvjp(_fresh_forward, _fresh_backward)


@jax.custom_vjp
def shared(y: Array) -> Array:
    """Output of a narrow layer: the first replica's, for all; all then get the first one's gradient."""
    return lax.all_gather(y, REPLICAS)[0]


shared.defvjp(lambda y: (shared(y), None), lambda _, cotangent: (lax.all_gather(cotangent, REPLICAS)[0],))


def redrawn(key: Array, leaf: Array, axes: tuple[int, ...], is_common: bool) -> Array:
    """A parameter drawn anew: Gaussian, with its own mean and spread over some axes.

    Each replica draws its own, or all draw one (``is_common``). A mean within four of its standard
    errors is taken for zero.
    """
    wide = leaf.astype(jnp.promote_types(leaf.dtype, jnp.float32))
    mean = jnp.mean(wide, axis=axes, keepdims=True)
    spread = jnp.std(wide, axis=axes, keepdims=True)
    count = math.prod(leaf.shape[axis] for axis in axes)
    mean = jnp.where(jnp.abs(mean) < 4 * spread / count**0.5, 0.0, mean)
    spread = jnp.sqrt(jnp.mean(jnp.abs(wide - mean) ** 2, axis=axes, keepdims=True))
    own = key if is_common else jax.random.fold_in(key, lax.axis_index(REPLICAS))
    return (mean + spread * jax.random.normal(own, leaf.shape, wide.dtype)).astype(leaf.dtype)


def rescaled(key: Array, leaf: Array, doubt: float) -> Array:
    """A parameter times random factors near 1, one for each matrix, whose logs have this standard deviation."""
    factor = jnp.exp(doubt * jax.random.normal(key, (*leaf.shape[:-2], *[1] * min(leaf.ndim, 2))))
    return leaf * factor.astype(leaf.dtype)


def shuffled(key: Array, matrix: Array, rms: Array) -> Array:
    """Orthogonal weights drawn anew, over their root mean square: units in change places, and all change signs."""
    places, one, other = jax.random.split(key, 3)
    num_in, num_out = matrix.shape[-2:]
    order = jax.random.permutation(places, num_in)
    signs = jax.random.rademacher(one, (num_in, 1), matrix.dtype) * jax.random.rademacher(
        other, (1, num_out), matrix.dtype
    )
    signs = signs.reshape(*[1] * (matrix.ndim - 2), num_in, num_out)
    return jnp.where(rms > 0, matrix / rms, 0.0)[..., order, :] * signs
