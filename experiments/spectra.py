"""Can all directions keep their length, or only the average one?

The singular values of the Jacobian from input to output: their law at infinite width, and real networks. A mean square of one
(chi_1 = 1) lets the typical gradient through. Whether every direction gets through is a matter of the whole distribution.

What is compared: of every singular value the law tells how many lie below it, a share u. Over the law u is uniform, so that a network's mean of
u is 1/2 (where the law lies) and its mean of 12 (u - 1/2)^2 is 1 (how wide it is). Singular values repel each other, so both scatter far less than those of
independent values; their errors are taken from network to network.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from experiments.corridor.catalogue import Findings
from experiments.corridor.summary import comparison, key_of
from vgtheory import Dense, Estimate, compare, measure, theory

NETS = {
    "linear": ("linear", 1.0, 0.0),
    "relu": ("relu", 2**0.5, 0.0),
    "tanh": ("tanh", 1.396, 0.3),
    "tanh, small q": ("tanh", 1.0091, 0.001),
}
"""Activation, sigma_w, sigma_b; all critical."""
OFF = 0.03
"""Relative error of sigma_w for which the power is told."""
ROUNDING = 1e-11
"""Of a measured log, per layer."""
NUM_GRID = 1024
LEFT_OUT = 0.02
"""Share of the non-zero singular values below the drawn range."""
POINT = 1e-2
"""A law of ln s narrower than this is drawn as one point."""
POINT_WIDTH = 1e-6
"""A law of ln s narrower than this is one point, in which no singular value has a place."""


@dataclass(frozen=True)
class Config:
    net: tuple[str, ...] = tuple(NETS)
    weights: tuple[str, ...] = ("gaussian", "orthogonal")
    depth: tuple[int, ...] = (1, 4, 16, 64)
    width: int = 192
    num_nets: int = 6
    num_bins: int = 33
    points_per_bin: int = 5
    seed: int = 21


SMOKE = Config(net=("relu", "tanh, small q"), depth=(8,), width=32, num_nets=4, num_bins=9)


def _measured(net: Dense, config: Config) -> np.ndarray:
    """Logs of the singular values, with an input that puts every layer at q_star."""
    (depth,), q = config.depth, theory.q_star(net)
    size = {"depth": depth, "width": config.width, "num_nets": config.num_nets}
    square = float((q - net.sigma_b**2) / net.sigma_w**2)
    return measure.jacobian_singular_values(key_of(config), net, **size, input_square=square)


def _moments(logs: np.ndarray, share: np.ndarray) -> dict[str, Any]:
    """Where each network's non-zero values lie in the law, and how widely: means over networks and their standard errors."""
    centred = np.where(np.isfinite(logs), share - 0.5, np.nan)
    found = {"place": 0.5 + np.nanmean(centred, axis=1), "width_share": 12 * np.nanmean(centred**2, axis=1)}
    columns = {}
    for name, each in found.items():
        columns |= {f"{name}_hat": each.mean(), f"{name}_hat_err": each.std(ddof=1) / len(each) ** 0.5}
    return columns


def _law_columns(logs: np.ndarray, above: np.ndarray, below: np.ndarray, grid: Any, depth: int) -> dict[str, Any]:
    """Both moments, the Kolmogorov-Smirnov distance, and what the moments would be by a law whose scale per layer is ``OFF`` too large."""
    values, weight, zeros = grid
    of_nonzero = lambda share: np.clip((share - zeros) / (1 - zeros), 0, 1)
    distance = compare.ks_test(logs, above, np.where(np.isneginf(logs), 0, below), depth * ROUNDING).statistic
    shifted = np.interp(logs - depth * np.log1p(OFF), values, weight)
    wrong = _moments(logs, of_nonzero(shifted))
    found = _moments(logs, of_nonzero((above + below) / 2))
    return found | {f"{name}_off": wrong[f"{name}_hat"] for name in ("place", "width_share")} | {"distance": distance}


