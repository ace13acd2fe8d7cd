"""Can all directions keep their length, or only the average one?

The singular values of the Jacobian from input to output: their law at infinite width, and real networks. A mean square of one
(chi_1 = 1) lets the typical gradient through. Whether every direction gets through is a matter of the whole distribution.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from experiments.corridor import Findings
from experiments.summary import key_of
from vgtheory import Dense, Estimate, compare, measure, theory

NETS = {
    "linear": ("linear", 1.0, 0.0),
    "relu": ("relu", 2**0.5, 0.0),
    "tanh": ("tanh", 1.396, 0.3),
    "tanh, small q": ("tanh", 1.0091, 0.001),
}
"""Activation, sigma_w, sigma_b; all critical."""
ROUNDING = 1e-11
"""Of a measured log, per layer."""
NUM_GRID = 2000
LEFT_OUT = 0.02
"""Share of the non-zero singular values below the drawn range."""


@dataclass(frozen=True)
class Config:
    net: tuple[str, ...] = tuple(NETS)
    weights: tuple[str, ...] = ("gaussian", "orthogonal")
    depth: tuple[int, ...] = (1, 4, 16, 64)
    width: int = 256
    num_nets: int = 8
    num_bins: int = 32
    points_per_bin: int = 5
    seed: int = 21


SMOKE = Config(net=("relu", "tanh, small q"), depth=(1, 8), width=32, num_nets=4, num_bins=8)


def _tested(logs: np.ndarray, net: Dense, depth: int, width: int) -> dict[str, Any]:
    """Kolmogorov and Smirnov's distance; its p-value also as the normal deviation that is as rare."""
    around = depth * ROUNDING
    above, below = (theory.jacobian_cdf_of_log(logs + shift, net, depth, width) for shift in (around, -around))
    test = compare.ks_test(logs, above, np.where(np.isneginf(logs), 0, below), around)
    z = float(stats.norm.isf(test.p_value / 2))
    err = float(stats.kstwo.isf(2 * stats.norm.sf(1), test.num_samples))
    return {
        "p_value": test.p_value,
        "unit": "KS distance",
        "predicted": 0.0,
        "predicted_err": err,
        "measured": test.statistic,
        "measured_err": err,
        "z": z,
        "verdict": compare.verdict(Estimate(z, 1.0), 0.0),
    }


def _quantiles(shares: np.ndarray, lowest: float, net: Dense, depth: int, width: int) -> np.ndarray:
    """Logs of the singular values below which these shares of the non-zero ones lie."""
    top = float(theory.jacobian_edge(net, depth).log_upper)
    log_s = np.linspace(min(lowest, top), top, NUM_GRID)
    weight, zero = theory.jacobian_cdf_of_log(log_s, net, depth, width), theory.jacobian_atom(net, depth, width)
    return np.interp(zero + (1 - zero) * shares, weight, log_s)


def _binned(logs: np.ndarray, low: float, high: float, config: Config) -> tuple[np.ndarray, np.ndarray]:
    """Points inside each bin, and the measured density of ln s in the bin, zeros counted in the whole."""
    count, edges = np.histogram(logs[np.isfinite(logs)], bins=config.num_bins, range=(low, high))
    inside = (np.arange(config.points_per_bin) + 0.5) / config.points_per_bin
    log_s = (edges[:-1, None] + np.diff(edges)[:, None] * inside).ravel()
    return log_s, np.repeat(count / logs.size / np.diff(edges), config.points_per_bin)


