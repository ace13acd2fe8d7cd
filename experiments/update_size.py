"""If the gradient shrinks like 0.98^n, does the size of the update?

Root mean square of the first update over the learning rate, layer by layer, in deep sigmoid networks, whose gradient vanishes. Entry by
entry, with g the gradient and the defaults of optax,

    SGD  g,    RMSProp  g / sqrt((1 - decay) g^2 + eps),    Adam  g / (|g| + eps),

so that RMSProp moves by 1 / sqrt(1 - decay) and Adam by 1, whatever |g|, until it falls below sqrt(eps) = 1e-4 or eps = 1e-8. A layer's
entries are g_ij = d a_i z_i x_j: d the root mean square of the gradient g_l of its pre-activations, whose log has the library's law, a_i the
slopes phi' over their root mean square, z_i standard normal, x_j = phi(h_j); the mean over entries is an integral over three normal
variables. After many steps on noise (a new cotangent at every step, the same weights) an entry is N(0, s^2) and independent of those
before. Then Adam moves by sqrt((1 - b1) / (1 + b1)) = 0.229, and RMSProp by R^(1/2) with

    R = E g_0^2 / sum_k a_k g_k^2 = int_0^inf (1 + 2 a_0 t)^(-1) prod_k (1 + 2 a_k t)^(-1/2) dt,    a_k = (1 - decay) decay^k,

because the mean of g^2 exp(-a t g^2) is (1 + 2 a t)^(-3/2).

Assumes: one example, a cotangent independent of the weights, eps far below |g| for the settled law. Speaks of root mean squares of entries.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pandas as pd
from scipy.special import expit, ndtri, psi

from experiments.corridor.catalogue import Findings
from experiments.corridor.summary import comparison, placed, rng_of
from experiments.parts.layer_means import log_variance
from vgtheory import Dense, Estimate, theory

PARTS = ("layer_means",)
NET = Dense("sigmoid", 1.0)
DECAY, EPS, BETA = 0.9, 1e-8, 0.9
RULES = {
    "sgd": optax.sgd(1.0),
    "rmsprop": optax.rmsprop(1.0, decay=DECAY, eps=EPS),
    "adam": optax.adam(1.0, b1=BETA, eps=EPS),
}
LABELS = {"sgd": "SGD", "rmsprop": "RMSProp", "adam": "Adam"}
FIRST: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "sgd": lambda g: g,
    "rmsprop": lambda g: g / np.sqrt((1 - DECAY) * g**2 + EPS),
    "adam": lambda g: g / (g + EPS),
}
"""Modulus of the first update of an entry over the learning rate, from that of its gradient."""
QUANTILES = {"a": 24, "z": 200, "x": 24}
NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(9)
ROUNDING = 1e-5
"""Of float32 sums of squares."""
SETTLED, APART = 60, 40
"""First step at which optimisers have forgotten their start, and steps after which another update is nearly independent."""


@dataclass(frozen=True)
class Config:
    rule: tuple[str, ...] = tuple(RULES)
    depth: int = 20
    width: int = 64
    num_nets: int = 16
    num_steps: int = 300
    seed: int = 74


SMOKE = Config(depth=8, width=32, num_nets=4, num_steps=100)


def _normal(count: int) -> np.ndarray:
    """Midpoints of ``count`` shares of a standard normal variable, scaled to a mean square of 1."""
    points = ndtri((np.arange(count) + 0.5) / count)
    return points / np.sqrt(np.mean(points**2))


def _modulus(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Moduli of a standard normal variable and their probabilities, dense towards 0, where eps bites first."""
    place = (np.arange(count) + 0.5) / count
    weights = 3 * place**2 / np.sum(3 * place**2)
    points = ndtri((1 + place**3) / 2)
    return points / np.sqrt(weights @ points**2), weights


