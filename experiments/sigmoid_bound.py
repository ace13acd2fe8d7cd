"""Q2. The sigmoid's slope is at most 0.25: how loose is the textbook bound (0.25 ||W||)^L?

For each weight scale: the bound with the spectral norms of the drawn weights, the mean-field factor, and the measured decay of
the gradient in real networks, to depths where it is hundreds of decades below any number format.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from experiments.corridor.catalogue import Findings
from experiments.corridor.summary import key_of, profile_columns, rate_columns, thinned
from vgtheory import Dense, measure, theory


@dataclass(frozen=True)
class Config:
    sigma_w: tuple[float, ...] = (0.5, 1.0, 2.0, 4.0, 8.0)
    depth: int = 1000
    width: int = 128
    num_nets: int = 16
    bound_depth: int = 20
    seed: int = 2


SMOKE = Config(sigma_w=(1.0, 4.0), depth=12, width=32, num_nets=8, bound_depth=4)


def run(config: Config) -> dict[str, Any]:
    (sigma_w,) = config.sigma_w
    net, key = Dense("sigmoid", sigma_w), key_of(config)
    size = {"depth": config.depth, "width": config.width}
    logs = measure.samples(key, net, **size, num_nets=config.num_nets)
    law, layers = theory.log_grad_layers(net, **size), thinned(config.depth)
    short = {**size, "depth": config.bound_depth, "num_nets": config.num_nets}
    bound = measure.layers.log_bound_layers(key, net, **short)
    links = config.bound_depth - 1
    return {
        "layer": layers,
        **profile_columns("log_grad", logs.log_grad, law, layers),
        "log_bound": theory.layers.log_bound_layers(net, depth=config.depth)[layers - 1],
        "bound_rate": np.log(sigma_w / 2),
        "bound_rate_hat": bound.value[0] / links,
        "bound_rate_hat_err": bound.err[0] / links,
        "mean_field_rate": np.log(theory.chi_1(net)) / 2,
        **rate_columns(f"sigmoid, sigma_w={sigma_w:g}", "sigmoid", logs.log_grad, law),
    }


def findings(frame: pd.DataFrame) -> Findings:
    cells = frame.drop_duplicates("cell").set_index("sigma_w")
    one = cells.loc[1.0]
    first = frame[(frame.sigma_w == 1.0) & (frame.layer == 1)].iloc[0]
    factor = {name: float(np.exp(one[name])) for name in ("bound_rate", "mean_field_rate", "measured")}
    decades, err = first.log_grad_hat / np.log(10), first.log_grad_hat_err / np.log(10)
    verdict = (
        f"The slope bound is right and useless: at sigma_w = 1 it allows a factor {factor['bound_rate']:.2f} per layer, the "
        f"networks show {np.exp(one.measured):.4f} (mean field: {factor['mean_field_rate']:.4f}); after {int(one.depth):,} "
        f"layers that is 10^{decades:.1f} ± {err:.1f}, where the bound says 10^{first.log_bound / np.log(10):.0f}. Neither is 0.25^L."
    )
    above = cells[cells.bound_rate > 0]
    if len(above):
        widest = above.index.max()
        verdict += (
            f" At sigma_w = {widest:g} the bound even explodes while gradients still shrink by "
            f"{np.exp(cells.loc[widest].measured):.2f} per layer."
        )
    wide = cells.loc[cells.index.max()]
    numbers = {
        "nets": f"{int(one.num_nets)}",
        "wide/sigma_w": f"{cells.index.max():g}",
        "wide/bound": f"{np.exp(wide.bound_rate):.2f}",
        "wide/measured": f"{np.exp(wide.measured):.2f}",
        "depth": f"{int(one.depth):,}",
        "width": f"{int(one.width)}",
        "factor/bound": f"{factor['bound_rate']:.2f}",
        "factor/mean_field": f"{factor['mean_field_rate']:.4f}",
        "factor/measured": f"{factor['measured']:.4f}",
        "decades/measured": f"{decades:.1f}",
        "decades/err": f"{err:.1f}",
        "decades/predicted": f"{first.log_grad / np.log(10):.1f}",
        "decades/bound": f"{first.log_bound / np.log(10):.0f}",
    }
    return Findings(verdict, numbers)
