"""Independent truth at 30 digits: activations defined anew in mpmath, piecewise quadrature, closed forms, brute force."""

import functools
import itertools
from collections.abc import Callable
from typing import Any

import mpmath as mp
import numpy as np

_DIGITS = 40  # ten to spare
_DEGREE = 4  # 24 Gauss-Legendre nodes on each piece
_REACH = 14  # the density beyond is below 1e-43
_H_BREAKS = [2.0**power for power in range(-3, 8)]

ALPHA = mp.mpf(1.6732632423543772)
SCALE = mp.mpf(1.0507009873554805)
LEAK = mp.mpf(0.01)


def _sigmoid(h: Any) -> Any:
    return 1 / (1 + mp.exp(-h))


def _normal_cdf(h: Any) -> Any:
    return mp.erfc(-h / mp.sqrt(2)) / 2


PHI: dict[str, Callable[[Any], Any]] = {
    "linear": lambda h: h,
    "relu": lambda h: max(h, mp.mpf(0)),
    "leaky_relu": lambda h: h if h > 0 else LEAK * h,
    "tanh": mp.tanh,
    "erf": mp.erf,
    "sigmoid": _sigmoid,
    "gelu": lambda h: h * _normal_cdf(h),
    "silu": lambda h: h * _sigmoid(h),
    "softplus": lambda h: mp.log1p(mp.exp(-abs(h))) + max(h, mp.mpf(0)),
    "elu": lambda h: h if h > 0 else mp.expm1(h),
    "selu": lambda h: SCALE * (h if h > 0 else ALPHA * mp.expm1(h)),
    "sin": mp.sin,
    "hard_tanh": lambda h: max(mp.mpf(-1), min(mp.mpf(1), h)),
}
DPHI: dict[str, Callable[[Any], Any]] = {
    "linear": lambda h: mp.mpf(1),
    "relu": lambda h: mp.mpf(h > 0),
    "leaky_relu": lambda h: mp.mpf(1) if h > 0 else LEAK,
    "tanh": lambda h: mp.sech(h) ** 2,
    "erf": lambda h: 2 * mp.exp(-(h**2)) / mp.sqrt(mp.pi),
    "sigmoid": lambda h: _sigmoid(h) * _sigmoid(-h),
    "gelu": lambda h: _normal_cdf(h) + h * mp.npdf(h),
    "silu": lambda h: _sigmoid(h) * (1 + h * _sigmoid(-h)),
    "softplus": _sigmoid,
    "elu": lambda h: mp.mpf(1) if h > 0 else mp.exp(h),
    "selu": lambda h: SCALE * (1 if h > 0 else ALPHA * mp.exp(h)),
    "sin": mp.cos,
    "hard_tanh": lambda h: mp.mpf(abs(h) < 1),
}


def _normal_square_within(q: Any) -> Any:
    """E[h^2; |h| < 1]."""
    return q * mp.erf(1 / mp.sqrt(2 * q)) - mp.sqrt(2 * q / mp.pi) * mp.exp(-1 / (2 * q))


def _negative(rate: Any, q: Any) -> Any:
    """E[exp(rate h); h < 0]."""
    return mp.exp(rate**2 * q / 2) * mp.erfc(rate * mp.sqrt(q / 2)) / 2


CLOSED: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "linear": (lambda q: q, lambda q: mp.mpf(1)),
    "relu": (lambda q: q / 2, lambda q: mp.mpf(1) / 2),
    "leaky_relu": (lambda q: q * (1 + LEAK**2) / 2, lambda q: (1 + LEAK**2) / 2),
    "erf": (lambda q: 2 / mp.pi * mp.asin(2 * q / (1 + 2 * q)), lambda q: 4 / mp.pi / mp.sqrt(1 + 4 * q)),
    "elu": (
        lambda q: q / 2 + _negative(2, q) - 2 * _negative(1, q) + mp.mpf(1) / 2,
        lambda q: mp.mpf(1) / 2 + _negative(2, q),
    ),
    "sin": (lambda q: -mp.expm1(-2 * q) / 2, lambda q: (1 + mp.exp(-2 * q)) / 2),
    "hard_tanh": (
        lambda q: _normal_square_within(q) + mp.erfc(1 / mp.sqrt(2 * q)),
        lambda q: mp.erf(1 / mp.sqrt(2 * q)),
    ),
}
"""E[phi^2] and E[phi'^2] where they are elementary."""


def precise(function: Callable[..., Any]) -> Callable[..., Any]:
    """Run ``function`` at 40 digits."""
    return functools.wraps(function)(mp.workdps(_DIGITS)(function))


@functools.cache
def _nodes(q: float) -> list[tuple[Any, Any, Any]]:
    """Nodes h and z and weights of a rule that is split where the density varies and where activations (and kinks) do."""
    root = mp.sqrt(mp.mpf(q))
    ends = {mp.mpf(z) for z in range(_REACH + 1)} | {h / root for h in _H_BREAKS}
    positive = sorted(z for z in ends if 0 < z <= _REACH)
    breaks = [-z for z in reversed(positive)] + [mp.mpf(0), *positive]
    rule = mp.calculus.quadrature.GaussLegendre(mp.mp).calc_nodes(_DEGREE, mp.mp.prec)
    pieces = [((low + high) / 2, (high - low) / 2) for low, high in itertools.pairwise(breaks)]
    points = [(middle + half * node, half * weight) for middle, half in pieces for node, weight in rule]
    return [(root * z, z, weight * mp.npdf(z)) for z, weight in points]


