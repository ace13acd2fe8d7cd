"""One unit of a layer: its moments, and the laws of logs of means over N independent units.

======  ======================================================  =====
symbol  meaning                                                 shape
======  ======================================================  =====
``z``   standard normal; ``h = sqrt(q) z``                      nodes
``f``   phi(h)^2 over its mean                                  nodes
``g``   phi'(h)^2 over its mean                                 nodes
``y``   g eta^2, eta standard normal and independent: mean 1    nodes
======  ======================================================  =====
"""

import functools
from typing import Any, NamedTuple

import jax
import numpy as np
import scipy

from vgtheory.activation import Activation
from vgtheory.activations import units
from vgtheory.activations.cusp import has_fourth
from vgtheory.activations.units import GLU, Maxout, RReLU
from vgtheory.theory.arrays import library, special, weighted
from vgtheory.theory.integrals import gaussian, rules
from vgtheory.theory.integrals.squares import resolved
from vgtheory.theory.precision import Values

_LOG_EDGE = 60.0
_SMALL = 0.01
_VALUES, _SHARES = np.polynomial.hermite_e.hermegauss(6)
_SHARES = _SHARES / _SHARES.sum()
_SLOPES = 6
"""Nodes of the slopes, and those of a gated unit's values, whose powers are the eighth at most."""


class Points(NamedTuple):
    """A unit at nodes along a last axis, whose weights add up to 1.

    Attributes
    ----------
    value
        The unit's output.
    slope_square
        Sum of its squared derivatives by its pre-activations.
    rise
        Its derivative along its pre-activations: the sum of z_j times the derivative by h_j.
    """

    value: Values
    slope_square: Values
    rise: Values
    weights: Values


@functools.singledispatch
def points(activation: Any, q: Values) -> Points:
    """An activation or a unit at nodes for pre-activations of mean square q."""
    xp, q = library(q), resolved(q, activation)
    z, weights = rules.nodes(q, activation.kinks)
    phi, dphi = rules.values(activation, xp.sqrt(q)[..., None] * z)
    return Points(phi, dphi**2, dphi * z, weights)


@points.register
def _(activation: GLU, q: Values) -> Points:
    """The other pre-activation enters by powers alone, for which Gauss and Hermite's rule is exact."""
    xp, gate = library(q), activation.gate
    q = resolved(q, gate)
    z, weights = rules.nodes(q, gate.kinks)
    s = xp.sqrt(q)[..., None, None]
    phi, dphi = (each[..., None] for each in rules.values(gate, s[..., 0] * z))
    v, shares = xp.asarray(_VALUES, q.dtype), xp.asarray(_SHARES, q.dtype)
    rows = s * phi * v, (s * dphi * v) ** 2 + phi**2, (s * dphi * z[..., None] + phi) * v, weights[..., None] * shares
    return Points(*(each.reshape(*each.shape[:-2], -1) for each in rows))


@points.register
def _(activation: Maxout, q: Values) -> Points:
    """The largest pre-activation is the unit's output, and its own derivative along them."""
    xp = library(q)
    z, weights = rules.nodes(q)
    weights = weights * activation.fan * special(q).ndtr(z) ** (activation.fan - 1)
    return Points(xp.sqrt(q)[..., None] * z, xp.ones_like(z), z, weights)


@points.register
def _(activation: RReLU, q: Values) -> Points:
    """Slopes by Gauss and Legendre's rule, which is exact for their powers."""
    xp = library(q)
    z, weights = rules.nodes(q, (0.0,))
    places, shares = gaussian.legendre(_SLOPES)
    drawn = activation.low + (activation.high - activation.low) * (1 + places) / 2
    slope = xp.where(z[..., None] > 0, 1.0, xp.asarray(drawn, q.dtype))
    rise = slope * z[..., None]
    rows = xp.sqrt(q)[..., None, None] * rise, slope**2, rise, weights[..., None] * xp.asarray(shares / 2, q.dtype)
    return Points(*(each.reshape(*each.shape[:-2], -1) for each in rows))


