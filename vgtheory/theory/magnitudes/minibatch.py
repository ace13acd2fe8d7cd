r"""Entries of a minibatch's weight gradient: their logs on fixed units, draw by draw.

An entry is :math:`g_{ij} = \tfrac1B \sum_b a_i^b \zeta_i^b x_j^b`, with a = phi'(h_i) and x =
phi(h_j). Given these and the part of the cotangent that units keep, it is normal, so that one more
average is done in closed form (``log_shifted_normal``).

======  ==================================================================  =====================
symbol  meaning                                                             shape
======  ==================================================================  =====================
``a``   slopes of the output units, over their root mean square             (draws, units, batch)
``x``   signals of the input units, over their root mean square             (draws, units, batch)
``n``   part of an output unit's cotangent that examples have in common     (units,)
``y``   mean of log|g| given all these                                      (draws, units, units)
======  ==================================================================  =====================
"""

from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from scipy.special import ndtri

from vgtheory.activation import Pointwise
from vgtheory.theory.integrals.log_moments import log_shifted_normal
from vgtheory.theory.precision import in_float64

UNITS = 128
_TABLE = np.linspace(0, 14, 1401)
TINY = 1e-300
"""Term that keeps logs and ratios finite."""


class Unit(NamedTuple):
    """One side of an entry in one layer.

    Attributes
    ----------
    function
        phi or phi'; None for the standard normal variable itself, or for 1 at c = 1.
    log_q, c
        Log-variance and correlation of its h.
    log_square
        Natural log of the mean of its square.
    nodes
        Nodes of the part of h that a unit keeps, with the mean and the mean square of the function
        there; each of shape ``(nodes,)``.
    spread
        Variance of two examples' correlation: the new part of h has another variance in every unit.
    """

    function: Pointwise | None
    log_q: float
    c: float
    log_square: float
    nodes: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None
    spread: float = 0.0


class Sums(NamedTuple):
    """Split of a layer: share of entries not 0, mean log, and the two variances times the share."""

    share: float
    mean: float
    entries: float
    draws: float


def _strata(rng: np.random.Generator) -> np.ndarray:
    """Standard normal numbers, one in each of ``UNITS`` equally likely pieces."""
    return ndtri((np.arange(UNITS) + rng.uniform(size=UNITS)) / UNITS)


@in_float64
def _values(unit: Unit, u: np.ndarray) -> Any:
    """The function over its root mean square."""
    if unit.function is None:
        return jnp.asarray(u)
    return unit.function(jnp.exp(unit.log_q / 2) * jnp.asarray(u)) * jnp.exp(-unit.log_square / 2)


def _sizes(spread: float, rng: np.random.Generator) -> np.ndarray:
    """Norms of vectors of 1 / spread normal numbers, over their root mean square."""
    degrees = 1 / max(spread, 1e-9)
    return np.sqrt(rng.gamma(degrees / 2, 2 / degrees, UNITS))


class _Drawn(NamedTuple):
    """Values, and the kept part of the units."""

    values: np.ndarray
    kept: np.ndarray


def _drawn(unit: Unit, shape: tuple[int, int], rng: np.random.Generator) -> _Drawn:
    """Values of all units in every draw."""
    draws, batch = shape
    if unit.function is None and unit.c == 1:
        return _Drawn(np.ones((draws, UNITS, batch)), np.ones(UNITS))
    kept = _strata(rng) * np.sqrt(unit.c)
    new = np.sqrt(1 - unit.c) * rng.standard_normal((draws, UNITS, batch)) * _sizes(unit.spread, rng)[None, :, None]
    return _Drawn(np.asarray(_values(unit, kept[None, :, None] + new)), kept)


def _own_moments(unit: Unit, kept: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and mean square of each unit, in units of those over all."""
    if unit.nodes is None:
        return (kept, kept**2 + 1 - unit.c) if unit.c < 1 else (np.ones(UNITS), np.ones(UNITS))
    m, first, square = unit.nodes
    log_square = np.interp(kept, m, np.log(np.maximum(square, TINY)))
    return np.interp(kept, m, first) * np.exp(-unit.log_square / 2), np.exp(log_square - unit.log_square)


def _scale(
    units: tuple[Unit, Unit],
    drawn: tuple[_Drawn, _Drawn],
    n_square: np.ndarray,
    c_zeta: float,
    own_var: float,
    batch: int,
) -> np.ndarray:
    """Log of every entry's root mean square over minibatches."""
    (a_1, a_2), (x_1, x_2) = (_own_moments(unit, each.kept) for unit, each in zip(units, drawn, strict=True))
    kept = n_square * np.outer(a_1, x_1) ** 2 * (1 - 1 / batch)
    both = (1 - c_zeta + n_square) * np.outer(a_2, x_2) * np.exp(2 * own_var) / batch
    return np.log(np.maximum(both + kept, TINY)) / 2


def sums(
    slope: Unit,
    signal: Unit,
    c_zeta: float,
    own_var: float,
    spread: float,
    *,
    draws: int,
    batch: int,
    scaled_batch: int | None,
    seed: int,
) -> Sums:
    """Split of one layer over a set of units.

    ``c_zeta`` is the correlation of two examples' arriving gradients, and ``spread`` its variance
    at finite width. ``own_var`` is the variance of the log-size that each example adds. Each entry
    is divided by its root mean square over ``scaled_batch`` examples, if given. ``seed`` fixes the
    numbers.
    """
    rng = np.random.default_rng(seed)
    sides = _drawn(slope, (draws, batch), rng), _drawn(signal, (draws, batch), rng)
    a, x = (side.values for side in sides)
    a = a * np.exp(np.sqrt(own_var) * rng.standard_normal(a.shape)) * _sizes(spread, rng)[None, :, None]
    n_square = c_zeta * (rng.permutation(_strata(rng)) ** 2)[:, None]
    square = np.matmul(a**2, (x**2).swapaxes(1, 2))
    there = square > 0
    square = np.where(there, square, 1.0)
    new = (1 - c_zeta) * square
    y = np.log(new) / 2 - np.log(batch)
    straight = np.matmul(a, x.swapaxes(1, 2)) ** 2 if c_zeta > 0 else np.zeros_like(square)
    first, var = _shifted(np.sqrt(n_square[None] * straight / np.maximum(new, TINY)))
    y = y + first
    if scaled_batch is not None:
        y = y - _scale((slope, signal), sides, n_square, c_zeta, own_var, scaled_batch)[None]
    return _split(y, var, there)


def _shifted(r: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """``log_shifted_normal`` by a table."""
    mean, var = log_shifted_normal(_TABLE)
    x = 1 / np.maximum(r, _TABLE[-1]) ** 2
    far, log_r = r > _TABLE[-1], np.log(np.maximum(r, 1.0))
    return np.where(far, log_r - x / 2, np.interp(r, _TABLE, mean)), np.where(far, x, np.interp(r, _TABLE, var))


def _split(y: np.ndarray, var: np.ndarray, there: np.ndarray) -> Sums:
    """Means and squares over draws and entries that are not 0; the noise ``var`` counts in both."""
    count = there.sum(axis=0)
    some, total = np.maximum(count, 1), count.sum()
    of_entry = np.where(there, y, 0.0).sum(axis=0) / some
    noise = np.where(there, var, 0.0).sum(axis=0)
    inside = np.where(there, (y - of_entry[None]) ** 2, 0.0).sum() + (noise * (1 - 1 / some)).sum()
    mean = (count * of_entry).sum() / total
    between = (count * (of_entry - mean) ** 2).sum() + (noise / some).sum()
    return Sums(total / there.size, mean, between / there.size, inside / there.size)
