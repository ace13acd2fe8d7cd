"""How well is the gradient's rate per layer predicted, for thirteen activations, below and above criticality?

Thirteen of the table's activations, twelve initialisations each, two widths and two depths, with Gaussian weights, against the
finite-width law, and beside it what infinite width and the expansion to order 1/N say. Every configuration has draws of its own.
"""

import itertools
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
import pandas as pd

from experiments.corridor.catalogue import Findings
from experiments.corridor.summary import key_of, profile_columns, rate_columns, thinned
from experiments.report import baselines
from vgtheory import Dense, measure, theory

PARTS = ("baselines", "summary")
SIGMA_W = (0.5, 0.7, 1.0, 1.2, 1.5, 2.0)
SIGMA_B = (0.05, 0.2)
NUM_ROWS = 10
"""Layers stored of a profile."""
OUTSIDE = "no finite-width law where lengths run away"
"""Why the law declines where it does."""

SINGLE = (1, 2)
"""Predicted standard deviations within which single networks are counted."""
STRAIGHT = ("linear", "relu", "leaky_relu")
"""Activations for which the law is exact."""


@dataclass(frozen=True)
class Config:
    activation: tuple[str, ...] = (
        *("linear", "relu", "leaky_relu", "tanh", "erf", "sigmoid", "gelu", "silu", "softplus", "elu", "selu", "sin"),
        "hard_tanh",
    )
    width: tuple[int, ...] = (64, 128)
    depth: tuple[int, ...] = (30, 100)
    num_nets: int = 48
    seed: int = 3


SMOKE = Config(activation=("tanh", "relu"), width=(32,), depth=(12,), num_nets=8)


def run(config: Config) -> dict[str, Any]:
    (activation,), (width,), (depth,) = config.activation, config.width, config.depth
    key, rows = key_of(config), []
    for index, (sigma_w, sigma_b) in enumerate(itertools.product(SIGMA_W, SIGMA_B)):
        net = Dense(activation, sigma_w, sigma_b)
        row = compared(jax.random.fold_in(key, index), net, depth, width, config.num_nets)
        label = f"{row['label']}, sigma_b={sigma_b:g}, {width} x {depth}"
        others = baselines.rates(net, depth, width, config.num_nets)
        rows.append(row | others | {"label": label, "sigma_w": sigma_w, "sigma_b": sigma_b})
    frames = [pd.DataFrame(row) for row in rows]
    return {name: column.to_numpy() for name, column in pd.concat(frames).items()}


def compared(key: jax.Array, net: Dense, depth: int, width: int, num_nets: int) -> dict[str, Any]:
    """One ensemble's measured profile beside its law."""
    size, name = {"depth": depth, "width": width}, net.activation.name
    logs = measure.samples(key, net, **size, num_nets=num_nets)
    law, layers = theory.log_grad_layers(net, **size), thinned(depth, NUM_ROWS)
    apart = np.abs(logs.log_grad[:, 0] - law.mean[0])
    return {
        "layer": layers,
        **profile_columns("log_grad", logs.log_grad, law, layers),
        "infinite": theory.log_grad_layers(net, depth=depth).mean[layers - 1],
        **{f"within_{few}_hat": np.mean(apart < few * law.std[0]) for few in SINGLE},
        **rate_columns(f"{name}, {net.weights}, sigma_w={net.sigma_w:g}", f"dense, {net.weights}", logs.log_grad, law),
    }


def findings(frame: pd.DataFrame) -> Findings:
    cells = frame.drop_duplicates(["cell", "label"])
    known = cells[np.isfinite(cells.predicted_err)]
    found = baselines.headline(cells)
    (shift, shift_err), (spread, spread_err) = found.sigma_w, found.spread
    verdict = (
        f"The finite-width law gives a rate and its error for {found.law.num} of {len(cells)} configurations, from "
        f"{known.measured.min():+.2f} to {known.measured.max():+.2f} per layer. {found.law.within_1:.1%} of the rates lie within one "
        f"predicted standard error and {found.law.within_2:.1%} within two (normal law: 68.3 % and 95.4 %); the furthest is at "
        f"{known.z.abs().max():.1f}. The law at infinite width misses {found.infinite.beyond:.0%} of them by more than five standard "
        f"errors, the expansion to order 1/N {found.leading.beyond:.0%}. Together the rates put the error in sigma_w at "
        f"{100 * shift:+.3f} +- {100 * shift_err:.3f} % and the spread at {spread:.3f} +- {spread_err:.3f} of the predicted one."
    )
    numbers = {
        "cells": f"{len(cells)}",
        "nets": f"{int(cells.num_nets.max())}",
        "activations": f"{cells.activation.nunique()}",
        "rate/min": f"{known.measured.min():+.2f}",
        "rate/max": f"{known.measured.max():+.2f}",
        "furthest": f"{known.z.abs().max():.1f}",
        "declined": f"{len(cells) - len(known)}",
        "width/min": f"{int(cells.width.min())}",
        "width": f"{int(cells.width.max())}",
        "depth/min": f"{int(cells.depth.min())}",
        "depth": f"{int(cells.depth.max())}",
    }
    singles = int(known.num_nets.sum())
    numbers["singles"] = f"{singles:,}"
    for few in SINGLE:
        share = known[f"within_{few}_hat"].mean()
        err = (share * (1 - share) / singles) ** 0.5
        numbers |= {f"single/within/{few}": f"{100 * share:.1f}", f"single/within/{few}_err": f"{100 * err:.1f}"}
    is_straight = cells.activation.isin(STRAIGHT)
    for kind, some in (("straight", cells[is_straight]), ("curved", cells[~is_straight])):
        if np.isfinite(some.predicted_err).any():
            numbers |= {f"{kind}/{name}": value for name, value in baselines.numbers(baselines.headline(some)).items()}
    return Findings(verdict, numbers | baselines.numbers(found))
