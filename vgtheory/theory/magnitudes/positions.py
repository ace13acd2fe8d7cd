r"""Law of the entries of a weight gradient that is a sum over positions, :math:`G_{ij} = \sum_t x_{ti}\, g_{tj}`.

One of the two sides, x say, is Gaussian over its units i, with one variance for all directions of
the T positions but one, and another for their mean. Given the other side's T numbers f, an entry is
normal of variance

.. math:: V_j = P \sum_t (f_t - \bar f)^2 + Q\, T \bar f^2

Positions that have much in common make Q large, and then an entry is a product of two normal
numbers, as for one input. Of independent positions many make V a number, and entries normal.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.polynomial.legendre import leggauss
from scipy.special import erf, erfc

from vgtheory.theory.magnitudes.scaled import Block, gathered
from vgtheory.theory.magnitudes.units import Units, normal_rule

_NODES, _SIZES, _HEADS, _ORDER = 12, 3, 7, 2
"""Nodes of a normal number, of sizes, of heads, and of a panel."""
_ENDS = np.concatenate([np.exp([-27.0, -18.0, -12.0, -8.0, -5.5, -4.0, -3.0, -2.2, -1.5]), np.arange(0.5, 13.6, 0.5)])
"""Ends of panels in the modulus of the mean over positions, in standard deviations."""
_AWAY = 5.0
"""Standard deviations from which a mean over positions does not vanish."""
_STEP, _LEAST_WEIGHT = 0.02, 1e-8
"""Of a table in ln V, and of a node that counts."""


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


class Sums(NamedTuple):
    """Law of the entries: logs of V over its mean at nodes, with probabilities, which lack that of exact zeros.

    Attributes
    ----------
    log_size
        Half the log of the mean of V.
    log, weight
        ln V less that of its mean, and probabilities.
    along
        ``blocks`` where V belongs to an input and not to the unit that reads it.
    """

    log_size: float
    log: np.ndarray
    weight: np.ndarray
    along: Callable[[], list[Block]] | None = None

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

    def blocks(self) -> list[Block]:
        """Along a unit's inputs, V is shared, and entries are normal."""
        if self.along is not None:
            return self.along()
        normal = lambda log_bounds: np.asarray(erf(np.exp(log_bounds) / np.sqrt(2)))
        return [Block(self.log_size + self.log / 2, self.weight, normal, 0.0)]


def normal_sums(log_square: float, one: Modes, other: Modes, count: int, scatter: float = 0.0) -> Sums:
    """Law of the entries where both sides are Gaussian.

    Parameters
    ----------
    log_square
        Log of the entries' mean square.
    one, other
        The two sides.
    count
        Number of positions.
    scatter
        Relative variance of ``other.common`` from head to head.
    """
    spread = np.sqrt(np.log1p(scatter))
    x, weight = normal_rule(_HEADS if scatter > 0 else 1)
    common = np.sqrt(other.common * np.exp(spread * x - spread**2 / 2))
    at = _Given(weight, 0 * x, common, other.own + 0 * x, 2 / max(count - 1, 1) + 0 * x)
    return _sums(log_square, at, one, count)


def unit_sums(log_square: float, units: Units, other: Modes, count: int, along: bool = False) -> Sums:
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
    along
        Whether the units are inputs, and the Gaussian side belongs to those that read them.
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
    at = _Given(weight * left, mean, spread, variance / left, scatter)
    found = _sums(log_square, at, other, count)
    return found._replace(along=lambda: _inputs(found, at, other, count)) if along else found


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
    far, chance = normal_rule(_NODES)
    y = np.concatenate([np.broadcast_to(y, near.shape), ratio[:, None] + far], axis=1)
    weight = np.concatenate([near * close[:, None], chance * ~close[:, None]], axis=1)
    return (at.spread[:, None] * y) ** 2, weight


def _sums(log_square: float, at: _Given, other: Modes, count: int) -> Sums:
    squares, chances = _means(at)
    x, shares = normal_rule(_SIZES)
    spread = np.sqrt(np.log1p(at.scatter))[:, None, None]
    sizes = np.exp(spread * x - spread**2 / 2) * (at.own * (count - 1))[:, None, None]
    v = other.own * sizes + other.common * squares[:, :, None]
    weight = at.weight[:, None, None] * chances[:, :, None] * shares
    v, weight = v.ravel(), weight.ravel()
    mean = weight @ v
    kept = (weight > 0) & (v > 0)
    if log_square == -np.inf or mean == 0 or not kept.any():
        return Sums(-np.inf, np.zeros(1), np.zeros(1))
    return Sums(log_square / 2, *gathered(np.log(v[kept] / mean), weight[kept], _STEP))


def _inputs(found: Sums, at: _Given, other: Modes, count: int) -> list[Block]:
    """Entries along inputs: of each size of the reading unit's mean over positions, which all of them share."""
    squares, chances = _means(at)
    own = np.broadcast_to((other.own * (count - 1) * at.own)[:, None], squares.shape)
    weight = (at.weight[:, None] * chances).ravel()
    squares, own = squares.ravel(), own.ravel()
    scale = weight @ (own + other.common * squares)
    kept = weight > _LEAST_WEIGHT
    weight, means, spread = weight[kept], np.sqrt(other.common * squares / scale)[kept], np.sqrt(own / scale)[kept]
    z, chance = normal_rule(_NODES)
    z, chance = z[z > 0], 2 * chance[z > 0]
    grid = np.arange(-16.0, 6.0, 0.2)
    size = np.exp(grid)[:, None]
    tables = []
    for each in z:
        mean, width = each * means, np.sqrt(2) * np.maximum(spread, 1e-6 * means)
        tables.append((erf((size - mean) / width) + erf((size + mean) / width)) @ weight / 2)
    below = lambda table: (
        lambda bounds: np.exp(np.interp(bounds, grid, np.log(table))) * np.exp(np.minimum(bounds - grid[0], 0.0))
    )
    one = np.array([found.log_size])
    return [
        Block(one, np.array([p]), below(table), max(1 - float(weight.sum()), 0.0))
        for p, table in zip(chance, tables, strict=True)
    ]


__all__ = ["Modes", "Sums", "modes", "normal_sums", "unit_sums"]
