"""Why does finite width make the gradient of a deep network smaller, and different from network to network?

Three steps of the law, each beside networks with drawn weights: the length of the signal wanders from layer to layer; the factor that a
layer gives to the gradient depends on that length, and is below that of infinite width; so the log-gradient falls and scatters. And
the deepest networks of ``aspect``, one by one.
"""

from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
import pandas as pd

from experiments import aspect
from experiments.corridor.catalogue import Findings
from experiments.corridor.summary import comparison, key_of
from vgtheory import Estimate, measure, theory

DEEPEST = "64 x 64,000"
SINGLE = 3
"""Networks whose own course is kept."""
NUM_PAIRS = 40_000
"""Networks of two layers for each length."""
SQUARES = np.exp(np.linspace(-3.0, 3.0, 25))
"""Mean squares of their inputs."""


@dataclass(frozen=True)
class Config:
    part: tuple[str, ...] = ("layers", "one layer", "bottom")
    net: tuple[str, ...] = ("linear", "relu", "tanh", "gelu")
    depth: int = 640
    width: int = 64
    num_nets: int = 400
    seed: int = 67


SMOKE = Config(part=("layers", "one layer"), net=("gelu",), depth=64, width=16, num_nets=8)


def _layers(config: Config) -> dict[str, Any]:
    """Lengths and gradients layer by layer, of all networks and of three."""
    net, sizes = aspect.NETS[config.net[0]], {"depth": config.depth, "width": config.width}
    logs = measure.samples(key_of(config), net, num_nets=config.num_nets, **sizes)
    chosen = np.unique(np.geomspace(1, config.depth, 40).round().astype(int)) - 1
    chosen = np.union1d(chosen, np.linspace(0, config.depth - 1, 33).round().astype(int))
    out: dict[str, Any] = {"layer": chosen + 1}
    for name, function in (("log_q", theory.log_q_layers), ("log_grad", theory.log_grad_layers)):
        law, infinite = function(net, **sizes), function(net, depth=config.depth)
        seen = getattr(logs, name)[:, chosen]
        out |= {name: law.mean[chosen], f"{name}_std": law.std[chosen], f"{name}_infinite": infinite.mean[chosen]}
        out |= {f"{name}_hat": seen.mean(axis=0), f"{name}_hat_std": seen.std(axis=0, ddof=1)}
        out |= {f"{name}_{index}": seen[index] for index in range(SINGLE)}
    return out


def _one_layer(config: Config) -> dict[str, Any]:
    """What one layer does to the log of the squared gradient, by the variance of its pre-activations."""
    net = aspect.NETS[config.net[0]]
    num_nets = NUM_PAIRS if config.num_nets > SMOKE.num_nets else 100 * config.num_nets
    rows = []
    for index, square in enumerate(SQUARES):
        law = theory.log_grad_layers(net, depth=2, width=config.width, input_square=square)
        infinite = theory.log_grad_layers(net, depth=2, input_square=square)
        sizes: dict[str, Any] = {"depth": 2, "width": config.width, "input_square": float(square)}
        key = jax.random.fold_in(key_of(config), index)
        seen = 2 * measure.samples(key, net, num_nets=num_nets, **sizes).log_grad[:, 0]
        rows.append(
            {
                "variance": net.sigma_w**2 * square + net.sigma_b**2,
                "factor": 2 * law.mean[0],
                "factor_std": 2 * law.std[0],
                "factor_infinite": 2 * infinite.mean[0],
                "factor_hat": seen.mean(),
                "factor_hat_std": seen.std(ddof=1),
                "num_pairs": num_nets,
            }
        )
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


def _bottom(config: Config) -> dict[str, Any]:
    """The gradient at the bottom of each of the deepest networks; the draws are those of ``aspect``."""
    same = aspect.Config(net=config.net, size=(DEEPEST,))
    net, (width, depth, num_nets) = aspect.NETS[config.net[0]], aspect.SIZES[DEEPEST]
    logs = measure.samples(key_of(same), net, depth=depth, width=width, num_nets=num_nets, sampler="matrix_free")
    return {"network": np.arange(num_nets), "bottom_hat": logs.log_grad[:, 0]}


def run(config: Config) -> dict[str, Any]:
    return {"layers": _layers, "one layer": _one_layer, "bottom": _bottom}[config.part[0]](config)


def comparisons(frame: pd.DataFrame) -> pd.DataFrame:
    """The length at the top, the gradient at the bottom, and the factor of one layer for every length."""
    rows = []
    for net, all_rows in frame.groupby("net"):
        layers, pairs = all_rows[all_rows.part == "layers"], all_rows[all_rows.part == "one layer"]
        for name, row in (("log_q", layers.layer.idxmax()), ("log_grad", layers.layer.idxmin())) if len(layers) else ():
            one = layers.loc[row]
            err = one[f"{name}_std"] / one.num_nets**0.5
            found = Estimate(one[f"{name}_hat"], one[f"{name}_hat_std"] / one.num_nets**0.5)
            where = {"cell": one.cell, **comparison(f"{net}, {name}", "dense", found, one[name], err, "log")}
            rows.append(where)
        for _, one in pairs.iterrows():
            root = one.num_pairs**0.5
            found, err = Estimate(one.factor_hat, one.factor_hat_std / root), one.factor_std / root
            label = f"{net}, one layer of variance {one.variance:.2f}"
            rows.append({"cell": one.cell, **comparison(label, "dense", found, one.factor, err, "log")})
    return pd.DataFrame(rows)


def findings(frame: pd.DataFrame) -> Findings:
    told = comparisons(frame)
    layers, pairs = frame[frame.part == "layers"], frame[frame.part == "one layer"]
    numbers = {"nets": f"{frame.num_nets.max()}", "depth": f"{frame.depth.max()}", "width": f"{frame.width.max()}"}
    numbers |= {
        "rows": f"{len(told)}",
        "agree": f"{(told.z.abs() <= 5).sum()}",
        "pairs": f"{pairs.num_pairs.max():,.0f}",
    }
    spread = 100 * np.abs(pairs.factor_hat_std / pairs.factor_std - 1)
    numbers |= {"spread/off": f"{spread.max():.1f}"}
    for net, rows in layers.groupby("net"):
        top, bottom = rows.loc[rows.layer.idxmax()], rows.loc[rows.layer.idxmin()]
        numbers |= {
            f"{net}/length/std": f"{top.log_q_std:.2f}",
            f"{net}/lost": f"{-bottom.log_grad_hat / np.log(10):.1f}",
            f"{net}/lost_law": f"{-bottom.log_grad / np.log(10):.1f}",
            f"{net}/scatter": f"{bottom.log_grad_std / np.log(10):.1f}",
        }
    lost = " and ".join(
        f"{numbers[f'{net}/lost']} ({net}; predicted {numbers[f'{net}/lost_law']})" for net in layers.net.unique()
    )
    verdict = (
        f"Lengths wander; a layer's factor follows the length, with a mean log below that of infinite width. So critical networks of "
        f"{numbers['width']} units and {numbers['depth']} layers lose {lost} powers of ten. {numbers['agree']} of {numbers['rows']} "
        f"lengths, factors and gradients agree with the law."
    )
    return Findings(verdict, numbers)
