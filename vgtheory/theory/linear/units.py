"""Averages over the units of a linear recurrence: given ones, or a quadrature over the law of eigenvalues.

==========  =====================================================  ==================
symbol      meaning                                                shape
==========  =====================================================  ==================
``near``    distance of a node from the end that it is close to    (nodes,)
``low``     node in (0, 1), from below                             (nodes,)
``high``    1 - node, from above, without cancellation             (nodes,)
==========  =====================================================  ==================
"""

import functools
from typing import Any, NamedTuple

import jax
import numpy as np

from vgtheory.networks.linear_recurrence import LinearRecurrence, Ring, StateSpace
from vgtheory.theory.arrays import library, special
from vgtheory.theory.precision import Values, reals

_ORDER, _HALVINGS, _STEP_HALVINGS = 8, 50, 12
_PHASE_HALVINGS = 30
_DIVERGES = 1e-5
"""Share of an average within 2^-50 of an end of the range, above which the average is infinite."""


class Units(NamedTuple):
    """Units of a network, or nodes of their law, all of shape ``(nodes,)``.

    Attributes
    ----------
    log_abs, angle
        ln|lambda| and its argument, radians.
    log_scale
        ln|b|, b being the factor of the input.
    weights
        Probability of each node; sums to 1.
    outer
        Whether a node is the closest to an end of the range of a law.
    dt, pole
        Time step and pole of a state-space model; NaN otherwise.
    """

    log_abs: Any
    angle: Any
    log_scale: Any
    weights: Any
    outer: np.ndarray
    dt: Any
    pole: Any

    @property
    def log_gap(self) -> Any:
        """ln(1 - |lambda|^2), -inf at 1 and NaN beyond."""
        xp = library(self.log_abs)
        return xp.log(-xp.expm1(2 * self.log_abs))

    @property
    def eigenvalues(self) -> Any:
        """Complex eigenvalues."""
        return library(self.log_abs).exp(self.log_abs + 1j * self.angle)


class _Rule(NamedTuple):
    low: Any
    high: Any
    weights: Any
    outer: np.ndarray

    def like(self, value: Any) -> "_Rule":
        """The rule in the library and the format of an array."""
        xp = library(value)
        low, high, weights = (xp.asarray(np.array(each), value.dtype) for each in self[:3])
        return _Rule(low, high, weights, self.outer)


@functools.lru_cache(maxsize=8)
def _graded(halvings: int) -> _Rule:
    """Nodes in (0, 1) in panels that halve towards both ends."""
    nodes, weights = np.polynomial.legendre.leggauss(_ORDER)
    ends = np.concatenate([[0.0], 0.5 ** np.arange(halvings, 0, -1)])
    half = np.diff(ends)[:, None] / 2
    near = (ends[:-1, None] + half * (1 + nodes)).ravel()
    one = (half * weights).ravel()
    outer = np.arange(near.size) < _ORDER
    turned = slice(None, None, -1)
    return _Rule(
        np.concatenate([near, (1 - near)[turned]]),
        np.concatenate([1 - near, near[turned]]),
        np.concatenate([one, one[turned]]),
        np.concatenate([outer, outer[turned]]),
    )


def _of_ring(law: Ring, phases: bool) -> Units:
    """Radii by ``_graded``; angles too where something depends on them."""
    r_min, r_max, max_phase = reals(law.r_min, law.r_max, law.max_phase)
    xp, rule = library(r_max), _graded(_HALVINGS).like(r_max)
    top = r_max**2
    share = (r_max - r_min) * (r_max + r_min) / top
    upper = rule.high < 0.5
    log_share = xp.log1p(-share * xp.where(upper, rule.high, 0.0))
    inner = xp.log((1 - share) + share * xp.where(upper, 0.5, rule.low))
    log_abs = (xp.log(top) + xp.where(upper, log_share, inner)) / 2
    angles, shares = _phases(max_phase) if phases else (xp.zeros_like(top)[None], xp.ones_like(top)[None])
    count = angles.size
    spread = lambda each: xp.repeat(each, count)
    unknown = xp.full_like(log_abs, np.nan, shape=(count * rule.low.size,))
    return Units(
        spread(log_abs),
        xp.tile(angles, rule.low.size),
        xp.zeros_like(unknown),
        xp.outer(rule.weights, shares).ravel(),
        np.repeat(rule.outer, count),
        unknown,
        unknown,
    )


