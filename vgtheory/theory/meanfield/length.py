"""Infinite width: the length map, its fixed points, and the gradient's factor per layer."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from vgtheory.activation import Activation
from vgtheory.expect import expect
from vgtheory.networks.ensemble import Ensemble
from vgtheory.theory.arguments import asked
from vgtheory.theory.arrays import library
from vgtheory.theory.integrals import gaussian
from vgtheory.theory.integrals.moments_1d import curves, squares_in_numpy, value_and_slope
from vgtheory.theory.integrals.squares import log_resolved
from vgtheory.theory.meanfield.every_point import FixedPoints, every_points
from vgtheory.theory.meanfield.fixed_points import chi_at, fixed_point, growth_and_slope, log_within
from vgtheory.theory.precision import in_float64, scales


def broadcast_scales(net: Ensemble) -> tuple[Any, Any]:
    """``sigma_w`` and ``sigma_b`` of one shape, as arrays of the library that is to compute.

    Parameters
    ----------
    net
        The ensemble.
    """
    values = scales(net)
    sigma_w, sigma_b = library(*values).broadcast_arrays(*values)
    return sigma_w, sigma_b


def _mean_square(q: Array, activation: Activation, slope: bool) -> Array:
    """E[phi^2], or E[phi'^2], at one q."""
    q = gaussian.settled(q, activation)
    function = activation.dphi if slope else activation.phi
    return gaussian.mean(lambda z: function(jnp.sqrt(q) * z) ** 2, q, activation.kinks)


@functools.partial(jax.jit, static_argnames=("activation", "slope"))
def _mean_squares(q: Array, activation: Activation, slope: bool = False) -> Array:
    """The same for any shape of q."""
    flat = lax.map(lambda each: _mean_square(each, activation, slope), q.ravel(), batch_size=256)
    return flat.reshape(q.shape)


def _q_map(q: Any, sigma_w: Any, sigma_b: Any, activation: Activation) -> Any:
    if library(q) is np:
        return sigma_w**2 * squares_in_numpy(q, activation)[0] + sigma_b**2
    if log_resolved(activation) == np.inf:
        return sigma_w**2 * _mean_squares(q, activation) + sigma_b**2
    log_f, _ = value_and_slope(curves(activation).log_f, jnp.log(jnp.maximum(q, jnp.finfo(q.dtype).tiny)))
    return sigma_w**2 * jnp.exp(log_f) + sigma_b**2


@asked()
@in_float64
def q_map(q: Any, net: Ensemble) -> Any:
    r"""Mean square pre-activation of the next layer.

    .. math:: q \mapsto \sigma_w^2\, E[\phi(\sqrt{q} z)^2] + \sigma_b^2

    Parameters
    ----------
    q
        Mean square of ``h`` in this layer, any shape, >= 0.
    net
        The ensemble; ``sigma_w`` and ``sigma_b`` broadcast against ``q``.

    Returns
    -------
    array
        Mean square of ``h`` in the next layer; broadcast shape.

    Raises
    ------
    ValueError
        If ``q`` is a negative number or ``net`` is a ``FixedRecurrent``.

    Notes
    -----
    Accuracy: 1e-13 relative in float64 (see ``gaussian.mean``).
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


@asked()
@in_float64
def q_star(net: Ensemble) -> Any:
    r"""Fixed point of the length map that inputs of unit mean square run to.

    .. math:: q^* = \sigma_w^2\, E[\phi(\sqrt{q^*} z)^2] + \sigma_b^2

    From the first layer's :math:`\sigma_w^2 + \sigma_b^2` it is the first root in the direction in which the map moves it:
    bracketed on a lattice of ln q, then found by Newton's method inside the bracket. The map is never iterated.

    Parameters
    ----------
    net
        The ensemble; ``sigma_w`` and ``sigma_b`` of any broadcastable shapes (a million networks take some seconds).

    Returns
    -------
    array
        Mean square of ``h`` at depth; 0 if it shrinks without end, inf if it grows without end; broadcast shape of
        ``sigma_w`` and ``sigma_b``. Differentiable (implicit function theorem) where it is finite and positive; where the
        map's slope is 1 there is no derivative, and it is taken as 0.

    Raises
    ------
    ValueError
        If ``net`` is a ``FixedRecurrent``.

    Notes
    -----
    Accuracy: 1e-12 relative divided by the distance of the map's slope from 1, for q from 1e-95 to 1e95 (1e-9 for an activation
    that ripples however large ``h``); NaN where q is held outside this range, or its integrals cannot be resolved.
    Assumes: infinite width; a map that increases with ``q`` (of the table's all but ``sin`` and ``gaussian``). Other basins:
    ``q_stars``.

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


@asked()
@in_float64
def q_stars(net: Ensemble) -> FixedPoints:
    r"""Every fixed point of the length map, with its slope and stability.

    Parameters
    ----------
    net
        The ensemble; ``sigma_w`` and ``sigma_b`` of any broadcastable shapes.

    Returns
    -------
    FixedPoints
        Fields of shape ``(..., 8)``, the first axes those of ``sigma_w`` and ``sigma_b``, ascending in q and filled up with
        NaN. A homogeneous map at its critical scale (``relu`` at sqrt 2 without biases) leaves every q where it is: only 0
        is then listed.

    Raises
    ------
    ValueError
        If ``net`` is a ``FixedRecurrent``.

    Notes
    -----
    Accuracy: as ``q_star``; two fixed points closer together than a factor of 1.13 (outside [1e-12, 1e12] than a twentieth of
    ln q) count as none.
    Assumes: infinite width.

    Examples
    --------
    GELU and SiLU with the gain of tanh have two basins, and which one an input runs to depends on its size:

    >>> from vgtheory import Dense, theory
    >>> points = theory.meanfield.q_stars(Dense("gelu", sigma_w=5 / 3, sigma_b=0.0))
    >>> [round(float(q), 4) for q in points.q[:3]], points.is_stable[:3].tolist()
    ([0.0, 0.3773, inf], [True, False, True])
    """
    sigma_w, sigma_b = broadcast_scales(net)
    return every_points(sigma_w, sigma_b, curves(net.activation))


@asked()
@in_float64
def chi_1(net: Ensemble) -> Any:
    r"""Factor per layer of the mean squared gradient at the fixed point.

    .. math:: \chi_1 = \sigma_w^2\, E[\phi'(\sqrt{q^*} z)^2]

    Parameters
    ----------
    net
        The ensemble; ``sigma_w`` and ``sigma_b`` of any broadcastable shapes.

    Returns
    -------
    array
        Per layer, of the *squared* norm; below 1 gradients vanish, above 1 they explode; broadcast shape.

    Raises
    ------
    ValueError
        If ``net`` is a ``FixedRecurrent``.

    Notes
    -----
    Accuracy: 1e-12 relative (away from a marginal ``q_star``). Where ``q_star`` is 0 or infinite it is the limit there.
    Assumes: infinite width, a cotangent independent of the weights; for a ``Recurrent`` net, that using the same weights
    at every step does not matter, which is an approximation.

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


@asked()
@in_float64
def q_slope(net: Ensemble) -> Any:
    r"""Slope of the length map at its fixed point: what a small departure from ``q_star`` is multiplied by in each layer.

    .. math:: \frac{dq'}{dq} = \frac{\sigma_w^2}{2 q^*}\, E[\phi(\sqrt{q^*} z)^2 (z^2 - 1)]

    Parameters
    ----------
    net
        The ensemble; ``sigma_w`` and ``sigma_b`` of any broadcastable shapes.

    Returns
    -------
    array
        Per layer; broadcast shape. At ``q_star`` 0 or inf its limit there.

    Raises
    ------
    ValueError
        If ``net`` is a ``FixedRecurrent``.

    Notes
    -----
    Accuracy: 1e-10.
    Assumes: infinite width. Written so, and not through phi'', it holds for functions with kinks.

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
    q = fixed_point(sigma_w, sigma_b, net.activation)
    growth, slope = growth_and_slope(log_within(q), sigma_w, sigma_b, curves(net.activation))
    return (1 + growth) * slope
