"""Q19. Do exploding gradients make gradient descent oscillate?

Chains of equal weights whose product starts at a multiple of the target. The largest learning rate at which gradient descent gets to
the minimum, and at which it stays finite, searched by optax on separate weights, against the law: 2 over the curvature at the
minimum, or where the first step lands at -w0 (even depth) or at 0 (odd).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from experiments.corridor.catalogue import Findings
from experiments.corridor.summary import comparison
from vgtheory import Estimate, measure, theory

RESOLVED = 0.005
"""What so many steps tell from the limit itself."""


@dataclass(frozen=True)
class Config:
    product: tuple[float, ...] = (0.1, 2.0, 10.0, 100.0)
    depth: int = 20
    steps: int = 1500


SMOKE = Config(product=(0.1, 10.0), depth=6, steps=1000)


def run(config: Config) -> dict[str, Any]:
    (product,), depth = config.product, np.arange(1, config.depth + 1)
    w0 = product ** (1 / depth)
    laws = [theory.training.stable_step(int(layers), float(w)) for layers, w in zip(depth, w0, strict=True)]
    hat = measure.training.stable_step(depth, w0, steps=config.steps)
    columns: dict[str, Any] = {"layers": depth, "w0": w0}
    for name in hat._fields:
        seen = getattr(hat, name)
        columns |= {name: np.array([float(getattr(law, name)) for law in laws])}
        columns |= {f"{name}_hat": seen.value, f"{name}_hat_err": seen.err}
    err = float(np.hypot(hat.log_converges.err[-1], RESOLVED))
    measured = Estimate(hat.log_converges.value[-1], hat.log_converges.err[-1])
    label = f"largest step, p0={product:g}, depth {depth[-1]}"
    return columns | comparison(label, "escape", measured, columns["log_converges"][-1], err, "ln(rate)")


def findings(frame: pd.DataFrame) -> Findings:
    error = (frame.log_converges_hat - frame.log_converges).abs().max()
    sharp = frame[frame["product"] >= 10]
    finite = (sharp.log_finite_hat - sharp.log_finite).abs().max()
    deep, high, low = int(frame.layers.max()), frame["product"].max(), frame["product"].min()
    at = lambda product, name: frame[(frame["product"] == product) & (frame.layers == deep)].iloc[0][name]
    below, above = (np.exp(at(product, "log_converges_hat")) for product in (low, high))
    band = np.exp(at(low, "log_finite") - at(low, "log_local"))
    numbers = {
        "depth": f"{deep}",
        "product": f"{high:g}",
        "error": f"{100 * error:.1g}",
        "finite": f"{100 * finite:.1g}",
    }
    numbers |= {
        "below": f"{below:.3f}",
        "above": f"{np.log10(above):.1f}",
        "band": f"{band:.1f}",
        "count": f"{len(frame)}",
    }
    numbers |= {"ratio": f"{below / above:,.0f}"}
    verdict = (
        f"Yes, and worse. At depth {deep} rates up to {numbers['below']} find the minimum from below; up to {numbers['band']} times that the weights oscillate about it for ever. From a product of "
        f"{high:g} targets 10^{numbers['above']} is the most, {numbers['ratio']} times less, and beyond it the weights change sign at every step and run away. Law and search agree to "
        f"{numbers['error']} % at {len(frame)} depths and starts."
    )
    return Findings(verdict, numbers)
