"""How far do gradients scatter, from networks ten thousand times wider than deep to networks a thousand times deeper than wide?

Critical networks without their weight matrices (``measure.samples``, ``sampler="matrix_free"``: other draws from the same
distribution), up to a million units and sixty-four thousand layers, against the finite-width law; and the deepest also with their
weights drawn and differentiated.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from experiments.corridor.catalogue import Findings
from experiments.corridor.summary import key_of, rate_columns
from vgtheory import Dense, compare, measure, theory

NETS = {
    "linear": Dense("linear", 1.0),
    "relu": Dense("relu", 2**0.5),
    "tanh": Dense("tanh", 1.327, 0.05**0.5),
    "gelu": Dense("gelu", 1.4033, 0.71**0.5),
    "softplus": Dense("softplus", 1.2),
}
SIZES = {
    "1,000,000 x 100": (1_000_000, 100, 12),
    "32,768 x 100": (32_768, 100, 100),
    "1,024 x 100": (1024, 100, 400),
    "1,024 x 1,024": (1024, 1024, 100),
    "128 x 1,280": (128, 1280, 400),
    "64 x 6,400": (64, 6400, 200),
    "64 x 64,000": (64, 64_000, 64),
    "64 x 64,000, drawn": (64, 64_000, 32),
    "32 x 32,000": (32, 32_000, 64),
}
"""Width, depth and number of networks."""
DRAWN = "64 x 64,000, drawn"
"""The size at which weights are drawn."""
NARROW = "32 x 32,000"
"""The least width of which the paper's bounds speak, as deep for its width as the deepest."""
STRICT = 0.03
"""Share of the distance from infinite width that a mean may miss by a stricter bound than the paper's."""
WIDE = 10_000_000
"""Width at which the finite-width law is its own leading order in 1/N."""


@dataclass(frozen=True)
class Config:
    net: tuple[str, ...] = tuple(NETS)
    size: tuple[str, ...] = tuple(SIZES)
    seed: int = 31


SMOKE = Config(net=("relu",), size=("1,024 x 100", "128 x 1,280"))


def run(config: Config) -> dict[str, Any]:
    (name,), (size,) = config.net, config.size
    (width, depth, num_nets), net = SIZES[size], NETS[name]
    sampler = "networks" if size == DRAWN else "matrix_free"
    logs = measure.samples(key_of(config), net, depth=depth, width=width, num_nets=num_nets, sampler=sampler)
    law = theory.log_grad_layers(net, depth=depth, width=width)
    infinite, wide = (theory.log_grad_layers(net, depth=depth, width=each) for each in (None, WIDE))
    bottom = logs.log_grad[:, 0]
    return {
        "width": width,
        "depth": depth,
        "num_nets": num_nets,
        "std": law.std[0],
        "std_hat": bottom.std(ddof=1),
        "std_hat_err": law.std[0] / (2 * num_nets - 2) ** 0.5,
        "mean": law.mean[0],
        "mean_infinite": infinite.mean[0],
        "mean_leading": infinite.mean[0] + (wide.mean[0] - infinite.mean[0]) * WIDE / width,
        "std_leading": wide.std[0] * (WIDE / width) ** 0.5,
        "mean_hat": bottom.mean(),
        "num_not_finite": np.sum(~np.isfinite(bottom)),
        **rate_columns(f"{name}, {size}", "dense" if size == DRAWN else "dense, without matrices", logs.log_grad, law),
    }


def _lost(row: Any, name: str) -> str:
    """Powers of ten of the gradient that are lost on the way down."""
    return f"{-row[name] / np.log(10):.0f}"


