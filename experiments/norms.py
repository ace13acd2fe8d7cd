"""Q12. Does batch normalisation mitigate vanishing gradients, and does it let one train sigmoids?

Rates per layer at initialisation, with batch norm against the batch's size and with layer and RMS norm, before and after the activation; and of the same chains without a norm.
Batch norm's rate is counted over the lower third of the chain, where the gradient has settled and the inputs' norms have not yet drifted apart.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from experiments.corridor.catalogue import Findings
from experiments.corridor.summary import comparison, key_of
from vgtheory import ACTIVATIONS, Dense, Estimate, Normed, measure, theory

EPS = 4 * float(np.finfo(np.float32).eps)
BATCHES = {"relu": (5, 8, 32, 256), "linear": (5, 8, 32), "tanh": (5, 8, 32, 256), "sigmoid": (5, 8, 32, 256)}
PLACES = {"layer before": ("layer", "pre"), "layer after": ("layer", "post"), "rms after": ("rms", "post")}
SIGMA_W = {"relu": 2**0.5, "tanh": 1.5, "sigmoid": 1.0}
CHAINS = (
    *(f"{name}, batch {batch}" for name, batches in BATCHES.items() for batch in batches),
    *(f"{name}, {norm}" for name in SIGMA_W for norm in ("none", *PLACES)),
)
LARGE = {"relu": 64, "tanh": 64, "linear": 8, "sigmoid": 8}
"""Batches above this run without matrices, in wide networks: the nearer an activation to a straight line, the slower a batch forgets what finite width did to it."""


@dataclass(frozen=True)
class Config:
    chain: tuple[str, ...] = CHAINS
    depth: int = 60
    width: int = 512
    num_nets: int = 6
    wide: int = 8192
    num_wide: int = 1
    seed: int = 12


SMOKE = Config(
    chain=("relu, batch 8", "sigmoid, batch 8", "sigmoid, none", "sigmoid, layer after"), depth=16, width=64, num_nets=4
)


def _net(name: str) -> tuple[Any, int | None]:
    """The ensemble, and its batch."""
    activation, norm = name.split(", ")
    if norm.startswith("batch"):
        batch = int(norm.split()[1])
        return Normed(activation, "batch", batch=batch), batch
    sigma_w = SIGMA_W[activation]
    if norm == "none":
        return Dense(activation, sigma_w), None
    kind, place = PLACES[norm]
    return Normed(activation, kind, sigma_w, place=place), None


def _logs(config: Config, net: Any, batch: int | None) -> np.ndarray:
    """Log-gradients of every network."""
    large = (batch or 0) > LARGE[net.activation.name]
    size = {"depth": config.depth, "width": config.wide if large else config.width}
    size["num_nets"] = config.num_wide if large else config.num_nets
    return measure.samples(key_of(config), net, **size, sampler="matrix_free" if large else "networks").log_grad


def run(config: Config) -> dict[str, Any]:
    (name,) = config.chain
    net, batch = _net(name)
    log_grad = _logs(config, net, batch)
    factors = -np.diff(log_grad)
    law = -np.diff(theory.log_grad_layers(net, depth=config.depth).mean)
    lower = slice(1, config.depth // 3)
    # Mean of the squared factor: that is what the law speaks of, and where it has no variance mean and typical part.
    chosen = np.exp(2 * factors[:, lower])
    rate = np.log(chosen.mean()) / 2
    err = float(np.hypot(chosen.std(ddof=1) / chosen.mean() / chosen.size**0.5 / 2, EPS))
    predicted = float(law[lower].mean())
    layers = np.arange(1, config.depth)
    activation = name.split(",")[0]
    return {
        "layer": layers,
        "log_factor": law,
        "log_factor_hat": factors.mean(axis=0),
        "activation": activation,
        "norm": name.split(", ")[1],
        "batch": batch or 0,
        "typical": float(factors[:, lower].mean()),
        "limit": np.log(theory.blocks.batch_norm_rate(ACTIVATIONS[activation])) / 2,
        **comparison(f"{name}", "normed", Estimate(rate, err), predicted, err),
    }


def findings(frame: pd.DataFrame) -> Findings:
    cells = frame.drop_duplicates("chain").set_index("chain")
    numbers = {
        "depth": f"{int(frame.depth.max())}",
        "chains": f"{len(cells)}",
        "furthest": f"{cells.z.abs().max():.1f}",
    }
    numbers |= {
        "within": f"{int((cells.z.abs() < 3).sum())}",
        "width": f"{int(frame.width.max())}",
        "wide": f"{int(frame.wide.max()):,}",
    }
    for name, row in cells.iterrows():
        key = str(name).replace(", ", "/").replace(" ", "/")
        numbers |= {key: f"{np.exp(2 * row.measured):.4f}", f"{key}/law": f"{np.exp(2 * row.predicted):.4f}"}
        numbers |= {f"{key}/err": f"{2 * row.measured_err * np.exp(2 * row.measured):.4f}"}
    for activation, rows in cells.groupby("activation"):
        numbers[f"{activation}/limit"] = f"{np.exp(2 * rows.limit.iloc[0]):.4f}"
    with_norm = cells[(cells.activation == "sigmoid") & (cells.batch > 0)].sort_values("batch").iloc[-1]
    bare, after = cells.loc["sigmoid, none"], cells.loc["sigmoid, layer after"]
    factor = lambda row: f"{np.exp(2 * row.measured):.3f}"
    numbers |= {
        "sigmoid/bare": factor(bare),
        "sigmoid/normed": factor(with_norm),
        "sigmoid/normed/batch": f"{int(with_norm.batch)}",
        "sigmoid/after": factor(after),
    }
    relu = cells[(cells.activation == "relu") & (cells.batch > 0)].sort_values("batch")
    rates = ", ".join(
        f"{np.exp(2 * row.measured):.3f} ({np.exp(2 * row.predicted):.3f}) at {int(row.batch)}"
        for _, row in relu.iterrows()
    )
    verdict = (
        f"It turns vanishing into growth: behind batch norm over many inputs no activation's mean squared gradient can shrink (Poincare's inequality), and none but a straight line's keeps its size. "
        f"ReLU: per layer, measured (predicted), {rates}; {numbers['relu/limit']} for large batches. "
        f"A sigmoid's factor goes from {numbers['sigmoid/bare']} to {numbers['sigmoid/normed']} with a batch of {numbers['sigmoid/normed/batch']}, so at initialisation depth no longer stops it; layer norm after the activation does as much "
        f"({numbers['sigmoid/after']}), before it, which leaves the sigmoid's mean in, does not. {numbers['within']} of {numbers['chains']} chains within three standard errors, the furthest at {numbers['furthest']}."
    )
    return Findings(verdict, numbers)
