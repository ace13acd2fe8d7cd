"""Every layer of a scalar chain under gradient flow, from any start, by one quadrature.

Squares of weights keep their differences, so that one number describes the flow.

======  =================================================================  =========
symbol  meaning                                                            shape
======  =================================================================  =========
``s``   growth of the square of every weight                               ()
``xi``  log of the smallest weight over its start                          (points,)
``v``   place of the product, as in ``escape_time``; falls with time       (points,)
``x``   place within a panel of v, -1 at its start and 1 at its end        (points,)
======  =================================================================  =========
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.polynomial import legendre

from vgtheory.expect import Numbers, expect
from vgtheory.theory.arguments import asked, one_positive
from vgtheory.theory.precision import in_numpy

_WIDTH = 2.5
"""Width of a panel in v; the integrand's nearest singularities are pi/2 off the axis."""
_NODES, _WEIGHTS = legendre.leggauss(20)
_TO_SERIES = (legendre.legvander(_NODES, 19) * _WEIGHTS[:, None]).T * (np.arange(20)[:, None] + 0.5)
"""Matrix from values at the nodes to Legendre coefficients."""
_END = -40.0
"""Value of v where the product is its target to the last digit."""
_MOST = 2_000_000
"""Largest number of entries held at a time."""


class _Path(NamedTuple):
    """A flow: logs of squares (smallest, excess over it), target, panels in v and their times."""

    log_least: float
    log_excess: np.ndarray
    log_y: float
    rises: bool
    edges: np.ndarray
    log_edges: np.ndarray
    log_peaks: np.ndarray
    series: np.ndarray


@in_numpy
@asked(y=one_positive)
def chain_flow(weights: Numbers, log_time: Numbers, *, y: float = 1.0) -> np.ndarray:
    r"""Weights of a scalar chain in the course of gradient flow, exactly.

    .. math:: \dot w_i = (y - p)\, p / w_i, \quad p = w_1 \cdots w_L, \qquad
        w_i^2 - w_j^2 = const, \qquad
        t = \int_0^s \frac{ds'}{2\, p(s')\,(y - p(s'))}, \quad w_i(s)^2 = w_i(0)^2 + s

    The gradient of a layer is p (y - p) over its own weight. The layer with the smallest weight
    therefore has the largest gradient and moves farthest, wherever in the chain it stands. Equal
    layers stay equal.

    Parameters
    ----------
    weights
        Weights at the start, shape ``(depth,)``; none is 0, their product is positive.
    log_time
        Natural log of the times t, shape ``(times,)`` or ``()``; -inf and inf are allowed.
    y
        Target, > 0.

    Returns
    -------
    numpy.ndarray
        Shape ``(times, depth)`` or ``(depth,)``.

    Notes
    -----
    Accuracy: a relative error of 1e-13 in the time, plus the rounding of the product's log. Events
    that take less than 1e-13 of the time before them are not resolved; ``log_layer_times`` and
    ``log_escape_time`` resolve them.
    Assumes: gradient flow of the loss (y - p)^2 / 2. A chain of negative product goes to 0 first,
    and stays there if its smallest weights are equal in size.

    Examples
    --------
    >>> import numpy as np
    >>> from vgtheory import theory
    >>> theory.training.chain_flow([0.2, 0.5, 2.0], np.log([1e-9, 1.0, 1e9])).round(3).tolist()
    [[0.2, 0.5, 2.0], [0.607, 0.761, 2.081], [0.621, 0.772, 2.085]]
    """
    weights = _checked("chain_flow", weights, y)
    log_times = np.asarray(log_time, float)
    path = _path(np.abs(weights), y)
    sizes = np.exp(_log_sizes(path, _v_at(path, log_times.ravel()))) if path.edges.size else np.abs(weights)
    return np.broadcast_to(np.sign(weights) * sizes, (log_times.size, weights.size)).reshape(
        *log_times.shape, weights.size
    )


@in_numpy
@asked(y=one_positive)
def log_layer_times(weights: Numbers, *, share: float = 0.5, y: float = 1.0) -> np.ndarray:
    r"""Log of the time at which each layer of a scalar chain has gone a share of its own way.

    .. math:: w_i(t_i) = (1 - \alpha)\, w_i(0) + \alpha\, w_i(\infty)

    All squares grow by the same s under gradient flow. A layer of small weight has gone half of its
    way when s has a quarter of its final value, and a layer of large weight when s has half of it.
    Layers therefore learn in the order of their weights, smallest first, whatever their place.

    Parameters
    ----------
    weights, y
        As in ``chain_flow``.
    share
        alpha, in (0, 1).

    Returns
    -------
    numpy.ndarray
        Natural log, shape ``(depth,)``; -inf if the product is at its target from the start.

    Notes
    -----
    Accuracy: 1e-12 absolute plus 1e-15 of the log, if layers move by more than 1e-3 of their
    weights.
    Assumes: as ``chain_flow``.

    Examples
    --------
    >>> import numpy as np
    >>> from vgtheory import theory
    >>> np.exp(theory.training.log_layer_times([0.2, 0.5, 2.0])).round(3).tolist()
    [0.293, 0.345, 0.38]
    """
    sizes = np.abs(_checked("log_layer_times", weights, y))
    expect(0 < share < 1, "log_layer_times", "a share in (0, 1)", share=share)
    path = _path(sizes, y)
    if not path.edges.size:
        return np.full(sizes.size, -np.inf)
    end = np.exp(_log_sizes(path, np.array([-np.inf])))[0]
    grown = share * (end - sizes) * (2 * sizes + share * (end - sizes))
    log_p = np.sum(np.log(sizes[None, :] ** 2 + grown[:, None]), axis=1) / 2
    return _log_time_at(path, _v_of(log_p - path.log_y))


