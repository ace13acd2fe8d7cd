"""Exact laws at any width: chi-squares of layers that are straight on either side of 0."""

import functools

import numpy as np
import scipy

from vgtheory.activation import Activation
from vgtheory.activations.units import Unit
from vgtheory.estimate import Law
from vgtheory.expect import expect
from vgtheory.networks.ensemble import Ensemble
from vgtheory.networks.noise import dropconnect_of
from vgtheory.theory.arguments import asked
from vgtheory.theory.integrals.rules import values

_STEP, _BELOW, _ABOVE = 1 / 8, -42.0, 90.0


@asked()
def log_chi_square_law(width: int, slopes: tuple[float, float] = (1.0, 1.0)) -> Law:
    r"""Law of the squared log-factor of one layer: the log of a mean of scaled squared normals.

    .. math:: \ln \frac1N \sum_{i=1}^N s_i^2 z_i^2, \qquad
        s_i \in \{s_+, s_-\}\ \text{with probability}\ \tfrac12

    given that not all slopes drawn are zero. The factor is in units of ``sigma_w**2``. With one
    slope it is the log of a chi-square. With two slopes and M(t) = E exp(-t s^2 z^2), the mean and
    the second moment are the integrals over ln t of ``exp(-t) - M(t)^N`` and of ln t times it. Both
    are computed relative to a chi-square of equal mean.

    Parameters
    ----------
    width
        Number of units N, >= 1.
    slopes
        Slopes of phi at positive and at negative ``h``, not both 0: ``(1, 1)`` linear, ``(1, 0)``
        ReLU, ``(1, -1)`` absolute value.

    Returns
    -------
    Law
        Mean and standard deviation; natural log.

    Notes
    -----
    Accuracy: 1e-13; for the standard deviation 1e-15 over itself if that is more.
    Assumes: nothing beyond the stated distribution.

    Examples
    --------
    >>> from vgtheory import theory
    >>> law = theory.width.log_chi_square_law(64)
    >>> round(law.mean, 4), round(law.std, 4)
    (-0.0157, 0.1782)
    """
    expect(len(slopes) == 2, "log_chi_square_law", "two slopes", slopes=slopes)
    squares = np.square(np.asarray(slopes, dtype=float))
    expect(bool(squares.max() > 0), "log_chi_square_law", "a slope that is not 0", slopes=slopes)
    level = squares.mean() if squares.min() > 0 else squares.max() / 2 / -np.expm1(-width * np.log(2))
    mean = scipy.special.digamma(width / 2) + np.log(2 * level / width)
    var = scipy.special.polygamma(1, width / 2)
    if squares.min() < squares.max():
        first, second = _relative(width, squares, level)
        shift = 2 * (second + np.euler_gamma * first)
        mean, var = mean - first, var + shift + 2 * mean * first - first**2
    return Law(float(mean), float(var**0.5))


def _relative(width: int, squares: np.ndarray, level: float) -> tuple[float, float]:
    """Integrals over ln t of M(t)^N given S > 0, less a chi-square's, and of ln t times this."""
    rare = squares[squares > 0].min()
    log_t = np.arange(_BELOW, _ABOVE + np.log(squares.max() / rare), _STEP) - np.log(squares.max())
    t = np.exp(log_t) / width
    fall = sum(np.expm1(-np.log1p(2 * square * t) / 2) for square in squares) / 2
    with np.errstate(divide="ignore"):
        powers = np.exp(width * np.log1p(fall))
    if squares.min() == 0:
        dead, rise = 0.5**width, width * np.log1p(1 / np.sqrt(1 + 2 * rare * t))
        powers = np.where(rise < 1, dead * np.expm1(np.minimum(rise, 1)), powers - dead) / -np.expm1(-width * np.log(2))
    difference = powers - np.exp(-width / 2 * np.log1p(2 * level * t))
    return _STEP * float(difference.sum()), _STEP * float((log_t * difference).sum())


@functools.cache
def sides(activation: Activation | Unit) -> tuple[float, float] | None:
    """Slopes at positive and negative ``h`` of an activation of degree 1; None of any other."""
    if isinstance(activation, Unit) or activation.degree != 1:
        return None
    up, down = values(activation, np.array([1.0, -1.0]))[0]
    return float(up), float(-down)


def is_exact(net: Ensemble) -> bool:
    """Tell whether the law of the gradient's norm is known exactly at every width."""
    return net.weights == "gaussian" and dropconnect_of(net) == 0 and sides(net.activation) is not None
