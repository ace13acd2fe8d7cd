"""Q16. How long does a network below the edge stay where it started, before training heals it?

Gaussian weights of 0.6 to 0.8 times the critical scale, handwritten digits (8 x 8 pixels), cross-entropy. The loss stays at that of a guess and then falls; the number of
updates until it has lost a tenth is predicted by a chain of as many single weights as there are layers. Its weight at the start is the factor by
which a layer changes the signal's norm, its target the strongest correlation of pixels with classes (of which the cross-entropy's first slope
consists): nothing is fitted. Under SGD the chain takes ``theory.training.log_escape_time`` over the rate. Under sign descent every entry of a matrix moves by the rate,
which along a direction of Gaussian entries amounts to the rate times width times sqrt(2/pi), times the share of that correlation in all of them.
The law is the chain's, which states no error for a random network: the measured one stands for it, and most settings disagree, by a factor of about two at most.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from experiments.corridor.catalogue import Findings
from experiments.corridor.summary import comparison, key_of
from experiments.parts.digits import INPUTS, OUTPUTS, digits
from experiments.parts.optimisers import OPTIMISERS
from vgtheory import Dense, Estimate, measure, theory

PARTS = ("digits", "optimisers", "summary")
COMPARED = (
    "The chain's law states no error for a random network. Judged by the error of the measurement most settings"
    " disagree; the law is good to a factor of about two."
)
"""What the comparisons are of."""
STEPS = 300
"""Updates that the predicted time is cut into, under SGD."""
RATES = (5e-3, 0.2)
"""Between these."""
SIGN_RATE = 1e-4
BUDGET = 4
"""Updates made, in predicted times."""
MOST = 2500
RECORDS = 48
FALLEN = 0.9
"""The plateau ends when the loss is this share of a guess's."""
BATCHES = {"sgd": 64, "sign": 256}
"""The sign of a gradient is taken of a larger batch: noise would undo it."""
BEYOND = 3
"""Standard errors of the mean over networks."""
CRITICAL = {"linear": 1.0, "tanh": 1.0, "relu": 2**0.5}


@dataclass(frozen=True)
class Config:
    optimiser: tuple[str, ...] = ("sgd", "sign")
    activation: tuple[str, ...] = ("linear", "tanh", "relu")
    factor: tuple[float, ...] = (0.6, 0.7, 0.8)
    depth: tuple[int, ...] = (8, 16)
    width: int = 128
    num_nets: int = 8
    seed: int = 43


SMOKE = Config(("sgd",), ("linear",), (0.7,), (4,), width=16, num_nets=2)


def correlations() -> np.ndarray:
    """Singular values of the mean over examples of (class - guess) times pixels."""
    data = digits()
    wanted = np.eye(OUTPUTS)[data.targets] - 1 / OUTPUTS
    return np.linalg.svd(wanted.T @ data.inputs / len(data.inputs), compute_uv=False)


def log_time(factor: float, depth: int, width: int) -> float:
    """Log of rate times updates that the chain takes under SGD."""
    weight = factor * (width / INPUTS) ** (0.5 / depth)  # the first layer widens the signal
    return float(theory.training.log_escape_time(depth, weight, y=float(correlations()[0])))


def sign_updates(factor: float, depth: int, width: int) -> float:
    """Updates that the chain takes under sign descent."""
    strengths = correlations()
    share = float(strengths[0] / np.sqrt(np.sum(strengths**2)))
    per_update = SIGN_RATE * width * (2 / np.pi) ** 0.5 * share
    steps = theory.training.log_escape_steps("sign", depth, factor, learning_rate=per_update, y=float(strengths[0]))
    return float(np.exp(steps))


def plan(config: Config) -> tuple[float, float]:
    """The rate, and the predicted number of updates."""
    (optimiser,), (factor,), (depth,) = config.optimiser, config.factor, config.depth
    if optimiser == "sign":
        return SIGN_RATE, sign_updates(factor, depth, config.width)
    time = np.exp(log_time(factor, depth, config.width))
    rate = float(np.clip(time / STEPS, *RATES))
    return rate, time / rate


def _escapes(logs: measure.training.TrainingLogs) -> np.ndarray:
    """Of each network, the number of updates at which its loss crosses the line, between records; inf if it does not."""
    line, found = FALLEN * np.log(OUTPUTS), []
    for loss in np.nan_to_num(logs.loss, nan=np.inf):
        under = loss < line
        place = int(under.argmax())
        if not under.any():
            found.append(np.inf)
        elif place == 0:
            found.append(float(logs.updates[0]))
        else:
            share = (loss[place - 1] - line) / (loss[place - 1] - loss[place])
            found.append(logs.updates[place - 1] + share * (logs.updates[place] - logs.updates[place - 1]))
    return np.array(found)


