"""Do orthogonal weights change how fast gradients vanish or explode?

The same activations with Haar-distributed orthogonal weights: at infinite width the rate is that of Gaussian weights; at width N
the loss that a typical Gaussian product suffers, and the scatter from network to network, are partly or wholly gone.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from experiments.corridor.catalogue import Findings
from experiments.corridor.summary import key_of
from experiments.rates import compared
from vgtheory import Dense, theory

IDENTITIES = r"^linear, orthogonal"
"""Labels that are tests and no comparisons: multiples of a rotation change every norm by the same factor."""


@dataclass(frozen=True)
class Config:
    activation: tuple[str, ...] = ("linear", "relu", "tanh", "erf", "sigmoid", "selu")
    sigma_w: tuple[float, ...] = (0.8, 1.3)
    sigma_b: float = 0.2
    depth: int = 20
    width: int = 64
    num_nets: int = 32
    seed: int = 7


SMOKE = Config(activation=("linear", "tanh"), sigma_w=(1.3,), depth=12, width=32, num_nets=8)


def run(config: Config) -> dict[str, Any]:
    (activation,), (sigma_w,) = config.activation, config.sigma_w
    size = {"depth": config.depth, "width": config.width}
    gaussian = theory.log_grad_layers(Dense(activation, sigma_w, config.sigma_b), **size)
    net = Dense(activation, sigma_w, config.sigma_b, "orthogonal")
    return compared(key_of(config), net, **size, num_nets=config.num_nets) | {
        "gaussian_rate": gaussian.mean[0] / (config.depth - 1),
        "gaussian_std": gaussian.std[0],
        "infinite_rate": theory.log_grad_layers(Dense(activation, sigma_w, config.sigma_b), depth=config.depth).mean[0]
        / (config.depth - 1),
    }


def findings(frame: pd.DataFrame) -> Findings:
    bottom = frame[frame.layer == 1]
    shrink = {
        name: float((rows.log_grad_hat_std / rows.gaussian_std).mean()) for name, rows in bottom.groupby("activation")
    }
    loss = {
        kind: float(
            np.mean(bottom[bottom.activation == "tanh"][column] - bottom[bottom.activation == "tanh"].infinite_rate)
        )
        for kind, column in (("gaussian", "gaussian_rate"), ("orthogonal", "measured"))
    }
    width = int(bottom.width.max())
    verdict = (
        f"Not in the limit of large width; at width {width} they do two things. A linear stack loses nothing and scatters by nothing; "
        f"a tanh stack loses {-loss['orthogonal']:.4f} per layer to finite width instead of the Gaussian {-loss['gaussian']:.4f}, and its "
        f"gradients scatter from network to network {shrink['tanh']:.2f} times as much as with Gaussian weights. Saturation is untouched."
    )
    numbers = {
        "width": f"{width}",
        "loss/gaussian": f"{-loss['gaussian']:.4f}",
        "loss/orthogonal": f"{-loss['orthogonal']:.4f}",
    }
    return Findings(verdict, numbers | {"scatter/tanh": f"{shrink['tanh']:.2f}"})
