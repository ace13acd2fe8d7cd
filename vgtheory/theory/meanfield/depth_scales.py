"""Phase of a network, and its depth scales in layers."""

import numpy as np

from vgtheory.activation import Activation
from vgtheory.expect import Numbers, expect_not_negative
from vgtheory.networks.ensemble import Ensemble
from vgtheory.theory.arguments import asked
from vgtheory.theory.arrays import library, rounding
from vgtheory.theory.integrals.moments_1d import curves
from vgtheory.theory.meanfield.correlation import AtOne, at_one, log_inside
from vgtheory.theory.meanfield.correlation_limit import settled_rates
from vgtheory.theory.meanfield.fixed_points import chi_at, fixed_point, growth_and_slope
from vgtheory.theory.meanfield.length import broadcast_scales, q_slope
from vgtheory.theory.precision import Values, in_float64

_CRITICAL = 1e-9
"""Largest absolute ln chi_1 that counts as critical."""
_SLOPE = 1e-11
"""Largest absolute ln q_slope that counts as 0."""


@asked(noise=True)
@in_float64
def phase(net: Ensemble) -> Values:
    """Phase of a network: -1 ordered (gradients vanish), 0 critical, 1 chaotic (gradients explode).

    Parameters
    ----------
    net
        The ensemble, as in ``q_star``.

    Returns
    -------
    array
        Sign of ``ln chi_1``, and 0 where its size is below 1e-9 (float32: 1e-4); broadcast shape.
        The phase describes the limit of many layers. Where q tends to 0 or infinity, 0 means that
        the factor tends to 1, not that the gradient keeps its norm: see ``log_grad_layers`` and the
        ``drift`` of ``initialiser_audit``.

    Notes
    -----
    Accuracy: that of ``chi_1``.
    Assumes: infinite width. "Ordered" and "chaotic" are phases of the correlation of two inputs.
    Where ``q_star`` is 0 or infinite, as for ``relu`` without biases, the correlation has no phase,
    and the result describes the gradient only.

    Examples
    --------
    >>> import numpy as np
    >>> from vgtheory import Dense, theory
    >>> theory.phase(Dense("tanh", sigma_w=np.array([0.9, 1.0, 1.1]))).tolist()
    [-1.0, 0.0, 1.0]
    """
    log_chi = _log_chi(net)
    xp, noise = library(log_chi), max(_CRITICAL, 500 * rounding(log_chi))
    return xp.where(xp.abs(log_chi) <= noise, 0.0, xp.sign(log_chi))


def scale(factor: Values) -> Values:
    """-1 / ln of a factor's size, infinite where the factor is 1 within rounding."""
    xp = library(factor)
    factor = xp.abs(xp.asarray(factor))
    log_factor = xp.log(factor)
    noise = max(_SLOPE, 64 * rounding(factor))
    return scale_of(xp.where(xp.abs(log_factor) <= noise, 0.0, log_factor))


def scale_of(log_factor: Values) -> Values:
    """-1 over the log of a factor, infinite where the log is 0."""
    xp, flat = library(log_factor), log_factor == 0
    return xp.where(flat, xp.inf, -1 / xp.where(flat, 1.0, log_factor))


def log_chi_at(q: Values, sigma_w: Values, sigma_b: Values, at: AtOne, activation: Activation) -> Values:
    """Natural log of ``chi_1``, with all its digits near 0, and 0 within rounding."""
    growth, _ = growth_and_slope(log_inside(q), sigma_w, sigma_b, curves(activation))
    least, xp = 32 * rounding(growth), library(growth)
    # A homogeneous map near its critical scale keeps q within rounding, although it moves.
    moved = xp.where(xp.abs(growth) <= least, 0.0, growth)
    inside = (q > 0) & xp.isfinite(q)
    limit = xp.log(xp.where(inside, 1.0, chi_at(q, sigma_w, activation)))
    limit = xp.where(xp.abs(limit) <= least, 0.0, limit)
    return xp.where(inside, at.log_slope + xp.log1p(xp.where(inside, moved, 0.0)), limit)


def _log_chi(net: Ensemble) -> Values:
    """Natural log of ``chi_1`` of an ensemble."""
    sigma_w, sigma_b = broadcast_scales(net)
    q = fixed_point(sigma_w, sigma_b, net.activation)
    at = at_one(log_inside(q), sigma_w, sigma_b, net.activation)
    return log_chi_at(q, sigma_w, sigma_b, at, net.activation)


