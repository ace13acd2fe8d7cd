r"""Moments of an activation at two positions whose arguments have variances of their own.

==========  ===========================================================  ================
symbol      meaning                                                      shape
==========  ===========================================================  ================
``log_s``   log of the variance of the argument                          (places,)
``c``       correlation of two arguments; on the diagonal, of neighbours  (places, places)
==========  ===========================================================  ================

Two variances count by their geometric mean, of which the moments are even functions of the ratio; what a
ratio does to mean squares is put right. For activations that are straight on either side of 0 this is exact.
"""

from typing import Any, NamedTuple

import numpy as np

from vgtheory.theory.arrays import library
from vgtheory.theory.attention.branches import Curve
from vgtheory.theory.integrals.moments_1d import value_and_slope


class Two(NamedTuple):
    """Overlaps of an activation and of its derivative; of a position with itself, and of two.

    Attributes
    ----------
    length, lengths
        E[phi^2], shape (places,), and E[phi phi'], shape (places, places).
    slope, slopes
        The same of the derivative.
    """

    length: Any
    lengths: Any
    slope: Any
    slopes: Any


def two(known: Curve, log_s: Any, c: Any) -> Two:
    """Moments of all positions and of all pairs, half of which are read.

    Parameters
    ----------
    known
        Of the activation, at all variances.
    log_s, c
        The table above has the symbols.
    """
    xp = library(log_s, c)
    at = lambda log_s: [xp.exp(value_and_slope(each, log_s)[0]) for each in known.squares]
    first, second = np.tril_indices(len(log_s))
    place = np.zeros(c.shape, int)
    place[first, second] = place[second, first] = np.arange(first.size)
    gap = xp.clip(1 - c[first, second], xp.finfo(c.dtype).tiny, 1.0)
    middle = (log_s[first] + log_s[second]) / 2
    split, turn = (1 - each for each in known.row(middle, xp.log(gap) / 2))
    length, slope = at(log_s)
    length_mid, slope_mid = at(middle)
    root = lambda square: xp.sqrt(square[first] * square[second])
    lengths = root(length) * (1 - xp.exp(middle) * slope_mid * gap * split / length_mid)
    return Two(length, lengths[place], slope, (root(slope) * turn)[place])


__all__ = ["Two", "two"]
