"""Q12. Does L2 regularisation mitigate vanishing gradients?

Chains of equal weights that are to reach the product 1, under weight decay: where training ends, the lowest start from which it
gets there, and the largest decay that leaves anything but 0; gradient descent by optax on separate weights, against the roots of one equation.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from experiments.corridor.catalogue import Findings
from experiments.corridor.summary import comparison
from vgtheory import Estimate, measure, theory

LINGERS = 1e-3
"""Of the largest decay, near which training takes longer than it is given."""


@dataclass(frozen=True)
class Config:
    depth: tuple[int, ...] = (3, 5, 10, 20)
    decays: int = 6
    steps: int = 20_000


SMOKE = Config(depth=(3, 5), decays=3, steps=4000)


def run(config: Config) -> dict[str, Any]:
    (depth,) = config.depth
    decay_max = theory.training.chain_decay(depth, 0.0).decay_max
    tried = decay_max * np.geomspace(0.05, 0.95, config.decays)
    decay = np.concatenate([tried, decay_max * (1 - np.linspace(0, 1, 80)[1:-1] ** 2)])
    law = np.array([theory.training.chain_decay(depth, float(each)) for each in decay])
    hat = measure.training.chain_decay(np.full(tried.shape, depth), tried, steps=config.steps)
    seen = lambda values: np.append(values, np.full(decay.size - tried.size, np.nan))
    row = comparison(
        f"largest decay, depth {depth}",
        "escape",
        Estimate(hat.decay_max.value[0], hat.decay_max.err[0]),
        decay_max,
        float(np.hypot(hat.decay_max.err[0], LINGERS * decay_max)),
        "decay",
    )
    return {
        "decay": decay,
        "decay_max": decay_max,
        "decay_max_hat": hat.decay_max.value[0],
        "decay_max_hat_err": hat.decay_max.err[0],
        **{name: law[:, 1 + index] for index, name in enumerate(("w_star", "w_barrier"))},
        **{f"{name}_hat": seen(getattr(hat, name).value) for name in ("w_star", "w_barrier")},
        **{f"{name}_hat_err": seen(getattr(hat, name).err) for name in ("w_star", "w_barrier")},
        **row,
    }


def findings(frame: pd.DataFrame) -> Findings:
    frame = frame.dropna()
    deep, shallow = int(frame.depth.max()), int(frame.depth.min())
    error = {
        name: f"{100 * (frame[f'{name}_hat'] / frame[name] - 1).abs().max():.1g}" for name in ("w_barrier", "decay_max")
    }
    mild = frame[frame.depth == deep].sort_values("decay").iloc[0]
    numbers = {"deep": f"{deep}", "shallow": f"{shallow}", **{f"error/{name}": value for name, value in error.items()}}
    numbers |= {"decay": f"{mild.decay:.3f}", "barrier": f"{mild.w_barrier_hat:.2f}", "star": f"{mild.w_star_hat:.3f}"}
    small = theory.training.chain_decay(deep, 1e-4)
    numbers |= {"small/barrier": f"{small.w_barrier:.2f}", "most": f"{mild.decay_max_hat:.2f}"}
    verdict = (
        f"No: it takes from the factors of the product, and adds a trap. At depth {deep} a decay of {numbers['decay']} lets weights end at {numbers['star']} instead of 1, and "
        f"sends all that start below {numbers['barrier']} to 0; one of 1e-4 still does so below {numbers['small/barrier']} (the law's). Beyond {numbers['most']} nothing but 0 is left. "
        f"Starts and decays agree with the law to {error['w_barrier']} and {error['decay_max']} %, weights to rounding."
    )
    return Findings(verdict, numbers)
