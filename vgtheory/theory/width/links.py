"""One layer of the chain of ln M at every point of a grid; symbols as in ``accumulation``."""

import functools
import operator
from typing import NamedTuple, TypeVar

import jax
import numpy as np
from jax import lax

from vgtheory.activation import Activation
from vgtheory.activations import units as units_of
from vgtheory.activations.cusp import has_fourth
from vgtheory.estimate import Law
from vgtheory.theory.arrays import compiled, library, scan
from vgtheory.theory.integrals.squares import log_resolved
from vgtheory.theory.precision import Arrays, Values
from vgtheory.theory.width.unit import Unit, log_mean_law, unit

POINTS = 160
"""Number of points of the grid of ln M."""
_REACH, _STENCIL = 20.0, 6
_EDGE = float(np.arcsinh(_REACH / 2))
LOG_M = 2 * np.sinh(np.linspace(-_EDGE, _EDGE, POINTS))
NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(3)
RULE = _WEIGHTS / _WEIGHTS.sum()
"""Weights of the nodes of X, the mean over a layer's units."""
_BATCH = 64
_FLAT, _LOST = 0.02, 1e6


class Step(NamedTuple):
    """Effect of one layer at every grid point: shapes (points,), (points, 1) or (points, nodes).

    ``moves`` holds ``share`` at all of the grid's ``points``, shape (points, nodes, points): few enough
    where only those remain that a walk can reach.
    """

    omega: Arrays
    points: Arrays
    share: Arrays
    size: Arrays
    q: Arrays
    log_y: Arrays
    rest: Arrays
    pull: Arrays
    keep: Arrays
    fresh: Arrays
    t2_x: Arrays
    t2: Arrays
    rough: Arrays
    moves: Arrays | None = None


class Certain(NamedTuple):
    """Effect of one layer at infinite width: ``points`` and ``share`` of one node as in ``Step``, others (points,)."""

    points: Arrays
    share: Arrays
    grad: Arrays
    size: Arrays
    q: Arrays


Layer = TypeVar("Layer", Step, Certain)


def stencil(log_m: Values) -> tuple[Arrays, Arrays]:
    """Grid points and Lagrange weights that interpolate at ln M, or at the grid's end.

    Towards an end the stencil gets narrower, so that it stays centred: a walk along the grid would blow
    up under weights that extrapolate.
    """
    xp = library(log_m)
    place = (xp.clip(xp.arcsinh(log_m / 2) / _EDGE, -1.0, 1.0) + 1) / 2 * (POINTS - 1)
    first = xp.clip(xp.floor(place).astype(int), 0, POINTS - 2) - _STENCIL // 2 + 1
    apart = [place - first - k for k in range(_STENCIL)]
    within = [
        (first + min(k, _STENCIL - 1 - k) >= 0) & (first + max(k, _STENCIL - 1 - k) < POINTS) for k in range(_STENCIL)
    ]
    part = lambda j, k: xp.where(within[j], apart[j] / (k - j), 1.0)
    others = [[j for j in range(_STENCIL) if j != k] for k in range(_STENCIL)]
    shares = [functools.reduce(operator.mul, [part(j, k) for j in rest]) for k, rest in enumerate(others)]
    points = [xp.clip(first + k, 0, POINTS - 1) for k in range(_STENCIL)]
    shares = [xp.where(inside, share, 0.0) for inside, share in zip(within, shares, strict=True)]
    return xp.stack(points, axis=-1), xp.stack(shares, axis=-1)


def _log_q(log_m: Values, sigma_w: Values, sigma_b: Values) -> Arrays:
    xp = library(log_m, sigma_w, sigma_b)
    return xp.log(xp.maximum(sigma_w**2 * xp.exp(log_m) + sigma_b**2, xp.finfo(sigma_w.dtype).tiny))


def rise_of(sigma_w: Values, sigma_b: Values) -> Values:
    """ln Q of the layer above at every grid point, relative to M = 1."""
    log_m = library(sigma_w, sigma_b).asarray(LOG_M, sigma_w.dtype)
    return _log_q(log_m, sigma_w, sigma_b) - _log_q(0 * log_m, sigma_w, sigma_b)


def spread(points: Values, share: Values, axes: tuple[int, ...], size: int = POINTS) -> Arrays:
    """Sum over some axes of shares at grid points, as rows over a grid of that size."""
    xp, grid = library(points, share), np.arange(size).reshape((1,) * points.ndim + (-1,))
    return xp.sum(xp.where(points[..., None] == grid, share[..., None], 0.0), axis=axes)


def start_of(reward: Values, first: Law | None) -> Values:
    """Distribution over the grid of the ln M of layer 1, of which noise gives it a law."""
    xp = library(reward)
    if first is None:
        return spread(*stencil(xp.zeros_like(reward[0])), (0,))
    points, share = stencil(first.mean + first.std * xp.asarray(NODES, reward.dtype))
    return spread(points, share * xp.asarray(RULE, reward.dtype)[:, None], (0, 1))


def visits_of(step: Step, start: Values, size: int) -> Arrays:
    """Distribution over the grid at layers 1 ... size, shape (size, points)."""
    rule = RULE.astype(start.dtype)[None, :, None]
    moves = spread(step.points, step.share * rule, (1, 2), len(start))
    return scan(lambda place, _: (place @ moves, place), start, length=size)[1]


