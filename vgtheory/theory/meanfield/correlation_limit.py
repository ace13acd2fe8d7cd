"""The fixed point of the correlation map and the rate of convergence to it.

The correlation map is a power series in c with no negative coefficient, hence convex on [0, 1], and
it maps 1 to 1. The fixed point is 1 where the slope at 1 is at most 1, and otherwise the one root
below 1. With ``D(c) = E[phi^2] - E[phi phi]`` and ``1 - c = s^2 / q``, that root solves
``sigma_w^2 D = s^2``. The two sides are compared through the ratio ``D / (s^2 E[phi'^2])``, called
``split`` in ``tables_2d``. The table holds the distance of this ratio from 1, so that no digits are
lost near c = 1.
"""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from vgtheory.activation import Activation
from vgtheory.networks.ensemble import Ensemble
from vgtheory.networks.noise import factor_square, is_noisy
from vgtheory.theory.arguments import asked
from vgtheory.theory.arrays import library
from vgtheory.theory.integrals import gaussian, moments_2d, shipped_2d
from vgtheory.theory.meanfield.correlation import AtOne, at_one, log_fixed
from vgtheory.theory.meanfield.length import broadcast_scales
from vgtheory.theory.meanfield.noise import lost_share, noisy_gap
from vgtheory.theory.precision import Values, in_float64
from vgtheory.theory.roots import root

_LOWEST = -17.0
"""Half the log of the smallest 1 - c_star that counts as different from 0."""
_CHUNK = 4096


def _log_gap(log_q: Values, log_slope: Values, read: Callable[[Any, Any], tuple[Any, Any]]) -> Values:
    """Half of ln(1 - c_star), -inf where c_star is 1."""
    xp, chaotic = library(log_slope), log_slope > 0

    def at(gap: Values) -> tuple[Values, Values]:
        no_split, no_turn = read(log_q, gap)
        value = log_slope + xp.log1p(-no_split)
        return value, value * (1 - no_split) / (2 * (no_split - no_turn))

    low = xp.full_like(log_slope, _LOWEST)
    found = root(at, low, xp.zeros_like(low), xp.full_like(low, -0.5), sign=1.0, wanted=chaotic, close=16.0)
    unknown = xp.isnan(read(log_q, found)[0])
    return xp.where(chaotic, xp.where(unknown, xp.nan, found), -xp.inf)


def _turn(log_q: Values, gap: Values, read: Callable[[Any, Any], tuple[Any, Any]]) -> Values:
    """1 - E[phi' phi'] / E[phi'^2] at c_star."""
    xp, inside = library(gap), gap != -np.inf
    return xp.where(inside, read(log_q, xp.where(inside, gap, 0.0))[1], 0.0)


_PROGRAMS = {function: jax.jit(function) for function in (_log_gap, _turn)}


def _in_chunks(function: Callable[..., Any], log_q: Any, other: Any, activation: Activation) -> np.ndarray:
    """``function(log_q, other, read)`` in sorted pieces of one size, which share one program."""
    if moments_2d.is_shipped(log_q, activation):
        return _on_panels(function, log_q, other, activation)
    size, pad, dtype, program = log_q.size, -log_q.size % _CHUNK, log_q.dtype, _PROGRAMS[function]
    if size <= moments_2d.FEW:
        # Few values are integrated. Near criticality this needs float64, which concrete values allow.
        with jax.enable_x64(True):
            log_q, other = (jnp.asarray(np.asarray(each, float)) for each in (log_q, other))
            return np.asarray(program(log_q, other, moments_2d.ahead(log_q, activation))).astype(dtype)
    read = moments_2d.ahead(jnp.asarray(log_q), activation)
    order = np.argsort(np.asarray(other))
    pieces = [np.pad(np.asarray(each)[order], (0, pad), mode="edge").reshape(-1, _CHUNK) for each in (log_q, other)]
    found = np.empty(size, log_q.dtype)
    found[order] = np.concatenate([np.asarray(program(*each, read)) for each in zip(*pieces, strict=True)])[:size]
    return found


def _on_panels(function: Callable[..., Any], log_q: Any, other: Any, activation: Activation) -> np.ndarray:
    """``_in_chunks`` by NumPy; a chunk's variances lie on one panel of the shipped file."""
    found = np.empty_like(log_q)
    for same in shipped_2d.alike(gaussian.settled_log(log_q, activation), activation):
        read = moments_2d.ahead(log_q[same], activation)
        found[same] = function(log_q[same], other[same], read)
    return found