class Unit(NamedTuple):
    """Moments over one unit, each of shape ().

    Attributes
    ----------
    log_f, log_g
        Logs of E phi^2 and E phi'^2.
    x2, x3, y2, y3
        Second and third cumulants of f and of y.
    xy, xxy, xyy
        Joint cumulants of f and y.
    pull
        E[f g].
    keep
        Squared correlation of phi and phi' z, E[phi phi' z]^2 / (E phi^2 E phi'^2).
    own
        E[g z^2].
    own_x, own_y
        N times the covariance of t^2 with the logs of the means of f and of y. Here ``t`` is the
        sum of ``g^(1/2) z eta`` over the root of the sum of y, and ``own`` its mean square.
    """

    log_f: Values
    log_g: Values
    x2: Values
    x3: Values
    y2: Values
    y3: Values
    xy: Values
    xxy: Values
    xyy: Values
    pull: Values
    keep: Values
    own: Values
    own_x: Values
    own_y: Values


def unit(log_q: Values, activation: "Activation | units.Unit") -> Unit:
    """All one-dimensional moments that a layer's fluctuations need, at one ln q within [-60, 60].

    They are not finite where powers of an activation overflow or E[phi'^4] is infinite, and NaN
    above q = 16 for an activation that ripples at every size of ``h``.

    Notes
    -----
    Accuracy: 1e-12 relative to the mean of the integrand's size in float64 (``gaussian.mean``).
    Assumes: Gaussian ``h``.
    """
    xp = library(log_q)
    q = xp.exp(xp.clip(log_q, -_LOG_EDGE, _LOG_EDGE))
    phi, slope_square, rise, weights = points(activation, q)
    over = lambda *rows: [weighted(row, weights) for row in rows]
    mean_f, mean_g = (xp.where(mean > 0, mean, 1.0) for mean in over(phi**2, slope_square))
    f, g = phi**2 / mean_f[..., None], slope_square / mean_g[..., None]
    x, y, gz2, square = f - 1, g - 1, rise**2 / mean_g[..., None], (3 * g - 2) * g + 1
    x2, x3, y2, y3 = over(x**2, x * x**2, square, ((15 * g - 9) * g + 3) * g - 1)
    xy, xxy, xyy, pull = over(x * g, x**2 * y, x * square, f * g)
    product, own, own_f, own_g = over(phi * rise, gz2, gz2 * f, 3 * gz2 * g)
    product = product / xp.sqrt(mean_f * mean_g)
    own_x, own_y = own_f - own * pull, own_g - own * (y2 + 1)
    if not has_fourth(activation):
        y2, y3, xyy, own_y = (xp.full_like(q, xp.inf) for _ in range(4))
    return Unit(xp.log(mean_f), xp.log(mean_g), x2, x3, y2, y3, xy, xxy, xyy, pull, product**2, own, own_x, own_y)


def log_mean_law(second: Values, third: Values, width: int | float | Values) -> tuple[Values, Values]:
    r"""Mean and variance of the log of a mean over ``width`` independent units of mean 1.

    With k = width / second, the mean of the units is a gamma variable of shape k, corrected by the
    third cumulant's excess over the gamma's, ``d = third - 2 second^2``:

    .. math:: E \ln X = \psi(k) - \ln k + \frac{d}{3 N^2}, \qquad
        \mathrm{Var} \ln X = \psi'(k)\, e^{-d / (N \kappa_2)}

    Notes
    -----
    Accuracy: exact (1e-13) for squares of normal variables, where d = 0; else to order 1/N^2.
    Assumes: units that have a third moment.
    """
    xp = library(second, width)
    special = scipy.special if xp is np else jax.scipy.special
    share = second / width
    shape = 1 / xp.maximum(share, _SMALL)
    wide = share < _SMALL
    log_mean, log_var = special.digamma(shape) - xp.log(shape), special.polygamma(1, shape)
    mean = xp.where(wide, -share / 2 - share**2 / 12 + share**4 / 120, log_mean)
    var = xp.where(wide, share + share**2 / 2 + share**3 / 6 - share**5 / 30, log_var)
    excess = (third - 2 * second**2) / width**2
    bend = xp.where(share > 0, excess / xp.where(share > 0, share, 1.0), 0.0)
    return mean + excess / 3, var * xp.exp(-xp.clip(bend, -1.0, 1.0))
