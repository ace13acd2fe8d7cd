"""Numbers f that a unit has at every position: their moments, given what all positions have in common.

===========  =================================================================  =====
symbol       meaning                                                            shape
===========  =================================================================  =====
``weight``   probability of a node                                              (n,)
``first``    E[f] at one position, given what all positions have in common      (n,)
``second``   E[f^2], E[f^3] and E[f^4] likewise: ``third``, ``fourth``          (n,)
``alive``    probability that f is not exactly 0                                (n,)
===========  =================================================================  =====
"""

from typing import NamedTuple

import numpy as np
from numpy.polynomial.hermite_e import hermegauss
from numpy.polynomial.legendre import leggauss

from vgtheory.activation import Activation
from vgtheory.theory.integrals.rules import values

_NODES, _COMMON, _FINE = 12, 32, 400
"""Nodes of a normal number, of what positions have in common, and of their own parts."""
_MOST_COMMON = 6.0


class Units(NamedTuple):
    """Numbers of one side, of units or of pairs of units; the table above has the symbols."""

    weight: np.ndarray
    first: np.ndarray
    second: np.ndarray
    third: np.ndarray
    fourth: np.ndarray
    alive: np.ndarray


def normal_rule(order: int) -> tuple[np.ndarray, np.ndarray]:
    """Nodes of a standard normal number and their probabilities.

    Parameters
    ----------
    order
        Number of nodes.
    """
    nodes, weights = hermegauss(order)
    return nodes, weights / weights.sum()


def normal_units(correlation: float) -> Units:
    """Standard normal numbers of one correlation between positions.

    Parameters
    ----------
    correlation
        From 0 to 1.
    """
    z, weight = normal_rule(_NODES if correlation > 0 else 1)
    # Of a number and its opposite one is enough: all that counts is even.
    z, weight = z[z >= 0], weight[z >= 0] / weight[z >= 0].sum()
    mean, rest = np.sqrt(correlation) * z, 1 - correlation
    square = mean**2
    third = mean * (square + 3 * rest)
    return Units(weight, mean, square + rest, third, square**2 + 6 * square * rest + 3 * rest**2, np.ones_like(z))


def function_units(activation: Activation, is_slope: bool, square: float, correlation: float) -> Units:
    """phi, or phi', of normal numbers of one correlation between positions.

    Parameters
    ----------
    activation, is_slope
        The function.
    square
        Mean square of its argument.
    correlation
        From 0 to 1.
    """
    # The probability of no live position is a steep function of what they have in common.
    u, weight = leggauss(_COMMON)
    u, weight = _MOST_COMMON * u, weight * np.exp(-((_MOST_COMMON * u) ** 2) / 2)
    weight = weight / weight.sum()
    v = np.linspace(-8, 8, _FINE + 1)
    density = np.exp(-(v**2) / 2)
    density /= density.sum()
    h = np.sqrt(square) * (np.sqrt(correlation) * u[:, None] + np.sqrt(1 - correlation) * v)
    f = np.broadcast_to(np.asarray(values(activation, h)[is_slope], float), h.shape)
    first, second, third, fourth = (f**k @ density for k in range(1, 5))
    return Units(weight, first, second, third, fourth, (f != 0) @ density)


def product(one: Units, other: Units) -> Units:
    """Products of independent numbers.

    Parameters
    ----------
    one, other
        The factors.
    """
    return Units(*(np.multiply.outer(a, b).ravel() for a, b in zip(one, other, strict=True)))


__all__ = ["Units", "function_units", "normal_rule", "normal_units", "product"]
