"""Q1. Does a deep linear stack with weights a bit above (below) the identity multiply signals by k^(L-1)?

Three ways to be "k times the identity": the identity matrix itself, a random rotation, a Gaussian matrix of the same scale.
The forward signal and the gradient are followed to depth 10,000 in the log domain, beside the exact law of each.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from experiments.corridor.catalogue import Findings
from experiments.corridor.summary import key_of, profile_columns, rate_columns, thinned
from vgtheory import Dense, FixedRecurrent, measure, theory

IDENTITIES = r"^linear, (?:identity|orthogonal)"
"""Labels that are tests and no comparisons: multiples of a rotation change every norm by the same factor."""


@dataclass(frozen=True)
class Config:
    weights: tuple[str, ...] = ("identity", "orthogonal", "gaussian")
    k: tuple[float, ...] = (0.9, 1.0, 1.1)
    depth: int = 10_000
    width: int = 32
    num_nets: int = 16
    seed: int = 1


SMOKE = Config(k=(0.9, 1.1), depth=200, width=16, num_nets=8)


def run(config: Config) -> dict[str, Any]:
    (weights,), (k,) = config.weights, config.k
    net = (
        FixedRecurrent("linear", matrix=k * np.eye(config.width))
        if weights == "identity"
        else Dense("linear", k, 0.0, weights)
    )
    logs = measure.samples(key_of(config), net, depth=config.depth, width=config.width, num_nets=config.num_nets)
    layers = thinned(config.depth)
    if weights == "identity":
        mean = np.log(k) * np.arange(config.depth - 1, -1, -1)
        grad, log_q = (mean, 0 * mean), (2 * np.log(k) * np.arange(1, config.depth + 1), 0 * mean)
    else:
        size = {"depth": config.depth, "width": config.width}
        grad, log_q = theory.log_grad_layers(net, **size), theory.log_q_layers(net, **size)
    return {
        "layer": layers,
        **profile_columns("log_grad", logs.log_grad, grad, layers),
        **profile_columns("log_q", logs.log_q, log_q, layers),
        "claim": np.log(k) * (config.depth - layers),
        **rate_columns(f"linear, {weights}, k={k:g}", "linear stack", logs.log_grad, grad),
    }


def findings(frame: pd.DataFrame) -> Findings:
    bottom = frame[frame.layer == 1].set_index(["weights", "k"])
    depth, width = int(frame.depth.max()), int(frame.width.max())
    big = max(frame.k)
    decades = {w: bottom.loc[(w, big), "log_grad_hat"] / np.log(10) for w in ("identity", "orthogonal", "gaussian")}
    claim = bottom.loc[("identity", big), "claim"] / np.log(10)
    verdict = (
        f"Right for multiples of the identity and for rotations: k = {big:g} at depth {depth:,} gives a first-layer gradient "
        f"of 10^{decades['identity']:.1f} (claimed: 10^{claim:.1f}). A Gaussian stack of width {width} at the same scale gives "
        f"10^{decades['gaussian']:.1f}, because a typical random product shrinks by exp(-1/2N) per layer more than k."
    )
    numbers = {f"decades/{weights}": f"{value:.1f}" for weights, value in decades.items()}
    gaussian = bottom.loc[("gaussian", big)]
    numbers |= {"decades/predicted": f"{gaussian.log_grad / np.log(10):.1f}", "nets": f"{int(gaussian.num_nets)}"}
    numbers |= {"decades/err": f"{gaussian.log_grad_hat_err / np.log(10):.1f}"}
    numbers |= {"k": f"{big:g}", "depth": f"{depth:,}", "width": f"{width}", "decades/claim": f"{claim:.1f}"}
    return Findings(verdict, numbers)
