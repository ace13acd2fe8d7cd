"""At a minimum with a small gradient, do small changes of the input matter less?

The gradients with respect to weights and to the input are two things. In the first layer dE/dW_1 = g x^T and dE/dx = W_1^T g, with g the
gradient with respect to its pre-activations: both are linear in the error, and both go to 0 with it at a minimum, whatever their ratio

    |dE/dx| / |dE/dW_1| = |W_1^T g| / (|g| |x|).

Random weights make |W_1^T g|^2 / |g|^2 a sigma_w^2 chi^2_N / N, which gives mean and spread of the ratio's log. What a change of the input
does to the output is another matter: the Jacobian J, which has no error in it. |J^T u| / |u| for a random cotangent u has at the start the
library's law with the first layer's factor; it need not fall with the loss. Noise of standard deviation s on every input raises a loss of
zero to s^2 |J|_F^2 / 2 to the leading order in s, and |J|_F^2 is N times the mean square of |J^T u| / |u|.

Targets are the outputs at the start plus normal numbers, so that the error at the start is independent of the weights.

Assumes: one example at a time; random weights at the start. For what trained weights do to ratio and Jacobian there is no law here.
Speaks of norms, not of their squares.
"""

import functools
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from scipy.special import polygamma, psi

from experiments.corridor.catalogue import Findings
from experiments.corridor.summary import comparison, placed, rng_of
from vgtheory import ACTIVATIONS, Dense, Estimate, theory

NETS = {"tanh": Dense("tanh", 1.3), "relu": Dense("relu", 2**0.5)}
RATES = {"tanh": 0.03, "relu": 0.01}
NOISE = 0.01
"""Standard deviation of the noise on every input, whose mean square is 1."""
OUTSIDE = "training has tied the weights to the examples, and the law is that of random weights"


@dataclass(frozen=True)
class Config:
    net: tuple[str, ...] = tuple(NETS)
    depth: int = 4
    width: int = 64
    examples: int = 8
    num_nets: int = 8
    num_records: int = 25
    num_between: int = 40
    num_noises: int = 32
    seed: int = 76


SMOKE = Config(("tanh",), depth=3, width=16, examples=2, num_nets=4, num_records=5, num_between=100, num_noises=8)


def _outputs(weights: jax.Array, x: jax.Array, name: str) -> jax.Array:
    """The last layer's pre-activations of one example."""
    layer = lambda h, matrix: (matrix @ ACTIVATIONS[name].phi(h), None)
    return jax.lax.scan(layer, weights[0] @ x, weights[1:])[0]


def _loss(weights: jax.Array, x: jax.Array, y: jax.Array, name: str) -> jax.Array:
    return jnp.sum((_outputs(weights, x, name) - y) ** 2) / 2


def _batch_loss(weights: jax.Array, x: jax.Array, y: jax.Array, name: str) -> jax.Array:
    return jnp.mean(jax.vmap(_loss, (None, 0, 0, None))(weights, x, y, name))


def _record(weights: jax.Array, x: jax.Array, y: jax.Array, u: jax.Array, name: str) -> dict[str, jax.Array]:
    """Loss, norms of the example's gradients and of J^T u, of one network."""
    log_norm = lambda values: jnp.log(jnp.sum(values**2, axis=tuple(range(1, values.ndim)))) / 2
    own = jax.vmap(jax.grad(_loss, (0, 1)), (None, 0, 0, None))
    by_weights, by_input = own(weights, x, y, name)
    pull = jax.vmap(lambda x, u: jax.vjp(lambda x: _outputs(weights, x, name), x)[1](u)[0])
    return {
        "log_loss": jnp.log(_batch_loss(weights, x, y, name)),
        "log_first": log_norm(by_weights[:, 0]),
        "log_input": log_norm(by_input),
        "log_jacobian": log_norm(pull(x, u)) - log_norm(u),
    }


@functools.partial(jax.jit, static_argnames=("name", "config"))
def _trained(
    weights: jax.Array, x: jax.Array, wanted: jax.Array, u: jax.Array, z: jax.Array, name: str, config: Config
) -> Any:
    """Records of one network along its training, and its loss at the end with noise on the inputs."""
    y = wanted + jax.vmap(lambda x: _outputs(weights, x, name))(x)

    def update(_: int, weights: jax.Array) -> jax.Array:
        return weights - RATES[name] * jax.grad(_batch_loss)(weights, x, y, name)

    def stretch(weights: jax.Array, _: None) -> tuple[jax.Array, Any]:
        return jax.lax.fori_loop(0, config.num_between, update, weights), _record(weights, x, y, u, name)

    weights, records = jax.lax.scan(stretch, weights, None, config.num_records)
    noisy = jax.vmap(lambda z: _batch_loss(weights, x + NOISE * z, y, name))(z)
    return records, _record(weights, x, y, u, name), noisy


def _drawn(config: Config) -> tuple[np.ndarray, ...]:
    """Weights, inputs of unit mean square, targets, cotangents and noises of every network."""
    num, width, examples, rng = config.num_nets, config.width, config.examples, rng_of(config)
    sigma_w = float(NETS[config.net[0]].sigma_w)
    weights = rng.normal(0.0, sigma_w * width**-0.5, (num, config.depth, width, width))
    x, y, u = rng.standard_normal((3, num, examples, width))
    x /= np.sqrt(np.mean(x**2, axis=2, keepdims=True))
    return weights, x, y, u, rng.standard_normal((num, config.num_noises, examples, width))


