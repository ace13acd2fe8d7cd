r"""Where the correlation of two inputs settles, and how fast.

The map of the correlation is a power series in c with no negative coefficient, hence convex on [0, 1], and it maps 1 to 1: the
fixed point is 1 where the slope there is at most 1, and the one root below it otherwise. With ``D(c) = E[phi^2] - E[phi phi]``
and ``1 - c = s^2 / q`` that root solves ``sigma_w^2 D = s^2``, whose two sides are compared by the ratio
``D / (s^2 E[phi'^2])`` (``split`` in ``pair_tables``), which knows no cancellation however near c is to 1.
"""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from vgtheory.activation import Activation
from vgtheory.ensemble import Ensemble
from vgtheory.theory import pairs
from vgtheory.theory.arguments import asked
from vgtheory.theory.correlation import log_fixed, slope_at_one
from vgtheory.theory.curves import curves
from vgtheory.theory.meanfield import need_sigma_w
from vgtheory.theory.precision import floats, in_float64

_LOWEST = -17.0
"""Half the log of the smallest 1 - c_star that is told from 0."""
_NUM_STEPS, _CHUNK = 60, 4096


@jax.jit
def _log_gap(log_q: Array, slope: Array, read: Callable[[Array, Array], tuple[Array, Array]]) -> Array:
    """Half of ln(1 - c_star), -inf where it is 1: bracketed Newton's method on ln of what the slope at 1 and split make."""
    chaotic = slope > 1 + 500 * float(jnp.finfo(slope.dtype).eps)
    log_slope = jnp.log(jnp.where(chaotic, slope, 2.0))

    def step(state: tuple[Array, Array, Array, Array, Array]) -> tuple[Array, Array, Array, Array, Array]:
        count, low, high, x, moved = state
        split, turn = read(log_q, x)
        value = log_slope + jnp.log(split)
        low, high = jnp.where(value > 0, x, low), jnp.where(value > 0, high, x)
        newton = x - value / (2 * (turn / split - 1))
        # Newton's steps are taken as long as they shrink; else the bracket is halved.
        inside = (newton > low) & (newton < high) & (jnp.abs(newton - x) < moved / 2)
        following = jnp.where(inside, newton, (low + high) / 2)
        return count + 1, low, high, following, jnp.where(chaotic, jnp.abs(following - x), 0.0)

    close = 16 * float(jnp.finfo(slope.dtype).eps)
    going = lambda state: (state[0] < _NUM_STEPS) & (jnp.max(state[4]) > close)
    low = jnp.full_like(slope, _LOWEST)
    far = jnp.full_like(slope, jnp.inf)
    root = lax.while_loop(going, step, (jnp.zeros((), int), low, jnp.zeros_like(low), jnp.full_like(low, -0.5), far))[3]
    return jnp.where(chaotic, root, -jnp.inf)


@jax.jit
def _turn(log_q: Array, gap: Array, read: Callable[[Array, Array], tuple[Array, Array]]) -> Array:
    """E[phi' phi'] over E[phi'^2] at c_star."""
    inside = jnp.isfinite(gap)
    return jnp.where(inside, read(log_q, jnp.where(inside, gap, 0.0))[1], 1.0)


def _in_chunks(function: Callable[..., Array], log_q: Array, other: Array, activation: Activation) -> np.ndarray:
    """``function(log_q, other, read)`` in pieces of one size, those alike together: one compiled program for every call."""
    read, size, pad = pairs.ahead(log_q, activation), log_q.size, -log_q.size % _CHUNK
    if size <= pairs.FEW:
        return np.asarray(function(log_q, other, read))
    order = np.argsort(np.asarray(other))
    pieces = [np.pad(np.asarray(each)[order], (0, pad), mode="edge").reshape(-1, _CHUNK) for each in (log_q, other)]
    found = np.empty(size, log_q.dtype)
    found[order] = np.concatenate([np.asarray(function(*each, read)) for each in zip(*pieces, strict=True)])[:size]
    return found


@functools.partial(jax.custom_jvp, nondiff_argnums=(2,))
def fixed_gap(sigma_w: Array, sigma_b: Array, activation: Activation) -> Array:
    """Half of ln(1 - c_star), -inf where c_star is 1; where it is known which networks are chaotic, for these alone.

    Parameters
    ----------
    sigma_w, sigma_b
        Scales, of one shape.
    activation
        The nonlinearity.
    """
    log_q = log_fixed(sigma_w, sigma_b, activation)
    slope, _ = slope_at_one(log_q, sigma_w, sigma_b, curves(activation))
    return gap_at(log_q, slope, activation)


