"""Q16. Which layers learn first: the last ones?

Unequal chains, trained by small steps of gradient descent. Squares of weights keep their differences, which gives every layer's course by one
quadrature; a layer's gradient is p (y - p) over its own weight, so that the smallest weight leads, wherever it stands.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from experiments.corridor.catalogue import Findings
from experiments.corridor.summary import comparison
from vgtheory import Estimate, measure, theory


@dataclass(frozen=True)
class Config:
    order: tuple[str, ...] = ("equal", "rising", "falling", "last small")
    depth: int = 6
    smallest: float = 0.2
    largest: float = 0.8
    times: int = 60


SMOKE = Config(order=("rising", "falling"), depth=4, times=12)


def _weights(config: Config) -> np.ndarray:
    rising = np.geomspace(config.smallest, config.largest, config.depth)
    level = np.full(config.depth, (config.smallest * config.largest) ** 0.5)
    last = np.append(level[:-1], config.smallest)
    return {"equal": level, "rising": rising, "falling": rising[::-1], "last small": last}[config.order[0]]


def run(config: Config) -> dict[str, Any]:
    weights = _weights(config)
    half, half_hat = theory.training.log_layer_times(weights), measure.training.log_layer_times(weights)
    log_time = np.linspace(half.min() - 2.5, half.max() + 2.0, config.times)
    flow, seen = theory.training.chain_flow(weights, log_time), measure.training.chain_flow(weights, log_time)
    wide = lambda values: np.broadcast_to(values, flow.shape).ravel()
    first = int(np.argmin(half))
    row = comparison(
        f"{config.order[0]}: layer {first + 1} is half way",
        "escape",
        Estimate(half_hat.value[first], half_hat.err[first]),
        half[first],
        float(half_hat.err[first]),
        "ln(time)",
    )
    return {
        "layer": wide(np.arange(1, config.depth + 1)),
        "start": wide(weights),
        "log_time": wide(log_time[:, None]),
        "weight": flow.ravel(),
        "weight_hat": seen.value.ravel(),
        "weight_hat_err": seen.err.ravel(),
        "log_half": wide(half),
        "log_half_hat": wide(half_hat.value),
        "log_half_hat_err": wide(half_hat.err),
        **row,
    }


def findings(frame: pd.DataFrame) -> Findings:
    layers = frame.drop_duplicates(["order", "layer"])
    lead = {}
    for name, rows in layers.groupby("order"):
        rows = rows.set_index("layer")
        spread = np.exp(np.ptp(rows.log_half_hat))
        lead[name] = (int(rows.log_half_hat.idxmin()), f"{spread:.2f}")
    last = int(layers.layer.max())
    numbers = {f"{name}/first": f"{first}" for name, (first, _) in lead.items()}
    numbers |= {f"{name}/spread": spread for name, (_, spread) in lead.items()}
    error = (
        ((frame.weight_hat - frame.weight) / (frame.weight - frame.start).abs().groupby(frame.order).transform("max"))
        .abs()
        .max()
    )
    halves = (layers.log_half_hat - layers.log_half).abs().max()
    numbers |= {"depth": f"{last}", "error": f"{100 * error:.2g}", "halves": f"{100 * halves:.2g}"}
    verdict = (
        f"The layers of the smallest weights, whatever their place. Weights that rise to the last of {last} layers: layer {lead['rising'][0]} is half way first; the same "
        f"weights falling: layer {lead['falling'][0]}. Nor is it a relay: from first to last the times differ by a factor of {lead['rising'][1]}, and equal "
        f"layers move together. Every layer's course is as predicted to {numbers['error']} % of its way."
    )
    return Findings(verdict, numbers)
