r"""The law of the singular values of ``D_L W_L ... D_1 W_1`` at infinite width: free factors, solved on one curve.

With ``M(lambda) = E[x / (lambda - x)]`` over the squared singular values x in units of ``chi_1^L``,
S-transforms multiply, which in terms of ``zeta`` reads

.. math::

    w = E\Bigl[\frac{g}{\zeta - g}\Bigr], \qquad
    \ln\lambda = (L - 1) \ln\frac{w}{1 + w} + L \ln\zeta \;[\,+\, L \ln(1 + w) \text{ if Gaussian}], \; w = M(\lambda).

In the upper half plane ``Im ln lambda / arg zeta`` increases with ``arg zeta`` at fixed ``|zeta|``:
logarithms of the Pick functions ``E[1 / (1 - y g)]`` and ``E[g / (1 - y g)]`` of ``y = 1 / zeta``
are Pick functions again, real on the negative axis. So each circle has one point at most where
lambda is real, which bisection in the angle cannot miss, and along the curve of these points lambda
increases. There the density of ``ln lambda`` and the weight above lambda are

.. math::

    -\frac{\operatorname{Im} w}{\pi}, \qquad
    \frac1\pi \bigl( (L - 1) \arg w + L\, E[\arg(\zeta - g)] \;[\,+\, L \operatorname{Im} w] \bigr).

===============  ====================================================  ===============
symbol           meaning                                               shape
===============  ====================================================  ===============
``g``            squared slope over its mean (see ``slopes``)          (points, nodes)
``zeta``         spectral variable of a single factor                  points
``radius``       ln |zeta|                                             points
``t``            g / |zeta|                                            (points, nodes)
``w``            moment generating function M                          points
``plus``         1 + w                                                 points
``log_lambda``   ln lambda; real on the curve                          points
===============  ====================================================  ===============
"""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from vgtheory.theory.spectra.slopes import NUM_POINTS, Rule, Slopes, halved, plain_rule, rule, still
from vgtheory.theory.spectra.zeta_plane import Chain, ends, image, log_below

_NUM_STEPS, _NUM_ROUNDS = 5, 2
_DEEP = 40.0
_UNSETTLED, _ASTRAY = 1e5, 0.05
"""Newton's method has not arrived while ln lambda is off by so many roundings per factor, or the weight by so much."""


class Curve(NamedTuple):
    """Points where lambda is real: ln zeta, ln lambda, d ln lambda / d ln zeta, density of ln lambda, weight above."""

    log_zeta: Array
    log_lambda: Array
    slope: Array
    density: Array
    above: Array


def _point(log_zeta: Array, at: Rule, chain: Chain) -> Curve:
    """What the law says at points that lie on the curve."""
    there = image(log_zeta, at, chain)
    t, angle = at.g * jnp.exp(-log_zeta.real)[:, None], log_zeta.imag[:, None]
    turn = jnp.sum(at.weights * jnp.arctan2(jnp.sin(angle), jnp.cos(angle) - t), axis=-1)
    above = (chain.depth - 1) * log_below(there.w).imag + chain.depth * (turn + chain.is_gaussian * there.w.imag)
    return Curve(log_zeta, there.log_lambda.real, there.slope.real, -there.w.imag / np.pi, above / np.pi)


def curve(slopes: Slopes, chain: Chain) -> Curve:
    """The whole curve from edge to edge, or down to e^-40 of the weight; densest at the edges, where its density is 0.

    Parameters
    ----------
    slopes
        The law of g.
    chain
        The factors.
    """
    radius, is_edge = _radii(plain_rule(slopes), chain)
    return _drawn(radius, is_edge, rule(radius, slopes), chain)


@jax.jit
def _radii(at: Rule, chain: Chain) -> tuple[Array, Array]:
    """ln |zeta| all along the curve, and whether it starts at an edge."""
    least, most, has_zero = jnp.min(jnp.where(at.g > 0, at.g, jnp.inf)), jnp.max(at.g), jnp.any(at.g == 0)
    is_edge = jnp.where(chain.is_gaussian > 0, has_zero & (chain.depth == 1), ~has_zero)
    low, high = ends(at, least, most, chain)
    low = jnp.where(is_edge, low, jnp.log(least) - _DEEP)
    share = (1 - np.cos(np.linspace(0, np.pi, NUM_POINTS))) / 2
    return low + (high - low) * jnp.asarray(share, low.dtype), is_edge


@jax.jit
def _drawn(radius: Array, is_edge: Array, at: Rule, chain: Chain) -> Curve:
    """The curve at given ln |zeta|."""
    stays = lambda angle: image(lax.complex(radius, angle), at, chain).log_lambda.imag < 0
    angle = halved(stays, jnp.zeros_like(radius), jnp.full_like(radius, np.pi))
    angle = angle.at[-1].set(0.0).at[0].set(jnp.where(is_edge, 0.0, angle[0]))
    drawn = _point(lax.complex(radius, angle), at, chain)
    return drawn._replace(log_lambda=_ordered(drawn.log_lambda, drawn.above))


