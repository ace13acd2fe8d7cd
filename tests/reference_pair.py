r"""Independent truth in two dimensions: E[phi(u) phi(v)] and E[phi'(u) phi'(v)] of jointly normal u and v.

=====  =========================================================================
``q``  variance of ``u`` and of ``v``
``c``  their correlation
``x``  ``u + v``, scaled to variance 1; independent of ``y``
``y``  ``u - v``, scaled to variance 1
``a``  ``sqrt((1 + c) / 2)``, so that ``u, v = sqrt(q) (a x + b y), sqrt(q) (a x - b y)``
``b``  ``sqrt((1 - c) / 2)``
=====  =========================================================================

By formula at 40 digits where there is one; else by nested quadrature over ``x`` and ``y`` in ``numpy.longdouble`` (64 bits on
x86, elsewhere perhaps no more than float64), with activations defined once more. ``python -m tests.reference_pair`` rewrites
``tests/data/pairs.csv`` (five minutes on x86): name, q, c, slope (0 or 1: of phi or of phi'), value to 25 digits (formula) or
18 (quadrature; absolute error below 1e-17 E[phi^2], so that a value that vanishes by symmetry is not quite 0).
"""

import csv
import functools
import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import mpmath as mp
import numpy as np
from scipy import special

from tests.reference import ALPHA, GELU_CUBIC, LEAK, PHI, SCALE

STATED = 100 * float(np.finfo(np.longdouble).eps)
"""Accuracy of ``pair_quadrature``, relative to E[phi^2] (or E[phi'^2]): 1e-17 with 64 bits; for ``sin``, q <= 100."""

STATED_ERF = 10 * float(np.finfo(float).eps)
"""The same for ``erf`` and ``gelu``, whose error function is in float64; the table has them by formula."""

QS = (1e-12, 1e-6, 1e-2, 1.0, 3.0, 10.0, 100.0, 1e4, 1e8)
CS = (-0.9, 0.0, 0.5, 0.99, 0.999999)
TABLE = Path(__file__).parent / "data" / "pairs.csv"

_DIGITS = 60  # twenty to spare: c near -1 cancels
_NUM_NODES = 24
_REACH = 12.0  # the density beyond is below 1e-31
_STEPS = np.arange(0, 13.5, 1.5, dtype=np.longdouble)
_H_SCALES = np.array([1, 2, 3, 4, 6, *(2.0**power for power in range(3, 18))], np.longdouble)
_H_BREAKS = np.concatenate(
    [-_H_SCALES[::-1], np.zeros(1, np.longdouble), _H_SCALES]
)  # all kinks of the table among them
_KINKS = {"hard_tanh": (-1, 1), "hard_sigmoid": (-3, 3), "hard_swish": (-3, 3), "relu6": (0, 6)}  # others: at 0 or none

Pointwise = Callable[[np.ndarray], np.ndarray]


def _extended(number: Any) -> np.longdouble:
    """A number of mpmath as a longdouble."""
    with mp.workdps(_DIGITS):
        return np.longdouble(mp.nstr(number, 30))


_PI = _extended(mp.pi)
_LEAK, _ALPHA, _SCALE, _CUBIC = map(_extended, (LEAK, ALPHA, SCALE, GELU_CUBIC))


def _sigmoid(h: np.ndarray) -> np.ndarray:
    decay = np.exp(-np.abs(h))
    return np.where(h > 0, 1, decay) / (1 + decay)


def _bell(h: np.ndarray) -> np.ndarray:
    """Slope of the sigmoid."""
    decay = np.exp(-np.abs(h))
    return decay / (1 + decay) ** 2


def _softplus(h: np.ndarray) -> np.ndarray:
    return np.log1p(np.exp(-np.abs(h))) + np.maximum(h, 0)


def _elu(h: np.ndarray) -> np.ndarray:
    return np.where(h > 0, h, np.expm1(np.minimum(h, 0)))


def _elu_slope(h: np.ndarray, alpha: Any = 1) -> np.ndarray:
    return np.where(h > 0, 1, alpha * np.exp(np.minimum(h, 0)))


def _erf(h: np.ndarray) -> np.ndarray:
    """In float64: there is no longdouble one."""
    return special.erf(h.astype(float)).astype(np.longdouble)


