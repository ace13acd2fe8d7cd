r"""E[phi^2] and E[phi'^2] at many variances from one set of nodes in ``h``.

The nodes are refined until two orders of the rule agree. Where no refinement will do, because a
function goes on rippling however large ``h``, its local mean takes its place: for q > w^2

.. math:: E[F(h)] = E_m[\bar F(m)], \qquad \bar F(m) = E_u[F(m + w u)], \quad
    m \sim N(0, q - w^2), \quad u \sim N(0, 1)

exactly, and the ripples of the mean are smaller by exp(-w^2 k^2 / 2) for a wave number k.

========  ==================================================  ==============
symbol    meaning                                             shape
========  ==================================================  ==============
``F``     phi^2 and phi'^2                                    (2, ...)
``m``     where a local mean is taken                         any
========  ==================================================  ==============
"""

import functools
import itertools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from vgtheory.activation import ACTIVATIONS, Activation
from vgtheory.activations.cusp import graded
from vgtheory.activations.units import Unit
from vgtheory.theory.integrals import gaussian

Squares = Callable[[np.ndarray], np.ndarray]

_OCTAVES = (-174, 163)
_LOOKED_AT = 60
"""Octaves within which panels are checked; beyond them is nothing finer than powers and logs."""
_CHUNK, _MOST = 1 << 15, 1 << 14
_ORDER = 16
_AGREE, _RIPPLED, _FAILED, _ROUNDINGS = 2e-13, 1e-9, 1e-6, 30.0
"""Relative errors of a panel that is done, ripples, or fails; and roundings of phi's own dtype."""
_REACH = 12.5
INFINITE = 1e4
"""A log that stands for infinity in a table."""
_RESOLVED = 512.0
"""Largest |h| up to which ripples are resolved one by one."""
_WINDOW, _SPACING, _DEVIATIONS = 24.0, 3 / 16, 8.5
_PLAIN = float(np.log(16.0))
_FAR, _STRAIGHT = 44, 1e-7
"""Octave from which a local mean is continued as a power, and the largest change of that power.

The change is over the eight octaves before.
"""


class Rule(NamedTuple):
    """Nodes in h, ascending in |h|, their weights without the density, and F there."""

    h: np.ndarray
    weights: np.ndarray
    squares: np.ndarray


class Rules(NamedTuple):
    """Rules for small variances and for those above ``change``; None where the panels fail."""

    near: Rule | None
    far: Rule | None
    change: float


def _evaluator(activation: Activation) -> Squares:
    """F at any points, in pieces of one size."""
    both = jax.jit(
        lambda h: jnp.stack([jnp.broadcast_to(each(h), h.shape) for each in (activation.phi, activation.dphi)])
    )

    def squares(h: np.ndarray) -> np.ndarray:
        pieces = np.pad(h.ravel(), (0, -h.size % _CHUNK)).reshape(-1, _CHUNK)
        with jax.ensure_compile_time_eval(), jax.enable_x64(True), np.errstate(all="ignore"):
            values = np.concatenate([np.asarray(both(jnp.asarray(each)), float) for each in pieces], axis=1)
            return np.square(values[:, : h.size].reshape(2, *h.shape))

    return squares