def _binned(logs: np.ndarray, low: float, top: float, config: Config) -> tuple[np.ndarray, np.ndarray]:
    """Points inside each bin, and the measured density of ln s in the bin, zeros counted in the whole; two bins beyond."""
    high = top + 2 * (top - low) / (config.num_bins - 2)
    if top - low < POINT:
        low, high = top - 0.5, top + 0.5
    count, edges = np.histogram(logs[np.isfinite(logs)], bins=config.num_bins, range=(low, high))
    inside = (np.arange(config.points_per_bin) + 0.5) / config.points_per_bin
    log_s = (edges[:-1, None] + np.diff(edges)[:, None] * inside).ravel()
    return log_s, np.repeat(count / logs.size / np.diff(edges), config.points_per_bin)


def _range(label: str, logs: np.ndarray, num_left_out: int, rounding: float) -> dict[str, Any]:
    """Mean and standard error over networks of ln of the largest over the smallest non-zero value, some left out below."""
    last = np.isfinite(logs).sum(axis=1) - 1 - num_left_out
    ranges = logs[:, 0] - logs[np.arange(len(logs)), last]
    err = np.hypot(ranges.std(ddof=1) / len(ranges) ** 0.5, rounding)
    return {f"{label}_hat": ranges.mean(), f"{label}_hat_err": err}


def run(config: Config) -> dict[str, Any]:
    (name,), (weights,), (depth,), width = config.net, config.weights, config.depth, config.width
    net, rounding = Dense(*NETS[name], weights), depth * ROUNDING
    logs, edge = _measured(net, config), theory.jacobian_edge(net, depth)
    top, zeros = float(edge.log_upper), float(theory.spectra.jacobian_atom(net, depth, width))
    grid = np.linspace(min(logs[np.isfinite(logs)].min() - 1, top), top, NUM_GRID)
    asked = np.concatenate([logs.ravel() + rounding, logs.ravel() - rounding, grid])
    above, below, weight = np.split(
        theory.spectra.jacobian_cdf_of_log(asked, net, depth, width), [logs.size, 2 * logs.size]
    )
    shares = np.array([0.5 / width, 1 - 0.5 / width, LEFT_OUT])
    least, most, low = np.interp(zeros + (1 - zeros) * shares, weight, grid)
    radial = depth * float(np.log(theory.meanfield.q_slope(net)))
    log_s, histogram = _binned(logs, low, top, config)
    return {
        "log_s": log_s,
        "density": theory.spectra.jacobian_density_of_log(log_s, net, depth),
        "histogram": histogram,
        "log_lower": edge.log_lower,
        "log_upper": edge.log_upper,
        "q": theory.q_star(net),
        "zeros": zeros,
        "zeros_hat": np.isneginf(logs).mean(),
        "log_radial": radial,
        "log_others": most - least,
        "log_range": most - (least if zeros > 0 else min(least, radial)),
        **_range("log_range", logs, 0, rounding),
        **_range("log_others", logs, 1, rounding),
        **_law_columns(logs, above.reshape(logs.shape), below.reshape(logs.shape), (grid, weight, zeros), depth),
    }


def _spread_laws(frame: pd.DataFrame) -> pd.DataFrame:
    """Cells whose law is no single point, in which no singular value has a place."""
    cells = frame.drop_duplicates("cell")
    return cells[cells.log_upper - cells.log_lower > POINT_WIDTH]


def comparisons(frame: pd.DataFrame) -> pd.DataFrame:
    """Of every cell, where its singular values lie in their law, and how widely."""
    rows = []
    for row in _spread_laws(frame).itertuples():
        label, family = f"{row.net}, {row.weights}, depth {row.depth}", f"dense, {row.weights}"
        place = Estimate(row.place_hat, row.place_hat_err)
        width = Estimate(row.width_share_hat, row.width_share_hat_err)
        for name, seen, law in (("place", place, 0.5), ("width", width, 1.0)):
            row_of = comparison(f"{label}: {name}", family, seen, law, float(seen.err), "share of the law")
            rows.append({"cell": row.cell} | row_of)
    return pd.DataFrame(rows)


