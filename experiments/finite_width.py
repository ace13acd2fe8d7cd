"""How far do networks of one ensemble scatter? Mean and spread of the log-gradient at widths 64 to 1024, ten roots of it deep.

Critical or nearly critical networks, and one ensemble (GELU at 1.5) whose networks fall into two basins. Networks are drawn
without their weight matrices, from the same distribution (``measure.samples``, ``sampler="matrix_free"``).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from experiments.corridor.catalogue import Findings
from experiments.corridor.summary import key_of, profile_columns, rate_columns, thinned
from vgtheory import Dense, measure, theory

BIAS = 0.05**0.5
BASINS = "gelu, two basins"
NETS = {
    "tanh": Dense("tanh", 1.327, BIAS),
    "erf": Dense("erf", 1.173, BIAS),
    "gelu": Dense("gelu", 1.4033, 0.8426),
    "silu": Dense("silu", 1.4032, 1.17),
    "relu": Dense("relu", 2**0.5),
    "selu": Dense("selu", 1.0),
    BASINS: Dense("gelu", 1.5, 0.2),
}
STEEPNESS = 10
"""Depth over the root of the width."""
REACH = 4.0
"""Predicted standard deviations that the histogram spans to either side."""


@dataclass(frozen=True)
class Config:
    net: tuple[str, ...] = tuple(NETS)
    width: tuple[int, ...] = (64, 256, 1024)
    num_nets: int = 1000
    num_rows: int = 32
    seed: int = 15


SMOKE = Config(net=("tanh", BASINS), width=(64,), num_nets=200, num_rows=16)


def run(config: Config) -> dict[str, Any]:
    (name,), (width,) = config.net, config.width
    net, depth = NETS[name], int(STEEPNESS * width**0.5)
    size = {"depth": depth, "width": width}
    samples = measure.samples(key_of(config), net, **size, num_nets=config.num_nets, sampler="matrix_free").log_grad
    samples = samples[np.isfinite(samples[:, 0])]
    law, layers = theory.log_grad_layers(net, **size), thinned(depth, config.num_rows)
    bottom = samples[:, 0]
    deviations = (bottom - law.mean[0]) / law.std[0]
    density, edges = np.histogram(deviations, np.linspace(-REACH, REACH, config.num_rows + 1))
    kurtosis = np.mean((bottom - bottom.mean()) ** 4) / bottom.var() ** 2
    ratio = bottom.std(ddof=1) / law.std[0]
    return {
        "layer": layers,
        **profile_columns("log_grad", samples, law, layers),
        "deviation": (edges[1:] + edges[:-1]) / 2,
        "density": density / samples.shape[0] / np.diff(edges),
        "within": np.mean(np.abs(deviations) < 1),
        "depth": depth,
        "ratio": ratio,
        "ratio_err": ratio * ((kurtosis - 1) / 4 / samples.shape[0]) ** 0.5,
        "alone_std": (theory.layers.log_chi_layers(net, **size).std ** 2).sum() ** 0.5 / 2,
        **rate_columns(f"{name}, width {width}", "dense, gaussian", samples, law),
    }


def findings(frame: pd.DataFrame) -> Findings:
    cells = frame.drop_duplicates("cell")
    plain, basins = cells[cells.net != BASINS], cells[cells.net == BASINS].sort_values("width")
    off = 100 * (plain.ratio - 1).abs()
    last = basins.loc[(basins.ratio - 1).abs().idxmax()]
    first = frame[(frame.layer == 1) & (frame.net == BASINS)].sort_values("width").iloc[0]
    narrow = basins.iloc[0]
    verdict = (
        f"{int(cells.num_nets.max()):,} networks each of {plain.net.nunique()} activations, at widths {int(cells.width.min())} to "
        f"{int(cells.width.max()):,} and depths {int(cells.depth.min())} to {int(cells.depth.max())}: the mean of the log-gradient "
        f"is as predicted (furthest |z| = {plain.z.abs().max():.1f}), its standard deviation within {off.max():.1f} % "
        f"(sampling error {100 * plain.ratio_err.max():.1f} %) for {plain.net.nunique()} of {cells.net.nunique()} ensembles; {100 * plain.within.min():.0f} to {100 * plain.within.max():.0f} % "
        f"of the networks lie within one predicted standard deviation. Where networks fall into two basins (GELU, sigma_w = 1.5, width "
        f"{int(narrow.width)}) the spread is {first.log_grad_hat_std:.2f} (predicted {first.log_grad_std:.2f}), "
        f"where layers that scatter independently would give {narrow.alone_std:.2f}; the furthest spread of this seventh ensemble is off by "
        f"{100 * abs(last.ratio - 1):.1f} ± {100 * last.ratio_err:.1f} % (width {int(last.width)})."
    )
    numbers = {
        "nets": f"{int(cells.num_nets.max()):,}",
        "width/min": f"{int(cells.width.min())}",
        "width/max": f"{int(cells.width.max())}",
        "depth/max": f"{int(cells.depth.max())}",
        "furthest": f"{plain.z.abs().max():.1f}",
        "off": f"{off.max():.1f}",
        "sampling": f"{100 * plain.ratio_err.max():.1f}",
        "within/min": f"{100 * plain.within.min():.0f}",
        "within/max": f"{100 * plain.within.max():.0f}",
        "basins/off": f"{100 * abs(last.ratio - 1):.1f}",
        "basins/off/err": f"{100 * last.ratio_err:.1f}",
        "basins/off/width": f"{int(last.width)}",
        "basins/width": f"{int(narrow.width)}",
        "basins/measured": f"{first.log_grad_hat_std:.2f}",
        "basins/predicted": f"{first.log_grad_std:.2f}",
        "basins/alone": f"{narrow.alone_std:.2f}",
    }
    return Findings(verdict, numbers)