def fixed_gap(sigma_w: Any, sigma_b: Any, activation: Activation) -> Any:
    """Half of ln(1 - c_star), -inf where c_star is 1."""
    if library(sigma_w, sigma_b) is np:
        log_q = log_fixed(sigma_w, sigma_b, activation)
        return gap_at(log_q, at_one(log_q, sigma_w, sigma_b, activation).log_slope, activation)
    return _differentiable_gap(sigma_w, sigma_b, activation)


@functools.partial(jax.custom_jvp, nondiff_argnums=(2,))
def _differentiable_gap(sigma_w: Array, sigma_b: Array, activation: Activation) -> Array:
    log_q = log_fixed(sigma_w, sigma_b, activation)
    return gap_at(log_q, at_one(log_q, sigma_w, sigma_b, activation).log_slope, activation)


def gap_at(log_q: Any, log_slope: Any, activation: Activation) -> Any:
    """``fixed_gap`` from ln q_star and the log of the slope at c = 1; it has no derivative."""
    if isinstance(log_q, jax.core.Tracer):
        return _PROGRAMS[_log_gap](log_q, log_slope, moments_2d.ahead(log_q, activation))
    xp = library(log_q, log_slope)
    chaotic = np.asarray(log_slope) > 0
    gap = np.full(log_slope.shape, -np.inf, log_slope.dtype)
    if chaotic.any():
        log_q, log_slope = (xp.asarray(np.asarray(each)[chaotic]) for each in (log_q, log_slope))
        gap[chaotic] = _in_chunks(_log_gap, log_q, log_slope, activation)
    return xp.asarray(gap)


@_differentiable_gap.defjvp
def _fixed_gap_jvp(activation: Activation, primals: Any, tangents: Any) -> tuple[Array, Array]:
    """Implicit function theorem; 0 where c_star is 1."""

    def parts(sigma_w: Array, sigma_b: Array) -> tuple[Array, Array]:
        log_q = log_fixed(sigma_w, sigma_b, activation)
        return log_q, at_one(log_q, sigma_w, sigma_b, activation).log_slope

    gap = fixed_gap(primals[0], primals[1], activation)
    inside = jnp.isfinite(gap)
    x = jnp.where(inside, gap, -1.0)
    (log_q, _), (by_log_q, by_slope) = jax.jvp(parts, primals, tangents)
    read = moments_2d.ahead(log_q, activation)
    (no_split, no_turn), (by_q, _) = jax.jvp(lambda log_q: read(log_q, x), (log_q,), (by_log_q,))
    curvature = jnp.where(inside, no_split - no_turn, 1.0)
    return gap, jnp.where(inside, (by_q - by_slope * (1 - no_split)) / (2 * curvature), 0.0)


@asked(noise=True)
@in_float64
def c_star(net: Ensemble) -> Values:
    r"""Fixed point of the correlation map that any two inputs converge to, c*.

    .. math:: c^* = \frac{\sigma_w^2\, E[\phi(u) \phi(v)] + \sigma_b^2}{q^*} \quad
        \text{at correlation } c^*

    Parameters
    ----------
    net
        The ensemble, as in ``q_star``.

    Returns
    -------
    array
        Correlation from 0 to 1; broadcast shape. It is 1 where the slope of the map at c = 1 is at
        most 1 (ordered or critical), and all inputs come to look alike. It is below 1 in the
        chaotic phase, where close inputs separate, and with noise everywhere. Without weights it is
        1. The derivative is that of the implicit function theorem, and 0 where c_star is 1.

    Notes
    -----
    Accuracy:

    - 1e-10 absolute, for chi_1 up to 1e4. For 1 - c_star, 1e-9 relative times 0.1 / abs(ln chi_1).
    - Newton's method inside a bracket finds the root, so that nearness to criticality costs no
      time.
    - c_star is 1 where ln chi_1 is within rounding of 0. ln chi_1 is the sum of a log due to the
      biases and a log due to the activation. Rounding is 2e-13 plus 1e-13 times their sizes, and
      6e-5 times their sizes in float32.
    - Without biases the first log is 0 and the second vanishes with q. In float32, tanh is
      therefore chaotic at sigma_w = 1.001, and critical within 1e-4 of sigma_w = 1.

    Assumes: infinite width. For a linear network without biases every c is a fixed point, and 1 is
    returned.

    References
    ----------
    Poole et al. (2016), arXiv:1606.05340; Schoenholz et al. (2017), arXiv:1611.01232.

    Examples
    --------
    >>> from vgtheory import Dense, theory
    >>> round(float(theory.c_star(Dense("tanh", sigma_w=2.0, sigma_b=0.3))), 6)
    0.263895
    """
    return correlation_at(settled_gap(net)[0])


