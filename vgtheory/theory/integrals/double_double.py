"""Products of matrices in twice float64's precision.

A number is the sum of two float64, with an exact power of two beside it.
"""

from typing import NamedTuple

import numpy as np

_SPLITTER = 2.0**27 + 1
_BLOCK = 16_384
"""Entries worked on together: what a processor's cache holds."""


class Pair(NamedTuple):
    """An array as the unevaluated sum ``high + low``, ``low`` at most half a rounding of ``high``.

    Attributes
    ----------
    high
        Leading part, float64.
    low
        What it leaves, the same shape.
    """

    high: np.ndarray
    low: np.ndarray


def pair(values: np.ndarray) -> Pair:
    """Float64 numbers as pairs.

    Parameters
    ----------
    values
        Any array.
    """
    high = np.asarray(values, dtype=float)
    return Pair(high, np.zeros_like(high))


def _sum(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rounded sum and its exact error (Knuth)."""
    total = a + b
    back = total - a
    return total, (a - (total - back)) + (b - back)


def _halves(a: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Two halves of 26 bits whose products are exact (Dekker)."""
    big = _SPLITTER * a
    top = big - (big - a)
    return top, a - top


def product(left: Pair, right: Pair) -> Pair:
    """``left @ right`` as if computed with 106 bits and rounded to a pair.

    Parameters
    ----------
    left
        Shape ``(rows, inner)``, entries below 1e290.
    right
        Shape ``(inner, columns)``, likewise.
    """
    rows = max(1, _BLOCK // max(1, right.high.shape[1]))
    blocks = [
        _product(Pair(left.high[first : first + rows], left.low[first : first + rows]), right)
        for first in range(0, max(1, len(left.high)), rows)
    ]
    return Pair(*(np.concatenate(parts) for parts in zip(*blocks, strict=True)))


def _product(left: Pair, right: Pair) -> Pair:
    """The same of some rows of ``left``."""
    (a, a_low), (b, b_low) = left, right
    (a_top, a_end), (b_top, b_end) = _halves(a), _halves(b)
    high, low = np.zeros((2, a.shape[0], b.shape[1]))
    for k in range(b.shape[0]):
        column, row = (slice(None), slice(k, k + 1)), slice(k, k + 1)
        rounded = a[column] * b[row]
        rest = ((a_top[column] * b_top[row] - rounded) + a_top[column] * b_end[row]) + a_end[column] * b_top[row]
        rest = (rest + a_end[column] * b_end[row]) + (a[column] * b_low[row] + a_low[column] * b[row])
        high, lost = _sum(high, rounded)
        low += lost + rest
    return Pair(*_sum(high, low))


def normalised(values: Pair, axis: int | None = None) -> tuple[Pair, np.ndarray]:
    """Values over powers of two, and the exponents of these powers.

    The largest entry is then in [1/2, 1). Zeros stay as they are.

    Parameters
    ----------
    values
        Any shape.
    axis
        Along which the largest entry is taken; None for all.
    """
    exponents = np.frexp(np.abs(values.high).max(axis=axis))[1]
    shift = -exponents
    return Pair(np.ldexp(values.high, shift), np.ldexp(values.low, shift)), np.asarray(exponents, dtype=np.int64)
