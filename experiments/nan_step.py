"""After how many training steps does NaN appear?

Gradient descent with too large a step, in float32. Three laws of growth, by what the output is in the weights:

- linear regression: the error's component along the top eigenvector of the curvature grows by m = eta lambda - 1 in each step;
- tanh network: the hidden layers saturate and stay, the read-out is a regression on N features of 1 or -1, so that m = eta N - 1;
- chain of L weights (and every network that is homogeneous in L matrices): with r = eta |p| |p - y| / w^2 the size of the step over that of
  the weight, one step multiplies the weight by 1 - r. Once the product p is far above the target y, r' = r |1 - r|^(2L - 2): above r = 2 it
  is raised to the power 2L - 1 in every step, a doubly exponential growth, and the number of steps is a log of a log.

The loss is infinite when the squared error passes 3.4e38, the gradient when error times input does. The update after an infinite gradient
makes weights infinite, and the next one subtracts infinity from infinity: NaN is in the weights two updates after the first infinite
gradient. In the tanh network read-out times error overflows while the hidden slopes are 0, and infinity times 0 is NaN: it comes one update
after that, long before the error itself overflows.

A deep linear network takes the law of a chain with the singular values of its matrices and of its first step, which neglects how far random
layers are aligned with each other; growth is so fast that this shifts the count by less than a step.

Assumes: one batch for all steps, no momentum, no clipping. A step is counted by the number of updates before it.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from experiments.corridor.catalogue import Findings
from experiments.corridor.summary import comparison, placed, rng_of
from vgtheory import Estimate

NETS = ("regression", "tanh", "chain of 2", "chain of 5", "chain of 20", "deep linear")
LARGEST = float(np.log(np.finfo(np.float32).max))
MULTIPLE = 1.05
"""Learning rate of the regression and the tanh network over the largest stable one."""
RELATIVE = 2.5
"""Size of the first step of a chain over that of its weights."""
PRODUCT, TARGET = 10.0, 1.0
"""Of a chain, at the start and asked for."""
LAYERS = 5
"""Matrices of the tanh and the ReLU network."""
COUNTING = 1.0
"""Predicted error of a number of steps: one step of counting, from rounding and from the components that the law leaves out."""
IDENTITIES = r"chain of"
"""Labels that are tests and no comparisons: a chain's law is its own recursion, in logs and without the target."""
SATURATED = 1000.0
"""sigma_w of the tanh network's hidden layers: nearly all units are 1 or -1."""


@dataclass(frozen=True)
class Config:
    net: tuple[str, ...] = NETS
    width: int = 32
    examples: int = 64
    num_updates: int = 4000
    seed: int = 75


SMOKE = Config(("regression", "chain of 5"), width=16, examples=32)


class Course(NamedTuple):
    """ln of the loss at every step, and the first steps at which loss, gradient and weights are not finite, and at which NaN is in them."""

    log_loss: np.ndarray
    loss_infinite: float
    grad_infinite: float
    loss_nan: float
    weights_nan: float


class Task(NamedTuple):
    """Matrices at the start, inputs and targets, one column an example, the activation and the rate; and the predicted course."""

    weights: list[np.ndarray]
    inputs: np.ndarray
    targets: np.ndarray
    activation: str
    rate: float
    log_loss: np.ndarray
    loss_infinite: float
    weights_nan: float


_PHI = {"linear": lambda h: h, "tanh": np.tanh}
_DPHI = {"linear": np.ones_like, "tanh": lambda h: 1 - np.tanh(h) ** 2}


def gradients(
    weights: list[np.ndarray], inputs: np.ndarray, targets: np.ndarray, activation: str
) -> tuple[Any, list[np.ndarray]]:
    """Half the mean squared error and its gradient, by back-propagation; no activation behind the last matrix."""
    x, pre = [inputs], []
    for index, matrix in enumerate(weights):
        pre.append(matrix @ x[-1])
        x.append(pre[-1] if index == len(weights) - 1 else _PHI[activation](pre[-1]))
    error = x[-1] - targets
    g, found = error / error.dtype.type(targets.shape[1]), []
    for index in range(len(weights) - 1, -1, -1):
        found.append(g @ x[index].T)
        g = weights[index].T @ g
        g = g * _DPHI[activation](pre[index - 1]) if index else g
    return np.mean(np.sum(error**2, axis=0)) / 2, found[::-1]


