"""Does dropout change the critical initialisation, and how deep can a network with dropout be?

Bernoulli and Gaussian dropout behind five activations, at the scale that is critical with dropout and at the one that is critical without: the law at finite width
beside networks drawn without their matrices, and the correlation of two passes of one input through real networks beside that at infinite width.
"""

from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
import pandas as pd

from experiments.corridor.catalogue import Findings
from experiments.corridor.summary import comparison, key_of, profile_columns, thinned
from vgtheory import Dense, Estimate, measure, theory

EPS = 2 * float(np.finfo(np.float32).eps)
"""Two roundings of float32 per link."""
BIASES = {"tanh": 0.3, "gelu": 0.45}
"""Standard deviations of biases, with which the critical scale is stable; none for activations that keep q without."""
QUANTITIES = ("log_grad", "log_q")
NEAR = (1.0, 2.0)


@dataclass(frozen=True)
class Config:
    activation: tuple[str, ...] = ("relu", "tanh", "gelu", "leaky_relu", "linear")
    mask: tuple[str, ...] = ("bernoulli", "gaussian")
    dropout: tuple[float, ...] = (0.05, 0.1, 0.2, 0.3, 0.5)
    scale: tuple[str, ...] = ("critical", "as without dropout")
    depth: int = 32
    width: int = 128
    num_nets: int = 400
    pair_width: int = 512
    num_pairs: int = 24
    seed: int = 27


SMOKE = Config(("relu",), ("bernoulli",), (0.2, 0.5), depth=6, width=32, num_nets=100, pair_width=32, num_pairs=4)


def network(config: Config) -> Dense:
    (name,), (mask,), (dropout,), (scale,) = config.activation, config.mask, config.dropout, config.scale
    sigma_b, seen = BIASES.get(name, 0.0), dropout if scale == "critical" else 0.0
    sigma_w = theory.critical(name, sigma_b=sigma_b, dropout=seen).sigma_w[0]
    return Dense(name, float(sigma_w), sigma_b, dropout=dropout, mask=mask)


def _spread_err(samples: np.ndarray) -> np.ndarray:
    """Standard error of the standard deviation over networks, from the fourth moment."""
    squares = (samples - samples.mean(axis=0)) ** 2
    with np.errstate(invalid="ignore"):
        return squares.std(axis=0) / (2 * samples.std(axis=0) * len(samples) ** 0.5)


def run(config: Config) -> dict[str, Any]:
    net, layers = network(config), thinned(config.depth, 16)
    size, key = {"depth": config.depth, "width": config.width}, key_of(config)
    logs = measure.samples(key, net, **size, num_nets=config.num_nets, sampler="matrix_free")
    columns: dict[str, Any] = {}
    for name in QUANTITIES:
        samples = getattr(logs, name)
        samples = samples[np.isfinite(samples).all(axis=1)]
        columns |= profile_columns(name, samples, getattr(theory, f"{name}_layers")(net, **size), layers)
        columns[f"{name}_hat_std_err"] = _spread_err(samples)[layers - 1]
    pairs = {"depth": config.depth, "width": config.pair_width, "num_nets": config.num_pairs, "c_0": 1.0}
    c = measure.layers.c_layers(jax.random.fold_in(key, 1), net, **pairs)
    return columns | {
        "layer": layers,
        "c": theory.layers.c_layers(net, depth=config.depth, c_0=1.0).mean[layers - 1],
        "c_hat": c.value[layers - 1],
        "c_hat_err": c.err[layers - 1],
        "sigma_w": net.sigma_w,
        "sigma_b": net.sigma_b,
        "chi_1": theory.chi_1(net),
        "xi_c": theory.xi_c(net),
    }