def _nodes(low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of Gauss and Legendre's rule on each panel, shape (panels, 16)."""
    half = (high - low)[:, None] / 2
    places, weights = gaussian.legendre(_ORDER)
    return (high + low)[:, None] / 2 + half * places, half * weights


def _integrals(squares: Squares, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    h, weights = _nodes(low, high)
    return np.sum(squares(h) * weights, axis=-1)


def _panels(squares: Squares, kinks: tuple[float, ...], agree: float, resolved: float) -> tuple[np.ndarray, ...]:
    """Ends and errors of panels on which two orders agree, or that lie beyond what is resolved."""
    octaves = 2.0 ** np.arange(_OCTAVES[0], _OCTAVES[1] + 1)
    edges = np.unique(np.concatenate([-octaves, [0.0], octaves, kinks]))
    low, high = edges[:-1], edges[1:]
    size, done = np.zeros((2, low.size)), []
    outer = np.maximum(abs(low), abs(high))
    order = np.argsort(outer, kind="stable")
    reach = outer[order]
    inner = (outer < 2.0**_LOOKED_AT) & (outer > 2.0**-_LOOKED_AT)
    size[:, inner] = _integrals(squares, low[inner], high[inner])
    within = np.cumsum(np.where(np.isinf(size), 0.0, size)[:, order], axis=1)
    total, error = int(low.size), np.zeros_like(low)
    while low.size:
        looked, middle = (
            (np.maximum(abs(low), abs(high)) <= 2.0**_LOOKED_AT) & (outer > 2.0**-_LOOKED_AT),
            (low + high) / 2,
        )
        error = np.zeros_like(low)
        ends = low[looked], middle[looked], high[looked]
        change = _integrals(squares, ends[0], ends[2]) - _integrals(squares, *ends[:2]) - _integrals(squares, *ends[1:])
        known = within[:, np.searchsorted(reach, outer[looked], side="right") - 1]
        error[looked] = np.max(np.divide(abs(change), known, out=np.zeros_like(known), where=known > 0), axis=0)
        error[np.isnan(error)] = 0.0
        again = (error > agree) & (outer <= resolved) & (middle > low) & (middle < high) & (high - low > 1e-12 * outer)
        again &= total + np.count_nonzero(again) < _MOST
        done.append((low[~again], high[~again], error[~again]))
        total += int(np.count_nonzero(again))
        low, high = np.concatenate([low[again], middle[again]]), np.concatenate([middle[again], high[again]])
        outer = np.maximum(abs(low), abs(high))
    return tuple(np.concatenate(each) for each in zip(*done, strict=True))


def _rule(h: np.ndarray, weights: np.ndarray, squares: np.ndarray) -> Rule:
    order = np.argsort(abs(h), kind="stable")
    return Rule(h[order], weights[order], squares[:, order])


def _local_means(squares: Squares, m: np.ndarray) -> np.ndarray:
    """F averaged about each m by the trapezium rule, whose sums m + w u are exact."""
    steps = np.arange(-np.floor(_DEVIATIONS * _WINDOW / _SPACING), np.ceil(_DEVIATIONS * _WINDOW / _SPACING)) * _SPACING
    weights = np.exp(-((steps / _WINDOW) ** 2) / 2)
    parts = [squares(each[:, None] + steps) @ (weights / weights.sum()) for each in np.array_split(m, 16)]
    return np.concatenate(parts, axis=1)


def _far(squares: Squares, near: Rule) -> tuple[Rule, float]:
    """The rule of local means, and its error by each panel's last two Legendre coefficients."""
    centre = 2.0 ** int(np.log2(_RESOLVED - 9 * _WINDOW))
    places = np.concatenate([[0.0], 2.0 ** np.arange(2, _OCTAVES[1] + 1)])
    edges = np.concatenate([-places[:0:-1], places])
    h, weights = _nodes(edges[:-1], edges[1:])
    bits = 2.0 ** (np.floor(np.log2(abs(h))) - 48)
    m = np.round(h / bits) * bits
    means = np.full((2, *m.shape), np.nan)
    core, known = abs(m) < centre, abs(m) < 2.0**_FAR
    kernel = np.exp(-(((m[core][:, None] - near.h) / _WINDOW) ** 2) / 2) * near.weights / (_WINDOW * np.sqrt(2 * np.pi))
    chosen = abs(near.h) < _RESOLVED
    means[:, core] = near.squares[:, chosen] @ kernel[:, chosen].T
    means[:, known & ~core] = _local_means(squares, m[known & ~core])
    places, shares = gaussian.legendre(_ORDER)
    series = np.polynomial.legendre.legvander(places, _ORDER - 1).T * shares * (np.arange(_ORDER)[:, None] + 0.5)
    sizes, outer = np.sum(means * weights, axis=-1), np.abs(h).max(axis=1)
    tails = abs(np.einsum("ij,kpj->kpi", series, means))[..., -2:].max(axis=-1) * weights.sum(axis=1)
    looked = known.all(axis=1)
    within = np.stack([sizes[:, looked & (outer <= each)].sum(axis=1) for each in outer[looked]], axis=1)
    error = float(np.max(np.divide(tails[:, looked], within, out=np.zeros_like(within), where=within > 0)))
    for side in (h > 0, h < 0):
        _continued(h, means, side)
    return _rule(h.ravel(), weights.ravel(), means.reshape(2, -1)), error


def _continued(h: np.ndarray, means: np.ndarray, side: np.ndarray) -> None:
    """Fill in what lies beyond as a power of |h|, if there is one."""
    x, beyond = np.log2(abs(h)), side & (abs(h) >= 2.0**_FAR)
    for row in means:
        # The same place in panels four octaves apart.
        ends = [row[side & (np.floor(x) == _FAR - back)][0] for back in (1, 5, 9)]
        if ends[0] <= 1e-300:
            row[beyond] = 0.0
            continue
        last, before = (np.log2(a / b) / 4 for a, b in itertools.pairwise(ends))
        if abs(last - before) < _STRAIGHT:
            start = x[side & (np.floor(x) == _FAR - 1)][0]
            row[beyond] = ends[0] * 2.0 ** (last * (x[beyond] - start))


def log_resolved(activation: Activation | Unit) -> float:
    """Natural log of the largest variance at which the rule resolves a function's ripples.

    The rule is made without these ripples in view. It is inf if there are none.

    Parameters
    ----------
    activation
        The nonlinearity.
    """
    if isinstance(activation, Unit):
        return min(map(log_resolved, activation.parts), default=float("inf"))
    known = ACTIVATIONS.get(activation.name) is activation or activation.period
    return float("inf") if known or rules(activation).change == np.inf else _PLAIN


def resolved(q: Any, activation: Activation) -> Any:
    """``gaussian.settled``, and NaN beyond ``log_resolved``, for rules that know of no ripples.

    Parameters
    ----------
    q
        Variance, any shape.
    activation
        The nonlinearity.
    """
    largest = log_resolved(activation)
    known = gaussian.settled(q, activation)
    return known if largest == np.inf else jnp.where(q > np.exp(largest), jnp.nan, known)


@functools.lru_cache(maxsize=64)
def rules(activation: Activation) -> Rules:
    """The nodes of an activation."""
    squares = _evaluator(activation)
    with jax.enable_x64(True):
        rounding = float(jnp.finfo(jax.eval_shape(activation.phi, jnp.zeros(1)).dtype).eps)
    wave = 14 * gaussian.PERIODS * activation.period if activation.period else 0.0
    agree = max(_AGREE, _ROUNDINGS * rounding)
    low, high, errors = _panels(squares, graded(activation.kinks), agree, max(_RESOLVED, wave))
    h, weights = (each.ravel() for each in _nodes(low, high))
    near = _rule(h, weights, squares(h))
    beyond = np.minimum(abs(low), abs(high)) >= _RESOLVED
    usable = near if np.max(errors[~beyond]) < _FAILED else None
    if activation.period or np.max(errors[beyond]) <= max(_RIPPLED, agree):
        return Rules(usable, usable, np.inf)
    far, error = _far(squares, near)
    return Rules(usable, far if error < _FAILED else None, _WINDOW**2 + 1)


def _means(rule: Rule, q: np.ndarray) -> np.ndarray:
    """E[F] at a few variances that lie close together, shape (2, q)."""
    s = np.sqrt(q)
    stop = np.searchsorted(abs(rule.h), _REACH * s.max())
    z = rule.h[:stop, None] / s
    density = np.exp(-(z**2) / 2) * (rule.weights[:stop, None] / (s * np.sqrt(2 * np.pi)))
    return rule.squares[:, :stop] @ density


def log_squares(log_q: np.ndarray, activation: Activation) -> np.ndarray:
    """Ln E[phi^2] and ln E[phi'^2], NaN where they are not resolved, 1e4 where they are infinite.

    Parameters
    ----------
    log_q
        Natural logs of variances, shape (rows, columns); those of a row are close together.
    activation
        The nonlinearity.

    Returns
    -------
    np.ndarray
        Shape (2, rows, columns).

    Notes
    -----
    Accuracy: 1e-12 of the moment; ripples 1e-9.
    Assumes: ripples at large h have periods from 0.2 to 18 units of h. But for them the functions
    are powers of h beyond 1e13.
    """
    made = rules(activation)
    settled = 2 * np.log(gaussian.PERIODS * activation.period) if activation.period else np.inf
    found = np.empty((2, *log_q.shape))
    for row, each in enumerate(log_q):
        q = np.exp(np.minimum(each, settled))
        far = q.min() > made.change
        rule, spread = (made.far, q - _WINDOW**2) if far else (made.near, q)
        with np.errstate(all="ignore"):
            found[:, row] = np.nan if rule is None else _means(rule, spread)
    with np.errstate(all="ignore"):
        return np.minimum(np.log(np.maximum(found, np.finfo(float).tiny)), INFINITE)