def _normal_cdf(h: np.ndarray) -> np.ndarray:
    return special.ndtr(h.astype(float)).astype(np.longdouble)


def _gelu_inner(h: np.ndarray) -> np.ndarray:
    return np.sqrt(8 / _PI) * (h + _CUBIC * h**3)


def _gelu_tanh_slope(h: np.ndarray) -> np.ndarray:
    inner_slope = np.sqrt(8 / _PI) * (1 + 3 * _CUBIC * h**2)
    return _sigmoid(_gelu_inner(h)) + h * inner_slope * _bell(_gelu_inner(h))


def _mish_slope(h: np.ndarray) -> np.ndarray:
    return np.tanh(_softplus(h)) + 4 * h * _sigmoid(h) * _bell(2 * _softplus(h))


FUNCTIONS: dict[str, tuple[Pointwise, Pointwise]] = {
    "linear": (lambda h: h, np.ones_like),
    "relu": (lambda h: np.maximum(h, 0), lambda h: np.heaviside(h, 0)),
    "leaky_relu": (lambda h: np.where(h > 0, h, _LEAK * h), lambda h: np.where(h > 0, 1, _LEAK)),
    "tanh": (np.tanh, lambda h: 4 * _bell(2 * h)),
    "erf": (_erf, lambda h: 2 / np.sqrt(_PI) * np.exp(-(h**2))),
    "sigmoid": (_sigmoid, _bell),
    "gelu": (
        lambda h: h * _normal_cdf(h),
        lambda h: _normal_cdf(h) + h * np.exp(-(h**2) / 2) / np.sqrt(2 * _PI),
    ),
    "silu": (lambda h: h * _sigmoid(h), lambda h: _sigmoid(h) + h * _bell(h)),
    "softplus": (_softplus, _sigmoid),
    "elu": (_elu, _elu_slope),
    "selu": (
        lambda h: _SCALE * np.where(h > 0, h, _ALPHA * _elu(h)),
        lambda h: _SCALE * _elu_slope(h, _ALPHA),
    ),
    "sin": (np.sin, np.cos),
    "hard_tanh": (lambda h: np.clip(h, -1, 1), lambda h: np.heaviside(1 - np.abs(h), 0)),
    "hard_sigmoid": (lambda h: np.clip(h + 3, 0, 6) / 6, lambda h: np.heaviside(3 - np.abs(h), 0) / 6),
    "hard_swish": (
        lambda h: h * np.clip(h + 3, 0, 6) / 6,
        lambda h: np.where(np.abs(h) < 3, (2 * h + 3) / 6, np.heaviside(h, 0)),
    ),
    "mish": (lambda h: h * np.tanh(_softplus(h)), _mish_slope),
    "softsign": (lambda h: h / (1 + np.abs(h)), lambda h: 1 / (1 + np.abs(h)) ** 2),
    "arctan": (np.arctan, lambda h: 1 / (1 + h**2)),
    "relu_squared": (lambda h: np.maximum(h, 0) ** 2, lambda h: 2 * np.maximum(h, 0)),
    "relu6": (lambda h: np.clip(h, 0, 6), lambda h: np.heaviside(h, 0) * np.heaviside(6 - h, 0)),
    "abs": (np.abs, np.sign),
    "gaussian": (lambda h: np.exp(-(h**2)), lambda h: -2 * h * np.exp(-(h**2))),
    "gelu_tanh": (lambda h: h * _sigmoid(_gelu_inner(h)), _gelu_tanh_slope),
    "cube": (lambda h: h**3, lambda h: 3 * h**2),
}
"""phi and phi' in longdouble (``erf`` and the normal cdf within in float64)."""


def _relu_pair(c: Any) -> tuple[Any, Any]:
    """E[relu relu] at q = 1 and E[relu' relu']."""
    angle, sine = mp.pi - mp.acos(c), mp.sqrt((1 - c) * (1 + c))
    return (sine + c * angle) / (2 * mp.pi), angle / (2 * mp.pi)


