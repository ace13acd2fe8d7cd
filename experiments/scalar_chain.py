"""Q7. Does an average weight of 0.98 give 0.98^n?

A chain of one-unit layers whose weights have mean 0.98 and a spread. With no spread the claim is exact; with one, the typical
product follows E ln|w|, the mean product ln E|w|, and the two part company exponentially.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from experiments.corridor.catalogue import Findings
from experiments.corridor.summary import comparison, key_of
from vgtheory import Estimate, measure, theory

IDENTITIES = r"^scalar chain, s=0,"
"""Labels that are tests and no comparisons: without saturation the chain is a power of one number."""


@dataclass(frozen=True)
class Config:
    std: tuple[float, ...] = (0.0, 0.1, 0.3, 1.0)
    depth: tuple[int, ...] = (10, 30, 100, 300, 1000)
    mean: float = 0.98
    num_nets: int = 20_000
    seed: int = 4


SMOKE = Config(std=(0.0, 0.3), depth=(10, 100), num_nets=2000)


def run(config: Config) -> dict[str, Any]:
    (std,), (depth,) = config.std, config.depth
    chain = (config.mean, std, depth)
    typical = measure.recurrent.log_scalar_chain(key_of(config), *chain, num_nets=config.num_nets)
    average = measure.recurrent.log_mean_scalar_chain(key_of(config), *chain, num_nets=config.num_nets)
    law = theory.recurrent.log_scalar_chain(*chain)
    rounding = 2 * float(np.finfo(np.float32).eps)
    err = float(np.hypot(law.std / config.num_nets**0.5 / depth, rounding))
    rate = Estimate(typical.value / depth, typical.err / depth)
    return {
        "claim": depth * np.log(config.mean),
        "typical": law.mean,
        "typical_std": law.std,
        "typical_hat": typical.value,
        "typical_hat_err": typical.err,
        "average": theory.recurrent.log_mean_scalar_chain(*chain),
        "average_hat": average.value,
        "average_hat_err": average.err,
        "average_seen": law.std < 0.5 * np.sqrt(2 * np.log(config.num_nets)),
        **comparison(f"scalar chain, s={std:g}, n={depth}", "scalar chain", rate, law.mean / depth, err),
    }


def findings(frame: pd.DataFrame) -> Findings:
    longest = frame[frame.depth == frame.depth.max()].set_index("std")
    spread = 0.3
    row, exact = longest.loc[spread], longest.loc[0.0]
    decades = {name: f"{row[name] / np.log(10):.1f}" for name in ("claim", "typical", "typical_hat", "average")}
    verdict = (
        f"Only if every weight is 0.98: then 1,000 steps leave 10^{exact.typical_hat / np.log(10):.2f}. With weights that vary by "
        f"{spread:g} about the same mean the typical product is 10^{decades['typical_hat']} (predicted 10^{decades['typical']}), "
        f"not the 10^{decades['claim']} of the average weight: what counts is E ln|w|, not ln E|w|."
    ).replace("1,000", f"{int(frame.depth.max()):,}")
    numbers = {f"decades/{name}": value for name, value in decades.items()}
    numbers |= {
        "spread": f"{spread:g}",
        "depth": f"{int(frame.depth.max()):,}",
        "num": f"{int(frame.num_nets.max()):,}",
    }
    numbers |= {
        "decades/exact": f"{exact.typical_hat / np.log(10):.2f}",
        "factor/typical": f"{np.exp(row.predicted):.4f}",
    }
    return Findings(verdict, numbers)
