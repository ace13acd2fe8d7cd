r"""Dropout at width N: units whose factors are drawn with them.

Let mu be the square of a unit's factor over its mean. The unit then has ``mu phi^2`` and
``mu phi'^2`` in place of phi^2 and phi'^2, with the same mu in the forward and the backward pass.
For phi straight on either side of 0, signs of h do not depend on its length, and the squared norm
of the gradient is a product of independent factors as without dropout,

.. math:: \frac1N \sum_{i=1}^N \mu_i s_i^2 z_i^2

With Bernoulli factors this is a chi-square of a binomial number of degrees of freedom.

======  ===========================================================  =====
symbol  meaning                                                      shape
======  ===========================================================  =====
``a``   mu s^2, of discrete values (or nodes of a rule)              nodes
``w``   their probabilities                                          nodes
``M``   E exp(-t a z^2)                                              t
======  ===========================================================  =====
"""

import functools
from typing import Any, NamedTuple

import numpy as np
import scipy

from vgtheory.estimate import Law
from vgtheory.expect import expect
from vgtheory.networks.noise import is_noisy
from vgtheory.theory.width.chi_square import log_chi_square_law
from vgtheory.theory.width.unit import Unit

_STEP, _BELOW, _ABOVE = 1 / 8, -42.0, 90.0
_NARROW, _NODES, _FINE = 0.1, 60, 6
"""Up to this standard deviation of a Gaussian factor it is never near 0, and so many nodes do; nodes per deviation."""
_LEAST = -40.0
"""Log of the smallest Gaussian factor that is told from 0."""


class Masks(NamedTuple):
    """Second and third moment of mu, and the law of ln M of the first layer's input."""

    second: float
    third: float
    first: Law


def masks_of(net: Any, width: int) -> Masks | None:
    """Dropout of a network of this width; None without."""
    if not is_noisy(net) or net.dropout == 0:
        return None
    return Masks(*factor_moments(net.dropout, net.mask), first_law(width, net.dropout, net.mask))


def factor_moments(dropout: float, mask: str) -> tuple[float, float]:
    """Second and third moment of mu."""
    if mask == "bernoulli":
        return 1 / (1 - dropout), 1 / (1 - dropout) ** 2
    v = dropout / (1 - dropout)
    return (1 + 6 * v + 3 * v**2) / (1 + v) ** 2, (1 + 15 * v + 45 * v**2 + 15 * v**3) / (1 + v) ** 3


def _squares(dropout: float, mask: str) -> tuple[np.ndarray, np.ndarray]:
    """Values of mu and their probabilities."""
    if mask == "bernoulli":
        return np.array([0.0, 1 / (1 - dropout)]), np.array([dropout, 1 - dropout])
    v = dropout / (1 - dropout)
    if v**0.5 < _NARROW:
        z, shares = np.polynomial.hermite_e.hermegauss(_NODES)
        return (1 + v**0.5 * z) ** 2 / (1 + v), shares / shares.sum()
    logs = np.arange(_LEAST, np.log(1 + 40 * v**0.5), min(1 / 16, v**0.5 / _FINE))
    factors = np.concatenate([np.exp(logs), -np.exp(logs)])
    w = abs(factors) * np.exp(-((factors - 1) ** 2) / (2 * v))
    return factors**2 / (1 + v), w / w.sum()


@functools.lru_cache(maxsize=256)
def log_masked_law(width: int, slopes: tuple[float, float], dropout: float, mask: str) -> Law:
    """Law of ln of the mean of N independent ``mu s^2 z^2``, given that not all are 0.

    Parameters
    ----------
    width
        Number of units N, >= 1.
    slopes
        As for ``log_chi_square_law``, not both 0.
    dropout, mask
        As of a ``Dense``.

    Returns
    -------
    Law
        Mean and standard deviation; natural log.

    Notes
    -----
    Accuracy: 1e-12, by the integrals of ``log_chi_square_law``.
    Assumes: nothing beyond the stated distribution.
    """
    if dropout == 0:
        return log_chi_square_law(width, slopes)
    mu, w = _squares(dropout, mask)
    a = np.concatenate([mu * slope**2 for slope in slopes])
    w = np.concatenate([w, w]) / 2
    alive, dead = a > 0, float(w[a == 0].sum())
    level = float(a @ w) / -np.expm1(width * np.log(dead)) if dead > 0 else float(a @ w)
    first, second = _relative(width, a[alive], w[alive], dead, level)
    mean = scipy.special.digamma(width / 2) + np.log(2 * level / width)
    shift = 2 * (second + np.euler_gamma * first)
    var = scipy.special.polygamma(1, width / 2) + shift + 2 * mean * first - first**2
    return Law(float(mean - first), float(var**0.5))


