r"""Two inputs with independent noise: how it shifts the correlation map and its fixed point.

Let a network without noise have the scales that one input sees (``lone_scales``), the map C of the
correlation and the image q'. With factors of mean square ``1 + v`` and added noise of variance
``sigma^2``, which the overlap of two inputs does not contain,

.. math:: 1 - c' = \delta + \frac{1 - C(c)}{1 + v}, \qquad
    \delta = \frac{v}{1 + v} \omega + \frac{\sigma^2}{q'}

where omega is the share of the weights in q'. The map is convex on [0, 1], and ``1 - delta`` at
c = 1. It therefore has one fixed point on [0, 1), whatever the scales.

==========  =======================================================  ==============
symbol      meaning                                                  shape
==========  =======================================================  ==============
``gap``     half of ln(1 - c)                                        any
``lost``    delta                                                    as ``gap``
``kept``    slope of the map without noise at c = 1, over 1 + v      as ``gap``
==========  =======================================================  ==============
"""

from typing import Any

import jax
import numpy as np

from vgtheory.activation import Activation
from vgtheory.networks.noise import factor_square
from vgtheory.theory.arrays import library, still
from vgtheory.theory.integrals import gaussian, moments_2d, shipped_2d
from vgtheory.theory.roots import root

_LOWEST = -17.0
"""Half the log of the smallest 1 - c that counts as different from 0."""


def lost_share(net: Any, share: Any, sigma_b: Any) -> Any:
    """Share delta of an image that two inputs do not have in common.

    Parameters
    ----------
    net
        The network with noise.
    share
        Share of the weights in the image.
    sigma_b
        Scale of biases and added noise together, > 0 where there is noise.
    """
    added = net.sigma_noise**2 / sigma_b**2 if net.sigma_noise > 0 else 0.0
    return share * (1 - 1 / factor_square(net)) + (1 - share) * added


def _excess(gap: Any, log_kept: Any, lost: Any, pair: tuple[Any, Any]) -> tuple[Any, Any]:
    """Image of 1 - c over 1 - c, less 1; and its derivative by half the log of 1 - c."""
    xp = library(gap, log_kept)
    no_split, no_turn = pair
    kept, new = xp.exp(log_kept), lost * xp.exp(-2 * gap)
    return new + xp.expm1(log_kept) - kept * no_split, 2 * kept * (no_split - no_turn) - 2 * new


def _gap(log_q: Any, log_kept: Any, lost: Any, read: Any) -> Any:
    """Half of ln(1 - c_star) for values that have no derivative."""
    xp = library(log_q, log_kept)

    def at(gap: Any) -> tuple[Any, Any]:
        excess, slope = _excess(gap, log_kept, lost, read(log_q, gap))
        return excess, xp.log1p(excess) * (1 + excess) / slope

    low = xp.clip(xp.log(xp.where(lost > 0, lost, 1e-300)) / 2, _LOWEST, 0.0)
    found = root(at, low, xp.zeros_like(low), low / 2, sign=1.0, close=16.0)
    return xp.where(xp.isnan(read(log_q, found)[0]), xp.nan, found)


_program = jax.jit(_gap)


def _gap_of_known(log_q: np.ndarray, log_kept: np.ndarray, lost: np.ndarray, activation: Activation) -> np.ndarray:
    """``_gap`` of plain numbers, arrays of one axis."""
    if not moments_2d.is_shipped(log_q, activation):
        with jax.enable_x64(True):
            given = [jax.numpy.asarray(each) for each in (log_q, log_kept, lost)]
            return np.asarray(_program(*given, moments_2d.ahead(given[0], activation)))
    found = np.empty_like(log_q)
    for same in shipped_2d.alike(gaussian.settled_log(log_q, activation), activation):
        read = moments_2d.ahead(log_q[same], activation)
        found[same] = _gap(log_q[same], log_kept[same], lost[same], read)
    return found


def noisy_gap(log_q: Any, log_kept: Any, lost: Any, activation: Activation) -> Any:
    """Half of ln(1 - c_star) of a network with noise.

    Parameters
    ----------
    log_q
        ln of ``q_star``, any shape.
    log_kept
        ln of the slope at c = 1 of the map with noise, same shape.
    lost
        Delta, same shape.
    activation
        The nonlinearity.
    """
    if not isinstance(log_q, jax.core.Tracer):
        log_q_0, log_kept_0, lost_0 = (np.asarray(each, float).ravel() for each in (log_q, log_kept, lost))
        found = _gap_of_known(log_q_0, log_kept_0, lost_0, activation).reshape(log_q.shape)
        return library(log_q).asarray(found, log_q.dtype)
    fixed = still((log_q, log_kept, lost))
    read = moments_2d.ahead(log_q, activation)
    gap = _program(*fixed, moments_2d.ahead(fixed[0], activation))
    excess, slope = _excess(gap, log_kept, lost, read(log_q, gap))
    return gap - (excess - still(excess)) / still(slope)