def _ends(frame: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Bottom of the gradient and top of the signal, one row a cell."""
    return {
        "log_grad": frame[frame.layer == 1],
        "log_q": frame[frame.layer == frame.layer.max()],
    }


def comparisons(frame: pd.DataFrame) -> pd.DataFrame:
    """Mean and spread over networks of the gradient at the bottom and of the signal at the top."""
    rows = []
    for quantity, cells in _ends(frame).items():
        for _, row in cells.iterrows():
            get = lambda ending, row=row, quantity=quantity: float(row[f"{quantity}{ending}"])
            words = f"{row.activation}, {row['mask']} dropout {row.dropout:g}, {row.scale}: {quantity}"
            known, spread = np.isfinite(get("_std")), get("_std")
            err = float(np.hypot(spread / row.num_nets**0.5, EPS * row.depth)) if known else np.inf
            ratio, ratio_err = get("_hat_std") / spread, get("_hat_std_err") / spread if known else np.inf
            parts = (
                ("mean", Estimate(get("_hat"), get("_hat_err")), get(""), err, "log ratio"),
                ("spread over predicted", Estimate(ratio, ratio_err), 1.0, ratio_err, "ratio"),
            )
            for name, seen, law, law_err, unit in parts:
                found = comparison(f"{words}, {name}", "dense, dropout", seen, law, law_err, unit)
                rows.append({"cell": row.cell} | found)
    return pd.DataFrame(rows)


def _numbers(frame: pd.DataFrame) -> dict[str, str]:
    """Decades gained at the bottom, and depth scales, of ReLU and tanh networks with Bernoulli dropout."""
    bottom = _ends(frame)["log_grad"].set_index(["activation", "mask", "dropout", "scale"])
    numbers = {}
    for (name, mask, dropout, scale), row in bottom.iterrows():
        if mask != "bernoulli" or name not in ("relu", "tanh"):
            continue
        word = f"{name}/{dropout:g}/{'critical' if scale == 'critical' else 'plain'}"
        numbers[word] = f"{row.log_grad_hat / np.log(10):.1f}"
        numbers[f"{word}/law"] = f"{row.log_grad / np.log(10):.1f}"
        numbers[f"{word}/xi"] = f"{row.xi_c:.2g}"
        numbers[f"{word}/spread"] = f"{row.log_grad_hat_std:.2f}"
    return numbers


def findings(frame: pd.DataFrame) -> Findings:
    table = comparisons(frame)
    decided = table[np.isfinite(table.predicted_err)]
    inside = [100 * (decided.z.abs() < limit).mean() for limit in NEAR]
    # The mean correlation at width N is known to lie within 4 sqrt(1 - c^2) / N of that at infinite width.
    slack = 4 * np.sqrt(1 - frame.c**2) / frame.pair_width
    numbers = {
        "cells": f"{frame.cell.nunique()}",
        "depth": f"{int(frame.depth.max())}",
        "width": f"{int(frame.width.max())}",
        "nets": f"{int(frame.num_nets.max())}",
        "rows": f"{len(decided)}",
        "declined": f"{len(table) - len(decided)}",
        "within/1": f"{inside[0]:.1f}",
        "within/2": f"{inside[1]:.1f}",
        "furthest": f"{decided.z.abs().max():.1f}",
        "z/mean": f"{decided.z.mean():+.2f}",
        "z/std": f"{decided.z.std():.2f}",
        "c/furthest": f"{((frame.c_hat - frame.c).abs() / (frame.c_hat_err + slack)).max():.1f}",
    } | _numbers(frame)
    depth = numbers["depth"]
    verdict = f"Of {numbers['rows']} means and spreads {numbers['within/2']} % lie within two predicted standard errors (furthest {numbers['furthest']})"
    if "relu/0.5/plain" in numbers:
        verdict += (
            f". At He's scale, dropping half of all units grows the gradient by 10^{numbers['relu/0.5/plain']} over {depth} layers (predicted 10^{numbers['relu/0.5/plain/law']}); "
            f"at the scale that is critical with dropout by 10^{numbers['relu/0.5/critical']} (predicted 10^{numbers['relu/0.5/critical/law']})"
        )
    if "relu/0.1/critical/xi" in numbers:
        verdict += (
            f". With p = 0.1 two passes of one input settle within {numbers['relu/0.1/critical/xi']} layers (ReLU)"
        )
    return Findings(verdict + ".", numbers)
