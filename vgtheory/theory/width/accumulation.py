"""Fluctuations at width N for Gaussian weights: local in 1/N, exact in depth.

Forward, given ``M = |x|^2 / N`` of the layer below, the entries of h are independent with variance
``Q = sigma_w^2 M + sigma_b^2``. Hence ln M is a Markov chain on the line,
``ln M' = ln E phi^2 + ln X``, where X is a mean over N independent units.

Backward, given the forward pass, ``W^T g`` is ``sigma_w |g| / sqrt(N)`` times a standard normal vector, whose
component c along x has the mean square ``1 - omega + omega E t^2`` instead of 1. Hence ``|g|^2`` grows by ``sigma_w^2
E phi'^2 Y (1 + pull (c^2 - 1))``, where Y is a mean over units as well, and ``t^2`` becomes ``(keep c^2 + fresh) / (1
+ pull (c^2 - 1))``.

Sums along this chain are propagated down from the top as functions of ln M on a grid: mean and variance of the sum
still to come, mean square and fourth moment of t, and the covariance of t^2 with the sum. A two-point rule stands for
c^2, the rule of a gamma variable with its two moments. Given c^2, the sum is taken as linear in ln c^2: the
covariance of any function with ln c^2 is the derivative of its mean with respect to the gamma's shape.

=========  ==========================================================  ===============
symbol     meaning                                                     shape
=========  ==========================================================  ===============
``M``      mean square of a layer's input; 1 at layer 1                (points,)
``omega``  share of the weights (not the bias) in Q                    (points,)
``t``      (h . g) / (sqrt(Q) |g|), component of the gradient along h  (points,)
``c``      (W^T g . x) sqrt(N) / (sigma_w |x| |g|), component along x  (points, nodes)
``pull``   response of ln |g|^2 to c^2, E[f g] / N                     (points, 1)
``keep``   part of t^2 that comes from c^2                             (points, 1)
``fresh``  part of t^2 that comes from the units' own noise            (points, 1)
``held``   part of ln |g|^2 that has grown out of one t                (points,)
=========  ==========================================================  ===============
"""

from typing import Any, NamedTuple

import numpy as np

from vgtheory.activation import Activation
from vgtheory.activations.cusp import has_fourth
from vgtheory.activations.units import Unit
from vgtheory.estimate import Law
from vgtheory.theory.arrays import compiled, library, scan
from vgtheory.theory.integrals.squares import log_resolved
from vgtheory.theory.precision import Arrays, Values
from vgtheory.theory.width.links import (
    RULE,
    Certain,
    Step,
    certain_of,
    plain_units,
    reached_from,
    rise_of,
    spread,
    start_of,
    stencil,
    step_of,
    units,
    visits_of,
)
from vgtheory.theory.width.masked import Masks, masked

_LEAST, _FLAT, _TINY, _LOOSE, _SHALLOWEST = 1e-6, 0.02, 1e-6, 1e-4, 64
SMEARED = 1e-5
"""Largest share of the grid's own variance, at infinite width, in that of a sum, for it to be subtracted."""
MOST_HELD = 2.0
"""Largest ``held`` at which the sum's variance is accurate to 5 %."""


class Reward(NamedTuple):
    """Weights in the sum of each layer's growth of ln |g|^2, ln M and ln Q."""

    grad: float
    size: float
    q: float


GRAD, GRAD_WEIGHT, Q = Reward(1.0, 0.0, 0.0), Reward(1.0, -1.0, 0.0), Reward(0.0, 0.0, 1.0)


class State(NamedTuple):
    """Functions of ln M, each of shape (points,).

    ``mean`` and ``var`` belong to the sum still to come; ``t2``, ``t4`` and ``tie`` are the mean
    square and fourth moment of t and the covariance of t^2 with the sum.
    """

    mean: Arrays
    var: Arrays
    t2: Arrays
    t4: Arrays
    tie: Arrays
    held: Arrays


class Answer(NamedTuple):
    """Response of a layer to c^2, each of shape (points, nodes).

    Means over c^2 of the gain ln(1 + pull (c^2 - 1)), of t^2 and of t^4; variance and covariance.
    ``_slope`` is per unit of the covariance of c^2 with any variable.
    """

    gain: Arrays
    gain_var: Arrays
    gain_slope: Arrays
    t2: Arrays
    t2_slope: Arrays
    t4: Arrays
    joint: Arrays


class Sums(NamedTuple):
    """Law of the sum between a layer and the top (layer 1 for ``Q``), shape (depth,).

    Attributes
    ----------
    mean, var
        Mean, less its value at infinite width, and variance.
    own_mean, own_var
        For ``GRAD`` and ``GRAD_WEIGHT``, mean and variance of the term between a layer and the
        next; the last entry has no meaning.
    held
        Share of the mean's growth that stems from one component of the gradient along its layer's ``h``: the largest so
        far, from the start of the sum. Above any bound where the chain leaves the grid.
    """

    mean: Arrays
    var: Arrays
    own_mean: Arrays
    own_var: Arrays
    held: Arrays


