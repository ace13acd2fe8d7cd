"""The law of an activation's squared slope g = phi'(sqrt(q) z)^2, z standard normal, in units of its mean.

=========  =============================================================  =========
symbol     meaning                                                        shape
=========  =============================================================  =========
``z``      standard normal variable                                       any
``g``      phi'(sqrt(q) z)^2 over its mean                                any
``root``   sqrt(q)                                                        ()
``unit``   E[phi'(sqrt(q) z)^2]                                           ()
=========  =============================================================  =========
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import scipy.special
from jax import Array, lax
from jax.scipy.stats import norm

from vgtheory.activation import Activation
from vgtheory.activations.cusp import graded, has_fourth
from vgtheory.theory import arrays
from vgtheory.theory.arrays import compiled, library
from vgtheory.theory.integrals import gaussian
from vgtheory.theory.integrals.rules import nodes, values
from vgtheory.theory.integrals.squares import log_resolved

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(gaussian.FINE.order)
_REACH = gaussian.FINE.normals[-1]
_HALF_GRADES = 0.5 * 8.0 ** -np.arange(10)
_GRADES = np.concatenate([-_HALF_GRADES, [0.0], _HALF_GRADES])
_NUM_TURNS, _NUM_HALVINGS, _BATCH = 16, 45, 4
_FAR_OUT = 5.5
_NEAR, _FAR = np.linspace(-30.003, 30.001, 6001), np.sinh(np.linspace(-12, 12, 20_000))  # hit no round number
_VANISHING, _BESIDE, _NUDGE, _DEEPEST = 1e-18, 1e-10, 1e-12, -60.0
NUM_POINTS = 256
"""Points that are asked for at a time: one shape, compiled once."""


class Slopes(NamedTuple):
    """An activation at one q; where to split z for g to be smooth and monotone on each piece; and how often g is 0."""

    activation: Activation
    root: Any
    unit: Any
    breaks: Any
    zero_weight: Any


class Rule(NamedTuple):
    """The law of g by nodes and weights, one row for each point."""

    g: Any
    weights: Any


class Landmarks(NamedTuple):
    """Where the slope turns, and its smallest and largest square, in units of ``h`` and of the slope."""

    turns: np.ndarray
    smallest: float
    largest: float


@functools.cache
def landmarks(activation: Activation) -> Landmarks:
    """The 16 turns nearest to 0 with |h| < 30, and the range for |h| < 8e4, exact zeros left out.

    Parameters
    ----------
    activation
        The nonlinearity. Where its slope falls below 1e-9 of the largest without being 0, the
        smallest is 0.
    """
    square = lambda h: values(activation, h)[1] ** 2
    beside = np.add.outer(np.asarray(activation.kinks, dtype=float), [-_BESIDE, _BESIDE]).ravel()
    every = square(np.concatenate([_NEAR, _FAR, beside]))
    near = every[: _NEAR.size]
    rise, fall, noise = near[1:-1] - near[:-2], near[2:] - near[1:-1], 1e-12 * near[1:-1]
    turning = np.flatnonzero((rise * fall < 0) & (np.abs(rise) > noise) & (np.abs(fall) > noise)) + 1
    turning = turning[np.argsort(np.abs(_NEAR[turning]))][:_NUM_TURNS]
    turns = _turns(square, _NEAR[turning], near[turning] > near[turning - 1])
    at_turns = square(turns)
    largest = float(max(every.max(), at_turns.max(initial=0.0)))
    floor, positive = _VANISHING * largest, every[every > 0]
    smallest = 0.0 if np.any(at_turns <= floor) else float(positive.min(initial=largest))
    sup = largest if activation.sup_dphi is None else activation.sup_dphi**2
    return Landmarks(turns, smallest if smallest > floor else 0.0, float(sup))


def _turns(square: Callable[[np.ndarray], np.ndarray], centres: np.ndarray, peaks: np.ndarray) -> np.ndarray:
    """Turning points, their brackets shrunk eightfold at a time."""
    sign = np.where(peaks, -1.0, 1.0)[:, None]
    for step in (_NEAR[1] - _NEAR[0]) * 8.0 ** -np.arange(16):
        near = centres[:, None] + step * np.linspace(-1, 1, 21)
        lowest = np.argmin(sign * square(near), axis=1)
        centres = np.take_along_axis(near, lowest[:, None], axis=1)[:, 0]
    return centres


def within_turns(q: Any, activation: Activation) -> Any:
    """``q``, or NaN where an activation goes on rippling beyond its last known turn and that is not far out.

    Parameters
    ----------
    q
        Variance, any shape.
    activation
        The nonlinearity.
    """
    xp, turns = library(q), landmarks(activation).turns
    if log_resolved(activation) == np.inf or turns.size < _NUM_TURNS:
        return xp.where(xp.log(q) > log_resolved(activation), xp.nan, q)
    return xp.where(q > (np.abs(turns).max() / _FAR_OUT) ** 2, xp.nan, q)


def slopes(q: Any, activation: Activation) -> Slopes:
    """The law at one ``q``.

    Parameters
    ----------
    q
        Variance of the pre-activations; shape ``()``, > 0.
    activation
        The nonlinearity.
    """
    return Slopes(activation, *_parts(q, activation))


@compiled("activation")
def _parts(q: Any, activation: Activation) -> tuple[Any, ...]:
    xp = library(q)
    root = xp.sqrt(gaussian.settled(q, activation))
    breaks = xp.sort(gaussian.marks(xp.zeros_like(root), root, _bends(activation), gaussian.FINE, xp))
    z, weights = nodes(root**2, activation.kinks)
    unit = xp.sum(xp.where(weights > 0, values(activation, root * z)[1] ** 2, 0.0) * weights)
    law = Slopes(activation, root, unit, breaks, xp.zeros_like(root))
    starts, crossed, z = _crossings(xp.full(1, -xp.inf, root.dtype), law)
    return root, unit, breaks, xp.sum(_below(starts, crossed, z, law))


def _bends(activation: Activation, closing_in: bool = True) -> np.ndarray:
    """Kinks, with points that close in on cusps, and turns: a multiple of four of them, so that few shapes compile."""
    kinks = graded(activation.kinks) if closing_in else activation.kinks
    bends = np.concatenate([np.asarray(kinks, dtype=float), landmarks(activation).turns])
    return np.concatenate([bends, np.zeros(-bends.size % _BATCH + _BATCH * (bends.size == 0))])


def _square(z: Any, law: Slopes) -> Any:
    return values(law.activation, law.root * z)[1] ** 2 / law.unit


def still(law: Slopes) -> Slopes:
    """The same law, through which no derivative passes.

    Parameters
    ----------
    law
        The law of g.
    """
    return Slopes(law.activation, *arrays.still(law[1:]))


def halved(stays: Callable[[Any], Any], low: Any, high: Any) -> Any:
    """The point between ``low`` and ``high`` where ``stays`` turns from true to false, elementwise.

    Parameters
    ----------
    stays
        Elementwise predicate.
    low, high
        Ends of the brackets, one shape.
    """
    xp = library(low, high)

    def halve(_: Any, bracket: tuple[Any, Any]) -> tuple[Any, Any]:
        low, high = bracket
        middle = (low + high) / 2
        there = stays(middle)
        return xp.where(there, middle, low), xp.where(there, high, middle)

    if xp is jnp:
        low, high = lax.fori_loop(0, _NUM_HALVINGS, halve, (low, high))
    else:
        for step in range(_NUM_HALVINGS):
            low, high = halve(step, (low, high))
    return (low + high) / 2


def _crossings(log_g: Any, law: Slopes) -> tuple[Any, Any, Any]:
    """On each piece of z, for each level: whether g starts above it, whether it crosses it, and where."""
    xp = library(log_g, law[1:])
    level, width = xp.exp(log_g)[:, None], xp.diff(law.breaks)
    low, high = law.breaks[:-1] + _NUDGE * width, law.breaks[1:] - _NUDGE * width
    starts, stops = _square(low, law)[None, :] > level, _square(high, law)[None, :] > level
    bracket = (xp.tile(each[None], (level.size, 1)) for each in (low, high))
    return starts, starts != stops, halved(lambda z: (_square(z, law) > level) == starts, *bracket)


def _below(starts: Any, crossed: Any, z: Any, law: Slopes) -> Any:
    """Probability, on each piece, of a g that is not above the level."""
    xp = library(crossed, law[1:])
    cdf = scipy.special.ndtr if xp is np else jax.scipy.special.ndtr
    low, high = cdf(law.breaks[None, :-1]), cdf(law.breaks[None, 1:])
    at = xp.where(crossed, cdf(z), xp.where(starts, high, low))
    return xp.where(starts, high - at, xp.where(crossed, at - low, high - low))


def rule(log_g: Array, law: Slopes) -> Rule:
    """Gauss-Legendre rules on all pieces, which shrink towards the places where g crosses a level.

    Parameters
    ----------
    log_g
        Natural log of the levels, shape ``(points,)``.
    law
        The law of g.
    """
    return _rule(log_g, law[1:], law.activation)


@functools.partial(jax.jit, static_argnames=("activation",))
def _rule(log_g: Array, parts: tuple[Array, ...], activation: Activation) -> Rule:
    law = Slopes(activation, *parts)
    _, crossed, z = _crossings(lax.stop_gradient(log_g), still(law))
    nearest = jnp.argsort(jnp.where(crossed, jnp.abs(z), jnp.inf), axis=-1)[:, : _bends(activation, False).size]
    centre = jnp.take_along_axis(jnp.where(crossed, z, 0.0), nearest, axis=-1)
    graded = (centre[:, :, None] + jnp.asarray(_GRADES, log_g.dtype)[None, None]).reshape(log_g.size, -1)
    whole = jnp.tile(law.breaks[None], (log_g.size, 1))
    breaks = jnp.sort(jnp.concatenate([whole, jnp.clip(graded, -_REACH, _REACH)], axis=-1), axis=-1)
    half = jnp.diff(breaks)[..., None] / 2
    nodes, weights = (jnp.asarray(each, log_g.dtype)[None, None] for each in (_NODES, _WEIGHTS))
    z = ((breaks[:, 1:] + breaks[:, :-1])[..., None] / 2 + half * nodes).reshape(log_g.size, -1)
    weights = (half * weights).reshape(z.shape) * jnp.exp(-(z**2) / 2)
    return _normalised(_square(z, law), weights)


def _normalised(g: Any, weights: Any) -> Rule:
    """Weights of sum 1, and the mean in place of values (at the very kinks) that carry none."""
    xp = library(g, weights)
    return Rule(xp.where(weights > 0, g, 1.0), weights / xp.sum(weights, axis=-1, keepdims=True))


@compiled("activation")
def _plain_rule(parts: tuple[Any, ...], activation: Activation) -> Rule:
    law = Slopes(activation, *parts)
    z, weights = nodes(law.root**2, _bends(activation))
    return _normalised(_square(z, law)[None], weights[None])


def plain_rule(law: Slopes) -> Rule:
    """The rule of ``gaussian.mean``, one row.

    Parameters
    ----------
    law
        The law of g.
    """
    return _plain_rule(law[1:], law.activation)


def square_and_log(law: Slopes) -> tuple[Array, Array]:
    """E[g^2] and E[ln g], each of shape ``()``; the latter is -inf if g is 0 with some probability.

    Parameters
    ----------
    law
        The law of g.
    """
    g, weights = (each[0] for each in rule(jnp.full(NUM_POINTS, _DEEPEST, law.root.dtype), law))
    logs = jnp.sum(weights * jnp.log(jnp.where(g > 0, g, 1.0)))
    squares = jnp.sum(weights * g**2) if has_fourth(law.activation) else jnp.full_like(logs, jnp.inf)
    return squares, jnp.where(law.zero_weight > 0, -jnp.inf, logs)


def density_and_weight(log_g: Array, law: Slopes) -> tuple[Array, Array]:
    """Density of ln g without its point masses, and the probability of no larger g.

    Parameters
    ----------
    log_g
        Natural log of the levels, shape ``(points,)``; -inf is allowed.
    law
        The law of g.
    """
    return _density_and_weight(log_g, law[1:], law.activation)


@functools.partial(jax.jit, static_argnames=("activation",))
def _density_and_weight(log_g: Array, parts: tuple[Array, ...], activation: Activation) -> tuple[Array, Array]:
    law = Slopes(activation, *parts)
    starts, crossed, z = _crossings(log_g, law)
    steepness = jnp.abs(jax.jvp(lambda z: jnp.log(_square(z, law)), (z,), (jnp.ones_like(z),))[1])
    share = jnp.where(crossed, norm.pdf(z) / jnp.where(steepness > 0, steepness, jnp.inf), 0.0)
    return jnp.sum(share, axis=-1), jnp.sum(_below(starts, crossed, z, law), axis=-1)
