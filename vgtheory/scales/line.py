r"""Points on the critical line: the scales at which a layer keeps both the signal and the gradient.

A layer of kernels whose columns sum to zero (``centred``) does not see the mean of ``phi(h)``. It
is critical for

.. math:: \sigma_w^2 = \frac{1}{E[\phi'^2]}, \qquad
    \sigma_b^2 = q - \frac{\mathrm{Var}\,\phi}{E[\phi'^2]}

The second is never negative (Poincaré's inequality), so that every activation has such a point.
"""

import functools
from typing import Any, NamedTuple

import jax
import numpy as np

from vgtheory.activation import Activation, as_activation, both_in_numpy, is_tabled
from vgtheory.expect import expect, expect_flag, expect_scalars, expect_scale
from vgtheory.theory import critical
from vgtheory.theory.integrals import gaussian

_LEAST_Q = 0.1
"""Below this mean square of ``h`` an activation is almost straight."""
_MOST_SLOPE = 0.99
"""Slope of the length map at which the signal still returns to its fixed point in some hundred layers."""
_CENTRED_SLOPE = 0.97
"""The same for centred kernels, which have a choice."""
_LARGEST_SIGMA_B = 4.0
_SIGMA_B = np.unique(np.round(np.append(0.0, np.geomspace(0.01, _LARGEST_SIGMA_B, 300)), 3))
_Q = np.geomspace(_LEAST_Q, 100.0, 200)
_SAME = 1e-9


class Point(NamedTuple):
    """A critical initialisation.

    Attributes
    ----------
    activation
        The nonlinearity.
    sigma_w, sigma_b
        Scales of weights and biases.
    q_star
        Mean square of ``h`` that the signal keeps.
    centred
        Whether each unit's weights sum to zero.
    """

    activation: Activation
    sigma_w: float
    sigma_b: float
    q_star: float
    centred: bool


def _plain(activation: Activation, sigma_b: np.ndarray, wanted: bool) -> Point | None:
    """The stable point of the first ``sigma_b`` that has one; ``wanted`` takes any stable point."""
    found = critical(activation, sigma_b=sigma_b, size=6)
    settles = (found.slope <= _MOST_SLOPE) & (found.q_star >= _LEAST_Q)
    keeps_any = (sigma_b == 0)[:, None] & (found.q_star > 0) & (np.abs(found.slope - 1) < _SAME)
    good = np.argwhere(found.is_stable & (settles | keeps_any | wanted))
    if not len(good):
        return None
    at = tuple(good[0])
    return Point(activation, float(found.sigma_w[at]), float(sigma_b[at[0]]), float(found.q_star[at]), False)


def _moments(activation: Activation, q: np.ndarray, zero_sum: bool) -> tuple[np.ndarray, np.ndarray]:
    """Mean square of what a layer sees of phi (its variance, with centred kernels), and of phi', for each q."""
    rules = [gaussian.nodes(np.asarray(each), np.asarray(activation.kinks, float)) for each in q]
    h, weights = np.sqrt(q)[:, None] * np.stack([z for z, _ in rules]), np.stack([each for _, each in rules])
    with jax.enable_x64(True):
        both = both_in_numpy(activation, h) if is_tabled(activation) else (activation.phi(h), activation.dphi(h))
        phi, dphi = (np.asarray(each, float) for each in both)
    average = lambda values: np.sum(np.where(weights > 0, values, 0.0) * weights, axis=1)
    return average((phi - zero_sum * average(phi)[:, None]) ** 2), average(dphi**2)


def _centred(activation: Activation) -> Point | None:
    """The stable point of least ``sigma_b`` with centred kernels."""
    variance, square = _moments(activation, _Q, True)
    slope = np.gradient(variance, _Q) / square
    keeps_any = np.all(np.abs(slope - 1) < _SAME)
    good = np.flatnonzero((slope <= _CENTRED_SLOPE) & (square > 0) | keeps_any)
    if not len(good):
        return None
    at = good[0]
    sigma_b = np.sqrt(max(_Q[at] - variance[at] / square[at], 0.0))
    return Point(activation, float(square[at] ** -0.5), float(sigma_b), float(_Q[at]), True)


@functools.lru_cache(maxsize=64)
def _default(activation: Activation, centred: bool) -> Point | None:
    return _centred(activation) if centred else _plain(activation, _SIGMA_B, wanted=False)


def _remedy(activation: Activation, sigma_b: Any) -> str:
    """What to do where there is no critical scale."""
    default, centred = _default(activation, False), _default(activation, True)
    if default is not None and sigma_b is not None:
        return f"sigma_b={default.sigma_b:.3g} has sigma_w={default.sigma_w:.4g}."
    why = "" if default else "At the scale that keeps its gradient, its signal does not settle. "
    if centred is None:
        return f"{why}Use another activation, or a skip connection."
    words = "centred=True (columns of the kernel sum to zero, as if a bias took off the mean of phi)"
    return f"{why}{words} makes sigma_w={centred.sigma_w:.4g} critical."


def point(where: str, activation: Any, sigma_b: float | None = None, centred: bool = False) -> Point:
    """The critical point to initialise at.

    Parameters
    ----------
    where
        Name of the public function, for error messages.
    activation
        As for ``theory.critical``.
    sigma_b
        Standard deviation of the biases; None for the smallest with a fixed point that is stable
        and not almost 0.
    centred
        Whether each unit's weights sum to zero.

    Raises
    ------
    ValueError
        If there is none; the message says what makes one.
    """
    expect_flag(where, centred=centred)
    activation = as_activation(activation, where)
    if sigma_b is None:
        found = _default(activation, bool(centred))
    else:
        expect_scalars(where, sigma_b=sigma_b)
        expect_scale(where, sigma_b=sigma_b)
        expect(not centred, where, "no sigma_b with centred=True, which sets it", sigma_b=sigma_b)
        found = _plain(activation, np.array([float(sigma_b)]), wanted=True)
    if found is None:
        biases = {} if sigma_b is None else {"sigma_b": sigma_b}
        what = "an activation with a stable critical scale"
        expect(False, where, what, _remedy(activation, sigma_b), activation=activation.name, **biases)
    assert found is not None
    return found


def response(found: Point) -> tuple[float, float]:
    """How a layer answers small changes at a point, in logs.

    Parameters
    ----------
    found
        The point, of ``q_star`` above 0.

    Returns
    -------
    tuple of float
        Change of the next layer's q by q, and of the mean square of phi' by q.
    """
    step = 1e-4
    signal, square = np.log(_moments(found.activation, found.q_star * np.exp([-step, step]), found.centred))
    slope, gamma = ((each[1] - each[0]) / (2 * step) for each in (signal, square))
    return float((1 - found.sigma_b**2 / found.q_star) * slope), float(gamma)


__all__ = ["Point", "point", "response"]
