r"""Fluctuations of a network with Gaussian weights at width N: local in 1/N, exact in what accumulates over depth.

Forward, given ``M = |x|^2 / N`` of the layer below, the entries of h are independent with variance ``Q = sigma_w^2 M +
sigma_b^2``. So ln M is a Markov chain on the line: ``ln M' = ln E phi^2 + ln X``, X a mean over N independent units.
Backward, given the forward pass, ``W^T g`` is ``sigma_w |g| / sqrt(N)`` times a standard normal vector whose component c
along x has the mean square ``1 - omega + omega E t^2`` instead of 1. Hence ``|g|^2`` grows by ``sigma_w^2 E phi'^2 Y (1 +
pull (c^2 - 1))``, Y a mean over units as well, and ``t^2`` becomes ``(keep c^2 + fresh) / (1 + pull (c^2 - 1))``.

Sums along this chain are propagated down from the top as functions of ln M, on a grid: mean and variance of the sum still
to come, mean square and fourth moment of t, the covariance of t^2 with the sum. A gamma variable with the two moments of
c^2 (one degree of freedom for a normal c) stands for it by its two-point rule, and the sum, given c^2, is taken as linear
in ln c^2: the covariance of any function with ln c^2 is the derivative of its mean with respect to the gamma's shape.

===========  =============================================================================  ===============
symbol       meaning                                                                        shape
===========  =============================================================================  ===============
``M``        mean square of a layer's input; 1 at layer 1                                   (points,)
``omega``    share of the weights (not the bias) in Q                                       (points,)
``t``        (h . g) / (sqrt(Q) |g|), the component of the gradient along its own h         (points,)
``c``        (W^T g . x) sqrt(N) / (sigma_w |x| |g|), that of W^T g along x                 (points, nodes)
``pull``     answer of ln |g|^2 to c^2, E[f g] / N                                          (points, 1)
``keep``     what t^2 keeps of c^2                                                          (points, 1)
``fresh``    what t^2 gains from the units' own noise                                       (points, 1)
``held``     how much of ln |g|^2 has grown out of one and the same t                       (points,)
===========  =============================================================================  ===============
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from vgtheory.activation import Activation
from vgtheory.cusp import has_fourth
from vgtheory.theory.integrals.squares import log_resolved
from vgtheory.theory.width.unit import Unit, log_mean_law, unit

_POINTS, _REACH, _STENCIL = 160, 20.0, 6
_EDGE = float(np.arcsinh(_REACH / 2))
_LOG_M = 2 * np.sinh(np.linspace(-_EDGE, _EDGE, _POINTS))
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(3)
_RULE = _WEIGHTS / _WEIGHTS.sum()
_BATCH = 64
_WIDE = -1.15
_LEAST, _FLAT, _LOST = 1e-6, 0.02, 1e6
_SHALLOWEST = 64
MOST_HELD = 2.0
"""Largest ``held`` at which the sum's variance is right to 5 %."""


class Reward(NamedTuple):
    """What is summed along the chain: how often each layer's growth of ln |g|^2 downwards, of ln M and of ln Q upwards."""

    grad: float
    size: float
    q: float


GRAD, GRAD_WEIGHT, Q = Reward(1.0, 0.0, 0.0), Reward(1.0, -1.0, 0.0), Reward(0.0, 0.0, 1.0)


class Step(NamedTuple):
    """What one layer does at every grid point: last axes (points,), (points, 1) or (points, nodes)."""

    omega: Array
    points: Array
    share: Array
    size: Array
    q: Array
    log_y: Array
    rest: Array
    pull: Array
    keep: Array
    fresh: Array
    t2_x: Array
    t2: Array
    rough: Array


class State(NamedTuple):
    """Functions of ln M, each of shape (points,).

    Of the sum still to come: mean, variance. Of t: mean square, fourth moment, covariance of t^2 with the sum; ``held``.
    """

    mean: Array
    var: Array
    t2: Array
    t4: Array
    tie: Array
    held: Array


class Answer(NamedTuple):
    """What c^2 does to a layer, each of shape (points, nodes).

    Means over c^2 of the gain ln(1 + pull (c^2 - 1)), t^2 and t^4; variance, covariance; ``_slope``: per unit of covariance of
    c^2 with anything.
    """

    gain: Array
    gain_var: Array
    gain_slope: Array
    t2: Array
    t2_slope: Array
    t4: Array
    joint: Array