def _two_points(scale: Values, shape: Values) -> tuple[Values, Values, Values, Values]:
    """Two-point rule, along a last axis, of a gamma variable: nodes, weights, and their slopes."""
    xp = library(scale, shape)
    root, signs = xp.sqrt(1 + shape)[..., None], xp.asarray([-1.0, 1.0], shape.dtype).reshape((1,) * shape.ndim + (2,))
    steep = 1 / (2 * root)
    nodes, nodes_slope = scale[..., None] * (root**2 + signs * root), scale[..., None] * (1 + signs * steep)
    return nodes, (1 - signs / root) / 2, nodes_slope, signs * steep / root**2 / 2


def answer(step: Step, mean: Values, square: Values) -> Answer:
    """Response to a c^2 of this mean and mean square, shapes (points, nodes) or (points, 1)."""
    xp = library(step, mean)
    pull, keep, fresh = (each[..., None] for each in (step.pull, step.keep, step.fresh))
    shape = mean**2 / xp.maximum(square - mean**2, _FLAT * mean**2)
    scale = mean / shape
    c2, weights, c2_slope, weights_slope = _two_points(scale, shape)
    growth = 1 + pull * (c2 - 1)
    gain, kept, gained = xp.log(growth), keep * c2 / growth, fresh / growth
    t2 = kept + gained
    over = lambda values: xp.sum(values * weights, axis=-1)
    slope = lambda values, rate: xp.sum(rate * c2_slope * weights + values * weights_slope, axis=-1) / scale
    mean_gain, mean_t2 = over(gain), over(t2)
    return Answer(
        mean_gain,
        over(gain**2) - mean_gain**2,
        slope(gain, pull / growth),
        mean_t2,
        slope(t2, (keep - pull * t2) / growth),
        over(kept**2 + 6 * kept * gained + 3 * gained**2),
        over(gain * t2) - mean_gain * mean_t2,
    )


def _above(step: Step, state: State) -> tuple[Values, ...]:
    """At every node: moments of the sum above and of c^2, their covariance, ``held``."""
    xp = library(step, state)
    free = 1 - step.omega
    square = 3 * free**2 + 6 * free * step.omega * state.t2 + step.omega**2 * state.t4
    rows = xp.stack((state.mean, state.var, free + step.omega * state.t2, square, step.omega * state.tie, state.held))
    if step.moves is not None:
        return tuple(np.tensordot(rows, step.moves, (-1, -1)))
    return tuple(xp.sum(rows[:, step.points] * step.share[None], axis=-1))


def descended(step: Step, normal: Answer, reward: Values, state: State) -> tuple[State, Values, Values]:
    """From the layer above to this one; also mean and variance of this layer's own term."""
    xp = library(step, state)
    grad, size, q = reward
    mean, var, c2, c4, tie, held = _above(step, state)
    c2, rule = xp.maximum(c2, _LEAST), xp.asarray(RULE, mean.dtype)
    over = lambda values: values @ rule[:, None] if values.shape[-1] == len(rule) else values
    given = answer(step, c2, c4)
    to_t2 = step.t2 / normal.t2
    t2, t4 = to_t2 * given.t2, 3 * step.t2**2 / normal.t4 * given.t4
    climb, gain = size * step.size + q * step.q, given.gain - normal.gain
    added = grad * (step.log_y + gain) + climb
    rest = grad**2 * (step.rest + given.gain_var - normal.gain_var)
    total, ahead = mean + added, mean + climb
    apart, new_t2 = total - over(total), xp.maximum(over(t2), _LEAST)
    own_tie = grad * (to_t2 * given.joint + (1 - to_t2) * given.t2) + step.t2_x * t2 * (ahead - over(ahead))
    new = State(
        over(total),
        xp.maximum(over(var + apart**2 + rest + 2 * grad * given.gain_slope * tie), 0.0),
        new_t2,
        xp.maximum(over(t4), (1 + _FLAT) * new_t2**2),
        over(own_tie + to_t2 * given.t2_slope * tie + (t2 - new_t2) * apart),
        step.rough[:, None] + over(grad * gain + held * step.keep * c2 / (step.keep * c2 + step.fresh + _LEAST)),
    )
    alone = over(added)
    return State(*(each[:, 0] for each in new)), alone[:, 0], over((added - alone) ** 2 + rest)[:, 0]


@compiled("size")
def _sums(
    step: Step, reward: Values, first: Law | None, rise: Values | None, depth: Any, size: int
) -> tuple[Values, ...]:
    """The fields of ``Sums``, each of shape (size,), counted from the start of the sum, which is at ``rise``."""
    xp = library(step, reward)
    start = start_of(reward, first)
    if xp is np:
        step, start, reached = reached_from(step, start)
        rise = rise if rise is None else rise[reached]
        step = step._replace(moves=spread(step.points, step.share, (2,), len(start)))
    visits = visits_of(step, start, size)
    normal = answer(step, xp.ones_like(step.pull), 3 * xp.ones_like(step.pull))

    def down(state: State, count: Any) -> tuple[State, tuple[Any, ...]]:
        here, below = (visits[xp.maximum(depth - each - count, 0)] for each in (1, 2))
        here = xp.where(reward[0] > 0, here, start)
        new, alone, alone_var = descended(step, normal, reward, state)
        ahead = state.mean if rise is None else state.mean + rise
        mean, own = here @ ahead, below @ alone
        var, own_var = here @ (state.var + (ahead - mean) ** 2), below @ (alone_var + (alone - own) ** 2)
        return new, (mean, var, own, own_var, here @ state.held)

    zero, one = xp.zeros_like(start), xp.ones_like(start)
    rows = scan(down, State(zero, zero, one, 3 * one, zero, zero), xp.arange(size))[1]
    return *rows[:4], xp.maximum.accumulate(rows[4])


