"""Stationary moments of gated units with independent weights at every step.

==========  ===============================================================  ========
symbol      meaning                                                          shape
==========  ===============================================================  ========
``H``       mean square of the hidden state h                                ()
``z, w``    nodes and weights of an average over a standard normal variable  (nodes,)
``f, df``   a gate, and its derivative by its pre-activation                 (nodes,)
``u``       pre-activation of the candidate                                  (nodes,)
==========  ===============================================================  ========
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import scipy.optimize
from scipy.special import expit

from vgtheory.activation import Activation
from vgtheory.networks.cells import GRU, MGU, Leaky, MinimalRNN, Skip
from vgtheory.networks.dense import Dense
from vgtheory.theory.meanfield.fixed_points import chi_at
from vgtheory.theory.meanfield.length import q_star
from vgtheory.theory.precision import Values, in_float64, numbers

_REACH = 9.0
_COARSEST = 0.25
_STRIP = 0.3
"""Step of the trapezium rule times the standard deviation; tanh's pole at i pi/2 gives exp(-33)."""
_SMALLEST = 1e-12
"""Mean square of a state that counts as 0."""


class Transfer(NamedTuple):
    """Mean square of a gradient after t steps back: ``readout @ matrix**t @ start``.

    Attributes
    ----------
    matrix
        Non-negative, shape ``(n, n)``.
    start
        Vector for a gradient of independent entries of one size, with respect to every part of the
        state; shape ``(n,)``.
    readout
        Shape ``(n,)``.
    """

    matrix: np.ndarray
    start: np.ndarray
    readout: np.ndarray


def normal_nodes(std: float) -> tuple[np.ndarray, np.ndarray]:
    """Trapezium rule over a standard normal z, for functions of std z: nodes and weights."""
    step = min(_COARSEST, _STRIP / max(std, 1e-9))
    z = np.arange(-np.ceil(_REACH / step), np.ceil(_REACH / step) + 1) * step
    weights = np.exp(-(z**2) / 2)
    return z, weights / weights.sum()


