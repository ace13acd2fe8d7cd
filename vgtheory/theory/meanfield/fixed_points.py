r"""Fixed points of the length map.

A fixed point is a root of ``growth = q_map(q) / q - 1``; its sign on a lattice of ln q brackets every one of them, and a root is
then found by Newton's method within its bracket. The map is never iterated: at criticality that would not arrive.
"""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from vgtheory.activation import Activation
from vgtheory.frame import frame_of
from vgtheory.theory.integrals.moments_1d import LN_END, LN_Q, Curves, curves, value_and_slope

_INNER, _OUTER = np.linspace(-27.63, 27.63, 449), 27.63 * (LN_END / 27.63) ** (np.arange(1, 43) / 42)
_LATTICE = np.concatenate([-_OUTER[::-1], _INNER, _OUTER])
"""Natural logs of q from 1e-95 to 1e95: eight to a unit from 1e-12 to 1e12, then in steps of a twentieth."""
_STRAIGHT = 1e-6
"""An elasticity so near 1 at the lattice's end is 1."""
_RISING = 1e-3
"""An elasticity there above this is of a function that is 0 at 0."""
_CHUNK = 1024
_NUM_STEPS = 60
_NOISE = 500
"""Roundings (machine epsilons) by which a growth or a slope may miss its exact value."""
NUM_POINTS = 8
"""Most fixed points that are reported of one network."""


def lattice_in(dtype: Any) -> Array:
    """Natural logs of q on which signs are looked at, as far as the format has room for q.

    Parameters
    ----------
    dtype
        Of the scales.
    """
    room = 0.98 * float(np.log(float(jnp.finfo(dtype).max)))
    return jnp.asarray(_LATTICE[np.abs(_LATTICE) <= room], dtype)


def log_within(q: Array) -> Array:
    """ln q, 0 and infinity moved to the lattice's ends.

    Parameters
    ----------
    q
        Variance, any shape.
    """
    lattice, inside = lattice_in(q.dtype), (q > 0) & (q < jnp.inf) | jnp.isnan(q)
    return jnp.where(inside, jnp.log(jnp.where(inside, q, 1.0)), jnp.where(q > 0, lattice[-1], lattice[0]))


def growth_and_slope(log_q: Array, sigma_w: Array, sigma_b: Array, table: Curves) -> tuple[Array, Array]:
    """Next q over this one, less 1; and the map's own slope dq'/dq over that ratio, d ln q' / d ln q.

    Parameters
    ----------
    log_q, sigma_w, sigma_b
        Natural log of q and the scales; shapes that broadcast.
    table
        The activation's.
    """
    log_f, slope = value_and_slope(table.log_f, log_q)
    most = 0.98 * float(np.log(float(jnp.finfo(log_f.dtype).max)))
    weights, biases = (
        each**2 * jnp.exp(jnp.minimum(log, most)) for each, log in ((sigma_w, log_f - log_q), (sigma_b, -log_q))
    )
    total = weights + biases
    share = jnp.where(biases > 0, weights / jnp.where(biases > 0, total, 1.0), 1.0)
    return total - 1, share * slope


def _growth(log_q: Array, sigma_w: Array, sigma_b: Array, table: Curves) -> Array:
    return growth_and_slope(log_q, sigma_w, sigma_b, table)[0]


def _elasticity(log_q: Array, sigma_w: Array, sigma_b: Array, table: Curves) -> Array:
    return growth_and_slope(log_q, sigma_w, sigma_b, table)[1]


def _noise(x: Array) -> float:
    return _NOISE * float(jnp.finfo(x.dtype).eps)


def _lattice_growth(sigma_w: Array, sigma_b: Array, table: Curves) -> Array:
    """Sign of the growth on the lattice (0 within rounding) for one network, shape (lattice,)."""
    lattice = lattice_in(sigma_w.dtype)
    growth = _growth(lattice, sigma_w, sigma_b, table)
    noise = _noise(growth) * jnp.maximum(jnp.abs(lattice) / LN_Q, 1.0)
    return jnp.where(jnp.abs(growth) <= noise, 0.0, jnp.sign(growth))


def _root(low: Array, high: Array, sigma_w: Array, sigma_b: Array, table: Curves) -> Array:
    """The ln q between the two at which the growth changes sign: Newton's steps, halving where they leave the bracket."""
    at = functools.partial(growth_and_slope, sigma_w=sigma_w, sigma_b=sigma_b, table=table)
    sign = jnp.sign(at(low)[0])
    close = 4 * float(jnp.finfo(low.dtype).eps)

    def step(state: tuple[Array, Array, Array, Array, Array]) -> tuple[Array, Array, Array, Array, Array]:
        count, low, high, x, moved = state
        growth, elasticity = at(x)
        before = jnp.sign(growth) == sign
        low, high = jnp.where(before, x, low), jnp.where(before, high, x)
        slope = (1 + growth) * (elasticity - 1)
        newton = x - growth / jnp.where(slope == 0, 1.0, slope)
        inside = (newton > jnp.minimum(low, high)) & (newton < jnp.maximum(low, high)) & (slope != 0)
        # Newton's steps are taken as long as they shrink; else the bracket is halved.
        following = jnp.where(inside & (jnp.abs(newton - x) < moved / 2), newton, (low + high) / 2)
        return count + 1, low, high, following, jnp.abs(following - x)

    going = lambda state: (state[0] < _NUM_STEPS) & (state[4] > close * jnp.maximum(jnp.abs(state[3]), 1.0))
    start = (jnp.zeros_like(low), low, high, (low + high) / 2, jnp.full_like(low, jnp.inf))
    return lax.while_loop(going, step, start)[3]


