r"""First order in 1/N about infinite width, for Gaussian weights, derived and computed apart from the package.

With x = ln Q of a layer, f = phi^2 / E phi^2 and g = phi'^2 / E phi'^2 of one unit, F = ln E phi^2 and G = ln E phi'^2 as functions of x, omega the weights'
share in Q of the layer above, and m / N and v / N mean and variance of the deviation of x,

.. math:: m' = s m + \tfrac12 (\omega F'' + \omega (1 - \omega) F'^2) v - \tfrac12 \omega^2 \mathrm{Var} f, \quad
    v' = s^2 v + \omega^2 \mathrm{Var} f, \quad s = \omega F'

and the mean of ln |g|^2 grows, from the layer above, by

.. math:: \tfrac1N [G' m + \tfrac12 G'' v - \tfrac12 (3 E g^2 - 1) + (C - 1) E f g], \qquad C = 1 - \omega + \omega T

T of the layer is ``E g z^2 + E[phi phi' z]^2 (C - 1) / (E phi^2 E phi'^2)``, and 1 at the top. Derivatives in x are moments with Hermite polynomials. The sums are of
the midpoint rule.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import expit, ndtr

_REACH, _POINTS = 14.0, 28_000
Z = (np.arange(_POINTS) + 0.5) * (2 * _REACH / _POINTS) - _REACH
_WEIGHTS = np.exp(-(Z**2) / 2) / np.exp(-(Z**2) / 2).sum()
_Pair = tuple[np.ndarray, np.ndarray]


def _gelu(h: np.ndarray) -> _Pair:
    return h * ndtr(h), ndtr(h) + h * np.exp(-(h**2) / 2) / np.sqrt(2 * np.pi)


def _silu(h: np.ndarray) -> _Pair:
    return h * expit(h), expit(h) * (1 + h * expit(-h))


PHI: dict[str, Callable[[np.ndarray], _Pair]] = {
    "gelu": _gelu,
    "silu": _silu,
    "tanh": lambda h: (np.tanh(h), 1 - np.tanh(h) ** 2),
    "relu": lambda h: (np.maximum(h, 0), (h > 0).astype(float)),
}


class Row(NamedTuple):
    """One layer: activation, scales, and the number of its units over N."""

    name: str
    sigma_w: float
    sigma_b: float
    size: float = 1.0


class Profiles(NamedTuple):
    """N times the deviation from infinite width of the mean of each profile, shape (depth,)."""

    log_grad: np.ndarray
    log_grad_weight: np.ndarray
    log_q: np.ndarray


class _Layer(NamedTuple):
    m: float
    v: float
    m_input: float
    omega: float
    a: float
    a_2: float
    noise: float
    pull: float
    own: float
    keep: float
    size: float


def _mean(values: np.ndarray) -> float:
    return float(_WEIGHTS @ values)


def _log_slopes(square: np.ndarray) -> tuple[float, float]:
    """First and second derivative in ln Q of the log of a mean."""
    mean = _mean(square)
    first, second = _mean(square * (Z**2 - 1)) / 2 / mean, _mean(square * (Z**4 - 4 * Z**2 + 1)) / 4 / mean
    return first, second - first**2


def _climb(rows: Sequence[Row]) -> list[_Layer]:
    q, m, v, m_input, layers = rows[0].sigma_w ** 2 + rows[0].sigma_b ** 2, 0.0, 0.0, 0.0, []
    for here, above in zip(rows, [*rows[1:], rows[-1]], strict=True):
        phi, dphi = PHI[here.name](q**0.5 * Z)
        mean_f, mean_g = _mean(phi**2), _mean(dphi**2)
        f, g = phi**2 / mean_f, dphi**2 / mean_g
        q_above = above.sigma_w**2 * mean_f + above.sigma_b**2
        omega, own_f = above.sigma_w**2 * mean_f / q_above, (_mean(f**2) - 1) / here.size
        (f_1, f_2), (a, a_2) = _log_slopes(phi**2), _log_slopes(dphi**2)
        keep = _mean(phi * dphi * Z) ** 2 / mean_f / mean_g
        noise, pull = (3 * _mean(g**2) - 1) / here.size, _mean(f * g) / here.size
        layers.append(_Layer(m, v, m_input, omega, a, a_2, noise, pull, _mean(g * Z**2), keep, here.size))
        m_input = f_1 * m + f_2 * v / 2 - own_f / 2
        s, bend = omega * f_1, omega * f_2 + omega * (1 - omega) * f_1**2
        m, v = s * m + bend * v / 2 - omega**2 * own_f / 2, s**2 * v + omega**2 * own_f
        q = q_above
    return layers


def profiles(rows: Sequence[Row]) -> Profiles:
    """N times the deviation from infinite width of the means of the three profiles of a chain of these layers."""
    layers, square, total = _climb(rows), 1.0, 0.0
    grads = [0.0]
    for layer in layers[-2::-1]:
        along = 1 - layer.omega + layer.omega * square
        total += layer.a * layer.m + layer.a_2 * layer.v / 2 - layer.noise / 2 + (along - 1) * layer.pull
        square = layer.own + layer.keep * (along - 1)
        grads.append(total)
    log_grad = np.array(grads[::-1])
    inputs = np.array([layer.m_input for layer in layers])
    log_q = np.array([layer.m - 1 / layer.size for layer in layers])
    return Profiles(log_grad / 2, (log_grad + inputs - inputs[-1]) / 2, log_q)


__all__ = ["Profiles", "Row", "profiles"]
