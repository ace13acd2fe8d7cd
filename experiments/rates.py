"""How well is the gradient's rate per layer predicted, for every activation, below and above criticality?

Thirteen activations at several weight scales, with Gaussian weights, against the finite-width law: most of the points of
the figure that heads the README.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from experiments.corridor import Findings
from experiments.summary import key_of, profile_columns, rate_columns, thinned
from vgtheory import Dense, measure, theory


@dataclass(frozen=True)
class Config:
    activation: tuple[str, ...] = (
        *("linear", "relu", "leaky_relu", "tanh", "erf", "sigmoid", "gelu", "silu", "softplus", "elu", "selu", "sin"),
        "hard_tanh",
    )
    sigma_w: tuple[float, ...] = (0.5, 0.7, 1.0, 1.2, 1.5, 2.0)
    sigma_b: float = 0.2
    depth: int = 30
    width: int = 128
    num_nets: int = 48
    seed: int = 3


SMOKE = Config(activation=("tanh", "relu"), sigma_w=(1.2,), depth=12, width=64, num_nets=24)


def run(config: Config) -> dict[str, Any]:
    return compared(config, "gaussian")


def compared(config: Any, weights: str) -> dict[str, Any]:
    """One ensemble's measured profile beside its law."""
    (activation,), (sigma_w,) = config.activation, config.sigma_w
    net = Dense(activation, sigma_w, config.sigma_b, weights)
    size = {"depth": config.depth, "width": config.width}
    logs = measure.chain(key_of(config), net, **size, num_nets=config.num_nets)
    law, layers = theory.log_grad_layers(net, **size), thinned(config.depth, 10)
    return {
        "layer": layers,
        **profile_columns("log_grad", logs.log_grad, law, layers),
        "infinite": theory.log_grad_layers(net, depth=config.depth).mean[layers - 1],
        **rate_columns(f"{activation}, {weights}, sigma_w={sigma_w:g}", f"dense, {weights}", logs.log_grad, law),
    }


def findings(frame: pd.DataFrame) -> Findings:
    cells = frame.drop_duplicates("cell")
    known = cells[np.isfinite(cells.predicted_err)]
    share = {bound: float((known.z.abs() < bound).mean()) for bound in (1, 2, 3)}
    verdict = (
        f"Of {len(cells)} configurations {len(known)} lie where the finite-width law holds; of these {share[1]:.0%} are within "
        f"one predicted standard error, {share[2]:.0%} within two (normal: 68 %, 95 %), the furthest at "
        f"{known.z.abs().max():.1f}. Rates run from {known.measured.min():+.2f} to {known.measured.max():+.2f} per layer."
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
        "furthest": f"{known.z.abs().max():.1f}",
        "width": f"{int(cells.width.max())}",
        "depth": f"{int(cells.depth.max())}",
    }
    return Findings(verdict, numbers)
