"""Q6. Where eigenvalues mislead: how much does a non-normal W with spectral radius below 1 amplify a gradient, and along what does it align?

A Jordan block, a Grcar matrix and a Gaussian one beside a symmetric one, all scaled to the same spectral radius. The norm of W^t, its peak
and the bounds on it from Kreiss's constant; the angle between the gradient and the leading left eigenvector.
"""

from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
import pandas as pd

from experiments.corridor.catalogue import Findings
from experiments.corridor.summary import comparison, key_of
from vgtheory import Estimate, measure, theory

EPS = 2 * float(np.finfo(np.float32).eps)

IDENTITY = "both numbers are the norm of the same power of the same matrix, in two precisions"
"""The predicted and the measured number are one by arithmetic: a test (tests/experiments/test_identities.py), no comparison."""


@dataclass(frozen=True)
class Config:
    system: tuple[str, ...] = ("symmetric", "gaussian", "grcar", "jordan")
    rho: tuple[float, ...] = (0.8, 0.95)
    width: int = 32
    steps: int = 400
    seed: int = 16


SMOKE = Config(system=("symmetric", "jordan"), rho=(0.8,), width=8, steps=100)


def _matrix(config: Config) -> np.ndarray:
    """One matrix, scaled to the spectral radius; the Jordan block's off-diagonal is half its eigenvalue."""
    width = config.width
    draw = np.asarray(jax.random.normal(key_of(config), (width, width)), dtype=float)
    matrix = {
        "symmetric": draw + draw.T,
        "gaussian": draw,
        "grcar": np.eye(width) - np.eye(width, k=-1) + sum(np.eye(width, k=k) for k in (1, 2, 3)),
        "jordan": np.eye(width) + np.eye(width, k=1) / 2,
    }[config.system[0]]
    return config.rho[0] * matrix / np.abs(np.linalg.eigvals(matrix)).max()


def _amplified(matrix: np.ndarray, growth: np.ndarray, norm: float, step: int) -> float:
    """How many of its own roundings a float32 power carries, to first order: sum |W^(t-s-1)| |W| |W^s| / |W^t|, or t if no sign can cancel."""
    if (matrix >= 0).all():
        return float(step)
    return float(np.exp(growth[:step][::-1] + np.log(norm) + growth[:step] - growth[step]).sum())


def run(config: Config) -> dict[str, Any]:
    matrix, times = _matrix(config), np.unique(np.geomspace(1, config.steps, 40).round().astype(int))
    facts, peak = theory.recurrent.non_normality(matrix), theory.recurrent.transient(matrix)
    directions = theory.recurrent.eigen_directions(matrix)
    every = theory.recurrent.log_growth(matrix, np.arange(max(2, peak.step + 1)))
    growth, growth_hat = theory.recurrent.log_growth(matrix, times), measure.recurrent.log_growth(matrix, times)
    start = np.asarray(jax.random.normal(jax.random.fold_in(key_of(config), 1), (config.width,)), dtype=float)
    angles = theory.recurrent.alignment_steps(matrix, start, config.steps)[times]
    angles_hat = measure.recurrent.alignment_steps(matrix, start, config.steps)[times]
    at = max(peak.step, 1)
    seen = measure.recurrent.log_growth(matrix, np.arange(2 * at + 1)).value
    err = EPS * (config.width + _amplified(matrix, every, facts.norm, at))
    label = f"growth, {config.system[0]}, rho={config.rho[0]:g}, t={at}"
    return {
        "step": times,
        "log_growth": growth,
        "log_growth_hat": growth_hat.value,
        "log_rate_line": times * np.log(facts.rho),
        "angle": angles,
        "angle_hat": angles_hat,
        "peak": peak.log_peak,
        "peak_step": peak.step,
        "peak_hat": max(0.0, seen.max()),
        "peak_step_hat": int(seen.argmax()),
        "kreiss": peak.log_kreiss,
        "bound": peak.log_bound,
        "norm": facts.norm,
        "numerical_radius": facts.numerical_radius,
        "departure": facts.departure,
        "condition": facts.condition,
        "period": directions.period[0],
        **comparison(label, "transient", Estimate(seen[at], err), every[at], err, "ln |W^t|"),
    }


def findings(frame: pd.DataFrame) -> Findings:
    cells = frame.drop_duplicates("cell")
    rho = cells.rho.max()
    top = cells[cells.rho == rho].set_index("system")
    worst = top.loc["jordan"]
    decades = {name: row.peak_hat / np.log(10) for name, row in top.iterrows()}
    also = f", a Grcar matrix {np.exp(top.peak_hat['grcar']):.0f}-fold" if "grcar" in top.index else ""
    verdict = (
        f"Only in the end. At the same spectral radius of {rho:g} a Jordan block of width {int(worst.width)} first lengthens a gradient "
        f"10^{decades['jordan']:.1f}-fold (at step {int(worst.peak_step_hat)}, both as predicted){also}, a symmetric matrix never; Kreiss's "
        f"constant brackets every peak, and gradients turn to the left eigenvector."
    )
    numbers = {"rho": f"{rho:g}", "width": f"{int(worst.width)}", "steps": f"{int(worst.steps)}"}
    for name, row in top.iterrows():
        numbers |= {
            f"peak/{name}": f"{decades[name]:.2f}",
            f"step/{name}": f"{int(row.peak_step_hat)}",
            f"kreiss/{name}": f"{row.kreiss / np.log(10):.2f}",
            f"bound/{name}": f"{row.bound / np.log(10):.2f}",
            f"norm/{name}": f"{row['norm']:.2f}",
            f"radius/{name}": f"{row.numerical_radius:.2f}",
        }
    return Findings(verdict, numbers)