def _from_unit(sigma_w: Array, sigma_b: Array, table: Curves) -> Array:
    """The fixed point that unit-variance inputs run to, for one network."""
    lattice = lattice_in(sigma_w.dtype)
    start = jnp.log(jnp.maximum(sigma_w**2 + sigma_b**2, jnp.finfo(sigma_w.dtype).tiny))
    first = _growth(start, sigma_w, sigma_b, table)
    signs = _lattice_growth(sigma_w, sigma_b, table)
    up = first > 0
    turned = jnp.where(up, (lattice > start) & (signs < 0), (lattice < start) & (signs > 0))
    index = jnp.where(up, jnp.argmax(turned), lattice.size - 1 - jnp.argmax(turned[::-1]))
    far = lattice[index]
    # The last place before it where the growth, beyond rounding, still has its first sign.
    below = jnp.max(jnp.where((lattice < far) & (signs > 0), lattice, -jnp.inf))
    above = jnp.min(jnp.where((lattice > far) & (signs < 0), lattice, jnp.inf))
    near = jnp.where(up, jnp.maximum(start, below), jnp.minimum(start, above))
    root = jnp.exp(_root(near, far, sigma_w, sigma_b, table))
    settled = jnp.where(jnp.any(turned), root, _limit(up, signs, sigma_w, sigma_b, table))
    outside = (jnp.abs(start) > lattice[-1]) & (sigma_w**2 + sigma_b**2 > 0) | jnp.isnan(first)
    settled = jnp.where(outside, jnp.where(start == jnp.inf, jnp.inf, jnp.nan), settled)
    return jnp.where(jnp.abs(first) <= _noise(first), jnp.exp(start), settled)


def _limit(up: Array, signs: Array, sigma_w: Array, sigma_b: Array, table: Curves) -> Array:
    """Where q runs to that turns nowhere on the lattice: infinity or 0, NaN if it is held somewhere beyond or unknown."""
    lattice = lattice_in(sigma_w.dtype)
    end, sign = jnp.where(up, lattice[-1], lattice[0]), jnp.where(up, signs[-1], signs[0])
    held = (_elasticity(end, sigma_w, sigma_b, table) < 1 - _STRAIGHT) & (sign != 0)
    held &= (sigma_w > 0) | (sigma_b > 0)
    room = lattice.size < _LATTICE.size
    limit = jnp.where(up, jnp.inf, 0.0)
    return jnp.where(jnp.isnan(sign) | held & ~room, jnp.nan, limit)


@jax.jit
def _all_from_unit(sigma_w: Array, sigma_b: Array, table: Curves) -> Array:
    flat = lax.map(
        lambda pair: _from_unit(pair[0], pair[1], table), (sigma_w.ravel(), sigma_b.ravel()), batch_size=_CHUNK
    )
    return flat.reshape(sigma_w.shape)


@functools.partial(jax.custom_jvp, nondiff_argnums=(2,))
def fixed_point(sigma_w: Array, sigma_b: Array, activation: Activation) -> Array:
    """``q_star`` for arrays of one shape and dtype.

    Parameters
    ----------
    sigma_w, sigma_b
        Scales, of one shape.
    activation
        The nonlinearity.
    """
    return _all_from_unit(sigma_w, sigma_b, curves(activation))


@fixed_point.defjvp
def _fixed_point_jvp(activation: Activation, primals: Any, tangents: Any) -> tuple[Array, Array]:
    """Implicit function theorem; 0 where there is no derivative."""
    (sigma_w, sigma_b), (by_w, by_b) = primals, tangents
    q = fixed_point(sigma_w, sigma_b, activation)
    inside = (q > 0) & jnp.isfinite(q)
    log_q = jnp.log(jnp.where(inside, q, 1.0))
    table = curves(activation)
    gap = 1 - _elasticity(log_q, sigma_w, sigma_b, table)
    marginal = ~inside | (jnp.abs(gap) <= _noise(gap))
    moved = 2 * (sigma_w * jnp.exp(value_and_slope(table.log_f, log_q)[0]) * by_w + sigma_b * by_b)
    return q, jnp.where(marginal, 0.0, moved / jnp.where(marginal, 1.0, gap))


