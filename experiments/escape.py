"""Q16. Does training mend a vanishing gradient by itself: the layers with healthy gradients learn, then the next ones, and so on?

Chains of equal weights w0 that are to reach the product 1. The time is exact: a quadrature for the flow, and what optimisers make of it. Measured
by gradient descent in steps of a thousandth of the local time scale ("flow"; the time is the sum of the learning rates), and
by optimisers of optax at fixed rates, as long as a budget of steps lasts.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from experiments.corridor.catalogue import Findings
from experiments.corridor.summary import comparison
from vgtheory import Estimate, measure, theory

RATES = {"flow": 1.0, "sgd": 1e-2, "momentum": 2e-4, "sign": 1e-4, "adam": 5e-6}
LAGS = {"flow": 0.0, "sgd": 0.5, "momentum": 10.0, "sign": 0.0, "adam": 1000.0}
"""Steps over which an optimiser averages."""
LEVEL = 0.95
CHANGE = 1e-3

IDENTITIES = r"^sign"
"""Labels that are tests and no comparisons: steps of one size, counted."""


@dataclass(frozen=True)
class Config:
    optimiser: tuple[str, ...] = ("flow", "sgd", "momentum", "sign", "adam")
    w0: tuple[float, ...] = (0.1, 0.3, 0.5, 0.9)
    depth: int = 20
    most: int = 200_000


SMOKE = Config(optimiser=("flow", "sgd", "sign"), w0=(0.3, 0.9), depth=6, most=10_000)


def _lag_steps(optimiser: str, depth: int, w0: float) -> float:
    """The law's next order, in steps: the sum along the way of the square of a lag times the gradient's relative change per step."""
    w = np.linspace(w0, LEVEL ** (1 / depth), 400)
    gradient = (1 - w**depth) * w ** (depth - 1)
    change = np.gradient(np.log(gradient), w)
    speed = RATES[optimiser] * {"sgd": gradient, "momentum": 10 * gradient}.get(optimiser, np.ones_like(w))
    return float(LAGS[optimiser] ** 2 * np.trapezoid(change**2 * speed, w))


def _seen(optimiser: str, depth: np.ndarray, w0: float, most: int) -> tuple[np.ndarray, Estimate, np.ndarray]:
    """Predicted and measured logs of time, or of steps times the rate, and the error that the law states."""
    if optimiser == "flow":
        hat = measure.training.log_escape_time(depth, w0, level=LEVEL, change=CHANGE)
        return theory.training.log_escape_time(depth, w0, level=LEVEL), hat, hat.err
    rate = RATES[optimiser]
    options: dict[str, Any] = {"learning_rate": rate, "level": LEVEL}
    law = theory.training.log_escape_steps(optimiser, depth, w0, **options)
    hat = measure.training.log_escape_steps(optimiser, depth, w0, **options, most=most)
    lag = np.array([_lag_steps(optimiser, int(layers), w0) for layers in depth])
    return law + np.log(rate), Estimate(hat.value + np.log(rate), hat.err), (lag + 0.5) * np.exp(-law)


def run(config: Config) -> dict[str, Any]:
    (optimiser,), (w0,) = config.optimiser, config.w0
    depth = np.arange(1, config.depth + 1)
    law, hat, err = _seen(optimiser, depth, w0, config.most)
    last = int(np.flatnonzero(np.isfinite(hat.value))[-1])
    row = comparison(
        f"{optimiser}, w0={w0:g}, depth {depth[last]}",
        "escape",
        Estimate(hat.value[last], hat.err[last]),
        law[last],
        float(err[last]),
        "ln(time)",
    )
    stable = [float(theory.training.stable_step(int(each), w0).log_local) for each in depth]
    return {
        "layers": depth,
        "log_time": law,
        "log_time_hat": hat.value,
        "log_time_hat_err": hat.err,
        "law_err": err,
        "log_fewest": theory.training.log_escape_time(depth, w0, level=LEVEL) - np.array(stable),
        **row,
    }


def findings(frame: pd.DataFrame) -> Findings:
    frame = frame.assign(error=(frame.log_time_hat - frame.log_time).abs())
    flow = frame[frame.optimiser == "flow"]
    deep, small = int(frame.layers.max()), 0.3
    at = lambda rows, w0, layers: rows[(rows.w0 == w0) & (rows.layers == layers)].iloc[0]
    slow, shallow = at(flow, small, deep), at(flow, small, 2)
    decades = lambda log: f"{log / np.log(10):.1f}"
    numbers = {"depth": f"{deep}", "w0": f"{small:g}", "flow/count": f"{len(flow)}"}
    numbers |= {"flow/error": f"{100 * flow.error.max():.2f}", "flow/decades": decades(np.ptp(flow.log_time_hat))}
    numbers |= {"fewest/deep": decades(slow.log_fewest), "fewest/shallow": f"{np.exp(shallow.log_fewest):.0f}"}
    numbers |= {"time/deep": decades(slow.log_time_hat), "rate": f"{2 / deep:g}"}
    for name, rows in frame[frame.optimiser != "flow"].groupby("optimiser"):
        done = rows[rows.error.notna()]
        numbers |= {f"{name}/error": f"{100 * done.error.max():.1g}", f"{name}/count": f"{len(done)}"}
    sign = frame[(frame.optimiser == "sign") & (frame.w0 == small)].set_index("layers").log_time_hat
    numbers |= {"sign/deep": f"{np.exp(sign[deep]):.2f}", "sign/shallow": f"{np.exp(sign[2]):.2f}"}
    verdict = (
        f"Not in any time that matters. In a chain of {deep} weights of {small:g} all gradients are equally small, no layer goes first, and 95 % of the "
        f"target takes 10^{numbers['fewest/deep']} steps at the largest stable rate (2 weights: {numbers['fewest/shallow']}): depth is an exponent, "
        f"w0^(2-L). The law holds over {numbers['flow/decades']} decades, at every depth to {deep}, to {numbers['flow/error']} %. Sign descent, and Adam "
        f"while gradients exceed its eps, take (1 - w0) / rate steps whatever the depth."
    )
    return Findings(verdict, numbers)
