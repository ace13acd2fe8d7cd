"""Q11. How far does the gradient of a gated or leaky cell come back through time, and what do two theories say?

The course of the log-gradient over the steps, in cells with one set of weights, by the law for weights of their own at every step and by the
theory that knows of the sharing (dynamical mean-field theory). One setting of each cell; ``gates`` has all.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from experiments.corridor.catalogue import Findings
from experiments.corridor.summary import comparison, key_of
from vgtheory import GRU, LSTM, MGU, Estimate, Leaky, measure, theory

CELLS = {
    "LSTM": LSTM(1.0, None, 0.5, 1.0),
    "GRU": GRU(1.0, None, 0.5, 1.0),
    "MGU": MGU(1.0, None, 0.5, 1.0),
    "leaky": Leaky("tanh", 1.0, 0.0, 0.5, 0.5),
}
"""Weights of scale one, inputs of half; a bias of the gates of one, a leak of half."""
EPS = 4 * float(np.finfo(np.float32).eps)


@dataclass(frozen=True)
class Config:
    kind: tuple[str, ...] = tuple(CELLS)
    width: tuple[int, ...] = (64, 128, 256, 512, 1024)
    steps: int = 200
    burn_in: int = 80
    num_nets: int = 64
    num_paths: int = 8192
    num_sets: int = 8
    seed: int = 71


SMOKE = Config(kind=("GRU",), width=(32, 64), steps=10, burn_in=10, num_nets=4, num_paths=64, num_sets=2)


def run(config: Config) -> dict[str, Any]:
    cell, sizes = CELLS[config.kind[0]], {"steps": config.steps, "burn_in": config.burn_in}
    one = theory.cells.tied_grad_steps(cell, num_paths=config.num_paths, num_sets=config.num_sets, **sizes)
    how: dict[str, Any] = {"width": config.width[0], "num_nets": config.num_nets, **sizes}
    seen = measure.cells.cell_logs(key_of(config), cell, **how).log_grad
    return {
        "step": np.arange(config.steps + 1),
        "own": np.asarray(theory.cells.log_grad_steps(cell, steps=config.steps)),
        "one": one.value,
        "one_err": one.err,
        "one_hat": seen.mean(axis=0),
        "one_hat_err": np.hypot(seen.std(axis=0, ddof=1) / config.num_nets**0.5, EPS),
        "one_hat_std": seen.std(axis=0, ddof=1),
    }


def _last(frame: pd.DataFrame) -> pd.DataFrame:
    """The furthest step of every cell and width."""
    return frame[frame.step == frame.groupby("kind").step.transform("max")]


def _extrapolated(rows: pd.DataFrame) -> Estimate:
    """The measured log at infinite width: the constant of a line in 1/N, by least squares with the measured errors."""
    weights = rows.one_hat_err**-2.0
    design = np.stack([np.ones(len(rows)), 1 / rows.width], axis=1)
    covariance = np.linalg.inv(design.T @ (design * weights.to_numpy()[:, None]))
    return Estimate((covariance @ design.T @ (weights * rows.one_hat))[0], covariance[0, 0] ** 0.5)


def comparisons(frame: pd.DataFrame) -> pd.DataFrame:
    """The log-gradient at the furthest step, extrapolated to infinite width, beside the theory with shared weights."""
    rows = []
    for kind, few in _last(frame).groupby("kind"):
        found, one = _extrapolated(few), few.iloc[0]
        label = f"{kind}, {one.step} steps, extrapolated to infinite width"
        err = float(np.hypot(one.one_err, found.err))
        rows.append({"cell": one.cell, **comparison(label, "cell", found, one.one, err, "log")})
    return pd.DataFrame(rows)


def findings(frame: pd.DataFrame) -> Findings:
    told, last = comparisons(frame), _last(frame)
    numbers = {
        "steps": f"{last.step.max()}",
        "nets": f"{frame.num_nets.max()}",
        "furthest": f"{told.z.abs().max():.1f}",
    }
    numbers |= {"width/min": f"{frame.width.min()}", "width": f"{frame.width.max():,}"}
    lines = []
    for kind, rows in last.groupby("kind"):
        wide = rows.loc[rows.width.idxmax()]
        decades = {name: -wide[name] / np.log(10) for name in ("own", "one", "one_hat")}
        numbers |= {f"{kind}/{name}": f"{value:.1f}" for name, value in decades.items()}
        lines.append(f"{kind} {decades['one_hat']:.1f} (predicted {decades['one']:.1f}; {decades['own']:.1f})")
    verdict = (
        f"{numbers['steps']} steps back gradients have lost, in powers of ten at {numbers['width']} units (by the theory with shared weights; by that with "
        f"weights of their own): {', '.join(lines)}. Extrapolated to infinite width they lie within {numbers['furthest']} standard errors of the first."
    )
    return Findings(verdict, numbers)