class FixedPoints(NamedTuple):
    """Every fixed point of a length map, in ascending order, along a last axis.

    Attributes
    ----------
    q
        Mean square of ``h``; 0 and inf where the map has its limits there; NaN beyond the last one.
    slope
        dq'/dq there: what a small departure is multiplied by in each layer.
    is_stable
        Whether nearby q run to it.
    """

    q: Any
    slope: Any
    is_stable: Any

    @property
    def frame(self) -> Any:
        """A row for each, as a ``pandas.DataFrame``."""
        return frame_of(self, number=np.arange(np.shape(self.q)[-1]))


def _carried(log_q: Array, sigma_w: Array, sigma_b: Array, table: Curves) -> Array:
    """The same roots, with the derivatives that the implicit function theorem gives them; 0 where there is none."""
    gap = lax.stop_gradient(1 - _elasticity(log_q, sigma_w, sigma_b, table))
    marginal = jnp.abs(gap) <= _noise(gap)
    growth = _growth(log_q, sigma_w, sigma_b, table)
    return log_q + jnp.where(marginal, 0.0, (growth - lax.stop_gradient(growth)) / jnp.where(marginal, 1.0, gap))


def _every_point(sigma_w: Array, sigma_b: Array, table: Curves) -> FixedPoints:
    """All fixed points of one network, NUM_POINTS of them."""
    lattice = lattice_in(sigma_w.dtype)
    signs = _lattice_growth(sigma_w, sigma_b, table)
    # Where the growth is lost in rounding it counts as what it was further up.
    last = lax.associative_scan(lambda a, b: jnp.where(b == 0, a, b), signs[::-1])[::-1]
    turns = jnp.where(last[1:] * last[:-1] < 0, jnp.arange(lattice.size - 1), lattice.size)
    index = jnp.sort(turns)[: NUM_POINTS - 2]
    found = index < lattice.size
    low = jnp.minimum(index, lattice.size - 2)
    still_w, still_b = lax.stop_gradient((sigma_w, sigma_b))
    known = lax.cummin(jnp.where(signs == 0, lattice.size - 1, jnp.arange(lattice.size)), reverse=True)
    roots = jax.vmap(lambda a, b: _root(a, b, still_w, still_b, table))(lattice[low], lattice[known[low + 1]])
    log_q = _carried(lax.stop_gradient(roots), sigma_w, sigma_b, table)
    slopes = _elasticity(log_q, sigma_w, sigma_b, table)
    ends = jnp.stack([lattice[0], lattice[-1]])
    growth = _growth(ends, sigma_w, sigma_b, table)
    reached = jnp.stack([(sigma_b == 0) & (_elasticity(ends, sigma_w, sigma_b, table)[0] > _RISING), last[-1] > 0])
    at_ends = jnp.where(reached, (1 + growth) * _elasticity(ends, sigma_w, sigma_b, table), jnp.nan)
    q = jnp.concatenate([jnp.zeros(1, log_q.dtype), jnp.where(found, jnp.exp(log_q), jnp.nan), jnp.full(1, jnp.inf)])
    slope = jnp.concatenate([at_ends[:1], jnp.where(found, slopes, jnp.nan), at_ends[1:]])
    stable = jnp.concatenate([last[:1] < 0, found & (jnp.abs(slopes) < 1), last[-1:] > 0])
    q = jnp.where(jnp.isnan(slope), jnp.nan, q)
    order = jnp.argsort(q)
    return FixedPoints(q[order], slope[order], (stable & ~jnp.isnan(q))[order])


@jax.jit
def every_points(sigma_w: Array, sigma_b: Array, table: Curves) -> FixedPoints:
    """``q_stars`` for arrays of one shape and dtype.

    Parameters
    ----------
    sigma_w, sigma_b
        Scales, of one shape.
    table
        The activation's.
    """
    one = lambda pair: _every_point(pair[0], pair[1], table)
    found = lax.map(one, (sigma_w.ravel(), sigma_b.ravel()), batch_size=_CHUNK)
    return jax.tree.map(lambda leaf: leaf.reshape(*sigma_w.shape, NUM_POINTS), found)


def chi_at(q: Array, sigma_w: Array, activation: Activation) -> Array:
    """Factor of the squared gradient at variance ``q``, at 0 and inf its limit.

    Parameters
    ----------
    q, sigma_w
        Variance and scale, of one shape.
    activation
        The nonlinearity.
    """
    inside = (q > 0) & jnp.isfinite(q)
    table = curves(activation)
    known, _ = value_and_slope(table.log_g, jnp.log(jnp.where(inside, q, 1.0)))
    ends = jnp.asarray(table.log_g_ends, q.dtype)
    limits = jnp.where(q > 0, ends[1], jnp.where(q == 0, ends[0], jnp.nan))
    return sigma_w**2 * jnp.exp(jnp.where(inside, known, limits))