def run(config: Config) -> dict[str, Any]:
    (optimiser,), (activation,), (factor,), (depth,) = config.optimiser, config.activation, config.factor, config.depth
    data, (rate, predicted) = digits(), plan(config)
    num_updates = min(MOST, int(np.ceil(BUDGET * predicted)))
    record = np.unique(np.geomspace(1, num_updates, RECORDS).round().astype(int))
    how: dict[str, Any] = {"optimiser": OPTIMISERS[optimiser], "rate": rate, "num_nets": config.num_nets}
    sizes: dict[str, Any] = {"depth": depth, "width": config.width, "batch": BATCHES[optimiser]}
    net = Dense(activation, float(factor * CRITICAL[activation]))
    logs = measure.training.training_logs(
        key_of(config), net, data.inputs, data.targets, num_updates=num_updates, record=record.tolist(), **sizes, **how
    )
    escapes = _escapes(logs)
    with np.errstate(invalid="ignore"):
        ratios = np.log(escapes / predicted)
    done = np.isfinite(ratios)
    return {
        "updates": escapes,
        "rate": rate,
        "num_updates": num_updates,
        "predicted_updates": predicted,
        "median": np.median(escapes),
        "log_ratio": ratios[done].mean() if done.any() else np.nan,
        "log_ratio_err": ratios[done].std(ddof=1) / done.sum() ** 0.5 if done.sum() > 1 else np.nan,
        "escaped": float(done.mean()),
    }


def comparisons(frame: pd.DataFrame) -> pd.DataFrame:
    """The log of the number of updates of every setting in which networks left the plateau."""
    rows = []
    for row in frame.drop_duplicates("cell").dropna(subset="log_ratio_err").itertuples():
        law = float(np.log(row.predicted_updates))
        label = f"{row.optimiser}, {row.activation}, {row.factor:g}, depth {row.depth}"
        seen = Estimate(law + row.log_ratio, row.log_ratio_err)
        rows.append({"cell": row.cell} | comparison(label, "training", seen, law, row.log_ratio_err, "ln updates"))
    return pd.DataFrame(rows)


def findings(frame: pd.DataFrame) -> Findings:
    rows = frame.drop_duplicates("cell")
    numbers, said = {}, []
    for name, label in (("sgd", "SGD"), ("sign", "sign descent")):
        each = rows[rows.optimiser == name]
        if not len(each):
            continue
        ratios = np.exp(each.log_ratio.dropna())
        near = float((np.abs(each.log_ratio) < np.log(2)).mean())
        by_activation = np.exp(each.groupby("activation", sort=False).log_ratio.median())
        trend = ", ".join(f"{activation} {ratio:.2f}" for activation, ratio in by_activation.items())
        numbers |= {f"{name}/{activation}": f"{ratio:.2f}" for activation, ratio in by_activation.items()}
        numbers |= {
            f"{name}/low": f"{ratios.min():.2f}",
            f"{name}/high": f"{ratios.max():.2f}",
            f"{name}/median": f"{ratios.median():.2f}",
            f"{name}/near": f"{100 * near:.0f}",
            f"{name}/shortest": f"{each.predicted_updates.min():.0f}",
            f"{name}/longest": f"{each.predicted_updates.max():,.0f}",
            f"{name}/escaped": f"{100 * each.escaped.mean():.0f}",
        }
        times = each.predicted_updates * each.rate
        span = (
            f"from {times.min():.2f} to {times.max():.0f} of rate times updates"
            if name == "sgd"
            else f"from {numbers[f'{name}/shortest']} to {numbers[f'{name}/longest']} updates"
        )
        numbers |= {f"{name}/time_low": f"{times.min():.2f}", f"{name}/time_high": f"{times.max():.0f}"}
        said.append(
            f"under {label} the plateau lasts {numbers[f'{name}/low']} to {numbers[f'{name}/high']} times what a chain of single weights says "
            f"(medians: {trend}; {numbers[f'{name}/near']} % within a factor of two, over {len(each)} settings whose predictions go {span})"
        )
    beyond = int((rows.log_ratio.abs() > BEYOND * rows.log_ratio_err).sum())
    numbers |= {"nets": f"{rows.num_nets.max()}", "settings": f"{len(rows)}", "beyond": f"{beyond}"}
    verdict = (
        f"As long as a chain of single weights to about a factor of two, with a trend in the activation: {'; '.join(said)}. {beyond} of {len(rows)} settings "
        f"lie beyond {BEYOND} standard errors of the chain's time."
    )
    return Findings(verdict, numbers)
