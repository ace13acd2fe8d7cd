r"""Moments of an activation as functions of ``q``, integrated once and then interpolated.

Of its activation an infinitely wide network knows E[phi^2] and E[phi'^2] as functions of the
variance ``q`` (and those of ``pairs``). Here they are Chebyshev series in ln q, so that a grid of a
million networks costs a million polynomials and not a million integrals.
"""

import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import scipy

from vgtheory.activation import Activation, is_tabled
from vgtheory.activations.units import GLU, Maxout, RReLU, Unit
from vgtheory.theory.arrays import library, still
from vgtheory.theory.integrals import gaussian, rules
from vgtheory.theory.integrals.chebyshev import located, samples, series
from vgtheory.theory.integrals.rules import values
from vgtheory.theory.integrals.shipped import shipped
from vgtheory.theory.integrals.squares import INFINITE, log_squares
from vgtheory.theory.precision import tables

LN_Q = 28.0
"""Tables of pairs reach from exp(-28) to exp(28)."""
GRID = (-LN_Q, 1.0, 56, 18)
_KNEE, _WIDER, _ENDS = 40.0, 10.0, 57.0
"""Knee of the curves' coordinate: ln q below it, 40 + 10 ln(|ln q| / 40) above it.

Nothing is left there but powers and logs.
"""
_GRID = (-_ENDS, 1.0, 114, 18)
LN_END = _KNEE * float(np.exp((_ENDS - _KNEE) / _WIDER))
"""Curves reach from exp(-219) to exp(219), beyond which logs continue in straight lines."""
_DRIFT = 1.0
"""How far ln g may move beyond the tables of pairs and still have a limit."""


class Curves(NamedTuple):
    """Chebyshev coefficients over ln q of ln f and of ln g, each of shape (panels, nodes).

    The last field is ln g as q goes to 0 and to infinity.
    """

    log_f: np.ndarray
    log_g: np.ndarray
    log_g_ends: np.ndarray


def squares_at(q: Any, activation: Activation) -> Callable[[Any], Any]:
    """phi^2 and phi'^2 as functions of z.

    Parameters
    ----------
    q
        Variance, shape ``()``.
    activation
        The nonlinearity.
    """
    xp = library(q)
    return lambda z: xp.stack([each**2 for each in values(activation, xp.sqrt(q) * z)])


def squares_in_numpy(q: np.ndarray, activation: Activation) -> np.ndarray:
    """E[phi^2] and E[phi'^2] of a tabled activation by ``gaussian.mean``, shape (2, ...).

    Parameters
    ----------
    q
        Variance, any shape.
    activation
        An entry of ``ACTIVATIONS``.
    """
    places = [gaussian.settled(each, activation) for each in np.ravel(q)]
    rows = [gaussian.mean(squares_at(each, activation), each, activation.kinks) for each in places]
    return np.reshape(np.transpose(rows), (2, *np.shape(q)))


def _coordinate(log_q: Any) -> Any:
    xp = library(log_q)
    size = xp.maximum(xp.abs(log_q), _KNEE)
    return xp.where(xp.abs(log_q) <= _KNEE, log_q, xp.sign(log_q) * (_KNEE + _WIDER * xp.log(size / _KNEE)))


def _log_q(coordinate: np.ndarray) -> np.ndarray:
    beyond = _KNEE * np.exp((np.abs(coordinate) - _KNEE) / _WIDER)
    return np.where(np.abs(coordinate) <= _KNEE, coordinate, np.sign(coordinate) * beyond)


@tables
def curves(activation: Activation | Unit) -> Curves:
    """Tables of E[phi^2] and E[phi'^2] over q.

    Parameters
    ----------
    activation
        The nonlinearity, or a unit.

    Returns
    -------
    Curves
        To be read with ``value_and_slope``; in float64 under x64, else in float32.

    Notes
    -----
    Accuracy: 1e-12 relative to the moment itself, q in [1e-95, 1e95]; 1e-9 with ripples. NaN where
    the integrals cannot be resolved.
    Assumes: as ``squares.log_squares``.
    """
    return _made(activation)


def _made(activation: Activation | Unit) -> Curves:
    """``curves`` in float64."""
    if isinstance(activation, Unit):
        nodes, transform = samples(_GRID)
        return _of_logs(_log_q(nodes), log_squares_of_unit(activation, _log_q(nodes)), transform)
    return Curves(*shipped(activation.name)) if is_tabled(activation) else integrated_curves(activation)


@functools.singledispatch
def log_squares_of_unit(unit: Any, log_q: np.ndarray) -> np.ndarray:
    """Ln E[x^2], and ln of the mean square of the derivatives of x by the unit's pre-activations, shape (2, ...)."""
    raise NotImplementedError


