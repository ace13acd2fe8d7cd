"""Where does the finite-width law's remainder show, in activations on which no bound was chosen?

Critical networks of seven activations, a hundred and a thousand times deeper than wide, four hundred each: ten times as many as
``held_out`` has, so that a per cent of the log-gradient stands out. Judged by the bounds of ``held_out``, and by three per cent of the distance from
infinite width alone. Without weight matrices (``sampler="matrix_free"``: other draws from the same distribution).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from experiments import held_out
from experiments.corridor.catalogue import Findings
from experiments.corridor.summary import key_of, rate_columns
from vgtheory import Dense, compare, measure, theory

SIZES = {"32 x 3,200": (32, 3200), "32 x 32,000": (32, 32_000), "128 x 12,800": (128, 12_800)}
"""Width and depth."""


@dataclass(frozen=True)
class Config:
    activation: tuple[str, ...] = ("erf", "hard_tanh", "sin", "elu", "selu", "silu", "mish")
    size: tuple[str, ...] = tuple(SIZES)
    num_nets: int = 400
    seed: int = 73


SMOKE = Config(activation=("erf",), size=("32 x 3,200",), num_nets=8)


def run(config: Config) -> dict[str, Any]:
    (name,), (width, depth), num_nets = config.activation, SIZES[config.size[0]], config.num_nets
    net = Dense(name, held_out.base_scale(name, held_out.SIGMA_B), held_out.SIGMA_B)
    logs = measure.samples(
        key_of(config), net, depth=depth, width=width, num_nets=num_nets, sampler="matrix_free"
    ).log_grad
    law, infinite = (theory.log_grad_layers(net, depth=depth, width=each) for each in (width, None))
    bottom = logs[:, 0]
    return {
        "width": width,
        "depth": depth,
        "mean": law.mean[0],
        "std": law.std[0],
        "mean_hat": bottom.mean(),
        "std_hat": bottom.std(ddof=1),
        "std_hat_err": law.std[0] / (2 * num_nets - 2) ** 0.5,
        "mean_infinite": infinite.mean[0],
        **rate_columns(f"{name}, critical, {width} x {depth}", "dense, without matrices", logs, law),
    }


def findings(frame: pd.DataFrame) -> Findings:
    known = frame[np.isfinite(frame["std"])]
    off, size = (known.mean_hat - known["mean"]).abs(), (known.mean_hat - known.mean_infinite).abs()
    sure = known.z.abs() > compare.SIGMAS
    spread = (known.std_hat - known["std"]).abs()
    wide = (spread > compare.SIGMAS * known.std_hat_err) & (spread > held_out.MOST_SPREAD * known["std"])
    refuted = (sure & (off > held_out.MOST_MEAN * np.maximum(known.mean_hat.abs(), size))) | wide
    strict = (sure & (off > held_out.MOST_MEAN * size)) | wide
    share = 100 * off / size
    worst = known.loc[share.idxmax()]
    numbers = {
        "cells": f"{len(frame)}",
        "known": f"{len(known)}",
        "refuted": f"{int(refuted.sum())}",
        "strict": f"{int(strict.sum())}",
        "sure": f"{int(sure.sum())}",
        "miss": f"{share.median():.1f}",
        "worst": f"{share.max():.1f}",
        "worst/activation": str(worst.activation),
        "log": f"{(100 * off / known.mean_hat.abs())[sure].max() if sure.any() else 0.0:.1f}",
        "furthest": f"{known.z.abs().max():.0f}",
        "nets": f"{frame.num_nets.max()}",
        "activations": f"{frame.activation.nunique()}",
    }
    for name, rows in known.groupby("size"):
        numbers[f"{name}/worst"] = f"{share[rows.index].max():.1f}"
    verdict = (
        f"In narrow and very deep networks: {numbers['sure']} of {len(known)} means lie beyond five standard errors, by at most {numbers['worst']} % of their "
        f"distance from infinite width ({numbers['worst/activation']}). {numbers['refuted']} refute the law, {numbers['strict']} by three per cent of that distance alone."
    )
    return Findings(verdict, numbers)
