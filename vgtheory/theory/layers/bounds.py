"""Textbook bounds on the gradient: largest slope of the activation times norms of the weights."""

import jax
import jax.numpy as jnp
import numpy as np

from vgtheory.activation import Activation, Pointwise, as_activation
from vgtheory.expect import expect, expect_count, expect_one_of
from vgtheory.networks.ensemble import Ensemble, expect_matrices
from vgtheory.theory.arguments import asked
from vgtheory.theory.arrays import library
from vgtheory.theory.meanfield.fixed_points import chi_at
from vgtheory.theory.meanfield.length import q_star
from vgtheory.theory.precision import Values, in_float64, numbers
from vgtheory.weights import expect_light_tails

_GRID = np.sinh(np.linspace(-12, 12, 200_001))
NORMS = ("spectral", "frobenius")


@asked()
def sup_dphi(activation: str | Activation | Pointwise) -> float:
    r"""Largest slope of an activation.

    .. math:: \sup_h |\phi'(h)|

    Parameters
    ----------
    activation
        A name, an ``Activation``, or an elementwise JAX function.

    Returns
    -------
    float
        The declared value, or else the largest of 200,001 points with |h| < 8e4, refined about that
        point; inf if a slope is not finite.

    Notes
    -----
    Accuracy: declared values 1e-15. Searched values 1e-9 for slopes that vary on scales above 1e-4,
    and 1e-7 where the largest is at a jump.
    Assumes: the supremum lies within |h| < 8e4. An unbounded slope, such as that of h^2, is
    reported there.

    Examples
    --------
    >>> from vgtheory import theory
    >>> theory.layers.sup_dphi("sigmoid")
    0.25
    """
    resolved = as_activation(activation)
    return resolved.sup_dphi if resolved.sup_dphi is not None else _searched(resolved)


def _searched(activation: Activation) -> float:
    """Supremum of |dphi| on the grid, refined about its largest point."""
    dphi = activation.dphi
    with jax.enable_x64(True):
        size = np.abs(np.asarray(dphi(jnp.asarray(_GRID))))
        if not np.all(np.isfinite(size)):
            return float("inf")
        index = int(np.argmax(size))
        near = np.linspace(_GRID[max(index - 1, 0)], _GRID[min(index + 1, _GRID.size - 1)], 10_001)
        return float(np.max(np.abs(np.asarray(dphi(jnp.asarray(near))))))


def _norm_over_sigma_w(where: str, net: Ensemble, norm: str, width: int | None) -> float:
    """Norm of a layer's weights over ``sigma_w``."""
    expect_matrices(where, net)
    expect_one_of(NORMS, where, norm=norm)
    if norm == "frobenius":
        expect(width is not None, where, "a width", "The Frobenius norm grows with it.", width=width)
        expect_count(where, width=width)
    else:
        expect_light_tails(where, net)
    gain = 1.0 if net.weights == "orthogonal" else 2.0
    return gain if norm == "spectral" else float(width or 1) ** 0.5


@asked()
@in_float64
def log_bound_layers(net: Ensemble, *, depth: int, width: int | None = None, norm: str = "spectral") -> Values:
    r"""Log of the textbook bound on the gradient's norm at every layer, relative to the top.

    .. math:: \ln \prod_{k=l+1}^{L} \sup|\phi'| \, \|W_k\|

    Parameters
    ----------
    net
        The ensemble; only ``sigma_w``, the activation and the kind of weights matter.
    depth
        Number of layers L, >= 1.
    width
        Number of units N; required for the Frobenius norm.
    norm
        ``"spectral"`` is the norm at infinite width: ``2 sigma_w`` for independent weights of
        finite fourth moment, ``sigma_w`` for orthogonal ones. ``"frobenius"`` is
        ``sigma_w * sqrt(N)``.

    Returns
    -------
    array
        Natural log, shape ``(depth,)``; the last entry is 0.

    Notes
    -----
    Accuracy: the spectral norm of an N x N matrix of independent entries lies O(N^(-2/3)) below
    ``2 sigma_w``. Its Frobenius norm has relative spread 1/(sqrt(2) N).
    Assumes: nothing of the activation but its largest slope, which is why the bound is loose.

    Examples
    --------
    >>> from vgtheory import Dense, theory
    >>> theory.layers.log_bound_layers(Dense("sigmoid", sigma_w=1.0), depth=3).round(4).tolist()
    [-1.3863, -0.6931, 0.0]
    """
    size = _norm_over_sigma_w("log_bound_layers", net, norm, width)
    sigma_w, num_factors = numbers(net.activation, net.sigma_w, np.arange(depth - 1, -1, -1))
    xp = library(sigma_w)
    rate = xp.log(sigma_w) + float(np.log(size * sup_dphi(net.activation)))
    return xp.where(num_factors > 0, rate * num_factors, 0.0)


@asked()
@in_float64
def bound_excess(net: Ensemble, *, width: int | None = None, norm: str = "spectral") -> Values:
    r"""Log per layer by which the textbook bound on the gradient exceeds its mean-field rate.

    .. math:: \ln\left(\sup|\phi'| \, \|W\|\right) - \tfrac12 \ln \chi_1
        = \ln \frac{\|W\|}{\sigma_w} + \ln \frac{\sup|\phi'|}{\sqrt{E[\phi'(\sqrt{q^*} z)^2]}}

    The first term compares the most stretched direction with a random one, the second the steepest
    slope with the root mean square. The bound is loose by these terms in every layer, hence
    exponentially in the depth.

    Parameters
    ----------
    net
        The ensemble; ``sigma_w`` and ``sigma_b`` of any broadcastable shapes.
    width, norm
        As in ``log_bound_layers``.

    Returns
    -------
    array
        Natural log per layer, >= 0 but for rounding; broadcast shape. It is inf for an unbounded
        slope, for which there is no bound.

    Notes
    -----
    Accuracy: that of ``chi_1`` and ``sup_dphi``.
    Assumes: infinite width, a cotangent independent of the weights.

    Examples
    --------
    >>> from vgtheory import Dense, theory
    >>> round(float(theory.layers.bound_excess(Dense("linear", sigma_w=1.0))), 6)  # ln 2
    0.693147
    """
    size = _norm_over_sigma_w("bound_excess", net, norm, width)
    q = q_star(net)
    xp = library(q)
    log_slopes = xp.log(chi_at(q, xp.ones_like(q), net.activation)) / 2
    largest = sup_dphi(net.activation)
    return xp.full_like(q, np.inf) if np.isinf(largest) else float(np.log(size * largest)) - log_slopes
