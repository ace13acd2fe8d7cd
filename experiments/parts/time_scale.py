"""How a recurrent learner's gradient changes per step back in time at initialisation: predicted, and measured.

Two laws of infinite width predict it. ``log_ratio`` is dynamical mean-field theory for one sequence, from a state of zero on: it
knows the gates' slopes and, in an LSTM, the output gate, through which the gradient enters. ``time_scale`` is what is left of it
in the long run, without the gates' slopes.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from scipy.stats import truncnorm

from experiments.parts.learners import FORGET_BIAS, Learner, Reader
from vgtheory import GRU, LSTM, Dense, theory
from vgtheory.theory.cells.tied import Field, Unit, solved_reading, unit_of

PATHS = 4096
"""Paths on which the law of one sequence is solved: over 200 steps its logarithm scatters by 0.1 to 0.5."""
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(101)
"""Enough for gates and slopes whose argument has a variance of order one, as here."""
ROUNDS = 400
"""Of fixed-point iteration; each contracts by a half or better."""


def _mean(function: Any, variance: float) -> float:
    """Expectation of a smooth function of a centred Gaussian."""
    return float(np.sum(_WEIGHTS * function(np.sqrt(variance) * _NODES)) / np.sqrt(2 * np.pi))


def _sigmoid(u: Any) -> Any:
    return 1 / (1 + np.exp(-u))


def _slope(u: Any) -> Any:
    return 1 / np.cosh(u) ** 2


class Parts(NamedTuple):
    """Root mean squares of what a state's Jacobian keeps as it is, and of what it sends through the recurrent matrix."""

    keep: float
    push: float


def _plain(learner: Learner, drive: float) -> Parts:
    """Nothing is kept; fresh noise enters the length map as a fresh bias would."""
    return Parts(0.0, float(theory.chi_1(Dense("tanh", learner.sigma_w, drive**0.5))) ** 0.5)


def _leaky(learner: Learner, drive: float) -> Parts:
    leak, state = learner.leak, 0.0
    for _ in range(ROUNDS):
        state = leak / (2 - leak) * _mean(lambda u: np.tanh(u) ** 2, learner.sigma_w**2 * state + drive)
    chi_1 = learner.sigma_w**2 * _mean(lambda u: _slope(u) ** 2, learner.sigma_w**2 * state + drive)
    return Parts(1 - leak, leak * chi_1**0.5)


def _lstm(learner: Learner, drive: float) -> Parts:
    """Cells keep what the forget gate lets pass; the rest goes out by one gate, through the candidate and in by another."""
    state = 0.0
    for _ in range(ROUNDS):
        q = state + drive
        gate, forget = _mean(lambda u: _sigmoid(u) ** 2, q), _mean(lambda u: _sigmoid(u + FORGET_BIAS) ** 2, q)
        cell = gate * _mean(lambda u: np.tanh(u) ** 2, q) / (1 - forget)
        state = gate * _mean(lambda u: np.tanh(u) ** 2, cell)
    slopes = _mean(lambda u: _slope(u) ** 2, q) * _mean(lambda u: _slope(u) ** 2, cell)
    return Parts(forget**0.5, gate * slopes**0.5)


def _gru(learner: Learner, drive: float) -> Parts:
    """The update gate keeps; the candidate sees the state through the reset gate."""
    state = 0.0
    for _ in range(ROUNDS):
        gate = _mean(lambda u: _sigmoid(u) ** 2, state + drive)
        candidate = _mean(lambda u: np.tanh(u) ** 2, gate * state + drive)
        state = gate * candidate / (1 - gate)
    return Parts(gate**0.5, gate * _mean(lambda u: _slope(u) ** 2, gate * state + drive) ** 0.5)


def _irnn(learner: Learner, drive: float) -> Parts:
    """A unit passes everything on until it is zero for the first time."""
    return Parts(1.0, 0.0)


PARTS = {"simple": _plain, "leaky": _leaky, "lstm": _lstm, "gru": _gru, "irnn": _irnn}


