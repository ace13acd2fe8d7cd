"""Do the gradients of biases vanish and explode like those of weights?

For one example dE/db_l = g_l and dE/dW_l = g_l x_(l-1)^T, with g_l the gradient with respect to the layer's pre-activations and x_(l-1)
the layer's input. Both carry the same g_l, and

    |dE/dW_l| / |dE/db_l| = |x_(l-1)| = sqrt(N M),    M the mean square of the layer's input.

Given the layer below, M is a mean over N independent units: ln M has mean ln F(Q) - v / 2N and variance v / N to order 1/N, with
F(Q) = E phi(h)^2 and v = E phi^4 / F^2 - 1 at h ~ N(0, Q), to which the law of ln Q adds its own part. An input of unit mean square makes
the first ratio sqrt(N). Entry by entry the root mean squares differ by sqrt(M) only.

Assumes: a batch of one; nothing of the loss. Speaks of norms (Frobenius for weights), not of their squares.
"""

import functools
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd

from experiments.corridor.catalogue import Findings
from experiments.corridor.summary import comparison, placed, rng_of
from experiments.parts.layer_means import expanded, gaussian_mean, log_variance
from vgtheory import ACTIVATIONS, Dense, Estimate, measure, theory

PARTS = ("layer_means",)
NETS = {
    "tanh": Dense("tanh", 1.5, 0.3),
    "relu": Dense("relu", 2**0.5),
    "sigmoid": Dense("sigmoid", 1.0, 0.3),
    "gelu": Dense("gelu", 1.5, 0.3),
}
ROUNDING = 1e-6
"""Of norms in float32."""


@dataclass(frozen=True)
class Config:
    net: tuple[str, ...] = tuple(NETS)
    depth: int = 20
    width: int = 128
    num_nets: int = 32
    seed: int = 73


SMOKE = Config(("tanh", "sigmoid"), depth=6, width=32, num_nets=8)


def _moment(name: str, log_q: float, power: int) -> float:
    """E phi(h)^power at h ~ N(0, exp(log_q))."""
    phi = lambda h: np.asarray(ACTIVATIONS[name].phi(jnp.asarray(h)), dtype=float)
    if name == "relu":
        return {2: 0.5 * np.exp(log_q), 4: 1.5 * np.exp(2 * log_q)}[power]
    with jax.enable_x64(True):
        return gaussian_mean(lambda h: phi(h) ** power, np.exp(log_q))