def findings(frame: pd.DataFrame) -> Findings:
    cells = frame.assign(aspect=frame.depth / frame.width, off=(frame.std_hat - frame["std"]) / frame.std_hat_err)
    all_known = cells[np.isfinite(cells["std"])]
    known = all_known[~all_known["size"].isin((DRAWN, NARROW))]
    drawn, narrow = (all_known[all_known["size"] == size].set_index("net") for size in (DRAWN, NARROW))
    steep = known[(known.net == "relu")].sort_values("aspect").iloc[-1]
    wide = known[(known.net == "relu")].sort_values("aspect").iloc[0]
    near, beyond = (known[is_far] for is_far in (known.z.abs() <= compare.SIGMAS, known.z.abs() > compare.SIGMAS))
    off = np.abs(all_known.mean_hat - all_known["mean"]) > STRICT * np.abs(all_known["mean"] - all_known.mean_infinite)
    strict = all_known[off & (all_known.z.abs() > compare.SIGMAS)]
    verdict = (
        f"As the law says, over {np.log10(known.aspect.max() / known.aspect.min()):.0f} powers of ten in depth over width. In ReLU networks "
        f"of width {wide.width:,.0f} and depth {wide.depth:,.0f} the log-gradient scatters by {wide.std_hat:.4f} +- {wide.std_hat_err:.4f} "
        f"(predicted {wide['std']:.4f}); at width {steep.width:.0f} and depth {steep.depth:,.0f} by {steep.std_hat:.1f} +- {steep.std_hat_err:.1f} "
        f"(predicted {steep['std']:.1f}), and the typical gradient has lost {_lost(steep, 'mean_hat')} powers of ten (predicted "
        f"{_lost(steep, 'mean')}) though its mean square is unchanged. Of {len(known)} means {len(near)} lie within "
        f"{near.z.abs().max():.1f} standard errors, and no standard deviation further than {known.off.abs().max():.1f}."
    )
    if len(beyond):
        verdict += (
            f" The other {len(beyond)}, of {' and '.join(beyond.net.unique())} at {beyond.width.max():.0f} units, show the law's "
            f"remainder: at most {_percent(beyond):.1f} % of the log-gradient."
        )
    numbers = {
        "cells": f"{len(known)}",
        "decades": f"{np.log10(known.aspect.max() / known.aspect.min()):.0f}",
        "wide/std": f"{wide['std']:.4f}",
        "wide/std_hat": f"{wide.std_hat:.4f}",
        "steep/width": f"{steep.width:.0f}",
        "steep/depth": f"{steep.depth:,.0f}",
        "steep/std": f"{steep['std']:.1f}",
        "steep/std_hat": f"{steep.std_hat:.1f}",
        "steep/lost": _lost(steep, "mean_hat"),
        "steep/lost_predicted": _lost(steep, "mean"),
        "leading": f"{_off(steep, steep.mean_leading):.0f}",
        "leading/off": f"{(steep.mean_leading - steep['mean']) / steep['std'] * steep.num_nets**0.5:.0f}",
        "infinite": f"{_off(steep, steep.mean_infinite):.0f}",
        "leading/percent": f"{100 * abs(steep.mean_leading / steep['mean'] - 1):.1f}",
        "steep/nets": f"{steep.num_nets}",
        "steep/lost_err": f"{steep['std'] / steep.num_nets**0.5 / np.log(10):.0f}",
        "furthest": f"{near.z.abs().max():.1f}",
        "near": f"{len(near)}",
        "beyond": f"{len(beyond)}",
        "beyond/drawn": f"{(drawn.z.abs() > compare.SIGMAS).sum()}",
        "beyond/narrow": f"{(narrow.z.abs() > compare.SIGMAS).sum()}",
        "strict": f"{len(strict)}",
        "strict/nets": " and ".join(strict.net.unique()),
        "beyond/percent": f"{_percent(beyond):.1f}",
        "steep/scatter": f"{steep['std'] / np.log(10):.0f}",
        "furthest_std": f"{known.off.abs().max():.1f}",
    }
    smooth = known[known.net == "gelu"].sort_values("aspect")
    if len(smooth):
        row = smooth.iloc[-1]
        numbers |= {"gelu/off": f"{abs(row.z):.1f}", "gelu/leading_off": f"{_off(row, row.mean_leading):.0f}"}
        numbers |= {"gelu/leading_percent": f"{100 * abs(row.mean_leading / row.mean_hat - 1):.0f}"}
        numbers |= {"gelu/kappa": f"{_kappa(row):.1f}"}
        numbers |= {
            "gelu/lost": _lost(row, "mean_hat"),
            "gelu/lost_err": f"{row['std'] / row.num_nets**0.5 / np.log(10):.0f}",
        }
        numbers |= {"gelu/lost_predicted": _lost(row, "mean"), "gelu/lost_leading": _lost(row, "mean_leading")}
        numbers |= {"gelu/lost_infinite": _lost(row, "mean_infinite")}
    for name in ("relu", "gelu"):
        if name in drawn.index:
            row = drawn.loc[name]
            numbers |= {f"drawn/{name}": _lost(row, "mean_hat"), "drawn/nets": f"{row.num_nets}"}
            numbers |= {f"drawn/{name}_err": f"{row['std'] / row.num_nets**0.5 / np.log(10):.0f}"}
    for name in ("tanh", "gelu", "softplus"):
        if name in narrow.index:
            row = narrow.loc[name]
            numbers |= {"narrow/nets": f"{row.num_nets}"}
            numbers |= {f"narrow/{name}/off": f"{abs(row.z):.1f}"}
            numbers |= {f"narrow/{name}/percent": f"{100 * abs(row['mean'] / row.mean_hat - 1):.1f}"}
    bent = known[known.net == "softplus"].sort_values("aspect")
    if len(bent):
        numbers |= {"softplus/off": f"{bent.z.abs().max():.0f}"}
        numbers |= {"softplus/kappa": f"{max(abs(_kappa(row)) for row in bent.tail(2).itertuples()):.1f}"}
    return Findings(verdict, numbers)


def _kappa(row: Any) -> float:
    """Measured less predicted mean per layer, times the square of the width."""
    return float(row.z * row.predicted_err * row.width**2)


def _percent(rows: pd.DataFrame) -> float:
    """Largest distance of a measured mean from the law's, in per cent of the measured one; 0 of none."""
    return float(100 * (rows["mean"] / rows.mean_hat - 1).abs().max()) if len(rows) else 0.0


def _off(row: Any, mean: float) -> float:
    """Distance of a simpler law's mean from the measured one in predicted standard errors."""
    return float(abs(row.mean_hat - mean) / row["std"] * row.num_nets**0.5)
