"""Q8. Recurrent nets share weights, feed-forward nets do not: is the problem easy to avoid without sharing, and nearly impossible with it?

Linear chains of one Gaussian W, W^t v, beside chains of new ones, W_t ... W_1 v, at the same scale and width. Without sharing the log-norm's mean
and spread are exact at any width; with it both are those of the spectral radius, once t is well above the root of the width.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from experiments.corridor.catalogue import Findings
from experiments.corridor.summary import comparison, key_of
from vgtheory import Dense, Estimate, Leaky, Recurrent, measure, theory

EPS = 2 * float(np.finfo(np.float32).eps)
SAMPLERS = {"one W": "cells", "new W": "matrix_free"}
FACTOR = 10.0
"""A gradient within this factor of its size at the end counts as kept."""


@dataclass(frozen=True)
class Config:
    weights: tuple[str, ...] = ("one W", "new W")
    width: tuple[int, ...] = (16, 64, 256)
    steps: int = 1024
    num_nets: int = 100
    seed: int = 8


SMOKE = Config(width=(16,), steps=64, num_nets=20)


def _law(sharing: str, width: int, steps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and spread of the log-norm after so many steps; with one W, those to which it tends."""
    if sharing == "new W":
        law = theory.lyapunov_exponents(Dense("linear"), width=width, num_exponents=1)
        return steps * law.mean[0], np.sqrt(steps) * law.std[0]
    law = theory.recurrent.log_spectral_radius(Recurrent("linear", sigma_w=1.0), width=width)
    return steps * float(law.mean), steps * float(law.std)


def run(config: Config) -> dict[str, Any]:
    sharing, width, last = config.weights[0], config.width[0], config.steps
    how: dict[str, Any] = {"sampler": SAMPLERS[sharing], "burn_in": 0, "num_nets": config.num_nets}
    logs = measure.cells.cell_logs(key_of(config), Leaky("linear", 1.0), width=width, steps=last, **how).log_grad
    steps = np.unique(np.geomspace(1, last, 28).round().astype(int))
    mean, spread = _law(sharing, width, steps)
    half = last // 2
    rates = (logs[:, last] - logs[:, half]) / (last - half)
    predicted, predicted_spread = (float(each[0]) for each in _law(sharing, width, np.array([1])))
    if sharing == "new W":
        predicted_spread /= (last - half) ** 0.5
    err = float(np.hypot(predicted_spread / config.num_nets**0.5, EPS))
    seen = Estimate(rates.mean(), float(np.hypot(rates.std(ddof=1) / config.num_nets**0.5, EPS)))
    kept = np.abs(logs[:, last] - last * predicted) < np.log(FACTOR)
    end = _law(sharing, width, np.array([last]))[1][0]
    chosen = logs[:, steps]
    return {
        "step": steps,
        "log_norm": mean,
        "log_norm_std": spread,
        "log_norm_hat": chosen.mean(axis=0),
        "log_norm_hat_err": chosen.std(axis=0, ddof=1) / config.num_nets**0.5,
        "log_norm_hat_std": chosen.std(axis=0, ddof=1),
        "rescue": np.exp(-predicted),
        "kept": 2 * stats.norm.cdf(np.log(FACTOR) / end) - 1,
        "kept_hat": kept.mean(),
        **comparison(f"{sharing}, width {width}", "product of matrices", seen, predicted, err, "per step"),
    }


def findings(frame: pd.DataFrame) -> Findings:
    last = frame[frame.step == frame.step.max()].set_index(["weights", "width"])
    wide = last.index.get_level_values("width").max()
    one, new = last.loc[("one W", wide)], last.loc[("new W", wide)]
    decades = lambda row: f"{row.log_norm_hat / np.log(10):+.1f}"
    numbers = {"width": f"{wide}", "steps": f"{frame.step.max():,}", "one": decades(one), "new": decades(new)}
    numbers |= {
        "one/std": f"{one.log_norm_hat_std / np.log(10):.1f}",
        "new/std": f"{new.log_norm_hat_std / np.log(10):.1f}",
    }
    numbers |= {"one/rescue": f"{one.rescue:.3f}", "new/rescue": f"{new.rescue:.3f}"}
    for name, row in (("one", one), ("new", new)):
        numbers |= {f"{name}/kept": f"{100 * row.kept_hat:.0f}", f"{name}/law": f"{100 * row.kept:.0f}"}
    verdict = (
        f"In kind, yes. At sigma_w = 1 and {wide} units, after {numbers['steps']} steps, a gradient stands at 10^({numbers['one']} +- {numbers['one/std']}) with one W "
        f"and at 10^({numbers['new']} +- {numbers['new/std']}) with new ones (spread over networks). The mean can be had right by a scale (sigma_w = "
        f"{numbers['one/rescue']} and {numbers['new/rescue']}), the spread cannot: it grows as t with one W and as the root of t without. At those "
        f"scales {numbers['one/kept']} % against {numbers['new/kept']} % of networks keep their gradient within a factor of ten "
        f"(predicted {numbers['one/law']} and {numbers['new/law']} %). Orthogonal W keeps it exactly, shared or not."
    )
    return Findings(verdict, numbers)
