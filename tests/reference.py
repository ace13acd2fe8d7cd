"""Independent truth at 30 digits: activations defined anew in mpmath, piecewise quadrature, closed forms, brute force."""

import functools
import itertools
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import mpmath as mp
import numpy as np

_DIGITS = 40  # ten to spare
_DEGREE = 4  # 24 Gauss-Legendre nodes on each piece
_REACH = 14  # the density beyond is below 1e-43
_H_BREAKS = [*(2.0**power for power in range(-3, 18)), 3.0, 5.0, 6.0]

ALPHA = mp.mpf(1.6732632423543772)
SCALE = mp.mpf(1.0507009873554805)
LEAK = mp.mpf(0.01)
GELU_CUBIC = mp.mpf(0.044715)


def _sigmoid(h: Any) -> Any:
    return 1 / (1 + mp.exp(-h))


def _normal_cdf(h: Any) -> Any:
    return mp.erfc(-h / mp.sqrt(2)) / 2


def _clip(h: Any, low: int, high: int) -> Any:
    return max(mp.mpf(low), min(mp.mpf(high), h))


def _softplus(h: Any) -> Any:
    return mp.log1p(mp.exp(-abs(h))) + max(h, mp.mpf(0))


def _mish_slope(h: Any) -> Any:
    return mp.tanh(_softplus(h)) + h * _sigmoid(h) * mp.sech(_softplus(h)) ** 2


def _gelu_inner(h: Any) -> Any:
    return mp.sqrt(8 / mp.pi) * (h + GELU_CUBIC * h**3)


def _gelu_tanh_slope(h: Any) -> Any:
    inner, inner_slope = _gelu_inner(h), mp.sqrt(8 / mp.pi) * (1 + 3 * GELU_CUBIC * h**2)
    return _sigmoid(inner) * (1 + h * inner_slope * _sigmoid(-inner))


PHI: dict[str, Callable[[Any], Any]] = {
    "linear": lambda h: h,
    "relu": lambda h: max(h, mp.mpf(0)),
    "leaky_relu": lambda h: h if h > 0 else LEAK * h,
    "tanh": mp.tanh,
    "erf": mp.erf,
    "sigmoid": _sigmoid,
    "gelu": lambda h: h * _normal_cdf(h),
    "silu": lambda h: h * _sigmoid(h),
    "softplus": _softplus,
    "elu": lambda h: h if h > 0 else mp.expm1(h),
    "selu": lambda h: SCALE * (h if h > 0 else ALPHA * mp.expm1(h)),
    "sin": mp.sin,
    "hard_tanh": lambda h: _clip(h, -1, 1),
    "hard_sigmoid": lambda h: _clip(h + 3, 0, 6) / 6,
    "hard_swish": lambda h: h * _clip(h + 3, 0, 6) / 6,
    "mish": lambda h: h * mp.tanh(_softplus(h)),
    "softsign": lambda h: h / (1 + abs(h)),
    "arctan": mp.atan,
    "relu_squared": lambda h: max(h, mp.mpf(0)) ** 2,
    "relu6": lambda h: _clip(h, 0, 6),
    "abs": abs,
    "gaussian": lambda h: mp.exp(-(h**2)),
    "gelu_tanh": lambda h: h * _sigmoid(_gelu_inner(h)),
    "cube": lambda h: h**3,
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
    "hard_sigmoid": lambda h: mp.mpf(abs(h) < 3) / 6,
    "hard_swish": lambda h: (2 * h + 3) / 6 if abs(h) < 3 else mp.mpf(h > 0),
    "mish": _mish_slope,
    "softsign": lambda h: 1 / (1 + abs(h)) ** 2,
    "arctan": lambda h: 1 / (1 + h**2),
    "relu_squared": lambda h: 2 * max(h, mp.mpf(0)),
    "relu6": lambda h: mp.mpf(0 < h < 6),
    "abs": mp.sign,
    "gaussian": lambda h: -2 * h * mp.exp(-(h**2)),
    "gelu_tanh": _gelu_tanh_slope,
    "cube": lambda h: 3 * h**2,
}