@compiled("size")
def _errors(certain: Certain, reward: Values, depth: Any, size: int) -> tuple[Values, ...]:
    """What ``_sums`` gives at infinite width, where ln M is known and nothing scatters: the grid's own errors."""
    xp = library(certain, reward)
    start = spread(*stencil(xp.zeros_like(reward[0])), (0,))
    if xp is np:
        certain, start, _ = reached_from(certain, start)
    points, share, grown, size_grown, q_grown = certain
    added = reward[0] * grown + reward[1] * size_grown + reward[2] * q_grown
    moves = spread(points, share, (1,), len(start))
    visits = scan(lambda place, _: (place @ moves, place), start, length=size)[1]

    def down(mean: Values, count: Any) -> tuple[Values, tuple[Any, ...]]:
        here, below = (visits[xp.maximum(depth - each - count, 0)] for each in (1, 2))
        here = xp.where(reward[0] > 0, here, start)
        total, own = here @ mean, below @ added
        return moves @ mean + added, (total, here @ (mean - total) ** 2, own, below @ (added - own) ** 2)

    return scan(down, xp.zeros_like(start), xp.arange(size))[1]


def sums(
    sigma_w: Values,
    sigma_b: Values,
    activation: Activation | Unit,
    width: int | float | Values,
    depth: int,
    reward: Reward,
    exact: tuple[Values, Values],
    masks: Masks | None = None,
) -> Sums:
    """Law of a sum along the chain, for unit inputs and a top cotangent independent of the weights.

    ``GRAD`` is ln ``|g_l|^2`` relative to the top, less ln sigma_w^2 for each layer between. ``GRAD_WEIGHT`` adds
    ln ``|x_{l-1}|^2``. ``Q`` is ln Q_l relative to layer 1. The fields have the shape ``(depth,)``; ``own_*`` at l is
    the term between layers l and l + 1, and ``exact`` the sum and that term at infinite width. With ``masks``, those of
    dropout, ``Q`` is relative to a layer 1 whose input has the mean square 1.

    Notes
    -----
    Accuracy: the mean is exact to order 1/N, and errs at order 1/N^2 per layer. Interpolation has a relative error of
    1e-9 per layer, which is also that of the chain at infinite width, and is subtracted. Where the length of infinite
    width runs away from a fixed point the grid smears it, and ``exact`` is subtracted instead. Where lengths leave
    the grid, its end costs 2e-5 of the sum in all.
    Assumes: no structure of phi below a scale of 1/16 in ``h`` but kinks; ln M between -20 and 20, or phi homogeneous
    of degree one, or constant, beyond. Where ripples or a cusp leave no moments, ``held`` is above any bound.
    """
    xp = library(sigma_w, sigma_b, width)
    plain = xp is np
    scales = (float(sigma_w), float(sigma_b)) if plain else (sigma_w, sigma_b)
    at_points = (plain_units if plain else units)(*scales, activation)
    weights = xp.asarray(reward, sigma_w.dtype)
    size = depth if plain else max(_SHALLOWEST, 1 << (depth - 1).bit_length())
    first = rise = None
    if masks is not None:
        at_points, first = (masked(at_points[0], masks.second, masks.third), at_points[1]), masks.first
        rise = rise_of(sigma_w, sigma_b) if reward.q else None
    *found, held = _sums(step_of(*at_points, sigma_w, sigma_b, width), weights, first, rise, depth, size)
    errors = _errors(certain_of(at_points[0], sigma_w, sigma_b), weights, depth, size)
    bound = _LOOSE if reward == Q else SMEARED * found[1][:depth] + _TINY
    smeared = xp.any(errors[1][:depth] > bound)
    *rows, held = (each[:depth] for each in (*found, *errors, held))
    if reward != Q:
        *rows, held = (leaf[::-1] for leaf in (*rows, held))
        rows = [xp.roll(leaf, -1) if index % 4 > 1 else leaf for index, leaf in enumerate(rows)]
    known = zip(rows[:4], rows[4:], (exact[0], 0.0, exact[1], 0.0), strict=True)
    mean, var, own, own_var = (each - xp.where(smeared, sure, error) for each, error, sure in known)
    own_var = xp.maximum(own_var, 0.0)
    if not has_fourth(activation) or log_resolved(activation) < np.inf:
        own_var = xp.where(held > MOST_HELD, xp.inf, own_var)
    return Sums(mean, xp.maximum(var, 0.0), own, own_var, held)
