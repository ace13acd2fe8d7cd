"""Does it matter which distribution the weights are drawn from, if their variance is the same?

Gaussian, uniform, truncated normal, sparse, heavy-tailed and orthogonal weights of one variance: the gradient's rate per layer, its scatter from
network to network, and the largest singular value of one matrix. At infinite width independent entries are all alike; at finite width their
fourth cumulant enters, and orthogonal weights are no more independent.
"""

from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
import pandas as pd

from experiments.corridor.catalogue import Findings
from experiments.corridor.summary import key_of, rate_columns
from vgtheory import Dense, Law, measure, theory

NETS = {"linear": ("linear", 1.0, 0.0), "relu": ("relu", 2**0.5, 0.0), "tanh": ("tanh", 1.396, 0.3)}
"""Activation, sigma_w, sigma_b; all critical."""
LEVELS = np.array([0.03, 0.1, 0.25, 0.5, 0.75, 0.9, 0.97])

IDENTITIES = r"^linear, orthogonal"
"""Labels that are tests and no comparisons: multiples of a rotation change every norm by the same factor."""
OUTSIDE = "no expansion in 1/N: entries with heavy tails have no fourth cumulant, and that of sparse ones is too large at this width"
"""Why the law declines where it does."""


@dataclass(frozen=True)
class Config:
    net: tuple[str, ...] = tuple(NETS)
    weights: tuple[str, ...] = ("gaussian", "uniform", "truncated_normal", "sparse", "heavy_tailed", "orthogonal")
    depth: int = 32
    width: int = 128
    num_nets: int = 128
    num_matrices: int = 400
    seed: int = 23


SMOKE = Config(net=("tanh",), weights=("uniform", "heavy_tailed"), depth=12, width=32, num_nets=8, num_matrices=24)


def run(config: Config) -> dict[str, Any]:
    (name,), (kind,) = config.net, config.weights
    activation, sigma_w, sigma_b = NETS[name]
    key, size = key_of(config), {"depth": config.depth, "width": config.width}
    net, gaussian = (Dense(activation, sigma_w, sigma_b, weights) for weights in (kind, "gaussian"))
    logs = measure.samples(key, net, **size, num_nets=config.num_nets)
    alike = theory.log_grad_layers(gaussian, **size)
    # Of heavy tails there is no law at finite width: that of Gaussian weights, with nothing said of its error.
    known = kind != "heavy_tailed"
    law = theory.log_grad_layers(net, **size) if known else Law(alike.mean, np.full_like(alike.std, np.inf))
    bottom = logs.log_grad[:, 0]
    family = f"dense, {kind}" if kind in ("gaussian", "orthogonal") else "dense, other weights"
    compared = rate_columns(f"{name}, {kind}", family, logs.log_grad, law)
    return {
        "level": LEVELS,
        **_tops(jax.random.fold_in(key, 1), kind, config),
        "spread": law.std[0],
        "spread_gaussian": alike.std[0],
        "spread_hat": bottom.std(ddof=1),
        "spread_hat_err": bottom.std(ddof=1) / (2 * config.num_nets) ** 0.5,
        "infinite": theory.log_grad_layers(net, depth=config.depth).mean[0] / (config.depth - 1),
        **compared,
    }


def _tops(key: jax.Array, kind: str, config: Config) -> dict[str, Any]:
    """Quantiles of the largest singular value of one matrix, with binomial errors, and their limit; with the first net only."""
    if config.net[0] != next(iter(NETS)):
        return {f"top{end}": np.full(LEVELS.size, np.nan) for end in ("", "_hat", "_hat_low", "_hat_high")}
    single, size = Dense("linear", 1.0, 0.0, kind), {"width": config.width, "num_nets": config.num_matrices}
    tops = np.exp(measure.spectra.jacobian_top_singular_values(key, single, depth=1, **size)[:, 0])
    err = np.sqrt(LEVELS * (1 - LEVELS) / tops.size)
    low, value, high = (np.quantile(tops, np.clip(LEVELS + side * err, 0, 1)) for side in (-1, 0, 1))
    heavy = kind == "heavy_tailed"
    limit = theory.spectra.heavy_edge(LEVELS) if heavy else np.full(LEVELS.size, theory.jacobian_edge(single, 1).upper)
    return {"top": limit, "top_hat": value, "top_hat_low": low, "top_hat_high": high}


def findings(frame: pd.DataFrame) -> Findings:
    cells = frame.drop_duplicates("cell")
    known = cells[np.isfinite(cells.predicted_err)]
    numbers = {
        "depth": f"{int(cells.depth.max())}",
        "width": f"{int(cells.width.max())}",
        "nets": f"{int(cells.num_nets.max())}",
        "known": f"{len(known)}",
        "furthest": f"{known.z.abs().max():.1f}",
    }
    for _, row in cells.iterrows():
        name = f"{row.net}/{row.weights}"
        numbers |= {f"spread/{name}": f"{row.spread_hat / row.spread_gaussian:.2f}"}
        numbers |= {f"spread/{name}/law": f"{row.spread / row.spread_gaussian:.2f}"}
        numbers |= {f"loss/{name}": f"{row.infinite - row.measured:.4f}"}
        numbers |= {f"loss/{name}/law": f"{row.infinite - row.predicted:.4f}"}
    tops = frame[np.isfinite(frame.top)]
    for kind, rows in tops.groupby("weights"):
        by_level = rows.set_index("level")
        numbers |= {f"top/{kind}": f"{by_level.top_hat[0.5]:.2f}", f"top/{kind}/high": f"{by_level.top_hat[0.97]:.2f}"}
        numbers |= {f"top/{kind}/high/law": f"{by_level.top[0.97]:.2f}"}
    relative = lambda kind: ", ".join(
        f"{row.net} {numbers[f'spread/{row.net}/{kind}']}" for _, row in cells[cells.weights == kind].iterrows()
    )
    verdict = (
        f"At infinite width no; at {numbers['width']} units by the fourth cumulant, as predicted: the furthest of {numbers['known']} rates lies {numbers['furthest']} predicted standard "
        "errors off. Scatter over networks, in units of the Gaussian law's: "
        + "; ".join(f"{kind.replace('_', '-')}: {relative(kind)}" for kind in cells.weights.unique())
        + "."
    )
    if {"top/heavy_tailed", "top/gaussian", "top/sparse"} <= set(numbers):
        verdict += (
            f" Three in a hundred matrices have a singular value above {numbers['top/gaussian/high']} with Gaussian entries (in the limit none above 2), above {numbers['top/sparse/high']} with sparse "
            f"ones and above {numbers['top/heavy_tailed/high']} with heavy-tailed ones (predicted {numbers['top/heavy_tailed/high/law']}, at any width)."
        )
    return Findings(verdict, numbers)
