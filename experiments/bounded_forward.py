"""Q18. tanh keeps every layer's output in (-1, 1): how can anything explode?

Chaotic tanh networks, whose signal is bounded while their gradient explodes; and the converse, networks whose signal is large, or
grows without end, while the gradient vanishes or stays. Both passes, predicted and measured.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from experiments.corridor.catalogue import Findings
from experiments.corridor.summary import key_of, profile_columns, rate_columns, thinned
from vgtheory import Dense, measure, theory

NETS = {
    "tanh, sigma_w=1.5": Dense("tanh", 1.5),
    "tanh, sigma_w=2": Dense("tanh", 2.0),
    "tanh, sigma_w=3": Dense("tanh", 3.0),
    "relu, sigma_w=1, sigma_b=10": Dense("relu", 1.0, 10.0),
    "relu, sigma_w=sqrt(2), sigma_b=1": Dense("relu", 2**0.5, 1.0),
    "linear, orthogonal, sigma_w=1, sigma_b=1": Dense("linear", 1.0, 1.0, "orthogonal"),
}
STRONG, LARGE, TYPICAL, GROWING = (list(NETS)[index] for index in (2, 3, 4, 5))

IDENTITIES = r"^linear, orthogonal"
"""Labels that are tests and no comparisons: multiples of a rotation change every norm by the same factor."""


@dataclass(frozen=True)
class Config:
    net: tuple[str, ...] = tuple(NETS)
    depth: int = 1000
    width: int = 64
    num_nets: int = 16
    num_layers: int = 40
    seed: int = 12


SMOKE = Config(net=(STRONG, LARGE, TYPICAL, GROWING), depth=12, width=32, num_nets=8)


def run(config: Config) -> dict[str, Any]:
    (name,) = config.net
    net, size = NETS[name], {"depth": config.depth, "width": config.width}
    logs = measure.samples(key_of(config), net, **size, num_nets=config.num_nets)
    law, layers = theory.log_grad_layers(net, **size), thinned(config.depth, config.num_layers)
    return {
        "layer": layers,
        **profile_columns("log_grad", logs.log_grad, law, layers),
        **profile_columns("log_q", logs.log_q, theory.log_q_layers(net, depth=config.depth), layers),
        "largest_q": np.exp(logs.log_q.max()),
        **rate_columns(name, "dense, gaussian", logs.log_grad, law),
    }


def _decades(rows: pd.DataFrame, column: str) -> dict[str, pd.Series]:
    """A log-profile's end in powers of ten: predicted, measured, its error."""
    return {part: rows[column + part] / np.log(10) for part in ("", "_hat", "_hat_err")}


def findings(frame: pd.DataFrame) -> Findings:
    bottom, top = (frame[frame.layer == end].set_index("net") for end in (1, frame.depth.max()))
    depth, grad, factor = int(frame.depth.max()), _decades(bottom, "log_grad"), np.exp(bottom.measured)
    q, q_hat, q_err = np.exp(top.log_q), np.exp(top.log_q_hat), np.exp(top.log_q_hat) * top.log_q_hat_err
    said = {name: f"10^{grad['_hat'][name]:.1f} ± {grad['_hat_err'][name]:.1f}" for name in bottom.index}
    verdict = (
        f"A bound on values is no bound on slopes. Tanh at sigma_w = 3: in no layer of {depth:,} does the mean square of h exceed "
        f"{bottom.loc[STRONG].largest_q:.1f}, and the gradient grows to {said[STRONG]} (predicted 10^{grad[''][STRONG]:.1f}), by "
        f"{factor[STRONG]:.3f} per layer. Conversely, a large signal keeps no gradient alive: ReLU at sigma_w = 1 with biases of standard "
        f"deviation 10 holds a mean square of {q_hat[LARGE]:.0f} and has a gradient of {said[LARGE]} (predicted "
        f"10^{grad[''][LARGE]:.1f}); rotations with unit biases let the mean square grow to {q_hat[GROWING]:.0f} (predicted "
        f"{q[GROWING]:.0f}) and leave the gradient where it was. ReLU at sqrt 2 with unit biases would grow as far at infinite width; "
        f"at width {int(frame.width.max())} the typical network stops at {q_hat[TYPICAL]:.0f} ± {q_err[TYPICAL]:.0f}."
    )
    numbers = {"depth": f"{depth:,}", "width": f"{int(frame.width.max())}", "nets": f"{int(frame.num_nets.max())}"}
    for key, name in (("strong", STRONG), ("large", LARGE), ("typical", TYPICAL), ("growing", GROWING)):
        numbers |= {
            f"{key}/decades": f"{grad['_hat'][name].round(1) + 0.0:.1f}",
            f"{key}/err": f"{grad['_hat_err'][name]:.1f}",
            f"{key}/predicted": f"{grad[''][name].round(1) + 0.0:.1f}",
            f"{key}/factor": f"{factor[name]:.3f}",
            f"{key}/largest_q": f"{bottom.loc[name].largest_q:.1f}",
            f"{key}/q": f"{q[name]:.0f}",
            f"{key}/q_hat": f"{q_hat[name]:.0f}",
            f"{key}/q_err": f"{q_err[name]:.0f}",
        }
    return Findings(verdict, numbers)
