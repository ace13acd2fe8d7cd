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
from jax import Array, lax

from vgtheory.activation import Activation
from vgtheory.networks.ensemble import Ensemble
from vgtheory.theory.arguments import asked
from vgtheory.theory.integrals import moments_2d
from vgtheory.theory.meanfield.correlation import AtOne, at_one, log_fixed
from vgtheory.theory.precision import floats, in_float64

_LOWEST = -17.0
"""Half the log of the smallest 1 - c_star that is told from 0."""
_NUM_STEPS, _CHUNK = 60, 4096


@jax.jit
def _log_gap(log_q: Array, log_slope: Array, read: Callable[[Array, Array], tuple[Array, Array]]) -> Array:
    """Half of ln(1 - c_star), -inf where it is 1: bracketed Newton's method on ln of what the slope at 1 and split make."""
    chaotic = log_slope > 0

    def step(state: tuple[Array, Array, Array, Array, Array]) -> tuple[Array, Array, Array, Array, Array]:
        count, low, high, x, moved = state
        no_split, no_turn = read(log_q, x)
        value = log_slope + jnp.log1p(-no_split)
        low, high = jnp.where(value > 0, x, low), jnp.where(value > 0, high, x)
        newton = x - value * (1 - no_split) / (2 * (no_split - no_turn))
        # Newton's steps are taken as long as they shrink; else the bracket is halved.
        inside = (newton > low) & (newton < high) & (jnp.abs(newton - x) < moved / 2)
        following = jnp.where(inside, newton, (low + high) / 2)
        return count + 1, low, high, following, jnp.where(chaotic, jnp.abs(following - x), 0.0)

    close = 16 * float(jnp.finfo(log_slope.dtype).eps)
    going = lambda state: (state[0] < _NUM_STEPS) & (jnp.max(state[4]) > close)
    low = jnp.full_like(log_slope, _LOWEST)
    far = jnp.full_like(log_slope, jnp.inf)
    root = lax.while_loop(going, step, (jnp.zeros((), int), low, jnp.zeros_like(low), jnp.full_like(low, -0.5), far))[3]
    unknown = jnp.isnan(read(log_q, root)[0])
    return jnp.where(chaotic, jnp.where(unknown, jnp.nan, root), -jnp.inf)


@jax.jit
def _turn(log_q: Array, gap: Array, read: Callable[[Array, Array], tuple[Array, Array]]) -> Array:
    """1 less E[phi' phi'] over E[phi'^2], at c_star."""
    inside = gap != -jnp.inf
    return jnp.where(inside, read(log_q, jnp.where(inside, gap, 0.0))[1], 0.0)


def _in_chunks(function: Callable[..., Array], log_q: Array, other: Array, activation: Activation) -> np.ndarray:
    """``function(log_q, other, read)`` in pieces of one size, those alike together: one compiled program for every call."""
    size, pad, dtype = log_q.size, -log_q.size % _CHUNK, log_q.dtype
    if size <= moments_2d.FEW:
        # Few are integrated, which near criticality wants float64's digits; they are known, and so may be.
        with jax.enable_x64(True):
            log_q, other = (jnp.asarray(np.asarray(each, float)) for each in (log_q, other))
            return np.asarray(function(log_q, other, moments_2d.ahead(log_q, activation))).astype(dtype)
    read = moments_2d.ahead(log_q, activation)
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
    return gap_at(log_q, at_one(log_q, sigma_w, sigma_b, activation).log_slope, activation)


def gap_at(log_q: Array, log_slope: Array, activation: Activation) -> Array:
    """``fixed_gap`` where ln q_star and the log of the slope at c = 1 are known; it carries no derivative.

    Parameters
    ----------
    log_q, log_slope
        Of one shape.
    activation
        The nonlinearity.
    """
    if isinstance(log_q, jax.core.Tracer):
        return _log_gap(log_q, log_slope, moments_2d.ahead(log_q, activation))
    chaotic = np.asarray(log_slope) > 0
    gap = np.full(log_slope.shape, -np.inf, log_slope.dtype)
    if chaotic.any():
        log_q, log_slope = (jnp.asarray(np.asarray(each)[chaotic]) for each in (log_q, log_slope))
        gap[chaotic] = _in_chunks(_log_gap, log_q, log_slope, activation)
    return jnp.asarray(gap)


@fixed_gap.defjvp
def _fixed_gap_jvp(activation: Activation, primals: Any, tangents: Any) -> tuple[Array, Array]:
    """Implicit function theorem; 0 where c_star is 1."""

    def parts(sigma_w: Array, sigma_b: Array) -> tuple[Array, Array]:
        log_q = log_fixed(sigma_w, sigma_b, activation)
        return log_q, at_one(log_q, sigma_w, sigma_b, activation).log_slope

    gap = fixed_gap(*primals, activation)
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
    gap = fixed_gap(*jnp.broadcast_arrays(*floats(net.sigma_w, net.sigma_b)), net.activation)
    return correlation_at(gap)


def correlation_at(gap: Array) -> Array:
    """Correlation by half the log of its distance from 1.

    Parameters
    ----------
    gap
        From ``fixed_gap``.
    """
    inside = gap != -jnp.inf
    return jnp.where(inside, -jnp.expm1(2 * jnp.where(inside, gap, 0.0)), 1.0)


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


def settled_rates(net: Ensemble) -> tuple[Array, Array]:
    """``chi_c``, and its natural log, which keeps its digits where chi_c is near 1.

    Parameters
    ----------
    net
        The ensemble.
    """
    sigma_w, sigma_b = jnp.broadcast_arrays(*floats(net.sigma_w, net.sigma_b))
    log_q = log_fixed(sigma_w, sigma_b, net.activation)
    at = at_one(log_q, sigma_w, sigma_b, net.activation)
    return rates_at_gap(fixed_gap(sigma_w, sigma_b, net.activation), log_q, at, net.activation)


def rates_at_gap(gap: Array, log_q: Array, at: AtOne, activation: Activation) -> tuple[Array, Array]:
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
    if isinstance(gap, jax.core.Tracer):
        no_turn = _turn(log_q, gap, moments_2d.ahead(log_q, activation))
    else:
        inside, known = np.asarray(gap) != -np.inf, np.zeros(gap.shape, gap.dtype)
        if inside.any():
            log_q, gap = (jnp.asarray(np.asarray(each)[inside]) for each in (log_q, gap))
            known[inside] = _in_chunks(_turn, log_q, gap, activation)
        no_turn = jnp.asarray(known)
    log_turn = jnp.log1p(-jnp.minimum(no_turn, 1.0))
    return at.slope * (1 - no_turn), jnp.where(at.is_flat, 0.0, jnp.minimum(at.log_slope + log_turn, 0.0))
