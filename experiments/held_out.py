"""Does the finite-width law keep to its bounds in deep networks that were drawn after the bounds had been fixed?

Seven activations that no bound was chosen on and two others at other scales, networks ten and a hundred times deeper than wide, real weight matrices. An ensemble
refutes the law if its mean misses by more than five predicted standard errors and by more than three per cent of the log-gradient or of
its distance from infinite width, whichever is larger; or if its spread misses by more than five standard errors and five per cent.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from experiments.corridor.catalogue import Findings
from experiments.corridor.summary import key_of, rate_columns
from vgtheory import Dense, compare, measure, theory

SIGMA_B = 0.3
SIGMA_B_OF = {"gelu": 0.5}
"""Scale of biases where it is another: with 0.3 the law of a critical GELU network gives no error."""
SIGMA_W_OF = {"softplus": 1.0}
"""Scale of weights where no scale is critical."""
SEEN_BEFORE = ("gelu", "softplus")
"""Activations at other scales of which the bounds were chosen; all others are new."""
WIDE = 10_000_000
"""Width at which the finite-width law is its own leading order in 1/N."""
MOST_MEAN, MOST_SPREAD = 0.03, 0.05
"""Relative misses that refute the law, beside ``compare.SIGMAS`` standard errors."""


@dataclass(frozen=True)
class Config:
    activation: tuple[str, ...] = ("erf", "hard_tanh", "sin", "elu", "selu", "silu", "mish", "gelu", "softplus")
    scale: tuple[float, ...] = (1.0, 0.9)
    depth: tuple[int, ...] = (640, 6400)
    width: int = 64
    num_nets: int = 64
    seed: int = 61


SMOKE = Config(activation=("erf",), scale=(1.0,), depth=(24,), width=32, num_nets=8)


def base_scale(name: str, sigma_b: float) -> float:
    """The critical scale of weights, or the one chosen where there is none."""
    return SIGMA_W_OF[name] if name in SIGMA_W_OF else float(theory.critical(name, sigma_b=sigma_b).sigma_w[0])


def run(config: Config) -> dict[str, Any]:
    (name,), (scale,), (depth,) = config.activation, config.scale, config.depth
    sigma_b = SIGMA_B_OF.get(name, SIGMA_B)
    sigma_w = scale * base_scale(name, sigma_b)
    net, size = Dense(name, sigma_w, sigma_b), {"depth": depth, "width": config.width}
    logs = measure.samples(key_of(config), net, **size, num_nets=config.num_nets).log_grad
    law = theory.log_grad_layers(net, **size)
    infinite, wide = (theory.log_grad_layers(net, depth=depth, width=each) for each in (None, WIDE))
    bottom = logs[:, 0]
    return {
        "sigma_w": sigma_w,
        "mean": law.mean[0],
        "std": law.std[0],
        "mean_hat": bottom.mean(),
        "std_hat": bottom.std(ddof=1),
        "std_hat_err": law.std[0] / (2 * config.num_nets - 2) ** 0.5,
        "mean_infinite": infinite.mean[0],
        "mean_leading": infinite.mean[0] + (wide.mean[0] - infinite.mean[0]) * WIDE / config.width,
        **rate_columns(f"{name}, {scale:g} of critical, {config.width} x {depth}", "dense", logs, law),
    }


def _bound(cells: pd.DataFrame) -> pd.Series:
    """By how much a mean must miss to refute a law: the larger of both bounds."""
    size = np.maximum(cells.mean_hat.abs(), (cells.mean_hat - cells.mean_infinite).abs())
    return np.maximum(compare.SIGMAS * cells["std"] / cells.num_nets**0.5, MOST_MEAN * size)


def _is_refuted(cells: pd.DataFrame, mean: str) -> pd.Series:
    """Whether a law's mean misses by more than both bounds."""
    return (cells.mean_hat - cells[mean]).abs() > _bound(cells)


def findings(frame: pd.DataFrame) -> Findings:
    known = frame[np.isfinite(frame["std"])]
    off = (known.std_hat - known["std"]).abs()
    spread = (off > compare.SIGMAS * known.std_hat_err) & (off > MOST_SPREAD * known["std"])
    refuted = _is_refuted(known, "mean") | spread
    leading = _is_refuted(known, "mean_leading")
    correction = (known.mean_hat - known.mean_infinite).abs()
    numbers = {
        "cells": f"{len(frame)}",
        "known": f"{len(known)}",
        "refuted": f"{int(refuted.sum())}",
        "leading/refuted": f"{int(leading.sum())}",
        "infinite/refuted": f"{int(_is_refuted(known, 'mean_infinite').sum())}",
        "tight": f"{int((_bound(known) < correction / 2).sum())}",
        "miss": f"{100 * ((known.mean_hat - known['mean']).abs() / correction).median():.1f}",
        "old/rms": f"{(known.z[known.activation.isin(SEEN_BEFORE)] ** 2).mean() ** 0.5:.1f}",
        "spread": f"{known.z.std():.2f}",
        "spread/new": f"{known.z[~known.activation.isin(SEEN_BEFORE)].std():.2f}",
        "furthest": f"{known.z.abs().max():.1f}",
        "activations": f"{frame.activation.nunique()}",
        "activations/new": f"{frame.activation[~frame.activation.isin(SEEN_BEFORE)].nunique()}",
        "nets": f"{frame.num_nets.max()}",
        "width": f"{frame.width.max()}",
        "depth": f"{frame.depth.max():,}",
        "depth/min": f"{frame.depth.min()}",
    }
    for name, mean in (("law", "mean"), ("leading", "mean_leading"), ("infinite", "mean_infinite")):
        std = known["std_hat"] if name == "infinite" else known["std"]  # infinite width predicts none
        z = (known.mean_hat - known[mean]) / std * known.num_nets**0.5
        numbers |= {f"{name}/z/median": f"{z.abs().median():.2f}"}
        numbers |= {f"{name}/z/beyond": f"{100 * (z.abs() > compare.SIGMAS).mean():.1f}"}
    verdict = (
        f"Of {len(known)} ensembles for which the law gives an error, {numbers['refuted']} refute it and {numbers['leading/refuted']} its expansion to "
        f"order 1/N. The furthest mean lies {numbers['furthest']} predicted standard errors off; the residuals' standard deviation is {numbers['spread']}."
    )
    return Findings(verdict, numbers)
