"""Q20. Derivatives of continuous functions are unbounded in general: what is a bound on the slope worth?

The textbook bound per layer, the predicted and the measured rate, for activations with a bounded slope and with none; and where a
slope without bound does its harm, the first layer at which a plain forward pass is lost.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import erfinv

from experiments.corridor.catalogue import Findings
from experiments.corridor.summary import comparison, key_of, rate_columns
from vgtheory import Dense, Estimate, measure, theory

NETS = {
    "tanh, sigma_w=1.5": Dense("tanh", 1.5),
    "relu, sigma_w=1.414": Dense("relu", 2**0.5),
    "gelu, sigma_w=1": Dense("gelu", 1.0),
    "selu, sigma_w=1": Dense("selu", 1.0),
    "sigmoid, sigma_w=1": Dense("sigmoid", 1.0),
    "relu_squared, sigma_w=0.5, sigma_b=0.3": Dense("relu_squared", 0.5, 0.3),
    "cube, sigma_w=0.2, sigma_b=0.3": Dense("cube", 0.2, 0.3),
    "relu_squared, sigma_w=0.8": Dense("relu_squared", 0.8),
    "relu_squared, sigma_w=1.2": Dense("relu_squared", 1.2),
    "cube, sigma_w=0.5": Dense("cube", 0.5),
    "cube, sigma_w=0.8": Dense("cube", 0.8),
}
DTYPE = "float32"
MOST_LAYERS = 30
"""Within so many layers a length that is raised to a power in each is lost in every format."""
COUNTING = 1.0
"""Predicted error of the median first lost layer: one layer of counting."""

IDENTITIES = r"^forward limit"
"""Labels that are tests and no comparisons: whole layers, predicted and found to be the same."""


@dataclass(frozen=True)
class Config:
    net: tuple[str, ...] = tuple(NETS)
    depth: int = 30
    width: int = 256
    num_nets: int = 24
    seed: int = 20


SMOKE = Config(
    net=("sigmoid, sigma_w=1", "relu_squared, sigma_w=0.5, sigma_b=0.3", "relu_squared, sigma_w=1.2"),
    depth=12,
    width=32,
    num_nets=8,
)


def run(config: Config) -> dict[str, Any]:
    (name,) = config.net
    net = NETS[name]
    with np.errstate(divide="ignore"):
        mean_field = np.log(theory.chi_1(net)) / 2
    facts = {
        "sup_dphi": theory.layers.sup_dphi(net.activation),
        "q_star": theory.q_star(net),
        "bound_excess": theory.layers.bound_excess(net),
        "mean_field_rate": mean_field,
        "bound_rate": np.log(2 * net.sigma_w * theory.layers.sup_dphi(net.activation)),
    }
    runs_away = np.isinf(facts["sup_dphi"]) and not net.sigma_b
    return facts | (_lost(config, net) if runs_away else _rate(config, net))


def _rate(config: Config, net: Dense) -> dict[str, Any]:
    """The gradient's rate over depth, beside its law."""
    size = {"depth": config.depth, "width": config.width}
    logs = measure.samples(key_of(config), net, **size, num_nets=config.num_nets)
    law = theory.log_grad_layers(net, **size)
    return rate_columns(config.net[0], "dense, gaussian", logs.log_grad, law)


def _lost(config: Config, net: Dense) -> dict[str, Any]:
    """The first layer at which a plain forward pass is lost."""
    size = {"depth": MOST_LAYERS, "width": config.width}
    lost = measure.pass_limit(key_of(config), net, DTYPE, **size, num_nets=config.num_nets).forward
    median = Estimate(float(np.median(lost)), float(lost.std(ddof=1) / config.num_nets**0.5))
    label = f"forward limit, {config.net[0]}, {DTYPE}"
    return comparison(label, "number format", median, _first_lost(net, config.width), COUNTING, "layers")


def _first_lost(net: Dense, width: int) -> float:
    """The first layer whose largest entry, at its median, leaves the format.

    At infinite width: ``theory.pass_limit`` adds fluctuations, which here grow doubly exponentially, beyond what its law follows.
    """
    info = np.finfo(DTYPE)
    smallest = info.tiny if measure.engine.flushes_subnormals(DTYPE) else info.smallest_subnormal / 2
    peak = np.log(np.sqrt(2) * erfinv(0.5 ** (1 / width)))
    log_h = theory.log_q_layers(net, depth=MOST_LAYERS).mean / 2 + peak
    lost = (log_h > np.log(float(info.max))) | (log_h < np.log(float(smallest)))
    return 1.0 + int(np.argmax(lost)) if lost.any() else np.inf


def findings(frame: pd.DataFrame) -> Findings:
    cells = frame.set_index("net")
    rates, lost = cells[cells.unit == "per layer"], cells[cells.unit == "layers"]
    bounded, free = rates[np.isfinite(rates.sup_dphi)], rates[np.isinf(rates.sup_dphi)]
    excess, hat = np.exp(bounded.bound_excess), np.exp(free.measured)
    named = [
        f"{net}: {np.exp(row.measured):.3f} (predicted {np.exp(row.predicted):.3f})" for net, row in free.iterrows()
    ]
    gone = [f"{net}: {row.measured:.0f} (predicted {row.predicted:.0f})" for net, row in lost.iterrows()]
    verdict = (
        f"A bound on the slope is neither needed nor telling. Where there is one it exceeds the gradient's factor per layer by "
        f"{excess.min():.2f} to {excess.max():.2f} times. Where there is none it says nothing, yet small weights and a bias keep "
        f"the gradient's factor finite ({'; '.join(named)}). What an unbounded slope costs is the basin: without biases the "
        f"length itself runs away, up or down, and a {DTYPE} forward pass is lost at layer: {'; '.join(gone)}."
    )
    numbers = {
        "width": f"{int(cells.width.max())}",
        "depth": f"{int(cells.depth.max())}",
        "nets": f"{int(cells.num_nets.max())}",
        "excess/min": f"{excess.min():.2f}",
        "excess/max": f"{excess.max():.2f}",
        "free/max": f"{hat.max():.3f}",
    }
    for net, row in rates.iterrows():
        key = net.split(",")[0]
        numbers |= {
            f"{key}/sigma_w": f"{NETS[net].sigma_w:.3g}",
            f"{key}/bound": f"{np.exp(row.bound_rate):.2f}" if np.isfinite(row.bound_rate) else "none",
            f"{key}/predicted": f"{np.exp(row.predicted):.3f}",
            f"{key}/measured": f"{np.exp(row.measured):.3f}",
            f"{key}/excess": f"{np.exp(row.bound_excess):.2f}" if np.isfinite(row.bound_excess) else "none",
        }
    for net, row in lost.iterrows():
        key = f"{net.split(',')[0]}/{'up' if np.isinf(row.q_star) else 'down'}"
        numbers |= {
            f"{key}/sigma_w": f"{NETS[net].sigma_w:g}",
            f"{key}/predicted": f"{row.predicted:.0f}",
            f"{key}/measured": f"{row.measured:.0f}",
        }
    return Findings(verdict, numbers)
