r"""Law of the entries of a weight gradient that is a sum over positions, :math:`G_{ij} = \sum_t x_{ti}\, g_{tj}`.

One of the two sides, x say, is Gaussian over its units i, with one variance for all directions of
the T positions but one, and another for their mean. Given the other side's T numbers f, an entry is
normal of variance

.. math:: V_j = P \sum_t (f_t - \bar f)^2 + Q\, T \bar f^2

Positions that have much in common make Q large, and then an entry is a product of two normal
numbers, as for one input. Of independent positions many make V a number, and entries normal.

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
from scipy.special import erf, erfc

from vgtheory.activation import Activation
from vgtheory.theory.integrals.rules import values

_NODES, _COMMON, _FINE, _SIZES, _ORDER = 12, 32, 400, 3, 2
"""Nodes of a normal number, of what positions have in common, of their own parts, of sizes, and of a panel."""
_MOST_COMMON = 6.0
_ENDS = np.concatenate([np.exp([-27.0, -18.0, -12.0, -8.0, -5.5, -4.0, -3.0, -2.2, -1.5]), np.arange(0.5, 13.6, 0.5)])
"""Ends of panels in the modulus of the mean over positions, in standard deviations."""
_AWAY = 5.0
"""Standard deviations from which a mean over positions does not vanish."""
_STEP = 0.02
"""Of a table in ln V."""


class Units(NamedTuple):
    """Numbers of one side, of units or of pairs of units; the table above has the symbols."""

    weight: np.ndarray
    first: np.ndarray
    second: np.ndarray
    third: np.ndarray
    fourth: np.ndarray
    alive: np.ndarray


class Modes(NamedTuple):
    """Variances of a Gaussian side: of each direction across the positions' mean, and along it."""

    own: float
    common: float


def modes(same: float, other: float, count: int) -> Modes:
    """Variances from the overlaps of a position with itself and with another one.

    Parameters
    ----------
    same, other
        The overlaps.
    count
        Number of positions.
    """
    return Modes(max(same - other, 0.0), max(same + (count - 1) * other, 0.0))


def _normal(order: int) -> tuple[np.ndarray, np.ndarray]:
    nodes, weights = hermegauss(order)
    return nodes, weights / weights.sum()


def normal_units(correlation: float) -> Units:
    """Standard normal numbers of one correlation between positions.

    Parameters
    ----------
    correlation
        From 0 to 1.
    """
    z, weight = _normal(_NODES if correlation > 0 else 1)
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


class Sums(NamedTuple):
    """Law of the entries: logs of V over its mean at nodes, with probabilities, which lack that of exact zeros.

    Attributes
    ----------
    log_size
        Half the log of the mean of V.
    log, weight
        ln V less that of its mean, and probabilities.
    """

    log_size: float
    log: np.ndarray
    weight: np.ndarray

    @property
    def log_typical(self) -> float:
        """Half the log of the mean square."""
        return self.log_size

    @property
    def zero(self) -> float:
        """Share of exact zeros."""
        share = 1 - self.weight.sum()
        return float(share) if share > 1e-13 else 0.0

    def beyond(self, log_bounds: np.ndarray, above: bool) -> np.ndarray:
        """Shares of entries, zeros left out, whose modulus is below or above each bound.

        Parameters
        ----------
        log_bounds
            Logs of the bounds.
        above
            Whether above.
        """
        ratio = np.exp(np.clip(log_bounds[:, None] - self.log_size - self.log / 2, -700, 30)) / np.sqrt(2)
        return np.asarray((erfc if above else erf)(ratio) @ self.weight)


def normal_sums(log_square: float, one: Modes, other: Modes, count: int) -> Sums:
    """Law of the entries where both sides are Gaussian.

    Parameters
    ----------
    log_square
        Log of the entries' mean square.
    one, other
        The two sides.
    count
        Number of positions.
    """
    zero = np.zeros(1)
    at = _Given(np.ones(1), zero, np.array([other.common**0.5]), zero + other.own, zero + 2 / max(count - 1, 1))
    return _sums(log_square, at, one, count)