def _within(power: int, low: int, high: int, q: Any) -> Any:
    """E[h^power; low < h < high]."""
    if power < 2:
        primitive = lambda h: mp.erf(h / mp.sqrt(2 * q)) / 2 if power == 0 else -q * mp.npdf(h, 0, mp.sqrt(q))
        return primitive(high) - primitive(low)
    ends = [h ** (power - 1) * mp.npdf(h, 0, mp.sqrt(q)) for h in (low, high)]
    return q * ((power - 1) * _within(power - 2, low, high, q) + ends[0] - ends[1])


def _beyond(high: int, q: Any) -> Any:
    """Probability of h > high."""
    return mp.erfc(high / mp.sqrt(2 * q)) / 2


def _negative(rate: Any, q: Any) -> Any:
    """E[exp(rate h); h < 0]."""
    return mp.exp(rate**2 * q / 2) * mp.erfc(rate * mp.sqrt(q / 2)) / 2


def _elu_square(q: Any) -> Any:
    """E[(exp(h) - 1)^2; h < 0]."""
    return _negative(2, q) - 2 * _negative(1, q) + mp.mpf(1) / 2


def _gelu_part(q: Any) -> Any:
    """E[cdf(h)^2] + 2 E[h cdf(h) pdf(h)]."""
    return mp.mpf(1) / 4 + mp.asin(q / (1 + q)) / (2 * mp.pi) + q / (mp.pi * (1 + q) * mp.sqrt(1 + 2 * q))


CLOSED: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "linear": (lambda q: q, lambda q: mp.mpf(1)),
    "relu": (lambda q: q / 2, lambda q: mp.mpf(1) / 2),
    "leaky_relu": (lambda q: q * (1 + LEAK**2) / 2, lambda q: (1 + LEAK**2) / 2),
    "erf": (lambda q: 2 / mp.pi * mp.asin(2 * q / (1 + 2 * q)), lambda q: 4 / mp.pi / mp.sqrt(1 + 4 * q)),
    "gelu": (
        lambda q: q * _gelu_part(q),
        lambda q: _gelu_part(q) + q / (2 * mp.pi * mp.sqrt(1 + 2 * q) ** 3),
    ),
    "elu": (lambda q: q / 2 + _elu_square(q), lambda q: mp.mpf(1) / 2 + _negative(2, q)),
    "selu": (
        lambda q: SCALE**2 * (q / 2 + ALPHA**2 * _elu_square(q)),
        lambda q: SCALE**2 * (mp.mpf(1) / 2 + ALPHA**2 * _negative(2, q)),
    ),
    "sin": (lambda q: -mp.expm1(-2 * q) / 2, lambda q: (1 + mp.exp(-2 * q)) / 2),
    "hard_tanh": (
        lambda q: _within(2, -1, 1, q) + 2 * _beyond(1, q),
        lambda q: _within(0, -1, 1, q),
    ),
    "hard_sigmoid": (
        lambda q: (_within(2, -3, 3, q) + 9 * _within(0, -3, 3, q)) / 36 + _beyond(3, q),
        lambda q: _within(0, -3, 3, q) / 36,
    ),
    "hard_swish": (
        lambda q: (_within(4, -3, 3, q) + 9 * _within(2, -3, 3, q)) / 36 + (q - _within(2, -3, 3, q)) / 2,
        lambda q: (4 * _within(2, -3, 3, q) + 9 * _within(0, -3, 3, q)) / 36 + _beyond(3, q),
    ),
    "relu_squared": (lambda q: 3 * q**2 / 2, lambda q: 2 * q),
    "relu6": (lambda q: _within(2, 0, 6, q) + 36 * _beyond(6, q), lambda q: _within(0, 0, 6, q)),
    "abs": (lambda q: q, lambda q: mp.mpf(1)),
    "gaussian": (lambda q: 1 / mp.sqrt(1 + 4 * q), lambda q: 4 * q / mp.sqrt(1 + 4 * q) ** 3),
    "cube": (lambda q: 15 * q**3, lambda q: 27 * q**2),
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


