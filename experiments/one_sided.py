"""Rectifiers saturate in one direction only: is that what saves their gradients?

One law serves rectifiers and functions that saturate on both sides. The open share of a layer is the mean of (phi' / sup phi')^2 over its
units, which for slopes of 0 and 1 is the share of units that are not saturated. The squared gradient's factor per layer is

    chi_1 = sigma_w^2 (sup phi')^2 O(q),    O(q) = E (phi'(sqrt(q) z) / sup phi')^2,

with O = 1/2 for ReLU at every q, erf(1 / sqrt(2 q)) for hard tanh and erf(6 / sqrt(2 q)) / 2 for ReLU6. Saturation on two sides lets O
fall as sqrt(2 / pi) / sigma_w, which sigma_w^2 outweighs; saturation on one side leaves a half at every scale.

At width N the units of a layer are independent N(0, Q) given the layer below, so that the measured share has mean E O(Q) and variance
Var(phi'^2 / sup^2) / N + Var O(Q). ln Q has the library's law of ln q less the law of ln(chi^2_N / N). Rates have the library's law.

Assumes: no biases, a top cotangent independent of the weights. chi_1 is the factor of the square, rates are of the norm.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy.special import erf, expit

from experiments.corridor.catalogue import Findings
from experiments.corridor.summary import comparison, rng_of
from experiments.parts.layer_means import expanded, gaussian_mean, log_variance
from vgtheory import Dense, Estimate, compare, theory

PARTS = ("layer_means",)


class Function(NamedTuple):
    """An activation in NumPy, its slope, and its largest slope."""

    phi: Callable[[np.ndarray], np.ndarray]
    dphi: Callable[[np.ndarray], np.ndarray]
    sup: float = 1.0


FUNCTIONS = {
    "relu": Function(lambda h: np.maximum(h, 0.0), lambda h: (h > 0) * 1.0),
    "relu6": Function(lambda h: np.clip(h, 0.0, 6.0), lambda h: ((h > 0) & (h < 6)) * 1.0),
    "hard_tanh": Function(lambda h: np.clip(h, -1.0, 1.0), lambda h: (np.abs(h) < 1) * 1.0),
    "tanh": Function(np.tanh, lambda h: 1 / np.cosh(np.minimum(np.abs(h), 300)) ** 2),
    "sigmoid": Function(expit, lambda h: expit(h) * expit(-h), 0.25),
}
OUTSIDE = "one component of the gradient has come to rule its norm, and the law of its spread declines"
ROUNDING = 1e-9
"""Of the integrals; it is all the error there is where every unit is open."""


@dataclass(frozen=True)
class Config:
    activation: tuple[str, ...] = tuple(FUNCTIONS)
    depth: int = 20
    width: int = 128
    num_nets: int = 16
    smallest: float = 0.5
    largest: float = 8.0
    num_scales: int = 5
    seed: int = 72


SMOKE = Config(("relu", "hard_tanh", "tanh", "sigmoid"), depth=8, width=64, num_nets=4, largest=4.0, num_scales=2)


def open_share(activation: str, q: float, power: int = 1) -> float:
    """E (phi' / sup phi')^(2 power) at h ~ N(0, q)."""
    closed = {"relu": 0.5, "relu6": erf(6 / np.sqrt(2 * q)) / 2, "hard_tanh": erf(1 / np.sqrt(2 * q))}
    if activation in closed:
        return float(closed[activation])
    function = FUNCTIONS[activation]
    return gaussian_mean(lambda h: (function.dphi(h) / function.sup) ** (2 * power), q)


def _share_law(net: Dense, config: Config) -> tuple[float, float]:
    """Mean of the open share of the last layer, and its standard deviation over networks."""
    (name,) = config.activation
    log_q = log_variance(net, config.depth, config.width)
    mean, variance = float(log_q.mean[-1]), float(log_q.variance[-1])
    share, shift, spread = expanded(lambda each: open_share(name, np.exp(each)), mean, variance)
    units = max(open_share(name, np.exp(mean), 2) - share**2, ROUNDING**2) / config.width
    if name == "relu":  # the share is 1/2 at every Q, whose own spread grows with depth
        return share, float(np.sqrt(units))
    return share + shift, float(np.sqrt(units + spread))


class _Measured(NamedTuple):
    """Of a network: the open share of the last layer, ln |g_1| / |g_L|, and the ends of all slopes."""

    share: Any
    log_grad: Any
    smallest: Any
    largest: Any


def _network(rng: np.random.Generator, config: Config, sigma_w: float) -> _Measured:
    """One network, forward and back."""
    function, width = FUNCTIONS[config.activation[0]], config.width
    weights = rng.normal(0.0, sigma_w * width**-0.5, (config.depth, width, width))
    x, g = rng.standard_normal((2, width))
    x, g, log_size, slopes = x / np.sqrt(np.mean(x**2)), g / np.linalg.norm(g), 0.0, []
    for matrix in weights:
        h = matrix @ x
        x = function.phi(h)
        slopes.append(function.dphi(h))
    for matrix, slope in zip(weights[:0:-1], slopes[-2::-1], strict=True):
        g = slope * (matrix.T @ g)
        size = np.linalg.norm(g)
        g, log_size = g / size, log_size + np.log(size)
    return _Measured(np.mean((slopes[-1] / function.sup) ** 2), log_size, np.min(slopes), np.max(slopes))


def run(config: Config) -> dict[str, Any]:
    (name,), num = config.activation, config.num_nets
    scales, rng = np.geomspace(config.smallest, config.largest, config.num_scales), rng_of(config)
    rows = []
    for sigma_w in scales:
        seen = _Measured(*map(np.array, zip(*(_network(rng, config, sigma_w) for _ in range(num)), strict=True)))
        net = Dense(name, float(sigma_w))
        grad = theory.log_grad_layers(net, depth=config.depth, width=config.width)
        mean, std = _share_law(net, config)
        share, rates = seen.share, seen.log_grad / (config.depth - 1)
        facts = {"sigma_w": sigma_w, "chi_1": float(theory.chi_1(net)), "sup": FUNCTIONS[name].sup}
        facts |= {"slope_smallest": seen.smallest.min(), "slope_largest": seen.largest.max()}
        pairs = (
            ("open share", share, mean, std / num**0.5, "of units"),
            (
                "rate",
                rates,
                grad.mean[0] / (config.depth - 1),
                grad.std[0] / (config.depth - 1) / num**0.5,
                "per layer",
            ),
        )
        for kind, samples, predicted, err, unit in pairs:
            estimate = Estimate(samples.mean(), samples.std(ddof=1) / num**0.5)
            label = f"{kind}, {name}, sigma_w={sigma_w:.3g}"
            rows.append({"kind": kind, **facts, **comparison(label, "saturation", estimate, predicted, err, unit)})
    table = pd.DataFrame(rows)
    return {column: table[column].to_numpy() for column in table}


def findings(frame: pd.DataFrame) -> Findings:
    at = frame.set_index(["activation", "kind", "sigma_w"]).sort_index()
    large, small = frame.sigma_w.max(), frame.sigma_w.min()
    names = list(dict.fromkeys(frame.activation))
    numbers = {"sigma_w/large": f"{large:g}", "sigma_w/small": f"{small:g}", "width": f"{int(frame.width.max())}"}
    for name in names:
        for key, sigma_w in (("large", large), ("small", small)):
            share, rate = at.loc[(name, "open share", sigma_w)], at.loc[(name, "rate", sigma_w)]
            numbers |= {
                f"{name}/{key}/open": f"{100 * share.measured:.1f}",
                f"{name}/{key}/closed": f"{100 - 100 * share.measured:.1f}",
                f"{name}/{key}/open_predicted": f"{100 * share.predicted:.1f}",
                f"{name}/{key}/factor": f"{np.exp(rate.measured):.3g}",
                f"{name}/{key}/factor_predicted": f"{np.exp(rate.predicted):.3g}",
            }
        rows = frame[frame.activation == name]
        numbers |= {f"{name}/slope/largest": f"{rows.slope_largest.max():.4f}"}
        numbers |= {f"{name}/slope/smallest": f"{rows.slope_smallest.min():.1e}"}
        if rows.slope_smallest.min() > 0:
            numbers |= {f"{name}/slope/decades": f"{np.log10(rows.slope_smallest.min()):.1f}"}
    decided = frame[np.isfinite(frame.predicted_err)]
    numbers |= {"comparisons": f"{len(decided)}", "agree": f"{int((decided.z.abs() < compare.SIGMAS).sum())}"}
    verdict = (
        f"No. At sigma_w = {large:g} hard tanh has {numbers['hard_tanh/large/closed']} % of its units saturated and ReLU "
        f"{numbers['relu/large/closed']} %, and the gradients of both explode, by factors of {numbers['hard_tanh/large/factor']} and "
        f"{numbers['relu/large/factor']} per layer; at sigma_w = {small:g} hard tanh has {numbers['hard_tanh/small/closed']} % saturated and "
        f"ReLU still {numbers['relu/small/closed']} %, and both vanish, by factors of {numbers['hard_tanh/small/factor']} and "
        f"{numbers['relu/small/factor']}. The open share times sigma_w^2 decides ({numbers['agree']} of {numbers['comparisons']} shares and "
        f"rates as predicted). Slopes of the sigmoid lie between {numbers['sigmoid/slope/smallest']} and {numbers['sigmoid/slope/largest']}."
    )
    return Findings(verdict, numbers)
