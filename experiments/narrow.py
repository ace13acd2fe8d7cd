"""How narrow may a network be before the finite-width law fails? Its error per layer at widths 4 to 64 and three depths.

Tens of thousands of networks without their weight matrices (``measure.samples``, ``sampler="matrix_free"``), so that
an error of the law shows far below the scatter of a single network. For ReLU the law is exact, given that no layer is dead.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.optimize import curve_fit

from experiments.corridor.catalogue import Findings
from experiments.corridor.summary import comparison, key_of
from vgtheory import Dense, Estimate, compare, measure, theory

NETS = {
    "tanh": Dense("tanh", 1.327, 0.05**0.5),
    "gelu": Dense("gelu", 1.4033, 0.8426),
    "sigmoid": Dense("sigmoid", 1.0),
    "relu": Dense("relu", 2**0.5),
}
EXACT = "relu"
STATED = 64
"""Least width for which the law is made where it is not exact."""
MORE = {64: 4}
"""Widths at which there are so many times more networks: the remainder is smallest there."""
FITTED = 8
"""Least width to which the error's order is fitted; below, higher orders show."""


@dataclass(frozen=True)
class Config:
    net: tuple[str, ...] = tuple(NETS)
    width: tuple[int, ...] = (4, 8, 16, 32, 64)
    depth: tuple[int, ...] = (17, 33, 65)
    num_nets: int = 40_000
    seed: int = 43


SMOKE = Config(net=("tanh", EXACT), width=(4, 8), depth=(17,), num_nets=400)


def run(config: Config) -> dict[str, Any]:
    (name,), (width,), (depth,) = config.net, config.width, config.depth
    net = NETS[name]
    shape = {"depth": depth, "width": width}
    num_nets = config.num_nets * MORE.get(width, 1)
    logs = measure.samples(key_of(config), net, num_nets=num_nets, sampler="matrix_free", **shape)
    bottom = np.asarray(logs.log_grad[:, 0], float)
    alive = bottom[np.isfinite(bottom)]
    law, infinite = theory.log_grad_layers(net, **shape), theory.log_grad_layers(net, depth=depth)
    std = alive.std(ddof=1)
    return {
        "excess": (law.mean[0] - alive.mean()) / (depth - 1),
        "excess_err": std / alive.size**0.5 / (depth - 1),
        "infinite_excess": (infinite.mean[0] - alive.mean()) / (depth - 1),
        "ratio": law.std[0] / std,
        "ratio_err": ((((alive - alive.mean()) / std) ** 4).mean() - 1) ** 0.5 / 2 / alive.size**0.5,
        "dead": 1 - alive.size / num_nets,
    }


def comparisons(frame: pd.DataFrame) -> pd.DataFrame:
    """Measured less predicted mean per layer, where the law is exact or made for the width."""
    rows = []
    for cell in frame[(frame.net == EXACT) | (frame.width >= STATED)].itertuples():
        measured = Estimate(-cell.excess, cell.excess_err)
        label = f"{cell.net}, {cell.width} units, {cell.depth} layers"
        err = cell.excess_err * cell.ratio
        rows.append(
            {"cell": cell.cell, **comparison(label, "dense, without matrices", measured, 0.0, err, unit="less the law")}
        )
    return pd.DataFrame(rows)


def fitted(rows: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, float]:
    """The remainder ``(kappa (L - 1) + kappa') / N^2`` of the law's mean, fitted to the excess from a width of 8 on.

    Both coefficients, their errors, and chi-square per degree of freedom.
    """
    rows = rows[rows.width >= min(FITTED, rows.width.max())]
    scaled, weights = rows.excess * rows.width**2, 1 / (rows.excess_err * rows.width**2)
    inverse = 1 / (rows.depth - 1)
    degree = min(1, inverse.nunique() - 1)
    found, covariance = np.polyfit(inverse, scaled, degree, w=weights, cov="unscaled")
    left = weights * (scaled - np.polyval(found, inverse))
    return found[::-1], np.diagonal(covariance)[::-1] ** 0.5, float(left @ left / max(len(rows) - degree - 1, 1))


