"""The cotangent tap and the gauge of a layer.

The tap is an identity that brings the log domain into any JAX code's backward pass.
"""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.typing import DTypeLike

from vgtheory.expect import expect_number
from vgtheory.measure.arguments import asked, floats


@asked(values=floats)
def log_norm(values: Array) -> tuple[Array, Array]:
    """Natural log of the Euclidean norm of all entries, and the entries divided by that norm (zeros stay zeros).

    Parameters
    ----------
    values
        Any shape; floating.

    Returns
    -------
    tuple of arrays
        Log-norm, shape ``()``, float32 or wider; and the unit array, same shape and dtype as ``values``; NaN where an
        entry is NaN or infinite.

    Notes
    -----
    Accuracy: a few roundings; scaled by the largest entry, so it neither under- nor overflows.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> from vgtheory import measure
    >>> round(float(measure.log_norm(jnp.full(4, 1e-30))[0]), 4)
    -68.3844
    """
    values = jnp.asarray(values)
    wide = values.astype(jnp.promote_types(values.dtype, jnp.float32))
    peak = jnp.max(jnp.abs(wide))
    # Twice by the root: the reciprocal of a number near the format's largest would be subnormal, and flushed to zero.
    root = 1 / jnp.sqrt(jnp.where(peak > 0, peak, 1.0))
    scaled = wide * root * root
    size = jnp.sqrt(jnp.sum(scaled**2))
    unit = (scaled / jnp.where(size > 0, size, 1.0)).astype(values.dtype)
    return jnp.where(peak > 0, jnp.log(size) - 2 * jnp.log(root), jnp.where(jnp.isnan(peak), jnp.nan, -jnp.inf)), unit


def _power_of_two(exponent: Array, dtype: DTypeLike) -> Array:
    """2 to an integer power within the normal numbers, from its bits; library powers may be off by a rounding."""
    form = jnp.finfo(dtype)
    return lax.bitcast_convert_type((exponent + (form.maxexp - 1)) << form.nmant, form.dtype)


def length_of(values: Array) -> tuple[Array, Array]:
    """Euclidean norm of all entries, and the entries divided by that norm (zeros stay zeros).

    Powers of two scale the entries, so their squares neither under- nor overflow and nothing is rounded: where the
    plain sum of squares is in range, its root is the result.

    Parameters
    ----------
    values
        Any shape; float32 or float64.
    """
    form = jnp.finfo(values.dtype)
    bits = lax.bitcast_convert_type(jnp.max(jnp.abs(values)), f"int{form.bits}")
    half = ((bits >> form.nmant) - (form.maxexp - 1)) >> 1
    # Twice by half the power: the whole may be out of range where the numbers are not.
    down, up = (_power_of_two(each, values.dtype) for each in (-half, half))
    scaled = values * down * down
    size = jnp.sqrt(jnp.sum(scaled**2))
    return size * up * up, scaled / jnp.where(size == 0, 1.0, size)


def _slot(where: str, slot: Any) -> None:
    floats(where, slot=slot)
    expect_number(where, ndim=0, slot=slot)


@asked(x=floats, slot=_slot)
def tap(x: Array, slot: Array) -> Array:
    r"""Identity in ``x`` whose backward pass renormalises the cotangent and keeps its log-norm.

    Forward it returns ``x``. Backward, the cotangent :math:`\delta` goes on as
    :math:`\delta / |\delta|`, and the "gradient" of ``slot`` is :math:`\ln |\delta|`. With a tap at
    every link of a chain, the true log-norm at link l is the sum of the slots' gradients from l to
    the top, however deep the chain.

    Parameters
    ----------
    x
        Any shape; floating.
    slot
        A zero of shape ``()``, one per tap; differentiate with respect to it.

    Returns
    -------
    Array
        ``x``.

    Notes
    -----
    Accuracy: one rounding per link.
    Assumes: all of the gradient flows through this point; a path around it would be added at the wrong scale.

    Examples
    --------
    >>> import jax, jax.numpy as jnp
    >>> from vgtheory.measure import tap
    >>> def loss(slots):
    ...     x = jnp.float32(1.0)
    ...     for slot in slots:
    ...         x = 1e-30 * tap(x, slot)
    ...     return x
    >>> increments = jax.grad(loss)(jnp.zeros(3, jnp.float32))
    >>> round(float(increments.sum() / jnp.log(10.0)))
    -90
    """
    return _tap(x, slot)


@jax.custom_vjp
def _tap(x: Array, slot: Array) -> Array:
    del slot
    return x