def _log_rms(rule: str, log_d: float, q: float, q_below: float | None, width: int) -> tuple[float, float]:
    """ln of the root mean square of a layer's first update given d, and its variance over the layer's units."""
    h = np.sqrt(q) * _normal(QUANTILES["a"])
    slope = expit(h) * expit(-h)
    a = slope / np.sqrt(np.mean(slope**2))
    x = _normal(QUANTILES["x"]) if q_below is None else expit(np.sqrt(q_below) * _normal(QUANTILES["x"]))
    z, shares = _modulus(QUANTILES["z"])
    square = FIRST[rule](np.exp(log_d) * np.abs(a[:, None, None] * z[:, None] * x)) ** 2
    rows, columns = square.mean(axis=2), shares @ square.mean(axis=0)
    mean = columns.mean()
    by_rows = 0.0 if rule == "sgd" else (rows**2).mean(axis=0) @ shares - mean**2  # for SGD d holds the rows
    relative = (columns.var() + by_rows) / mean**2 / width
    return (np.log(mean) - relative / 2) / 2, relative / 4


def first_update(rule: str, depth: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation over networks of ln of the first update's root mean square, layer by layer."""
    grad = theory.log_grad_layers(NET, depth=depth, width=width)
    top = (psi(width / 2) + np.log(2 / width)) / 2
    top_variance = 1 / (2 * width)
    q = np.exp(log_variance(NET, depth, width).mean)
    mean, std = np.empty(depth), np.empty(depth)
    for layer in range(depth):
        spread = np.sqrt(grad.std[layer] ** 2 + top_variance)
        below = q[layer - 1] if layer else None
        parts = [_log_rms(rule, top + grad.mean[layer] + spread * node, q[layer], below, width) for node in NODES]
        logs, own = np.array(parts).T
        weights = WEIGHTS / WEIGHTS.sum()
        mean[layer] = weights @ logs
        std[layer] = np.sqrt(weights @ (logs - mean[layer]) ** 2 + weights @ own)
    return mean, std


def settled_update(rule: str, num_steps: int) -> tuple[float, float]:
    """Mean square of an entry's update after many steps of normal gradients (for SGD in units of theirs), and its relative variance."""
    if rule != "rmsprop":
        return (1 - BETA) / (1 + BETA) if rule == "adam" else 1.0, 2.0
    log_t = np.linspace(-30.0, 60.0, 9001)
    weights = 2 * (1 - DECAY) * DECAY ** np.arange(num_steps)
    log_all = -sum(np.log1p(each * np.exp(log_t)) for each in weights) / 2
    once = np.log1p(weights[0] * np.exp(log_t))
    square = np.trapezoid(np.exp(log_all - once + log_t), log_t)
    fourth = 3 * np.trapezoid(np.exp(log_all - 2 * once + 2 * log_t), log_t)
    return float(square), float(fourth / square**2 - 1)


@jax.jit
def _gradients(weights: jax.Array, x: jax.Array, top: jax.Array) -> Any:
    """Gradient of every network's weights, and the input of its last layer."""

    def loss(weights: jax.Array, x: jax.Array, top: jax.Array) -> tuple[jax.Array, jax.Array]:
        def layer(x: jax.Array, matrix: jax.Array) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
            h = jnp.dot(matrix, x, precision=jax.lax.Precision.HIGHEST)
            return jax.nn.sigmoid(h), (h, x)

        h, inputs = jax.lax.scan(layer, x, weights)[1]
        return top @ h[-1], inputs[-1]

    return jax.vmap(jax.grad(loss, has_aux=True))(weights, x, top)


def _settled(rule: str, tops: jax.Array, x: jax.Array) -> np.ndarray:
    """Mean square of the last layer's update, at steps far apart, of networks with a new cotangent (steps, networks, units) each time."""
    optimiser = RULES[rule]
    gradient = lambda top: top[:, :, None] * x[:, None, :]

    def step(state: Any, top: jax.Array) -> tuple[Any, jax.Array]:
        update, state = optimiser.update(gradient(top), state)
        return state, jnp.mean(update**2, axis=(1, 2))

    squares = jax.jit(lambda tops: jax.lax.scan(step, optimiser.init(gradient(tops[0])), tops)[1])(tops)
    return np.asarray(squares, float)[SETTLED::APART]


def run(config: Config) -> dict[str, Any]:
    (rule,), (depth, width, num) = config.rule, (config.depth, config.width, config.num_nets)
    rng = rng_of(config)
    weights = rng.normal(0.0, width**-0.5, (num, depth, width, width))
    x, top = rng.standard_normal((2, num, width))
    x /= np.sqrt(np.mean(x**2, axis=1, keepdims=True))
    slopes, last = _gradients(*(jnp.asarray(each, jnp.float32) for each in (weights, x, top)))
    update, _ = RULES[rule].update(slopes, RULES[rule].init(slopes))
    log_rms = lambda values: np.log(np.mean(np.asarray(values, float) ** 2, axis=(2, 3))) / 2
    log_update, log_grad = log_rms(update), log_rms(slopes)
    mean, std = first_update(rule, depth, width)
    err = log_update.std(axis=0, ddof=1) / num**0.5
    compared = sorted({0, depth // 2, depth - 1})
    rows = [
        comparison(
            f"first update, {LABELS[rule]}, layer {layer + 1}",
            "updates",
            Estimate(log_update[:, layer].mean(), err[layer]),
            mean[layer],
            float(np.hypot(std[layer] / num**0.5, ROUNDING)),
            "ln(rms)",
        )
        for layer in compared
    ]
    steps = rng.standard_normal((config.num_steps, num, width))
    squares = _settled(rule, jnp.asarray(steps, jnp.float32), last)
    if rule == "sgd":
        squares /= np.mean(np.asarray(last, float) ** 2, axis=1)
    square, relative = settled_update(rule, config.num_steps)
    settled = Estimate(squares.mean() ** 0.5, squares.mean(axis=0).std(ddof=1) / num**0.5 / squares.mean() ** 0.5 / 2)
    spread = (relative * square / (squares.size * width)) ** 0.5 / 2
    if rule != "sgd":
        rows.append(comparison(f"settled update, {LABELS[rule]}", "updates", settled, square**0.5, spread, "rms"))
    return {
        "layer": np.arange(1, depth + 1),
        "log_update": mean,
        "log_update_std": std,
        "log_update_hat": log_update.mean(axis=0),
        "log_update_hat_err": err,
        "log_grad_hat": log_grad.mean(axis=0),
        "settled": square**0.5,
        "settled_hat": settled.value,
        "settled_hat_err": settled.err,
        **placed(rows, [*compared, 1][: len(rows)], depth),
    }


def findings(frame: pd.DataFrame) -> Findings:
    depth = int(frame.layer.max())
    numbers = {"depth": f"{depth}", "width": f"{int(frame.width.max())}", "steps": f"{int(frame.num_steps.max())}"}
    for rule in RULES:
        rows = frame[frame.rule == rule].set_index("layer").sort_index()
        for key, column in (("", "log_update_hat"), ("_predicted", "log_update")):
            fall = (rows[column][1] - rows[column][depth]) / np.log(10)
            numbers[f"{rule}/decades{key}"] = f"{fall:.1f}"
            numbers[f"{rule}/bottom{key}"] = f"{rows[column][1] / np.log(10):.1f}"
            halved = rows.index[rows[column] < rows[column][depth] - np.log(2)]
            numbers[f"{rule}/halved{key}"] = f"{halved.max()}" if len(halved) else "none"
        numbers |= {f"{rule}/settled": f"{rows.settled_hat.iloc[0]:.3f}"}
        numbers |= {f"{rule}/settled_predicted": f"{rows.settled.iloc[0]:.3f}"}
    verdict = (
        f"Only under SGD, where the first layer of {depth} moves 10^{numbers['sgd/decades']} times as far as the last (predicted "
        f"10^{numbers['sgd/decades_predicted']}). Adam's first update does not depend on the gradient's size until eps bites, from layer "
        f"{numbers['adam/halved']} down (predicted {numbers['adam/halved_predicted']}), and ends at 10^{numbers['adam/decades']}; optax's "
        f"RMSProp has its eps under the root, which bites from layer {numbers['rmsprop/halved']} down (predicted "
        f"{numbers['rmsprop/halved_predicted']}). On pure noise Adam settles at {numbers['adam/settled']} of the learning rate (predicted "
        f"{numbers['adam/settled_predicted']}) and RMSProp at {numbers['rmsprop/settled']} ({numbers['rmsprop/settled_predicted']})."
    )
    return Findings(verdict, numbers)
