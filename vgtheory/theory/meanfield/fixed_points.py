r"""Fixed points of the length map.

A fixed point is a root of ``growth = q_map(q) / q - 1``; its sign on a lattice of ln q brackets every one of them, and a root is
then found by Newton's method within its bracket. The map is never iterated: at criticality that would not arrive.
"""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from vgtheory.activation import Activation
from vgtheory.theory.arrays import library, of_one_rank, rounding
from vgtheory.theory.integrals.moments_1d import LN_END, LN_Q, Curves, curves, value_and_slope
from vgtheory.theory.roots import root

_INNER, _OUTER = np.linspace(-27.63, 27.63, 449), 27.63 * (LN_END / 27.63) ** (np.arange(1, 43) / 42)
_LATTICE = np.concatenate([-_OUTER[::-1], _INNER, _OUTER])
"""Natural logs of q from 1e-95 to 1e95: eight to a unit from 1e-12 to 1e12, then in steps of a twentieth."""
_STRAIGHT = 1e-6
"""An elasticity so near 1 at the lattice's end is 1."""
CHUNK = 1024
_NOISE = 500
"""Roundings (machine epsilons) by which a growth or a slope may miss its exact value."""


def _largest_log(x: Any) -> float:
    """Natural log of what the format of an array has room for."""
    return 0.98 * float(np.log(float(jnp.finfo(x.dtype).max)))


def lattice_in(x: Any) -> Any:
    """Natural logs of q on which signs are looked at, as far as the format has room for q.

    Parameters
    ----------
    x
        An array of the library and dtype that are asked for.
    """
    return library(x).asarray(_LATTICE[np.abs(_LATTICE) <= _largest_log(x)], x.dtype)


def log_within(q: Any) -> Any:
    """ln q, 0 and infinity moved to the lattice's ends.

    Parameters
    ----------
    q
        Variance, any shape.
    """
    xp = library(q)
    lattice, inside = lattice_in(q), (q > 0) & (q < xp.inf) | xp.isnan(q)
    return xp.where(inside, xp.log(xp.where(inside, q, 1.0)), xp.where(q > 0, lattice[-1], lattice[0]))


def growth_and_slope(log_q: Any, sigma_w: Any, sigma_b: Any, table: Curves) -> tuple[Any, Any]:
    """Next q over this one, less 1; and the map's own slope dq'/dq over that ratio, d ln q' / d ln q.

    Parameters
    ----------
    log_q, sigma_w, sigma_b
        Natural log of q and the scales; shapes that broadcast.
    table
        The activation's.
    """
    xp = library(log_q, sigma_w, sigma_b)
    log_f, slope = value_and_slope(table.log_f, log_q)
    most = _largest_log(log_f)
    log_q, log_f, slope, sigma_w, sigma_b = of_one_rank(log_q, log_f, slope, sigma_w, sigma_b)
    weights, biases = (
        each**2 * xp.exp(xp.minimum(log, most)) for each, log in ((sigma_w, log_f - log_q), (sigma_b, -log_q))
    )
    total = weights + biases
    share = xp.where(biases > 0, weights / xp.where(biases > 0, total, 1.0), 1.0)
    return total - 1, share * slope


def growth_at(log_q: Any, sigma_w: Any, sigma_b: Any, table: Curves) -> Any:
    """The first of ``growth_and_slope``.

    Parameters
    ----------
    log_q, sigma_w, sigma_b, table
        As there.
    """
    return growth_and_slope(log_q, sigma_w, sigma_b, table)[0]


def elasticity_at(log_q: Any, sigma_w: Any, sigma_b: Any, table: Curves) -> Any:
    """The second of ``growth_and_slope``.

    Parameters
    ----------
    log_q, sigma_w, sigma_b, table
        As there.
    """
    return growth_and_slope(log_q, sigma_w, sigma_b, table)[1]


def noise_of(x: Any) -> float:
    """By how much a growth or a slope may miss its exact value.

    Parameters
    ----------
    x
        An array of the dtype that is asked for.
    """
    return _NOISE * rounding(x)


def row(x: Any) -> Any:
    """The same with a last axis, that of the lattice.

    Parameters
    ----------
    x
        Any shape.
    """
    return x[..., None]


def lattice_signs(sigma_w: Any, sigma_b: Any, table: Curves) -> Any:
    """Sign of the growth on the lattice (0 within rounding), shape (..., lattice).

    Parameters
    ----------
    sigma_w, sigma_b, table
        As ``growth_and_slope``.
    """
    xp, lattice = library(sigma_w, sigma_b), lattice_in(sigma_w)
    growth = growth_at(lattice, row(sigma_w), row(sigma_b), table)
    noise = noise_of(growth) * xp.maximum(xp.abs(lattice) / LN_Q, 1.0)
    return xp.where(xp.abs(growth) <= noise, 0.0, xp.sign(growth))


def root_between(low: Any, high: Any, sigma_w: Any, sigma_b: Any, table: Curves, found: Any) -> Any:
    """The ln q between the two at which the growth changes sign, where it does.

    Parameters
    ----------
    low, high
        Natural logs of q.
    sigma_w, sigma_b, table
        As ``growth_and_slope``.
    found
        Where it does.
    """

    def at(log_q: Any) -> tuple[Any, Any]:
        growth, elasticity = growth_and_slope(log_q, sigma_w, sigma_b, table)
        return growth, growth / ((1 + growth) * (elasticity - 1))

    return root(at, low, high, (low + high) / 2, wanted=found)


