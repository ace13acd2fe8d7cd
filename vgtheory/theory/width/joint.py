r"""Joint law of a layer's signals and of the gradient above it, over networks of finite width.

The chain of ``accumulation`` says how ln M, of the mean square of a layer's input, moves from layer to
layer, and how much a gradient grows above a layer whose ln M is given. Signals and gradients that
grow together are hence known together.

Neither is log-normal where some networks have left a fixed point of the length and others have not:
24 layers of 96 units of GELU at sigma_w = 1.4 give ln Q a skewness of 4. Networks that stand for all
are hence the nodes of the Gauss rule of the chain's own law of ln M, and the growth of the gradient
has a third and a fourth moment, which the chain gives too. With :math:`d = a + \mu' - E[a + \mu']`,

.. math:: \tau = E[\tau' + 3 (v' + \rho) d + d^3], \qquad
    f = E[f' + 6 v' \rho + 3 \rho^2 + 4 \tau' d + 6 (v' + \rho) d^2 + d^4]

for the mean :math:`\mu'`, variance v' and central moments :math:`\tau'` and f' above the next layer,
and the mean a and variance :math:`\rho` of that layer's own growth, a normal variable.
"""

from typing import Any, NamedTuple

import numpy as np

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

_MOST, _FEW, _CALM, _ALIKE = 7, 3, 0.1, 1e-6
"""Networks that stand for all; as many where ln M spreads by less than this; a spread that needs no further node."""


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
    third, fourth
        Its third and fourth cumulants.
    """

    weight: np.ndarray
    log_q: np.ndarray
    log_q_below: np.ndarray
    log_grad: Law
    third: np.ndarray
    fourth: np.ndarray


class _Growth(NamedTuple):
    """Mean, variance, third and fourth central moment of a gradient's growth, at every grid point."""

    mean: np.ndarray
    var: np.ndarray
    third: np.ndarray
    fourth: np.ndarray


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
        at, weight = gauss(log_m, visits[layer])
        below = np.zeros(len(at))
        if layer:
            mean, var = _moments(visits[layer], log_m)
            past = float(visits[layer - 1] @ log_q)
            slope = ((visits[layer - 1] * (log_q - past)) @ moves @ log_m) / max(var, np.finfo(float).tiny)
            below = past + slope * (at - mean)
        mean, var, third, fourth = (np.interp(at, log_m, each) for each in _before(step, above, 0.0, 0.0))
        law = Law(mean + max(depth - 2 - layer, 0) * 2 * np.log(sigma_w), np.sqrt(np.maximum(var, 0.0)))
        found.append(Seen(weight, np.interp(at, log_m, log_q), below, law, third, fourth - 3 * var**2))
    return found


def gauss(places: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights of the Gauss rule of a law on a grid, by Lanczos's recursion.

    Interpolation leaves weights below 0. The rule is that of the others, moved to mean and variance of all.
    """
    mean, var = _moments(weights, places)
    row = np.sqrt(np.maximum(weights, 0.0) / np.maximum(weights, 0.0).sum())
    centre, square = _moments(row**2, places)
    scaled = (places - centre) / (square**0.5 or 1.0)
    rows, diagonal, beside = [row], [], []
    for _ in range(_MOST if var > _CALM**2 else _FEW):
        diagonal.append(float(rows[-1] @ (scaled * rows[-1])))
        left = scaled * rows[-1]
        for each in [*rows, *rows]:  # twice, against rounding
            left = left - (each @ left) * each
        size = float(np.linalg.norm(left))
        if size < _ALIKE:
            break
        beside.append(size)
        rows.append(left / size)
    beside = beside[: len(diagonal) - 1]
    nodes, vectors = np.linalg.eigh(np.diag(diagonal) + np.diag(beside, 1) + np.diag(beside, -1))
    return mean + var**0.5 * nodes, vectors[0] ** 2


def _above(step: Step, depth: int) -> list[_Growth]:
    """For every layer, the growth of the gradient above the next layer's ln M; nothing above the last one."""
    zero, one = np.zeros(len(step.pull)), np.ones(len(step.pull))
    state, normal = State(zero, zero, one, 3 * one, zero, zero), answer(step, one[:, None], 3 * one[:, None])
    grown = [_Growth(zero, zero, zero, zero)]
    for _ in range(depth - 2):
        with_own = _before(step, grown[-1], step.log_y, step.rest)
        state = descended(step, normal, np.asarray(GRAD), state)[0]
        grown.append(with_own._replace(mean=np.asarray(state.mean), var=np.asarray(state.var)))
    return [*grown[::-1], grown[0]][-depth:]


def _before(step: Step, above: _Growth, own: Any, own_var: Any) -> _Growth:
    """The growth with a layer's own added, of this mean and variance at the grid's points and nodes."""
    mean, var, third, fourth = np.tensordot(np.stack(above), np.asarray(step.moves), (-1, -1))
    mean, fourth, var = mean + own, fourth + 6 * var * own_var + 3 * own_var**2, var + own_var
    whole = mean @ RULE
    d = mean - whole[:, None]
    third, fourth = third + 3 * var * d + d**3, fourth + 4 * third * d + 6 * var * d**2 + d**4
    return _Growth(whole, (var + d**2) @ RULE, third @ RULE, fourth @ RULE)


def _moments(weight: np.ndarray, values: np.ndarray) -> tuple[float, float]:
    mean = float(weight @ values)
    return mean, max(float(weight @ (values - mean) ** 2), 0.0)


__all__ = ["Seen", "gauss", "seen_layers"]