def gate(bias: float, variance: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A logistic gate of Gaussian pre-activation: its values, its slopes, their weights."""
    z, weights = normal_nodes(variance**0.5)
    x = bias + variance**0.5 * z
    return expit(x), expit(x) * expit(-x), weights


class _Candidate(NamedTuple):
    """Averages of n = tanh(a + r m) given r, with Var a = ``drive`` and Var m = ``inner``."""

    n_2: np.ndarray
    dn_2: np.ndarray
    dn_2_m_2: np.ndarray
    n_dn_m: np.ndarray


def _candidate(r: np.ndarray, drive: float, inner: float) -> _Candidate:
    z, weights = normal_nodes((drive + inner) ** 0.5)
    variance = drive + r**2 * inner
    u = np.sqrt(variance)[:, None] * z
    n, dn = np.tanh(u), 1 / np.cosh(np.minimum(np.abs(u), 300.0)) ** 2
    safe = np.where(variance > 0, variance, 1.0)
    share = np.where(variance > 0, r * inner / safe, 0.0)
    mean = lambda values: values @ weights
    left = inner - share * r * inner
    m_2 = share[:, None] ** 2 * u**2 + left[:, None]
    return _Candidate(mean(n**2), mean(dn**2), mean(dn**2 * m_2), mean(n * dn * u) * share)


def _h_star(map_of: Callable[[float], float], drive: float, most: float = 1.0) -> float:
    """Mean square that a zero state converges to; a tiny one if nothing drives it."""
    excess, low = lambda h: map_of(h) - h, 0.0 if drive > 0 else _SMALLEST
    if excess(low) <= 0:
        return 0.0
    return float(scipy.optimize.brentq(excess, low, most, xtol=1e-300, rtol=1e-14))


def gru(cell: GRU) -> tuple[float, Transfer]:
    """Mean square of the state, and the gradient's transfer, for a cell with plain numbers."""
    drive, w, g = (float(each) ** 2 for each in (cell.sigma_in, cell.sigma_w, cell.sigma_gate))
    bias = float(cell.update_bias)

    def parts(h: float) -> tuple[Any, ...]:
        return gate(bias, drive + g * h), gate(0.0, drive + g * h)

    def moved(h: float) -> float:
        (z, _, weights), (r, _, shares) = parts(h)
        return float(z**2 @ weights * h + (1 - z) ** 2 @ weights * (_candidate(r, drive, w * h).n_2 @ shares))

    h = _h_star(moved, drive)
    (z, dz, weights), (r, dr, shares) = parts(h)
    n = _candidate(r, drive, w * h)
    kept, opened = z**2 @ weights, (1 - z) ** 2 @ weights
    through_z = g * (dz**2 @ weights) * (h + n.n_2 @ shares)
    through_n = w * opened * ((n.dn_2 * r**2) @ shares)
    through_r = g * opened * ((n.dn_2_m_2 * dr**2) @ shares)
    return h, _alone(kept + through_z + through_n + through_r)


def mgu(cell: MGU) -> tuple[float, Transfer]:
    """Mean square of the state, and the gradient's transfer, for a cell with plain numbers."""
    drive, w, g = (float(each) ** 2 for each in (cell.sigma_in, cell.sigma_w, cell.sigma_gate))
    bias = float(cell.forget_bias)

    def moved(h: float) -> float:
        f, _, weights = gate(bias, drive + g * h)
        return float(f**2 @ weights * h + ((1 - f) ** 2 * _candidate(f, drive, w * h).n_2) @ weights)

    h = _h_star(moved, drive)
    f, df, weights = gate(bias, drive + g * h)
    n = _candidate(f, drive, w * h)
    spread = h + n.n_2 - 2 * (1 - f) * n.n_dn_m + (1 - f) ** 2 * n.dn_2_m_2
    return h, _alone(float((f**2 + g * df**2 * spread + w * (1 - f) ** 2 * f**2 * n.dn_2) @ weights))


def minimal(cell: MinimalRNN) -> tuple[float, Transfer]:
    """Mean square of the state, and the gradient's transfer, for a cell with plain numbers."""
    z, w, v = (float(each) ** 2 for each in (cell.sigma_in, cell.sigma_w, cell.sigma_v))
    seen = lambda h: gate(float(cell.update_bias), w * h + v * z)

    def moved(h: float) -> float:
        u, _, weights = seen(h)
        return float(u**2 @ weights * h + (1 - u) ** 2 @ weights * z)

    h = _h_star(moved, z, max(1.0, z))
    u, du, weights = seen(h)
    return h, _alone((u**2 + w * du**2 * (h + z)) @ weights)


def leaky(cell: Leaky) -> tuple[float, Transfer]:
    """Mean square of the state, and the gradient's transfer, for a cell with plain numbers."""
    leak = float(cell.leak)
    share = leak / (2 - leak)
    bias = (float(cell.sigma_b) ** 2 + share * float(cell.sigma_in) ** 2) ** 0.5
    h = float(q_star(Dense(cell.activation, share**0.5 * float(cell.sigma_w), bias)))
    return h, _alone((1 - leak) ** 2 + leak**2 * _chi(h, cell.sigma_w, cell.activation))


def skip(cell: Skip) -> tuple[float, Transfer]:
    """Mean square of the state, and the gradient's transfer, for a cell with plain numbers."""
    both, bias = (float(np.hypot(*pair)) for pair in ((cell.sigma_w, cell.sigma_skip), (cell.sigma_b, cell.sigma_in)))
    h = float(q_star(Dense(cell.activation, both, bias)))
    matrix = np.eye(cell.lag, k=1)
    matrix[0, 0], matrix[-1, 0] = (_chi(h, sigma, cell.activation) for sigma in (cell.sigma_w, cell.sigma_skip))
    return h, Transfer(matrix, np.ones(cell.lag), np.ones(cell.lag))


@in_float64
def _chi_at(q: float, sigma: float, activation: Activation) -> Values:
    variance, scale = numbers(activation, q, sigma)
    return chi_at(variance, scale, activation)


def _chi(h: float, sigma: float, activation: Activation) -> float:
    """sigma^2 E[phi'^2] at variance h."""
    return float(_chi_at(h, float(sigma), activation))


def _alone(factor: Any) -> Transfer:
    return Transfer(np.array([[float(factor)]]), np.ones(1), np.ones(1))