def _ordered(values: Array, above: Array) -> Array:
    """Values made to rise outwards from the middle of the weight, so that a stray one affects only those beyond."""
    index, middle = jnp.arange(values.size), jnp.argmin(jnp.abs(above - (above[0] + above[-1]) / 2))
    right = lax.cummax(jnp.where(index >= middle, values, -jnp.inf))
    left = lax.cummin(jnp.where(index <= middle, values, jnp.inf), reverse=True)
    return jnp.where(index >= middle, right, left)


@jax.jit
def _between(target: Array, drawn: Curve) -> Curve:
    """The curve at given ln lambda, by straight lines between drawn points in a coordinate that suits its edges."""
    low, high = drawn.log_lambda[0], drawn.log_lambda[-1]
    span = jnp.where(high > low, high - low, 1.0)
    place = lambda value: jnp.arccos(jnp.clip(1 - 2 * (value - low) / span, -1, 1))
    at = lambda each: jnp.interp(place(target), place(drawn.log_lambda), each)
    log_zeta = lax.complex(at(drawn.log_zeta.real), at(drawn.log_zeta.imag))
    return Curve(log_zeta, jnp.clip(target, low, high), at(drawn.slope), at(drawn.density), at(drawn.above))


def _up(log_zeta: Array) -> Array:
    """The same point in the upper half plane."""
    return lax.complex(log_zeta.real, jnp.abs(log_zeta.imag))


@jax.jit
def _stepped(log_zeta: Array, target: Array, at: Rule, chain: Chain) -> Array:
    """Some steps of Newton's method."""

    def step(_: Array, log_zeta: Array) -> Array:
        there = image(log_zeta, at, chain)
        return _up(log_zeta - (there.log_lambda - target) / there.slope)

    return lax.fori_loop(0, _NUM_STEPS, step, log_zeta)


def solve(blocks: Sequence[Array], slopes: Slopes, chain: Chain) -> list[tuple[Array, Array]]:
    """Density of ln lambda and weight up to it: between drawn points of the curve first, then by Newton's method.

    Parameters
    ----------
    blocks
        Natural logs of lambda in units of chi_1^L, each of shape ``(NUM_POINTS,)``.
    slopes
        The law of g.
    chain
        The factors; at least two, or Gaussian ones.
    """
    drawn = curve(still(slopes), chain)
    return [_block(block, drawn, slopes, chain) for block in blocks]


def _block(log_lambda: Array, drawn: Curve, slopes: Slopes, chain: Chain) -> tuple[Array, Array]:
    """``solve`` for one block."""
    first = _between(lax.stop_gradient(log_lambda), drawn)
    log_zeta = first.log_zeta
    for _ in range(_NUM_ROUNDS):
        at = rule(log_zeta.real, slopes)
        log_zeta = _stepped(log_zeta, first.log_lambda, lax.stop_gradient(at), chain)
    return _finished(log_lambda, log_zeta, first, drawn, at, slopes.zero_weight, chain)


@jax.jit
def _finished(
    log_lambda: Array, log_zeta: Array, first: Curve, drawn: Curve, at: Rule, zero_weight: Array, chain: Chain
) -> tuple[Array, Array]:
    """Density and weight up to it: where Newton's method has not arrived, those between drawn points; constant outside.

    It may not arrive far in a tail, whose density is too small to hold zeta off the axis. The last
    step carries derivatives.
    """
    low, high = drawn.log_lambda[0], drawn.log_lambda[-1]
    noise = _UNSETTLED * jnp.finfo(low.dtype).eps * chain.depth
    there = image(log_zeta, at, chain)
    target = jnp.clip(log_lambda, low, high)
    settled = jnp.abs(there.log_lambda - target) < noise
    slope = lax.stop_gradient(jnp.where(jnp.abs(there.slope) > 0, there.slope, 1.0))
    moved = log_zeta + jnp.where(settled, (target - there.log_lambda) / slope, 0.0)
    last = _point(_up(moved), at, chain)
    most, least = _neighbours(target, drawn)
    arrived = settled & (log_zeta.imag <= np.pi) & (last.above < most + _ASTRAY) & (last.above > least - _ASTRAY)
    density, above = (jnp.where(arrived, *pair) for pair in ((last.density, first.density), (last.above, first.above)))
    inside = (log_lambda >= low) & (log_lambda < high)
    density = jnp.where(inside, jnp.where(high - low > noise, density, 0.0), _tail(log_lambda, drawn))
    return density, 1 - jnp.where(inside, above, jnp.where(log_lambda < low, 1 - zero_weight, 0.0))


def _neighbours(target: Array, drawn: Curve) -> tuple[Array, Array]:
    """Weight above the drawn points on either side: far apart where a point mass lies between."""
    index = jnp.searchsorted(drawn.log_lambda, target)
    return drawn.above[jnp.maximum(index - 1, 0)], drawn.above[jnp.minimum(index, drawn.above.size - 1)]


def _tail(log_lambda: Array, drawn: Curve) -> Array:
    """Density below the drawn curve, a power of lambda unless the curve ends at an edge; 0 above."""
    rate = 1 / jnp.maximum(drawn.slope[0], jnp.finfo(log_lambda.dtype).eps)
    below = jnp.minimum(log_lambda - drawn.log_lambda[0], 0.0)
    return jnp.where(below < 0, drawn.density[0] * jnp.exp(rate * below), 0.0)
