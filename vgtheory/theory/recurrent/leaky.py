r"""The stationary state of a leaky recurrence, and its largest Lyapunov exponent, at infinite width.

The overlaps C(t) = E[h_s h_{s+t}] of units that leak are those of filtered Gaussian noise, whose
overlaps are the activations' own. So are those of a tangent, which grows as exp(lambda s):

.. math:: C(t) = \sum_s K(t - s)\, a^2 \left[ \sigma_w^2\, E[\phi \phi'](C(s)) + \sigma_b^2
        + \sigma_{in}^2 \delta_{s,0} \right], \qquad K(t) = \frac{(1-a)^{|t|}}{1 - (1-a)^2}

.. math:: \left( e^{2\lambda} + (1-a)^2 \right) \psi(t) = (1-a)\, e^{\lambda}
        \left[ \psi(t-1) + \psi(t+1) \right] + a^2 \sigma_w^2\, E[\dot\phi \dot\phi'](C(t))\, \psi(t)

The exponent belongs to the state without nodes. For a small leak this is the equation of Sompolinsky,
Crisanti and Sommers, and lambda / a their exponent in units of the time constant.
"""

from typing import NamedTuple

import numpy as np
import scipy.linalg
import scipy.optimize
import scipy.signal

from vgtheory.activation import Activation
from vgtheory.expect import expect, is_static
from vgtheory.networks.cells import Leaky
from vgtheory.networks.dense import Dense
from vgtheory.theory.integrals import moments_2d
from vgtheory.theory.integrals.moments_1d import curves, value_and_slope
from vgtheory.theory.meanfield.length import chi_1, q_star

_WHERE = "lyapunov_exponent"
_DAMPED, _STEPS, _KEPT = 40, 1_000, 12
"""Iterations before the first extrapolation, at most in all, and those that one looks back on."""
_MET = 1e-12
"""Largest change of an overlap, over C(0), at the end."""
_SETTLED = 1e-9
"""Part of C(0) by which the overlaps still change in the last quarter of the lags, at most."""
_MOST_LAGS = 2**14
_MOST = 1e12
"""Mean square of a state that grows without bound."""


class _Overlaps(NamedTuple):
    """Means over pairs of units of correlation c: of phi times phi, and of slope times slope."""

    values: np.ndarray
    slopes: np.ndarray


def _overlaps(q: float, c: np.ndarray, activation: Activation) -> _Overlaps:
    log_q, table = np.log(q), curves(activation)
    square, slope = (float(np.exp(value_and_slope(each, log_q)[0])) for each in table[:2])
    share = 1 - np.abs(c)
    log_share = np.log(share, out=np.full_like(share, -np.inf), where=share > 0) / 2
    split, turn, cross, fold = np.moveaxis(moments_2d.pair(np.full_like(c, log_q), log_share, activation), -1, 0)
    return _Overlaps(
        np.where(c >= 0, square - q * slope * share * split, square * cross),
        np.where(c >= 0, turn, fold) * slope,
    )


def _filtered(overlaps: np.ndarray, leak: float) -> np.ndarray:
    """Overlaps after the leak's filter, of overlaps that stay what they are at the last lag."""
    keep, last, lags = 1 - leak, overlaps[-1], len(overlaps)
    reach = np.arange(-lags, lags + 1)
    kernel = leak**2 * keep ** np.abs(reach) / (1 - keep**2)
    rest = np.concatenate([overlaps[:0:-1], overlaps]) - last
    return scipy.signal.fftconvolve(rest, kernel)[2 * lags - 1 : 3 * lags - 1] + last


def _iterated(cell: Leaky, state: np.ndarray) -> np.ndarray:
    """The overlaps that overlaps of the state cause."""
    q = state[0]
    noise = float(cell.sigma_w) ** 2 * _overlaps(q, np.clip(state / q, -1, 1), cell.activation).values
    noise += float(cell.sigma_b) ** 2
    noise[0] += float(cell.sigma_in) ** 2
    return _filtered(noise, float(cell.leak))


def _refused(cell: Leaky) -> ValueError:
    return ValueError(
        f"{_WHERE}: expected a state that stays finite, further from the onset of chaos or of a larger leak, got"
        f" net={cell!r}. Measure it: measure.lyapunov_exponents."
    )


def _stationary(cell: Leaky, lags: int) -> np.ndarray:
    """Overlaps of the state that white noise settles to, by Anderson's extrapolation of half steps."""
    state = np.zeros(lags)
    state[0] = 1.0
    states: list[np.ndarray] = []
    changes: list[np.ndarray] = []
    for step in range(_STEPS):
        change = _iterated(cell, state) - state
        expect(bool(np.isfinite(change).all()), _WHERE, "a state that stays finite", net=cell)
        if np.abs(change).max() < _MET * state[0]:
            return state
        if state[0] > _MOST:
            break
        states, changes = [*states, state][-_KEPT:], [*changes, change][-_KEPT:]
        following = state + change / 2
        if step > _DAMPED and len(states) > 1:
            falls = np.diff(changes, axis=0)
            mix = np.linalg.lstsq(falls.T, change, rcond=1e-10)[0]
            guess = following - mix @ (np.diff(states, axis=0) + falls / 2)
            if guess[0] > 0 and np.abs(guess).max() <= guess[0] * (1 + _MET):
                following = guess
        state = following
    raise _refused(cell)


def _exponent(cell: Leaky, slopes: np.ndarray) -> float:
    """Log of the growth whose bound state is even and without nodes."""
    keep, lags = 1 - float(cell.leak), len(slopes)
    depth = (float(cell.leak) * float(cell.sigma_w)) ** 2 * slopes
    tie = np.ones(lags - 1)
    tie[0] = 2**0.5  # even states

    def excess(factor: float) -> float:
        inside = depth.copy()
        inside[-1] += keep * factor  # a state that is the same beyond the last lag
        last = {"select": "i", "select_range": (lags - 1, lags - 1)}
        return float(scipy.linalg.eigvalsh_tridiagonal(inside, keep * factor * tie, **last)[0]) - factor**2 - keep**2

    return float(np.log(scipy.optimize.brentq(excess, keep, keep + depth[0] ** 0.5 + 1e-9, xtol=1e-14)))


def leaky_exponent(cell: Leaky) -> float:
    """Largest Lyapunov exponent of a leaky recurrence, per step."""
    numbers = {name: getattr(cell, name) for name in ("sigma_w", "sigma_b", "sigma_in", "leak")}
    for name, number in numbers.items():
        expect(is_static(number) and np.ndim(number) == 0, _WHERE, "plain numbers beside a leak", **{name: number})
    expect(cell.weights == "gaussian", _WHERE, "Gaussian weights for leak < 1", weights=cell.weights)
    keep, still = 1 - float(cell.leak), Dense(cell.activation, cell.sigma_w, cell.sigma_b)
    if float(cell.sigma_in) == 0 and float(chi_1(still)) <= 1:
        expect(bool(np.isfinite(float(q_star(still)))), _WHERE, "a state that stays finite", net=cell)
        return float(np.log(keep + float(cell.leak) * float(chi_1(still)) ** 0.5))
    lags = 2 ** int(np.ceil(np.log2(32 / float(cell.leak))))
    while lags <= _MOST_LAGS:
        state = _stationary(cell, lags)
        if np.ptp(state[-lags // 4 :]) < _SETTLED * state[0]:
            return _exponent(cell, _overlaps(state[0], np.clip(state / state[0], -1, 1), cell.activation).slopes)
        lags *= 2
    raise _refused(cell)


__all__ = ["leaky_exponent"]
