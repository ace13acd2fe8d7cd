r"""Second moments of a unit's state and of its derivative, for stationary inputs of any spectrum.

For :math:`h_t = \lambda h_{t-1} + x_t` with correlations r_j of the input at distance j, and
:math:`s = \partial h / \partial \lambda`, which obeys :math:`s_t = \lambda s_{t-1} + h_{t-1}`,

.. math:: \rho(\lambda) = \sum_{j \ge 1} r_j \lambda^j, \qquad u = |\lambda|^2, \qquad R = 1 + 2 \Re \rho, \\
    E|h|^2 = \frac{R}{1 - u}, \qquad
    E|s|^2 = \frac{(1 + u) R}{(1 - u)^3} + \frac{2 \Re [\lambda \rho']}{(1 - u)^2}, \qquad
    E[s \bar h] = \frac{\bar\lambda R}{(1 - u)^2} + \frac{\rho'}{1 - u}

The sums over the powers of lambda, :math:`h_t = \sum_n \lambda^n x_{t-n}` and
:math:`s_t = \sum_n n \lambda^{n-1} x_{t-n}`, give all three.

==========  ==========================================  ============
symbol      meaning                                     shape
==========  ==========================================  ============
``rho``     rho(lambda)                                 (nodes,)
``slope``   rho'(lambda)                                (nodes,)
``gap``     1 - |lambda|^2                              (nodes,)
==========  ==========================================  ============
"""

from typing import Any, NamedTuple

import numpy as np

from vgtheory.networks.linear_recurrence import LinearRecurrence
from vgtheory.theory.arrays import library
from vgtheory.theory.linear.units import Units


class Moments(NamedTuple):
    """Stationary moments of a unit with b = 1; infinite where |lambda| >= 1. Shape ``(nodes,)``.

    Attributes
    ----------
    log_state
        ln E|h|^2.
    log_slope
        ln E|s|^2, s being the derivative of h by the eigenvalue.
    cross
        E[s conj(h)] / sqrt(E|s|^2 E|h|^2), complex.
    """

    log_state: Any
    log_slope: Any
    cross: Any


def sums(correlation: Any, eigenvalues: Any) -> tuple[Any, Any]:
    """rho(lambda) and its derivative: geometric for one number, a polynomial for a list."""
    if correlation.ndim == 0:
        below = 1 - correlation * eigenvalues
        return correlation * eigenvalues / below, correlation / below**2
    xp = library(correlation, eigenvalues)
    if xp is np:
        series = np.polynomial.Polynomial([0.0, *correlation])
        return series(eigenvalues), series.deriv()(eigenvalues)
    falling = correlation[::-1]
    slopes = falling * np.arange(falling.size, 0, -1)
    return xp.polyval(falling, eigenvalues) * eigenvalues, xp.polyval(slopes, eigenvalues)


def moments(net: LinearRecurrence, units: Units) -> Moments:
    """Stationary moments of every unit."""
    xp, eigenvalues = library(net), units.eigenvalues
    with np.errstate(all="ignore"):
        rho, slope = sums(xp.asarray(net.correlation), eigenvalues)
        gap = -xp.expm1(2 * units.log_abs)
        log_gap = xp.log(gap)
        whole = 1 + 2 * rho.real
        log_state = xp.log(whole) - log_gap
        square = (2 - gap) * whole + 2 * gap * (eigenvalues * slope).real
        log_slope = xp.log(square) - 3 * log_gap
        cross = (eigenvalues.conj() * whole + gap * slope) / xp.sqrt(square * whole)
    outside = ~(gap > 0)
    infinite = lambda logs: xp.where(outside, np.inf, logs)
    return Moments(infinite(log_state), infinite(log_slope), cross)


__all__ = ["Moments", "moments", "sums"]