def correlation_at(gap: Values) -> Values:
    """Correlation from half the log of its distance from 1."""
    xp, inside = library(gap), gap != -np.inf
    return xp.where(inside, xp.abs(xp.expm1(2 * xp.where(inside, gap, 0.0))), 1.0)


@asked(noise=True)
@in_float64
def chi_c(net: Ensemble) -> Values:
    r"""Slope of the correlation map at c*: factor per layer of a small deviation from c*.

    .. math:: \chi_{c^*} = \sigma_w^2\, E[\phi'(u) \phi'(v)] \quad \text{at correlation } c^*

    Parameters
    ----------
    net
        The ensemble, as in ``q_star``.

    Returns
    -------
    array
        Slope per layer, at most 1; broadcast shape. In the ordered phase it is ``chi_1``; with noise
        it is below 1 everywhere. Where
        ``q_star`` is 0 or infinite, it is the slope at 1 of the limiting map: 1 for ``relu``
        without biases at any ``sigma_w``, whose correlations converge by a power law. Without
        weights it is 0. Without weights and biases it is the limit of small weights.

    Notes
    -----
    Accuracy: 1e-10.
    Assumes: infinite width.

    References
    ----------
    Schoenholz et al. (2017), arXiv:1611.01232, eq. 11.

    Examples
    --------
    >>> from vgtheory import Dense, theory
    >>> round(float(theory.meanfield.chi_c(Dense("tanh", sigma_w=2.0, sigma_b=0.3))), 4)
    0.8604
    """
    return settled_rates(net)[0]


def settled_rates(net: Ensemble) -> tuple[Any, Any]:
    """``chi_c`` and its natural log, which keeps its digits where chi_c is near 1."""
    return rates_at_gap(*settled_gap(net), net.activation)


def settled_gap(net: Ensemble) -> tuple[Any, Any, AtOne]:
    """``fixed_gap`` of a network, with ln q_star and the map at c = 1, of which noise changes the slope."""
    sigma_w, sigma_b = broadcast_scales(net)
    log_q = log_fixed(sigma_w, sigma_b, net.activation)
    at = at_one(log_q, sigma_w, sigma_b, net.activation)
    if not is_noisy(net):
        return fixed_gap(sigma_w, sigma_b, net.activation), log_q, at
    return gap_with_noise(net, log_q, sigma_b, at)


def gap_with_noise(net: Ensemble, log_q: Any, sigma_b: Any, at: AtOne) -> tuple[Any, Any, AtOne]:
    """``settled_gap`` of a network with noise, from what one input sees."""
    kept = 1 / factor_square(net)
    noisy = at._replace(
        slope=kept * at.slope,
        log_slope=at.log_slope + float(np.log(kept)),
        is_flat=library(log_q).zeros_like(at.is_flat),
    )
    lost = lost_share(net, at.share, sigma_b)
    return noisy_gap(log_q, noisy.log_slope, lost, net.activation), log_q, noisy


def rates_at_gap(gap: Any, log_q: Any, at: AtOne, activation: Activation) -> tuple[Any, Any]:
    """``settled_rates`` from ``fixed_gap``, ln q_star and the map at c = 1, arrays of one shape."""
    xp = library(gap, log_q)
    if isinstance(gap, jax.core.Tracer):
        no_turn = _PROGRAMS[_turn](log_q, gap, moments_2d.ahead(log_q, activation))
    else:
        inside, known = np.asarray(gap) != -np.inf, np.zeros(gap.shape, gap.dtype)
        if inside.any():
            log_q, gap = (xp.asarray(np.asarray(each)[inside]) for each in (log_q, gap))
            known[inside] = _in_chunks(_turn, log_q, gap, activation)
        no_turn = xp.asarray(known)
    log_turn = xp.log1p(-xp.minimum(no_turn, 1.0))
    return at.slope * (1 - no_turn), xp.where(at.is_flat, 0.0, xp.minimum(at.log_slope + log_turn, 0.0))