def _forward(x: Array, slot: Array) -> tuple[Array, Array]:
    return x, slot


def _backward(slot: Array, cotangent: Array) -> tuple[Array, Array]:
    size, unit = log_norm(cotangent)
    return unit, size.astype(slot.dtype)


_tap.defvjp(_forward, _backward)


class Slots(NamedTuple):
    """Zeros whose gradients are what a gauge has seen, of one layer.

    Attributes
    ----------
    rows
        Each input's ln |dE/dh| over that of the layer above, shape ``(inputs,)``.
    pair
        Log of the Frobenius norm of the weight gradient summed over inputs, shape ``()``. Its units
        are the largest |dE/dh| among the inputs and exp of the largest ``log_scale``.
    """

    rows: Array
    pair: Array


def finite_peak(values: Array) -> Array:
    """Largest entry, or 0 if that is not finite.

    Parameters
    ----------
    values
        Any shape.
    """
    peak = jnp.max(values)
    return jnp.where(jnp.isfinite(peak), peak, 0.0)


def log_pair(weight: Array, unit: Array, x: Array, log_x: Array) -> Array:
    """Log of the Frobenius norm of ``sum_b exp(weight_b) unit_b x_b^T / |x_b|``, from two Gram matrices.

    Parameters
    ----------
    weight
        Logs, shape ``(inputs,)``.
    unit
        Rows of unit norm (or 0), shape ``(inputs, width)``.
    x
        Rows, same shape.
    log_x
        Log-norms of ``x``, shape ``(inputs,)``.
    """
    if weight.size == 1:
        return weight[0]
    unit_x = x * jnp.where(log_x > -jnp.inf, jnp.exp(-log_x), 0.0).astype(x.dtype)[:, None]
    gram, gram_x = (jnp.dot(rows, rows.T, precision="highest") for rows in (unit, unit_x))
    top = finite_peak(weight)
    share = jnp.exp(weight - top)
    total = jnp.sum(gram * gram_x * share[:, None] * share[None, :])
    return top + jnp.log(jnp.maximum(total, 0.0)) / 2


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def gauge(scalable: bool, h: Array, x: Array, log_scale: Array, ledger: Array, slots: Slots) -> tuple[Array, ...]:
    r"""Divide each row of ``h`` by its rms on the way up, and renormalise its cotangent on the way down.

    The cotangents' logs are kept. A cotangent is passed on as dE/dh of the network itself, not of
    the divided ``h``, and each row is in units of its own norm. Weight gradients are never formed:
    the Frobenius norm of a sum over inputs of outer products needs only two Gram matrices,

    .. math:: \Bigl| \sum_b g_b x_b^{\mathsf T} \Bigr|_F^2 = \sum_{bb'} (g_b \cdot g_{b'})\, (x_b \cdot x_{b'})

    Parameters
    ----------
    scalable
        Whether ``h`` is divided at all.
    h
        Pre-activations over ``exp(log_scale)``, shape ``(inputs, width)``.
    x
        The layer's input in the same units, same shape.
    log_scale
        Shape ``(inputs,)``.
    ledger
        Zeros, shape ``(inputs,)``; on the way down it carries each row's log-norm relative to the largest.
    slots
        Zeros; differentiate with respect to them.

    Returns
    -------
    tuple of arrays
        ``h`` divided, the log of each row's rms, and the ledger.
    """
    del x, log_scale, slots
    size, unit = jax.vmap(log_norm)(h)
    return (unit * np.sqrt(h.shape[1]).astype(h.dtype) if scalable else h), size - np.log(h.shape[1]) / 2, ledger


def _gauge_forward(scalable: bool, h: Array, x: Array, log_scale: Array, ledger: Array, slots: Slots) -> tuple:
    return gauge(scalable, h, x, log_scale, ledger, slots), (x, log_scale)


def _gauge_backward(scalable: bool, kept: tuple[Array, Array], cotangents: tuple[Array, ...]) -> tuple:
    (x, log_scale), (cotangent, _, ledger) = kept, cotangents
    size, unit = jax.vmap(log_norm)(cotangent)
    log_x = jax.vmap(log_norm)(x)[0]
    ledger = ledger + size
    ledger = ledger - finite_peak(ledger)
    pair = log_pair(ledger + log_x + log_scale - finite_peak(log_scale), unit, x, log_x)
    return unit, jnp.zeros_like(x), jnp.zeros_like(log_scale), ledger, Slots(size, pair)


gauge.defvjp(_gauge_forward, _gauge_backward)