@precise
def expectation(integrand: Callable[[Any, Any], Any], q: float) -> Any:
    """E[F(h, z)], h = sqrt(q) z, z standard normal."""
    return mp.fsum(weight * integrand(h, z) for h, z, weight in _nodes(float(q)))


def quadrature(name: str, q: float, slope: bool = False) -> Any:
    """E[phi^2], or E[phi'^2], by the rule."""
    function = (DPHI if slope else PHI)[name]
    return expectation(lambda h, z: function(h) ** 2, q)


@precise
def mean_square(name: str, q: float, slope: bool = False) -> Any:
    """The same, by formula where there is one."""
    return CLOSED[name][slope](mp.mpf(q)) if name in CLOSED else quadrature(name, q, slope)


@precise
def moments(name: str, q: float) -> dict[str, tuple[Any, Any]]:
    """Moments of f = phi^2 and g = phi'^2 by the names of ``gaussian.Moments``, each with the mean of its integrand's size."""
    rows = [(PHI[name](h) ** 2, DPHI[name](h) ** 2, z, weight) for h, z, weight in _nodes(q)]
    integrands = {
        "f_2": lambda f, g, z: f * (z**2 - 1),
        "g_2": lambda f, g, z: g * (z**2 - 1),
        "f_4": lambda f, g, z: f * (z**4 - 6 * z**2 + 3),
        "g_4": lambda f, g, z: g * (z**4 - 6 * z**2 + 3),
        "f_f": lambda f, g, z: f * f,
        "g_g": lambda f, g, z: g * g,
        "f_g": lambda f, g, z: f * g,
    }
    terms = {field: [w * at(f, g, z) for f, g, z, w in rows] for field, at in integrands.items()}
    return {field: (mp.fsum(each), mp.fsum(map(abs, each))) for field, each in terms.items()}


@precise
def fixed_point_error(name: str, sigma_w: float, sigma_b: float, q: float) -> tuple[Any, Any]:
    """Error of ``q`` as a fixed point of the length map (a Newton step, exact to its square), and the map's slope there."""
    square = lambda h: mp.mpf(sigma_w) ** 2 * PHI[name](h) ** 2
    image = expectation(lambda h, z: square(h), q) + mp.mpf(sigma_b) ** 2
    slope = expectation(lambda h, z: square(h) * (z**2 - 1), q) / (2 * mp.mpf(q))
    return (q - image) / (1 - slope), slope


@precise
def log_abs_normal(ratio: float) -> tuple[Any, Any]:
    """Mean and standard deviation of ln|z + ratio|, z standard normal, by integration over |z + ratio|."""
    r = mp.mpf(ratio)
    ends = sorted({mp.mpf(0), *(max(mp.mpf(0), r + z) for z in range(-_REACH, _REACH + 1, 2))})

    def moment(power: int, about: Any) -> Any:
        return mp.quad(lambda u: (mp.log(u) - about) ** power * (mp.npdf(u - r) + mp.npdf(u + r)), ends)

    mean = moment(1, mp.mpf(0))
    return mean, mp.sqrt(moment(2, mean))


@precise
def log_chi_square(degrees: int) -> tuple[Any, Any]:
    """Mean and variance of ln chi^2 by integration of its density over the log."""
    half = mp.mpf(degrees) / 2
    ends = [-240, -120, -60, -30, -15, -6, 0, 2, 4, 6, 8]

    def moment(power: int, about: Any) -> Any:
        density = lambda t: mp.exp(half * t - mp.exp(t) / 2) / (2**half * mp.gamma(half))
        return mp.quad(lambda t: (t - about) ** power * density(t), ends)

    mean = moment(1, mp.mpf(0))
    return mean, moment(2, mean)


@precise
def log_chi_square_law(width: int, relu: bool, by_integral: bool = False) -> tuple[Any, Any]:
    """Mean and standard deviation of ln(chi^2 / width) of all units, or of a binomial number that is not 0."""
    counts = range(1, width + 1) if relu else [width]
    shares = [mp.binomial(width, count) / (mp.mpf(2) ** width - 1) if relu else mp.mpf(1) for count in counts]
    pairs = [log_chi_square(count) if by_integral else _polygammas(count) for count in counts]
    mean = mp.fsum(share * one for share, (one, _) in zip(shares, pairs, strict=True))
    var = mp.fsum(share * (two + (one - mean) ** 2) for share, (one, two) in zip(shares, pairs, strict=True))
    return mean - mp.log(width), mp.sqrt(var)


def _polygammas(degrees: int) -> tuple[Any, Any]:
    half = mp.mpf(degrees) / 2
    return mp.digamma(half) + mp.log(2), mp.polygamma(1, half)


@mp.workdps(50)
def log_power_norms(matrix: np.ndarray, vector: np.ndarray, steps: list[int]) -> list[Any]:
    """Log-norms of (W^T)^t v at 50 digits, one multiplication at a time."""
    transpose, state, logs = mp.matrix(matrix.T.tolist()), mp.matrix(vector.tolist()), {}
    for step in range(max(steps) + 1):
        size = mp.norm(state)
        logs[step] = mp.log(size) if size > 0 else -mp.inf
        state = transpose * state
    return [logs[step] for step in steps]
