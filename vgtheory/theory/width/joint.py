"""Joint law of a layer's signals and of the gradient above it, over networks of finite width.

The chain of ``accumulation`` says how ln M, of the mean square of a layer's input, moves from layer to
layer, and how much a gradient grows above a layer whose ln M is given. Signals and gradients that
grow together are hence known together.
"""

from typing import NamedTuple

import numpy as np
from numpy.polynomial.hermite_e import hermegauss

from vgtheory.activation import Activation
from vgtheory.estimate import Law
from vgtheory.theory.width.accumulation import GRAD, State, answer, descended
from vgtheory.theory.width.links import (
    LOG_M,
    RULE,
    Step,
    plain_units,
    reached_from,
    spread,
    start_of,
    step_of,
    visits_of,
)

_MOST, _FEW, _CALM = 7, 3, 0.1
"""Networks that stand for all, and as many where ln M spreads by less than this."""


class Seen(NamedTuple):
    """One layer in the networks that stand for all, each of shape (networks,).

    Attributes
    ----------
    weight
        Probabilities.
    log_q
        ln Q of the layer, the variance of its ``h``.
    log_q_below
        Mean of that of the layer below, which varies little beside it; 0 for the first layer.
    log_grad
        The law of ln |g|^2 of the layer above, relative to the top; 0 for the last layer.
    """

    weight: np.ndarray
    log_q: np.ndarray
    log_q_below: np.ndarray
    log_grad: Law


def seen_layers(sigma_w: float, sigma_b: float, activation: Activation, width: int, depth: int) -> list[Seen]:
    """Every layer of networks of Gaussian weights.

    Parameters
    ----------
    sigma_w, sigma_b, activation
        Of a ``Dense``.
    width, depth
        Sizes.
    """
    scales = np.asarray(sigma_w, float), np.asarray(sigma_b, float)
    step = step_of(*plain_units(sigma_w, sigma_b, activation), *scales, width)
    step, start, reached = reached_from(step, start_of(np.asarray(GRAD), None))
    step = step._replace(moves=spread(step.points, step.share, (2,), len(start)))
    moves = np.einsum("ikj,k->ij", step.moves, RULE)
    visits, log_m = np.asarray(visits_of(step, start, depth)), LOG_M[reached]
    log_q = np.log(np.maximum(sigma_w**2 * np.exp(log_m) + sigma_b**2, np.finfo(float).tiny))
    found = []
    for layer, above in enumerate(_above(step, depth)):
        here = visits[layer]
        mean, var = _moments(here, log_m)
        x, weight = hermegauss(_MOST if var > _CALM**2 else _FEW)
        at = np.clip(mean + x * np.sqrt(var), log_m[0], log_m[-1])
        below = np.zeros(len(x))
        if layer:
            past = float(visits[layer - 1] @ log_q)
            slope = ((visits[layer - 1] * (log_q - past)) @ moves @ log_m) / max(var, np.finfo(float).tiny)
            below = past + slope * (at - mean)
        grown = moves @ above.mean
        grown_var = np.maximum(moves @ (above.var + above.mean**2) - grown**2, 0.0)
        log_grad = np.interp(at, log_m, grown) + max(depth - 2 - layer, 0) * 2 * np.log(sigma_w)
        law = Law(log_grad, np.sqrt(np.interp(at, log_m, grown_var)))
        found.append(Seen(weight / weight.sum(), np.interp(at, log_m, log_q), below, law))
    return found


def _above(step: Step, depth: int) -> list[State]:
    """For every layer, the growth of the gradient above the next layer's ln M; nothing above the last one."""
    one = np.ones(len(step.pull))
    none = State(0 * one, 0 * one, one, 3 * one, 0 * one, 0 * one)
    normal = answer(step, np.ones_like(step.pull), 3 * np.ones_like(step.pull))
    states = [none]
    for _ in range(depth - 2):
        states.append(descended(step, normal, np.asarray(GRAD), states[-1])[0])
    return [*states[::-1], none][-depth:]


def _moments(weight: np.ndarray, values: np.ndarray) -> tuple[float, float]:
    mean = float(weight @ values)
    return mean, max(float(weight @ (values - mean) ** 2), 0.0)


__all__ = ["Seen", "seen_layers"]