def _first(events: list[bool]) -> float:
    return float(np.argmax(events)) if any(events) else np.inf


def trained(task: Task, num_updates: int) -> Course:
    """Gradient descent in float32 until NaN is in the weights."""
    single = lambda values: np.asarray(values, np.float32)
    weights, rate = [single(each) for each in task.weights], np.float32(task.rate)
    inputs, targets = single(task.inputs), single(task.targets)
    losses, infinite, nan = [], [], []
    for _ in range(num_updates):
        loss, slopes = gradients(weights, inputs, targets, task.activation)
        losses.append(float(loss))
        infinite.append(not all(np.isfinite(each).all() for each in slopes))
        nan.append(any(np.isnan(each).any() for each in weights))
        if nan[-1]:
            break
        weights = [each - rate * slope for each, slope in zip(weights, slopes, strict=True)]
    loss = np.array(losses)
    ends = (_first(list(~np.isfinite(loss))), _first(infinite), _first(list(np.isnan(loss))), _first(nan))
    return Course(np.log(loss), *ends)


def _geometric(log_start: float, log_multiplier: float, num: int) -> np.ndarray:
    """ln of an error that is multiplied in every step."""
    return log_start + log_multiplier * np.arange(num)


def _passed(logs: np.ndarray) -> float:
    """The first step at which a number, given by its ln, is beyond float32."""
    return float(np.argmax(logs > LARGEST))


def _regression(config: Config, rng: np.random.Generator) -> Task:
    num = config.examples
    inputs = rng.standard_normal((config.width, num))
    start, wanted = rng.standard_normal((2, config.width))
    values, vectors = np.linalg.eigh(inputs @ inputs.T / num)
    top, vector = values[-1], vectors[:, -1]
    rate = 2 * MULTIPLE / top
    # The distance from the solution along the top eigenvector; the largest error of an example; the squares' sum.
    log_far = _geometric(np.log(abs(vector @ (start - wanted))), np.log(rate * top - 1), config.num_updates)
    first = _passed(log_far + np.log(np.abs(vector @ inputs).max()))
    log_loss = 2 * log_far + np.log(top)
    return Task(
        [start[None]],
        inputs,
        wanted[None] @ inputs,
        "linear",
        rate,
        log_loss - np.log(2),
        _passed(log_loss + np.log(num)),
        first + 2,
    )


def _tanh(config: Config, rng: np.random.Generator) -> Task:
    """Saturated from the start. Read-out times error overflows first, and that infinity times a slope of 0 is NaN."""
    width = config.width
    weights = [rng.normal(0.0, SATURATED * width**-0.5, (width, width)) for _ in range(LAYERS - 1)]
    read_out, inputs, rate = rng.standard_normal((1, width)), rng.standard_normal((width, 1)), 2 * MULTIPLE / width
    blank = Task([*weights, read_out], inputs, np.full((1, 1), TARGET), "tanh", rate, np.empty(0), 0.0, 0.0)
    loss, _ = gradients(*blank[:4])
    log_error = _geometric(np.log(2 * loss) / 2, np.log(rate * width - 1), config.num_updates)
    first = _passed(2 * log_error - np.log(width))  # the read-out's entries are the error over N
    return Task(*blank[:5], 2 * log_error - np.log(2), _passed(2 * log_error), first + 1)


def chain_law(layers: int, product: float, relative: float, rate: float, num: int) -> tuple[np.ndarray, float, float]:
    """ln of a chain's loss by the recursion of the relative step, and the steps at which loss and weights are lost."""
    log_w = [np.log(product) / layers, np.log(product) / layers + np.log(abs(1 - relative))]
    while len(log_w) < num and log_w[-1] < LARGEST:
        log_r = np.log(rate) + (2 * layers - 2) * log_w[-1]
        log_w.append(log_w[-1] + (log_r + np.log1p(-np.exp(-log_r)) if log_r > 0 else np.log1p(-np.exp(log_r))))
    log_w_ = np.array(log_w)
    log_loss = 2 * layers * log_w_ - np.log(2)
    log_loss[0] = 2 * np.log(product - TARGET) - np.log(2)
    return log_loss, _passed(log_loss + np.log(2)), _passed((2 * layers - 1) * log_w_) + 2


