"""How well is the gradient's rate per layer predicted, for every activation, below and above criticality?

Thirteen activations, twelve initialisations each, two widths and two depths, with Gaussian weights, against the finite-width law:
most of the points of the figure that heads the README. Every configuration has draws of its own.
"""

import itertools
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
import pandas as pd

from experiments.corridor import Findings
from experiments.summary import key_of, profile_columns, rate_columns, thinned
from vgtheory import Dense, measure, theory

SIGMA_W = (0.5, 0.7, 1.0, 1.2, 1.5, 2.0)
SIGMA_B = (0.05, 0.2)
BAND = 1.96
"""Standard errors to either side that hold 95 % of a normal law."""
NUM_ROWS = 10
"""Layers stored of a profile."""
OUTSIDE = "no finite-width law where lengths run away"
"""Why the law declines where it does."""


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


SMOKE = Config(activation=("tanh", "relu"), width=(64,), depth=(12,), num_nets=24)


def run(config: Config) -> dict[str, Any]:
    (activation,), (width,), (depth,) = config.activation, config.width, config.depth
    key, rows = key_of(config), []
    for index, (sigma_w, sigma_b) in enumerate(itertools.product(SIGMA_W, SIGMA_B)):
        net = Dense(activation, sigma_w, sigma_b)
        row = compared(jax.random.fold_in(key, index), net, depth, width, config.num_nets)
        label = f"{row['label']}, sigma_b={sigma_b:g}, {width} x {depth}"
        rows.append(row | {"label": label, "sigma_w": sigma_w, "sigma_b": sigma_b})
    frames = [pd.DataFrame(row) for row in rows]
    return {name: column.to_numpy() for name, column in pd.concat(frames).items()}


def compared(key: jax.Array, net: Dense, depth: int, width: int, num_nets: int) -> dict[str, Any]:
    """One ensemble's measured profile beside its law."""
    size, name = {"depth": depth, "width": width}, net.activation.name
    logs = measure.chain(key, net, **size, num_nets=num_nets)
    law, layers = theory.log_grad_layers(net, **size), thinned(depth, NUM_ROWS)
    return {
        "layer": layers,
        **profile_columns("log_grad", logs.log_grad, law, layers),
        "infinite": theory.log_grad_layers(net, depth=depth).mean[layers - 1],
        **rate_columns(f"{name}, {net.weights}, sigma_w={net.sigma_w:g}", f"dense, {net.weights}", logs.log_grad, law),
    }


def findings(frame: pd.DataFrame) -> Findings:
    cells = frame.drop_duplicates(["cell", "label"])
    known = cells[np.isfinite(cells.predicted_err)]
    share = {bound: float((known.z.abs() < bound).mean()) for bound in (1, BAND, 2, 3)}
    verdict = (
        f"Of {len(cells)} configurations {len(known)} lie where the finite-width law holds; of these {share[1]:.0%} are within "
        f"one predicted standard error, {share[BAND]:.1%} within the 95 % band, {share[3]:.1%} within three (normal: 68 %, 99.7 %), "
        f"the furthest at {known.z.abs().max():.1f}. Rates run from {known.measured.min():+.2f} to {known.measured.max():+.2f} per layer."
    )
    numbers = {
        "cells": f"{len(cells)}",
        "known": f"{len(known)}",
        "nets": f"{int(cells.num_nets.max())}",
        "rate/min": f"{known.measured.min():+.2f}",
        "rate/max": f"{known.measured.max():+.2f}",
        "spread": f"{(known.measured_err / known.predicted_err).median():.2f}",
        "within/1": f"{100 * share[1]:.0f}",
        "within/2": f"{100 * share[2]:.0f}",
        "within/3": f"{100 * share[3]:.1f}",
        "band": f"{100 * share[BAND]:.1f}",
        "furthest": f"{known.z.abs().max():.1f}",
        "width": f"{int(cells.width.max())}",
        "depth": f"{int(cells.depth.max())}",
    }
    return Findings(verdict, numbers)