def _abs_pair(c: Any) -> tuple[Any, Any]:
    """E[|u| |v|] at q = 1 and E[sign(u) sign(v)]."""
    return 2 * (mp.sqrt((1 - c) * (1 + c)) + c * mp.asin(c)) / mp.pi, 2 * mp.asin(c) / mp.pi


def _leaky(even: Any, odd: Any) -> Any:
    """The pair of a sum of (1 - LEAK) / 2 times an even and (1 + LEAK) / 2 times an odd function."""
    return ((1 - LEAK) / 2) ** 2 * even + ((1 + LEAK) / 2) ** 2 * odd


def _relu_squared_pair(q: Any, c: Any) -> Any:
    angle, sine = mp.pi - mp.acos(c), mp.sqrt((1 - c) * (1 + c))
    return q**2 * (3 * sine * c + angle * (1 + 2 * c**2)) / (2 * mp.pi)


def _gelu_terms(q: Any, c: Any) -> tuple[Any, Any, Any]:
    """E[cdf(u) cdf(v)], E[v pdf(u) cdf(v)] and E[v cdf(u) pdf(v)]."""
    free = q - (q * c) ** 2 / (1 + q)  # variance of v after weighting by pdf(u)
    weight = 1 / (2 * mp.pi * mp.sqrt((1 + q) * (1 + free)))
    return mp.mpf(1) / 4 + mp.asin(q * c / (1 + q)) / (2 * mp.pi), weight * free, weight * q * c / (1 + q)


def _gelu_pair(q: Any, c: Any) -> Any:
    both, across, along = _gelu_terms(q, c)
    return q * (across + c * both + c * along)


def _gelu_slope_pair(q: Any, c: Any) -> Any:
    both, _, along = _gelu_terms(q, c)
    return both + 2 * along + q * c / (2 * mp.pi * mp.sqrt((1 + q - q * c) * (1 + q + q * c)) ** 3)


def _spread(q: Any, c: Any) -> Any:
    """Square root of the determinant of 1 + 2 cov(u, v)."""
    return mp.sqrt((1 + 2 * q - 2 * q * c) * (1 + 2 * q + 2 * q * c))


CLOSED_PAIR: dict[str, tuple[Callable[[Any, Any], Any], Callable[[Any, Any], Any]]] = {
    "linear": (lambda q, c: q * c, lambda q, c: mp.mpf(1)),
    "relu": (lambda q, c: q * _relu_pair(c)[0], lambda q, c: _relu_pair(c)[1]),
    "leaky_relu": (
        lambda q, c: q * _leaky(_abs_pair(c)[0], c),
        lambda q, c: _leaky(_abs_pair(c)[1], mp.mpf(1)),
    ),
    "erf": (
        lambda q, c: 2 * mp.asin(2 * q * c / (1 + 2 * q)) / mp.pi,
        lambda q, c: 4 / (mp.pi * _spread(q, c)),
    ),
    "gelu": (_gelu_pair, _gelu_slope_pair),
    "sin": (
        lambda q, c: (mp.exp(-q * (1 - c)) - mp.exp(-q * (1 + c))) / 2,
        lambda q, c: (mp.exp(-q * (1 - c)) + mp.exp(-q * (1 + c))) / 2,
    ),
    "relu_squared": (_relu_squared_pair, lambda q, c: 4 * q * _relu_pair(c)[0]),
    "abs": (lambda q, c: q * _abs_pair(c)[0], lambda q, c: _abs_pair(c)[1]),
    "gaussian": (lambda q, c: 1 / _spread(q, c), lambda q, c: 4 * q * c / _spread(q, c) ** 3),
    "cube": (lambda q, c: q**3 * (9 * c + 6 * c**3), lambda q, c: 9 * q**2 * (1 + 2 * c**2)),
}
"""E[phi(u) phi(v)] and E[phi'(u) phi'(v)] where they are elementary."""


@functools.cache
def _rule(num_nodes: int) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights of the Gauss-Legendre rule on [-1, 1], by Newton's method at 60 digits."""
    with mp.workdps(_DIGITS):
        guesses = np.polynomial.legendre.leggauss(num_nodes)[0]
        nodes = [mp.findroot(lambda t: mp.legendre(num_nodes, t), mp.mpf(guess)) for guess in guesses]
        slopes = [num_nodes * mp.legendre(num_nodes - 1, t) / ((1 - t) * (1 + t)) for t in nodes]
        weights = [2 / ((1 - t) * (1 + t) * slope**2) for t, slope in zip(nodes, slopes, strict=True)]
        return np.array([*map(_extended, nodes)]), np.array([*map(_extended, weights)])