@precise
def log_two_slopes_law(width: int, slopes: tuple[float, float]) -> tuple[Any, Any]:
    """The same of a mean of squares with two slopes at random: over the number of units with the first, then the size of both sums.

    For k of the first slope the mean is a^2 A + b^2 B with independent chi-squares; in ln(A / B) the law of their sum is known.
    """
    squares = [mp.mpf(slope) ** 2 for slope in slopes]
    total, pairs = mp.digamma(mp.mpf(width) / 2) + mp.log(2), []
    for count in range(width + 1):
        pairs.append(_shares(count, width - count, *squares))
    odds = [mp.binomial(width, count) / mp.mpf(2) ** width for count in range(width + 1)]
    mean = mp.fsum(odd * one for odd, (one, _) in zip(odds, pairs, strict=True))
    square = mp.fsum(odd * two for odd, (_, two) in zip(odds, pairs, strict=True))
    return total + mean - mp.log(width), mp.sqrt(mp.polygamma(1, mp.mpf(width) / 2) + square - mean**2)


def _shares(first: int, second: int, a: Any, b: Any) -> tuple[Any, Any]:
    """Mean and mean square of ln(a x + b (1 - x)), x the share of ``first`` squares in all: beta, and independent of their sum."""
    if first == 0 or second == 0:
        return mp.log(a if second == 0 else b), mp.log(a if second == 0 else b) ** 2
    alpha, beta = mp.mpf(first) / 2, mp.mpf(second) / 2
    norm = mp.beta(alpha, beta)
    centre, step = mp.log(alpha / beta), mp.sqrt(1 / alpha + 1 / beta)
    edges = [centre + step * k for k in (-12, -6, -3, 0, 3, 6, 12)]
    edges = [-70 / alpha, *(edge for edge in edges if -70 / alpha < edge < 70 / beta), 70 / beta]

    def moment(power: int) -> Any:
        def integrand(u: Any) -> Any:
            x, rest = 1 / (1 + mp.exp(-u)), 1 / (1 + mp.exp(u))
            return x**alpha * rest**beta * mp.log(a * x + b * rest) ** power

        return mp.quad(integrand, edges) / norm

    return moment(1), moment(2)


def _polygammas(degrees: int) -> tuple[Any, Any]:
    half = mp.mpf(degrees) / 2
    return mp.digamma(half) + mp.log(2), mp.polygamma(1, half)


_BITS = 600
"""Of the integers below, relative to an array's largest entry: 180 digits. In floating point of 50, powers take twenty times as long."""


def _integers(values: np.ndarray) -> tuple[np.ndarray, int]:
    """Integers, and the power of two that makes an array of them."""
    power = int(np.frexp(np.abs(values).max())[1]) - _BITS
    entries = [int(Fraction(value) / Fraction(2) ** power) for value in values.ravel().tolist()]
    return np.array(entries, dtype=object).reshape(values.shape), power


def _product(one: tuple[np.ndarray, int], other: tuple[np.ndarray, int]) -> tuple[np.ndarray, int]:
    """The product of two arrays of integers and their powers of two, cut to as many bits."""
    made = one[0] @ other[0]
    spare = max(max(abs(entry).bit_length() for entry in made.flat) - _BITS, 0)
    return made >> spare, one[1] + other[1] + spare


@mp.workdps(50)
def log_power_norms(matrix: np.ndarray, vector: np.ndarray, steps: list[int]) -> list[Any]:
    """Log-norms of (W^T)^t v, one multiplication at a time, in integers."""
    transpose, state, logs = _integers(matrix.T), _integers(vector), {}
    for step in range(max(steps) + 1):
        if step in steps:
            square = int(state[0] @ state[0])
            logs[step] = mp.log(square) / 2 + state[1] * mp.log(2) if square else -mp.inf
        state = _product(transpose, state)
    return [logs[step] for step in steps]


@mp.workdps(50)
def log_growth(matrix: np.ndarray, steps: int) -> Any:
    """Log of the largest singular value of W^t: the power in integers, scaled by its largest entry, then float64."""
    power, square = _integers(np.eye(len(matrix))), _integers(matrix)
    for bit in range(steps.bit_length()):
        power = _product(power, square) if (steps >> bit) & 1 else power
        square = _product(square, square)
    size = max(abs(entry) for entry in power[0].flat)
    norm = np.linalg.norm((power[0] / size).astype(float), 2)
    return mp.log(size) + power[1] * mp.log(2) + mp.log(float(norm))
