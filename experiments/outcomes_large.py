"""Does what becomes of a network in training follow the same three predictions for ReLU and sigmoid, on images of 784 pixels?

The criterion and the predictions are those of ``outcomes``, word for word, and were fixed before these networks were trained. The images are generated: scikit-learn's
digits of 8 x 8 pixels, enlarged to 28 x 28 and slightly deformed, the unseen ones from other originals than those trained on. They have MNIST's size and are not MNIST.
For ReLU the depth scale xi_c is infinite from sigma_w = sqrt 2 on, where correlations converge by a power of depth; the rule depth <= 6 xi_c then lets every depth learn.
A first run made 300 updates, which left sigmoid networks at the smaller rate falling slowly; this one makes 800, and nothing else was changed.
"""

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import pandas as pd

from experiments import outcomes
from experiments.corridor.catalogue import Findings
from experiments.parts.digits import NUM_UNSEEN
from experiments.parts.enlarged import COPIES, NUM_DIGITS, enlarged
from experiments.parts.kernel_descent import Kernel
from vgtheory import Dense, theory

PARTS = ("outcomes", "digits", "enlarged", "kernel_descent", "optimisers", "sequence_length", "summary")
COMPARED = (
    "Compared are the shares of ReLU and sigmoid networks that learn, stall, slow down or oscillate with those of the tangent kernel "
    "of infinite width, which lets ReLU networks learn where they diverge."
)
"""What the comparisons are of."""
HE = 2**0.5
"""Scale at which ReLU keeps gradients, whatever its biases: He et al. (2015)."""


@dataclass(frozen=True)
class Config:
    activation: tuple[str, ...] = ("relu", "sigmoid")
    depth: tuple[int, ...] = (4, 8, 16, 32)
    scale: tuple[float, ...] = (0.5, 0.75, 1.0, 1.5, 2.0)
    rate: tuple[float, ...] = (0.01, 0.1)
    square_b: float = 0.05
    width: int = 128
    batch: int = 32
    num_updates: int = 800
    num_records: int = 10
    num_probes: int = 128
    num_nets: int = 10
    num_twins: int = 5
    num_angles: int = 129
    seed: int = 71


SMOKE = Config(
    **{"activation": ("relu",), "rate": (0.1,), "depth": (3,), "scale": (0.5, 1.5), "width": 16, "num_angles": 17},
    **{"num_updates": 40, "num_records": 4, "num_nets": 4, "num_twins": 2},
)


def edge(activation: str, square_b: float) -> float:
    """The sigma_w at which chi_1 is 1."""
    return HE if activation == "relu" else float(theory.critical(activation, sigma_b=square_b**0.5).sigma_w[0])


@lru_cache(maxsize=1)
def _kernel(config: Config) -> Kernel:
    """That of both rates, which is why the rate is the last axis."""
    return outcomes.kernel(config, _net(config), enlarged())


def _net(config: Config) -> Dense:
    (activation,), (scale,) = config.activation, config.scale
    return Dense(activation, scale * edge(activation, config.square_b), config.square_b**0.5)


def run(config: Config) -> dict[str, Any]:
    found = _kernel(replace(config, rate=()))
    return {"sigma_w": _net(config).sigma_w} | outcomes.trained(config, _net(config), enlarged(), found)


def comparisons(frame: pd.DataFrame) -> pd.DataFrame:
    """Those of ``outcomes``, for each activation."""
    found = [outcomes.comparisons(part).assign(by=name) for name, part in frame.groupby("activation")]
    rows = pd.concat(found, ignore_index=True)
    return rows.assign(label=rows.by + ", " + rows.label).drop(columns="by")


def _of(activation: str, frame: pd.DataFrame) -> dict[str, str]:
    """An activation's numbers: those of ``outcomes``, and the greatest depths by scale over that at the edge."""
    told = {name: value for name, value in outcomes.findings(frame).numbers.items() if not name.startswith("reach")}
    rows = outcomes.cells_of(frame)
    for (rate, scale), column in rows.groupby(["rate", "scale"]):
        for says in ("does", "kernel", "rule", "both"):
            told[f"reach/{rate:g}/{scale:g}/{says}"] = f"{outcomes.reach(column, says)}"
    told |= {"learn": f"{int(rows.does.sum())}", "critical": f"{edge(activation, rows.square_b.iloc[0]):.2f}"}
    return {f"{activation}/{name}": value for name, value in told.items()}


def _missed(rows: pd.DataFrame, says: str) -> dict[str, str]:
    """How many cells a prediction has right, and how many of the wrong it thought would learn, or would not."""
    wrong = rows[rows.does != rows[says]]
    hopeful = int(wrong[says].sum())
    counts = {"right": len(rows) - len(wrong), "hopeful": hopeful, "gloomy": len(wrong) - hopeful}
    return {f"{name}/{says}": f"{count}" for name, count in counts.items()}


def findings(frame: pd.DataFrame) -> Findings:
    rows = outcomes.cells_of(frame)
    numbers = {
        "networks": f"{len(frame)}",
        "cells": f"{len(rows)}",
        "examples": f"{COPIES * (NUM_DIGITS - NUM_UNSEEN):,}".replace(",", r"\,"),
        "unseen": f"{COPIES * NUM_UNSEEN}",
    }
    numbers |= {f"agree/{says}": f"{100 * outcomes.agreement(rows, says):.0f}" for says in outcomes.SAYS}
    for says in outcomes.SAYS[:-1]:
        numbers |= _missed(rows, says)
    for activation, part in frame.groupby("activation"):
        numbers |= _of(activation, part)
    names = list(dict.fromkeys(rows.activation))
    told = [_sentence(name, rows[rows.activation == name], numbers) for name in names]
    verdict = (
        f"On digits enlarged to 784 pixels, whether half of the networks of a scale, depth and rate learn is told by the kernel of infinite width in {numbers['agree/kernel']} % of "
        f"{len(rows)} cells, by depth <= {outcomes.MULTIPLE} xi_c in {numbers['agree/rule']} %, by the first step's stability in {numbers['agree/edge']} %, by these two together in "
        f"{numbers['agree/both']} %; to name the commoner answer always is right in {numbers['agree/majority']} %. {' '.join(told)}"
    )
    return Findings(verdict, numbers)


def _sentence(name: str, rows: pd.DataFrame, numbers: dict[str, str]) -> str:
    agree = {says: numbers[f"{name}/agree/{says}"] for says in outcomes.SAYS}
    return (
        f"For {name}, {int(rows.does.sum())} of {len(rows)} cells learn: kernel {agree['kernel']} %, depth {agree['rule']} %, stability {agree['edge']} %, "
        f"both {agree['both']} %, commoner answer {agree['majority']} %."
    )