def _checked(where: str, weights: Numbers, y: float) -> np.ndarray:
    """The weights as an array, if there is a law for them."""
    array = np.asarray(weights, float)
    expect(
        array.ndim == 1 and array.size > 0 and bool(np.all(np.isfinite(array))),
        where,
        "a list of weights",
        weights=weights,
    )
    positive = bool(np.prod(np.sign(array)) > 0)
    expect(
        positive,
        where,
        "weights of positive product",
        "A chain with a weight of 0 or a negative product has other laws.",
        weights=weights,
    )
    expect(bool(np.isfinite(y)) and y > 0, where, "a finite y > 0", y=y)
    return array


def _v_of(log_u: Any) -> Any:
    """The variable v of a share u of the target, on either side."""
    size = np.abs(log_u)
    with np.errstate(divide="ignore"):
        return size + np.log(-np.expm1(-size))


def _path(weights: np.ndarray, y: float) -> _Path:
    """Times of the flow at the ends of panels in v, and a series within each panel."""
    squares = weights**2
    with np.errstate(divide="ignore"):
        log_excess = np.log(squares - squares.min())
    log_y, log_p = float(np.log(y)), float(np.sum(np.log(weights)))
    start = float(_v_of(log_p - log_y))
    empty = np.empty(0)
    path = _Path(float(np.log(squares.min())), log_excess, log_y, log_p < log_y, empty, empty, empty, empty)
    if start <= _END:
        return path
    edges = np.linspace(start, _END, int(np.ceil((start - _END) / _WIDTH)) + 1)
    half = (edges[0] - edges[1]) / 2
    panels = max(1, _MOST // (20 * weights.size))
    logs = [
        _log_speed(path, edges[each : each + panels + 1][:-1, None] - half * (1 + _NODES[None, :]))
        for each in range(0, len(edges) - 1, panels)
    ]
    log_time = np.concatenate(logs) + np.log(half)
    peaks = log_time.max(axis=1)
    series = legendre.legint(_TO_SERIES @ np.exp(log_time - peaks[:, None]).T, lbnd=-1, axis=0)
    log_panels = peaks + np.log(series.sum(axis=0))
    log_edges = np.concatenate([[-np.inf], np.logaddexp.accumulate(log_panels)])
    return path._replace(edges=edges, log_edges=log_edges, log_peaks=peaks, series=series)


def _log_sizes(path: _Path, v: np.ndarray) -> np.ndarray:
    """Logs of the weights where the product is at v, by Newton's method; shape (points, depth)."""
    away = np.logaddexp(0, v)
    log_p = path.log_y - away if path.rises else path.log_y + away
    log_sizes = lambda xi: np.logaddexp(path.log_excess, path.log_least + 2 * xi[:, None]) / 2
    xi = np.maximum(log_p - log_sizes(np.zeros(1)).sum(), 0.0)
    for _ in range(60):
        logs = log_sizes(xi)
        slope = np.exp(path.log_least + 2 * xi[:, None] - 2 * logs).sum(axis=1)
        step = (logs.sum(axis=1) - log_p) / slope
        xi = xi - step
        if np.all(np.abs(step) <= 1e-15 * (1 + np.abs(xi))):
            break
    return log_sizes(xi)


def _log_speed(path: _Path, v: np.ndarray) -> np.ndarray:
    """Log of the time per unit of v: (1 + e^v)^(1 or -2) over y^2 times the sum of 1 / w^2."""
    log_sizes = _log_sizes(path, v.ravel())
    log_sum = np.logaddexp.reduce(-2 * log_sizes, axis=1).reshape(v.shape)
    power = 1 if path.rises else -2
    return power * np.logaddexp(0, v) - 2 * path.log_y - log_sum


def _log_time_at(path: _Path, v: np.ndarray) -> np.ndarray:
    """Log of the time at which the product is at v."""
    width = path.edges[0] - path.edges[1]
    place = np.maximum((path.edges[0] - v) / width, 0.0)
    panel = np.clip(place.astype(int), 0, len(path.log_peaks) - 1)
    within = legendre.legval(2 * (place - panel) - 1, path.series[:, panel], tensor=False)
    with np.errstate(divide="ignore"):
        return np.logaddexp(path.log_edges[panel], path.log_peaks[panel] + np.log(np.maximum(within, 0)))


def _v_at(path: _Path, log_time: np.ndarray) -> np.ndarray:
    """Place of the product at a time, by bisection in the series; -inf beyond the last panel."""
    panel = np.clip(np.searchsorted(path.log_edges, log_time, side="right") - 1, 0, len(path.log_peaks) - 1)
    wanted = np.exp(log_time - path.log_peaks[panel]) - np.exp(path.log_edges[panel] - path.log_peaks[panel])
    low, high = -np.ones(log_time.shape), np.ones(log_time.shape)
    for _ in range(54):
        middle = (low + high) / 2
        short = legendre.legval(middle, path.series[:, panel], tensor=False) < wanted
        low, high = np.where(short, middle, low), np.where(short, high, middle)
    width = path.edges[0] - path.edges[1]
    v = path.edges[panel] - width * (1 + (low + high) / 2) / 2
    return np.where(log_time >= path.log_edges[-1], -np.inf, np.where(np.isneginf(log_time), path.edges[0], v))