def reached_from(layer: Layer, start: Values) -> tuple[Layer, Values, np.ndarray]:
    """The layer at those grid points alone at which a walk from the start can arrive, the start there, and they."""
    reached, further = np.zeros(len(start), bool), np.asarray(start) != 0
    while (further & ~reached).any():
        reached = further.copy()
        further[np.asarray(layer.points)[reached]] = True
    kept = np.flatnonzero(reached)
    layer = jax.tree.map(lambda leaf: leaf[kept], layer)
    return layer._replace(points=np.searchsorted(kept, layer.points)), start[kept], kept


@compiled("activation")
def units(sigma_w: Values, sigma_b: Values, activation: Activation | units_of.Unit) -> tuple[Unit, Arrays]:
    """Moments at every grid point, 0 where a power of phi overflows; and where unknown."""
    xp = library(sigma_w, sigma_b)
    log_q = _log_q(xp.asarray(LOG_M, sigma_w.dtype), sigma_w, sigma_b)
    if xp is np:
        moments = unit(log_q, activation)
    else:
        moments = lax.map(lambda each: unit(each, activation), log_q, batch_size=_BATCH)
    unknown = xp.full(log_q.shape, not has_fourth(activation))
    if log_resolved(activation) < np.inf:
        # Beyond the resolved range the last moments are used, and phi^2 is taken to grow like h^2.
        unknown = unknown | (log_q > log_resolved(activation))
        last = xp.minimum(xp.arange(POINTS), xp.sum(log_q <= log_resolved(activation)) - 1)
        moments = jax.tree.map(lambda leaf: leaf[last], moments)
        log_m = xp.asarray(LOG_M, sigma_w.dtype)
        moments = moments._replace(log_f=moments.log_f + log_m - log_m[last])
    return jax.tree.map(lambda leaf: xp.where(xp.isfinite(leaf), leaf, 0.0), moments), unknown


@functools.lru_cache(maxsize=16)
def plain_units(sigma_w: float, sigma_b: float, activation: Activation | units_of.Unit) -> tuple[Unit, Arrays]:
    """``units`` of plain numbers, kept for questions about other widths and sums."""
    return units(np.asarray(sigma_w, float), np.asarray(sigma_b, float), activation)


@compiled()
def step_of(units: Unit, unknown: Arrays, sigma_w: Values, sigma_b: Values, width: int | float | Values) -> Step:
    """The layer of this width, from the result of ``units``."""
    xp = library(units, sigma_w, sigma_b, width)
    u = jax.tree.map(lambda leaf: leaf[:, None], units)
    log_m, nodes = xp.asarray(LOG_M, sigma_w.dtype)[:, None], xp.asarray(NODES, sigma_w.dtype)[None]
    log_q = _log_q(log_m, sigma_w, sigma_b)
    (mean_x, var_x), (mean_y, var_y) = log_mean_law(u.x2, u.x3, width), log_mean_law(u.y2, u.y3, width)
    spread = xp.sqrt(xp.maximum(var_x, xp.finfo(sigma_w.dtype).tiny ** 0.4))
    wide = width * spread
    skew = xp.clip((u.x3 - 3 * u.x2**2) / wide / wide / spread, -2.0, 2.0)
    after = u.log_f + mean_x + spread * (nodes + skew / 6 * (nodes**2 - 1))
    second = u.xy**2 / 2 + u.xy * (u.x2 + u.y2) - (u.xxy + u.xyy) / 2
    slope = xp.clip((u.xy + second / width) / width / spread, -xp.sqrt(var_y), xp.sqrt(var_y))
    return Step(
        xp.exp(2 * xp.log(sigma_w) + log_m - log_q)[:, 0],
        *stencil(after),
        after - log_m,
        _log_q(after, sigma_w, sigma_b) - log_q,
        u.log_g + mean_y + slope * nodes,
        var_y - slope**2,
        xp.minimum(u.pull / width, 0.5),
        u.keep,
        xp.maximum(u.own - u.keep, 0.0),
        u.own_x / xp.where(u.own > 0, u.own, 1.0) / width / spread * nodes,
        u.own - u.own_y / width,
        xp.where(unknown, _LOST, _roughness(units)),
    )


@compiled()
def certain_of(units: Unit, sigma_w: Values, sigma_b: Values) -> Certain:
    """The layer at infinite width, from the result of ``units``."""
    xp = library(units, sigma_w, sigma_b)
    log_m = xp.asarray(LOG_M, sigma_w.dtype)
    log_q = _log_q(log_m, sigma_w, sigma_b)
    grown = _log_q(units.log_f, sigma_w, sigma_b) - log_q
    return Certain(*stencil(units.log_f), units.log_g, units.log_f - log_m, grown)


def _roughness(units: Unit) -> Values:
    """Nonzero at an end of the grid where phi is neither homogeneous of degree one nor constant."""
    xp, place = library(units), np.arange(POINTS)
    slopes = xp.diff(units.log_f) / xp.diff(xp.asarray(LOG_M, units.log_f.dtype))
    bent = xp.minimum(xp.abs(slopes), xp.abs(slopes - 1)) > _FLAT
    ends = ((place == 0) & bent[0]) | ((place == POINTS - 1) & bent[-1])
    return xp.where(ends, xp.asarray(_LOST, units.log_f.dtype), 0.0)