def _chain(layers: int, config: Config) -> Task:
    w = PRODUCT ** (1 / layers)
    rate = RELATIVE * w**2 / (PRODUCT * (PRODUCT - TARGET))
    law = chain_law(layers, PRODUCT, RELATIVE, rate, config.num_updates)
    one = np.ones((1, 1))
    return Task([w * one] * layers, one, TARGET * one, "linear", rate, *law)


def _deep_linear(config: Config, rng: np.random.Generator) -> Task:
    """The law of a chain whose first step is the network's own, in its largest singular value."""
    width = config.width
    weights = [rng.normal(0.0, width**-0.5, (width, width)) for _ in range(LAYERS - 1)]
    read_out, inputs = rng.normal(0.0, width**-0.5, (1, width)), rng.standard_normal((width, 1))
    blank = Task([*weights, read_out], inputs, np.full((1, 1), TARGET), "linear", 1.0, np.empty(0), 0.0, 0.0)
    loss, slopes = gradients(*blank[:4])
    largest = [
        np.linalg.norm(slope, 2) / np.linalg.norm(each, 2) for slope, each in zip(slopes, blank.weights, strict=True)
    ]
    rate = RELATIVE / np.exp(np.mean(np.log(largest)))
    product = np.exp(np.mean([np.log(np.linalg.norm(each, 2)) for each in blank.weights]) * LAYERS) * np.linalg.norm(
        inputs
    )
    log_loss, *lost = chain_law(LAYERS, product, 1 + RELATIVE, rate, config.num_updates)
    return Task(*blank[:4], rate, np.append(np.log(loss), log_loss[1:]), *lost)


def _task(config: Config) -> Task:
    (name,), rng = config.net, rng_of(config)
    makers = {"regression": _regression, "tanh": _tanh, "deep linear": _deep_linear}
    return makers[name](config, rng) if name in makers else _chain(int(name.split()[-1]), config)


def run(config: Config) -> dict[str, Any]:
    (name,) = config.net
    task = _task(config)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        seen = trained(task, config.num_updates)
    num = len(seen.log_loss)
    law = np.full(num, np.nan)
    law[: len(task.log_loss)] = task.log_loss[:num]
    rows = [
        comparison(
            f"infinite loss, {name}", "NaN", Estimate(seen.loss_infinite, 0.0), task.loss_infinite, COUNTING, "steps"
        ),
        comparison(
            f"NaN in the weights, {name}", "NaN", Estimate(seen.weights_nan, 0.0), task.weights_nan, COUNTING, "steps"
        ),
    ]
    shown = np.unique(np.geomspace(1, num, 60).astype(int)) - 1
    return {
        "step": shown,
        "log_loss": law[shown],
        "log_loss_hat": np.where(np.isfinite(seen.log_loss), seen.log_loss, np.nan)[shown],
        "loss_infinite_hat": seen.loss_infinite,
        "grad_infinite_hat": seen.grad_infinite,
        "loss_nan_hat": seen.loss_nan,
        "weights_nan_hat": seen.weights_nan,
        "weights_nan": task.weights_nan,
        "loss_infinite": task.loss_infinite,
        **placed(rows, (0, 1), len(shown)),
    }


def findings(frame: pd.DataFrame) -> Findings:
    cells = frame.drop_duplicates("cell").set_index("net")
    numbers = {"multiple": f"{MULTIPLE:g}", "relative": f"{RELATIVE:g}", "width": f"{int(frame.width.max())}"}
    for name, row in cells.iterrows():
        key = str(name).replace("chain of ", "chain/").replace(" ", "-")
        numbers |= {
            f"{key}/nan": f"{row.weights_nan_hat:.0f}",
            f"{key}/predicted": f"{row.weights_nan:.0f}",
            f"{key}/loss": f"{row.loss_infinite_hat:.0f}",
            f"{key}/between": f"{row.weights_nan_hat - row.loss_infinite_hat:.0f}",
        }
    parts = [f"{name}: {row.weights_nan_hat:.0f} (predicted {row.weights_nan:.0f})" for name, row in cells.iterrows()]
    verdict = (
        f"Steps until NaN is in the weights: {'; '.join(parts)}. A linear regression at {MULTIPLE:g} times its largest stable rate grows by the same "
        f"factor in every step, and its loss reads inf after {numbers['regression/loss']} steps. In a chain of weights the logarithm itself is "
        f"multiplied in every step. An infinite loss comes first; NaN is in the weights one or two updates after the first infinite gradient."
    )
    return Findings(verdict, numbers)
