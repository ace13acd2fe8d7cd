"""Random numbers by counter, standard normal and uniform.

A number is a function of the network's key, a stream and its own index alone. It does not depend
on shapes, devices or the order of the draws, and it agrees between formats up to rounding.

The bits are those of Threefry-2x32 with 20 rounds, JAX's own generator; a test compares them. On
a CPU, JAX rolls the rounds into a loop, and drawing a network's weights takes three times as long
(``benchmarks.throughput``). Here the rounds are written out, and the method of Box and Muller
turns the two words of a block into the radius and angle of one normal number.
"""

import math
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.scipy.special import erfinv
from jax.typing import ArrayLike, DTypeLike

from vgtheory.weights import CUT, CUT_STD, SHARE

INPUT, WEIGHTS, BIAS, COTANGENT, UNITS, ABOVE, PROBE = range(7)
MASK = 10
DROPPED, PRUNED, ADDED, PATH, SLOPES = range(11, 16)
"""Roles of a network's streams; no two of them share a number."""
_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
_PARITY = 0x1BD11BDA
_LAYER_BITS = 28
_TERMS = {"float32": 5, "float64": 10}
"""Number of terms of the series of cos and sin on [-pi/4, pi/4], up to the format's rounding."""
_FULL = math.erf(CUT / math.sqrt(2))


def words_of(key: Array) -> Array:
    """Two uint32 words, shape ``(2,)``, that stand for a typed JAX key of any implementation."""
    return jax.random.bits(key, (2,), jnp.uint32)


def _rotated(word: Array, places: int) -> Array:
    return (word << np.uint32(places)) | (word >> np.uint32(32 - places))


def threefry(words: Array, first: Array, second: Array) -> tuple[Array, Array]:
    """Threefry-2x32 with 20 rounds: two words that depend on every bit of key and counter.

    Parameters
    ----------
    words
        The key, uint32, shape ``(2,)``.
    first, second
        The counter, uint32, of one shape; the result has this shape.

    References
    ----------
    Salmon, Moraes, Dror and Shaw (2011), Parallel random numbers: as easy as 1, 2, 3.
    """
    keys = (words[0], words[1], words[0] ^ words[1] ^ np.uint32(_PARITY))
    first, second = first + keys[0], second + keys[1]
    for group in range(5):
        for places in _ROTATIONS[group % 2]:
            first = first + second
            second = _rotated(second, places) ^ first
        first = first + keys[(group + 1) % 3]
        second = second + keys[(group + 2) % 3] + np.uint32(group + 1)
    return first, second


def _wave(angle: Array, start: int, terms: int) -> Array:
    """Series of cos (start 0) or of sin over the angle (start 1), by Horner's rule."""
    square, total = angle * angle, jnp.zeros_like(angle)
    for term in reversed(range(terms)):
        total = total * square + (-1) ** term / math.factorial(2 * term + start)
    return total


def _blocks(words: Array, role: int, layer: ArrayLike, shape: tuple[int, ...]) -> tuple[Array, Array]:
    """Two random words for each number."""
    stream = np.uint32(role << _LAYER_BITS) | jnp.asarray(layer).astype(jnp.uint32)
    index = lax.iota(jnp.uint32, math.prod(shape)).reshape(shape)
    return threefry(words, index, jnp.broadcast_to(stream, shape))


# Compiled as one: called eagerly they are one program in place of a hundred, and within a program they are traced once.
@partial(jax.jit, static_argnames=("role", "shape", "dtype"))
def signed_uniform(
    words: Array, role: int, layer: ArrayLike, shape: tuple[int, ...], dtype: DTypeLike = jnp.float32
) -> tuple[Array, Array]:
    """Independent numbers uniform in (0, 1], each with a random sign; parameters as for ``normal``.

    Accuracy: 32 random bits, evenly spaced from 2^-33, and rounded to the format.
    """
    size, side = _blocks(words, role, layer, shape)
    sign = 1 - (side >> np.uint32(30) & np.uint32(2)).astype(jnp.int32).astype(dtype)
    return (size.astype(dtype) + 0.5) * 2.0**-32, sign


@partial(jax.jit, static_argnames=("role", "shape", "dtype"))
def normal(words: Array, role: int, layer: ArrayLike, shape: tuple[int, ...], dtype: DTypeLike = jnp.float32) -> Array:
    """Independent standard normal numbers.

    Parameters
    ----------
    words
        The network's key (``words_of``).
    role
        Purpose of the numbers: one of this module's roles.
    layer
        Layer that they are for, below 2^28; may be traced.
    shape
        Shape of the result; fewer than 2^32 numbers.
    dtype
        ``float32`` or ``float64``.

    Notes
    -----
    Accuracy: 64 random bits behind each number; the largest possible value is 6.8.
    """
    long, turn = _blocks(words, role, layer, shape)
    terms = _TERMS[jnp.dtype(dtype).name]
    angle = (turn << np.uint32(2)).astype(jnp.int32).astype(dtype) * (math.pi / 2**33)
    side = jnp.where(turn >> np.uint32(31) == 1, angle * _wave(angle, 1, terms), _wave(angle, 0, terms))
    sign = 1 - (turn >> np.uint32(29) & np.uint32(2)).astype(jnp.int32).astype(dtype)
    # The radius is used once; otherwise XLA would store it and compute the words again.
    return sign * side * jnp.sqrt(-2 * jnp.log((long.astype(dtype) + 0.5) * 2.0**-32))


def _student(size: Array) -> Array:
    """Modulus of Student's t with 4 degrees of freedom that is exceeded with a probability."""
    root = jnp.sqrt(size * (2 - size))
    third = jnp.arctan2(1 - size, root) / 3
    return jnp.sqrt(8 * jnp.sin(2 * third) * jnp.sin(third) / root)


def drawn(words: Array, weights: str, stream: ArrayLike, shape: tuple[int, ...], dtype: DTypeLike) -> Array:
    """Independent entries of one layer's matrix, of a kind in ``weights.EXCESS_KURTOSIS``.

    ``stream`` is the layer and may be traced; ``words``, ``shape`` and ``dtype`` are as for
    ``normal``.
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
        return sign * erfinv(size * _FULL) * (math.sqrt(2) / CUT_STD)
    return sign * _student(size) / math.sqrt(2)
