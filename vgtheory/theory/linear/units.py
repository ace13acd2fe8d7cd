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
from typing import NamedTuple

import numpy as np
import scipy.special

from vgtheory.networks.linear_recurrence import LinearRecurrence, Ring, StateSpace
from vgtheory.theory.precision import Values

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

    log_abs: np.ndarray
    angle: np.ndarray
    log_scale: np.ndarray
    weights: np.ndarray
    outer: np.ndarray
    dt: np.ndarray
    pole: np.ndarray

    @property
    def log_gap(self) -> np.ndarray:
        """ln(1 - |lambda|^2), -inf at 1 and NaN beyond."""
        return np.log(-np.expm1(2 * self.log_abs))

    @property
    def eigenvalues(self) -> np.ndarray:
        """Complex eigenvalues."""
        return np.exp(self.log_abs + 1j * self.angle)


class _Rule(NamedTuple):
    low: np.ndarray
    high: np.ndarray
    weights: np.ndarray
    outer: np.ndarray


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
    rule = _graded(_HALVINGS)
    top = float(law.r_max) ** 2
    share = (float(law.r_max) - float(law.r_min)) * (float(law.r_max) + float(law.r_min)) / top
    upper = rule.high < 0.5
    log_share = np.log1p(-share * np.where(upper, rule.high, 0.0))
    log_abs = (np.log(top) + np.where(upper, log_share, np.log((1 - share) + share * rule.low))) / 2
    angles, shares = _phases(float(law.max_phase)) if phases else (np.zeros(1), np.ones(1))
    count = angles.size
    spread = lambda each: np.repeat(each, count)
    return Units(
        spread(log_abs),
        np.tile(angles, rule.low.size),
        np.zeros(count * rule.low.size),
        np.outer(rule.weights, shares).ravel(),
        spread(rule.outer),
        *(np.full(count * rule.low.size, np.nan) for _ in range(2)),
    )


def _phases(most: float) -> tuple[np.ndarray, np.ndarray]:
    """Angles from 0 to ``most``, those close to 2 pi as small negative ones, and their weights."""
    turn = _graded(_PHASE_HALVINGS)
    return np.where(turn.low < 0.5, most * turn.low, (most - 2 * np.pi) - most * turn.high), turn.weights


def stepped(law: StateSpace, dt: np.ndarray, pole: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """ln|lambda|, its angle, and ln|b| of a state-space model, from time steps and poles of one shape."""
    turn = pole * dt
    if law.method == "zoh":
        return turn.real, turn.imag, np.log(np.abs(np.expm1(turn) / pole))
    above, below = 1 + turn / 2, 1 - turn / 2
    log_abs = np.log1p(2 * turn.real / np.abs(below) ** 2) / 2
    return log_abs, np.angle(above) - np.angle(below), np.log(dt / np.abs(below))


def _of_state_space(law: StateSpace) -> Units:
    """Time steps by ``_graded``, for every pole."""
    rule, reach = _graded(_STEP_HALVINGS), np.log(float(law.dt_max) / float(law.dt_min))
    dt = np.tile(float(law.dt_min) * np.exp(reach * rule.low), law.size)
    pole = np.repeat(law.poles, rule.low.size)
    log_abs, angle, log_step = stepped(law, dt, pole)
    weights = np.tile(rule.weights, law.size) / law.size
    return Units(log_abs, angle, log_step, weights, np.zeros(dt.size, bool), dt, pole)


def _given(eigenvalues: np.ndarray) -> Units:
    count = eigenvalues.size
    with np.errstate(divide="ignore"):
        log_abs = np.log(np.abs(eigenvalues))
    unknown = np.full(count, np.nan)
    zeros = np.zeros(count)
    return Units(log_abs, np.angle(eigenvalues), zeros, np.full(count, 1 / count), zeros.astype(bool), unknown, unknown)


def units_of(net: LinearRecurrence, *, phases: bool = False) -> Units:
    """The units that averages are taken over, with the factor of their inputs; ``phases`` asks for a ring's angles."""
    law = net.eigenvalues
    if isinstance(law, Ring):
        units = _of_ring(law, phases or bool(np.any(np.asarray(net.correlation) != 0)))
    elif isinstance(law, StateSpace):
        units = _of_state_space(law)
    else:
        units = _given(np.asarray(law))
    if net.scale == "step":
        return units
    log_scale = units.log_gap / 2 if net.scale == "gamma" else np.zeros(units.log_abs.size)
    return units._replace(log_scale=log_scale)


def log_mean(logs: np.ndarray, units: Units, *, bounded: bool = False) -> Values:
    """ln of the mean over units of exp(logs), along the last axis; infinite where it diverges at an end of the law.

    What is ``bounded`` cannot diverge, however close to an end it is concentrated.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        total = scipy.special.logsumexp(logs, b=units.weights, axis=-1)
        if units.outer.any() and not bounded:
            ends = scipy.special.logsumexp(logs[..., units.outer], b=units.weights[units.outer], axis=-1)
            total = np.where(ends - total > np.log(_DIVERGES), np.inf, total)
    return total[()]


__all__ = ["Units", "log_mean", "stepped", "units_of"]