def _phases(most: Any) -> tuple[Any, Any]:
    """Angles from 0 to ``most``, those close to 2 pi as small negative ones, and their weights."""
    turn = _graded(_PHASE_HALVINGS).like(most)
    return library(most).where(turn.low < 0.5, most * turn.low, (most - 2 * np.pi) - most * turn.high), turn.weights


def stepped(law: StateSpace, dt: Any, pole: Any) -> tuple[Any, Any, Any]:
    """ln|lambda|, its angle, and ln|b| of a state-space model, from time steps and poles of one shape."""
    turn, xp = pole * dt, library(pole, dt)
    if law.method == "zoh":
        return turn.real, turn.imag, xp.log(xp.abs(xp.expm1(turn) / pole))
    above, below = 1 + turn / 2, 1 - turn / 2
    log_abs = xp.log1p(2 * turn.real / xp.abs(below) ** 2) / 2
    return log_abs, xp.angle(above) - xp.angle(below), xp.log(dt / xp.abs(below))


def _of_state_space(law: StateSpace) -> Units:
    """Time steps by ``_graded``, for every pole."""
    dt_min, dt_max = reals(law.dt_min, law.dt_max)
    xp, rule = library(dt_min), _graded(_STEP_HALVINGS).like(dt_min)
    dt = xp.tile(dt_min * xp.exp(xp.log(dt_max / dt_min) * rule.low), law.size)
    pole = xp.repeat(xp.asarray(np.array(law.poles), np.result_type(dt.dtype, np.complex64)), rule.low.size)
    log_abs, angle, log_step = stepped(law, dt, pole)
    weights = xp.tile(rule.weights, law.size) / law.size
    return Units(log_abs, angle, log_step, weights, np.zeros(dt.size, bool), dt, pole)


def _given(eigenvalues: Any) -> Units:
    count, xp = eigenvalues.size, library(eigenvalues)
    with np.errstate(divide="ignore"):
        log_abs = xp.log(xp.abs(eigenvalues))
    unknown, zeros = xp.full_like(log_abs, np.nan), xp.zeros_like(log_abs)
    weights = xp.full_like(log_abs, 1 / count)
    return Units(log_abs, xp.angle(eigenvalues), zeros, weights, np.zeros(count, bool), unknown, unknown)


def units_of(net: LinearRecurrence, *, phases: bool = False) -> Units:
    """The units that averages are taken over, with the factor of their inputs; ``phases`` asks for a ring's angles."""
    law = net.eigenvalues
    if isinstance(law, Ring):
        traced = isinstance(net.correlation, jax.core.Tracer)
        units = _of_ring(law, phases or traced or bool(np.any(np.asarray(net.correlation) != 0)))
    elif isinstance(law, StateSpace):
        units = _of_state_space(law)
    else:
        units = _given(law if library(law) is not np else np.asarray(law))
    if net.scale == "step":
        return units
    return units._replace(log_scale=units.log_gap / 2 if net.scale == "gamma" else 0 * units.weights)


def log_sum(logs: Any, weights: Any) -> Any:
    """ln of the sum of weights times exp(logs), along the last axis."""
    return special(logs, weights).logsumexp(logs, b=library(weights).broadcast_to(weights, logs.shape), axis=-1)


def log_mean(logs: Any, units: Units, *, bounded: bool = False) -> Values:
    """ln of the mean over units of exp(logs), along the last axis; infinite where it diverges at an end of the law.

    What is ``bounded`` cannot diverge, however close to an end it is concentrated.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        total = log_sum(logs, units.weights)
        if units.outer.any() and not bounded:
            outer = np.flatnonzero(units.outer)
            ends = log_sum(logs[..., outer], units.weights[outer])
            total = library(total).where(ends - total > np.log(_DIVERGES), np.inf, total)
    return total[()]


__all__ = ["Units", "log_mean", "log_sum", "stepped", "units_of"]