@asked(noise=True)
@in_float64
def xi_grad(net: Ensemble) -> Values:
    r"""Depth scale of the squared gradient norm, xi_grad.

    .. math:: \xi_\nabla = -\frac{1}{\ln \chi_1}

    Parameters
    ----------
    net
        The ensemble, as in ``q_star``.

    Returns
    -------
    array
        Layers in which the mean *squared* gradient falls by a factor e; broadcast shape. It is
        negative where gradients grow, infinite at criticality (ln chi_1 within rounding of 0), and
        0 without weights. The norm itself has twice this scale.

    Notes
    -----
    Accuracy: that of ``chi_1`` over its distance from 1. Without biases the distance keeps its
    digits: in float32 it is accurate to 1e-3 where ``sigma_w`` is a thousandth above critical.
    Assumes: infinite width.

    References
    ----------
    Schoenholz et al. (2017), arXiv:1611.01232, eq. 20.

    Examples
    --------
    >>> from vgtheory import Dense, theory
    >>> round(float(theory.xi_grad(Dense("tanh", sigma_w=1.5, sigma_b=0.3))), 2)
    -16.89
    """
    return scale_of(_log_chi(net))


@asked(noise=True)
@in_float64
def xi_c(net: Ensemble) -> Values:
    r"""Depth scale over which the correlation of two inputs converges, xi_c.

    .. math:: \xi_c = -\frac{1}{\ln \chi_{c^*}}

    Parameters
    ----------
    net
        The ensemble, as in ``q_star``.

    Returns
    -------
    array
        Layers, >= 0; broadcast shape. It is infinite at criticality (ln chi_c within rounding of
        0), and for ``relu`` without biases at every ``sigma_w``, where correlations converge by a
        power of the depth. Without weights it is 0. Without weights and biases it is the limit of
        small weights.

    Notes
    -----
    Accuracy: that of ``chi_c`` over its distance from 1; without biases as ``xi_grad``.
    Assumes: infinite width.

    References
    ----------
    Schoenholz et al. (2017), arXiv:1611.01232, eq. 9.

    Examples
    --------
    >>> from vgtheory import Dense, theory
    >>> round(float(theory.xi_c(Dense("tanh", sigma_w=1.0, sigma_b=0.3))), 3)
    2.807
    """
    return scale_of(settled_rates(net)[1])


@asked(noise=True, unit=True)
@in_float64
def xi_q(net: Ensemble) -> Values:
    r"""Depth scale over which the length of an input converges, xi_q.

    .. math:: \xi_q = -\frac{1}{\ln |dq'/dq|}

    Parameters
    ----------
    net
        The ensemble, as in ``q_star``.

    Returns
    -------
    array
        Layers; broadcast shape. It is infinite where the slope is 1 within 1e-11 (float32: 8e-6),
        and 0 without weights. Where the slope is negative, q oscillates about q* while it
        converges.

    Notes
    -----
    Accuracy: that of ``q_slope`` over its distance from 1.
    Assumes: infinite width.

    References
    ----------
    Schoenholz et al. (2017), arXiv:1611.01232, eq. 7.

    Examples
    --------
    >>> from vgtheory import Dense, theory
    >>> round(float(theory.xi_q(Dense("tanh", sigma_w=1.5, sigma_b=0.3))), 3)
    1.167
    """
    return scale(q_slope(net))


@asked(noise=True)
@in_float64
def decade_depth(net: Ensemble, decades: Numbers = 1.0) -> Values:
    r"""Depth at which the gradient norm has changed by a given number of powers of ten.

    .. math:: L = \frac{2 \ln 10}{|\ln \chi_1|}\, d

    Parameters
    ----------
    net
        The ensemble, as in ``q_star``.
    decades
        Powers of ten d, >= 0; broadcasts.

    Returns
    -------
    array
        Layers, infinite at criticality; broadcast shape.

    Notes
    -----
    Accuracy: that of ``xi_grad``.
    Assumes: infinite width. ``pass_limit`` gives the layer at which a number format gives out.

    Examples
    --------
    >>> from vgtheory import Dense, theory
    >>> round(float(theory.meanfield.decade_depth(Dense("sigmoid", sigma_w=1.0), decades=6)), 2)
    9.57
    """
    expect_not_negative("decade_depth", decades=decades)
    depth = xi_grad(net)
    xp = library(depth, decades)
    return 2 * float(np.log(10)) * xp.abs(depth) * xp.asarray(decades, depth.dtype)