class Sums(NamedTuple):
    """Law of the sum between a layer and the top (or, for ``Q``, the bottom): shape (depth,), zero there.

    Attributes
    ----------
    mean
        Mean, less that at infinite width.
    var
        Variance.
    own_mean, own_var
        For ``GRAD`` and ``GRAD_WEIGHT``, the same of the term between a layer and the next; the last entry has no meaning.
    held
        Share of the mean's growth that stems from one and the same component of the gradient along its layer's ``h``, or more
        than any bound where the chain leaves the grid: the largest so far, from where the sum starts.
    """

    mean: Array
    var: Array
    own_mean: Array
    own_var: Array
    held: Array


def _stencil(log_m: Array) -> tuple[Array, Array]:
    """Grid points and Lagrange weights, along a last axis, that interpolate at any ln M; beyond the grid, at its end."""
    place = (jnp.clip(jnp.arcsinh(log_m / 2) / _EDGE, -1.0, 1.0) + 1) / 2 * (_POINTS - 1)
    first = jnp.clip(jnp.floor(place).astype(int) - _STENCIL // 2 + 1, 0, _POINTS - _STENCIL)
    apart = [place - first - k for k in range(_STENCIL)]
    others = [[j for j in range(_STENCIL) if j != k] for k in range(_STENCIL)]
    shares = [functools.reduce(jnp.multiply, [apart[j] / (k - j) for j in rest]) for k, rest in enumerate(others)]
    return jnp.stack([first + k for k in range(_STENCIL)], axis=-1), jnp.stack(shares, axis=-1)


def _log_q(log_m: Array, sigma_w: Array, sigma_b: Array) -> Array:
    return jnp.log(jnp.maximum(sigma_w**2 * jnp.exp(log_m) + sigma_b**2, jnp.finfo(sigma_w.dtype).tiny))


@functools.partial(jax.jit, static_argnames=("activation",))
def _units(sigma_w: Array, sigma_b: Array, activation: Activation) -> tuple[Unit, Array]:
    """Moments at every grid point, zeros where a power of the activation overflows; and where they are not known."""
    log_q = _log_q(jnp.asarray(_LOG_M, sigma_w.dtype), sigma_w, sigma_b)
    moments = lax.map(lambda each: unit(each, activation), log_q, batch_size=_BATCH)
    unknown = jnp.full(log_q.shape, not has_fourth(activation))
    if log_resolved(activation) < np.inf:
        # Beyond what is resolved the last moments stand in, and phi^2 for one that grows like h^2.
        unknown |= log_q > log_resolved(activation)
        last = jnp.minimum(jnp.arange(_POINTS), jnp.sum(log_q <= log_resolved(activation)) - 1)
        moments = jax.tree.map(lambda leaf: leaf[last], moments)
        moments = moments._replace(log_f=moments.log_f + jnp.asarray(_LOG_M, sigma_w.dtype) - jnp.asarray(_LOG_M)[last])
    return jax.tree.map(lambda leaf: jnp.where(jnp.isfinite(leaf), leaf, 0.0), moments), unknown


@jax.jit
def _step(units: Unit, unknown: Array, sigma_w: Array, sigma_b: Array, width: Array) -> Step:
    u = jax.tree.map(lambda leaf: leaf[:, None], units)
    log_m, nodes = jnp.asarray(_LOG_M, sigma_w.dtype)[:, None], jnp.asarray(_NODES, sigma_w.dtype)[None]
    log_q = _log_q(log_m, sigma_w, sigma_b)
    (mean_x, var_x), (mean_y, var_y) = log_mean_law(u.x2, u.x3, width), log_mean_law(u.y2, u.y3, width)
    spread = jnp.sqrt(jnp.maximum(var_x, jnp.finfo(sigma_w.dtype).tiny ** 0.4))
    wide = width * spread
    skew = jnp.clip((u.x3 - 3 * u.x2**2) / wide / wide / spread, -2.0, 2.0)
    after = u.log_f + mean_x + spread * (nodes + skew / 6 * (nodes**2 - 1))
    second = u.xy**2 / 2 + u.xy * (u.x2 + u.y2) - (u.xxy + u.xyy) / 2
    slope = jnp.clip((u.xy + second / width) / width / spread, -jnp.sqrt(var_y), jnp.sqrt(var_y))
    return Step(
        jnp.exp(2 * jnp.log(sigma_w) + log_m - log_q)[:, 0],
        *_stencil(after),
        after - log_m,
        _log_q(after, sigma_w, sigma_b) - log_q,
        u.log_g + mean_y + slope * nodes,
        var_y - slope**2,
        jnp.minimum(u.pull / width, 0.5),
        u.keep,
        jnp.maximum(u.own - u.keep, 0.0),
        u.own_x / jnp.where(u.own > 0, u.own, 1.0) / width / spread * nodes,
        u.own - u.own_y / width,
        jnp.where(unknown, _LOST, _roughness(units)),
    )


def _roughness(units: Unit) -> Array:
    """Nonzero at an end of the grid beyond which phi is neither homogeneous of degree one nor constant."""
    slopes = jnp.diff(units.log_f) / jnp.diff(jnp.asarray(_LOG_M, units.log_f.dtype))
    ends = jnp.minimum(jnp.abs(slopes), jnp.abs(slopes - 1))[np.array([0, -1])] > _FLAT
    return jnp.zeros_like(units.log_f).at[np.array([0, -1])].set(jnp.where(ends, _LOST, 0.0))


def _two_points(scale: Array, shape: Array) -> tuple[Array, Array]:
    """Nodes and weights, along a last axis, of the two-point rule of the gamma variable with this scale and shape."""
    root = jnp.sqrt(1 + shape)
    nodes = scale[..., None] * jnp.stack([root**2 - root, root**2 + root], axis=-1)
    return nodes, jnp.stack([1 + 1 / root, 1 - 1 / root], axis=-1) / 2


def _answer(step: Step, mean: Array, square: Array) -> Answer:
    """The answer to c^2 of this mean and mean square, each of shape (points, nodes) or (points, 1)."""
    pull, keep, fresh = (each[..., None] for each in (step.pull, step.keep, step.fresh))
    shape = mean**2 / jnp.maximum(square - mean**2, _FLAT * mean**2)
    scale = mean / shape

    def averages(shape: Array) -> tuple[Array, ...]:
        c2, weights = _two_points(scale, shape)
        growth = 1 + pull * (c2 - 1)
        gain, kept, gained = jnp.log(growth), keep * c2 / growth, fresh / growth
        t2, t4 = kept + gained, kept**2 + 6 * kept * gained + 3 * gained**2
        return tuple(jnp.sum(each * weights, axis=-1) for each in (gain, gain**2, t2, t4, gain * t2))

    (gain, gain2, t2, t4, joint), slopes = jax.jvp(averages, (shape,), (jnp.ones_like(shape),))
    return Answer(gain, gain2 - gain**2, slopes[0] / scale, t2, slopes[2] / scale, t4, joint - gain * t2)


def _above(step: Step, state: State) -> tuple[Array, ...]:
    """At every node, what the layer above leaves: the sum's mean and variance, moments of c^2, its covariance, ``held``."""
    free = 1 - step.omega
    square = 3 * free**2 + 6 * free * step.omega * state.t2 + step.omega**2 * state.t4
    rows = (state.mean, state.var, free + step.omega * state.t2, square, step.omega * state.tie, state.held)
    picked = jnp.stack(rows)[:, step.points]
    return tuple(jnp.sum(picked * step.share[None], axis=-1))


def _down(step: Step, normal: Answer, reward: Array, state: State) -> tuple[State, Array, Array]:
    """From the layer above to this one; also mean and variance of what this layer adds by itself."""
    grad, size, q = reward
    mean, var, c2, c4, tie, held = _above(step, state)
    c2, rule = jnp.maximum(c2, _LEAST), jnp.asarray(_RULE, mean.dtype)
    over = lambda values: (jnp.broadcast_to(values, mean.shape) @ rule)[:, None]
    given = _answer(step, c2, c4)
    to_t2 = step.t2 / normal.t2
    t2, t4 = to_t2 * given.t2, 3 * step.t2**2 / normal.t4 * given.t4
    climb, gain = size * step.size + q * step.q, given.gain - normal.gain
    added = grad * (step.log_y + gain) + climb
    rest = grad**2 * (step.rest + given.gain_var - normal.gain_var)
    total, ahead = mean + added, mean + climb
    apart, new_t2 = total - over(total), jnp.maximum(over(t2), _LEAST)
    own_tie = grad * (to_t2 * given.joint + (1 - to_t2) * given.t2) + step.t2_x * t2 * (ahead - over(ahead))
    new = State(
        over(total),
        jnp.maximum(over(var + apart**2 + rest + 2 * grad * given.gain_slope * tie), 0.0),
        new_t2,
        jnp.maximum(over(t4), (1 + _FLAT) * new_t2**2),
        over(own_tie + to_t2 * given.t2_slope * tie + (t2 - new_t2) * apart),
        step.rough[:, None] + over(grad * gain + held * step.keep * c2 / (step.keep * c2 + step.fresh + _LEAST)),
    )
    alone = over(added)
    return State(*(each[:, 0] for each in new)), alone[:, 0], over((added - alone) ** 2 + rest)[:, 0]


def _visits(step: Step, start: Array, size: int) -> Array:
    """Distribution over the grid at layers 1 ... size, shape (size, points), as weights that interpolate."""
    rows = jnp.broadcast_to(jnp.arange(_POINTS)[:, None, None], step.share.shape)
    rule = jnp.asarray(_RULE, start.dtype)[None, :, None]
    moves = jnp.zeros((_POINTS, _POINTS), start.dtype).at[rows, step.points].add(step.share * rule)
    return lax.scan(lambda place, _: (place @ moves, place), start, length=size)[1]


@functools.partial(jax.jit, static_argnames=("size",))
def _sums(step: Step, reward: Array, depth: Array, size: int) -> tuple[Array, ...]:
    """Mean, variance, own mean, own variance and ``held``, each of shape (size,), counted from where the sum starts."""
    points, share = _stencil(jnp.zeros_like(reward[0]))
    start = jnp.zeros_like(step.omega).at[points].set(share)
    visits = _visits(step, start, size)
    normal = _answer(step, jnp.ones_like(step.pull), 3 * jnp.ones_like(step.pull))

    def down(state: State, count: Array) -> tuple[State, tuple[Array, ...]]:
        here, below = (visits[jnp.maximum(depth - each - count, 0)] for each in (1, 2))
        here = jnp.where(reward[0] > 0, here, start)
        new, alone, alone_var = _down(step, normal, reward, state)
        mean, own = here @ state.mean, below @ alone
        var, own_var = here @ (state.var + (state.mean - mean) ** 2), below @ (alone_var + (alone - own) ** 2)
        return new, (mean, var, own, own_var, here @ state.held)

    zero, one = jnp.zeros_like(start), jnp.ones_like(start)
    rows = lax.scan(down, State(zero, zero, one, 3 * one, zero, zero), jnp.arange(size))[1]
    return *rows[:4], lax.cummax(rows[4])


def sums(
    sigma_w: Array, sigma_b: Array, activation: Activation, width: int | Array, depth: int, reward: Reward
) -> Sums:
    """Law of a sum along the chain, for inputs of unit mean square and a top cotangent independent of the weights.

    Parameters
    ----------
    sigma_w, sigma_b
        Scales, shape ``()``.
    activation
        The nonlinearity.
    width
        Number of units.
    depth
        Number of layers, >= 1.
    reward
        ``GRAD``: ln ``|g_l|^2`` relative to the top, less ln sigma_w^2 for each layer between. ``GRAD_WEIGHT``: the same with
        ln ``|x_{l-1}|^2``. ``Q``: ln Q_l relative to layer 1.

    Returns
    -------
    Sums
        Each of shape ``(depth,)``, by layer; ``own_*`` at l is the term between layers l and l + 1.

    Notes
    -----
    Accuracy: interpolation errs by 1e-9 per layer, relatively; it is common to the chain at great width, which is taken off.
    Assumes: nothing below a scale of 1/16 in ``h`` but kinks; ln M between -20 and 20, or phi homogeneous of degree one, or
    constant, beyond. Where an activation's ripples or a cusp leave no moments ``held`` is beyond any bound.
    """
    units, unknown = _units(sigma_w, sigma_b, activation)
    size = max(_SHALLOWEST, 1 << (depth - 1).bit_length())
    weights = jnp.asarray(reward, sigma_w.dtype)
    run = lambda width: _sums(_step(units, unknown, sigma_w, sigma_b, width), weights, depth, size)
    rows = [
        leaf[:, :depth]
        for leaf in jax.vmap(run)(jnp.asarray([width, jnp.finfo(sigma_w.dtype).eps ** _WIDE], sigma_w.dtype))
    ]
    if reward != Q:
        rows = [leaf[:, ::-1] for leaf in rows]
        rows[2:4] = [jnp.roll(leaf, -1, axis=1) for leaf in rows[2:4]]
    mean, var, own, own_var = (leaf[0] - leaf[1] for leaf in rows[:4])
    held, own_var = rows[4][0], jnp.maximum(own_var, 0.0)
    if not has_fourth(activation) or log_resolved(activation) < np.inf:
        own_var = jnp.where(held > MOST_HELD, jnp.inf, own_var)
    return Sums(mean, jnp.maximum(var, 0.0), own, own_var, held)
