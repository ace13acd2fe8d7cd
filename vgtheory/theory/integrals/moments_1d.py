r"""Moments of an activation as functions of ``q``, integrated once and then interpolated.

Of its activation an infinitely wide network knows E[phi^2] and E[phi'^2] as functions of the
variance ``q`` (and those of ``pairs``). Here they are Chebyshev series in ln q, so that a grid of a
million networks costs a million polynomials and not a million integrals.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from vgtheory.activation import Activation, is_tabled
from vgtheory.theory.arrays import library, still
from vgtheory.theory.integrals import gaussian
from vgtheory.theory.integrals.chebyshev import located, samples, series
from vgtheory.theory.integrals.rules import values
from vgtheory.theory.integrals.shipped import shipped
from vgtheory.theory.integrals.squares import log_squares
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
def curves(activation: Activation) -> Curves:
    """Tables of E[phi^2] and E[phi'^2] over q.

    Parameters
    ----------
    activation
        The nonlinearity.

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
    return Curves(*shipped(activation.name)) if is_tabled(activation) else integrated_curves(activation)


def integrated_curves(activation: Activation) -> Curves:
    """``curves`` in float64, integrated there and then.

    Parameters
    ----------
    activation
        The nonlinearity.
    """
    nodes, transform = samples(_GRID)
    log_q = _log_q(nodes)
    logs = log_squares(log_q, activation)
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