def _relative(width: int, a: np.ndarray, w: np.ndarray, dead: float, level: float) -> tuple[float, float]:
    """Integrals over ln t of M(t)^N given that the sum is not 0, less a chi-square's, and of ln t times this."""
    largest = a.max()
    log_t = np.arange(_BELOW, _ABOVE, _STEP) - np.log(largest)
    t = np.exp(log_t) / width
    rows = [np.log1p(2 * np.outer(each, a)) / -2 for each in np.array_split(t, 16)]
    fall = np.concatenate([np.expm1(row) @ w for row in rows])
    rest = np.concatenate([np.exp(row) @ w for row in rows])
    powers = np.where(fall > -0.5, np.exp(width * np.log1p(np.maximum(fall, -0.5))), (dead + rest) ** width)
    if dead > 0:
        none, rise = dead**width, width * np.log1p(rest / dead)
        powers = np.where(rise < 1, none * np.expm1(np.minimum(rise, 1)), powers - none) / -np.expm1(
            width * np.log(dead)
        )
    difference = powers - np.exp(-width / 2 * np.log1p(2 * level * t))
    return _STEP * float(difference.sum()), _STEP * float((log_t * difference).sum())


def log_factor_law(net: Any, width: int, slopes: tuple[float, float]) -> Law:
    """Law of the log of a layer's squared factor, in units of ``sigma_w**2`` as one input sees it."""
    if not is_noisy(net):
        return log_chi_square_law(width, slopes)
    return log_masked_law(width, slopes, net.dropout, net.mask)


def expect_known_noise(where: str, net: Any, width: int | None) -> None:
    """Raise unless the law of a network's noise at this width is known."""
    if not is_noisy(net):
        return
    known = net.dropout == 0 or (net.weights == "gaussian" and net.dropconnect == 0)
    known = known and (net.dropconnect == 0 or net.weights != "orthogonal")
    remedy = "Known are dropout with Gaussian weights, DropConnect with independent ones, and added noise with any."
    expect(known, where, "width=None for this noise", remedy, width=width, net=net)


def first_law(width: int, dropout: float, mask: str) -> Law:
    """Law of ln of the mean square of an input of unit mean square, uniform in direction, behind dropout.

    A normal vector is its length times a direction, and these are independent. The law is therefore
    that of a normal vector behind dropout, less that of its length.
    """
    masked, length = log_masked_law(width, (1.0, 1.0), dropout, mask), log_chi_square_law(width)
    return Law(masked.mean - length.mean, max(masked.std**2 - length.std**2, 0.0) ** 0.5)


def masked(unit: Unit, second: Any, third: Any) -> Unit:
    """Moments of units with factors, of which mu has these moments, from those of units without."""
    f2, g2, fg = unit.x2 + 1, (unit.y2 + 1) / 3, unit.xy + 1
    f3, g3 = unit.x3 + 3 * f2 - 2, (unit.y3 + 9 * g2 - 2) / 15
    ffg, fgg = unit.xxy + 2 * fg + f2 - 2, (unit.xyy + 2 * fg + 3 * g2 - 2) / 3
    own_f, own_g = unit.own_x + unit.own * unit.pull, unit.own_y + unit.own * (unit.y2 + 1)
    f2, g2, fg, own_f, own_g = (second * each for each in (f2, g2, fg, own_f, own_g))
    f3, g3, ffg, fgg = (third * each for each in (f3, g3, ffg, fgg))
    return unit._replace(
        x2=f2 - 1,
        x3=f3 - 3 * f2 + 2,
        y2=3 * g2 - 1,
        y3=15 * g3 - 9 * g2 + 2,
        xy=fg - 1,
        xxy=ffg - 2 * fg - f2 + 2,
        xyy=3 * fgg - 2 * fg - 3 * g2 + 2,
        pull=fg,
        own_x=own_f - unit.own * fg,
        own_y=own_g - unit.own * 3 * g2,
    )
