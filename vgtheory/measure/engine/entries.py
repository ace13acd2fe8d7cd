"""Entries of random matrices: independent, of mean 0 and variance 1, by their kind."""

import math
from typing import Any

import jax.numpy as jnp
from jax import Array
from jax.scipy.special import erfinv

from vgtheory.measure.engine.draws import MASK, WEIGHTS, normal, signed_uniform
from vgtheory.weights import CUT, SHARE

_FULL = math.erf(CUT / math.sqrt(2))
_CUT_STD = math.sqrt(1 - 2 * CUT * math.exp(-(CUT**2) / 2) / math.sqrt(2 * math.pi) / _FULL)


def _student(size: Array) -> Array:
    """Absolute value of Student's t with 4 degrees of freedom that is exceeded with this probability."""
    root = jnp.sqrt(size * (2 - size))
    third = jnp.arctan2(1 - size, root) / 3
    return jnp.sqrt(8 * jnp.sin(2 * third) * jnp.sin(third) / root)


def drawn(words: Array, weights: str, stream: Any, shape: tuple[int, ...], dtype: Any) -> Array:
    """Independent entries of one layer's matrix.

    Parameters
    ----------
    words
        The network's key (``draws.words_of``).
    weights
        A kind of ``weights.EXCESS_KURTOSIS``.
    stream
        The layer; may be traced.
    shape
        Of the result.
    dtype
        ``float32`` or ``float64``.
    """
    if weights in ("gaussian", "sparse"):
        z = normal(words, WEIGHTS, stream, shape, dtype)
        if weights == "gaussian":
            return z
        kept = signed_uniform(words, MASK, stream, shape, dtype)[0] <= SHARE
        return jnp.where(kept, z * SHARE**-0.5, 0.0).astype(dtype)
    size, sign = signed_uniform(words, WEIGHTS, stream, shape, dtype)
    if weights == "uniform":
        return sign * size * math.sqrt(3)
    if weights == "truncated_normal":
        return sign * erfinv(size * _FULL) * (math.sqrt(2) / _CUT_STD)
    return sign * _student(size) / math.sqrt(2)