def run(config: Config) -> dict[str, Any]:
    (name,), (weights,), (depth,) = config.net, config.weights, config.depth
    net = Dense(*NETS[name], weights)
    q = theory.q_star(net)
    logs = measure.jacobian_singular_values(
        key_of(config),
        net,
        depth=depth,
        width=config.width,
        num_nets=config.num_nets,
        input_square=float((q - net.sigma_b**2) / net.sigma_w**2),
    )
    smallest = np.where(np.isfinite(logs), logs, np.inf).min(axis=1)
    ranges, edge = logs[:, 0] - smallest, theory.jacobian_edge(net, depth)
    half = 0.5 / config.width
    ends = _quantiles(np.array([half, 1 - half, LEFT_OUT]), smallest.min() - 1, net, depth, config.width)
    is_point = edge.log_upper - ends[2] < depth * ROUNDING
    low, high = (-0.5, 0.5) if is_point else (ends[2], edge.log_upper + 0.05 * (edge.log_upper - ends[2]))
    log_s, hist = _binned(logs, low, high, config)
    return {
        "log_s": log_s,
        "density": theory.jacobian_density_of_log(log_s, net, depth),
        "hist": hist,
        "log_lower": edge.log_lower,
        "log_upper": edge.log_upper,
        "q": q,
        "zeros": theory.jacobian_atom(net, depth, config.width),
        "zeros_hat": np.isneginf(logs).mean(),
        "log_range": ends[1] - ends[0],
        "log_range_hat": ranges.mean(),
        "log_range_hat_err": np.hypot(ranges.std(ddof=1) / config.num_nets**0.5, depth * ROUNDING),
        "label": f"{name}, {weights}, depth {depth}",
        "family": f"dense, {weights}",
        **_tested(logs, net, depth, config.width),
    }


def _times(log_range: float) -> str:
    """A ratio as one reads it."""
    return f"{np.exp(log_range):.2f}" if log_range < 5 else f"10^{log_range / np.log(10):.1f}"


def findings(frame: pd.DataFrame) -> Findings:
    cells = frame.drop_duplicates("cell")
    deep = cells[cells.depth == cells.depth.max()].set_index(["net", "weights"])
    ratio = {key: _times(log_range) for key, log_range in deep.log_range_hat.items()}
    depth, width, worst = int(cells.depth.max()), int(cells.width.max()), cells.loc[cells.p_value.idxmin()]
    kept = f"{ratio['tanh, small q', 'orthogonal']} between the largest and the smallest singular value"
    zeros = deep.loc[("relu", "orthogonal")]
    verdict = (
        f"All can, if weights are orthogonal and slopes nearly constant. After {depth} layers of width {width}, orthogonal tanh networks "
        f"with q_star = {deep.q['tanh, small q', 'orthogonal']:.4f} have a ratio of {kept}; the same with Gaussian weights "
        f"{ratio['tanh, small q', 'gaussian']}. Orthogonal ReLU networks lose {zeros.zeros_hat:.0%} of all directions entirely, and those "
        f"that are left differ by up to {ratio['relu', 'orthogonal']}. The law at infinite width, with the zeros of this width, is met in "
        f"all {len(cells)} cells: the largest Kolmogorov-Smirnov distance is {cells.measured.max():.3f}, the smallest p-value "
        f"{worst.p_value:.2g}."
    )
    return Findings(verdict, _numbers(cells, deep, ratio))


def _numbers(cells: pd.DataFrame, deep: pd.DataFrame, ratio: dict[tuple[str, str], str]) -> dict[str, str]:
    """What the paper quotes."""
    numbers = {
        "depth": f"{int(cells.depth.max())}",
        "width": f"{int(cells.width.max())}",
        "nets": f"{int(cells.num_nets.max())}",
        "cells": f"{len(cells)}",
        "worst_d": f"{cells.measured.max():.3f}",
        "worst_p": f"{cells.p_value.min():.2g}",
    }
    for (name, weights), row in deep.iterrows():
        key = f"{name.replace(', small q', '_small')}/{weights}"
        numbers |= {
            f"{key}/q": f"{row.q:.2g}",
            f"{key}/ratio": ratio[name, weights].replace("10^", r"\ensuremath{10^{")
            + "}}" * ("^" in ratio[name, weights]),
            f"{key}/zeros": f"{100 * row.zeros:.1f}",
            f"{key}/zeros_hat": f"{100 * row.zeros_hat:.1f}",
        }
    return numbers
