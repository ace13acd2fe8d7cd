"""Q11. How much of its past input does a fixed linear recurrence (an echo-state network) hold, and is it ever more than its width?

A reservoir with independent inputs is run in float32, a linear readout per lag is fitted on half of the run and judged on the other.
Beside it the exact memory curve m_k = w^T (W^k)^T C^-1 W^k w: without noise its sum is the width whatever W is (Jaeger); with noise of a
thousandth to a tenth of the input's size much less, and the more non-normal W the less.
"""

from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
import pandas as pd

from experiments.corridor.catalogue import Findings
from experiments.corridor.summary import comparison, key_of
from vgtheory import Estimate, measure, theory

IDENTITIES = r"noise=0,"
"""Labels that are tests and no comparisons: without noise the present input is in the state, whatever W is."""


@dataclass(frozen=True)
class Config:
    reservoir: tuple[str, ...] = ("gaussian", "orthogonal")
    rho: tuple[float, ...] = (0.8, 0.95)
    sigma_noise: tuple[float, ...] = (0.0, 0.001, 0.01, 0.1)
    width: int = 32
    num_lags: int = 100
    steps: int = 20_000
    seed: int = 11


SMOKE = Config(rho=(0.8,), sigma_noise=(0.0, 0.01), width=8, num_lags=30, steps=4000)


def _reservoir(config: Config) -> tuple[np.ndarray, np.ndarray]:
    """W scaled to its spectral radius, input weights of unit length; the same for every noise."""
    seed = jax.random.fold_in(jax.random.key(config.seed), config.reservoir[0] == "orthogonal")
    draws = jax.random.normal(seed, (config.width + 1, config.width))
    draw, start = np.asarray(draws[1:], dtype=float), np.asarray(draws[0], dtype=float)
    matrix = np.linalg.qr(draw)[0] if config.reservoir[0] == "orthogonal" else draw
    return config.rho[0] * matrix / np.abs(np.linalg.eigvals(matrix)).max(), start / np.linalg.norm(start)


def run(config: Config) -> dict[str, Any]:
    matrix, start = _reservoir(config)
    (noise,) = config.sigma_noise
    law = theory.recurrent.memory_curve(matrix, start, config.num_lags, sigma_noise=noise)
    seen = {"sigma_noise": noise, "steps": config.steps}
    hat = measure.recurrent.memory_curve(key_of(config), matrix, start, config.num_lags, **seen)
    lag = int(np.argmin(np.abs(law - 0.5))) if noise > 0 else 0
    label = f"memory, {config.reservoir[0]}, rho={config.rho[0]:g}, noise={noise:g}, lag {lag}"
    err = float(hat.err[lag]) if noise > 0 else np.inf
    return {
        "lag": np.arange(config.num_lags),
        "memory": law,
        "memory_hat": hat.value,
        "memory_hat_err": hat.err,
        "departure": theory.recurrent.non_normality(matrix).departure,
        **comparison(label, "memory", Estimate(hat.value[lag], hat.err[lag]), law[lag], err, "share of variance"),
    }


def findings(frame: pd.DataFrame) -> Findings:
    totals = frame.groupby(["reservoir", "rho", "sigma_noise"])[["memory", "memory_hat"]].sum()
    rho, width = frame.rho.max(), int(frame.width.iloc[0])
    noises = sorted(frame.sigma_noise.unique())
    some = 0.01 if 0.01 in noises else noises[-1]
    at = {name: totals.loc[(name, rho)] for name in ("gaussian", "orthogonal")}
    noisy = frame[frame.sigma_noise > 0]
    z = ((noisy.memory_hat - noisy.memory) / noisy.memory_hat_err)[noisy.memory > 0.01]
    verdict = (
        f"Never more than its width, and that only without noise: {width} units hold {at['gaussian'].memory[0.0]:.1f} numbers in theory, and in "
        f"float32, whose rounding is noise, {at['gaussian'].memory_hat[0.0]:.1f} (Gaussian W) and {at['orthogonal'].memory_hat[0.0]:.1f} (orthogonal); "
        f"with noise of {some:g} they hold {at['gaussian'].memory_hat[some]:.1f} and {at['orthogonal'].memory_hat[some]:.1f} "
        f"(predicted {at['gaussian'].memory[some]:.1f} and {at['orthogonal'].memory[some]:.1f})."
    )
    numbers = {
        "width": f"{width}",
        "rho": f"{rho:g}",
        "noise": f"{some:g}",
        "within": f"{100 * (z.abs() < 2).mean():.0f}",
    }
    numbers |= {"worst": f"{z.abs().max():.1f}", "lags": f"{len(z):,}", "steps": f"{int(frame.steps.iloc[0]):,}"}
    for name, rows in at.items():
        numbers |= {f"{name}/none": f"{rows.memory_hat[0.0]:.1f}", f"{name}/some": f"{rows.memory_hat[some]:.1f}"}
        numbers |= {f"{name}/predicted": f"{rows.memory[some]:.1f}", f"{name}/exact": f"{rows.memory[0.0]:.1f}"}
    return Findings(verdict, numbers)
