r"""Infinite width: the map of the correlation of two inputs that both have the variance ``q_star``."""

from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np

from vgtheory.activation import Activation
from vgtheory.expect import expect_number
from vgtheory.networks.ensemble import Ensemble
from vgtheory.networks.noise import factor_square, is_noisy
from vgtheory.theory.arguments import asked
from vgtheory.theory.arrays import compiled, library, rounding
from vgtheory.theory.integrals import moments_2d
from vgtheory.theory.integrals.moments_1d import curves, log_q_series, value_and_slope
from vgtheory.theory.meanfield.fixed_points import fixed_point
from vgtheory.theory.meanfield.noise import lost_share
from vgtheory.theory.precision import in_float64, scales, tables

_EDGE = 27.6
"""Where q_star is 0 or infinite the map is taken at exp of minus or plus this."""
_STRAIGHT = 1e-4
"""A slope there that is so near 1 is 1: the activation has become straight, or two straight pieces."""
_FLAT = 2e-13
"""Of the log of a slope: the tables' own rounding."""


def log_fixed(sigma_w: Any, sigma_b: Any, activation: Activation) -> Any:
    """ln q_star, its limits moved to the edge.

    Parameters
    ----------
    sigma_w, sigma_b
        Scales, of one shape.
    activation
        The nonlinearity.
    """
    return log_inside(fixed_point(sigma_w, sigma_b, activation))


def log_inside(q: Any) -> Any:
    """ln q, 0 and infinity moved to the edge.

    Parameters
    ----------
    q
        Variance, any shape.
    """
    xp = library(q)
    inside = (q > 0) & xp.isfinite(q)
    return xp.where(inside, xp.log(xp.where(inside, q, 1.0)), xp.where(q > 0, _EDGE, xp.where(q == 0, -_EDGE, q)))


class AtOne(NamedTuple):
    """The map at c = 1.

    Attributes
    ----------
    slope, log_slope
        Its slope, which is chi_1 but for a q that goes on growing or shrinking, and the natural log
        of that, which near 0 keeps its digits.
    share
        Of the image, what stems from the weights.
    is_flat
        Whether the slope is 1 within rounding.
    """

    slope: Any
    log_slope: Any
    share: Any
    is_flat: Any


@tables
def log_ratio(activation: Activation) -> np.ndarray:
    """Series over ln q of ln(q E[phi'^2] / E[phi^2]): a difference in float64, that it may be small in float32.

    Parameters
    ----------
    activation
        The nonlinearity.
    """
    with jax.enable_x64(True):
        table = curves(activation)
    return table.log_g - table.log_f + log_q_series()


@compiled()
def _at_one(log_q: Any, sigma_w: Any, sigma_b: Any, log_f: Any, ratio: Any) -> AtOne:
    xp = library(log_q)
    steepness = value_and_slope(ratio, log_q)[0]
    square, alone = sigma_w**2, sigma_b == 0
    none = ~alone & (square == 0)
    length = xp.where(alone, 0.0, value_and_slope(log_f, log_q)[0])
    biases = sigma_b**2 / xp.where(square == 0, 1.0, square) * xp.exp(-length)
    log_share = -xp.log1p(biases)
    share = xp.where(none, 0.0, 1 / (1 + biases))
    log_slope = xp.where(none, -xp.inf, steepness + log_share)
    slope = share * xp.exp(steepness)
    noise = _FLAT + 500 * rounding(slope) * (xp.abs(steepness) + xp.abs(log_share))
    straight = (xp.abs(log_q) == _EDGE) & (xp.abs(slope - 1) < _STRAIGHT)
    is_flat = straight | ~none & (xp.abs(log_slope) <= noise)
    return AtOne(xp.where(straight, 1.0, slope), xp.where(is_flat, 0.0, log_slope), share, is_flat)


def at_one(log_q: Any, sigma_w: Any, sigma_b: Any, activation: Activation) -> AtOne:
    """The map at c = 1; without weights and biases as it is with the smallest weights.

    Parameters
    ----------
    log_q, sigma_w, sigma_b
        ln of ``q_star`` and the scales, of one shape.
    activation
        The nonlinearity.
    """
    return _at_one(log_q, sigma_w, sigma_b, curves(activation).log_f, log_ratio(activation))


class _Settled(NamedTuple):
    """The correlation; and, of one shape, ln q_star, facts at c = 1 without noise, and what noise takes."""

    c: Any
    log_q: Any
    slope: Any
    share: Any
    lost: Any
    kept: Any


def _settled(net: Ensemble, c: Any) -> _Settled:
    sigma_w, sigma_b, c = scales(net, c, most=None)
    sigma_w, sigma_b = library(c).broadcast_arrays(sigma_w, sigma_b)
    log_q = log_fixed(sigma_w, sigma_b, net.activation)
    at = at_one(log_q, sigma_w, sigma_b, net.activation)
    lost = lost_share(net, at.share, sigma_b) if is_noisy(net) else None
    return _Settled(c, log_q, at.slope, at.share, lost, 1 / factor_square(net))