def _power(frame: pd.DataFrame) -> tuple[int, int]:
    """In how many cells, of how many, a law whose scale is ``OFF`` too large would have disagreed."""
    cells = _spread_laws(frame)
    place = (cells.place_off - 0.5).abs() / cells.place_hat_err
    width = (cells.width_share_off - 1).abs() / cells.width_share_hat_err
    return int(((place > compare.SIGMAS) | (width > compare.SIGMAS)).sum()), len(cells)


def _times(log_range: float) -> str:
    """A ratio as one reads it."""
    return f"{np.exp(log_range):.2f}" if log_range < 5 else f"10^{log_range / np.log(10):.1f}"


def _tex(ratio: str) -> str:
    """The same in LaTeX, as part of a formula."""
    base, power, exponent = ratio.partition("^")
    return f"{base}^{{{exponent}}}" if power else base


def findings(frame: pd.DataFrame) -> Findings:
    cells = frame.drop_duplicates("cell")
    deep = cells[cells.depth == cells.depth.max()].set_index(["net", "weights"])
    ratio = {key: _times(log_range) for key, log_range in deep.log_range_hat.items()}
    depth, width = int(cells.depth.max()), int(cells.width.max())
    rows, (seen, num) = comparisons(frame), _power(frame)
    far = rows[rows.z.abs() > compare.SIGMAS]
    off = 100 * (far.measured - far.predicted).abs().max() if len(far) else 0.0
    kept = deep.loc[("tanh, small q", "orthogonal")]
    zeros = deep.loc[("relu", "orthogonal")]
    verdict = (
        f"All but one can, if weights are orthogonal and slopes nearly constant. After {depth} layers of width {width}, orthogonal tanh "
        f"networks with q_star = {kept.q:.4f} have a ratio of {_times(kept.log_others_hat)} between the largest and the smallest "
        f"singular value, and of {_times(kept.log_range_hat)} with the one direction that changes the signal's size, which shrinks as the "
        f"length map does; the same with Gaussian weights {ratio['tanh, small q', 'gaussian']}. Orthogonal ReLU networks lose "
        f"{zeros.zeros_hat:.0%} of all directions entirely, and those that are left differ by up to {ratio['relu', 'orthogonal']}. Of {len(rows)} means "
        f"over the law at infinite width, with the zeros of this width, {len(rows) - len(far)} agree and {len(far)} disagree, by up to {off:.1f} % of the law; a law whose "
        f"sigma_w is {100 * OFF:g} % off would have disagreed in {seen} of {num} cells."
    )
    numbers = {
        "rows": f"{len(rows)}",
        "agree": f"{len(rows) - len(far)}",
        "disagree": f"{len(far)}",
        "off": f"{off:.1f}",
    }
    numbers |= {"power": f"{seen}", "power/cells": f"{num}", "power/percent": f"{100 * OFF:g}"}
    return Findings(verdict, numbers | _numbers(cells, deep, ratio))


def _numbers(cells: pd.DataFrame, deep: pd.DataFrame, ratio: dict[tuple[str, str], str]) -> dict[str, str]:
    """What the paper quotes."""
    numbers = {
        "depth": f"{int(cells.depth.max())}",
        "width": f"{int(cells.width.max())}",
        "nets": f"{int(cells.num_nets.max())}",
        "cells": f"{len(cells)}",
        "worst_d": f"{cells.distance.max():.3f}",
    }
    for (name, weights), row in deep.iterrows():
        key = f"{name.replace(', small q', '_small')}/{weights}"
        numbers |= {
            f"{key}/q": f"{row.q:.2g}",
            f"{key}/ratio": _tex(ratio[name, weights]),
            f"{key}/others": _tex(_times(row.log_others)),
            f"{key}/others_hat": _tex(_times(row.log_others_hat)),
            f"{key}/radial": f"{np.exp(row.log_radial):.2f}",
            f"{key}/smallest": f"{np.exp(row.log_upper - row.log_range_hat):.2f}",
            f"{key}/zeros": f"{100 * row.zeros:.1f}",
            f"{key}/zeros_hat": f"{100 * row.zeros_hat:.1f}",
        }
    return numbers
