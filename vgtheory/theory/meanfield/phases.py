"""Everything a phase diagram shows, with each fixed point found once."""

from typing import Any, NamedTuple

import jax

from vgtheory.frame import frame_of
from vgtheory.networks.ensemble import Ensemble
from vgtheory.networks.noise import is_noisy
from vgtheory.theory.arguments import asked
from vgtheory.theory.arrays import library
from vgtheory.theory.meanfield.correlation import AtOne, at_one, log_inside
from vgtheory.theory.meanfield.correlation_limit import correlation_at, fixed_gap, gap_at, gap_with_noise, rates_at_gap
from vgtheory.theory.meanfield.depth_scales import log_chi_at, scale, scale_of
from vgtheory.theory.meanfield.fixed_points import chi_at, fixed_point, slope_at
from vgtheory.theory.meanfield.length import broadcast_scales
from vgtheory.theory.precision import in_float64, numbers


class PhaseDiagram(NamedTuple):
    """Fixed points and scales of a grid of networks, each of the broadcast shape of ``sigma_w`` and ``sigma_b``.

    Attributes
    ----------
    sigma_w, sigma_b
        The grid.
    q_star, chi_1, c_star, chi_c, xi_grad, xi_c, xi_q
        As the functions of these names.
    """

    sigma_w: Any
    sigma_b: Any
    q_star: Any
    chi_1: Any
    c_star: Any
    chi_c: Any
    xi_grad: Any
    xi_c: Any
    xi_q: Any

    @property
    def frame(self) -> Any:
        """A row for each network, as a ``pandas.DataFrame``."""
        return frame_of(self)


def _correlated(net: Ensemble, log_q: Any, sigma_w: Any, sigma_b: Any, at: AtOne) -> tuple[Any, Any, Any]:
    """Slope of the correlation map at its fixed point, its log, and half the log of 1 - c there."""
    if is_noisy(net):
        gap, log_q, at = gap_with_noise(net, log_q, sigma_b, at)
    elif isinstance(log_q, jax.core.Tracer):
        gap = fixed_gap(sigma_w, sigma_b, net.activation)
    else:
        gap = gap_at(log_q, at.log_slope, net.activation)
    return *rates_at_gap(gap, log_q, at, net.activation), gap


@asked(noise=True)
@in_float64
def phase_diagram(net: Ensemble) -> PhaseDiagram:
    """Fixed points, factors and scales of many networks at once.

    Parameters
    ----------
    net
        The ensemble; ``sigma_w`` and ``sigma_b`` of any broadcastable shapes.

    Returns
    -------
    PhaseDiagram
        Values of ``q_star``, ``chi_1``, ``c_star``, ``chi_c``, ``xi_grad``, ``xi_c`` and ``xi_q``, in a
        fraction of the functions' time.

    Raises
    ------
    ValueError
        If ``net`` is a ``FixedRecurrent``.

    Notes
    -----
    Accuracy: that of each function.
    Assumes: infinite width.

    Examples
    --------
    >>> import numpy as np
    >>> from vgtheory import Dense, theory
    >>> sigma_w, sigma_b = np.meshgrid(np.linspace(0.5, 3, 6), np.linspace(0, 1, 5))
    >>> diagram = theory.phase_diagram(Dense("tanh", sigma_w, sigma_b))
    >>> diagram.xi_c.shape, bool(((diagram.c_star < 1) == (diagram.chi_1 > 1)).all())
    ((5, 6), True)
    """
    sigma_w, sigma_b = broadcast_scales(net)
    q = fixed_point(sigma_w, sigma_b, net.activation)
    log_q = log_inside(q)
    at = at_one(log_q, sigma_w, sigma_b, net.activation)
    chi_c, log_chi_c, gap = _correlated(net, log_q, sigma_w, sigma_b, at)
    chi, log_chi = chi_at(q, sigma_w, net.activation), log_chi_at(q, sigma_w, sigma_b, at, net.activation)
    xi_q = scale(slope_at(q, sigma_w, sigma_b, net.activation))
    given = library(q).broadcast_arrays(*numbers(net.activation, net.sigma_w, net.sigma_b, most=None))
    return PhaseDiagram(
        given[0], given[1], q, chi, correlation_at(gap), chi_c, scale_of(log_chi), scale_of(log_chi_c), xi_q
    )