def _pair_at(c: Any, log_q: Any, activation: Activation) -> tuple[Any, Any]:
    """The four quantities of a pair of correlation c, and 1 - |c|."""
    xp = library(c, log_q)
    c, log_q = xp.broadcast_arrays(c, log_q)
    share = 1 - xp.abs(c)
    log_share = xp.where(share > 0, xp.log(xp.where(share > 0, share, 1.0)) / 2, -xp.inf)
    return moments_2d.pair(log_q, log_share, activation), share


@asked(noise=True)
@in_float64
def c_map(c: Any, net: Ensemble) -> Any:
    r"""Correlation in the next layer of two inputs whose correlation in this one is c.

    .. math:: c \mapsto \frac{\sigma_w^2\, E[\phi(u) \phi(v)] + \sigma_b^2}{q'}, \qquad
        E[u^2] = E[v^2] = q^*, \quad E[u v] = c\, q^*

    Parameters
    ----------
    c
        Correlation in this layer, from -1 to 1; any shape that broadcasts against ``sigma_w`` and ``sigma_b``.
    net
        The ensemble.

    Returns
    -------
    array
        Correlation in the next layer; broadcast shape. q' is the image of q*, which is q* itself unless q* is 0 or
        infinite: there the map is that of a q which goes on shrinking or growing.

    Raises
    ------
    ValueError
        If ``c`` is a number outside [-1, 1] or ``net`` is a ``FixedRecurrent``.

    Notes
    -----
    Accuracy: 1e-10 absolute in float64 for chi_1 up to 1e4, by any route (see ``moments_2d.pair``).
    Near c = 1 the distance from 1 keeps its digits.
    Assumes: infinite width; both inputs at ``q_star``; noise that is independent for the two, under
    which the map has 1 - c' > 0 at c = 1 and the slope ``chi_1`` over the factors' mean square.

    References
    ----------
    Poole et al. (2016), arXiv:1606.05340; Cho and Saul (2009) for ``relu``.

    Examples
    --------
    >>> from vgtheory import Dense, theory
    >>> round(float(theory.c_map(0.0, Dense("relu", sigma_w=2**0.5))), 6)  # 1 / pi
    0.31831
    """
    c, log_q, slope, share, lost, kept = _settled(net, c)
    four, gap = _pair_at(c, log_q, net.activation)
    image = library(c).where(c >= 0, 1 - slope * gap * four[..., 0], 1 - share + share * four[..., 2])
    return image if lost is None else 1 - lost - kept * (1 - image)


@asked(noise=True)
@in_float64
def c_map_slope(c: Any, net: Ensemble) -> Any:
    r"""Slope of the correlation map.

    .. math:: \frac{dc'}{dc} = \frac{\sigma_w^2\, q^*}{q'}\, E[\phi'(u) \phi'(v)]

    Parameters
    ----------
    c
        Correlation, from -1 to 1; any shape that broadcasts against ``sigma_w`` and ``sigma_b``.
    net
        The ensemble.

    Returns
    -------
    array
        Broadcast shape; at c = 1 it is ``chi_1`` (for ``q_star`` 0 or infinite, the same with q' in place of q*).

    Raises
    ------
    ValueError
        As ``c_map``.

    Notes
    -----
    Accuracy: 1e-10 of its value at c = 1.
    Assumes: as ``c_map``.

    References
    ----------
    Schoenholz et al. (2017), arXiv:1611.01232, eq. 11.

    Examples
    --------
    >>> from vgtheory import Dense, theory
    >>> round(float(theory.meanfield.c_map_slope(0.0, Dense("relu", sigma_w=2**0.5))), 6)
    0.5
    """
    c, log_q, slope, _, _, kept = _settled(net, c)
    four, _ = _pair_at(c, log_q, net.activation)
    return kept * slope * library(c).where(c >= 0, four[..., 1], four[..., 3])


@asked(noise=True, c=partial(expect_number, interval="(-1, 1)"))
@in_float64
def c_map_curvature(c: Any, net: Ensemble) -> Any:
    r"""Curvature of the correlation map.

    .. math:: \frac{d^2c'}{dc^2} = \frac{\sigma_w^2\, {q^*}^2}{q'}\, E[\phi''(u) \phi''(v)]

    Parameters
    ----------
    c
        Correlation, from -1 to 1 exclusive; any shape that broadcasts against ``sigma_w`` and ``sigma_b``.
    net
        The ensemble.

    Returns
    -------
    array
        Broadcast shape. It is the derivative of the tabulated slope, so that kinks, whose phi'' is a
        spike, count in full. With kinks it grows like 1 / sqrt(1 - c) towards c = 1.

    Raises
    ------
    ValueError
        As ``c_map``, and for c = -1 and c = 1.

    Notes
    -----
    Accuracy: 1e-7 of the slope at c = 1, over 1 - abs(c).
    Assumes: as ``c_map``.

    Examples
    --------
    >>> from vgtheory import Dense, theory
    >>> round(float(theory.meanfield.c_map_curvature(0.0, Dense("relu", sigma_w=2**0.5))), 5)  # 1 / pi
    0.31831
    """
    c, log_q, slope, _, _, kept = _settled(net, c)
    xp = library(c, log_q)
    c, log_q, slope = xp.broadcast_arrays(c, log_q, slope)
    share = 1 - xp.abs(c)
    turning, folding = moments_2d.changes(log_q, xp.log(share) / 2, net.activation)
    return kept * slope * xp.where(c >= 0, turning, -folding) / (-2 * share)