def log_ratio(net: Dense, depth: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation over networks of ln |dE/dW_l| / |dE/db_l|, layer by layer."""
    law, name = log_variance(net, depth, width), net.activation.name
    mean, std = np.full(depth, np.log(width) / 2), np.zeros(depth)
    for layer in range(1, depth):
        log_q = float(law.mean[layer - 1])
        inner = functools.partial(lambda each: np.log(_moment(name, each, 2)))
        at, shift, spread = expanded(inner, log_q, float(law.variance[layer - 1]))
        units = (_moment(name, log_q, 4) / _moment(name, log_q, 2) ** 2 - 1) / width
        mean[layer] += (at + shift - units / 2) / 2
        std[layer] = np.sqrt(units + spread) / 2
    return mean, std


@functools.partial(jax.jit, static_argnames=("names",))
def _log_norms(
    index: jax.Array, weights: jax.Array, biases: jax.Array, x: jax.Array, top: jax.Array, names: Any
) -> Any:
    """ln |dE/dW_l| and ln |dE/db_l| of every network and layer, by automatic differentiation."""
    branches = [ACTIVATIONS[name].phi for name in names]

    def loss(weights: jax.Array, biases: jax.Array, x: jax.Array, top: jax.Array) -> jax.Array:
        def layer(x: jax.Array, own: Any) -> tuple[jax.Array, jax.Array]:
            h = jnp.dot(own[0], x, precision=jax.lax.Precision.HIGHEST) + own[1]
            return jax.lax.switch(index, branches, h), h

        return top @ jax.lax.scan(layer, x, (weights, biases))[1][-1]

    slopes = jax.vmap(jax.grad(loss, argnums=(0, 1)))(weights, biases, x, top)
    each_layer = jax.vmap(jax.vmap(lambda slope: measure.log_norm(slope)[0]))
    return tuple(each_layer(slope) for slope in slopes)


def run(config: Config) -> dict[str, Any]:
    (name,), (depth, width, num) = config.net, (config.depth, config.width, config.num_nets)
    net, rng = NETS[name], rng_of(config)
    weights = float(net.sigma_w) * rng.normal(0.0, width**-0.5, (num, depth, width, width))
    biases = float(net.sigma_b) * rng.standard_normal((num, depth, width))
    x, top = rng.standard_normal((2, num, width))
    x /= np.sqrt(np.mean(x**2, axis=1, keepdims=True))
    given = [jnp.asarray(each, jnp.float32) for each in (weights, biases, x, top)]
    log_weight, log_bias = (
        np.asarray(each, float) for each in _log_norms(jnp.int32(list(NETS).index(name)), *given, names=tuple(NETS))
    )
    ratio, (mean, std) = log_weight - log_bias, log_ratio(net, depth, width)
    err = ratio.std(axis=0, ddof=1) / num**0.5
    compared = sorted({1, depth // 2, depth - 1})
    rows = [
        comparison(
            f"weights over biases, {name}, layer {layer + 1}",
            "biases",
            Estimate(ratio[:, layer].mean(), err[layer]),
            mean[layer],
            float(np.hypot(std[layer] / num**0.5, ROUNDING)),
            "ln(ratio)",
        )
        for layer in compared
    ]
    spread = lambda values: values.std(axis=0, ddof=1) / num**0.5
    log_weight, log_bias = (each - log_bias[:, -1:] for each in (log_weight, log_bias))
    law = theory.log_grad_layers(net, depth=depth, width=width)
    profile = {
        "layer": np.arange(1, depth + 1),
        "log_ratio": mean,
        "log_ratio_std": std,
        "log_ratio_hat": ratio.mean(axis=0),
        "log_ratio_hat_err": err,
        "log_bias": law.mean,
        "log_bias_std": law.std,
        "log_bias_hat": log_bias.mean(axis=0),
        "log_bias_hat_err": spread(log_bias),
        "log_weight_hat": log_weight.mean(axis=0),
        "log_weight_hat_err": spread(log_weight),
    }
    return profile | placed(rows, compared, depth)


def findings(frame: pd.DataFrame) -> Findings:
    width, depth = int(frame.width.max()), int(frame.layer.max())
    at = frame.set_index(["net", "layer"])
    numbers = {"width": f"{width}", "depth": f"{depth}", "nets": f"{int(frame.num_nets.max())}"}
    for name in dict.fromkeys(frame.net):
        top, bottom = at.loc[(name, depth)], at.loc[(name, 1)]
        numbers |= {
            f"{name}/ratio": f"{np.exp(top.log_ratio_hat):.2f}",
            f"{name}/predicted": f"{np.exp(top.log_ratio):.2f}",
            f"{name}/entry": f"{np.exp(top.log_ratio_hat) / width**0.5:.2f}",
            f"{name}/bias": f"{(bottom.log_bias_hat - top.log_bias_hat) / np.log(10):.1f}",
            f"{name}/weight": f"{(bottom.log_weight_hat - top.log_weight_hat) / np.log(10):.1f}",
        }
    shown = numbers if "sigmoid/bias" in numbers else {}
    verdict = (
        f"Yes. In tanh networks of width {width} the weights' gradient has {numbers['tanh/ratio']} times the norm of the biases' in the last "
        f"of {depth} layers (predicted {numbers['tanh/predicted']}), and {numbers['tanh/entry']} times entry by entry."
    )
    if shown:
        verdict += (
            f" From the last layer to the first the biases' gradient of sigmoid networks changes by 10^{numbers['sigmoid/bias']} and the "
            f"weights' by 10^{numbers['sigmoid/weight']}."
        )
    return Findings(verdict, numbers)