def _points(breaks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights between the sorted ``breaks``, shape (rows, breaks); pieces empty in every row are left out."""
    nodes, weights = _rule(_NUM_NODES)
    half = np.diff(breaks, axis=1) / 2
    pieces = np.any(half > 0, axis=0)
    half, low = half[:, pieces, None], breaks[:, :-1][:, pieces, None]
    rows = breaks.shape[0]
    return (low + half * (1 + nodes)).reshape(rows, -1), (half * weights).reshape(rows, -1)


def _x_breaks(name: str, along: np.longdouble, ratio: np.longdouble) -> np.ndarray:
    """Where lines of kinks cross, about them at the scale b / a, and at the activation's own scale."""
    marks = [_STEPS, -_STEPS]
    if along:
        centres = np.array([0, *_KINKS.get(name, ())], np.longdouble) / along
        marks += [_H_BREAKS / along, *(centre + sign * ratio * _STEPS for centre in centres for sign in (-1, 1))]
    return np.unique(np.clip(np.concatenate(marks), -_REACH, _REACH))


def _strips(name: str, along: np.longdouble, across: np.longdouble) -> Iterator[tuple[np.ndarray, ...]]:
    """Columns x, rows of y > 0 and their joint weights, one piece of x at a time, within the disc of radius 12."""
    breaks = _x_breaks(name, along, across / along if along else across)
    for ends in itertools.pairwise(breaks):
        x, weights_x = (each.T for each in _points(np.array([ends])))
        reach = np.sqrt(np.maximum(_REACH**2 - np.min(np.abs(ends)) ** 2, 0))
        lines = np.abs(_H_BREAKS - along * x) / across if across else np.zeros_like(x)
        steps = np.broadcast_to(_STEPS, (x.size, _STEPS.size))
        y, weights_y = _points(np.sort(np.minimum(np.concatenate([steps, lines], axis=1), reach), axis=1))
        yield x, y, weights_x * weights_y * np.exp(-(x**2 + y**2) / 2) / _PI


def pair_quadrature(name: str, q: float, c: float, slope: bool = False) -> np.longdouble:
    """E[phi(u) phi(v)], or E[phi'(u) phi'(v)], by quadrature."""
    function = FUNCTIONS[name][slope]
    root, one = np.sqrt(np.longdouble(q)), np.longdouble(1)
    along, across = root * np.sqrt((one + c) / 2), root * np.sqrt((one - c) / 2)
    pieces = [
        np.sum(weights * function(along * x + across * y) * function(along * x - across * y))
        for x, y, weights in _strips(name, along, across)
    ]
    return np.sum(np.array(pieces))


@mp.workdps(_DIGITS)
def as_mpf(number: np.longdouble) -> Any:
    """A longdouble as a number of mpmath, exactly."""
    return mp.mpf(float(number)) + mp.mpf(float(number - float(number)))


@mp.workdps(_DIGITS)
def pair(name: str, q: float, c: float, slope: bool = False) -> Any:
    """The same, by formula where there is one."""
    if name in CLOSED_PAIR:
        return CLOSED_PAIR[name][slope](mp.mpf(q), mp.mpf(c))
    return as_mpf(pair_quadrature(name, q, c, slope))


def cases() -> list[tuple[str, float, float, int]]:
    """The table's first four columns."""
    return [(name, q, c, slope) for name in PHI for q in QS for c in CS for slope in (0, 1)]


def written(name: str, q: float, c: float, slope: int) -> str:
    """The table's last column."""
    return mp.nstr(pair(name, q, c, bool(slope)), 25 if name in CLOSED_PAIR else 18)


def main() -> None:
    """Rewrite the table."""
    TABLE.parent.mkdir(exist_ok=True)
    with TABLE.open("w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(("name", "q", "c", "slope", "value"))
        table.writerows((*case, written(*case)) for case in cases())


if __name__ == "__main__":
    main()