def power(rows: pd.DataFrame) -> tuple[float, float]:
    """Exponent ``p`` of a free fit of ``k / width**p`` to the excess from a width of 8 on, and its error."""
    rows = rows[rows.width >= FITTED]
    law = lambda width, factor, exponent: factor * (width / FITTED) ** -exponent
    start = (rows.excess[rows.width == rows.width.min()].mean(), 2.0)
    found, covariance = curve_fit(law, rows.width, rows.excess, start, rows.excess_err, absolute_sigma=True)
    return float(found[1]), float(covariance[1, 1] ** 0.5)


def findings(frame: pd.DataFrame) -> Findings:
    exact, depths = frame[frame.net == EXACT], sorted(frame.depth.unique())
    numbers = {"depth/min": f"{depths[0]}", "depth/max": f"{depths[-1]}", "nets": f"{frame.num_nets.max():,.0f}"}
    numbers["nets/more"] = f"{frame.num_nets.max() * max(MORE.values()):,.0f}"
    numbers["width/min"] = f"{frame.width.min()}"
    told = []
    for name, rows in frame[frame.net != EXACT].groupby("net", sort=False):
        coefficients, errs, chi_square = fitted(rows)
        for symbol, value, err in zip(("kappa", "kappa_prime"), coefficients, errs, strict=False):
            numbers |= {f"{name}/{symbol}": f"{-value:.2f}", f"{name}/{symbol}_err": f"{err:.2f}"}
        numbers[f"{name}/chi_square"] = f"{chi_square:.1f}"
        if rows.width[rows.width >= FITTED].nunique() > 1:
            exponent, exponent_err = power(rows)
            numbers |= {f"{name}/power": f"{exponent:.2f}", f"{name}/power_err": f"{exponent_err:.2f}"}
        for row in rows[rows.depth == depths[0]].itertuples():
            numbers |= {
                f"{name}/{row.width}/excess": f"{row.excess:.4f}",
                f"{name}/{row.width}/ratio": f"{row.ratio:.3f}",
            }
            numbers[f"{name}/{row.width}/infinite"] = f"{row.infinite_excess:.2f}"
        last = rows.sort_values(["width", "depth"]).iloc[-1]
        expected = np.polyval(coefficients[::-1], 1 / (last.depth - 1)) / last.width**2
        numbers[f"{name}/above"] = f"{(last.excess - expected) / last.excess_err:.1f}"
        numbers[f"{name}/left"] = f"{100 * last.excess / last.infinite_excess:.1f}"
        told.append(f"{name} {coefficients[0]:.2f} +- {errs[0]:.2f}")
    off = (exact.excess / exact.excess_err).abs().max()
    numbers |= {"exact": f"{off:.1f}", "dead": f"{100 * exact.dead.max():.0f}", "off": f"{_most_off(frame, 8):.0f}"}
    seen = comparisons(frame)
    numbers["beyond"] = f"{(seen.z.abs() > compare.SIGMAS).sum()}"
    numbers["off/16"] = f"{_most_off(frame, 16):.1f}"
    verdict = (
        f"To four units. The law's mean is too high per layer, in the limit of many, by about a constant over the square of the width ({', '.join(told)}), and its spread "
        f"is right to {_most_off(frame, 8):.0f} % from 8 units on. For ReLU networks, exact given that no layer is dead, it lies within {off:.1f} "
        f"standard errors at all widths, though up to {100 * exact.dead.max():.0f} % of the networks of {exact.width.min()} units are dead."
    )
    return Findings(verdict, numbers)


def _most_off(frame: pd.DataFrame, width: int) -> float:
    """Largest error of the spread in per cent from a width on."""
    return float(100 * (frame[frame.width >= min(width, frame.width.max())].ratio - 1).abs().max())
