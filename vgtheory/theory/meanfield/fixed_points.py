"""Fixed points of the length map.

A fixed point is a root of ``growth = q_map(q) / q - 1``. The sign of the growth on a lattice of ln
q brackets every root, and Newton's method then finds it within its bracket. The map is never
iterated, because at criticality the iteration would not converge.
"""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from vgtheory.activation import Activation
from vgtheory.activations.units import Unit
from vgtheory.theory.arrays import in_pieces, library, of_one_rank, repeated, rounding
from vgtheory.theory.integrals.moments_1d import LN_END, LN_Q, Curves, curves, value_and_slope
from vgtheory.theory.precision import Values
from vgtheory.theory.roots import root

_INNER, _OUTER = np.linspace(-27.63, 27.63, 449), 27.63 * (LN_END / 27.63) ** (np.arange(1, 43) / 42)
_LATTICE = np.concatenate([-_OUTER[::-1], _INNER, _OUTER])
"""Natural logs of q from 1e-95 to 1e95: eight per unit from 1e-12 to 1e12, then in steps of 5 %."""
_STRAIGHT = 1e-6
"""An elasticity at the lattice's end that is this near to 1 counts as 1."""
CHUNK = 1024
_NOISE = 500
"""Largest error of a growth or a slope, in machine epsilons."""


def _largest_log(x: Values) -> float:
    """Natural log of nearly the largest number of an array's format."""
    return 0.98 * float(np.log(float(jnp.finfo(x.dtype).max)))


def lattice_in(x: Any) -> Any:
    """Natural logs of q at which signs are taken, within the range of the format of ``x``."""
    return library(x).asarray(_LATTICE[np.abs(_LATTICE) <= _largest_log(x)], x.dtype)


def _log_within(q: Any) -> Any:
    """ln q, where 0 and infinity become the lattice's ends."""
    xp = library(q)
    lattice, inside = lattice_in(q), (q > 0) & (q < xp.inf) | xp.isnan(q)
    return xp.where(inside, xp.log(xp.where(inside, q, 1.0)), xp.where(q > 0, lattice[-1], lattice[0]))


def growth_and_slope(log_q: Any, sigma_w: Any, sigma_b: Any, table: Curves) -> tuple[Any, Any]:
    """Growth q' / q - 1 and elasticity d ln q' / d ln q of the length map."""
    xp = library(log_q, sigma_w, sigma_b)
    by_weights, by_biases, slope = _parts(log_q, table)
    by_weights, by_biases, slope, sigma_w, sigma_b = of_one_rank(by_weights, by_biases, slope, sigma_w, sigma_b)
    weights, biases = sigma_w**2 * by_weights, sigma_b**2 * by_biases
    total = weights + biases
    share = xp.where(biases > 0, weights / xp.where(biases > 0, total, 1.0), 1.0)
    return total - 1, share * slope


def _parts(log_q: Any, table: Curves) -> tuple[Any, Any, Any]:
    """q' / q of weights alone and of biases alone, for scales of 1; and d ln E[phi^2] / d ln q."""
    xp = library(log_q)
    log_f, slope = value_and_slope(table.log_f, log_q)
    most = _largest_log(log_f)
    return xp.exp(xp.minimum(log_f - log_q, most)), xp.exp(xp.minimum(-log_q, most)), slope


def growth_at(log_q: Values, sigma_w: Values, sigma_b: Values, table: Curves) -> Values:
    """The first of ``growth_and_slope``."""
    return growth_and_slope(log_q, sigma_w, sigma_b, table)[0]


def elasticity_at(log_q: Values, sigma_w: Values, sigma_b: Values, table: Curves) -> Values:
    """The second of ``growth_and_slope``."""
    return growth_and_slope(log_q, sigma_w, sigma_b, table)[1]


def noise_of(x: Values) -> float:
    """Largest error of a growth or a slope in the dtype of ``x``."""
    return _NOISE * rounding(x)


def _noise_on(lattice: Any) -> Any:
    """``noise_of`` a growth at each place of the lattice."""
    return noise_of(lattice) * library(lattice).maximum(abs(lattice) / LN_Q, 1.0)


def row(x: Any) -> Any:
    """The array with a last axis of length 1, along which the lattice broadcasts."""
    return x[..., None]


def lattice_signs(sigma_w: Values, sigma_b: Values, table: Curves) -> Values:
    """Sign of the growth on the lattice (0 within rounding), shape (..., lattice)."""
    xp, lattice = library(sigma_w, sigma_b), lattice_in(sigma_w)
    growth = growth_at(lattice, row(sigma_w), row(sigma_b), table)
    return xp.where(xp.abs(growth) <= _noise_on(lattice), 0.0, xp.sign(growth))


def root_between(low: Any, high: Any, sigma_w: Any, sigma_b: Any, table: Curves, found: Any) -> Any:
    """The ln q between ``low`` and ``high`` at which the growth changes sign, where ``found``."""

    def at(log_q: Values) -> tuple[Values, Values]:
        growth, elasticity = growth_and_slope(log_q, sigma_w, sigma_b, table)
        return growth, growth / ((1 + growth) * (elasticity - 1))

    return root(at, low, high, (low + high) / 2, wanted=found)


