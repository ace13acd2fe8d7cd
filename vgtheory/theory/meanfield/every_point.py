"""Every fixed point of the length map, with its slope and stability."""

from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import numpy as np
from jax import Array, lax

from vgtheory.frame import frame_of
from vgtheory.theory.arrays import library, still
from vgtheory.theory.integrals.moments_1d import Curves
from vgtheory.theory.meanfield.fixed_points import (
    CHUNK,
    elasticity_at,
    growth_and_slope,
    growth_at,
    lattice_in,
    lattice_signs,
    noise_of,
    root_between,
    row,
)
from vgtheory.theory.precision import Arrays
from vgtheory.theory.roots import brackets, next_known

if TYPE_CHECKING:
    import pandas

_RISING = 1e-3
"""An activation that is 0 at 0 has an elasticity above this at the lattice's lower end."""
NUM_POINTS = 8
"""Largest number of fixed points reported for one network."""


class FixedPoints(NamedTuple):
    """Every fixed point of a length map, in ascending order along the last axis.

    Attributes
    ----------
    q
        Mean square of ``h``; 0 and inf where the map has these limits; NaN beyond the last one.
    slope
        Slope dq'/dq there: the factor per layer of a small deviation.
    is_stable
        Whether nearby q converge to the fixed point.
    """

    q: Arrays
    slope: Arrays
    is_stable: Arrays

    @property
    def frame(self) -> "pandas.DataFrame":
        """One row for each fixed point, as a ``pandas.DataFrame``."""
        return frame_of(self, number=np.arange(np.shape(self.q)[-1]))


def _carried(log_q: Any, sigma_w: Any, sigma_b: Any, table: Curves) -> Any:
    """The roots with their derivatives by the implicit function theorem; 0 where there is none."""
    xp = library(log_q, sigma_w, sigma_b)
    gap = still(1 - elasticity_at(log_q, sigma_w, sigma_b, table))
    marginal = xp.abs(gap) <= noise_of(gap)
    growth = growth_at(log_q, sigma_w, sigma_b, table)
    return log_q + xp.where(marginal, 0.0, (growth - still(growth)) / xp.where(marginal, 1.0, gap))


def _every_point(sigma_w: Any, sigma_b: Any, table: Curves) -> FixedPoints:
    """All fixed points, NUM_POINTS for each network."""
    xp, lattice = library(sigma_w, sigma_b), lattice_in(sigma_w)
    signs, sigma_w, sigma_b = lattice_signs(sigma_w, sigma_b, table), row(sigma_w), row(sigma_b)
    low, found, last = brackets(signs, NUM_POINTS - 2)
    high = xp.take_along_axis(next_known(signs), low + 1, axis=-1)
    roots = root_between(lattice[low], lattice[high], still(sigma_w), still(sigma_b), table, found)
    log_q = _carried(still(roots), sigma_w, sigma_b, table)
    slopes = elasticity_at(log_q, sigma_w, sigma_b, table)
    ends = xp.stack([lattice[0], lattice[-1]])
    growth, elasticity = growth_and_slope(ends, sigma_w, sigma_b, table)
    reached = xp.concatenate([(sigma_b == 0) & (elasticity[..., :1] > _RISING), last[..., -1:] > 0], axis=-1)
    at_ends = xp.where(reached, (1 + growth) * elasticity, xp.nan)
    blank = lambda values: xp.where(found, values, xp.nan)
    q = xp.concatenate([xp.zeros_like(sigma_w), blank(xp.exp(log_q)), xp.full_like(sigma_w, xp.inf)], axis=-1)
    slope = xp.concatenate([at_ends[..., :1], blank(slopes), at_ends[..., 1:]], axis=-1)
    stable = xp.concatenate([last[..., :1] < 0, found & (xp.abs(slopes) < 1), last[..., -1:] > 0], axis=-1)
    q = xp.where(xp.isnan(slope), xp.nan, q)
    order = xp.argsort(q, axis=-1)
    sorted_points = (xp.take_along_axis(each, order, axis=-1) for each in (q, slope, stable & ~xp.isnan(q)))
    return FixedPoints(*sorted_points)


def every_points(sigma_w: Any, sigma_b: Any, table: Curves) -> FixedPoints:
    """``q_stars`` for arrays of one shape, dtype and library."""
    each = _every_point if library(sigma_w, sigma_b) is np else _mapped_points
    return each(sigma_w, sigma_b, table)


@jax.jit
def _mapped_points(sigma_w: Array, sigma_b: Array, table: Curves) -> FixedPoints:
    one = lambda pair: _every_point(pair[0], pair[1], table)
    found = lax.map(one, (sigma_w.ravel(), sigma_b.ravel()), batch_size=CHUNK)
    return jax.tree.map(lambda leaf: leaf.reshape(*sigma_w.shape, NUM_POINTS), found)
