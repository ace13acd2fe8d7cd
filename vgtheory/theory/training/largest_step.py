"""Largest learning rates of gradient descent on a deep linear chain."""

import functools
from typing import NamedTuple

import numpy as np
from scipy import optimize

from vgtheory.expect import expect_scalars
from vgtheory.theory.arguments import asked, one_positive
from vgtheory.theory.precision import in_numpy
from vgtheory.theory.training.escape_time import expect_positive


class StableStep(NamedTuple):
    """Natural logs of three learning rates of gradient descent on a balanced chain.

    Attributes
    ----------
    log_local
        Rate below which the minimum attracts nearby weights: 2 over the top eigenvalue of its
        Hessian.
    log_converges
        Rate below which gradient descent from w0 ends in a minimum.
    log_finite
        Rate below which the weights stay finite for ever. Between the two rates they oscillate, or
        end where the product is 0.
    """

    log_local: float
    log_converges: float
    log_finite: float


@asked(w0=one_positive, y=one_positive)
@in_numpy
def stable_step(depth: int, w0: float, *, y: float = 1.0) -> StableStep:
    r"""Log of the largest stable learning rates of gradient descent on a balanced scalar chain.

    All weights are equal, and a step maps them to :math:`f(w) = w + \eta (y - w^L) w^{L-1}`. With
    :math:`w_* = y^{1/L}`,

    .. math:: \eta_{local} = \frac{2}{L w_*^{2(L-1)}}, \qquad
        \eta_{converges} = \min\Bigl(\eta_{local},\; \frac{k\, w_0^{2-L}}{w_0^L - y}\Bigr) \qquad
        (w_0 > w_*)

    For even L, k = 2: at this rate f maps w0 to -w0, and at larger rates each step lands farther
    out. For odd L >= 3, k = 1: the first step makes the weights negative, from where small steps
    end at the saddle 0. At L = 1 the local limit is the only one.

    ``log_finite`` is the smaller of two rates. At the first, w0 lies on the outermost cycle of two
    steps, w0 to -q and back, :math:`q^{2L-1} + y q^{L-1} = w_0^{2L-1} - y w_0^{L-1}` (even L: q =
    w0). At the second, the highest image under f of weights between 0 and that cycle lies on the
    cycle; beyond it almost every chain escapes in the end.

    Parameters
    ----------
    depth
        Number of weights L, >= 1.
    w0
        Each weight at the start, > 0.
    y
        Target, > 0.

    Returns
    -------
    StableStep
        Natural logs of the rates.

    Notes
    -----
    Accuracy: rounding for the closed forms, 1e-10 for ``log_finite``.
    Assumes: equal weights, full batch, no momentum (heavy ball raises the local limit by 1 + beta).
    Isolated smaller steps that land exactly on the saddle are left out. The absence of other
    attractors below the local limit rests on f's negative Schwarzian derivative at the minimum and
    on simulation.

    Examples
    --------
    >>> import numpy as np
    >>> from vgtheory import theory
    >>> np.exp(theory.training.stable_step(10, 0.5)).round(3).tolist()
    [0.2, 0.2, 0.591]
    """
    expect_scalars("stable_step", w0=w0, y=y)
    expect_positive("stable_step", w0=w0)
    expect_positive("stable_step", y=y)
    # Units: the weight of the minimum, and the corresponding step.
    log_w, unit = float(np.log(w0) - np.log(y) / depth), float((2 / depth - 2) * np.log(y))
    local = float(np.log(2 / depth))
    if depth == 1:
        return StableStep(unit + local, unit + local, unit + local)
    first = np.inf if log_w <= 0 else _log_to_zero(depth, log_w)
    turned = first + np.log(2) if depth % 2 == 0 else first
    cycle = np.inf if log_w <= 0 else first + np.log1p(np.exp(_log_partner(depth, log_w) - log_w))
    return StableStep(*(unit + each for each in (local, min(local, turned), min(cycle, _log_crisis(depth)))))


def _log_to_zero(depth: int, log_w: float) -> float:
    """Log of the step that maps a weight above the minimum's, 1, to 0."""
    return (2 - depth) * log_w - _log_excess(depth * log_w)


def _log_excess(log_p: float) -> float:
    """Log of p - 1, for p > 1."""
    return log_p + float(np.log(-np.expm1(-log_p)))


def _log_partner(depth: int, log_w: float) -> float:
    """Log of q, where one step may map the weight w to -q and the next one back."""
    if depth % 2 == 0:
        return log_w
    size = (depth - 1) * log_w + _log_excess(depth * log_w)
    high = size / (2 * depth - 1)
    low = min(size / (depth - 1), high) - 1.0
    return float(
        optimize.brentq(lambda x: np.logaddexp((2 * depth - 1) * x, (depth - 1) * x) - size, low, high, xtol=1e-14)
    )


@functools.lru_cache(maxsize=256)
def _log_crisis(depth: int) -> float:
    """Log of the step at which the highest image within the outermost cycle lies on the cycle."""

    def gap(log_w: float) -> float:
        """Log of the outermost weight over the highest image of smaller weights."""
        log_step = _log_to_zero(depth, log_w) + np.log1p(np.exp(_log_partner(depth, log_w) - log_w))
        return log_w - _log_peak(depth, log_step)

    log_w = optimize.brentq(gap, 1e-6 / depth, 30.0 / depth, xtol=1e-15)
    return float(_log_to_zero(depth, log_w) + np.log1p(np.exp(_log_partner(depth, log_w) - log_w)))


def _log_peak(depth: int, log_step: float) -> float:
    """Log of the maximum of f between 0 and its zero."""
    slope = lambda x: np.exp(log_step + (depth - 2) * x) * ((2 * depth - 1) * np.exp(depth * x) - (depth - 1)) - 1
    low = np.log((depth - 1) / (2 * depth - 1)) / depth
    high = low + 1 / depth
    while slope(high) < 0:
        high += 1 / depth
    x = optimize.brentq(slope, low, high, xtol=1e-15)
    return float(x + np.log1p(np.exp(log_step + (depth - 2) * x) * -np.expm1(depth * x)))