def _turn(start: Any, up: Any, sigma_w: Any, sigma_b: Any, table: Curves) -> tuple[Any, Any, Any]:
    """Ends of the first interval beyond the start across which the growth changes sign.

    The first end is the last place where the growth, beyond rounding, still has its first sign. The
    function also returns whether there is such an interval.
    """
    xp, lattice = library(sigma_w, sigma_b), lattice_in(sigma_w)
    by_weights, by_biases, _ = _parts(lattice, table)
    noise, step, size = _noise_on(lattice), xp.where(up, 1, -1), lattice.size
    place = xp.searchsorted(lattice, start)
    place = xp.where(up, place + (lattice[xp.minimum(place, size - 1)] == start), place - 1)

    def following(state: tuple[Any, ...]) -> tuple[Any, ...]:
        place, near, going = state
        here = xp.clip(place, 0, size - 1)
        growth = step * (sigma_w**2 * by_weights[here] + sigma_b**2 * by_biases[here] - 1)
        going = going & (place == here) & ~(growth < -noise[here])
        return place + step * going, xp.where(going & (growth > noise[here]), lattice[here], near), going

    state = place, start, xp.isfinite(start)
    place, near, _ = repeated(lambda state: xp.any(state[2]), following, state)
    far = xp.clip(place, 0, size - 1)
    return near, lattice[far], (far == place) & xp.isfinite(start)


def _from_unit(sigma_w: Any, sigma_b: Any, table: Curves) -> Any:
    """The fixed point that unit-variance inputs converge to."""
    xp, lattice = library(sigma_w, sigma_b), lattice_in(sigma_w)
    start = xp.log(xp.maximum(sigma_w**2 + sigma_b**2, xp.finfo(sigma_w.dtype).tiny))
    first = growth_at(start, sigma_w, sigma_b, table)
    near, far, is_held = _turn(start, first > 0, sigma_w, sigma_b, table)
    held = xp.exp(root_between(near, far, sigma_w, sigma_b, table, is_held))
    settled = xp.where(is_held, held, _limit(first > 0, sigma_w, sigma_b, table))
    outside = (xp.abs(start) > lattice[-1]) & (sigma_w**2 + sigma_b**2 > 0) | xp.isnan(first)
    settled = xp.where(outside, xp.where(start == xp.inf, xp.inf, xp.nan), settled)
    return xp.where(xp.abs(first) <= noise_of(first), xp.exp(start), settled)


def _limit(up: Any, sigma_w: Any, sigma_b: Any, table: Curves) -> Any:
    """Limit of a q that turns nowhere on the lattice: inf or 0, NaN if held beyond or unknown."""
    xp, lattice = library(sigma_w, sigma_b), lattice_in(sigma_w)
    growth, elasticity = growth_and_slope(xp.where(up, lattice[-1], lattice[0]), sigma_w, sigma_b, table)
    held = (elasticity < 1 - _STRAIGHT) & (xp.abs(growth) > xp.where(up, *_noise_on(lattice)[xp.array([-1, 0])]))
    held = held & ((sigma_w > 0) | (sigma_b > 0))
    room = lattice.size < _LATTICE.size
    limit = xp.where(up, xp.inf, 0.0)
    return xp.where(xp.isnan(growth) | held & (not room), xp.nan, limit)


@jax.jit
def _all_from_unit(sigma_w: Array, sigma_b: Array, table: Curves) -> Array:
    flat = lax.map(
        lambda pair: _from_unit(pair[0], pair[1], table), (sigma_w.ravel(), sigma_b.ravel()), batch_size=CHUNK
    )
    return flat.reshape(sigma_w.shape)


def fixed_point(sigma_w: Any, sigma_b: Any, activation: Activation | Unit) -> Any:
    """``q_star`` for arrays of one shape, dtype and library."""
    if library(sigma_w, sigma_b) is np:
        return in_pieces(_from_unit, CHUNK, sigma_w, sigma_b, curves(activation))
    return _differentiable(sigma_w, sigma_b, activation)


@functools.partial(jax.custom_jvp, nondiff_argnums=(2,))
def _differentiable(sigma_w: Array, sigma_b: Array, activation: Activation | Unit) -> Array:
    return _all_from_unit(sigma_w, sigma_b, curves(activation))


@_differentiable.defjvp
def _fixed_point_jvp(activation: Activation | Unit, primals: Any, tangents: Any) -> tuple[Array, Array]:
    """Implicit function theorem; 0 where there is no derivative."""
    (sigma_w, sigma_b), (by_w, by_b) = primals, tangents
    q = fixed_point(sigma_w, sigma_b, activation)
    inside = (q > 0) & jnp.isfinite(q)
    log_q = jnp.log(jnp.where(inside, q, 1.0))
    table = curves(activation)
    gap = 1 - elasticity_at(log_q, sigma_w, sigma_b, table)
    marginal = ~inside | (jnp.abs(gap) <= noise_of(gap))
    moved = 2 * (sigma_w * jnp.exp(value_and_slope(table.log_f, log_q)[0]) * by_w + sigma_b * by_b)
    return q, jnp.where(marginal, 0.0, moved / jnp.where(marginal, 1.0, gap))


def slope_at(q: Values, sigma_w: Values, sigma_b: Values, activation: Activation | Unit) -> Values:
    """Slope of the length map at variance ``q``; at 0 and inf its limit."""
    growth, slope = growth_and_slope(_log_within(q), sigma_w, sigma_b, curves(activation))
    return (1 + growth) * slope


def chi_at(q: Values, sigma_w: Values, activation: Activation | Unit) -> Values:
    """Squared-gradient growth factor at variance ``q``; at 0 and inf its limit."""
    xp = library(q, sigma_w)
    inside = (q > 0) & xp.isfinite(q)
    table = curves(activation)
    known, _ = value_and_slope(table.log_g, xp.log(xp.where(inside, q, 1.0)))
    ends = xp.asarray(table.log_g_ends, q.dtype)
    limits = xp.where(q > 0, ends[1], xp.where(q == 0, ends[0], xp.nan))
    return sigma_w**2 * xp.exp(xp.where(inside, known, limits))
