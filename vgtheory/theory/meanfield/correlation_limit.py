r"""Where the correlation of two inputs settles, and how fast.

The map of the correlation is a power series in c with no negative coefficient, hence convex on [0, 1], and it maps 1 to 1: the
fixed point is 1 where the slope there is at most 1, and the one root below it otherwise. With ``D(c) = E[phi^2] - E[phi phi]``
and ``1 - c = s^2 / q`` that root solves ``sigma_w^2 D = s^2``, whose two sides are compared by the ratio
``D / (s^2 E[phi'^2])`` (``split`` in ``pair_tables``), whose distance from 1 is known by itself, however near c is to 1.
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
from vgtheory.theory.arguments import asked
from vgtheory.theory.arrays import library
from vgtheory.theory.integrals import moments_2d
from vgtheory.theory.meanfield.correlation import AtOne, at_one, log_fixed
from vgtheory.theory.meanfield.length import broadcast_scales
from vgtheory.theory.precision import in_float64
from vgtheory.theory.roots import root

_LOWEST = -17.0
"""Half the log of the smallest 1 - c_star that is told from 0."""
_CHUNK = 4096


def _log_gap(log_q: Any, log_slope: Any, read: Callable[[Any, Any], tuple[Any, Any]]) -> Any:
    """Half of ln(1 - c_star), -inf where it is 1: a root of the ln of what the slope at 1 and split make."""
    xp, chaotic = library(log_slope), log_slope > 0

    def at(gap: Any) -> tuple[Any, Any]:
        no_split, no_turn = read(log_q, gap)
        value = log_slope + xp.log1p(-no_split)
        return value, value * (1 - no_split) / (2 * (no_split - no_turn))

    low = xp.full_like(log_slope, _LOWEST)
    found = root(at, low, xp.zeros_like(low), xp.full_like(low, -0.5), sign=1.0, wanted=chaotic, close=16.0)
    unknown = xp.isnan(read(log_q, found)[0])
    return xp.where(chaotic, xp.where(unknown, xp.nan, found), -xp.inf)


def _turn(log_q: Any, gap: Any, read: Callable[[Any, Any], tuple[Any, Any]]) -> Any:
    """1 less E[phi' phi'] over E[phi'^2], at c_star."""
    xp, inside = library(gap), gap != -np.inf
    return xp.where(inside, read(log_q, xp.where(inside, gap, 0.0))[1], 0.0)


_PROGRAMS = {function: jax.jit(function) for function in (_log_gap, _turn)}


def _in_chunks(function: Callable[..., Any], log_q: Any, other: Any, activation: Activation) -> np.ndarray:
    """``function(log_q, other, read)`` in pieces of one size, those alike together: one compiled program for every call."""
    size, pad, dtype, program = log_q.size, -log_q.size % _CHUNK, log_q.dtype, _PROGRAMS[function]
    if moments_2d.is_looped(log_q):
        read = moments_2d.ahead(log_q, activation)
        return np.asarray([function(*each, read) for each in zip(log_q, other, strict=True)])
    if size <= moments_2d.FEW:
        # Few are integrated, which near criticality wants float64's digits; they are known, and so may be.
        with jax.enable_x64(True):
            log_q, other = (jnp.asarray(np.asarray(each, float)) for each in (log_q, other))
            return np.asarray(program(log_q, other, moments_2d.ahead(log_q, activation))).astype(dtype)
    read = moments_2d.ahead(jnp.asarray(log_q), activation)
    order = np.argsort(np.asarray(other))
    pieces = [np.pad(np.asarray(each)[order], (0, pad), mode="edge").reshape(-1, _CHUNK) for each in (log_q, other)]
    found = np.empty(size, log_q.dtype)
    found[order] = np.concatenate([np.asarray(program(*each, read)) for each in zip(*pieces, strict=True)])[:size]
    return found


def fixed_gap(sigma_w: Any, sigma_b: Any, activation: Activation) -> Any:
    """Half of ln(1 - c_star), -inf where c_star is 1; where it is known which networks are chaotic, for these alone.

    Parameters
    ----------
    sigma_w, sigma_b
        Scales, of one shape.
    activation
        The nonlinearity.
    """
    if library(sigma_w, sigma_b) is np:
        log_q = log_fixed(sigma_w, sigma_b, activation)
        return gap_at(log_q, at_one(log_q, sigma_w, sigma_b, activation).log_slope, activation)
    return _differentiable_gap(sigma_w, sigma_b, activation)


@functools.partial(jax.custom_jvp, nondiff_argnums=(2,))
def _differentiable_gap(sigma_w: Array, sigma_b: Array, activation: Activation) -> Array:
    log_q = log_fixed(sigma_w, sigma_b, activation)
    return gap_at(log_q, at_one(log_q, sigma_w, sigma_b, activation).log_slope, activation)


def gap_at(log_q: Any, log_slope: Any, activation: Activation) -> Any:
    """``fixed_gap`` where ln q_star and the log of the slope at c = 1 are known; it carries no derivative.

    Parameters
    ----------
    log_q, log_slope
        Of one shape.
    activation
        The nonlinearity.
    """
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


@asked()
@in_float64
def c_star(net: Ensemble) -> Any:
    r"""Fixed point that the correlation of any two inputs runs to.

    .. math:: c^* = \frac{\sigma_w^2\, E[\phi(u) \phi(v)] + \sigma_b^2}{q^*} \quad \text{at correlation } c^*

    Parameters
    ----------
    net
        The ensemble; ``sigma_w`` and ``sigma_b`` of any broadcastable shapes (a million networks take some seconds).

    Returns
    -------
    array
        From 0 to 1, broadcast shape. 1 where the map's slope there is at most 1 (ordered or critical): all inputs come to
        look alike. Below 1 (chaotic) close inputs come apart. Without weights it is 1. Differentiable (implicit function
        theorem; 0 where c_star is 1).

    Raises
    ------
    ValueError
        If ``net`` is a ``FixedRecurrent``.

    Notes
    -----
    Accuracy: 1e-10 absolute; of 1 - c_star 1e-9 relative divided by the distance of ln chi_1 from 0 over 0.1. It is a root
    bracketed and found by Newton's method, so that nearness to criticality costs nothing. A network counts as critical, and has
    c_star 1, where ln chi_1 is within rounding of 0: 2e-13 and, of the two logs whose sum it is (the biases' and the activation's),
    1e-13 of their sizes, in float32 6e-5. Without biases the first is 0 and the second vanishes with q, so that in float32 too
    tanh is chaotic at sigma_w = 1.001; a sigma_w within 1e-4 of the critical one is critical there.
    Assumes: infinite width. For a linear network without biases every c is a fixed point; 1 is returned.

    References
    ----------
    Poole et al. (2016), arXiv:1606.05340; Schoenholz et al. (2017), arXiv:1611.01232.

    Examples
    --------
    >>> from vgtheory import Dense, theory
    >>> round(float(theory.c_star(Dense("tanh", sigma_w=2.0, sigma_b=0.3))), 6)
    0.263895
    """
    return correlation_at(fixed_gap(*broadcast_scales(net), net.activation))


def correlation_at(gap: Any) -> Any:
    """Correlation by half the log of its distance from 1.

    Parameters
    ----------
    gap
        From ``fixed_gap``.
    """
    xp, inside = library(gap), gap != -np.inf
    return xp.where(inside, -xp.expm1(2 * xp.where(inside, gap, 0.0)), 1.0)


@asked()
@in_float64
def chi_c(net: Ensemble) -> Any:
    r"""Slope of the correlation map at its fixed point: what a small departure from ``c_star`` is multiplied by per layer.

    .. math:: \chi_{c^*} = \sigma_w^2\, E[\phi'(u) \phi'(v)] \quad \text{at correlation } c^*

    Parameters
    ----------
    net
        The ensemble; ``sigma_w`` and ``sigma_b`` of any broadcastable shapes.

    Returns
    -------
    array
        Per layer, at most 1; broadcast shape. In the ordered phase it is ``chi_1`` (or, for ``q_star`` 0 or infinite, the
        slope at 1 of the limiting map: 1 for ``relu`` without biases at any ``sigma_w``, a power law and no scale). Without
        weights it is 0, and without weights and biases what it tends to as the weights go to 0.

    Raises
    ------
    ValueError
        If ``net`` is a ``FixedRecurrent``.

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
    """``chi_c``, and its natural log, which keeps its digits where chi_c is near 1.

    Parameters
    ----------
    net
        The ensemble.
    """
    sigma_w, sigma_b = broadcast_scales(net)
    log_q = log_fixed(sigma_w, sigma_b, net.activation)
    at = at_one(log_q, sigma_w, sigma_b, net.activation)
    return rates_at_gap(fixed_gap(sigma_w, sigma_b, net.activation), log_q, at, net.activation)


def rates_at_gap(gap: Any, log_q: Any, at: AtOne, activation: Activation) -> tuple[Any, Any]:
    """``settled_rates`` where ``c_star`` is known by half the log of its distance from 1.

    Parameters
    ----------
    gap
        From ``fixed_gap``.
    log_q, at
        ln q_star and the map at c = 1, of the same shape.
    activation
        The nonlinearity.
    """
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