def _simple(learner: Learner, leak: float = 1.0) -> Unit:
    """A tanh unit that renews the share ``leak`` of its state, or all of it."""

    def step(state: Any, x: Any) -> Any:
        new = np.tanh(x[0])
        return ((1 - leak) * state[0] + leak * new,), (leak * (1 - new**2),)

    return Unit(
        [Field(learner.sigma_w, 1.0)], 1, step, lambda above, kept: (((1 - leak) * above[0],), [above[0] * kept[0]])
    )


def _identity(learner: Learner) -> Unit:
    """A ReLU unit whose only recurrent weight is that of its own state, which is 1."""

    def step(state: Any, x: Any) -> Any:
        new = np.maximum(state[0] + x[0], 0.0)
        return (new,), (new > 0,)

    return Unit([Field(0.0, 1.0)], 1, step, lambda above, kept: ((above[0] * kept[0],), [above[0] * kept[0]]))


UNITS = {
    "simple": _simple,
    "leaky": lambda learner: _simple(learner, learner.leak),
    "lstm": lambda learner: unit_of(LSTM(sigma_in=1.0, forget_bias=FORGET_BIAS)),
    "gru": lambda learner: unit_of(GRU(sigma_in=1.0)),
    "irnn": _identity,
}


def log_ratio(learner: Learner, inputs: np.ndarray, seed: int = 0) -> float:
    """Predicted log of the gradient's norm at the first state over that at the last, for a sequence (steps, num_inputs).

    Input weights are drawn as Flax draws them, from a normal distribution that is cut at two standard deviations: with one input
    a unit's field is one of them times that input.
    """
    unit, num_inputs = UNITS[learner.cell](learner), inputs.shape[-1]
    rng, cut = np.random.default_rng([seed, 1]), truncnorm(-2, 2)
    weights = [cut.rvs((num_inputs, PATHS), random_state=rng) / cut.std() / num_inputs**0.5 for _ in unit.fields]
    return float(solved_reading(unit, [np.asarray(inputs, np.float64) @ each for each in weights], seed)[-1])


def time_scale(learner: Learner, drive: float) -> float:
    """Predicted steps in which the gradient at last falls by a factor of e, for inputs of variance ``drive``; inf if it does not.

    The matrix is the same at every step, so all ways to pass through it k times in t steps add up before they are squared. The root
    of the sum over k of (binomial(t, k) keep^(t - k) push^k)^2 grows as (keep + push)^t.
    """
    factor = sum(PARTS[learner.cell](learner, drive))
    return -1 / float(np.log(factor)) if factor < 1 else float("inf")


def _norm(tree: Any) -> jax.Array:
    return jnp.sqrt(sum(jnp.sum(leaf**2) for leaf in jax.tree.leaves(tree)))


def log_ratio_hat(key: jax.Array, params: Any, reader: Reader, inputs: jax.Array) -> jax.Array:
    """Log of the gradient's norm at the first state over that at the last, for one sequence (steps, 1, num_inputs).

    The cotangent starts in a random direction of what is read out, and is renormalised at every step; -inf where it dies.
    """
    cell, weights = reader.cell, {"params": params["params"]["chain"]["cell"]}
    start = cell.initialize_carry(key, inputs[0].shape)
    advance = lambda carry, x: cell.apply(weights, carry, x)[0]
    _, carries = jax.lax.scan(lambda carry, x: (advance(carry, x),) * 2, start, inputs)

    def back(state: tuple[Any, jax.Array], link: tuple[Any, jax.Array]) -> tuple[tuple[Any, jax.Array], None]:
        cotangent, total = state
        (cotangent,) = jax.vjp(lambda carry: advance(carry, link[1]), link[0])[1](cotangent)
        norm = _norm(cotangent)
        return (jax.tree.map(lambda leaf: leaf / jnp.where(norm, norm, 1.0), cotangent), total + jnp.log(norm)), None

    *others, last = jax.tree.leaves(start)
    direction = jax.random.normal(key, last.shape)
    leaves = [*map(jnp.zeros_like, others), direction / _norm(direction)]
    cotangent = jax.tree.unflatten(jax.tree.structure(start), leaves)
    links = jax.tree.map(lambda leaf: leaf[:-1], carries), inputs[1:]
    (_, total), _ = jax.lax.scan(back, (cotangent, jnp.zeros(())), links, reverse=True)
    return total
