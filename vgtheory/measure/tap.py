"""The cotangent tap: an identity that brings the log domain into any JAX code's backward pass."""

import functools

import jax
import jax.numpy as jnp
from jax import Array


def log_norm(values: Array) -> tuple[Array, Array]:
    """Natural log of the Euclidean norm of all entries, and the entries divided by that norm (zeros stay zeros).

    Parameters
    ----------
    values
        Any shape; floating.

    Returns
    -------
    tuple of arrays
        Log-norm, shape ``()``, float32 or wider; and the unit array, same shape and dtype as ``values``.

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
    wide = values.astype(jnp.promote_types(values.dtype, jnp.float32))
    peak = jnp.max(jnp.abs(wide))
    # Twice by the root: the reciprocal of a number near the format's largest would be subnormal, and flushed to zero.
    root = 1 / jnp.sqrt(jnp.where(peak > 0, peak, 1.0))
    scaled = wide * root * root
    size = jnp.sqrt(jnp.sum(scaled**2))
    unit = (scaled / jnp.where(size > 0, size, 1.0)).astype(values.dtype)
    return jnp.where(peak > 0, jnp.log(size) - 2 * jnp.log(root), jnp.where(jnp.isnan(peak), jnp.nan, -jnp.inf)), unit


@functools.partial(jax.custom_vjp)
def tap(x: Array, slot: Array) -> Array:
    r"""Identity in ``x`` whose backward pass renormalises the cotangent and keeps its log-norm.

    Forward it returns ``x``. Backward, the cotangent :math:`\delta` goes on as :math:`\delta / |\delta|`, and the
    "gradient" of ``slot`` is :math:`\ln |\delta|`. With a tap at every link of a chain the true log-norm at link l is the
    sum of the slots' gradients from l to the top, however deep the chain.

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
    del slot
    return x


def _forward(x: Array, slot: Array) -> tuple[Array, Array]:
    return x, slot


def _backward(slot: Array, cotangent: Array) -> tuple[Array, Array]:
    size, unit = log_norm(cotangent)
    return unit, size.astype(slot.dtype)


tap.defvjp(_forward, _backward)