@log_squares_of_unit.register
def _(unit: GLU, log_q: np.ndarray) -> np.ndarray:
    """Products, since the gate's pre-activation and the other one are independent."""
    table = _made(unit.gate)
    log_f, log_g = (value_and_slope(each, log_q)[0] for each in table[:2])
    return np.stack([log_f + log_q, np.minimum(np.logaddexp(log_g + log_q, log_f), INFINITE)])


@log_squares_of_unit.register
def _(unit: Maxout, log_q: np.ndarray) -> np.ndarray:
    """A unit passes one of its pieces on: the gradient keeps its size."""
    return np.stack([log_q + np.log(largest_square(unit.fan)), np.zeros_like(log_q)])


@log_squares_of_unit.register
def _(unit: RReLU, log_q: np.ndarray) -> np.ndarray:
    square = (unit.low**2 + unit.low * unit.high + unit.high**2) / 3
    kept = np.full_like(log_q, np.log((1 + square) / 2))
    return np.stack([log_q + kept, kept])


@functools.cache
def largest_square(count: int) -> float:
    """Mean square of the largest of a number of independent standard normal variables."""
    z, weights = rules.nodes(np.array(1.0))
    return float(np.sum(weights * largest_density(count, z) * z**2))


def largest_density(count: int, z: np.ndarray) -> np.ndarray:
    """Density of the largest of a number of standard normal variables, over that of one of them."""
    return count * scipy.special.ndtr(z) ** (count - 1)


def integrated_curves(activation: Activation) -> Curves:
    """``curves`` in float64, integrated there and then.

    Parameters
    ----------
    activation
        The nonlinearity.
    """
    nodes, transform = samples(_GRID)
    return _of_logs(_log_q(nodes), log_squares(_log_q(nodes), activation), transform)


def _of_logs(log_q: np.ndarray, logs: np.ndarray, transform: np.ndarray) -> Curves:
    """Series of ln f and ln g from their values at the nodes."""
    log_f, log_g = (each @ transform.T for each in logs)
    log_g_ends = logs[1].ravel()[[np.argmin(log_q), np.argmax(log_q)]]
    before = logs[1].ravel()[[np.argmin(np.abs(log_q - end)) for end in (-LN_Q, LN_Q)]]
    drift = np.abs(log_g_ends - before) > _DRIFT
    return Curves(log_f, log_g, np.where(drift, np.where(log_g_ends > before, np.inf, -np.inf), log_g_ends))


def log_q_series() -> np.ndarray:
    """Coefficients of ln q itself, as those of a field of ``Curves``."""
    nodes, transform = samples(_GRID)
    return np.asarray(_log_q(nodes) @ transform.T)


def value_and_slope(coefficients: Any, log_q: Any) -> tuple[Any, Any]:
    """Value and derivative of a curve at ln q; beyond its ends it continues in a straight line.

    Parameters
    ----------
    coefficients
        A field of ``Curves``.
    log_q
        Natural log of the variance, any shape.

    Returns
    -------
    tuple of arrays
        Of the same shape, dtype and library.
    """
    xp = library(log_q)
    inside = xp.clip(log_q, -LN_END, LN_END)
    index, t = located(_coordinate(inside), _GRID)
    chosen = xp.moveaxis(xp.asarray(coefficients, log_q.dtype)[index], -1, 0)
    value, bent = series(chosen, t)
    # The place runs through 2 while ln q runs through the panel.
    rate = xp.where(xp.abs(inside) <= _KNEE, 1.0, _WIDER / xp.maximum(xp.abs(inside), _KNEE))
    slope = bent * (2 / _GRID[1] * rate)
    return value + still(slope) * (log_q - inside), slope


def reader(coefficients: np.ndarray) -> Callable[[float], float]:
    """A curve as a function of one plain number, for marches of many steps.

    It is ten times as fast as ``value_and_slope``.

    Parameters
    ----------
    coefficients
        A field of ``Curves``.
    """
    panels, (first, width, _, _) = coefficients[:, ::-1].tolist(), _GRID

    def value(log_q: float) -> float:
        size = abs(log_q)
        if not size < LN_END:
            return float(value_and_slope(coefficients, np.float64(log_q))[0])
        bent = size if size <= _KNEE else _KNEE + _WIDER * math.log(size / _KNEE)
        place = (math.copysign(bent, log_q) - first) / width
        index = min(int(place), len(panels) - 1)
        twice = 2 * (2 * (place - index) - 1)
        last, before = 0.0, 0.0
        for coefficient in panels[index]:
            last, before = coefficient + twice * last - before, last
        return last - twice / 2 * before

    return value