def unit_sums(log_square: float, units: Units, other: Modes, count: int) -> Sums:
    """Law of the entries where one side is Gaussian.

    Parameters
    ----------
    log_square
        Log of the entries' mean square, zeros among them.
    units
        The side that need not be.
    other
        The Gaussian side.
    count
        Number of positions.
    """
    dead = (1 - np.clip(units.alive, 0, 1)) ** count
    seen = units.weight * (1 - dead) > 0
    weight, first, second, third, fourth, _ = (each[seen] for each in units)
    left = 1 - dead[seen]
    # Of a unit that is not dead at all positions, the mean squares are larger.
    variance = np.maximum(second - first**2, 1e-30 * second)
    central = fourth - 4 * third * first + 6 * second * first**2 - 3 * first**4
    scatter = np.maximum(central / variance**2 - 1, 0) / count + 2 / max(count - 1, 1) / count
    mean, spread = first * (count / left) ** 0.5, (variance / left) ** 0.5
    return _sums(log_square, _Given(weight * left, mean, spread, variance / left, scatter), other, count)


class _Given(NamedTuple):
    """Nodes: mean and spread of root T times the mean over positions, and the others' variance with its scatter."""

    weight: np.ndarray
    mean: np.ndarray
    spread: np.ndarray
    own: np.ndarray
    scatter: np.ndarray


def _means(at: _Given) -> tuple[np.ndarray, np.ndarray]:
    """Squares of root T times the mean over positions, and their probabilities, each of shape (nodes, n)."""
    places, shares = leggauss(_ORDER)
    ends = np.concatenate([[0.0], _ENDS])
    y = ((ends[:-1, None] + ends[1:, None]) / 2 + np.diff(ends)[:, None] / 2 * places).ravel()
    width = (np.diff(ends)[:, None] / 2 * shares).ravel()
    y, width = np.concatenate([-y, y]), np.concatenate([width, width])
    ratio = at.mean / at.spread
    close = abs(ratio) < _AWAY
    near = width * np.exp(-((y - np.where(close, ratio, 0.0)[:, None]) ** 2) / 2)
    near /= near.sum(axis=1, keepdims=True)
    far, chance = _normal(_NODES)
    y = np.concatenate([np.broadcast_to(y, near.shape), ratio[:, None] + far], axis=1)
    weight = np.concatenate([near * close[:, None], chance * ~close[:, None]], axis=1)
    return (at.spread[:, None] * y) ** 2, weight


def _sums(log_square: float, at: _Given, other: Modes, count: int) -> Sums:
    squares, chances = _means(at)
    x, shares = _normal(_SIZES)
    spread = np.sqrt(np.log1p(at.scatter))[:, None, None]
    sizes = np.exp(spread * x - spread**2 / 2) * (at.own * (count - 1))[:, None, None]
    v = other.own * sizes + other.common * squares[:, :, None]
    weight = at.weight[:, None, None] * chances[:, :, None] * shares
    v, weight = v.ravel(), weight.ravel()
    mean = weight @ v
    kept = (weight > 0) & (v > 0)
    if log_square == -np.inf or mean == 0 or not kept.any():
        return Sums(-np.inf, np.zeros(1), np.zeros(1))
    return Sums(log_square / 2, *_tabled(np.log(v[kept] / mean), weight[kept]))


def _tabled(log: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The law on an even grid: each node's probability goes to its two neighbours."""
    start = log.min()
    place = (log - start) / _STEP
    first = np.floor(place).astype(int)
    rest, size = place - first, int(first.max()) + 2
    table = np.bincount(first, weight * (1 - rest), size) + np.bincount(first + 1, weight * rest, size)
    there = table > 0
    return (start + _STEP * np.arange(size))[there], table[there]


__all__ = ["Modes", "Sums", "Units", "function_units", "modes", "normal_sums", "normal_units", "product", "unit_sums"]