def _rows(config: Config, seen: dict[str, np.ndarray], noisy: np.ndarray) -> list[dict[str, Any]]:
    (name,), (num, width) = config.net, (config.num_nets, config.width)
    half, mean = width / 2, lambda values: Estimate(values.mean(), values.std(ddof=1) / num**0.5)
    factor = (np.log(float(NETS[name].sigma_w) ** 2 / half) + psi(half)) / 2  # of ln |W^T g| / |g|
    spread = polygamma(1, half) / 4
    grad = theory.log_grad_layers(NETS[name], depth=config.depth, width=width)
    ratio, jacobian = (seen["log_input"] - seen["log_first"])[..., 0], seen["log_jacobian"]
    err, err_j = (spread / num) ** 0.5, ((grad.std[0] ** 2 + spread) / num) ** 0.5
    law, law_j = factor - np.log(width) / 2, factor + grad.mean[0]
    square = np.mean(np.exp(2 * jacobian[:, -1]), axis=1) * width * NOISE**2 / 2
    extra = np.log(noisy.mean(axis=1)) - np.log(square)
    top = np.mean(np.exp(4 * jacobian[:, -1]), axis=1) / np.mean(np.exp(2 * jacobian[:, -1]), axis=1) ** 2
    return [
        comparison(f"input over weights, {name}, start", "input gradient", mean(ratio[:, 0]), law, err, "ln(ratio)"),
        comparison(
            f"input over weights, {name}, minimum", "input gradient", mean(ratio[:, -1]), law, np.inf, "ln(ratio)"
        ),
        comparison(
            f"Jacobian, {name}, start", "input gradient", mean(jacobian[:, 0, 0]), law_j, err_j, "ln|J^T u|/|u|"
        ),
        comparison(
            f"Jacobian, {name}, minimum", "input gradient", mean(jacobian[:, -1, 0]), law_j, np.inf, "ln|J^T u|/|u|"
        ),
        comparison(
            f"loss under noise, {name}, minimum",
            "input gradient",
            mean(extra),
            0.0,
            float(np.sqrt(np.mean(top) / config.examples / num)),
            "ln(ratio)",
        ),
    ]


def run(config: Config) -> dict[str, Any]:
    (name,), num = config.net, config.num_nets
    with jax.enable_x64(True):
        given = [jnp.asarray(each) for each in _drawn(config)]
        each = [_trained(*(part[index] for part in given), name=name, config=config) for index in range(num)]
    seen = {
        key: np.array(
            [np.append(np.asarray(records[key]), np.asarray(last[key])[None], axis=0) for records, last, _ in each]
        )
        for key in each[0][0]
    }
    rows = _rows(config, seen, np.array([np.asarray(noisy) for _, _, noisy in each]))
    profile: dict[str, Any] = {"update": np.arange(config.num_records + 1) * config.num_between}
    for key, values in seen.items():
        flat = values.mean(axis=2) if values.ndim == 3 else values
        profile |= {f"{key}_hat": flat.mean(axis=0), f"{key}_hat_err": flat.std(axis=0, ddof=1) / num**0.5}
    facts = {"log_ratio": rows[0]["predicted"], "log_jacobian": rows[2]["predicted"]}
    return profile | facts | placed(rows, range(len(rows)), config.num_records + 1)


def findings(frame: pd.DataFrame) -> Findings:
    numbers = {"width": f"{int(frame.width.max())}", "depth": f"{int(frame.depth.max())}", "noise": f"{NOISE:g}"}
    decade = np.log(10)
    for name, rows in frame.groupby("net", sort=False):
        rows = rows.sort_values("update")
        first, last = rows.iloc[0], rows.iloc[-1]
        at = rows.dropna(subset="label").set_index("label")
        value = lambda kind, key, at=at, name=name: np.exp(float(at.loc[kind.format(name), key]))
        numbers |= {
            f"{name}/weights": f"{(last.log_first_hat - first.log_first_hat) / decade:.1f}",
            f"{name}/input": f"{(last.log_input_hat - first.log_input_hat) / decade:.1f}",
            f"{name}/loss": f"{(last.log_loss_hat - first.log_loss_hat) / decade:.1f}",
            f"{name}/jacobian": f"{np.exp(last.log_jacobian_hat - first.log_jacobian_hat):.2f}",
            f"{name}/ratio": f"{value('input over weights, {}, start', 'measured'):.4f}",
            f"{name}/ratio_predicted": f"{value('input over weights, {}, start', 'predicted'):.4f}",
            f"{name}/ratio_minimum": f"{value('input over weights, {}, minimum', 'measured'):.4f}",
            f"{name}/noise": f"{value('loss under noise, {}, minimum', 'measured'):.3f}",
        }
    verdict = (
        f"No. While training lowers the gradient with respect to the first layer's weights by 10^{numbers['tanh/weights']} and the gradient with "
        f"respect to the input by 10^{numbers['tanh/input']} (their ratio at the start is {numbers['tanh/ratio']}, predicted "
        f"{numbers['tanh/ratio_predicted']}), the Jacobian of the output keeps {numbers['tanh/jacobian']} of its size: the output still "
        f"answers to a change of the input. Noise of {NOISE:g} on the inputs raises the loss as the Jacobian says (ratio {numbers['tanh/noise']})."
    )
    return Findings(verdict, numbers)