def _from_unit(sigma_w: Any, sigma_b: Any, table: Curves) -> Any:
    """The fixed point that unit-variance inputs run to."""
    xp, lattice = library(sigma_w, sigma_b), lattice_in(sigma_w)
    start = xp.log(xp.maximum(sigma_w**2 + sigma_b**2, xp.finfo(sigma_w.dtype).tiny))
    first = growth_at(start, sigma_w, sigma_b, table)
    signs, up = lattice_signs(sigma_w, sigma_b, table), first > 0
    beyond = xp.where(row(up), lattice > row(start), lattice < row(start))
    turned = beyond & (signs == xp.where(row(up), -1.0, 1.0))
    index = xp.where(up, xp.argmax(turned, axis=-1), lattice.size - 1 - xp.argmax(turned[..., ::-1], axis=-1))
    far = lattice[index]
    # The last place before it where the growth, beyond rounding, still has its first sign.
    below = xp.max(xp.where((lattice < row(far)) & (signs > 0), lattice, -xp.inf), axis=-1)
    above = xp.min(xp.where((lattice > row(far)) & (signs < 0), lattice, xp.inf), axis=-1)
    near = xp.where(up, xp.maximum(start, below), xp.minimum(start, above))
    is_held = xp.any(turned, axis=-1)
    held = xp.exp(root_between(near, far, sigma_w, sigma_b, table, is_held))
    settled = xp.where(is_held, held, _limit(up, signs, sigma_w, sigma_b, table))
    outside = (xp.abs(start) > lattice[-1]) & (sigma_w**2 + sigma_b**2 > 0) | xp.isnan(first)
    settled = xp.where(outside, xp.where(start == xp.inf, xp.inf, xp.nan), settled)
    return xp.where(xp.abs(first) <= noise_of(first), xp.exp(start), settled)


def _limit(up: Any, signs: Any, sigma_w: Any, sigma_b: Any, table: Curves) -> Any:
    """Where q runs to that turns nowhere on the lattice: infinity or 0, NaN if it is held somewhere beyond or unknown."""
    xp, lattice = library(sigma_w, sigma_b), lattice_in(sigma_w)
    end, sign = xp.where(up, lattice[-1], lattice[0]), xp.where(up, signs[..., -1], signs[..., 0])
    held = (elasticity_at(end, sigma_w, sigma_b, table) < 1 - _STRAIGHT) & (sign != 0)
    held = held & ((sigma_w > 0) | (sigma_b > 0))
    room = lattice.size < _LATTICE.size
    limit = xp.where(up, xp.inf, 0.0)
    return xp.where(xp.isnan(sign) | held & (not room), xp.nan, limit)


@jax.jit
def _all_from_unit(sigma_w: Array, sigma_b: Array, table: Curves) -> Array:
    flat = lax.map(
        lambda pair: _from_unit(pair[0], pair[1], table), (sigma_w.ravel(), sigma_b.ravel()), batch_size=CHUNK
    )
    return flat.reshape(sigma_w.shape)


def fixed_point(sigma_w: Any, sigma_b: Any, activation: Activation) -> Any:
    """``q_star`` for arrays of one shape, dtype and library.

    Parameters
    ----------
    sigma_w, sigma_b
        Scales, of one shape.
    activation
        The nonlinearity.
    """
    if library(sigma_w, sigma_b) is np:
        return _from_unit(sigma_w, sigma_b, curves(activation))
    return _differentiable(sigma_w, sigma_b, activation)


@functools.partial(jax.custom_jvp, nondiff_argnums=(2,))
def _differentiable(sigma_w: Array, sigma_b: Array, activation: Activation) -> Array:
    return _all_from_unit(sigma_w, sigma_b, curves(activation))


@_differentiable.defjvp
def _fixed_point_jvp(activation: Activation, primals: Any, tangents: Any) -> tuple[Array, Array]:
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


def brackets(signs: Any, most: int) -> tuple[Any, Any, Any]:
    """The first few changes of sign on the lattice, and the signs where those that are lost in rounding are what they are further up.

    Parameters
    ----------
    signs
        Along the last axis, 0 within rounding.
    most
        How many changes are looked for.

    Returns
    -------
    tuple of arrays
        Place on the lattice below each change, shape ``(..., most)``; whether it is one; the signs.
    """
    xp, size = library(signs), signs.shape[-1]
    known = xp.take_along_axis(signs, next_known(signs), axis=-1)
    turns = xp.where(known[..., 1:] * known[..., :-1] < 0, xp.arange(size - 1), size)
    index = xp.sort(turns, axis=-1)[..., :most]
    return xp.minimum(index, size - 2), index < size, known


def next_known(signs: Any) -> Any:
    """Place of the first sign from each on that is not 0; the last place if there is none.

    Parameters
    ----------
    signs
        Along the last axis.
    """
    xp, size = library(signs), signs.shape[-1]
    places = xp.where(signs == 0, size - 1, xp.arange(size))
    if xp is np:
        return np.minimum.accumulate(places[..., ::-1], axis=-1)[..., ::-1]
    return lax.cummin(places, axis=places.ndim - 1, reverse=True)


def chi_at(q: Any, sigma_w: Any, activation: Activation) -> Any:
    """Factor of the squared gradient at variance ``q``, at 0 and inf its limit.

    Parameters
    ----------
    q, sigma_w
        Variance and scale, of one shape.
    activation
        The nonlinearity.
    """
    xp = library(q, sigma_w)
    inside = (q > 0) & xp.isfinite(q)
    table = curves(activation)
    known, _ = value_and_slope(table.log_g, xp.log(xp.where(inside, q, 1.0)))
    ends = xp.asarray(table.log_g_ends, q.dtype)
    limits = xp.where(q > 0, ends[1], xp.where(q == 0, ends[0], xp.nan))
    return sigma_w**2 * xp.exp(xp.where(inside, known, limits))
