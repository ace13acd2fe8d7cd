"""Infinite width: the length map, its fixed points, and the squared-gradient growth factor."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from vgtheory.activation import Activation
from vgtheory.activations.units import Unit
from vgtheory.expect import Numbers, expect
from vgtheory.networks.ensemble import Ensemble
from vgtheory.theory.arguments import asked
from vgtheory.theory.arrays import library
from vgtheory.theory.integrals import gaussian
from vgtheory.theory.integrals.moments_1d import curves, squares_in_numpy, value_and_slope
from vgtheory.theory.integrals.squares import log_resolved
from vgtheory.theory.meanfield.every_point import FixedPoints, every_points
from vgtheory.theory.meanfield.fixed_points import chi_at, fixed_point, slope_at
from vgtheory.theory.precision import FEW, Values, in_float64, scales


def broadcast_scales(net: Ensemble, most: int | None = None) -> tuple[Values, Values]:
    """``sigma_w`` and ``sigma_b`` of one shape, as arrays of the library that is to compute."""
    values = scales(net, most=most)
    sigma_w, sigma_b = library(*values).broadcast_arrays(*values)
    return sigma_w, sigma_b


def _mean_square(q: Array, activation: Activation, slope: bool) -> Array:
    """E[phi^2], or E[phi'^2], at one q."""
    q = gaussian.settled(q, activation)
    function = activation.dphi if slope else activation.phi
    return gaussian.mean(lambda z: function(jnp.sqrt(q) * z) ** 2, q, activation.kinks)


@functools.partial(jax.jit, static_argnames=("activation", "slope"))
def _mean_squares(q: Array, activation: Activation, slope: bool = False) -> Array:
    """``_mean_square`` at every q of an array."""
    flat = lax.map(lambda each: _mean_square(each, activation, slope), q.ravel(), batch_size=256)
    return flat.reshape(q.shape)


def _q_map(q: Any, sigma_w: Any, sigma_b: Any, activation: Activation | Unit) -> Any:
    if library(q) is np and not isinstance(activation, Unit):
        return sigma_w**2 * squares_in_numpy(q, activation)[0] + sigma_b**2
    if log_resolved(activation) == np.inf and not isinstance(activation, Unit):
        return sigma_w**2 * _mean_squares(q, activation) + sigma_b**2
    xp = library(q)
    log_f, _ = value_and_slope(curves(activation).log_f, xp.log(xp.maximum(q, xp.finfo(q.dtype).tiny)))
    return sigma_w**2 * xp.exp(log_f) + sigma_b**2


@asked(noise=True, unit=True)
@in_float64
def q_map(q: Numbers, net: Ensemble) -> Values:
    r"""Length map: mean square of the next layer's pre-activations.

    .. math:: q \mapsto \sigma_w^2\, E[\phi(\sqrt{q} z)^2] + \sigma_b^2

    Parameters
    ----------
    q
        Mean square of ``h`` in this layer, any shape, >= 0.
    net
        The ensemble, as in ``q_star``; ``sigma_w`` and ``sigma_b`` broadcast against ``q``.

    Returns
    -------
    array
        Mean square of ``h`` in the next layer; broadcast shape.

    Notes
    -----
    Accuracy: 1e-13 relative in float64.
    Assumes: infinite width.

    References
    ----------
    Poole et al. (2016), arXiv:1606.05340.

    Examples
    --------
    >>> from vgtheory import Dense, theory
    >>> round(float(theory.q_map(3.0, Dense("relu", sigma_w=2**0.5))), 12)
    3.0
    """
    expect(isinstance(q, jax.Array) or bool(np.all(np.asarray(q) >= 0)), "q_map", "q >= 0", q=q)
    sigma_w, sigma_b, q = scales(net, q)
    return _q_map(q, sigma_w, sigma_b, net.activation)


@asked(noise=True, unit=True)
@in_float64
def q_star(net: Ensemble) -> Values:
    r"""Fixed point of the length map that inputs of unit mean square converge to, q*.

    .. math:: q^* = \sigma_w^2\, E[\phi(\sqrt{q^*} z)^2] + \sigma_b^2

    The first layer has :math:`q = \sigma_w^2 + \sigma_b^2`. The fixed point is the first root from
    there in the direction in which the map moves q. A lattice of ln q brackets the root, and
    Newton's method finds it inside the bracket. The map is never iterated.

    Parameters
    ----------
    net
        A ``Dense``, ``Conv`` or ``Recurrent`` ensemble; the ``Dense`` may consist of gated units, maxout
        or random slopes. ``sigma_w`` and ``sigma_b`` may be arrays
        whose shapes broadcast, one network for each entry; a million networks take some seconds.

    Returns
    -------
    array
        Mean square of ``h`` at depth, of the broadcast shape of the scales; 0 if q shrinks without
        end, inf if it grows without end. The derivative is that of the implicit function theorem.
        It is taken as 0 where ``q_star`` is 0 or infinite, or the map's slope is 1.

    Notes
    -----
    Accuracy:

    - 1e-12 relative, over the distance of the map's slope from 1, for q from 1e-95 to 1e95.
    - 1e-9 for an activation that ripples at every size of ``h``.
    - NaN where q is held outside that range, or its integrals cannot be resolved.

    Assumes: infinite width; a map that increases with ``q``, as for all tabled activations but
    ``sin`` and ``gaussian``. ``q_stars`` lists the fixed points that other inputs converge to.

    A gated unit multiplies the length map of its gate by q: the upper fixed point is unstable, and
    inputs leave it to either side. Without biases chi exceeds 1 at every fixed point above 0.

    References
    ----------
    Poole et al. (2016), arXiv:1606.05340.

    Examples
    --------
    >>> from vgtheory import Dense, theory
    >>> round(float(theory.q_star(Dense("tanh", sigma_w=1.5, sigma_b=0.3))), 6)
    0.960844
    """
    return fixed_point(*broadcast_scales(net), net.activation)


@asked(noise=True, unit=True)
@in_float64
def q_stars(net: Ensemble) -> FixedPoints:
    """Every fixed point of the length map, with its slope and stability.

    Parameters
    ----------
    net
        The ensemble, as in ``q_star``.

    Returns
    -------
    FixedPoints
        Fields of shape ``(..., 8)``: the shape of the scales, then the fixed points in ascending
        order, filled up with NaN. A homogeneous map at its critical scale, such as ``relu`` at sqrt
        2 without biases, leaves every q unchanged. Only 0 is then listed.

    Notes
    -----
    Accuracy: as ``q_star``. A pair of fixed points is missed if they are closer than a factor of
    1.13 in q, or, outside [1e-12, 1e12], closer than 5 % in ln q.
    Assumes: infinite width.

    Examples
    --------
    GELU with the gain of tanh has two basins. The size of an input decides which fixed point it
    converges to:

    >>> from vgtheory import Dense, theory
    >>> points = theory.meanfield.q_stars(Dense("gelu", sigma_w=5 / 3, sigma_b=0.0))
    >>> [round(float(q), 4) for q in points.q[:3]], points.is_stable[:3].tolist()
    ([0.0, 0.3773, inf], [True, False, True])
    """
    sigma_w, sigma_b = broadcast_scales(net, FEW)
    return every_points(sigma_w, sigma_b, curves(net.activation))


@asked(noise=True, unit=True)
@in_float64
def chi_1(net: Ensemble) -> Values:
    r"""Squared-gradient growth factor per layer, chi_1, at the fixed point of the length map.

    .. math:: \chi_1 = \sigma_w^2\, E[\phi'(\sqrt{q^*} z)^2]

    Parameters
    ----------
    net
        The ensemble, as in ``q_star``.

    Returns
    -------
    array
        Factor per layer of the mean *squared* norm; broadcast shape. Gradients vanish where it is
        below 1 and explode where it is above 1. Where ``q_star`` is 0 or infinite, it is the limit
        there.

    Notes
    -----
    Accuracy: 1e-12 relative, away from a marginal ``q_star``.
    Assumes: infinite width and a cotangent independent of the weights. For a ``Recurrent`` net,
    chi_1 neglects that every step uses the same weights, which is an approximation.

    References
    ----------
    Poole et al. (2016), arXiv:1606.05340; Schoenholz et al. (2017), arXiv:1611.01232.

    Examples
    --------
    >>> from vgtheory import Dense, theory
    >>> round(float(theory.chi_1(Dense("relu", sigma_w=2**0.5))), 12)
    1.0
    """
    sigma_w, sigma_b = broadcast_scales(net)
    return chi_at(fixed_point(sigma_w, sigma_b, net.activation), sigma_w, net.activation)


@asked(noise=True, unit=True)
@in_float64
def q_slope(net: Ensemble) -> Values:
    r"""Slope of the length map at its fixed point: factor per layer of a small deviation from q*.

    .. math:: \frac{dq'}{dq} = \frac{\sigma_w^2}{2 q^*}\, E[\phi(\sqrt{q^*} z)^2 (z^2 - 1)]

    This form, unlike the one with phi'', also holds for functions with kinks.

    Parameters
    ----------
    net
        The ensemble, as in ``q_star``.

    Returns
    -------
    array
        Slope per layer; broadcast shape. Where ``q_star`` is 0 or infinite, it is the limit there.

    Notes
    -----
    Accuracy: 1e-10.
    Assumes: infinite width.

    References
    ----------
    Schoenholz et al. (2017), arXiv:1611.01232, eq. 9 (for smooth functions).

    Examples
    --------
    >>> from vgtheory import Dense, theory
    >>> round(float(theory.meanfield.q_slope(Dense("erf", sigma_w=1.5, sigma_b=0.3))), 4)
    0.3437
    """
    sigma_w, sigma_b = broadcast_scales(net)
    return slope_at(fixed_point(sigma_w, sigma_b, net.activation), sigma_w, sigma_b, net.activation)