def gap_at(log_q: Array, slope: Array, activation: Activation) -> Array:
    """``fixed_gap`` where ln q_star and the slope at c = 1 are known; it carries no derivative.

    Parameters
    ----------
    log_q, slope
        Of one shape.
    activation
        The nonlinearity.
    """
    if isinstance(log_q, jax.core.Tracer):
        return _log_gap(log_q, slope, pairs.ahead(log_q, activation))
    chaotic = np.asarray(slope) > 1
    gap = np.full(slope.shape, -np.inf, slope.dtype)
    if chaotic.any():
        log_q, slope = (jnp.asarray(np.asarray(each)[chaotic]) for each in (log_q, slope))
        gap[chaotic] = _in_chunks(_log_gap, log_q, slope, activation)
    return jnp.asarray(gap)


@fixed_gap.defjvp
def _fixed_gap_jvp(activation: Activation, primals: Any, tangents: Any) -> tuple[Array, Array]:
    """Implicit function theorem; 0 where c_star is 1."""

    def parts(sigma_w: Array, sigma_b: Array) -> tuple[Array, Array]:
        log_q = log_fixed(sigma_w, sigma_b, activation)
        return log_q, jnp.log(slope_at_one(log_q, sigma_w, sigma_b, curves(activation))[0])

    gap = fixed_gap(*primals, activation)
    (log_q, _), (by_log_q, by_slope) = jax.jvp(parts, primals, tangents)
    inside = jnp.isfinite(gap)
    x = jnp.where(inside, gap, -1.0)
    read = pairs.ahead(log_q, activation)
    (split, turn), (by_q, _) = jax.jvp(lambda log_q: read(log_q, x), (log_q,), (by_log_q,))
    return gap, jnp.where(inside, -(by_slope + by_q / split) / (2 * (turn / split - 1)), 0.0)


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
        look alike. Below 1 (chaotic) close inputs come apart. Differentiable (implicit function theorem).

    Raises
    ------
    ValueError
        If ``net`` has a given matrix.

    Notes
    -----
    Accuracy: 1e-10 absolute; of 1 - c_star 1e-9 relative divided by the distance of ln chi_1 from 0 over 0.1. It is a root
    bracketed and found by Newton's method, so that nearness to criticality costs nothing.
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
    need_sigma_w("c_star", net)
    gap = fixed_gap(*jnp.broadcast_arrays(*floats(net.sigma_w, net.sigma_b)), net.activation)
    return correlation_at(gap)


def correlation_at(gap: Array) -> Array:
    """Correlation by half the log of its distance from 1.

    Parameters
    ----------
    gap
        From ``fixed_gap``.
    """
    return jnp.where(jnp.isfinite(gap), -jnp.expm1(2 * jnp.where(jnp.isfinite(gap), gap, 0.0)), 1.0)


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
        slope at 1 of the limiting map: 1 for ``relu`` without biases at any ``sigma_w``, a power law and no scale).

    Raises
    ------
    ValueError
        If ``net`` has a given matrix.

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
    >>> round(float(theory.chi_c(Dense("tanh", sigma_w=2.0, sigma_b=0.3))), 4)
    0.8604
    """
    need_sigma_w("chi_c", net)
    sigma_w, sigma_b = jnp.broadcast_arrays(*floats(net.sigma_w, net.sigma_b))
    log_q = log_fixed(sigma_w, sigma_b, net.activation)
    slope, _ = slope_at_one(log_q, sigma_w, sigma_b, curves(net.activation))
    return chi_at_gap(fixed_gap(sigma_w, sigma_b, net.activation), log_q, slope, net.activation)


def chi_at_gap(gap: Array, log_q: Array, slope: Array, activation: Activation) -> Array:
    """``chi_c`` where ``c_star`` is known by half the log of its distance from 1.

    Parameters
    ----------
    gap
        From ``fixed_gap``.
    log_q, slope
        ln q_star and the slope at c = 1, of the same shape.
    activation
        The nonlinearity.
    """
    if isinstance(gap, jax.core.Tracer):
        return slope * _turn(log_q, gap, pairs.ahead(log_q, activation))
    inside, turn = np.isfinite(np.asarray(gap)), np.ones(gap.shape, gap.dtype)
    if inside.any():
        log_q, gap = (jnp.asarray(np.asarray(each)[inside]) for each in (log_q, gap))
        turn[inside] = _in_chunks(_turn, log_q, gap, activation)
    return slope * jnp.asarray(turn)
